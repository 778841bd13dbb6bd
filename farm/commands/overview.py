"""What `farm status` shows: what needs a hand first, then silent nodes, orders and printers, in lines that fit the terminal."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Final, NamedTuple

from farm.bus.messages import FaultNote, ReasonNote
from farm.commands.questions import words_of
from farm.commands.speech import duration, number_of, plain, plural_fr, say, say_json
from farm.commands.vocabulary import (
    BED_STATES,
    ORDER_STATES,
    OUTCOMES,
    PEOPLE,
    PRINTER_STATES,
    RECOVERIES,
    REJECTIONS,
    joined,
    word,
)
from farm.errors import as_typed, command_name
from farm.language import spoken
from farm.views import AlarmView, FarmView, NodeView, OccupationView, PrinterView, StockView
from gcode.texts import NOTHING, Bilingual

__all__ = [
    "Line",
    "alarm_text",
    "duration",
    "hands",
    "node_name",
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
_RECALLED_RUNNING: Final = Bilingual(
    "it prints a revision that was recalled: cancel the job, or set its parts aside.",
    "elle imprime une révision rappelée : annulez l'impression, ou mettez ses pièces de côté.",
)
_NEVER_HEARD: Final = Bilingual("not heard since the daemon started", "aucune nouvelle depuis le démarrage du démon")


def overview(farm: FarmView, width: int) -> Iterator[Line]:
    """The whole status of a farm; no line is longer than `width` unless a single word is."""
    yield from _wrapped(spoken(_totals(farm)), width)
    for alarm in farm.alarms:
        style = "yellow" if alarm.code == "restoring" else "bold red"  # it heals by itself
        step = Bilingual(alarm.next_step, alarm.next_step_fr or alarm.next_step)
        yield from _wrapped(f"! {spoken(alarm_text(alarm))} {as_typed(spoken(step))}", width, style)
    for line in hands(farm):
        yield from _wrapped(f"> {line}", width, "yellow")
    for line in (*silences(farm.nodes), *rejections(farm.nodes)):
        yield from _wrapped(f"- {line}", width, "yellow")
    yield from _orders(farm, width)
    if farm.stock:
        yield "", ""
        yield from _wrapped(spoken(_stock(farm.stock)), width)
    yield from _printers(farm, width)


def alarm_text(alarm: AlarmView) -> Bilingual:
    """What an alarm says."""
    return Bilingual(alarm.text, alarm.text_fr or alarm.text)


def _totals(farm: FarmView) -> Bilingual:
    online = sum(map(_known, farm.printers))
    owed, printers = number_of(sum(order.owed for order in farm.orders), "part"), number_of(len(farm.printers), "printer")
    return Bilingual(
        f"{farm.name}: {online} of {printers} online, {owed} owed",
        f"{farm.name} : {number_of(online, 'printer').fr} sur {len(farm.printers)} en ligne, {owed.fr} à faire",
    )


def _stock(views: Iterable[StockView]) -> Bilingual:
    parts = joined(map(_in_stock, views), ", ")
    return Bilingual(f"Stock: {parts.en}", f"En stock : {parts.fr}")


def _in_stock(view: StockView) -> Bilingual:
    recalled = Bilingual(" (recalled: set aside)", " (rappelée : à mettre de côté)") if view.recalled else NOTHING
    return Bilingual(f"{view.parts} x {view.revision}{recalled.en}", f"{view.parts} x {view.revision}{recalled.fr}")


def hands(farm: FarmView) -> list[str]:
    """What a technician is to do now, one line each, with the command that tells the farm that it is done.

    A job whose parts were noted already is not asked for again while its node has not answered. A daemon that only watches takes
    no word of a hand.
    """
    noted = _noted(farm)
    lines: list[Bilingual] = []
    for printer, name in zip(farm.printers, _names(farm), strict=True):
        lines += _asks(printer, name)
        if farm.fence is None:
            lines += _to_take_off(printer, name, noted=printer.id in noted)
    return [plain(spoken(line)) for line in lines]


def _named(name: str, text: Bilingual) -> Bilingual:
    return Bilingual(f"{name}: {text.en}", f"{name} : {text.fr}")


def _asks(printer: PrinterView, name: str) -> Iterator[Bilingual]:
    """What a printer needs of a person, whatever is on its bed."""
    if printer.fault is not None:
        yield _named(name, _fault(printer.fault))
    elif printer.online and printer.state == "offline":
        yield _named(name, _LOST)
    if printer.prompt is not None:
        text, command = words_of(printer.prompt), f"{command_name()} answer {printer.id}"
        yield Bilingual(f"{name} asks: {text.en} Answer it: {command}", f"{name} demande : {text.fr} Répondez-lui : {command}")
    if printer.occupation is not None and printer.occupation.running and printer.occupation.recalled:
        yield _named(name, _RECALLED_RUNNING)


def _fault(fault: FaultNote) -> Bilingual:
    meaning, meaning_fr = fault.meaning_en or fault.text, fault.meaning_fr or fault.meaning_en or fault.text
    recovery = RECOVERIES.get(fault.recovery, NOTHING)
    return Bilingual(
        f"{meaning} {fault.action_en} {recovery.en}".rstrip(),
        f"{meaning_fr} {fault.action_fr or fault.action_en} {recovery.fr}".rstrip(),
    )


def _to_take_off(printer: PrinterView, name: str, *, noted: bool) -> Iterator[Bilingual]:
    on_bed = printer.occupation
    if on_bed is None or on_bed.running:
        return
    if on_bed.job is None:
        command = f"{command_name()} clear-bed {printer.id}"
        yield _named(name, Bilingual(f"the bed is not clear: {command}", f"le plateau n'est pas libre : {command}"))
    elif not noted:
        yield _named(name, _to_collect(printer, on_bed))


def _noted(farm: FarmView) -> set[str]:
    """The printers whose parts were collected and whose node has not answered yet.

    Their job does not wait for a hand any more, and that is not because the farm is still to hear of its end.
    """
    waiting = {job.id for job in farm.waiting}
    behind = {node.id for node in farm.nodes if node.journal_behind}
    ended = (view for view in farm.printers if view.occupation and view.occupation.job and not view.occupation.running)
    return {view.id for view in ended if view.node not in behind and view.occupation and view.occupation.job not in waiting}


def _to_collect(printer: PrinterView, on_bed: OccupationView) -> Bilingual:
    parts, command = number_of(on_bed.good_at_most, "part"), f"{command_name()} collect {printer.id}"
    if on_bed.recalled:
        return Bilingual(
            f"{parts} of a recalled revision, set them aside: {command} --good 0",
            f"{parts.fr} d'une révision rappelée, à mettre de côté : {command} --good 0",
        )
    if on_bed.outcome == "printed":
        return Bilingual(f"{parts} to collect: {command}", f"{parts.fr} à collecter : {command}")
    ended = OUTCOMES[on_bed.outcome].fr if on_bed.outcome is not None else "n'est pas finie"
    return Bilingual(
        f"the print was not finished ({on_bed.outcome}), count what can be used of {parts}: {command} --good 0",
        f"l'impression {ended}, comptez ce qui est utilisable sur {parts.fr} : {command} --good 0",
    )


def silences(nodes: Iterable[NodeView]) -> list[str]:
    """The nodes that are not connected, and since when; or why that is not known."""
    quiet = [node for node in nodes if node.suspect or not node.online or node.not_known]
    return [plain(spoken(_of_node(node, _silence(node)))) for node in quiet]


def rejections(nodes: Iterable[NodeView]) -> list[str]:
    """The nodes of which messages could not be taken in, since the daemon's start."""
    more = Bilingual(" The daemon's log says more.", " Le journal du démon en dit plus.")
    return [plain(spoken(_of_node(node, rejected(node), more))) for node in nodes if any(node.rejected.values())]


def _of_node(node: NodeView, text: Bilingual, more: Bilingual = NOTHING) -> Bilingual:
    name = node_name(node)
    return Bilingual(f"Node {name.en}: {text.en}.{more.en}", f"Nœud {name.fr} : {text.fr}.{more.fr}")


def node_name(node: NodeView) -> Bilingual:
    """What people call a node."""
    return PEOPLE.get(node.id, Bilingual(node.name, node.name))


def rejected(node: NodeView) -> Bilingual:
    """How many messages of a node were rejected, and why."""
    counted = [(word(REJECTIONS, reason), count) for reason, count in sorted(node.rejected.items()) if count]
    why = joined((Bilingual(f"{reason.en} {count}", f"{reason.fr} {count}") for reason, count in counted), ", ")
    total = sum(node.rejected.values())
    messages = number_of(total, "message")
    return Bilingual(f"{messages} rejected ({why.en})", f"{messages.fr} {plural_fr(total, 'rejeté')} ({why.fr})")


def _silence(node: NodeView) -> Bilingual:
    if node.not_known is not None:
        return Bilingual(node.not_known.en.rstrip(".").lower(), node.not_known.fr.rstrip(".").lower())
    if node.silent_s is None:
        return _NEVER_HEARD
    since = duration(node.silent_s)
    return Bilingual(f"not connected for {since}", f"non connecté depuis {since.fr}")


# --- tables


class _Head(NamedTuple):
    title: Bilingual
    number: bool = False  # to the right


@dataclass(frozen=True)
class _Row:
    name: str
    cells: Sequence[str]
    more: str  # on a line of its own


_ORDERS: Final = Bilingual("Orders", "Commandes")
_ORDER_HEADS: Final = (
    _Head(Bilingual("good", "bonnes"), number=True),
    _Head(Bilingual("wanted", "voulues"), number=True),
    _Head(Bilingual("owed", "à faire"), number=True),
    _Head(Bilingual("done", "fait"), number=True),
    _Head(Bilingual("state", "état")),
)
_PRINTERS: Final = Bilingual("Printers", "Imprimantes")
_PRINTER_HEADS: Final = (
    _Head(Bilingual("state", "état")),
    _Head(Bilingual("done", "fait"), number=True),
    _Head(Bilingual("nozzle", "buse")),
    _Head(Bilingual("bed", "plateau")),
    _Head(Bilingual("on the bed", "occupation")),
)
_COLLECT_NOTED: Final = Bilingual("collect noted", "collecte notée")
_LOST: Final = Bilingual("it does not answer: look below why.", "elle ne répond pas : la raison est dite plus bas.")
_WAS_PRINTING: Final = Bilingual("It was printing when it was last heard.", "Elle imprimait aux dernières nouvelles.")


def _names(farm: FarmView) -> list[str]:
    """The names of the printers; with their id where several have the same."""
    several = Counter(printer.name.casefold() for printer in farm.printers)
    return [f"{view.name} ({view.id})" if several[view.name.casefold()] > 1 else view.name for view in farm.printers]


def _orders(farm: FarmView, width: int) -> Iterator[Line]:
    several = Counter((view.revision, view.destination) for view in farm.orders)
    rows = []
    for view in farm.orders:
        name = f"{view.revision} ({view.id})" if several[view.revision, view.destination] > 1 else view.revision
        name += spoken(Bilingual(" (recalled)", " (rappelée)")) if view.recalled else ""
        destination = spoken(Bilingual("For", "Pour")) + f" {view.destination}. " if view.destination else ""
        state = spoken(word(ORDER_STATES, view.state))
        cells = (str(view.good), str(view.quantity), str(view.owed), _percent(view.good / view.quantity), state)
        rows.append(_Row(name, cells, destination + _sentences(view.why_waiting)))
    return _table(_ORDERS, _ORDER_HEADS, rows, width)


def _printers(farm: FarmView, width: int) -> Iterator[Line]:
    noted = _noted(farm)
    views = zip(_names(farm), farm.printers, strict=True)
    rows = [_Row(name, _printer_cells(view, noted=view.id in noted), _why_not(view)) for name, view in views]
    return _table(_PRINTERS, _PRINTER_HEADS, rows, width)


def _printer_cells(view: PrinterView, *, noted: bool) -> tuple[str, ...]:
    known = _known(view)
    return (
        spoken(word(PRINTER_STATES, view.state if view.online else "offline")),
        _percent(view.progress) if known and view.progress is not None else "",
        _heat(view.nozzle_c, view.nozzle_target_c) if known else "",
        _heat(view.bed_c, view.bed_target_c) if known else "",
        spoken(_COLLECT_NOTED if noted else word(BED_STATES, view.bed)),
    )


def _known(view: PrinterView) -> bool:
    """Whether the printer is heard: what was measured before says nothing of now."""
    return view.online and view.state != "offline"


def _why_not(view: PrinterView) -> str:
    if _known(view) or view.occupation is None or not view.occupation.running:
        return _sentences(view.why_not)
    others = (reason for reason in view.why_not if reason.code != "printing")
    return f"{spoken(_WAS_PRINTING)} {_sentences(others)}"


def _percent(share: float) -> str:
    return spoken(Bilingual(f"{share:.0%}", f"{share * 100:.0f} %"))


def _heat(actual_c: float | None, target_c: float | None) -> str:
    return "" if actual_c is None else f"{actual_c:.0f}/{target_c or 0:.0f}°"


def _sentences(reasons: Iterable[ReasonNote]) -> str:
    return " ".join(spoken(Bilingual(reason.en, reason.fr)) for reason in reasons)


def _table(title: Bilingual, heads: Sequence[_Head], rows: Sequence[_Row], width: int) -> Iterator[Line]:
    """A name, short columns, and under them what is long. A name that does not fit has a line of its own: it is never cut."""
    from rich.cells import cell_len  # noqa: PLC0415 - only for people

    if not rows:
        return
    titles = [spoken(head.title) for head in heads]
    grid = [titles, *([plain(cell) for cell in row.cells] for row in rows)]
    widths = [max(map(cell_len, column)) for column in zip(*grid, strict=True)]
    room = max(12, width - sum(widths) - len(_GAP) * len(widths))
    name_width = min(room, max(cell_len(plain(row.name)) for row in rows))
    name_width = max(name_width, len(spoken(title)))

    def line(name: str, cells: Sequence[str]) -> str:
        padded = (
            " " * (size - cell_len(cell)) + cell if head.number else cell + " " * (size - cell_len(cell))
            for head, cell, size in zip(heads, cells, widths, strict=True)
        )
        return _GAP.join([name + " " * (name_width - cell_len(name)), *padded]).rstrip()

    yield "", ""
    yield line(spoken(title), titles), "bold"
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
