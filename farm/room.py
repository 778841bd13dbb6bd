"""Tells a full disk from other troubles: it is no reason to end, because somebody will make room."""

import errno
import sqlite3
from typing import Final

NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_STORE_FULL: Final = "store-full"  # of farm.errors.StoreFullError, which stands above this


def is_for_want_of_room(error: BaseException | None) -> bool:
    """Whether a full disk, or a used-up quota, is behind an error: itself or what caused it."""
    while error is not None:
        if getattr(error, "code", "") == _STORE_FULL or (isinstance(error, OSError) and error.errno in NO_ROOM):
            return True
        if isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorname", "") == "SQLITE_FULL":
            return True
        error = error.__cause__
    return False
