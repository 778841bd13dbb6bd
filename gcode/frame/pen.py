"""Writes moves of the nozzle: lines with filament, travels drawn back and lifted only where they must be."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise, permutations
from math import hypot, pi
from typing import Final

from gcode.frame.geometry import Point, Polyline, crossing, distance, length
from gcode.frame.strokes import Track
from gcode.profile import Box, PrinterProfile

_SMALLEST_MOVE_MM: Final = 0.01
_Z_SPEED_MM_S: Final = 10.0
_LIFT_MM: Final = 0.4
_OVER_CLIP_MM: Final = 1.0
_BESIDE_CLIP_MM: Final = 2.0


@dataclass(frozen=True, slots=True)
class Drawn:
    """A track as moves: where it begins and ends, how long it is, and its lines of G-code."""

    start: Point
    end: Point
    path_mm: float
    lines: tuple[str, ...]


def drawn(track: Track, thickness_mm: float, profile: PrinterProfile) -> Drawn:
    """A track on the bed with its filament: the line's width times the layer's thickness, so lines side by side fill the wall."""
    per_mm2 = thickness_mm / (pi * profile.filament_mm**2 / 4)
    x, y, width = track[0]
    start, path_mm = (x, y), 0.0
    lines = []
    for next_x, next_y, next_width in track[1:]:
        step_mm = hypot(next_x - x, next_y - y)
        if step_mm < _SMALLEST_MOVE_MM:
            width = next_width
            continue  # the next move begins where this one does, and has its length
        path_mm += step_mm
        lines.append(f"G1 X{next_x:.3f} Y{next_y:.3f} E{step_mm * (width + next_width) / 2 * per_mm2:.5f}")
        x, y, width = next_x, next_y, next_width
    return Drawn(start, (x, y), path_mm, tuple(lines))


def feed(speed_mm_s: float) -> str:
    """An F word, which is in millimetres a minute."""
    return f"F{speed_mm_s * 60:.0f}"


def crosses(start: Point, end: Point, loops: Iterable[Polyline], skip_mm: float = 0.0) -> bool:
    """Whether a straight way meets one of the closed loops farther than `skip_mm` from where it begins."""
    low_x, high_x = min(start[0], end[0]), max(start[0], end[0])
    low_y, high_y = min(start[1], end[1]), max(start[1], end[1])
    for loop in loops:
        for first, second in pairwise([*loop, loop[0]]):
            if max(first[0], second[0]) < low_x or min(first[0], second[0]) > high_x:
                continue
            if max(first[1], second[1]) < low_y or min(first[1], second[1]) > high_y:
                continue
            point = crossing((start, end), (first, second))
            if point is not None and distance(start, point) > skip_mm:
                return True
    return False


def box_loop(box: Box, around_mm: float = 0.0) -> Polyline:
    """The border of a box seen from above."""
    low_x, low_y, high_x, high_y = box.min_x - around_mm, box.min_y - around_mm, box.max_x + around_mm, box.max_y + around_mm
    return [(low_x, low_y), (high_x, low_y), (high_x, high_y), (low_x, high_y)]


def way_around(start: Point, end: Point, boxes: Sequence[Box]) -> Polyline:
    """The shortest way past some boxes, over at most two of their corners; straight on when nothing is in the way or helps."""
    loops = [box_loop(box, _BESIDE_CLIP_MM) for box in boxes]
    if not crosses(start, end, loops):
        return [start, end]
    corners = [corner for box in boxes for corner in box_loop(box, _BESIDE_CLIP_MM + _SMALLEST_MOVE_MM)]
    ways = [[start, *middle, end] for count in (1, 2) for middle in permutations(corners, count)]
    clear = [way for way in ways if not any(crosses(first, second, loops) for first, second in pairwise(way))]
    return min(clear, key=length, default=[start, end])


class Pen:
    """Collects lines of G-code and remembers where the nozzle is, and whether the filament is drawn back."""

    def __init__(self, profile: PrinterProfile, at: Point) -> None:
        self.lines: list[str] = []
        self.at = at
        self._profile = profile
        self._z_mm = 0.0
        self._drawn_back = False
        self._is_down = False
        highest = profile.volume.max_z - _OVER_CLIP_MM
        self._low_clips = [(box, box_loop(box, _BESIDE_CLIP_MM)) for box in profile.keep_out if box.max_z < highest]
        self._high_clips = [box for box in profile.keep_out if box.max_z >= highest]

    def write(self, *lines: str) -> None:
        """Lines that do not move the nozzle."""
        self.lines += lines

    def _retraction(self, sign: str) -> None:
        profile = self._profile
        if profile.retraction_mm > 0:
            self.lines.append(f"G1 E{sign}{profile.retraction_mm:g} {feed(profile.retraction_speed_mm_s)}")

    def draw_back(self) -> None:
        """Take the pressure off the nozzle; travels end it."""
        if not self._drawn_back:
            self._retraction("-")
            self._drawn_back = True

    def _give_back(self) -> None:
        if self._drawn_back:
            self._retraction("")
            self._drawn_back = False

    def layer(self, z_mm: float) -> None:
        """Go up to the next layer, drawn back."""
        self.draw_back()
        self._z_mm = z_mm
        # Before the first layer the nozzle may still stick to the purge line: the travel that follows brings it down.
        self.lines.append(f"G1 Z{z_mm if self._is_down else z_mm + _LIFT_MM:.3f} {feed(_Z_SPEED_MM_S)}")

    def travel(self, target: Point, *, lifted: bool = False, draw_back: bool = True) -> None:
        """Go to a place without drawing, over low clips and around high ones. `lifted`: plastic of this layer is on the way."""
        if self._is_down and distance(self.at, target) < _SMALLEST_MOVE_MM:
            self._give_back()
            return
        if draw_back:
            self.draw_back()
        way = way_around(self.at, target, self._high_clips)
        lift_mm = self._lift(way, lifted=lifted or not self._is_down)
        if lift_mm > self._z_mm:
            self.lines.append(f"G1 Z{lift_mm:.3f} {feed(_Z_SPEED_MM_S)}")
        self.lines += [f"G1 X{x:.3f} Y{y:.3f} {feed(self._profile.travel_speed_mm_s)}" for x, y in way[1:]]
        if lift_mm > self._z_mm:
            self.lines.append(f"G1 Z{self._z_mm:.3f} {feed(_Z_SPEED_MM_S)}")
        self._give_back()
        self.at, self._is_down = target, True

    def _lift(self, way: Polyline, *, lifted: bool) -> float:
        """How high to go: over plastic a little, over a clip above it."""
        height = self._z_mm + _LIFT_MM if lifted else self._z_mm
        for box, loop in self._low_clips:
            over = box.max_z + _OVER_CLIP_MM
            if height < over and any(crosses(first, second, [loop]) for first, second in pairwise(way)):
                height = over
        return height

    def draw(self, track: Drawn, speed_mm_s: float) -> None:
        """Draw a track from where it begins; the nozzle must be there."""
        self.lines.append(f"G1 {feed(speed_mm_s)}")
        self.lines += track.lines
        self.at = track.end
