"""What a firmware says: lines on their way to the host, and the faults that befall them there."""

from collections import deque
from math import inf
from typing import Final

from drivers.virtual.faults import Faults, Noise
from drivers.virtual.flavours import Flavour

LARGEST_OUTPUT_BYTES: Final = 1 << 20  # nobody reads: the rest is lost
LONGEST_WAIT_LINES: Final = 1000  # late oks


class Voice:
    """Collects lines until somebody takes them."""

    def __init__(self, flavour: Flavour, noise: Noise) -> None:
        self.faults = Faults()
        self._flavour = flavour
        self._newline = flavour.newline.encode()
        self._noise = noise
        self._out = bytearray()
        self.late_s = inf  # when the next late ok is said
        self._late: deque[tuple[float, str]] = deque(maxlen=LONGEST_WAIT_LINES)

    def say(self, line: str) -> None:
        """Say one line."""
        if len(self._out) < LARGEST_OUTPUT_BYTES:
            self._out += line.encode("latin-1", "replace")
            self._out += self._newline

    def ok(self, tail: str, now_s: float, *, numbered: bool) -> None:
        """Accept a line, as far as the faults let it through."""
        faults = self.faults
        if faults.lose_oks:
            faults.lose_oks -= 1
            return
        if faults.silent_lines and numbered:
            faults.silent_lines -= 1
            return
        line = f"ok{tail}"
        if faults.corrupt_oks:
            faults.corrupt_oks -= 1
            line = self._noise.flip(line, 0, 2)
        if faults.late_oks:
            faults.late_oks -= 1
            self._late.append((now_s + faults.late_ok_s, line))
            self.late_s = self._late[0][0]
            return
        self.say(line)
        if faults.double_oks:
            faults.double_oks -= 1
            self.say(line)

    def resend(self, number: int) -> None:
        """Ask for a line."""
        faults = self.faults
        if faults.misnumber_resends:
            faults.misnumber_resends -= 1
            number += faults.misnumber_by
        line = self._flavour.resend.format(number=number)
        if faults.corrupt_resends:
            faults.corrupt_resends -= 1
            line = self._noise.flip(line, 0, len("Resend"))
        self.say(line)
        self.say("ok")

    def advance(self, now_s: float) -> None:
        """Say what is late by now."""
        while self._late and self._late[0][0] <= now_s:
            self.say(self._late.popleft()[1])
        self.late_s = self._late[0][0] if self._late else inf

    def forget(self) -> None:
        """A reset: what was not said yet will not be."""
        self._late.clear()
        self.late_s = inf

    def take(self) -> bytes:
        """Everything said since the last time, as it comes over the wire."""
        if not self._out:
            return b""
        said = self._noise.spoil(bytes(self._out), self.faults.noise_out, self.faults.noise_kind)
        self._out.clear()
        return said
