"""`farm printers`: what can be found out about printers without a daemon, and those that are gone."""

from typing import Annotated

import typer

from farm.commands.add_printer import add
from farm.commands.client import AuthorityFile, TokenFile, Url, farm_client
from farm.commands.console import console
from farm.commands.manage import Yes, make_sure
from farm.commands.orders import find_printer
from farm.commands.overview import say
from farm.commands.probe import probe
from farm.commands.scan import scan
from farm.views import FarmView

printers = typer.Typer(help="Printers: those on this computer, and those that are gone.", no_args_is_help=True)
for command in (scan, probe, console, add):
    printers.command()(command)


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
    """Add the commands of this module, and those for printers of this computer."""
    app.add_typer(printers, name="printers")
