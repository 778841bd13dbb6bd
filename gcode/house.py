"""House blocks: the start and end code of a printer's profile take the place of a file's own.

A farm that mixes files of many slicers wants each of its printers to heat, home and purge in its own way. What lies between, the
layers, stays as it is, and so do comments. The exchange is planned from the facts of the file and then checked with them: the same
layers with the same filament, or it is refused.
"""

from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from math import isclose
from typing import BinaryIO, Final

from gcode.containers.streams import CHUNK_BYTES, as_stream
from gcode.facts import GcodeFacts
from gcode.interpreter import read_facts
from gcode.machine import DUST_MM, Machine
from gcode.marks import layer_mark
from gcode.profile import PrinterProfile
from gcode.reader import Line, parse_line, read_lines
from gcode.texts import Bilingual, BilingualError

# Settings of a start block that the layers after it count on; they are put behind the house's start code.
_KEPT: Final = frozenset(
    {
        *("M73", "M106", "M107", "M117", "M141", "M191", "M201", "M203", "M204", "M205", "M207", "M208", "M220", "M221", "M486"),
        *("M572", "M593", "M900", "SET_VELOCITY_LIMIT", "SET_PRESSURE_ADVANCE", "EXCLUDE_OBJECT_DEFINE"),
    }
)
_MAX_BLOCK_BYTES: Final = 8 * 1024**2  # of start or end, pictures in comments included
_MAX_BLOCK_COMMANDS: Final = 2_000
_LEAST_NOZZLE_C: Final = 150.0  # below that nothing flows
_SAME_MM: Final = 1e-3

_TEXTS: Final = {
    "no-layers": Bilingual(
        "The file marks no layers, so that its start code cannot be told from the rest",
        "Le fichier ne marque pas de couches : son code de début ne se distingue pas du reste",
    ),
    "several-tools": Bilingual("The file uses several tools", "Le fichier utilise plusieurs outils"),
    "no-temperature": Bilingual(
        "The start code of the file does not say how hot the nozzle is to be",
        "Le code de début du fichier ne dit pas la température de la buse",
    ),
    "modes": Bilingual(
        "The layers count on something in the start code that cannot be carried over ({what})",
        "Les couches dépendent d'un réglage du code de début qui ne peut être repris ({what})",
    ),
    "too-long": Bilingual(
        "The start or end code is too long to be one", "Le code de début ou de fin est trop long pour en être un"
    ),
    "no-blocks": Bilingual("The profile has no start or end code", "Le profil n'a pas de code de début ou de fin"),
    "changed": Bilingual(
        "With the house's start and end code the file would print something else ({what})",
        "Avec le code de début et de fin de la maison, le fichier imprimerait autre chose ({what})",
    ),
}
_NEXT: Final = Bilingual(
    "Slice it with layer comments and the temperatures of the material, or use a profile without house blocks.",
    "Tranchez-le avec les commentaires de couches et les températures du matériau, ou prenez un profil sans code de la maison.",
)


class HouseBlocksError(BilingualError):
    """The start and end code of a file cannot be exchanged. `code` names the reason."""

    def __init__(self, code: str, what: str = "") -> None:
        text = _TEXTS[code]
        super().__init__(Bilingual(f"{text.en.format(what=what)}.", f"{text.fr.format(what=what)}."), next_step=_NEXT)
        self.code = f"house-{code}"


@dataclass(frozen=True, slots=True)
class HousePlan:
    """Where the layers begin and end (bytes), and what comes before and after them instead of the file's own commands."""

    begin: int
    end: int
    start: bytes
    finish: bytes
    start_lines: int  # commands that are left out
    end_lines: int
    old_end_mm: float  # filament that the end code moves
    new_end_mm: float

    def apply(self, stream: BinaryIO) -> Iterator[bytes]:
        """The changed program; `stream` is read from its beginning."""
        stream.seek(0)
        yield _comments(stream.read(self.begin))
        yield self.start
        left, last = self.end - self.begin, b"\n"
        while left and (piece := stream.read(min(left, CHUNK_BYTES))):
            left -= len(piece)
            last = piece[-1:]
            yield piece
        if last not in {b"\n", b"\r"}:
            yield b"\n"
        yield self.finish
        yield _comments(stream.read(_MAX_BLOCK_BYTES))


def _comments(block: bytes) -> bytes:
    """The lines without a command. What cannot be understood is no comment."""
    return b"".join(raw for raw in block.splitlines(keepends=True) if not raw.strip() or raw.lstrip().startswith(b";"))


def plan_house_blocks(stream: BinaryIO, profile: PrinterProfile) -> HousePlan:
    """Find the blocks of the file in `stream` (it can seek; it is read several times) and check the exchange with its facts.

    Raises:
        HouseBlocksError: they cannot be told from the rest, or the exchange would change what is printed.

    """
    if not profile.start_gcode.strip() or not profile.end_gcode.strip():
        raise HouseBlocksError("no-blocks")
    stream.seek(0)
    before = read_facts(stream, profile)
    if not before.layer_table or len(before.tools) > 1:
        raise HouseBlocksError("several-tools" if len(before.tools) > 1 else "no-layers")
    stream.seek(0)
    plan = _planned(_Blocks.of(stream, before, profile), profile)
    after = read_facts(as_stream(plan.apply(stream)), profile)
    _check_layers(before, after, plan)
    if not after.heaters_off_at_end or not (after.homes or profile.homes_itself):
        raise HouseBlocksError("changed", "M104 S0, M140 S0, G28")
    return plan


class _Blocks:
    """What one pass finds: the machine where the layers begin, the settings before, and where what begins."""

    def __init__(self, facts: GcodeFacts, profile: PrinterProfile) -> None:
        self.begin = facts.layer_table[0].offset
        self._running = Machine(flavour=facts.flavour or profile.flavour)
        self.machine = self._running  # as it is where the layers begin
        self.end_mm = 0.0
        self.chamber = facts.max_chamber_c > 0
        self.settings: list[bytes] = []
        self.start_lines = self.end_lines = 0
        self.end = facts.size_bytes
        self._first = facts.layer_table[0].line
        self._last = facts.last_extrusion_line

    @classmethod
    def of(cls, stream: BinaryIO, facts: GcodeFacts, profile: PrinterProfile) -> "_Blocks":
        blocks = cls(facts, profile)
        for line in read_lines(stream):
            blocks._take(line)
        if max(blocks.begin, facts.size_bytes - blocks.end) > _MAX_BLOCK_BYTES:
            raise HouseBlocksError("too-long")
        if max(blocks.start_lines, blocks.end_lines) > _MAX_BLOCK_COMMANDS:
            raise HouseBlocksError("too-long")
        return blocks

    def _take(self, line: Line) -> None:
        if line.number == self._first:
            if layer_mark(line.comment) is None:
                raise HouseBlocksError("no-layers")
            self.machine = deepcopy(self._running)
        if line.number == self._last + 1:
            self.end = line.offset
        if not line.code or line.defect is not None:
            return
        moves = self._running.apply(line)
        if line.number < self._first:
            self.start_lines += 1
            if line.code in _KEPT:
                self.settings.append(_written(line))
        elif line.number > self._last:
            self.end_lines += 1
            self.end_mm += sum(move.filament_mm for move in moves)


def _written(line: Line) -> bytes:
    """A command as text; the reader has taken line numbers and comments off."""
    return f"{line.code} {line.text}".strip().encode("utf-8", "replace")


def _hindrance(machine: Machine) -> str:
    """What of the state where the layers begin cannot be made again after other start code; "" when all can."""
    hindrances = {
        "G20": machine.unit_mm != 1.0,
        "G91": machine.relative,
        "G92 X Y Z": any(abs(shift_mm) > DUST_MM for shift_mm in machine.shift),
        "G10": bool(machine.drawn_back),
        "M200": bool(machine.e_mm3),
        "T": machine.tool != 0,
        "griffin": machine.flavour == "griffin",  # heats and homes as its header says, without any start code
    }
    return ", ".join(name for name, there in hindrances.items() if there)


def _planned(blocks: _Blocks, profile: PrinterProfile) -> HousePlan:
    machine = blocks.machine
    if hindrance := _hindrance(machine):
        raise HouseBlocksError("modes", hindrance)
    nozzle_c = machine.nozzle_c.get(0, 0.0)
    if nozzle_c < _LEAST_NOZZLE_C:
        raise HouseBlocksError("no-temperature")
    start = _filled(profile.start_gcode, nozzle_c, machine.bed_c)
    house = Machine(flavour=profile.flavour)
    for line in start:
        house.apply(parse_line(line))
    start += [*blocks.settings, *_carried_over(machine, house)]
    cold = [b"M141 S0"] if blocks.chamber else []
    finish = [b"G90", _extruder_mode(house), *cold, *_filled(profile.end_gcode, nozzle_c, machine.bed_c)]
    new_end_mm = sum(move.filament_mm for line in finish for move in house.apply(parse_line(line)))
    return HousePlan(
        begin=blocks.begin,
        end=blocks.end,
        start=_text(start),
        finish=_text(finish),
        start_lines=blocks.start_lines,
        end_lines=blocks.end_lines,
        old_end_mm=blocks.end_mm,
        new_end_mm=new_end_mm,
    )


def _extruder_mode(machine: Machine) -> bytes:
    return b"M83" if machine.relative_e else b"M82"


def _carried_over(machine: Machine, house: Machine) -> list[bytes]:
    """The state that the layers expect: how far the filament is drawn back, modes, E and speed."""
    drawn_mm = machine.retracted_mm.get(0, 0.0) - house.retracted_mm.get(0, 0.0)
    lines = [b"G90", b"M83"]
    if abs(drawn_mm) > DUST_MM:
        lines.append(b"G1 E%.5f F1800" % -drawn_mm)
    return [*lines, _extruder_mode(machine), b"G92 E%.5f" % machine.e, b"G1 F%.0f" % max(machine.speed_mm_s * 60, 1.0)]


def _filled(template: str, nozzle_c: float, bed_c: float) -> list[bytes]:
    text = template.replace("{nozzle_c}", f"{nozzle_c:g}").replace("{bed_c}", f"{bed_c:g}")
    return [line.strip().encode() for line in text.splitlines() if line.strip()]


def _text(lines: Iterable[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def _check_layers(before: GcodeFacts, after: GcodeFacts, plan: HousePlan) -> None:
    """What is printed must be the same. The last layer has what the end code moves, too."""
    if len(before.layer_table) != len(after.layer_table) or before.layers != after.layers:
        raise HouseBlocksError("changed", f"{before.layers} -> {after.layers}")
    for number, (old, new) in enumerate(zip(before.layer_table, after.layer_table, strict=True), 1):
        last = number == before.layers
        old_mm = old.filament_mm - (plan.old_end_mm if last else 0.0)
        new_mm = new.filament_mm - (plan.new_end_mm if last else 0.0)
        if abs(old.z_mm - new.z_mm) > _SAME_MM or not isclose(old_mm, new_mm, rel_tol=1e-6, abs_tol=_SAME_MM):
            raise HouseBlocksError("changed", f"{number}: {old_mm:.3f} -> {new_mm:.3f} mm")
