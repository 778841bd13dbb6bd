"""A machine behind a pty that is only understood at its own speed, as on a real wire: a pty alone passes bytes at any speed.

The side of the machine reads the speed that the other side has set (TCGETS2 on the master tells the slave's, also one without
a constant, such as 250000), and spoils what passes while it is not `baud`.
"""

import fcntl
import os
import random
import select
import struct
import threading
import time
import tty
from collections.abc import Callable
from typing import Final

from drivers.virtual.firmware import Firmware
from tests.patience import PATIENCE_S

_TCGETS2: Final = 0x802C542A  # asm-generic (x86, ARM): struct termios2, the two speeds are its last words
_SPEED_OFFSET: Final = 40


def line_speed(descriptor: int) -> int:
    """The output speed that is set on a terminal, in baud."""
    content = bytearray(44)
    fcntl.ioctl(descriptor, _TCGETS2, content)
    speed: int = struct.unpack_from("I", content, _SPEED_OFFSET)[0]
    return speed


class SpokenTo:
    """What a machine does: `hear` takes bytes and returns the answer, `say` is asked all the time for what it says by itself."""

    def hear(self, data: bytes) -> bytes:
        """Nothing."""
        return b""

    def say(self, now_s: float) -> bytes:
        """Nothing."""
        return b""


class Answering(SpokenTo):
    """Answers each line by `reply(line)`."""

    def __init__(self, reply: Callable[[bytes], bytes]) -> None:
        self._reply = reply
        self._pending = b""

    def hear(self, data: bytes) -> bytes:
        *lines, self._pending = (self._pending + data).split(b"\n")
        return b"".join(self._reply(line) for line in lines)


class Talking(SpokenTo):
    """Says `text` every `every_s` (0: without a pause)."""

    def __init__(self, text: bytes, every_s: float) -> None:
        self._text = text
        self._every_s = every_s
        self._next_s = 0.0

    def say(self, now_s: float) -> bytes:
        if now_s < self._next_s:
            return b""
        self._next_s = now_s + self._every_s
        return self._text


class Printing(SpokenTo):
    """A firmware. It needs `boot_s` after `reset` before it answers."""

    def __init__(self, firmware: Firmware) -> None:
        self.firmware = firmware

    def hear(self, data: bytes) -> bytes:
        self.firmware.feed(data, time.monotonic())
        return b""

    def say(self, now_s: float) -> bytes:
        return self.firmware.advance(now_s)


class StrictPort:
    """The machine `behind` on a pty at `path`, understood at `baud` only (None: at any). A thread moves the bytes."""

    def __init__(self, behind: SpokenTo, baud: int | None = None, *, on_open: Callable[[], None] = lambda: None) -> None:
        self.speeds: list[int] = []  # those that were set while somebody spoke
        self.openings = 0
        self._behind = behind
        self._baud = baud
        self._on_open = on_open
        self._random = random.Random(7)
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)
        os.set_blocking(self._master, False)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> "StrictPort":
        os.close(self._slave)  # so that the pty tells when somebody opens it
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._closing.set()
        self._thread.join(PATIENCE_S)
        os.close(self._master)

    def _serve(self) -> None:
        opened = False
        while not self._closing.is_set():
            poller = select.poll()
            poller.register(self._master, select.POLLIN)
            events = dict(poller.poll(5)).get(self._master, 0)
            if events & select.POLLHUP:
                opened = False
                self._closing.wait(0.01)
                continue
            if not opened:
                opened = True
                self.openings += 1
                self._on_open()
            self._turn(bool(events & select.POLLIN))

    def _turn(self, heard: bool) -> None:
        answer = b""
        try:
            if heard:
                data = os.read(self._master, 4096)
                self.speeds.append(line_speed(self._master))
                answer = self._behind.hear(self._spoil(data))
            answer += self._behind.say(time.monotonic())
            if answer:
                os.write(self._master, self._spoil(answer))
        except OSError:
            return  # full, or closed meanwhile: what was said is lost, as on a wire

    def _spoil(self, data: bytes) -> bytes:
        if self._baud is None or line_speed(self._master) == self._baud:
            return data
        return bytes(self._random.randrange(256) for _ in data[:4096])
