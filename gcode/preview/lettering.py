"""Writes text into a picture with the one font that comes with Pillow, which has no accents: they are drawn as strokes.

Fonts of the machine are not used: the same file gives the same bytes everywhere with one version of Pillow.
"""

import unicodedata
from typing import TYPE_CHECKING, Final

from gcode.preview.features import Colour

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

_ALIKE: Final = {"×": "x", "’": "'", "–": "-", "—": "-", "œ": "oe", "Œ": "OE", "…": "...", "\u00a0": " ", "\u202f": " "}
# Strokes over a letter, in shares of the letter's width (from its middle) and of the size (from its top).
_ACCENTS: Final[dict[str, tuple[tuple[float, float, float, float], ...]]] = {
    "\u0301": ((-0.05, -0.06, 0.20, -0.20),),
    "\u0300": ((0.05, -0.06, -0.20, -0.20),),
    "\u0302": ((-0.24, -0.06, 0.0, -0.19), (0.0, -0.19, 0.24, -0.06)),
    "\u0308": ((-0.20, -0.12, -0.18, -0.12), (0.18, -0.12, 0.20, -0.12)),
}
_CEDILLA: Final = "\u0327"
_MARKS: Final = frozenset({*_ACCENTS, _CEDILLA})
_OTHERS: Final = frozenset("·°")  # beyond ASCII, and in the font


def plain(text: str) -> str:
    """The text with what the font has and accents as marks behind their letters; "?" for the rest."""
    replaced = "".join(_ALIKE.get(character, character) for character in text)
    decomposed = unicodedata.normalize("NFD", replaced)
    return "".join(character if _known(character) else "?" for character in decomposed)


def _known(character: str) -> bool:
    return character.isascii() or character in _MARKS or character in _OTHERS


class Lettering:
    """Text of one size in one picture."""

    def __init__(self, canvas: "ImageDraw", size_px: float) -> None:
        from PIL.ImageFont import load_default  # noqa: PLC0415 - only who draws loads Pillow

        self._canvas = canvas
        self._size_px = size_px
        self._font: FreeTypeFont | ImageFont = load_default(size_px)

    def width_px(self, text: str) -> float:
        """How long it becomes."""
        letters = "".join(character for character in plain(text) if character not in _MARKS)
        return self._canvas.textlength(letters, self._font)

    def write(self, x: float, y: float, text: str, colour: Colour) -> None:
        """Write from (x, y), the top left corner of the line."""
        run = ""
        for character in plain(text):
            if character not in _MARKS:
                run += character
            elif run:
                self._accent(x, y, run, character, colour)
        self._canvas.text((x, y), run, colour, self._font)

    def _accent(self, x: float, y: float, run: str, accent: str, colour: Colour) -> None:
        """Set a mark over (or under) the last letter of `run`."""
        letter = run[-1]
        before = self._canvas.textlength(run[:-1], self._font)
        left, top, right, bottom = self._canvas.textbbox((x + before, y), letter, self._font)
        middle, wide = (left + right) / 2, max((right - left), self._size_px * 0.42)
        thick = max(round(self._size_px / 11), 1)
        if accent == _CEDILLA:
            self._canvas.line([(middle, bottom), (middle - wide * 0.1, bottom + self._size_px * 0.16)], colour, thick)
            return
        if letter == "i":
            top += self._size_px * 0.12
        for x0, y0, x1, y1 in _ACCENTS[accent]:
            ends = [(middle + x0 * wide, top + y0 * self._size_px), (middle + x1 * wide, top + y1 * self._size_px)]
            self._canvas.line(ends, colour, thick)
