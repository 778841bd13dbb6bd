"""`farm printers`: what can be found out about printers without a daemon, and those that are gone."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from farm.commands.client import AuthorityFile, TokenFile, Url, farm_client
from farm.commands.manage import Yes, make_sure
from farm.commands.orders import find_printer
from farm.commands.overview import say
from farm.errors import as_typed
from farm.views import FarmView

printers = typer.Typer(help="Printers: those on this computer, and those that are gone.", no_args_is_help=True)


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


@printers.command()
def remove(
    printer: Annotated[str, typer.Argument(help="Id or name of the printer.")],
    yes: Yes = False,
    url: Url = None,
    token_file: TokenFile = None,
    ca_file: AuthorityFile = None,
) -> None:
    """Let the farm forget a printer that is gone: what lies on it is made again by others."""
    with farm_client(url, token_file, ca_file) as client:
        view = find_printer(FarmView.model_validate(client.get("/farm")), printer)
        make_sure(f"Forget {view.name} ({view.id})? What lies on it is not expected any more.", yes=yes)
        client.delete(f"/printers/{view.id}")
    say(f"{view.name} is forgotten. If its node reports it again, it is back.")


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(printers, name="printers")
