"""Curves as chords: G2 and G3 (by centre or by radius, with a rise, in any of the three planes), and G5. Pure.

https://marlinfw.org/docs/gcode/G002-G003.html and https://marlinfw.org/docs/gcode/G005.html.
"""

from collections.abc import Mapping
from math import atan2, ceil, cos, pi, sin, sqrt
from typing import Final, NamedTuple

CHORD_ERROR_MM: Final = 0.01
MAX_CHORDS: Final = 720
_MAX_TURNS: Final = 100
_CURVE_CHORDS: Final = 48

Point = tuple[float, float, float]


class Plane(NamedTuple):
    """The two axes in which an arc turns, the one along which it rises, and the letters of its centre."""

    first: int
    second: int
    rise: int
    centre: str


PLANES: Final = {"G17": Plane(0, 1, 2, "IJ"), "G18": Plane(2, 0, 1, "KI"), "G19": Plane(1, 2, 0, "JK")}


def arc_points(start: Point, end: Point, parameters: Mapping[str, float], *, clockwise: bool, plane: Plane) -> list[Point]:
    """The ends of chords that leave the arc by at most 0.01 mm (where MAX_CHORDS are enough); the last is `end` exactly.

    `parameters`: I, J, K (centre from the start) or R (radius; negative: the long way round) in mm, P (whole turns besides).
    """
    first, second, rise, _ = plane
    begin, finish = (start[first], start[second]), (end[first], end[second])
    centre = _centre(begin, finish, parameters, clockwise=clockwise, letters=plane.centre)
    radius = _length(begin[0] - centre[0], begin[1] - centre[1])
    if radius <= CHORD_ERROR_MM:
        return [end]
    angle = atan2(begin[1] - centre[1], begin[0] - centre[0])
    sweep = _sweep(begin, finish, centre, clockwise=clockwise)
    turns = min(max(int(parameters.get("P", 0.0)), 0), _MAX_TURNS)
    sweep += -2 * pi * turns if clockwise else 2 * pi * turns
    step = 2 * sqrt(2 * CHORD_ERROR_MM / radius)
    count = min(max(ceil(abs(sweep) / step), 1), MAX_CHORDS)
    points = []
    for index in range(1, count):
        here = angle + sweep * index / count
        point = [0.0, 0.0, 0.0]
        point[first], point[second] = centre[0] + radius * cos(here), centre[1] + radius * sin(here)
        point[rise] = start[rise] + (end[rise] - start[rise]) * index / count
        points.append((point[0], point[1], point[2]))
    return [*points, end]


def _length(across: float, along: float) -> float:
    """Not `hypot`: Python's own has other last bits than the C library's, and the compiled kernel gives the same chords."""
    return sqrt(across * across + along * along)


def _sweep(begin: tuple[float, float], finish: tuple[float, float], centre: tuple[float, float], *, clockwise: bool) -> float:
    if begin == finish:  # Marlin draws a whole circle
        return -2 * pi if clockwise else 2 * pi
    angle = atan2(begin[1] - centre[1], begin[0] - centre[0])
    sweep = (atan2(finish[1] - centre[1], finish[0] - centre[0]) - angle) % (2 * pi)
    return sweep - 2 * pi if clockwise else sweep


def _centre(
    begin: tuple[float, float], finish: tuple[float, float], parameters: Mapping[str, float], *, clockwise: bool, letters: str
) -> tuple[float, float]:
    """From two offsets, or from R: the short way round for a positive radius."""
    radius = parameters.get("R")
    if radius is None:
        return begin[0] + parameters.get(letters[0], 0.0), begin[1] + parameters.get(letters[1], 0.0)
    across, along = finish[0] - begin[0], finish[1] - begin[1]
    chord = _length(across, along)
    if chord == 0:
        return begin
    height = sqrt(max(radius * radius - chord * chord / 4, 0.0))
    side = -1 if clockwise == (radius > 0) else 1
    middle = ((begin[0] + finish[0]) / 2, (begin[1] + finish[1]) / 2)
    return middle[0] - side * height * along / chord, middle[1] + side * height * across / chord


def curve_points(start: Point, end: Point, parameters: Mapping[str, float]) -> list[Point]:
    """The cubic curve of G5 in the plane of the bed: I, J from the start and P, Q from the end are its control points."""
    get = parameters.get
    controls = (start, (start[0] + get("I", 0.0), start[1] + get("J", 0.0)), (end[0] + get("P", 0.0), end[1] + get("Q", 0.0)), end)
    points = []
    for index in range(1, _CURVE_CHORDS):
        share = index / _CURVE_CHORDS
        rest = 1 - share
        weights = (rest**3, 3 * rest**2 * share, 3 * rest * share**2, share**3)
        x, y = (sum(weight * control[axis] for weight, control in zip(weights, controls, strict=True)) for axis in (0, 1))
        points.append((x, y, start[2] + (end[2] - start[2]) * share))
    return [*points, end]
