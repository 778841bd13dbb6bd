"""From millimetres to pixels: a parallel projection from above or obliquely from the front."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import cos, radians, sin
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

VIEWS: Final = ("top", "isometric")
_TURN: Final = radians(-32)  # the front right corner comes towards the onlooker
_TILT: Final = radians(38)


@dataclass(frozen=True, slots=True)
class View:
    """A parallel projection. `right`, `up` (in the picture) and `towards` the onlooker are unit vectors in the machine's axes."""

    right: Floats
    up: Floats
    towards: Floats
    scale_px_mm: float = 1.0
    shift_px: tuple[float, float] = (0.0, 0.0)

    def pixels(self, points: Floats) -> Floats:
        """(n, 3) mm to (n, 2) pixels, x to the right and y downwards."""
        matrix = np.stack([self.right, -self.up], axis=1) * self.scale_px_mm
        flat: Floats = points @ matrix + np.asarray(self.shift_px)
        return flat

    def pixel(self, x: float, y: float, z: float = 0.0) -> tuple[float, float]:
        """One point."""
        column, row = self.pixels(np.array([[x, y, z]]))[0]
        return float(column), float(row)

    def shrunk(self, times: int) -> "View":
        """The same on a picture that is so many times smaller."""
        across, down = self.shift_px
        return View(self.right, self.up, self.towards, self.scale_px_mm / times, (across / times, down / times))

    def fitted(self, corners: Iterable[tuple[float, float, float]], area_px: tuple[float, float, float, float]) -> "View":
        """The same view, scaled and shifted so that all corners lie in `area_px` (left, top, right, bottom), centred."""
        flat = View(self.right, self.up, self.towards).pixels(np.array(list(corners), np.float64))
        low, high = flat.min(axis=0), flat.max(axis=0)
        left, top, right, bottom = area_px
        size = np.maximum(high - low, 1e-3)
        scale = float(min((right - left) / size[0], (bottom - top) / size[1]))
        middle = (low + high) / 2 * scale
        shift = ((left + right) / 2 - float(middle[0]), (top + bottom) / 2 - float(middle[1]))
        return View(self.right, self.up, self.towards, scale, shift)


def view_of(name: str) -> View:
    """A view by its name, one of VIEWS; 1 px/mm."""
    if name == "top":
        return View(np.array([1.0, 0, 0]), np.array([0, 1.0, 0]), np.array([0, 0, 1.0]))
    right = np.array([cos(_TURN), -sin(_TURN), 0.0])
    away = np.array([sin(_TURN), cos(_TURN), 0.0])
    up = away * sin(_TILT) + np.array([0, 0, cos(_TILT)])
    towards = -away * cos(_TILT) + np.array([0, 0, sin(_TILT)])
    return View(right, up, towards)
