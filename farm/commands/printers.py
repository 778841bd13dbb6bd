"""`farm printers`: what can be found out about printers without a daemon, and those that are gone."""

from typing import Annotated

import typer

from farm.commands.add_printer import add
from farm.commands.asking import Yes, make_sure
from farm.commands.client import FarmClient, on_daemon
from farm.commands.console import console
from farm.commands.orders import find_printer
from farm.commands.probe import probe
from farm.commands.scan import scan
from farm.commands.speech import say
from farm.views import FarmView
from gcode.texts import Bilingual

printers = typer.Typer(help="Printers: those on this computer, and those that are gone.", no_args_is_help=True)
for command in (scan, probe, console, add):
    printers.command()(command)


@printers.command()
@on_daemon
def remove(
    client: FarmClient,
    printer: Annotated[str, typer.Argument(help="Id or name of the printer.")],
    yes: Yes = False,
) -> None:
    """Let the farm forget a printer that is gone: what lies on it is made again by others."""
    view = find_printer(FarmView.model_validate(client.get("/farm")), printer)
    question = Bilingual(
        f"Forget {view.name} ({view.id})? What lies on it is not expected any more.",
        f"Oublier {view.name} ({view.id}) ? Ce qu'elle porte n'est plus attendu.",
    )
    make_sure(question, yes=yes)
    client.delete(f"/printers/{view.id}")
    say(
        Bilingual(
            f"{view.name} is forgotten. If its node reports it again, it is back.",
            f"{view.name} est oubliée. Si son nœud l'annonce de nouveau, elle revient.",
        )
    )


def register(app: typer.Typer) -> None:
    """Add the commands of this module, and those for printers of this computer."""
    app.add_typer(printers, name="printers")
