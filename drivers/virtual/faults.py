"""What goes wrong on purpose between a virtual printer and its host: noise on the wire, oks that vanish or come twice."""

import random
from dataclasses import dataclass
from math import log


@dataclass(slots=True)
class Faults:
    """Switches. The noise ratios are the share of bytes that are flipped or lost, 0.0-1.0, of what the firmware hears and says."""

    noise_in: float = 0.0
    noise_out: float = 0.0
    lose_oks: int = 0  # so many of the next oks vanish
    double_oks: int = 0  # so many of the next oks come twice


class Noise:
    """Spoils bytes, reproducibly."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - noise has to be reproducible, not secret

    def spoil(self, data: bytes, ratio: float) -> bytes:
        """`data` after a bad cable: about `ratio` of its bytes have a flipped bit (three in four) or are missing."""
        if not ratio or not data:
            return data
        spoilt = bytearray()
        start = 0
        while (hit := start + self._gap(ratio)) < len(data):
            spoilt += data[start:hit]
            if self._random.random() < 0.75:
                spoilt.append(data[hit] ^ (1 << self._random.randrange(8)))
            start = hit + 1
        return bytes(spoilt + data[start:])

    def _gap(self, ratio: float) -> int:
        """Good bytes before the next bad one: geometric, so that a clean kilobyte costs one draw and not a thousand."""
        if ratio >= 1:
            return 0
        return int(log(1.0 - self._random.random()) / log(1.0 - ratio))
