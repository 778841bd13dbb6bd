"""What people ask of a running farm: `farm order`, `status`, `collect`, `clear-bed`, `invite` and `program`."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from farm.commands.client import AsJson, AuthorityFile, FarmClient, TokenFile, Url, find_daemon
from farm.errors import ConfigurationError, ConflictError, InvalidError, NotFoundError
from farm.views import FarmView, InviteView, OrderView, PrinterView, ProgramView

if TYPE_CHECKING:
    from rich.table import Table

program_app = typer.Typer(help="G-code files of the farm.", no_args_is_help=True)

_NUMBERS: Final = frozenset({"good", "owed", "wanted", "done"})
_SHORT: Final = _NUMBERS | {"state", "nozzle", "bed", "on the bed"}


def _client(url: str | None, token_file: Path | None, ca_file: Path | None) -> FarmClient:
    return FarmClient(find_daemon(url, token_file, ca_file))


def plain(text: str) -> str:
    """Text from a printer or a maker, made safe for a terminal: no control characters, so no escape sequences."""
    return "".join(character if character.isprintable() else "�" for character in text)


def _say(text: str) -> None:
    sys.stdout.write(plain(text) + "\n")


def _say_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


# --- farm order


def order(  # noqa: PLR0913, PLR0917 - one parameter for each option
    design: Annotated[str, typer.Argument(help="What to make, such as visor-frame.")],
    quantity: Annotated[int, typer.Argument(min=1, help="How many good parts.")],
    priority: Annotated[int, typer.Option(min=-100, max=100, help="Higher ones are printed first.")] = 0,
    destination: Annotated[str, typer.Option(help="Who gets them.")] = "",
    revision: Annotated[str | None, typer.Option(help="A certain revision instead of the newest.")] = None,
    url: Url = None,
    token_file: TokenFile = None,
    ca_file: AuthorityFile = None,
    as_json: AsJson = False,
) -> None:
    """Order parts of a design."""
    body: dict[str, Any] = {"quantity": quantity, "priority": priority, "destination": destination}
    body |= {"revision": revision} if revision else {"design": design}
    with _client(url, token_file, ca_file) as client:
        answer = client.post("/orders", body)
    if as_json:
        _say_json(answer)
        return
    view = OrderView.model_validate(answer)
    _say(f"{view.id}: {view.quantity} x {view.revision}; {view.expected} being made already. Watch it with: farm status")


# --- farm status


def status(url: Url = None, token_file: TokenFile = None, ca_file: AuthorityFile = None, as_json: AsJson = False) -> None:
    """Show the farm: what needs a hand first, then orders and printers."""
    with _client(url, token_file, ca_file) as client:
        answer = client.get("/farm")
    if as_json:
        _say_json(answer)
        return
    from rich.console import Console  # noqa: PLC0415 - only for people

    farm = FarmView.model_validate(answer)
    console = Console(markup=False, highlight=False, emoji=False)
    online = sum(printer.online for printer in farm.printers)
    console.print(f"{plain(farm.name)}: {online} of {len(farm.printers)} printers online, {_owed(farm)} parts owed")
    for alarm in farm.alarms:
        console.print(f"! {plain(alarm.text)} {plain(alarm.next_step)}", style="bold red")
    for line in hands(farm):
        console.print(f"> {line}", style="yellow")
    for table in (_order_table(farm), _printer_table(farm)):
        if table.row_count:
            console.print(table)


def _owed(farm: FarmView) -> int:
    return sum(view.owed for view in farm.orders)


def hands(farm: FarmView) -> list[str]:
    """What a technician is to do now, one line each, with the command that tells the farm that it is done."""
    lines = []
    for printer in farm.printers:
        on_bed = printer.occupation
        if printer.fault is not None:
            lines.append(f"{printer.name}: {printer.fault.meaning_en or printer.fault.text} {printer.fault.action_en}")
        if on_bed is not None and not on_bed.running:
            command = "collect" if on_bed.job else "clear-bed"
            what = f"up to {on_bed.good_at_most} parts to collect" if on_bed.job else "the bed is not clear"
            lines.append(f"{printer.name}: {what}: farm {command} {printer.id}")
    return [plain(line) for line in lines]


def _table(title: str, *columns: str) -> "Table":
    from rich import box  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in _NUMBERS else "left", no_wrap=column in _SHORT)
    return table


def _order_table(farm: FarmView) -> "Table":
    table = _table("Orders", "what", "for", "good", "wanted", "owed", "done", "state")
    for view in farm.orders:
        state = "; ".join([view.state, *(reason.en for reason in view.why_waiting)])
        counts = (str(view.good), str(view.quantity), str(view.owed), f"{view.good / view.quantity:.0%}")
        cells = (view.revision, view.destination, *counts, state)
        table.add_row(*(plain(cell) for cell in cells))
    return table


def _printer_table(farm: FarmView) -> "Table":
    table = _table("Printers", "printer", "state", "done", "nozzle", "bed", "on the bed", "why not")
    for view in farm.printers:
        cells = (
            view.name,
            view.state if view.online else "offline",
            "" if view.progress is None else f"{view.progress:.0%}",
            _heat(view.nozzle_c, view.nozzle_target_c),
            _heat(view.bed_c, view.bed_target_c),
            view.bed,
            "; ".join(reason.en for reason in view.why_not),
        )
        table.add_row(*(plain(cell) for cell in cells))
    return table


def _heat(actual_c: float | None, target_c: float | None) -> str:
    return "" if actual_c is None else f"{actual_c:.0f}/{target_c or 0:.0f}°"


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
        raise ConflictError(f"{len(found)} printers are called {plain(wanted)}.", next_step="Name it by its id: `farm status`.")
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


def collect(  # noqa: PLR0913, PLR0917 - one parameter for each option
    printer: Annotated[str, typer.Argument(help="Id or name of the printer.")],
    good: Annotated[int | None, typer.Option(min=0, help="Parts that may be used; all of them if left out.")] = None,
    scrap: Annotated[int | None, typer.Option(min=0, help="Parts that may not.")] = None,
    by: Annotated[str, typer.Option(help="Who collected.")] = "operator",
    url: Url = None,
    token_file: TokenFile = None,
    ca_file: AuthorityFile = None,
    as_json: AsJson = False,
) -> None:
    """Say that the parts are off the bed, and how many are good: only then they count."""
    with _client(url, token_file, ca_file) as client:
        view = find_printer(FarmView.model_validate(client.get("/farm")), printer)
        on_bed = view.occupation
        if on_bed is None or on_bed.job is None:
            raise ConflictError(
                f"No job of ours is on the bed of {plain(view.name)}.", next_step="`farm clear-bed` frees a bed of anything else."
            )
        if on_bed.running:
            raise ConflictError(f"{plain(view.name)} is still printing.", next_step="Wait for its end.")
        good_parts, scrap_parts = share(on_bed.good_at_most, good, scrap)
        answer = client.post(
            f"/printers/{view.id}/collect", {"job": on_bed.job, "good": good_parts, "scrap": scrap_parts, "by": by}
        )
    if as_json:
        _say_json({**answer, "job": on_bed.job, "good": good_parts, "scrap": scrap_parts})
        return
    assumed = " (all of them, because you gave no numbers)" if good is None and scrap is None else ""
    _say(f"{view.name}: {good_parts} good, {scrap_parts} scrap noted{assumed}.")


def clear_bed(
    printer: Annotated[str, typer.Argument(help="Id or name of the printer.")],
    by: Annotated[str, typer.Option(help="Who cleared it.")] = "operator",
    url: Url = None,
    token_file: TokenFile = None,
    ca_file: AuthorityFile = None,
) -> None:
    """Say that a bed is clear, whatever was on it; no parts are counted."""
    with _client(url, token_file, ca_file) as client:
        view = find_printer(FarmView.model_validate(client.get("/farm")), printer)
        if view.occupation is None:
            raise ConflictError(f"Nothing is on the bed of {plain(view.name)}.", next_step="There is nothing to clear.")
        client.post(f"/printers/{view.id}/clear-bed", {"occupation": view.occupation.id, "by": by})
    _say(f"{view.name}: noted that the bed is clear.")


# --- farm invite


def invite(
    name: Annotated[str, typer.Option(help="Whom the code is for.")] = "",
    url: Url = None,
    token_file: TokenFile = None,
    ca_file: AuthorityFile = None,
    as_json: AsJson = False,
) -> None:
    """Make a code with which one maker joins the farm."""
    with _client(url, token_file, ca_file) as client:
        answer = client.post("/enrolments/invites", {"name": name})
    if as_json:
        _say_json(answer)
        return
    view = InviteView.model_validate(answer)
    _say(f"Code: {view.code}")
    _say(f"The maker types, once: {view.command}")


# --- farm program


@program_app.command("add")
def add_program(  # noqa: PLR0913, PLR0917 - one parameter for each option
    file: Annotated[Path, typer.Argument(help="G-code of a slicer.")],
    design: Annotated[str, typer.Option(help="What it prints, such as visor-frame.")],
    revision: Annotated[str, typer.Option(help="Which revision, such as visor-frame-r3.")],
    profile: Annotated[str, typer.Option(help="The class of printers it was sliced for, such as generic-210.")],
    parts: Annotated[int, typer.Option(min=1, max=1_000, help="Parts that one print yields.")] = 1,
    material: Annotated[str, typer.Option(help="Filament it needs.")] = "PLA",
    name: Annotated[str, typer.Option(help="How people call it; the file's name if left out.")] = "",
    url: Url = None,
    token_file: TokenFile = None,
    ca_file: AuthorityFile = None,
    as_json: AsJson = False,
) -> None:
    """Add a G-code file; the farm checks it first. The same file again changes nothing."""
    fields = {"design": design, "revision": revision, "profile": profile, "parts": str(parts), "material": material}
    try:
        with file.open("rb") as stream, _client(url, token_file, ca_file) as client:
            answer = client.upload("/programs", {**fields, "name": name or file.name}, file.name, stream)
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}.", next_step="Check the path.") from error
    if as_json:
        _say_json(answer)
        return
    view = ProgramView.model_validate(answer)
    _say(f"{_line(view)}, {view.filament_g:.0f} g")


@program_app.command("list")
def list_programs(url: Url = None, token_file: TokenFile = None, ca_file: AuthorityFile = None, as_json: AsJson = False) -> None:
    """List the G-code files of the farm."""
    with _client(url, token_file, ca_file) as client:
        answer = client.get("/programs")
    if as_json:
        _say_json(answer)
        return
    for view in map(ProgramView.model_validate, answer):
        _say(f"{_line(view)}, {view.name}")


def _line(view: ProgramView) -> str:
    return f"{view.sha256[:12]}: {view.parts} x {view.revision} on {view.profile}, {view.estimated_s / 60:.0f} min"


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(order)
    app.command()(status)
    app.command()(collect)
    app.command("clear-bed")(clear_bed)
    app.command()(invite)
    app.add_typer(program_app, name="program")
