"""`farm printers`: what can be found out about printers without a daemon."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from farm.errors import as_typed

printers = typer.Typer(help="Printers on this computer.", no_args_is_help=True)


@printers.callback()
def _group() -> None:
    """Keep `scan` a subcommand also while it is the only one."""


@printers.command()
def scan(json_output: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False) -> None:
    """List the serial ports, those that look like printers first, with the URL to use for each."""
    from drivers.marlin import ports  # noqa: PLC0415 - pyserial is loaded by this command only

    found = ports.scan()
    if json_output:
        for port in found:
            typer.echo(json.dumps({**asdict(port), "url": port.url}))
        return
    if not found:
        typer.echo("This computer has no serial port now. Plug the printer's USB cable in, switch it on, and run this again.")
    for port in found:
        guess = f"{port.chip}, looks like a printer" if port.likely else "probably no printer"
        typer.echo(f"{port.url}\n    {port.kernel_name}  {port.description}  ({guess})")
    if any(port.likely for port in found):
        typer.echo(as_typed("Try one: farm try URL FILE.gcode"))


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(printers, name="printers")
