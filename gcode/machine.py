"""What a printer would do with each line: positions, modes, tools and temperatures. Pure; one state, fed line by line.

The rules are Marlin's (https://marlinfw.org/meta/gcode/): G90 and G91 set the extruder's mode too and M82, M83 change it alone; G92
shifts the coordinates without moving; G28 ends a shift. Positions here are the machine's own: a file cannot hide behind a shift.
"""

from dataclasses import dataclass, field
from math import atan2, ceil, cos, hypot, pi, sin, sqrt
from typing import Final, NamedTuple

from gcode.reader import Line

MM_PER_INCH: Final = 25.4
DEFAULT_SPEED_MM_S: Final = 25.0  # Marlin's feed rate before the first F (1500 mm/min)
_CHORD_ERROR_MM: Final = 0.01
_MAX_CHORDS: Final = 720
_MAX_TOOLS: Final = 16
_MAX_RETRACTION_MM: Final = 20.0  # more cannot be given back without a person feeding the filament again
_DUST_MM: Final = 1e-6  # rounding of what slicers write
_MOVES: Final = frozenset({"G0", "G1", "G2", "G3"})

Point = tuple[float, float, float]


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


@dataclass(slots=True)
class Machine:
    """The state of a printer while it reads a file. Temperatures in degrees C are targets."""

    x: float = 0.0
    y: float = 0.0
    z: float = 0.0
    e: float = 0.0
    speed_mm_s: float = DEFAULT_SPEED_MM_S
    relative: bool = False
    relative_e: bool = False
    unit_mm: float = 1.0
    tool: int = 0
    homed: bool = False
    shift: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])  # machine = file + shift
    retracted_mm: dict[int, float] = field(default_factory=dict)
    nozzle_c: dict[int, float] = field(default_factory=dict)
    bed_c: float = 0.0

    @property
    def position(self) -> Point:
        """Where the nozzle is, in machine coordinates."""
        return (self.x, self.y, self.z)

    def apply(self, line: Line) -> tuple[Move, ...]:
        """Obey one line; give the moves it makes (an arc makes several)."""
        code = line.code
        if code in _MOVES:
            return self._move(code, line.parameters)
        letter = code[:1]
        if letter == "T":
            self.tool = min(max(int(code[1:].partition(".")[0]), 0), _MAX_TOOLS)
        elif letter == "G":
            self._mode(code, line.parameters)
        elif letter == "M":
            self._machine_code(code, line.parameters)
        return ()

    def _mode(self, code: str, parameters: dict[str, float]) -> None:
        match code:
            case "G90" | "G91":
                self.relative = self.relative_e = code == "G91"
            case "G20" | "G21":
                self.unit_mm = MM_PER_INCH if code == "G20" else 1.0
            case "G28":
                self._home(parameters)
            case "G92":
                self._set_position(parameters)

    def _machine_code(self, code: str, parameters: dict[str, float]) -> None:
        match code:
            case "M82" | "M83":
                self.relative_e = code == "M83"
            case "M104" | "M109":
                tool = min(max(int(parameters.get("T", self.tool)), 0), _MAX_TOOLS)
                self.nozzle_c[tool] = max(parameters.get("S", 0.0), parameters.get("R", 0.0))
            case "M140" | "M190":
                self.bed_c = max(parameters.get("S", 0.0), parameters.get("R", 0.0))

    def _home(self, parameters: dict[str, float]) -> None:
        axes = [axis for axis in "XYZ" if axis in parameters] or list("XYZ")
        for axis in axes:
            setattr(self, axis.lower(), 0.0)
            self.shift["XYZ".index(axis)] = 0.0
        self.homed = True

    def _set_position(self, parameters: dict[str, float]) -> None:
        for index, (axis, actual) in enumerate(zip("XYZ", self.position, strict=True)):
            if axis in parameters:
                self.shift[index] = actual - parameters[axis] * self.unit_mm
        if "E" in parameters:
            self.e = parameters["E"] * self.unit_mm

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
        if "E" not in parameters:
            return 0.0
        value = parameters["E"] * self.unit_mm
        if self.relative_e:
            return value
        filament_mm = value - self.e
        self.e = value
        return filament_mm

    def _lays(self, filament_mm: float) -> bool:
        """Whether this much filament is more than what was drawn back before."""
        missing_mm = self.retracted_mm.get(self.tool, 0.0) - filament_mm
        self.retracted_mm[self.tool] = min(max(missing_mm, 0.0), _MAX_RETRACTION_MM)
        return missing_mm < -_DUST_MM

    def _move(self, code: str, parameters: dict[str, float]) -> tuple[Move, ...]:
        if "F" in parameters:
            self.speed_mm_s = parameters["F"] * self.unit_mm / 60
        start, end = self.position, self._target(parameters)
        filament_mm = self._filament(parameters)
        self.x, self.y, self.z = end
        if code in {"G2", "G3"}:
            return self._arc(start, end, filament_mm, (code == "G2", parameters))
        if start == end and not filament_mm:
            return ()
        extrudes = bool(filament_mm) and self._lays(filament_mm) and start != end
        return (Move(start, end, filament_mm, self.speed_mm_s, extrudes),)

    def _arc(self, start: Point, end: Point, filament_mm: float, turn: tuple[bool, dict[str, float]]) -> tuple[Move, ...]:
        """Chords that leave the arc by at most 0.01 mm; the ends are exact."""
        clockwise, parameters = turn
        centre = _arc_centre(start, end, clockwise, {key: parameters[key] * self.unit_mm for key in "IJR" if key in parameters})
        points = _chords(start, end, centre, clockwise)
        share_mm, extrudes = filament_mm / len(points), self._lays(filament_mm)
        moves = []
        for point in points:
            moves.append(Move(start, point, share_mm, self.speed_mm_s, extrudes))
            start = point
        return tuple(moves)


def _arc_centre(start: Point, end: Point, clockwise: bool, parameters: dict[str, float]) -> tuple[float, float]:
    """From I and J (offsets from the start), or from R: the short way round for a positive radius."""
    radius = parameters.get("R")
    if radius is None:
        return start[0] + parameters.get("I", 0.0), start[1] + parameters.get("J", 0.0)
    across_x, across_y = end[0] - start[0], end[1] - start[1]
    chord = hypot(across_x, across_y)
    if chord == 0:
        return start[0], start[1]
    height = sqrt(max(radius * radius - chord * chord / 4, 0.0))
    side = -1 if clockwise == (radius > 0) else 1
    middle_x, middle_y = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
    return middle_x - side * height * across_y / chord, middle_y + side * height * across_x / chord


def _chords(start: Point, end: Point, centre: tuple[float, float], clockwise: bool) -> list[Point]:
    radius = hypot(start[0] - centre[0], start[1] - centre[1])
    begin = atan2(start[1] - centre[1], start[0] - centre[0])
    sweep = (atan2(end[1] - centre[1], end[0] - centre[0]) - begin) % (2 * pi)
    if clockwise:
        sweep -= 2 * pi
    if start[:2] == end[:2]:  # Marlin draws a whole circle
        sweep = -2 * pi if clockwise else 2 * pi
    if radius <= _CHORD_ERROR_MM:
        return [end]
    step = 2 * sqrt(2 * _CHORD_ERROR_MM / radius)
    count = min(max(ceil(abs(sweep) / step), 1), _MAX_CHORDS)
    points = []
    for index in range(1, count):
        angle = begin + sweep * index / count
        height = start[2] + (end[2] - start[2]) * index / count
        points.append((centre[0] + radius * cos(angle), centre[1] + radius * sin(angle), height))
    return [*points, end]
