"""What a printer would do with each line: positions, modes, tools and temperatures. Pure; one state, fed line by line.

The rules are Marlin's (https://marlinfw.org/meta/gcode/): G90 and G91 set the extruder's mode too and M82, M83 change it alone (in
Klipper G91 makes E relative only until G90, RepRapFirmware keeps them apart); G92 shifts the coordinates without moving; G28 ends a
shift. Positions here are the machine's own: a file cannot hide behind a shift.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import pi
from typing import Final, NamedTuple

from gcode.arcs import PLANES, Plane, Point, arc_points, curve_points
from gcode.facts import ExtruderMode
from gcode.reader import ARCS, MOVES, Defect, Line, arguments, has_no_centre, number_in

MM_PER_INCH: Final = 25.4
DEFAULT_SPEED_MM_S: Final = 25.0  # Marlin's feed rate before the first F (1500 mm/min)
MAX_TOOL: Final = 16
MAX_RETRACTION_MM: Final = 20.0  # more cannot be given back without a person feeding the filament again
DUST_MM: Final = 1e-6  # rounding of what slicers write
_SAME_MM: Final = 1e-4  # nearer points may be one to a firmware that counts in single precision
_MAX_STATES: Final = 16

__all__ = ["HEAT_CODES", "MAX_TOOL", "FirmwareRetraction", "Machine", "Move", "Point", "draws_back", "tool_number"]


class Move(NamedTuple):
    """A straight move in machine coordinates (mm); `filament_mm` is what goes into the hot end (negative: retraction).

    `extrudes`: plastic is laid along a path. A prime on the spot is not, nor the return of a retraction while moving
    (Cura does that).
    """

    start: Point
    end: Point
    filament_mm: float
    speed_mm_s: float
    extrudes: bool


class _State(NamedTuple):
    """What Klipper keeps by name: modes, shift, E, speed and its factor."""

    modes: tuple[bool, bool, bool]
    shift: tuple[float, float, float]
    e: float
    speed_mm_s: float
    speed_factor: float


@dataclass(slots=True)
class FirmwareRetraction:
    """What G10 and G11 do (M207, M208); Marlin's defaults."""

    length_mm: float = 3.0
    speed_mm_s: float = 45.0
    extra_mm: float = 0.0
    return_speed_mm_s: float = 8.0


def tool_number(code: str) -> int | None:
    """The tool that `T0` to `T99` selects, at most MAX_TOOL; None for every other code."""
    if code[:1] != "T" or not (code[1:2].isdigit() or code[1:2] == "-"):
        return None
    return min(max(int(code[1:].partition(".")[0]), 0), MAX_TOOL)


@dataclass(slots=True)
class Machine:
    """The state of a printer while it reads a file. Temperatures in degrees C are targets.

    `flavour` (see `gcode.profile.FLAVOURS`) decides where firmwares differ. The counters at the end are of lines that went through
    `apply`.
    """

    x: float = 0.0
    y: float = 0.0
    z: float = 0.0
    e: float = 0.0  # of the file, mm (mm3 under M200)
    speed_mm_s: float = DEFAULT_SPEED_MM_S  # as the file says, without `speed_factor`
    relative: bool = False
    relative_e: bool = False
    unit_mm: float = 1.0
    tool: int = 0
    homed: bool = False
    shift: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])  # machine = file + shift
    retracted_mm: dict[int, float] = field(default_factory=dict)
    nozzle_c: dict[int, float] = field(default_factory=dict)
    stored_c: dict[int, float] = field(default_factory=dict)  # RepRapFirmware's, of tools that M568 A0 switched off
    bed_c: float = 0.0
    chamber_c: float = 0.0
    flavour: str | None = None
    speed_factor: float = 1.0  # M220
    kept_speed_factor: float = 1.0  # M220 B
    plane: Plane = PLANES["G17"]
    e_mm3: dict[int, float] = field(default_factory=dict)  # of 1 mm of filament, for tools whose E is mm3 (M200)
    retraction: FirmwareRetraction = field(default_factory=FirmwareRetraction)
    drawn_back: set[int] = field(default_factory=set)  # tools between G10 and G11
    offset: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])  # Klipper's SET_GCODE_OFFSET, a part of `shift`
    asked_relative_e: bool = False  # M83 in force; under G91 Klipper's E is relative all the same
    states: dict[str, "_State"] = field(default_factory=dict)  # Klipper's SAVE_GCODE_STATE
    e_word: float = 0.0  # the E of the last move that counted in `extruder_mode`
    absolute_moves: int = 0
    absolute_falls: int = 0
    relative_moves: int = 0
    relative_rises: int = 0
    arcs: int = 0

    @property
    def position(self) -> Point:
        """Where the nozzle is, in machine coordinates."""
        return (self.x, self.y, self.z)

    @property
    def extruder_mode(self) -> ExtruderMode:
        """How the E words of the lines that went through `apply` fit their mode."""
        return ExtruderMode(self.absolute_moves, self.absolute_falls, self.relative_moves, self.relative_rises)

    def apply(self, line: Line) -> tuple[Move, ...]:
        """Obey one line; give the moves it makes (an arc makes several)."""
        code = line.code
        if code in MOVES:
            return self._move(code, line.parameters)
        obey = _COMMANDS.get(code)
        if obey is not None:
            return obey(self, line) or ()
        tool = tool_number(code)
        if tool is not None:
            self.tool = tool
        return ()

    def doubted(self, line: Line) -> Line:
        """The line, marked as doubtful if it is an arc that names no circle from here: firmwares refuse it or go straight."""
        if line.code not in ARCS or line.defect is not None:
            return line
        parameters, plane = line.parameters, self.plane
        if "R" in parameters:
            end = self._target(parameters)
            near = (abs(end[axis] - self.position[axis]) < _SAME_MM for axis in (plane.first, plane.second))
            doubtful = all(near)
        else:
            doubtful = has_no_centre(line.code, {letter: parameters.get(letter, 0.0) for letter in plane.centre})
        return line._replace(defect=Defect.DOUBTFUL) if doubtful else line

    def _target(self, parameters: dict[str, float]) -> Point:
        unit = self.unit_mm
        x, y, z = self.x, self.y, self.z
        relative, shift = self.relative, self.shift
        if "X" in parameters:
            x = parameters["X"] * unit + (x if relative else shift[0])
        if "Y" in parameters:
            y = parameters["Y"] * unit + (y if relative else shift[1])
        if "Z" in parameters:
            z = parameters["Z"] * unit + (z if relative else shift[2])
        return (x, y, z)

    def _filament(self, parameters: dict[str, float]) -> float:
        """How far the filament goes (mm); the file's E goes along, in both modes as in Marlin."""
        value = parameters["E"] * self.unit_mm
        if "X" in parameters or "Y" in parameters:
            self._count(value)
        if self.relative_e:
            filament_mm = value
            self.e += value
        else:
            filament_mm = value - self.e
            self.e = value
        return filament_mm / self.e_mm3[self.tool] if self.tool in self.e_mm3 else filament_mm

    def _count(self, value: float) -> None:
        if self.relative_e:
            self.relative_moves += 1
            self.relative_rises += value > self.e_word
        else:
            self.absolute_moves += 1
            self.absolute_falls += value < self.e
        self.e_word = value

    def _lays(self, filament_mm: float) -> bool:
        """Whether this much filament is more than what was drawn back before."""
        missing_mm = self.retracted_mm.get(self.tool, 0.0) - filament_mm
        self.retracted_mm[self.tool] = min(max(missing_mm, 0.0), MAX_RETRACTION_MM)
        return missing_mm < -DUST_MM

    def _move(self, code: str, parameters: dict[str, float]) -> tuple[Move, ...]:
        if "F" in parameters:
            self.speed_mm_s = parameters["F"] * self.unit_mm / 60
        start, end = self.position, self._target(parameters)
        filament_mm = self._filament(parameters) if "E" in parameters else 0.0
        self.x, self.y, self.z = end
        if code in {"G2", "G3"}:
            self.arcs += 1
            lengths = {key: value * self.unit_mm for key, value in parameters.items() if key in "IJKR"}
            lengths["P"] = parameters.get("P", 0.0)
            return self._chords(arc_points(start, end, lengths, clockwise=code == "G2", plane=self.plane), start, filament_mm)
        if start == end and not filament_mm:
            return ()
        extrudes = bool(filament_mm) and self._lays(filament_mm) and start != end
        return (Move(start, end, filament_mm, self.speed_mm_s * self.speed_factor, extrudes),)

    def _chords(self, points: list[Point], start: Point, filament_mm: float) -> tuple[Move, ...]:
        share_mm, extrudes = filament_mm / len(points), self._lays(filament_mm)
        moves = []
        for point in points:
            moves.append(Move(start, point, share_mm, self.speed_mm_s * self.speed_factor, extrudes))
            start = point
        return tuple(moves)

    def feed_filament(self, filament_mm: float, speed_mm_s: float) -> tuple[Move, ...]:
        """The firmware itself moves the filament (G10, G11)."""
        self._lays(filament_mm)
        return (Move(self.position, self.position, filament_mm, speed_mm_s, extrudes=False),) if filament_mm else ()


_Moves = tuple[Move, ...] | None
_Obey = Callable[[Machine, Line], _Moves]


def _distances(machine: Machine, line: Line) -> None:
    """G90 and G91."""
    machine.relative = line.code == "G91"
    if machine.flavour == "klipper":
        machine.relative_e = machine.relative or machine.asked_relative_e
    elif machine.flavour != "reprapfirmware":
        machine.relative_e = machine.asked_relative_e = machine.relative


def _extruder_distances(machine: Machine, line: Line) -> None:
    """M82 and M83."""
    machine.asked_relative_e = line.code == "M83"
    machine.relative_e = machine.asked_relative_e or (machine.flavour == "klipper" and machine.relative)


def _units(machine: Machine, line: Line) -> None:
    machine.unit_mm = MM_PER_INCH if line.code == "G20" else 1.0


def _plane(machine: Machine, line: Line) -> None:
    machine.plane = PLANES[line.code]


def _home(machine: Machine, line: Line) -> None:
    axes = [axis for axis in "XYZ" if axis in line.parameters] or list("XYZ")
    for axis in axes:
        setattr(machine, axis.lower(), 0.0)
        machine.shift["XYZ".index(axis)] = 0.0
    machine.homed = True


def _set_position(machine: Machine, line: Line) -> None:
    for index, (axis, actual) in enumerate(zip("XYZ", machine.position, strict=True)):
        if axis in line.parameters:
            machine.shift[index] = actual - line.parameters[axis] * machine.unit_mm
    if "E" in line.parameters:
        machine.e = line.parameters["E"] * machine.unit_mm


def _end_shift(machine: Machine, _line: Line) -> None:
    """G92.1."""
    machine.shift[:] = [0.0, 0.0, 0.0]


def _temperature(line: Line) -> float | None:
    """S heats, R heats and cools; None without either: then the target stays."""
    values = [line.parameters[letter] for letter in "SR" if letter in line.parameters]
    return max(values) if values else None


def _heat_nozzle(machine: Machine, line: Line) -> None:
    """M104 and M109; no firmware obeys one for a tool below 0."""
    target, tool = _temperature(line), int(line.parameters.get("T", machine.tool))
    if target is not None and tool >= 0:
        machine.nozzle_c[min(tool, MAX_TOOL)] = target


def _heat_bed(machine: Machine, line: Line) -> None:
    target = _temperature(line)
    machine.bed_c = machine.bed_c if target is None else target


def _heat_chamber(machine: Machine, line: Line) -> None:
    target = _temperature(line)
    machine.chamber_c = machine.chamber_c if target is None else target


def _heat_tool(machine: Machine, line: Line) -> None:
    """RepRapFirmware's G10 and M568 with P (tool), S (active) and R (standby); M568 A0 is off, A1 and A2 heat to these again."""
    tool, target = min(max(int(line.parameters.get("P", machine.tool)), 0), MAX_TOOL), _temperature(line)
    if target is not None:
        machine.nozzle_c[tool] = max(target, 0.0)
    if line.code != "M568" or "A" not in line.parameters:
        return
    if line.parameters["A"] < 1:
        machine.stored_c[tool] = machine.nozzle_c.get(tool, 0.0) or machine.stored_c.get(tool, 0.0)
        machine.nozzle_c[tool] = 0.0
    elif target is None:
        machine.nozzle_c[tool] = machine.nozzle_c.get(tool, 0.0) or machine.stored_c.get(tool, 0.0)


def draws_back(line: Line, flavour: str | None) -> bool:
    """Whether a G10 retracts; any other sets something for good."""
    return not (line.parameters.keys() - {"S"} or (line.parameters and flavour == "reprapfirmware"))


def _draw_back(machine: Machine, line: Line) -> _Moves:
    """G10: firmware retraction once, until G11; with parameters it is RepRapFirmware's tool setting, or a work offset (L)."""
    if not draws_back(line, machine.flavour):
        _heat_tool(machine, line) if "L" not in line.parameters else None
        return None
    if machine.tool in machine.drawn_back:
        return None
    machine.drawn_back.add(machine.tool)
    return machine.feed_filament(-machine.retraction.length_mm, machine.retraction.speed_mm_s)


def _give_back(machine: Machine, _line: Line) -> _Moves:
    if machine.tool not in machine.drawn_back:
        return None
    machine.drawn_back.discard(machine.tool)
    retraction = machine.retraction
    return machine.feed_filament(retraction.length_mm + retraction.extra_mm, retraction.return_speed_mm_s)


def _retraction_settings(machine: Machine, line: Line) -> None:
    """M207: S length, F speed; M208: S extra length, F speed of the return."""
    retraction, get = machine.retraction, line.parameters.get
    if line.code == "M207":
        retraction.length_mm = get("S", retraction.length_mm)
        retraction.speed_mm_s = get("F", retraction.speed_mm_s * 60) / 60
    else:
        retraction.extra_mm = get("S", retraction.extra_mm)
        retraction.return_speed_mm_s = get("F", retraction.return_speed_mm_s * 60) / 60


def _volumetric(machine: Machine, line: Line) -> None:
    """M200: with a diameter E is mm3, with D0 or S0 it is mm again."""
    tool = min(max(int(line.parameters.get("T", machine.tool)), 0), MAX_TOOL)
    diameter_mm = line.parameters.get("D", 0.0)
    if diameter_mm > 0 and line.parameters.get("S", 1.0) > 0:
        machine.e_mm3[tool] = pi * diameter_mm**2 / 4
    elif "D" in line.parameters or line.parameters.get("S") == 0:
        machine.e_mm3.pop(tool, None)


def _speed_factor(machine: Machine, line: Line) -> None:
    """M220: S percent, B keeps the factor, R takes the kept one up again."""
    if "B" in line.parameters:
        machine.kept_speed_factor = machine.speed_factor
    if "R" in line.parameters:
        machine.speed_factor = machine.kept_speed_factor
    if line.parameters.get("S", 0.0) > 0:
        machine.speed_factor = line.parameters["S"] / 100


def _curve(machine: Machine, line: Line) -> _Moves:
    """G5: its end is given as in G1, its control points as lengths."""
    lengths = {letter: value * machine.unit_mm for letter, value in line.parameters.items() if letter in "IJPQ"}
    start = machine.position
    (straight,) = machine.apply(line._replace(code="G1")) or (None,)
    if straight is None:
        return None
    points = curve_points(start, straight.end, lengths)
    share_mm = straight.filament_mm / len(points)
    starts = [start, *points]
    return tuple(
        straight._replace(start=before, end=after, filament_mm=share_mm) for before, after in zip(starts, points, strict=False)
    )


def _klipper_offset(machine: Machine, line: Line) -> None:
    """SET_GCODE_OFFSET: where the file's zero lies, apart from G92."""
    values = arguments(line.text)
    for index, axis in enumerate("XYZ"):
        wanted, change = number_in(values, axis), number_in(values, f"{axis}_ADJUST")
        if wanted is None and change is None:
            continue
        new = wanted if wanted is not None else machine.offset[index] + (change or 0.0)
        machine.shift[index] += new - machine.offset[index]
        machine.offset[index] = new


def _keep_state(machine: Machine, line: Line) -> None:
    name = arguments(line.text).get("NAME", "default")
    if name in machine.states or len(machine.states) < _MAX_STATES:
        x, y, z = machine.shift
        modes = (machine.relative, machine.relative_e, machine.asked_relative_e)
        machine.states[name] = _State(modes, (x, y, z), machine.e, machine.speed_mm_s, machine.speed_factor)


def _restore_state(machine: Machine, line: Line) -> None:
    """The modes of then; where the nozzle stands stays the same."""
    state = machine.states.get(arguments(line.text).get("NAME", "default"))
    if state is None:
        return
    machine.relative, machine.relative_e, machine.asked_relative_e = state.modes
    machine.shift[:] = state.shift
    machine.e, machine.speed_mm_s, machine.speed_factor = state.e, state.speed_mm_s, state.speed_factor


def _klipper_tool(name: str) -> int | None:
    """`extruder`, `extruder1`, ... as a tool."""
    number = name.lower().removeprefix("extruder")
    if not name.lower().startswith("extruder") or not (number == "" or (number.isdecimal() and len(number) < 3)):
        return None
    return min(int(number or "0"), MAX_TOOL)


def _klipper_heater(machine: Machine, line: Line) -> None:
    """SET_HEATER_TEMPERATURE HEATER=... TARGET=...; a heater that is neither nozzle nor bed counts as the chamber."""
    values = arguments(line.text)
    name, target = values.get("HEATER", ""), number_in(values, "TARGET") or 0.0
    tool = _klipper_tool(name)
    if tool is not None:
        machine.nozzle_c[tool] = target
    elif name.lower() == "heater_bed":
        machine.bed_c = target
    elif name:
        machine.chamber_c = target


def _heaters_off(machine: Machine, _line: Line) -> None:
    machine.nozzle_c = dict.fromkeys(machine.nozzle_c, 0.0)
    machine.bed_c = machine.chamber_c = 0.0


def _klipper_extruder(machine: Machine, line: Line) -> None:
    tool = _klipper_tool(arguments(line.text).get("EXTRUDER", ""))
    machine.tool = machine.tool if tool is None else tool


def _klipper_retraction(machine: Machine, line: Line) -> None:
    values, retraction = arguments(line.text), machine.retraction
    for key, name in (
        ("RETRACT_LENGTH", "length_mm"),
        ("RETRACT_SPEED", "speed_mm_s"),
        ("UNRETRACT_EXTRA_LENGTH", "extra_mm"),
        ("UNRETRACT_SPEED", "return_speed_mm_s"),
    ):
        value = number_in(values, key)
        if value is not None:
            setattr(retraction, name, value)


_COMMANDS: Final[dict[str, _Obey]] = {
    "G5": _curve,
    "G10": _draw_back,
    "G11": _give_back,
    "G17": _plane,
    "G18": _plane,
    "G19": _plane,
    "G20": _units,
    "G21": _units,
    "G28": _home,
    "G90": _distances,
    "G91": _distances,
    "G92": _set_position,
    "G92.1": _end_shift,
    "M82": _extruder_distances,
    "M83": _extruder_distances,
    "M104": _heat_nozzle,
    "M109": _heat_nozzle,
    "M140": _heat_bed,
    "M190": _heat_bed,
    "M141": _heat_chamber,
    "M191": _heat_chamber,
    "M200": _volumetric,
    "M207": _retraction_settings,
    "M208": _retraction_settings,
    "M220": _speed_factor,
    "M568": _heat_tool,
    "ACTIVATE_EXTRUDER": _klipper_extruder,
    "RESTORE_GCODE_STATE": _restore_state,
    "SAVE_GCODE_STATE": _keep_state,
    "SET_GCODE_OFFSET": _klipper_offset,
    "SET_HEATER_TEMPERATURE": _klipper_heater,
    "SET_RETRACTION": _klipper_retraction,
    "TURN_OFF_HEATERS": _heaters_off,
}
HEAT_CODES: Final = frozenset({"G10", "M104", "M109", "M140", "M141", "M190", "M191", "M568", "SET_HEATER_TEMPERATURE"})
"""Codes that may set a temperature; `Machine.apply` may obey them twice without harm."""
