"""`farm node` and `farm node join`: the agent beside one or more printers."""

import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from farm.config import NodeSettings, load
from farm.errors import ConflictError, command_name

if TYPE_CHECKING:
    from farm.node.page.client import PageClient

node_app = typer.Typer(help="Run the agent beside your printers, or join a farm first.", invoke_without_command=True)

_Config = Annotated[Path | None, typer.Option(help="node.toml; without it the defaults hold.")]
_Data = Annotated[Path | None, typer.Option(help="Data folder, instead of the configuration's.")]


@node_app.callback()
def run(context: typer.Context, config: _Config = None, data: _Data = None) -> None:
    """Run the agent: print what the farm allocates, also while the farm cannot be reached."""
    if context.invoked_subcommand is not None:
        return
    options = [f"--{name}={path}" for name, path in (("config", config), ("data", data)) if path is not None]
    # The same process becomes the agent: what only the command line needs would be a fifth of the agent's memory.
    os.execv(sys.executable, [sys.executable, "-m", "farm.node", *options])  # noqa: S606 - no shell


@node_app.command()
def join(
    url: Annotated[str, typer.Argument(help="The farm's address, such as https://farm.local:8080")],
    code: Annotated[str, typer.Argument(help="The code of your invitation, such as BCDF-GHJK")],
    config: _Config = None,
    data: _Data = None,
    name: Annotated[str, typer.Option(help="How people call this node; the host name if left out.")] = "",
    again: Annotated[bool, typer.Option("--again", help="Replace the identity that the data folder has.")] = False,
) -> None:
    """Join a farm with the code of an invitation. Writes who this node is into the data folder."""
    from farm.node.join import join as join_farm  # noqa: PLC0415

    settings = load(NodeSettings, config)
    folder = data or settings.data
    identity = join_farm(url, code, folder, name or settings.name or socket.gethostname(), again=again)
    options = "".join(f" --{option} {path}" for option, path in (("config", config), ("data", data)) if path is not None)
    typer.echo(f"This is now node {identity.node} of {identity.farm_url}. Start it with: {command_name()} node{options}")
    if not settings.printers:
        typer.echo("It has no printers yet: list them in a node.toml (configs/node.toml shows how) and name that with --config.")


def _page(config: Path | None, data: Path | None) -> "PageClient":
    from farm.node.page.client import PageClient  # noqa: PLC0415

    settings = load(NodeSettings, config)
    return PageClient(settings if data is None else settings.model_copy(update={"data": data}))


@node_app.command()
def page(config: _Config = None, data: _Data = None) -> None:
    """Show the address of this node's own page, with its token if it needs one: whoever has it may collect and stop printers."""
    for url in _page(config, data).urls():
        typer.echo(url)


def _row(printer: dict[str, Any]) -> str:
    occupation = printer["occupation"]
    job = occupation["job"] if occupation else None
    progress = "" if printer["progress"] is None or occupation is None else f" {printer['progress']:.0%}"
    outcome = "" if not occupation or occupation["outcome"] is None else f", {occupation['outcome']}: collect it"
    what = f", {job['job']} ({job['parts']} parts{outcome})" if job else f", {occupation['id']}" if occupation else ""
    reason = f"  {printer['reason']['en']}" if printer["reason"] else ""
    return f"{printer['name']}: {printer['state']}{progress}, bed {printer['bed']}{what}.{reason}"


@node_app.command()
def status(config: _Config = None, data: _Data = None) -> None:
    """Show the printers of this node and its contact with the farm, also when the farm cannot be reached."""
    state = _page(config, data).state()
    farm, disk = state["farm"], state["disk"]
    age_s = farm["contact_age_s"]
    contact = (
        "none since the start" if age_s is None else f"{age_s:.0f} s ago" + (", go on by a person" if farm["by_person"] else "")
    )
    typer.echo(f"{state['name']}: last contact {contact}; {farm['untold']} facts to tell; {farm['waiting']} jobs may still start.")
    if farm["waiting"]:
        typer.echo(f"Without the farm it starts jobs for {farm['goes_on_s'] or 0:.0f} s more.")
    if disk["nearly_full"] or not disk["writable"]:
        typer.echo("The disk is full or nearly full: nothing new starts. Free some space.")
    for printer in state["printers"]:
        typer.echo(_row(printer))


@node_app.command()
def collect(
    printer: Annotated[str, typer.Argument(help="The printer's name or id")],
    good: Annotated[int, typer.Option(min=0, help="How many parts are good.")],
    job: Annotated[str, typer.Option(help="The job that is meant; what lies on the bed if left out.")] = "",
    config: _Config = None,
    data: _Data = None,
) -> None:
    """Take the parts of an ended job off a bed of this node: what is not good is scrap."""
    client = _page(config, data)
    chosen = client.printer(client.state(), printer)
    occupation = chosen["occupation"]
    reference = occupation["job"] if occupation else None
    if reference is None or (job and job != reference["job"]):
        raise ConflictError(f"No such job is on the bed of {printer}.", next_step="Look at `farm node status`.")
    body = {"printer": chosen["id"], "job": reference["job"], "good": good, "scrap": max(0, reference["parts"] - good)}
    client.post("collect", body)
    typer.echo(f"Collected {reference['job']}: {good} good, {body['scrap']} scrap.")


@node_app.command("go-on")
def go_on(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False, config: _Config = None, data: _Data = None
) -> None:
    """Have this node go on without the farm for one autonomy more. It may make parts too many."""
    client = _page(config, data)
    if not yes:
        typer.confirm("It may make parts too many: the farm may have given this work to others. Go on?", abort=True)
    state = client.post("go-on", {"sure": True, "by": "farm node go-on"})
    typer.echo(f"The printers go on for {state['farm']['goes_on_s'] or 0:.0f} s: {state['farm']['waiting']} jobs may start.")


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(node_app, name="node")
