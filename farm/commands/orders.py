"""What people ask of a running farm: `farm order`, `status`, `collect`, `clear-bed` and `invite`."""

from typing import Annotated, Any, Final

import typer

from farm.commands.client import AsJson, FarmClient, on_daemon
from farm.commands.overview import overview
from farm.commands.speech import number_of, plain, plural_fr, say, say_json
from farm.commands.vocabulary import OUTCOMES, word
from farm.commands.which import PRINTER, meant, requester_of, revision_of
from farm.errors import ConflictError, InvalidError, command_name
from farm.views import FarmView, InviteView, OccupationView, OrderView, PrinterView
from gcode.texts import NOTHING, Bilingual
from scheduler.model import JobOutcome

# --- farm order


@on_daemon
def order(  # noqa: PLR0913, PLR0917 - one parameter for each option
    client: FarmClient,
    design: Annotated[str, typer.Argument(help="What to make, such as visor-frame.")],
    quantity: Annotated[int, typer.Argument(min=1, help="How many good parts.")],
    priority: Annotated[int, typer.Option(min=-100, max=100, help="Higher ones are printed first.")] = 0,
    destination: Annotated[str, typer.Option(help="Who gets them.")] = "",
    revision: Annotated[str | None, typer.Option(help="A certain revision instead of the newest, such as r3.")] = None,
    requester: Annotated[str | None, typer.Option(help="Who asks for them, by name: gets only what it has approved.")] = None,
    as_json: AsJson = False,
) -> None:
    """Order parts of a design."""
    body: dict[str, Any] = {"quantity": quantity, "priority": priority, "destination": destination}
    body |= {"revision": revision_of(client, revision, design)} if revision else {"design": design}
    body |= {"requester": requester_of(client, requester)} if requester else {}
    answer = client.post("/orders", body)
    if as_json:
        say_json(answer)
        return
    view = OrderView.model_validate(answer)
    of, command = f"{view.quantity} x {view.revision}", f"{command_name()} status"
    say(
        Bilingual(
            f"{view.id}: {of}; {view.expected} being made already. Watch it with: {command}",
            f"{view.id} : {of} ; {view.expected} déjà en cours. Suivez-la avec : {command}",
        )
    )


# --- farm status


@on_daemon
def status(client: FarmClient, as_json: AsJson = False) -> None:
    """Show the farm: what needs a hand first, then orders and printers."""
    answer = client.get("/farm")
    if as_json:
        say_json(answer)
        return
    from rich.console import Console  # noqa: PLC0415 - only for people

    console = Console(markup=False, highlight=False, emoji=False)
    for line, style in overview(FarmView.model_validate(answer), console.width):
        console.print(line, style=style, soft_wrap=True)


# --- farm collect, farm clear-bed


def find_printer(farm: FarmView, wanted: str) -> PrinterView:
    """The printer that is meant, by its id or its name. Raises as `farm.commands.which.meant`."""
    views = {view.id: view for view in farm.printers}
    return views[meant(PRINTER, wanted, {key: view.name for key, view in views.items()})]


def share(parts: int, good: int | None, scrap: int | None) -> tuple[int, int]:
    """How many parts are good and how many scrap; what is not said follows from the other.

    Raises:
        InvalidError: more than there are.

    """
    if good is None:
        good = parts - (scrap or 0)
    if scrap is None:
        scrap = parts - good
    if good < 0 or scrap < 0 or good + scrap > parts:
        counted = number_of(parts, "part")
        raise InvalidError(
            Bilingual(f"There is no more than {counted} on the bed.", f"Il n'y a que {counted.fr} sur le plateau."),
            next_step=Bilingual("Count again.", "Comptez de nouveau."),
        )
    return good, scrap


@on_daemon
def collect(
    client: FarmClient,
    printer: Annotated[str, typer.Argument(help="Id or name of the printer.")],
    good: Annotated[int | None, typer.Option(min=0, help="Parts that may be used; all of them if left out.")] = None,
    scrap: Annotated[int | None, typer.Option(min=0, help="Parts that may not.")] = None,
    by: Annotated[str, typer.Option(help="Who collected.")] = "operator",
    as_json: AsJson = False,
) -> None:
    """Say that the parts are off the bed, and how many are good: only then they count."""
    view = find_printer(FarmView.model_validate(client.get("/farm")), printer)
    on_bed = view.occupation
    if on_bed is None or on_bed.job is None:
        raise ConflictError(
            Bilingual(
                f"No job of ours is on the bed of {plain(view.name)}.",
                f"Aucune de nos impressions n'est sur le plateau de {plain(view.name)}.",
            ),
            next_step=Bilingual(
                "`farm clear-bed` frees a bed of anything else.", "`farm clear-bed` libère un plateau de toute autre chose."
            ),
        )
    if on_bed.running:
        raise ConflictError(
            Bilingual(f"{plain(view.name)} is still printing.", f"{plain(view.name)} imprime encore."),
            next_step=Bilingual("Wait for its end.", "Attendez sa fin."),
        )
    if good is None and scrap is None:
        _check_printed(view, on_bed)
    good_parts, scrap_parts = share(on_bed.good_at_most, good, scrap)
    answer = client.post(f"/printers/{view.id}/collect", {"job": on_bed.job, "good": good_parts, "scrap": scrap_parts, "by": by})
    if as_json:
        say_json({**answer, "job": on_bed.job, "good": good_parts, "scrap": scrap_parts})
        return
    assumed = _ALL_OF_THEM if good is None and scrap is None else NOTHING
    when, good_fr = _when(view), f"{good_parts} {plural_fr(good_parts, 'bonne')}"
    say(
        Bilingual(
            f"{view.name}: {good_parts} good, {scrap_parts} scrap noted{assumed.en}.{when.en}",
            f"{view.name} : {good_fr}, {scrap_parts} au rebut, noté{assumed.fr}.{when.fr}",
        )
    )


_ALL_OF_THEM: Final = Bilingual(
    " (all of them, because you gave no numbers)", " (toutes bonnes, car vous n'avez pas donné de nombres)"
)


def _check_printed(view: PrinterView, on_bed: OccupationView) -> None:
    """Only of a print that came to its end may be assumed that all its parts are good. ConflictError."""
    if on_bed.outcome is not JobOutcome.PRINTED:
        answer = f"{command_name()} collect {view.id} --good 0 --scrap {on_bed.good_at_most}"
        ended = word(OUTCOMES, on_bed.outcome).fr if on_bed.outcome is not None else "n'est pas finie"
        raise ConflictError(
            Bilingual(
                f"The job on {plain(view.name)} was not printed to its end: {on_bed.outcome}.",
                f"L'impression sur {plain(view.name)} n'est pas allée à son terme : elle {ended}.",
            ),
            next_step=Bilingual(
                f"Say how many of its parts can be used, such as: {answer}",
                f"Dites combien de ses pièces sont utilisables, par exemple : {answer}",
            ),
            code="count-needed",
        )


_WHEN_BACK: Final = Bilingual(
    " Its node is away: this counts when the node is back.", " Son nœud est absent : cela compte quand le nœud est de retour."
)


def _when(view: PrinterView) -> Bilingual:
    return NOTHING if view.online else _WHEN_BACK


@on_daemon
def clear_bed(
    client: FarmClient,
    printer: Annotated[str, typer.Argument(help="Id or name of the printer.")],
    by: Annotated[str, typer.Option(help="Who cleared it.")] = "operator",
) -> None:
    """Say that a bed is clear, whatever was on it; no parts are counted."""
    view = find_printer(FarmView.model_validate(client.get("/farm")), printer)
    if view.occupation is None:
        raise ConflictError(
            Bilingual(f"Nothing is on the bed of {plain(view.name)}.", f"Il n'y a rien sur le plateau de {plain(view.name)}."),
            next_step=Bilingual("There is nothing to clear.", "Il n'y a rien à libérer."),
        )
    client.post(f"/printers/{view.id}/clear-bed", {"occupation": view.occupation.id, "by": by})
    when = _when(view)
    say(Bilingual(f"{view.name}: noted that the bed is clear.{when.en}", f"{view.name} : noté que le plateau est libre.{when.fr}"))


# --- farm invite


@on_daemon
def invite(
    client: FarmClient,
    name: Annotated[str, typer.Option(help="Whom the code is for.")] = "",
    as_json: AsJson = False,
) -> None:
    """Make a code with which one maker joins the farm."""
    answer = client.post("/enrolments/invites", {"name": name})
    if as_json:
        say_json(answer)
        return
    view = InviteView.model_validate(answer)
    say(Bilingual(f"Code: {view.code}", f"Code : {view.code}"))
    say(Bilingual(f"The maker types, once: {view.command}", f"Le maker tape, une fois : {view.command}"))


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(order)
    app.command()(status)
    app.command()(collect)
    app.command("clear-bed")(clear_bed)
    app.command()(invite)
