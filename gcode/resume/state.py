"""What the machine is at the cut, read by the interpreter, and whether the file can be cut there."""

from copy import deepcopy
from dataclasses import dataclass, field
from math import hypot
from typing import BinaryIO, Final

from gcode.facts import GcodeFacts, LayerFacts
from gcode.machine import Machine
from gcode.profile import PrinterProfile
from gcode.reader import Line, arguments, read_lines
from gcode.resume.errors import unsuitable
from gcode.resume.gate import SAME_MM
from gcode.survey import survey

_COLD_C: Final = 150.0  # no plastic of ours prints below
_SLOPE_MM: Final = 1e-3
_FLAVOURS: Final = frozenset({"marlin", "marlin-legacy", "klipper", "reprapfirmware"})

# Commands whose last line of each kind is repeated; what else a start code does is not known to be safe twice.
_CARRIED: Final = frozenset(
    {
        *("M201", "M203", "M204", "M205", "M207", "M208", "M221", "M566", "M572", "M593", "M900"),
        *("G17", "G18", "G19", "SET_PRESSURE_ADVANCE", "SET_RETRACTION", "SET_VELOCITY_LIMIT"),
    }
)
_FANS: Final = frozenset({"M106", "M107"})
_MESHES: Final = frozenset({"G29", "G80", "M420", "BED_MESH_CALIBRATE", "BED_MESH_PROFILE"})
_HOMING: Final = frozenset({"G28", "G29", "G30", "G80", "G34", "BED_MESH_CALIBRATE", "Z_TILT_ADJUST", "QUAD_GANTRY_LEVEL"})
_MAX_CARRIED: Final = 64


@dataclass(slots=True)
class CutState:
    """What the machine is at the cut, and what of the whole file matters for taking it up again."""

    machine: Machine
    carried: dict[tuple[str, str], str] = field(default_factory=dict)
    fans: dict[int, str] = field(default_factory=dict)
    scales_speed: bool = False  # M220: its factors are the machine's, because B and R hang on one another
    meshed: bool = False
    box: list[float] = field(default_factory=list)  # of the part: min x, min y, max x, max y
    slopes: bool = False
    homes_on_the_way: int = 0  # line, 0: none
    z_comes_first: bool = False  # the rest names a height before it lays anything


def read_state(stream: BinaryIO, profile: PrinterProfile, facts: GcodeFacts, row: LayerFacts) -> CutState:
    """Go through the whole file once; the machine stops at the cut, another one goes on."""
    machine = survey(stream, profile).machine()
    state = CutState(machine)
    first_line = facts.layer_table[0].line
    cut: CutState | None = None
    for line in read_lines(stream):
        if cut is None and line.number >= row.line:
            cut = _frozen(state)
        if cut is None:
            _carry(state, line)
        elif line.code in _HOMING and line.number < facts.last_extrusion_line and _touches_z(line):
            cut.homes_on_the_way = cut.homes_on_the_way or line.number
        _follow(cut or state, machine, line, first_line)
    return cut or state


def _frozen(state: CutState) -> CutState:
    """The state as it is now: the machine that goes on is another."""
    return deepcopy(state)


def _touches_z(line: Line) -> bool:
    return line.code != "G28" or "Z" in line.parameters or not line.parameters.keys() & {"X", "Y"}


def _carry(state: CutState, line: Line) -> None:
    """Remember the last line of each kind that sets something for good; the newest comes last."""
    code = line.code
    state.meshed |= code in _MESHES
    state.scales_speed |= code == "M220"
    if code in _FANS:
        state.fans[int(line.parameters.get("P", 0))] = f"{code} {line.text}".strip()
    elif code in _CARRIED:
        key = (code, _subject(line))
        state.carried.pop(key, None)
        if len(state.carried) < _MAX_CARRIED:
            state.carried[key] = f"{code} {line.text}".strip()


def _subject(line: Line) -> str:
    """What a setting is about: its letters, or the names of an extended command's arguments and which extruder it is for."""
    if line.parameters:
        return "".join(sorted(line.parameters))
    values = arguments(line.text)
    return " ".join([values.get("EXTRUDER", ""), *sorted(values)])


def _follow(state: CutState, machine: Machine, line: Line, first_line: int) -> None:
    for move in machine.apply(line) if line.defect is None else ():
        if move.extrudes and line.number >= first_line:
            state.slopes |= _slopes(move.start, move.end)
            _widen(state.box, move.start)
            _widen(state.box, move.end)


def _slopes(start: tuple[float, float, float], end: tuple[float, float, float]) -> bool:
    return abs(end[2] - start[2]) > _SLOPE_MM and hypot(end[0] - start[0], end[1] - start[1]) > _SLOPE_MM


def _widen(box: list[float], point: tuple[float, float, float]) -> None:
    if not box:
        box[:] = [point[0], point[1], point[0], point[1]]
    box[0], box[1] = min(box[0], point[0]), min(box[1], point[1])
    box[2], box[3] = max(box[2], point[0]), max(box[3], point[1])


def names_z_first(stream: BinaryIO, relative: bool) -> bool:
    """Whether the rest, from where `stream` stands, moves to a height before it lays plastic."""
    for line in read_lines(stream):
        if line.code in {"G90", "G91"}:
            relative = line.code == "G91"
        if line.code in {"G0", "G1"} and "Z" in line.parameters:
            return not relative  # a hop: from where the file was
        if line.code in {"G0", "G1", "G2", "G3"} and "E" in line.parameters and line.parameters.keys() & {"X", "Y"}:
            return False
    return False


_Refusal = tuple[str, str, str]


def _refusal(state: CutState, profile: PrinterProfile, facts: GcodeFacts) -> _Refusal | None:
    """The first reason against this file, in the order in which a person would want to know."""
    machine = state.machine
    nozzle_c = machine.nozzle_c.get(0, 0.0)
    reasons: tuple[tuple[bool, _Refusal], ...] = (
        (
            (machine.flavour or profile.flavour) not in _FLAVOURS,
            ("flavour", "This firmware starts prints by itself.", "Ce micrologiciel démarre lui-même les impressions."),
        ),
        (
            len(facts.tools) > 1 or machine.tool != 0,
            (
                "several-tools",
                "The file uses several tools or not the first.",
                "Le fichier utilise plusieurs outils ou pas le premier.",
            ),
        ),
        (
            state.slopes,
            ("vase", "The nozzle climbs while it prints (vase mode).", "La buse monte en imprimant (mode vase)."),
        ),
        (
            machine.relative,
            ("relative", "Positions are relative at this layer.", "Les positions sont relatives à cette couche."),
        ),
        (
            any(abs(value) > SAME_MM for value in machine.shift) or bool(machine.states),
            ("shifted", "The file shifts its coordinates.", "Le fichier décale ses coordonnées."),
        ),
        (
            bool(machine.drawn_back),
            (
                "firmware-retraction",
                "The filament is drawn back by the firmware at this layer.",
                "Le filament est rétracté par le micrologiciel à cette couche.",
            ),
        ),
        (
            bool(machine.e_mm3),
            ("volumetric", "The extruder counts cubic millimetres (M200).", "L'extrudeur compte en millimètres cubes (M200)."),
        ),
        (
            not _COLD_C <= nozzle_c <= profile.max_nozzle_c or machine.bed_c > profile.max_bed_c,
            (
                "temperature",
                f"The temperature at this layer is not known, or not one of this printer ({nozzle_c:g} °C).",
                f"La température à cette couche est inconnue ou n'est pas de cette imprimante ({nozzle_c:g} °C).",
            ),
        ),
        (
            bool(state.homes_on_the_way),
            (
                "homes",
                f"The rest of the file homes or probes Z (line {state.homes_on_the_way}).",
                f"La suite du fichier réinitialise ou palpe Z (ligne {state.homes_on_the_way}).",
            ),
        ),
    )
    return next((reason for found, reason in reasons if found), None)


def check_suitable(state: CutState, profile: PrinterProfile, facts: GcodeFacts) -> None:
    """Raises UnsuitableError with the first reason against cutting this file there."""
    refusal = _refusal(state, profile, facts)
    if refusal is not None:
        reason, english, french = refusal
        raise unsuitable(
            reason,
            f"{english} It cannot be taken up again: print the part anew.",
            f"{french} Reprise impossible : imprimez la pièce de nouveau.",
        )
