"""A stroke font of our own: letters as lines on a grid of 4 x 6, drawn by a pen of a width that a 0.4 mm nozzle shows."""

import itertools
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from gcode.frame.geometry import Point, distance_to_segment

MAX_LETTERS: Final = 16
STROKE_MM: Final = 0.65  # one bead that stands out and two layers across: less is lost in the layers
LARGEST_STROKE_MM: Final = STROKE_MM
_EDGE_MM: Final = 0.15  # a stroke's side is a slope: the nozzle cannot turn a square corner in it
_GRID_HIGH: Final = 6
_GRID_WIDE: Final = 4
_GAP: Final = 2.2  # between letters, in squares of the grid

# Corners as pairs of digits x y; `/` lifts the pen.
_GLYPHS: Final = {
    " ": "",
    "A": "00 04 26 44 40/02 42",
    "B": "00 06 36 45 44 33 03/33 42 41 30 00",
    "C": "45 36 16 05 01 10 30 41",
    "D": "00 06 26 44 42 20 00",
    "E": "46 06 00 40/03 33",
    "F": "46 06 00/03 33",
    "G": "45 36 16 05 01 10 30 41 43 23",
    "H": "00 06/40 46/03 43",
    "I": "16 36/26 20/10 30",
    "J": "46 41 30 10 01",
    "K": "00 06/46 03 40",
    "L": "06 00 40",
    "M": "00 06 23 46 40",
    "N": "00 06 40 46",
    "O": "10 01 05 16 36 45 41 30 10",
    "P": "00 06 36 45 44 33 03",
    "Q": "10 01 05 16 36 45 41 30 10/22 40",
    "R": "00 06 36 45 44 33 03/23 40",
    "S": "45 36 16 05 04 13 33 42 41 30 10 01",
    "T": "06 46/26 20",
    "U": "06 01 10 30 41 46",
    "V": "06 20 46",
    "W": "06 10 23 30 46",
    "X": "00 46/06 40",
    "Y": "06 23 46/23 20",
    "Z": "06 46 00 40",
    "0": "10 01 05 16 36 45 41 30 10/11 35",
    "1": "05 26 20/10 30",
    "2": "05 16 36 45 44 00 40",
    "3": "05 16 36 45 44 33 13/33 42 41 30 10 01",
    "4": "30 36 02 42",
    "5": "46 06 03 33 42 41 30 10 01",
    "6": "45 36 16 05 01 10 30 41 42 33 03",
    "7": "06 46 10",
    "8": "13 04 05 16 36 45 44 33 13 02 01 10 30 41 42 33",
    "9": "01 10 30 41 45 36 16 05 04 13 43",
    ".": "10 11",
    "-": "13 33",
    "/": "00 46",
    "#": "10 16/30 36/02 42/04 44",
}

Segment = tuple[Point, Point]


def letters_missing(text: str) -> str:
    """The letters of a text that the font does not have."""
    return "".join(letter for letter in text.upper() if letter not in _GLYPHS)


def _square_mm(height_mm: float) -> float:
    return (height_mm - STROKE_MM) / _GRID_HIGH


def text_width_mm(text: str, height_mm: float) -> float:
    """How long a text is when its letters are `height_mm` high over all."""
    squares = len(text) * (_GRID_WIDE + _GAP) - _GAP if text else 0.0
    return squares * _square_mm(height_mm) + STROKE_MM


@lru_cache(maxsize=16)
def text_strokes(text: str, height_mm: float) -> tuple[Segment, ...]:
    """The middle lines of a text's strokes; its lower left corner is at 0, 0."""
    square, begin = _square_mm(height_mm), STROKE_MM / 2
    strokes: list[Segment] = []
    for place, letter in enumerate(text.upper()):
        left = begin + place * (_GRID_WIDE + _GAP) * square
        for line in filter(None, _GLYPHS[letter].split("/")):
            corners = [(left + int(corner[0]) * square, begin + int(corner[1]) * square) for corner in line.split()]
            strokes += itertools.pairwise(corners)
    return tuple(strokes)


def text_row(text: str, height_mm: float, across_mm: float, places_mm: Sequence[float]) -> list[float]:
    """How far the text stands out, from 0 to 1, at places along a row `across_mm` above its lower edge."""
    reach = STROKE_MM / 2 + _EDGE_MM
    near = [stroke for stroke in text_strokes(text, height_mm) if min(stroke[0][1], stroke[1][1]) - reach < across_mm]
    near = [stroke for stroke in near if max(stroke[0][1], stroke[1][1]) + reach > across_mm]
    row = []
    for place in places_mm:
        point = (place, across_mm)
        away = min((distance_to_segment(point, stroke) for stroke in near if _spans(stroke, place, reach)), default=reach)
        row.append(min(max((reach - away) / (2 * _EDGE_MM), 0.0), 1.0))
    return row


def _spans(stroke: Segment, place: float, reach: float) -> bool:
    (x1, _), (x2, _) = stroke
    return min(x1, x2) - reach < place < max(x1, x2) + reach
