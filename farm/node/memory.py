"""An agent has 50 MB beside one printer, on a Pi Zero with 512: what starting up has left over is given back."""

import ctypes
import gc
from typing import Final

LEAN: Final = ("-X", "no_debug_ranges")  # of the interpreter: tracebacks name lines but no columns (0.3 MB)
_M_ARENA_MAX: Final = -8  # of glibc's malloc.h


def share_one_arena() -> None:
    """Have all threads allocate from one place: of ten each keeps pages of its own otherwise (0.4 MB). Call it first."""
    _of_c("mallopt", _M_ARENA_MAX, 1)


def give_back() -> None:
    """Return to the system what importing and starting needed for a moment (about 4 MB), and never scan the rest again."""
    gc.collect()
    gc.freeze()
    _of_c("malloc_trim", 0)


def _of_c(name: str, *numbers: int) -> None:
    try:
        getattr(ctypes.CDLL(None), name)(*numbers)
    except (OSError, AttributeError):
        return  # another C library than glibc: it does so by itself, or never
