"""`farm node` and `farm node join`: the agent beside one or more printers."""

import asyncio
import signal
import socket
from pathlib import Path
from typing import Annotated

import typer

from farm import log
from farm.config import NodeSettings, load

node_app = typer.Typer(help="Run the agent beside your printers, or join a farm first.", invoke_without_command=True)

_Config = Annotated[Path | None, typer.Option(help="node.toml; without it the defaults hold.")]
_Data = Annotated[Path | None, typer.Option(help="Data folder, instead of the configuration's.")]


def _settings(config: Path | None, data: Path | None) -> NodeSettings:
    settings = load(NodeSettings, config)
    return settings if data is None else settings.model_copy(update={"data": data})


async def _run(settings: NodeSettings) -> None:
    from farm.node.agent import Agent  # noqa: PLC0415 - `farm node join` needs no driver and no ledger
    from farm.node.join import load_identity  # noqa: PLC0415

    agent = Agent(settings, load_identity(settings.data), settings.clock.clock())
    task = asyncio.create_task(agent.run())
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        if not task.cancelled():
            raise


@node_app.callback()
def run(context: typer.Context, config: _Config = None, data: _Data = None) -> None:
    """Run the agent: print what the farm allocates, also while the farm cannot be reached."""
    if context.invoked_subcommand is not None:
        return
    settings = _settings(config, data)
    log.configure(level=settings.log.level, json=settings.log.json_lines)
    asyncio.run(_run(settings))


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

    settings = _settings(config, data)
    identity = join_farm(url, code, settings.data, name or settings.name or socket.gethostname(), again=again)
    typer.echo(f"This is now node {identity.node} of {identity.farm_url}. Start it with: farm node --data {settings.data}")


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(node_app, name="node")
