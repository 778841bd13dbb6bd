"""The shape of a visor frame: one parametric headband that every bed from 180 mm up can print. `gcode.frame` makes programs of it.

The shape follows the frames that hospitals accepted in 2020 (flat bands of about 158 x 180 x 5 mm): a forehead band, a front arc
that holds a punched A4 sheet away from the face, two arms with hooks for an elastic. It is one band of even wall, the same on
every layer, so nothing overhangs. The pins stand out of the front arc as short pegs with a round head: the sheet hangs upright and
its holes point forward, so a pin must too. Holes follow ISO 838 (6 +- 0.5 mm, 80 +- 0.5 mm apart); "888" adds one 80 mm outside
each. A peg of wall x height passes a round hole when its diagonal does; its head is a little wider, so the sheet snaps on.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from math import cos, hypot, pi, sin
from typing import Final

from gcode.frame.geometry import Edge, GeometryError, Point, Polyline, cubic, distance, loop_around, shifted, simplified_loop
from gcode.profile import PrinterProfile

_STEP_MM: Final = 0.5
_HOOK_STEPS: Final = 10
_OUTLINE_ERROR_MM: Final = 0.06  # a tenth of a line: invisible, and a third of the moves
BED_MARGIN_MM: Final = 10.0  # skirt, and a hand's breadth from the clips
_SHORTEST_ARM_MM: Final = 45.0
_STANDARD_DEPTH_MM: Final = 180.0


class FrameError(ValueError):
    """A frame cannot be made with these dimensions, or not on this bed; the message says which."""


@dataclass(frozen=True, slots=True)
class FrameDesign:
    """Dimensions of a frame in millimetres. The defaults are a standard adult frame.

    `wall_lines` lines of `line_width_mm` make the band. `pins` is 2 (an ordinary punch) or 4 (888).
    """

    width_mm: float = 158.0
    depth_mm: float = _STANDARD_DEPTH_MM
    height_mm: float = 5.1
    line_width_mm: float = 0.6
    wall_lines: int = 4
    layer_height_mm: float = 0.3
    front_depth_mm: float = 86.0
    forehead_gap_mm: float = 36.0
    pins: int = 4
    pin_pitch_mm: float = 80.0
    hole_mm: float = 6.0
    pin_neck_mm: float = 2.5
    pin_bulge_mm: float = 0.45
    hook_radius_mm: float = 4.0
    hook_length_mm: float = 6.0

    def __post_init__(self) -> None:
        if self.wall_lines < 2 or self.wall_lines % 2:
            raise FrameError(f"wall_lines is {self.wall_lines}; it must be an even number from 2 up")
        if self.pins not in {2, 4}:
            raise FrameError(f"pins is {self.pins}; it must be 2 or 4")
        if not 0.05 <= self.layer_height_mm <= 0.8 * self.line_width_mm:
            raise FrameError(f"layer_height_mm is {self.layer_height_mm}; it must be from 0.05 to 0.8 x line_width_mm")
        if self.layers < 3:
            raise FrameError(f"height_mm is {self.height_mm}; it must be at least three layers")
        if self.pin_diagonal_mm > self.hole_mm:
            raise FrameError(f"a pin of {self.wall_mm:.2f} x {self.height_mm} mm does not pass a hole of {self.hole_mm} mm")
        if self.arm_length_mm < _SHORTEST_ARM_MM:
            raise FrameError(f"depth_mm is {self.depth_mm}; with a front of {self.front_depth_mm} the arms are too short to hold")

    @property
    def wall_mm(self) -> float:
        """Thickness of the band."""
        return self.wall_lines * self.line_width_mm

    @property
    def layers(self) -> int:
        """Whole layers in the height."""
        return round(self.height_mm / self.layer_height_mm)

    @property
    def pin_diagonal_mm(self) -> float:
        """The smallest round hole that a pin's neck passes."""
        return hypot(self.wall_mm, self.height_mm)

    @property
    def pin_reach_mm(self) -> float:
        """How far a pin stands out of the front face."""
        return self.pin_neck_mm + self.wall_mm / 2 + self.pin_bulge_mm

    @property
    def arm_length_mm(self) -> float:
        """From the fork at the temple to the very end."""
        return self.depth_mm - self.front_depth_mm


@dataclass(frozen=True, slots=True)
class FrameShape:
    """The closed loops of a design around the origin, all of them to the left of their walk.

    `outside` runs around everything, `window` around the gap before the forehead; both from the visible line (first) inwards,
    one line width apart. The outlines lie half a line outside the first.
    """

    outline: Polyline
    window_outline: Polyline
    outside: tuple[Polyline, ...]
    window: tuple[Polyline, ...]


def _front(design: FrameDesign) -> Polyline:
    """The front arc from the left end over the middle to the right: half an ellipse."""
    half_width = design.width_mm / 2 - design.wall_mm / 2 - (design.pin_reach_mm if design.pins == 4 else 0.0)
    reach = design.front_depth_mm - design.wall_mm / 2
    count = 2 * round(pi * half_width / _STEP_MM / 2)
    angles = [pi - pi * index / count for index in range(count + 1)]
    return [(half_width * cos(angle), reach * sin(angle)) for angle in angles]


def _pin_places(design: FrameDesign, front: Polyline) -> list[int]:
    """Indexes into `front` where a pin stands: distances are measured on the outer face, where the sheet lies."""
    face = shifted(front, design.wall_mm / 2)
    middle = len(face) // 2
    walked = [0.0] * len(face)
    for index in range(middle + 1, len(face)):
        walked[index] = walked[index - 1] + distance(face[index - 1], face[index])
        walked[2 * middle - index] = -walked[index]
    first_mm = design.pin_pitch_mm / 2
    wanted = [-first_mm, first_mm]
    if design.pins == 4:
        wanted = [-first_mm - design.pin_pitch_mm, *wanted, first_mm + design.pin_pitch_mm]
    if wanted[-1] > walked[-1] - design.wall_mm:
        long_mm = 2 * walked[-1]
        raise FrameError(f"the front arc is {long_mm:.0f} mm long, too short for {design.pins} pins {design.pin_pitch_mm} mm apart")
    return [min(range(len(walked)), key=lambda index: abs(walked[index] - place)) for place in wanted]


def _pin(design: FrameDesign, front: Polyline, index: int) -> Edge:
    (x, y), (before_x, before_y), (after_x, after_y) = front[index], front[index - 1], front[index + 1]
    size = hypot(after_x - before_x, after_y - before_y)
    normal = (-(after_y - before_y) / size, (after_x - before_x) / size)
    reach = design.wall_mm / 2 + design.pin_neck_mm
    return Edge(((x, y), (x + normal[0] * reach, y + normal[1] * reach)), is_tip=True, bulge_mm=design.pin_bulge_mm)


def _right_arm(design: FrameDesign, fork: Point) -> Edge:
    """From the fork backwards along the head, then a hook outwards and forwards for the elastic."""
    radius = design.hook_radius_mm
    end_y = radius + design.wall_mm / 2 - design.arm_length_mm
    end = (fork[0] * 0.82, end_y)
    points = cubic(fork, (fork[0], fork[1] + end_y * 0.35), (end[0], end_y * 0.6), end, _STEP_MM)
    turn = [pi + pi * index / _HOOK_STEPS for index in range(1, _HOOK_STEPS + 1)]
    points += [(end[0] + radius + radius * cos(angle), end[1] + radius * sin(angle)) for angle in turn]
    tip_x, tip_y = points[-1]
    return Edge((*points, (tip_x, tip_y + design.hook_length_mm)), is_tip=True, bulge_mm=design.pin_bulge_mm)


def _mirrored(points: tuple[Point, ...] | Polyline) -> tuple[Point, ...]:
    return tuple((-x, y) for x, y in points)


def _walks(design: FrameDesign) -> tuple[list[Edge], list[Edge]]:
    """The skeleton as two walks: around everything (clockwise), and around the window between forehead band and front arc."""
    front = _front(design)
    right = front[-1]
    apex_y = design.front_depth_mm - design.wall_mm / 2 - design.forehead_gap_mm
    forehead = cubic(right, (right[0] * 0.86, apex_y * 0.55), (right[0] * 0.5, apex_y), (0.0, apex_y), _STEP_MM)
    forehead_edge = Edge((*forehead, *_mirrored(forehead[-2::-1])))
    arm = _right_arm(design, right)
    left_arm = Edge(_mirrored(arm.points), is_tip=True, bulge_mm=arm.bulge_mm)
    outside: list[Edge] = []
    begin = 0
    for place in _pin_places(design, front):
        pin = _pin(design, front, place)
        outside += [Edge(tuple(front[begin : place + 1])), pin, pin.reversed()]
        begin = place
    outside += [Edge(tuple(front[begin:])), arm, arm.reversed(), forehead_edge, left_arm, left_arm.reversed()]
    return outside, [Edge(tuple(front[::-1])), forehead_edge.reversed()]


def _loop(walk: list[Edge], offset_mm: float) -> Polyline:
    return simplified_loop(loop_around(walk, offset_mm), _OUTLINE_ERROR_MM)


@lru_cache(maxsize=8)
def frame_shape(design: FrameDesign) -> FrameShape:
    """The loops of a design.

    Raises:
        FrameError: the dimensions contradict each other.

    """
    width = design.line_width_mm
    offsets = [design.wall_mm / 2 - (line + 0.5) * width for line in range(design.wall_lines // 2)]
    try:
        outside, window = _walks(design)
        return FrameShape(
            _loop(outside, design.wall_mm / 2),
            _loop(window, design.wall_mm / 2),
            tuple(_loop(outside, offset) for offset in offsets),
            tuple(_loop(window, offset) for offset in offsets),
        )
    except GeometryError as error:
        raise FrameError(f"these dimensions do not make a frame: {error}") from error


def default_design(profile: PrinterProfile) -> FrameDesign:
    """The standard frame, with shorter arms on a bed under 200 mm.

    Raises:
        FrameError: the bed is too small for any frame of an adult.

    """
    volume = profile.volume
    bed_x_mm, bed_y_mm = volume.max_x - volume.min_x, volume.max_y - volume.min_y
    design = FrameDesign(line_width_mm=round(1.5 * profile.nozzle_mm, 3))
    needed_mm = design.width_mm + 2 * BED_MARGIN_MM
    if bed_x_mm < needed_mm:
        raise FrameError(f"the bed of {profile.name} is {bed_x_mm:.0f} mm wide; a frame needs {needed_mm:.0f} mm")
    return replace(design, depth_mm=min(_STANDARD_DEPTH_MM, bed_y_mm - 2 * BED_MARGIN_MM))
