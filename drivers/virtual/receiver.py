"""The way of a byte from the wire into Marlin's command queue: receive ring, lines, numbers, checksums.

Source of the rules: transcripts of real Marlin (bugfix-2.1.x of January 2023) and measurements with it.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from drivers.virtual.flavours import FLAVOURS, Flavour
from drivers.virtual.options import LINE_BYTES, RX_RING_BYTES

_LEADING_NUMBER: Final = re.compile(rb"\s*([+-]?\d+)")
_EMERGENCY: Final = re.compile(rb"(?:^|\n) *(?:N\d+ +)?M(?:(108|112|410)(?!\d)|876 *S(\d))")
_NUMBER: Final = re.compile(rb"N\d+ *")
_LONGEST_EMERGENCY: Final = 32


def checksum(frame: bytes) -> int:
    """The XOR of up to 128 bytes, as Marlin counts it from the first character to the one before `*`."""
    folded = int.from_bytes(frame, "big")
    for shift in (512, 256, 128, 64, 32, 16, 8):
        folded ^= folded >> shift
    return folded & 0xFF


def _leading_int(digits: bytes) -> int:
    """C's strtol: the number at the start, 0 when there is none."""
    match = _LEADING_NUMBER.match(digits)
    return int(match[1]) if match else 0


@dataclass(frozen=True, slots=True)
class Accepted:
    """A line that goes into the command queue. `number` is None for a line without N."""

    text: str
    number: int | None


@dataclass(frozen=True, slots=True)
class Refused:
    """A line that Marlin answers with an error and a Resend; `reason` is Marlin's own wording, `number` what the line claimed."""

    reason: str
    number: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A line that came before, for the firmwares that say so."""

    number: int


WRONG_NUMBER: Final = "Line Number is not Last Line Number+1"
WRONG_CHECKSUM: Final = "checksum mismatch"
NO_CHECKSUM: Final = "No Checksum with line number"
Line = Accepted | Refused | Duplicate


class Receiver:
    """Collects bytes, cuts lines and checks them. Knows the number of the last good line."""

    def __init__(self, flavour: Flavour = FLAVOURS["marlin-2.1"], ring_bytes: int = RX_RING_BYTES) -> None:
        self._flavour = flavour
        self._ring_bytes = ring_bytes
        self.last_number = 0
        self.dropped_bytes = 0  # lost because the ring was full
        self._ring = bytearray()
        self._partial = bytearray()  # bytes of an unfinished line, already taken out of the ring
        self._tail = b""

    def put(self, data: bytes) -> None:
        """Bytes arrive. Call `next_line` until it is empty or the queue is full, then `overflow`."""
        self._ring += data.replace(b"\r", b"\n") if b"\r" in data else data

    def overflow(self) -> None:
        """Lose what does not fit into the receive ring."""
        excess = len(self._ring) - self._ring_bytes
        if excess > 0:
            self.dropped_bytes += excess
            del self._ring[self._ring_bytes :]

    def flush(self) -> None:
        """Forget the bytes in the ring and the unfinished line: what Marlin does when it asks for a resend."""
        self._ring.clear()
        self._partial.clear()

    def next_line(self) -> Line | None:
        """The next line that has a meaning; None when there is no whole line. Empty lines and duplicates vanish without a trace."""
        while self._ring:
            end = self._ring.find(b"\n")
            if end < 0:
                self._partial += self._ring
                self._ring.clear()
                return None
            raw = bytes(self._partial + self._ring[:end]) if self._partial else bytes(self._ring[:end])
            self._partial.clear()
            del self._ring[: end + 1]
            # A comment ends the line before its checksum is looked for; so does the size of the buffer.
            raw = raw.partition(b";")[0][:LINE_BYTES] if b";" in raw else raw[:LINE_BYTES]
            if raw and (line := self._check(raw.lstrip(b" "))) is not None:
                return line
        return None

    def _check(self, frame: bytes) -> Line | None:
        if frame[:1] != b"N":
            return Accepted(frame.decode("latin-1"), None)
        if not self._flavour.checks_lines:
            return self._unchecked(frame)
        sets_number = frame.find(b"M110")
        if sets_number >= 0:
            inner = frame.find(b"N", 4)
            number = _leading_int(frame[max(inner, 0) + 1 :])
        else:
            number = _leading_int(frame[1:])
            if number != self.last_number + 1:
                return self._out_of_order(number)
        body, star, digits = frame.rpartition(b"*")
        if not star:
            return Refused(NO_CHECKSUM, number)
        if _leading_int(digits) != checksum(body):
            return Refused(WRONG_CHECKSUM, number)
        self.last_number = number
        return Accepted(frame.decode("latin-1"), number)

    def _out_of_order(self, number: int) -> Line | None:
        if self.last_number - 1 <= number <= self.last_number:
            if self._flavour.skip:
                return Duplicate(number)
            if self._flavour.drops_duplicates:
                return None  # without an ok (Marlin PR 24972)
        return Refused(WRONG_NUMBER, number)

    def _unchecked(self, frame: bytes) -> Accepted:
        number = _leading_int(frame[1:])
        return Accepted(_NUMBER.sub(b"", frame, count=1).decode("latin-1"), number)

    def emergencies(self, data: bytes) -> list[tuple[int, int]]:
        """M numbers, and the S of M876, that the emergency parser sees in what arrives, whether it fits into the ring or not."""
        seen = self._tail + data.replace(b"\r", b"\n")
        found = [match for match in _EMERGENCY.finditer(seen) if len(self._tail) <= match.end() < len(seen)]
        self._tail = b"\n" if seen.endswith(b"\n") else seen[-_LONGEST_EMERGENCY:]
        return [(int(match[1]), 0) if match[1] else (876, int(match[2])) for match in found]
