"""What goes wrong on purpose between a virtual printer and its host: noise on the wire, lines and oks that suffer on their way."""

import random
import re
from dataclasses import dataclass, field
from math import log
from typing import Final

_NUMBERED: Final = re.compile(rb"(?m)^ *N\d+ *")
NOISE_KINDS: Final = ("both", "flip", "drop")


@dataclass(slots=True)
class LineFaults:
    """How many of the next lines from the host are spoilt, and how. Only lines that arrive in one piece suffer."""

    flip: int = 0  # a bit of it is flipped
    merge: int = 0  # its end is lost: it and the next become one
    cut: int = 0  # its number is lost: the tail executes unchecked
    double: int = 0  # it arrives twice: Marlin drops the second without an ok

    @property
    def any(self) -> bool:
        """Something is still to be spoilt."""
        return bool(self.flip or self.merge or self.cut or self.double)


@dataclass(slots=True)
class Faults:
    """Switches. The noise ratios are the share of bytes that are flipped or lost, 0.0-1.0, of what the firmware hears and says.

    Counts are of the next ones; times are the firmware's.
    """

    noise_in: float = 0.0
    noise_out: float = 0.0
    noise_kind: str = "both"
    lose_oks: int = 0  # so many of the next oks vanish
    double_oks: int = 0  # so many of the next oks come twice
    corrupt_oks: int = 0  # so many of the next oks have a flipped bit in their two letters
    late_oks: int = 0  # so many of the next oks come `late_ok_s` later
    late_ok_s: float = 5.0
    silent_lines: int = 0  # so many of the next numbered lines are executed without an ok: their repetition is a duplicate
    corrupt_resends: int = 0  # so many of the next Resend words have a flipped bit
    misnumber_resends: int = 0  # so many of the next Resend numbers are wrong by `misnumber_by`
    misnumber_by: int = 100
    lines: LineFaults = field(default_factory=LineFaults)
    long_heat_s: float = 0.0  # M109 and M190 take at least this long, and tell nothing but temperatures
    kill_in_heat: bool = False  # the next M109 or M190 ends in a kill

    def copy(self) -> "Faults":
        """Another set of the same switches."""
        values = {name: getattr(self, name) for name in self.__slots__}
        values["lines"] = LineFaults(self.lines.flip, self.lines.merge, self.lines.cut, self.lines.double)
        return Faults(**values)


class Noise:
    """Spoils bytes, reproducibly."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - noise has to be reproducible, not secret

    def spoil(self, data: bytes, ratio: float, kind: str = "both") -> bytes:
        """`data` after a bad cable: about `ratio` of its bytes have a flipped bit (of `both`: three in four) or are missing."""
        if not ratio or not data:
            return data
        spoilt = bytearray()
        start = 0
        while (hit := start + self._gap(ratio)) < len(data):
            spoilt += data[start:hit]
            if kind == "flip" or (kind == "both" and self._random.random() < 0.75):
                spoilt.append(data[hit] ^ (1 << self._random.randrange(8)))
            start = hit + 1
        return bytes(spoilt + data[start:])

    def _gap(self, ratio: float) -> int:
        """Good bytes before the next bad one: geometric, so that a clean kilobyte costs one draw and not a thousand."""
        if ratio >= 1:
            return 0
        return int(log(1.0 - self._random.random()) / log(1.0 - ratio))

    def flip(self, text: str, start: int, end: int) -> str:
        """`text` with one flipped bit between the two places, and neither a control character nor the end of a line."""
        at = self._random.randrange(start, end)
        return f"{text[:at]}{chr(ord(text[at]) ^ (1 << self._random.randrange(5)))}{text[at + 1 :]}"

    def garble(self, data: bytes) -> bytes:
        """What a UART at another speed makes of it: as many bytes, and none of them right."""
        return bytes(self._random.randrange(128, 256) for _ in data)

    def spoil_lines(self, data: bytes, faults: LineFaults) -> bytes:
        """Spoil whole lines, each fault on the next ones that come."""
        lines = data.splitlines(keepends=True)
        return b"".join(self._spoil_line(line, faults) if line.endswith(b"\n") else line for line in lines)

    def _spoil_line(self, line: bytes, faults: LineFaults) -> bytes:
        if len(line) < 2:
            return line
        if faults.double:
            faults.double -= 1
            line += line
        if faults.cut and _NUMBERED.match(line):
            faults.cut -= 1
            line = _NUMBERED.sub(b"", line, count=1)
        if faults.flip:
            faults.flip -= 1
            at = self._random.randrange(len(line) - 1)
            line = line[:at] + bytes([line[at] ^ (1 << self._random.randrange(5))]) + line[at + 1 :]
        if faults.merge:
            faults.merge -= 1
            line = line[:-1]
        return line
