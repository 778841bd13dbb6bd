"""Small programs to draw, and pictures as arrays."""

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

START = "G28\nG90\nM83\nM104 S200\n"


def square(x: float, y: float, side: float, e: float = 1.0) -> str:
    corners = [(x + side, y), (x + side, y + side), (x, y + side), (x, y)]
    return f"G1 X{x} Y{y} F6000\n" + "".join(f"G1 X{a:g} Y{b:g} E{e:g} F1200\n" for a, b in corners)


def tower(layers: int = 5, *, feature: str = "External perimeter", side: float = 20.0) -> str:
    """Squares at (40, 40), 0.2 mm apart, marked as PrusaSlicer marks them."""
    body = "".join(f";LAYER_CHANGE\nG1 Z{0.2 * (n + 1):.2f}\n;TYPE:{feature}\n{square(40, 40, side)}" for n in range(layers))
    return START + body


def stream(text: str) -> BytesIO:
    return BytesIO(text.encode())


def pixels(content: bytes) -> NDArray[np.int64]:
    with Image.open(BytesIO(content)) as picture:
        return np.asarray(picture.convert("RGB"), np.int64)


def coloured(image: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Pixels of strong colour: plastic; everything else in our pictures is nearly grey."""
    strong: NDArray[np.bool_] = image.max(axis=2) - image.min(axis=2) > 70
    return strong
