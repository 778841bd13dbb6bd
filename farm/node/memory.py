"""An agent has 50 MB beside one printer, on a Pi Zero with 512: what starting up has left over is given back."""

import ctypes
import gc


def give_back() -> None:
    """Return to the system what importing and starting needed for a moment (about 4 MB), and never scan the rest again."""
    gc.collect()
    gc.freeze()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):
        return  # another C library than glibc: it gives back by itself, or never
