"""The size limits of `./farm.sh check` find what is too long, and the code keeps them."""

from tests import sizes


def test_a_function_over_the_limit_is_named() -> None:
    body = "    x = 1\n" * sizes.MAX_FUNCTION_LINES
    (row,) = sizes.too_long(f"def long():\n{body}", "here.py")
    assert row == "here.py:1: long has 71 lines, at most 70"


def test_a_function_at_the_limit_is_fine() -> None:
    body = "    x = 1\n" * (sizes.MAX_FUNCTION_LINES - 1)
    assert list(sizes.too_long(f"async def fits():\n{body}", "here.py")) == []


def test_a_file_over_the_limit_is_named() -> None:
    assert list(sizes.too_long("x = 1\n" * 501, "here.py")) == ["here.py: 501 lines, at most 500"]


def test_the_code_keeps_the_limits() -> None:
    assert sizes.main() == 0
