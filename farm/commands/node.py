"""`farm node` and `farm node join`: the agent beside one or more printers."""

import os
import socket
import sys
from pathlib import Path
from typing import Annotated

import typer

from farm.config import NodeSettings, load
from farm.errors import command_name

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


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(node_app, name="node")
