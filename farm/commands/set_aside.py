"""`farm set-aside`: the facts that the farm could not understand."""

from datetime import datetime
from typing import Annotated

import typer

from farm.commands.client import AsJson, FarmClient, on_daemon
from farm.commands.overview import say, say_json
from farm.commands.which import fact_of
from farm.errors import as_typed
from farm.views import SetAsideView
from gcode.texts import Bilingual


@on_daemon
def set_aside(
    client: FarmClient,
    seen: Annotated[
        list[str] | None,
        typer.Option("--seen", help="Id of a fact that you have looked at, or its beginning or end; may be repeated."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the facts of nodes that could not be understood and were passed over; with --seen, take them off the list."""
    for key in seen or []:
        client.delete(f"/set-aside/{fact_of(client, key)}")
    answer = client.get("/set-aside", limit=1_000)
    if as_json:
        say_json(answer)
        return
    for view in [SetAsideView.model_validate(row) for row in answer]:
        at = datetime.fromtimestamp(view.created_at).astimezone().strftime("%Y-%m-%d %H:%M")
        said = f"{view.id}  {at}  {view.node_name}"
        say(
            Bilingual(f"{said}, fact {view.number}: {view.reason}", f"{said}, fait {view.number} : {view.reason_fr or view.reason}")
        )
        say(f"    {view.content}")
    if answer:
        command = as_typed("farm set-aside --seen ID")
        say(
            Bilingual(
                f"When you have counted by hand what they were about: {command}",
                f"Quand vous avez compté à la main ce dont ils parlaient : {command}",
            )
        )
    else:
        say(Bilingual("No fact is set aside.", "Aucun fait n'est mis de côté."))


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("set-aside")(set_aside)
