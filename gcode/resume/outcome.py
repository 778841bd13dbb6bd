"""Checks what came out with the facts engine: it must be the rest of the file, and never go below what stands."""

from io import BytesIO

from gcode.facts import GcodeFacts
from gcode.profile import Box
from gcode.resume.errors import SelfCheckError
from gcode.resume.gate import SAME_MM
from gcode.resume.totals import WithoutTotals
from gcode.texts import Bilingual


class Chained:
    """The new program as one stream, for the facts engine, which looks at both ends of it first; `rest` begins where it stands."""

    def __init__(self, first: bytes, rest: WithoutTotals) -> None:
        self._first = BytesIO(first)
        self._first_bytes = len(first)
        self._rest = rest
        self._begins_at = rest.tell()

    def read(self, size: int = -1, /) -> bytes:
        """First the preamble, then the rest."""
        return self._first.read(size) or self._rest.read(size)

    def seekable(self) -> bool:
        """It can go back."""
        return True

    def tell(self) -> int:
        """Where it stands, with what is left out of the rest."""
        return self._first.tell() + self._rest.tell() - self._begins_at

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to `offset` from the beginning, or (`whence` 2) from the end."""
        if whence == 2:
            offset += self._first_bytes + self._rest.seek(0, 2) - self._begins_at
        self._first.seek(min(offset, self._first_bytes))
        self._rest.seek(self._begins_at + max(0, offset - self._first_bytes))
        return offset


def _failed(what: str) -> SelfCheckError:
    return SelfCheckError(
        Bilingual(
            f"The rest of the print came out wrong ({what}): print the part anew, and tell us about this file.",
            f"La suite de l'impression est incorrecte ({what}) : imprimez la pièce de nouveau et signalez ce fichier.",
        )
    )


def check_outcome(before: GcodeFacts, after: GcodeFacts, layer: int, standing_mm: float) -> None:
    """Layers, filament, heights and bounds of the new program against those of the old one."""
    expected = before.layer_table[layer - 1 :]
    if after.layers != len(expected):
        raise _failed(f"{after.layers} / {len(expected)} layers")
    for old, new in zip(expected, after.layer_table, strict=True):
        if abs(old.z_mm - new.z_mm) > SAME_MM or abs(old.filament_mm - new.filament_mm) > 1e-3:
            raise _failed(f"z {new.z_mm:g} / {old.z_mm:g}, {new.filament_mm:g} / {old.filament_mm:g} mm")
    lowest = min(box.min_z for box in (after.extruding, after.travel) if box is not None)
    if after.extruding is None or after.extruding.min_z < standing_mm + SAME_MM or lowest < standing_mm - SAME_MM:
        raise _failed(f"z {lowest:g} < {standing_mm:g}")
    if before.extruding is None or not _within(after.extruding, before.extruding):
        raise _failed("x, y")


def _within(inner: Box, outer: Box) -> bool:
    low = inner.min_x >= outer.min_x - SAME_MM and inner.min_y >= outer.min_y - SAME_MM
    return low and inner.max_x <= outer.max_x + SAME_MM and inner.max_y <= outer.max_y + SAME_MM
