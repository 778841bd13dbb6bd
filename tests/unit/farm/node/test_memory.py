import ctypes
import gc
from collections.abc import Iterator

import pytest

from farm.node import memory


@pytest.fixture(autouse=True)
def thaw() -> Iterator[None]:
    yield
    gc.unfreeze()


def test_what_start_up_left_is_not_scanned_again() -> None:
    memory.give_back()
    assert gc.get_freeze_count() > 1000


def test_another_c_library_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: object())
    memory.give_back()
