import ctypes
import gc
import subprocess
import sys
from collections.abc import Iterator

import pytest

from farm.node import memory


@pytest.fixture(autouse=True)
def thaw() -> Iterator[None]:
    """Without what tests/conftest.py has frozen."""
    gc.unfreeze()
    yield
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def test_what_start_up_left_is_not_scanned_again() -> None:
    memory.give_back()
    assert gc.get_freeze_count() > 1000


def test_another_c_library_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: object())
    memory.give_back()


def test_all_threads_are_told_to_share_one_arena(monkeypatch: pytest.MonkeyPatch) -> None:
    class Library:
        def __init__(self, _name: None) -> None:
            self.mallopt = lambda *numbers: asked.append(numbers)

    asked: list[tuple[int, ...]] = []
    monkeypatch.setattr(ctypes, "CDLL", Library)
    memory.share_one_arena()
    assert asked == [(-8, 1)]


def test_an_interpreter_takes_the_options() -> None:
    code = "import sys; print(sys._xoptions['no_debug_ranges'])"
    found = subprocess.run([sys.executable, *memory.LEAN, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout == "True\n"
