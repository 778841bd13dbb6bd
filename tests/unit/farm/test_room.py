import errno
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from farm.errors import ConfigurationError, StoreFullError
from farm.room import is_for_want_of_room
from gcode.texts import told


def caused(by: BaseException) -> ConfigurationError:
    error = ConfigurationError(told("It cannot be written."), next_step=told("Make room."))
    error.__cause__ = by
    return error


def sqlite_full() -> Iterator[BaseException]:
    database = sqlite3.connect(":memory:")
    try:
        database.execute("PRAGMA max_page_count = 1")
        database.execute("CREATE TABLE t (a)")
    except sqlite3.Error as error:
        yield error
    finally:
        database.close()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_found_behind_any_error(number: int) -> None:
    assert is_for_want_of_room(OSError(number, "full"))
    assert is_for_want_of_room(caused(caused(OSError(number, "full"))))


def test_the_store_and_sqlite_say_it_in_their_own_words() -> None:
    assert is_for_want_of_room(StoreFullError(told("Full."), next_step=told("Make room.")))
    (error,) = sqlite_full()
    assert is_for_want_of_room(caused(error))


def test_other_troubles_are_none(tmp_path: Path) -> None:
    assert not is_for_want_of_room(None)
    assert not is_for_want_of_room(caused(PermissionError(errno.EACCES, "no")))
    assert not is_for_want_of_room(caused(sqlite3.OperationalError("no such table")))
