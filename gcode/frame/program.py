"""Makes visor frames: a program for a printer profile (skirt, layers, retractions, speeds, start and end code), or a solid as STL.

`gcode.frame.headband` has the dimensions and the shape.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from math import pi
from typing import Final

from gcode.facts import GcodeFacts
from gcode.frame.geometry import Point, Polyline, arc, distance, hull, simplified_loop, starting_near
from gcode.frame.headband import BED_MARGIN_MM, FrameDesign, FrameError, FrameShape, default_design, frame_shape
from gcode.frame.solid import extruded_stl
from gcode.interpreter import read_facts
from gcode.profile import PrinterProfile

__all__ = ["FrameDesign", "FrameError", "default_design", "frame_gcode", "frame_lines", "frame_program", "frame_stl"]

MAX_FLOW_MM3_S: Final = 8.0  # what a plain 0.4 mm hot end melts without pressing (common figure for PLA)
_OUTER_SPEED_SHARE: Final = 0.7  # the visible line is drawn slower
_RETRACT_ABOVE_MM: Final = 1.5  # a shorter hop stays inside the wall
_LIFT_MM: Final = 0.3
_SKIRT_GAP_MM: Final = 4.0
_SKIRT_LOOPS: Final = 2
_SKIRT_ERROR_MM: Final = 0.1
_SMALLEST_MOVE_MM: Final = 0.01
_CURVE_ERROR_MM: Final = 0.1  # the outline is that much larger or smaller than designed


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the design's origin lies on the bed, and the size of one line."""

    x: float
    y: float
    design: FrameDesign
    profile: PrinterProfile

    def on_bed(self, loop: Sequence[Point]) -> Polyline:
        return [(x + self.x, y + self.y) for x, y in loop]

    def filament_mm(self, path_mm: float) -> float:
        """Filament for a line of `path_mm`: line width x layer height, so that lines side by side fill the wall exactly."""
        section = self.design.line_width_mm * self.design.layer_height_mm
        return path_mm * section / (pi * self.profile.filament_mm**2 / 4)


def _speed_mm_s(place: _Place, layer: int, *, outer: bool) -> float:
    if layer == 0:
        return place.profile.first_layer_speed_mm_s
    section = place.design.line_width_mm * place.design.layer_height_mm
    speed = min(place.profile.print_speed_mm_s, MAX_FLOW_MM3_S / section)
    return speed * _OUTER_SPEED_SHARE if outer else speed


def _feed(speed_mm_s: float) -> str:
    return f"F{speed_mm_s * 60:.0f}"


class _Pen:
    """Writes moves and remembers where the nozzle is."""

    def __init__(self, place: _Place) -> None:
        self._place = place
        self._at: Point | None = None
        self._z = 0.0

    def _retraction(self, sign: str) -> str:
        profile = self._place.profile
        return f"G1 E{sign}{profile.retraction_mm:g} {_feed(profile.retraction_speed_mm_s)}"

    def layer(self, z_mm: float) -> None:
        """The next travel goes to this height, drawn back and lifted."""
        self._z = z_mm
        self._at = None

    def travel(self, target: Point) -> Iterator[str]:
        """Go there: drawn back and lifted, unless it is the line next door."""
        near = self._at is not None and distance(self._at, target) < _RETRACT_ABOVE_MM
        if not near:
            yield self._retraction("-")
            yield f"G1 Z{self._z + _LIFT_MM:.3f} F600"
        yield f"G1 X{target[0]:.3f} Y{target[1]:.3f} {_feed(self._place.profile.travel_speed_mm_s)}"
        if not near:
            yield f"G1 Z{self._z:.3f} F600"
            yield self._retraction("")
        self._at = target

    def loop(self, points: Polyline, speed_mm_s: float) -> Iterator[str]:
        """Draw a closed loop from its first point round to it again."""
        yield from self.travel(points[0])
        yield f"G1 {_feed(speed_mm_s)}"
        here = points[0]
        for point in [*points[1:], points[0]]:
            path_mm = distance(here, point)
            if path_mm >= _SMALLEST_MOVE_MM:
                yield f"G1 X{point[0]:.3f} Y{point[1]:.3f} E{self._place.filament_mm(path_mm):.5f}"
                here = point
        self._at = here


def _placed(design: FrameDesign, profile: PrinterProfile, shape: FrameShape) -> _Place:
    """In the middle of the bed; raises FrameError when it does not fit with its margin."""
    volume = profile.volume
    xs, ys = [x for x, _ in shape.outline], [y for _, y in shape.outline]
    spare_x = volume.max_x - volume.min_x - (max(xs) - min(xs))
    spare_y = volume.max_y - volume.min_y - (max(ys) - min(ys))
    if min(spare_x, spare_y) < 2 * BED_MARGIN_MM - _CURVE_ERROR_MM:
        raise FrameError(
            f"the frame is {max(xs) - min(xs):.0f} x {max(ys) - min(ys):.0f} mm and needs {BED_MARGIN_MM:.0f} mm around it: "
            f"it does not fit {profile.name}"
        )
    if design.layers * design.layer_height_mm > volume.max_z - volume.min_z:
        raise FrameError(f"the frame is {design.height_mm} mm high: it does not fit {profile.name}")
    middle_x, middle_y = (volume.min_x + volume.max_x) / 2, (volume.min_y + volume.max_y) / 2
    return _Place(middle_x - (min(xs) + max(xs)) / 2, middle_y - (min(ys) + max(ys)) / 2, design, profile)


def _skirt(place: _Place, shape: FrameShape) -> list[Polyline]:
    """Loops around the whole part that fill the nozzle and show whether the first layer sticks."""
    loops = []
    for line in range(_SKIRT_LOOPS):
        radius = _SKIRT_GAP_MM + line * place.design.line_width_mm
        round_points = [point for corner in hull(shape.outline) for point in arc(corner, radius, 0.0, 2 * pi)]
        loops.append(place.on_bed(simplified_loop(hull(round_points), _SKIRT_ERROR_MM)))
    return loops[::-1]


def _layer_loops(place: _Place, shape: FrameShape) -> list[tuple[Polyline, bool]]:
    """The loops of a layer from the window across the band to the outside, with whether it is a visible line.

    All begin at the middle of the front, so the steps between them never leave the band and no seam touches the skin.
    """
    inner = [(loop, index == 0) for index, loop in enumerate(shape.window)]
    outer = [(loop, index == 0) for index, loop in enumerate(shape.outside)][::-1]
    apex = max(shape.outline, key=lambda point: (point[1], -abs(point[0])))
    return [(place.on_bed(starting_near(loop, (0.0, apex[1]))), is_outer) for loop, is_outer in inner + outer]


def _body(place: _Place, shape: FrameShape) -> Iterator[str]:
    design = place.design
    pen = _Pen(place)
    loops = _layer_loops(place, shape)
    for layer in range(design.layers):
        z_mm = (layer + 1) * design.layer_height_mm
        yield from (";LAYER_CHANGE", f";Z:{z_mm:.3f}", f";HEIGHT:{design.layer_height_mm:g}", "G92 E0")
        pen.layer(z_mm)
        if layer == 0:
            yield ";TYPE:Skirt/Brim"
            for skirt in _skirt(place, shape):
                yield from pen.loop(skirt, _speed_mm_s(place, layer, outer=False))
        elif layer == 1:
            yield "M106 S255"
        for loop, is_outer in loops:
            yield ";TYPE:External perimeter" if is_outer else ";TYPE:Perimeter"
            yield from pen.loop(loop, _speed_mm_s(place, layer, outer=is_outer))


def _filled(template: str, profile: PrinterProfile) -> list[str]:
    text = template.replace("{nozzle_c}", f"{profile.nozzle_c:g}").replace("{bed_c}", f"{profile.bed_c:g}")
    return [line.strip() for line in text.splitlines() if line.strip()]


def _duration(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 3600}h {whole // 60 % 60}m {whole % 60}s" if whole >= 3600 else f"{whole // 60}m {whole % 60}s"


def _header(design: FrameDesign, profile: PrinterProfile, facts: GcodeFacts) -> list[str]:
    return [
        "; generated by Essaim frame",
        f"; visor frame {design.width_mm:g} x {design.depth_mm:g} x {design.height_mm:g} mm",
        f"; {design.pins} pins {design.pin_pitch_mm:g} mm apart",
        f"; printer_profile = {profile.id}",
        f"; estimated printing time (normal mode) = {_duration(facts.time_s)}",
        f"; filament used [mm] = {facts.filament_mm:.2f}",
        f"; filament used [g] = {facts.filament_g:.2f}",
        f"; extrusion_width = {design.line_width_mm:g}",
        f"; layer_height = {design.layer_height_mm:g}",
    ]


def frame_lines(design: FrameDesign, profile: PrinterProfile) -> Iterator[str]:
    """The lines of a frame's program without the header that tells its time and filament.

    Raises:
        FrameError: it does not fit this bed, or its dimensions contradict each other.

    """
    shape = frame_shape(design)
    place = _placed(design, profile, shape)
    yield ";TYPE:Custom"
    yield from _filled(profile.start_gcode, profile)
    yield from ("G21", "G90", "M83", "M107")
    yield from _body(place, shape)
    yield ";TYPE:Custom"
    yield from _filled(profile.end_gcode, profile)


def frame_gcode(design: FrameDesign, profile: PrinterProfile) -> bytes:
    """A whole program for one frame in the middle of the bed, with relative extrusion. The same input gives the same bytes.

    Raises:
        FrameError: it does not fit this bed, or its dimensions contradict each other.

    """
    body = "\n".join(frame_lines(design, profile)) + "\n"
    facts = read_facts(BytesIO(body.encode()), profile)
    return ("\n".join(_header(design, profile, facts)) + "\n" + body).encode()


def frame_program(profile: PrinterProfile) -> bytes:
    """The program of the standard frame for a profile.

    Raises:
        FrameError: the bed is too small.

    """
    return frame_gcode(default_design(profile), profile)


def frame_stl(design: FrameDesign) -> bytes:
    """The solid of a frame around the origin, standing on z = 0, as binary STL (millimetres, watertight).

    Raises:
        FrameError: its dimensions contradict each other.

    """
    shape = frame_shape(design)
    return extruded_stl(shape.outline, shape.window_outline, design.layers * design.layer_height_mm)
