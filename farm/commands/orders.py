"""What people ask of a running farm: `farm order`, `status`, `collect`, `clear-bed` and `invite`."""

from typing import Annotated, Any

import typer

from farm.commands.client import AsJson, FarmClient, on_daemon
from farm.commands.overview import overview, plain, say, say_json
from farm.errors import ConflictError, InvalidError, NotFoundError, command_name
from farm.views import FarmView, InviteView, OccupationView, OrderView, PrinterView
from scheduler.model import JobOutcome

# --- farm order


@on_daemon
def order(  # noqa: PLR0913, PLR0917 - one parameter for each option
    client: FarmClient,
    design: Annotated[str, typer.Argument(help="What to make, such as visor-frame.")],
    quantity: Annotated[int, typer.Argument(min=1, help="How many good parts.")],
    priority: Annotated[int, typer.Option(min=-100, max=100, help="Higher ones are printed first.")] = 0,
    destination: Annotated[str, typer.Option(help="Who gets them.")] = "",
    revision: Annotated[str | None, typer.Option(help="A certain revision instead of the newest.")] = None,
    requester: Annotated[str | None, typer.Option(help="Who asks for them, by name: gets only what it has approved.")] = None,
    as_json: AsJson = False,
) -> None:
    """Order parts of a design."""
    body: dict[str, Any] = {"quantity": quantity, "priority": priority, "destination": destination}
    body |= {"revision": revision} if revision else {"design": design}
    body |= {"requester": requester} if requester else {}
    answer = client.post("/orders", body)
    if as_json:
        say_json(answer)
        return
    view = OrderView.model_validate(answer)
    say(f"{view.id}: {view.quantity} x {view.revision}; {view.expected} being made already. Watch it with: {command_name()} status")


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
    """The printer with this id, or this name if only one has it.

    Raises:
        NotFoundError: none has it.
        ConflictError: several have this name.

    """
    found = [view for view in farm.printers if view.id == wanted]
    found = found or [view for view in farm.printers if view.name.casefold() == wanted.casefold()]
    if not found:
        raise NotFoundError(f"There is no printer {plain(wanted)}.", next_step="`farm status` lists them.")
    if len(found) > 1:
        ids = ", ".join(view.id for view in found)
        raise ConflictError(f"{len(found)} printers are called {plain(wanted)}.", next_step=f"Name it by its id: {ids}.")
    return found[0]


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
        raise InvalidError(f"There are only {parts} parts on the bed.", next_step="Count again.")
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
            f"No job of ours is on the bed of {plain(view.name)}.", next_step="`farm clear-bed` frees a bed of anything else."
        )
    if on_bed.running:
        raise ConflictError(f"{plain(view.name)} is still printing.", next_step="Wait for its end.")
    if good is None and scrap is None:
        _check_printed(view, on_bed)
    good_parts, scrap_parts = share(on_bed.good_at_most, good, scrap)
    answer = client.post(f"/printers/{view.id}/collect", {"job": on_bed.job, "good": good_parts, "scrap": scrap_parts, "by": by})
    if as_json:
        say_json({**answer, "job": on_bed.job, "good": good_parts, "scrap": scrap_parts})
        return
    assumed = " (all of them, because you gave no numbers)" if good is None and scrap is None else ""
    say(f"{view.name}: {good_parts} good, {scrap_parts} scrap noted{assumed}.{_when(view)}")


def _check_printed(view: PrinterView, on_bed: OccupationView) -> None:
    """Only of a print that came to its end may be assumed that all its parts are good. ConflictError."""
    if on_bed.outcome is not JobOutcome.PRINTED:
        answer = f"{command_name()} collect {view.id} --good 0 --scrap {on_bed.good_at_most}"
        raise ConflictError(
            f"The job on {plain(view.name)} was not printed to its end: {on_bed.outcome}.",
            next_step=f"Say how many of its parts can be used, such as: {answer}",
            code="count-needed",
        )


def _when(view: PrinterView) -> str:
    return "" if view.online else " Its node is away: this counts when the node is back."


@on_daemon
def clear_bed(
    client: FarmClient,
    printer: Annotated[str, typer.Argument(help="Id or name of the printer.")],
    by: Annotated[str, typer.Option(help="Who cleared it.")] = "operator",
) -> None:
    """Say that a bed is clear, whatever was on it; no parts are counted."""
    view = find_printer(FarmView.model_validate(client.get("/farm")), printer)
    if view.occupation is None:
        raise ConflictError(f"Nothing is on the bed of {plain(view.name)}.", next_step="There is nothing to clear.")
    client.post(f"/printers/{view.id}/clear-bed", {"occupation": view.occupation.id, "by": by})
    say(f"{view.name}: noted that the bed is clear.{_when(view)}")


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
    say(f"Code: {view.code}")
    say(f"The maker types, once: {view.command}")


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(order)
    app.command()(status)
    app.command()(collect)
    app.command("clear-bed")(clear_bed)
    app.command()(invite)
