"""What the bench reads: real files, and higher stacks of one of them with its layers repeated."""

import re
from pathlib import Path
from typing import Final

from tests.gcode_files import real_files

FRAME: Final = "visor_ender3_pla.gcode"  # a visor frame of PrusaSlicer's, 1.7 MB
OTHER: Final = "fdn_full_0.15mm_PETG_MK3S_2h6m.gcode"  # where the frame is not at hand
_LAYER: Final = b"\n;LAYER_CHANGE"
_HEIGHT: Final = re.compile(rb"(?<= Z)\d*\.?\d+|(?<=\n;Z:)\d*\.?\d+")


def real_frame() -> Path:
    """The file that stacks are made of."""
    files = {path.name: path for path in real_files()}
    return files.get(FRAME) or files[OTHER]


def stack(program: bytes, size_bytes: int) -> bytes:
    """The program with its layers repeated on top of each other until it has about `size_bytes`.

    Raises:
        ValueError: it has no layer marks.

    """
    begin, last = program.find(_LAYER), program.rfind(_LAYER)
    if begin < 0:
        raise ValueError("a program without ;LAYER_CHANGE cannot be stacked")
    start, layers, end = program[:begin], program[begin:last], program[last:]
    copies = max((size_bytes - len(start) - len(end)) // len(layers), 1)
    height_mm = max(float(text) for text in re.findall(rb"\n;Z:(\d*\.?\d+)", layers))

    def raised(by_mm: float, text: bytes) -> bytes:
        return _HEIGHT.sub(lambda match: b"%.3f" % (float(match[0]) + by_mm), text)

    pieces = [raised(index * height_mm, layers) for index in range(copies)]
    return b"".join((start, *pieces, raised((copies - 1) * height_mm, end)))


def stacked(folder: Path, size_bytes: int) -> Path:
    """A stack in a file of `folder`, made once."""
    path = folder / f"stack-{size_bytes // 1_000_000}-MB.gcode"
    if not path.is_file():
        path.write_bytes(stack(real_frame().read_bytes(), size_bytes))
    return path
