"""Comments with a figure are passed over only where the same name with another figure says nothing."""

import numpy as np
import pytest

from gcode.scan.figures import Figures


def figures(*asked: bytes) -> Figures:
    """For a reader that only hears `;LAYER:` and what has a key in it; `asked` are met before."""
    known = Figures(lambda raw: not raw.startswith(b";LAYER:") and b"key" not in raw)
    for raw in asked:
        known.knows(raw)
    return known


@pytest.mark.parametrize("raw", [b";WIDTH:0.45", b"; WIDTH:-3", b";HEIGHT: 0.2", b";Z:12", b";a_B:1.2.3"])
def test_a_name_with_a_figure(raw: bytes) -> None:
    assert figures().knows(raw)


@pytest.mark.parametrize(
    "raw", [b";LAYER:3", b";api_key:123", b";WIDTH:", b";WIDTH:1mm", b";WIDTH 0.4", b"WIDTH:0.4", b";TYPE:Skirt", b";WIDTH:1;x"]
)
def test_what_says_something_or_has_another_shape(raw: bytes) -> None:
    assert not figures().knows(raw)


def found(known: Figures, *lines: bytes) -> list[bool]:
    content = b"".join(line + b"\n" for line in lines)
    ends = np.add.accumulate([len(line) + 1 for line in lines])
    begins = ends - [len(line) + 1 for line in lines]
    silent: list[bool] = known.among(content, begins, ends - 1).tolist()
    return silent


def test_many_are_recognised_at_once() -> None:
    lines = [b";WIDTH:0.%d" % number for number in range(1000)]
    odd = [b";WIDTH:x", b";WIDTH:", b";WIDTH:1 api_key=5", b";LAYER:5", b";TYPE:Skirt", b";Z:1", b";HEIGHT:0.2"]
    known = figures(b";WIDTH:1", b";HEIGHT:1", b";LAYER:1")
    assert found(known, *lines, *odd) == [True] * 1000 + [False] * 6 + [True]  # `;Z:` was not met before


def test_few_are_left_to_be_looked_at() -> None:
    assert found(figures(b";WIDTH:1"), b";WIDTH:2") == [False]


def test_what_is_known_is_bounded() -> None:
    known = figures(*(b";%s:1" % bytes([65 + index % 26, 65 + index // 26]) for index in range(600)))
    assert len(known._names) <= 256
    assert len(known._heads) <= 16
    assert known.knows(b";WIDTH:5")
