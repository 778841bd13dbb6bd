"""The way of a byte from the wire into Marlin's command queue: receive ring, lines, numbers, checksums.

Source of the rules: transcripts of real Marlin (bugfix-2.1.x of January 2023) and measurements with it.
"""

import re
from dataclasses import dataclass
from typing import Final

from drivers.virtual.options import LINE_BYTES, RX_RING_BYTES

_LEADING_NUMBER: Final = re.compile(rb"\s*([+-]?\d+)")
_EMERGENCY: Final = re.compile(rb"(?:^|\n) *(?:N\d+ +)?M(108|112|410|876)(?!\d)")
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
    """A line that Marlin answers with an error and a Resend; `reason` is the machine's own wording."""

    reason: str


class Receiver:
    """Collects bytes, cuts lines and checks them. Knows the number of the last good line."""

    def __init__(self) -> None:
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
        excess = len(self._ring) - RX_RING_BYTES
        if excess > 0:
            self.dropped_bytes += excess
            del self._ring[RX_RING_BYTES:]

    def flush(self) -> None:
        """Forget the bytes in the ring and the unfinished line: what Marlin does when it asks for a resend."""
        self._ring.clear()
        self._partial.clear()

    def next_line(self) -> Accepted | Refused | None:
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

    def _check(self, frame: bytes) -> Accepted | Refused | None:
        if frame[:1] != b"N":
            return Accepted(frame.decode("latin-1"), None)
        sets_number = frame.find(b"M110")
        if sets_number >= 0:
            inner = frame.find(b"N", 4)
            number = _leading_int(frame[max(inner, 0) + 1 :])
        else:
            number = _leading_int(frame[1:])
            if number != self.last_number + 1:
                if self.last_number - 1 <= number <= self.last_number:
                    return None  # a duplicate is dropped without an ok (Marlin PR 24972)
                return Refused("Line Number is not Last Line Number+1")
        body, star, digits = frame.rpartition(b"*")
        if not star:
            return Refused("No Checksum with line number")
        if _leading_int(digits) != checksum(body):
            return Refused("checksum mismatch")
        self.last_number = number
        return Accepted(frame.decode("latin-1"), number)

    def emergencies(self, data: bytes) -> list[int]:
        """M numbers that the emergency parser sees in the arriving bytes, whether they fit into the ring or not."""
        seen = self._tail + data.replace(b"\r", b"\n")
        found = [match for match in _EMERGENCY.finditer(seen) if len(self._tail) <= match.end() < len(seen)]
        self._tail = b"\n" if seen.endswith(b"\n") else seen[-_LONGEST_EMERGENCY:]
        return [int(match[1]) for match in found]
