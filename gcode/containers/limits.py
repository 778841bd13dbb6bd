"""How much of anything a file may ask for. Every reader here stops at these, whatever the file claims."""

from dataclasses import dataclass
from typing import Final

GIBIBYTE: Final = 1024**3
MEBIBYTE: Final = 1024**2


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes and counts. Ratios count only once `ratio_from_bytes` have been unpacked: a small file may well be all alike."""

    expanded_bytes: int = 2 * GIBIBYTE  # of text, and of every layer of packing
    ratio: int = 200  # of deflate and heatshrink, whose windows are small: stacks of frames reach 3
    zstd_ratio: int = 4_000  # a stack of fifty frames (83 MB) packs 432-fold at level 3 and 788-fold at 19; zeros 32,000-fold
    ratio_from_bytes: int = 50 * MEBIBYTE
    window_bytes: int = 16 * MEBIBYTE  # zstd levels up to 19 use 8 MiB


DEFAULT_LIMITS: Final = Limits()
