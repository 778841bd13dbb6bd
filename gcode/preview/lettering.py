"""Writes text into a picture with the one font that comes with Pillow, which has no accents: they are drawn as strokes.

Fonts of the machine are not used: the same file gives the same bytes everywhere with one version of Pillow.
"""

import unicodedata
from math import ceil
from typing import TYPE_CHECKING, Final

from gcode.preview.features import Colour

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

_ALIKE: Final = {"×": "x", "’": "'", "–": "-", "—": "-", "œ": "oe", "Œ": "OE", "…": "...", "\u00a0": " ", "\u202f": " "}
# Strokes over a letter, in shares of the letter's width (from its middle) and of the size (from its top).
_ACCENTS: Final[dict[str, tuple[tuple[float, float, float, float], ...]]] = {
    "\u0301": ((-0.08, -0.06, 0.17, -0.20),),
    "\u0300": ((0.08, -0.06, -0.17, -0.20),),
    "\u0302": ((-0.22, -0.06, 0.0, -0.19), (0.0, -0.19, 0.22, -0.06)),
    "\u0308": ((-0.24, -0.12, -0.16, -0.12), (0.16, -0.12, 0.24, -0.12)),
}
_FINER: Final = 4
_ROOM: Final = 0.125
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
    """Text of one size in one picture; drawn four times as large and made smaller, so that accents are as smooth as letters."""

    def __init__(self, picture: "Image", size_px: float) -> None:
        from PIL.ImageFont import load_default  # noqa: PLC0415 - only who draws loads Pillow

        self._picture = picture
        self._size = size_px * _FINER
        self._font: FreeTypeFont | ImageFont = load_default(self._size)

    def width_px(self, text: str) -> float:
        """How long it becomes."""
        letters = "".join(character for character in plain(text) if character not in _MARKS)
        return self._font.getlength(letters) / _FINER

    def write(self, x: float, y: float, text: str, colour: Colour) -> None:
        """Write from (x, y), the top left corner of the line."""
        from PIL import Image, ImageDraw  # noqa: PLC0415 - only who draws loads Pillow

        wide = ceil(self.width_px(text)) + 4
        high = ceil(self._size * 1.5 / _FINER)
        mask = Image.new("L", (wide * _FINER, high * _FINER))
        self._draw(ImageDraw.Draw(mask), text)
        # The line is an eighth of its size lower: accents of capitals need the room above.
        place = (round(x), round(y - self._size * _ROOM / _FINER))
        self._picture.paste(colour, place, mask.resize((wide, high), Image.Resampling.BOX))

    def _draw(self, canvas: "ImageDraw", text: str) -> None:
        run = ""
        for character in plain(text):
            if character not in _MARKS:
                run += character
            elif run:
                self._accent(canvas, run, character)
        canvas.text((0, self._size * _ROOM), run, 255, self._font)

    def _accent(self, canvas: "ImageDraw", run: str, accent: str) -> None:
        """Set a mark over (or under) the last letter of `run`."""
        before = self._font.getlength(run[:-1])
        left, top, right, bottom = canvas.textbbox((before, self._size * _ROOM), run[-1], self._font)
        middle, wide = (left + right) / 2, max(right - left, self._size * 0.45)
        thick = max(round(self._size / 13), 1)
        if accent == _CEDILLA:
            canvas.line([(middle, bottom - 1), (middle - wide * 0.12, bottom + self._size * 0.16)], 255, thick)
            return
        for x0, y0, x1, y1 in _ACCENTS[accent]:
            ends = [(middle + x0 * wide, top + y0 * self._size), (middle + x1 * wide, top + y1 * self._size)]
            canvas.line(ends, 255, thick)
