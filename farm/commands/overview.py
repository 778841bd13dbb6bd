"""What `farm status` shows: what needs a hand first, then silent nodes, orders and printers, in lines that fit the terminal."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Final

from farm.bus.messages import ReasonNote
from farm.commands.speech import duration, number_of, plain, say, say_json
from farm.errors import as_typed, command_name
from farm.views import FarmView, NodeView, PrinterView, StockView

__all__ = [
    "RECOVERIES",
    "Line",
    "duration",
    "hands",
    "number_of",
    "overview",
    "plain",
    "rejected",
    "rejections",
    "say",
    "say_json",
    "silences",
]

Line = tuple[str, str]  # a text and its style
_GAP: Final = "  "
_NARROWEST: Final = 40  # below it lines are wrapped by the terminal
RECOVERIES: Final = {
    "by-itself": "It goes on by itself.",
    "by-hand": "It needs a hand.",
    "never": "It needs repair before it prints again.",
}
_NUMBERS: Final = frozenset({"good", "wanted", "owed", "done"})


def overview(farm: FarmView, width: int) -> Iterator[Line]:
    """The whole status of a farm; no line is longer than `width` unless a single word is."""
    online = sum(printer.online for printer in farm.printers)
    owed = number_of(sum(order.owed for order in farm.orders), "part")
    yield from _wrapped(f"{farm.name}: {online} of {number_of(len(farm.printers), 'printer')} online, {owed} owed", width)
    for alarm in farm.alarms:
        style = "yellow" if alarm.code == "restoring" else "bold red"  # it heals by itself
        yield from _wrapped(f"! {alarm.text} {as_typed(alarm.next_step)}", width, style)
    for line in hands(farm):
        yield from _wrapped(f"> {line}", width, "yellow")
    for line in (*silences(farm.nodes), *rejections(farm.nodes)):
        yield from _wrapped(f"- {line}", width, "yellow")
    yield from _orders(farm, width)
    if farm.stock:
        yield "", ""
        yield from _wrapped(f"Stock: {', '.join(map(_in_stock, farm.stock))}", width)
    yield from _printers(farm, width)


def hands(farm: FarmView) -> list[str]:
    """What a technician is to do now, one line each, with the command that tells the farm that it is done.

    A job whose parts were noted already is not asked for again while its node has not answered. A daemon that only watches takes
    no word of a hand.
    """
    noted = _noted(farm)
    lines = []
    for printer, name in zip(farm.printers, _names(farm), strict=True):
        on_bed = printer.occupation
        if printer.fault is not None:
            fault = printer.fault
            lines.append(
                f"{name}: {fault.meaning_en or fault.text} {fault.action_en} {RECOVERIES.get(fault.recovery, '')}".rstrip()
            )
        if printer.prompt is not None:
            lines.append(f"{name} asks: {printer.prompt.text} Answer it: {command_name()} answer {printer.id}")
        if on_bed is not None and on_bed.running and on_bed.recalled:
            lines.append(f"{name}: it prints a revision that was recalled: cancel the job, or set its parts aside.")
        if on_bed is None or on_bed.running or farm.fence is not None:
            continue
        if on_bed.job is None:
            lines.append(f"{name}: the bed is not clear: {command_name()} clear-bed {printer.id}")
        elif printer.id not in noted:
            lines.append(f"{name}: {_to_collect(printer)}")
    return [plain(line) for line in lines]


def _noted(farm: FarmView) -> set[str]:
    """The printers whose parts were collected and whose node has not answered yet.

    Their job does not wait for a hand any more, and that is not because the farm is still to hear of its end.
    """
    waiting = {job.id for job in farm.waiting}
    behind = {node.id for node in farm.nodes if node.journal_behind}
    ended = (view for view in farm.printers if view.occupation and view.occupation.job and not view.occupation.running)
    return {view.id for view in ended if view.node not in behind and view.occupation and view.occupation.job not in waiting}


def _to_collect(printer: PrinterView) -> str:
    on_bed = printer.occupation
    assert on_bed is not None
    parts, command = number_of(on_bed.good_at_most, "part"), f"{command_name()} collect {printer.id}"
    if on_bed.recalled:
        return f"{parts} of a recalled revision, set them aside: {command} --good 0"
    if on_bed.outcome == "printed":
        return f"{parts} to collect: {command}"
    return f"the print was not finished ({on_bed.outcome}), count what can be used of {parts}: {command} --good 0"


def silences(nodes: Iterable[NodeView]) -> list[str]:
    """The nodes that are not connected, and since when; or why that is not known."""
    quiet = (node for node in nodes if node.suspect or not node.online or node.not_known)
    return [plain(f"Node {node.name}: {_silence(node)}.") for node in quiet]


def rejections(nodes: Iterable[NodeView]) -> list[str]:
    """The nodes of which messages could not be taken in, since the daemon's start."""
    return [
        plain(f"Node {node.name}: {rejected(node)}. The daemon's log says more.") for node in nodes if any(node.rejected.values())
    ]


def rejected(node: NodeView) -> str:
    """How many messages of a node were rejected, and why."""
    why = ", ".join(f"{reason} {count}" for reason, count in sorted(node.rejected.items()) if count)
    return f"{number_of(sum(node.rejected.values()), 'message')} rejected ({why})"


def _in_stock(view: StockView) -> str:
    return f"{view.parts} x {view.revision}{' (recalled: set aside)' if view.recalled else ''}"


def _silence(node: NodeView) -> str:
    if node.not_known is not None:
        return node.not_known.en.rstrip(".").lower()
    if node.silent_s is None:
        return "not heard since the daemon started"
    return f"not connected for {duration(node.silent_s)}"


# --- tables


@dataclass(frozen=True)
class _Row:
    name: str
    cells: Sequence[str]
    more: str  # on a line of its own


def _names(farm: FarmView) -> list[str]:
    """The names of the printers; with their id where several have the same."""
    several = Counter(printer.name.casefold() for printer in farm.printers)
    return [f"{view.name} ({view.id})" if several[view.name.casefold()] > 1 else view.name for view in farm.printers]


def _orders(farm: FarmView, width: int) -> Iterator[Line]:
    several = Counter((view.revision, view.destination) for view in farm.orders)
    rows = []
    for view in farm.orders:
        name = f"{view.revision} ({view.id})" if several[view.revision, view.destination] > 1 else view.revision
        name += " (recalled)" if view.recalled else ""
        destination = f"For {view.destination}. " if view.destination else ""
        cells = (str(view.good), str(view.quantity), str(view.owed), f"{view.good / view.quantity:.0%}", view.state)
        rows.append(_Row(name, cells, destination + _sentences(view.why_waiting)))
    return _table("Orders", ("good", "wanted", "owed", "done", "state"), rows, width)


def _printers(farm: FarmView, width: int) -> Iterator[Line]:
    noted = _noted(farm)
    views = zip(_names(farm), farm.printers, strict=True)
    rows = [_Row(name, _printer_cells(view, noted=view.id in noted), _why_not(view)) for name, view in views]
    return _table("Printers", ("state", "done", "nozzle", "bed", "on the bed"), rows, width)


def _printer_cells(view: PrinterView, *, noted: bool) -> tuple[str, ...]:
    known = _known(view)
    return (
        view.state if view.online else "offline",
        f"{view.progress:.0%}" if known and view.progress is not None else "",
        _heat(view.nozzle_c, view.nozzle_target_c) if known else "",
        _heat(view.bed_c, view.bed_target_c) if known else "",
        "collect noted" if noted else view.bed,
    )


def _known(view: PrinterView) -> bool:
    """Whether the printer is heard: what was measured before says nothing of now."""
    return view.online and view.state != "offline"


def _why_not(view: PrinterView) -> str:
    if _known(view) or view.occupation is None or not view.occupation.running:
        return _sentences(view.why_not)
    others = (reason for reason in view.why_not if reason.code != "printing")
    return f"It was printing when it was last heard. {_sentences(others)}"


def _heat(actual_c: float | None, target_c: float | None) -> str:
    return "" if actual_c is None else f"{actual_c:.0f}/{target_c or 0:.0f}°"


def _sentences(reasons: Iterable[ReasonNote]) -> str:
    return " ".join(reason.en for reason in reasons)


def _table(title: str, heads: Sequence[str], rows: Sequence[_Row], width: int) -> Iterator[Line]:
    """A name, short columns, and under them what is long. A name that does not fit has a line of its own: it is never cut."""
    from rich.cells import cell_len  # noqa: PLC0415 - only for people

    if not rows:
        return
    grid = [heads, *([plain(cell) for cell in row.cells] for row in rows)]
    widths = [max(map(cell_len, column)) for column in zip(*grid, strict=True)]
    room = max(12, width - sum(widths) - len(_GAP) * len(widths))
    name_width = min(room, max(cell_len(plain(row.name)) for row in rows))
    name_width = max(name_width, len(title))

    def line(name: str, cells: Sequence[str]) -> str:
        padded = (
            " " * (size - cell_len(cell)) + cell if head in _NUMBERS else cell + " " * (size - cell_len(cell))
            for head, cell, size in zip(heads, cells, widths, strict=True)
        )
        return _GAP.join([name + " " * (name_width - cell_len(name)), *padded]).rstrip()

    yield "", ""
    yield line(title, heads), "bold"
    for row, cells in zip(rows, grid[1:], strict=True):
        name = plain(row.name)
        if cell_len(name) > name_width:
            yield from _wrapped(name, width)
            name = ""
        yield line(name, cells), ""
        if row.more.strip():
            yield from _wrapped(f"    {row.more.strip()}", width, "dim")


def _wrapped(text: str, width: int, style: str = "") -> Iterator[Line]:
    """Lines of whole words; those after the first are indented."""
    indent = " " * (4 if text.startswith("    ") else 2)
    lines = wrap(plain(text), max(width, _NARROWEST), subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return ((line, style) for line in lines)
