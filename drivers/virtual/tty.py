"""What else can happen at a pty: another program that has it open, and a host that listens at another speed."""

import array
import fcntl
import os
from contextlib import suppress
from typing import Final

_TCGETS2: Final = 0x802C542A  # Linux, on most architectures: termios with speeds as numbers
_OUTPUT_SPEED: Final = 10  # its place among the 32-bit words of that structure
STEAL_BYTES: Final = 64


def host_baud(master: int) -> int:
    """The speed at which the host has set the port, bits per second: a pty's master shows it. Linux only. Raises OSError."""
    words = array.array("i", [0] * 64)
    fcntl.ioctl(master, _TCGETS2, words, True)
    return words[_OUTPUT_SPEED]


class Intruder:
    """A second program on the port. `locks`: it holds the exclusive lock, as pyserial takes it; otherwise it reads along.

    Two readers of one port share the bytes: what the intruder gets, the host never sees.
    """

    def __init__(self, path: str, *, locks: bool) -> None:
        """Open it. Raises OSError: it cannot be opened, or is locked already."""
        self.locks = locks
        self.stolen = 0
        self._handle = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        if locks:
            try:
                fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(self._handle)
                raise

    def steal(self) -> None:
        """Read what is there, a handful of bytes at most."""
        if not self.locks:
            with suppress(BlockingIOError):
                self.stolen += len(os.read(self._handle, STEAL_BYTES))

    def close(self) -> None:
        """It goes away."""
        os.close(self._handle)
