"""Reads binary STL and measures it."""

import struct
from collections import Counter
from collections.abc import Sequence

from gcode.frame.solid import Triangle


def parsed(content: bytes) -> list[Triangle]:
    (count,) = struct.unpack_from("<I", content, 80)
    assert len(content) == 84 + 50 * count
    rows = (struct.unpack_from("<12fH", content, 84 + 50 * number) for number in range(count))
    return [(values[3:6], values[6:9], values[9:12]) for values in rows]


def volume_mm3(triangles: Sequence[Triangle]) -> float:
    total = 0.0
    for (x1, y1, z1), (x2, y2, z2), (x3, y3, z3) in triangles:
        total += x1 * (y2 * z3 - y3 * z2) - y1 * (x2 * z3 - x3 * z2) + z1 * (x2 * y3 - x3 * y2)
    return total / 6


def assert_watertight(triangles: Sequence[Triangle]) -> None:
    """Every edge is walked once in each direction: closed, and all faces look outwards or all inwards."""
    edges = Counter((corner, triangle[(index + 1) % 3]) for triangle in triangles for index, corner in enumerate(triangle))
    assert set(edges.values()) == {1}
    assert all((last, first) in edges for first, last in edges)
