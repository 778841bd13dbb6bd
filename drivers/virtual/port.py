"""Puts a virtual firmware behind a real pty: what the Marlin driver opens is `/dev/pts/N`, through pyserial, like any serial port.

One thread a port. It sleeps until bytes come or the firmware has something to do; only while nobody has the port open does it
look up twenty times a second, because a pty does not tell when it is opened.
"""

import errno
import os
import select
import termios
import threading
import time
import tty
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from math import ceil
from pathlib import Path
from typing import Final, TypeVar

from drivers.virtual.firmware import Firmware

T = TypeVar("T")

LOOK_FOR_OPENING_MS: Final = 50
LONGEST_SLEEP_MS: Final = 60_000
READ_BYTES: Final = 4096
LARGEST_BACKLOG_BYTES: Final = 65_536  # nobody reads: what comes after is lost
CALL_TIMEOUT_S: Final = 10.0


class VirtualPort:
    """A firmware on a serial port that is a pty. `speed` seconds of the firmware pass in a real second.

    `link`, when given, is a symbolic link to the newest pty, as those of /dev/serial/by-id are: replugging changes the number, and
    while it is unplugged there is no link. The firmware belongs to the port's thread: use `call` to touch it.
    """

    def __init__(
        self,
        firmware: Firmware,
        *,
        speed: float = 1.0,
        link: Path | None = None,
        reset_on_open: bool = False,
        name: str = "virtual",
    ) -> None:
        self.speed = speed
        self.path = ""
        self._firmware = firmware
        self._link = link
        self._reset_on_open = reset_on_open
        self._began_s = time.monotonic()
        self._master: int | None = None
        self._open = False  # somebody has the other side open
        self._backlog = bytearray()
        self._awaiting_room = False
        self._calls: deque[Callable[[], None]] = deque()
        self._closing = False
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._poller = select.poll()  # of the bell, and of the pty while it is open
        self._poller.register(self._bell, select.POLLIN)
        self._plug()
        self._thread = threading.Thread(target=self._serve, name=f"{name}-port", daemon=True)
        self._thread.start()

    # -- for other threads

    def call(self, work: Callable[[Firmware, float], T]) -> T:
        """Run `work(firmware, now_s)` on the port's thread and return its result, or raise what it raises.

        Raises:
            RuntimeError: the port is closed.

        """
        future: Future[T] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(work(self._firmware, self._now_s()))
            except Exception as error:  # noqa: BLE001 - whatever the work raises belongs to its caller, not to this thread
                future.set_exception(error)

        if self._closing:
            raise RuntimeError("the virtual port is closed")
        self._calls.append(run)
        self._ring()
        return future.result(CALL_TIMEOUT_S)

    def unplug(self) -> None:
        """Pull the cable: whoever has the port open sees it vanish. The firmware lives on."""
        self.call(lambda _firmware, _now_s: self._unplug())

    def replug(self) -> str:
        """Plug in again: a new pty, most often with another number; returns its path."""
        return self.call(lambda _firmware, _now_s: self._plug())

    def close(self) -> None:
        """End the thread and the pty. Idempotent."""
        if self._closing:
            return
        self._closing = True
        self._ring()
        self._thread.join(CALL_TIMEOUT_S)
        self._unplug()
        os.close(self._bell)
        if self._link:
            self._link.unlink(missing_ok=True)

    def _ring(self) -> None:
        with suppress(BlockingIOError):
            os.eventfd_write(self._bell, 1)

    # -- the port's thread

    def _now_s(self) -> float:
        return (time.monotonic() - self._began_s) * self.speed

    def _plug(self) -> str:
        self._unplug()
        master, slave = os.openpty()
        tty.setraw(slave)
        self.path = os.ttyname(slave)
        os.close(slave)
        os.set_blocking(master, False)
        self._master = master
        if self._link:
            # Renamed into place, so that the link is there at once or not at all.
            fresh = self._link.with_name(f".{self._link.name}.new")
            fresh.unlink(missing_ok=True)
            fresh.symlink_to(self.path)
            fresh.replace(self._link)
        return self.path

    def _unplug(self) -> None:
        self._shut()
        if self._link:
            # Before the pty: its number is free then, and who follows the link would print on whatever machine gets it next.
            self._link.unlink(missing_ok=True)
        if self._master is not None:
            os.close(self._master)
        self._master = None

    def _shut(self) -> None:
        """The other side is gone: what was not read is lost, as in a serial adapter."""
        if self._open and self._master is not None:
            self._poller.unregister(self._master)
        self._open = self._awaiting_room = False
        self._backlog.clear()

    def _serve(self) -> None:
        while not self._closing:
            if self._open:
                self._exchange()
            else:
                self._idle()
            while self._calls:
                self._calls.popleft()()

    def _idle(self) -> None:
        """Nobody has the port open: the firmware talks to the wall."""
        self._sleep(LOOK_FOR_OPENING_MS)
        self._firmware.advance(self._now_s())
        if self._master is None:
            return
        look = select.poll()
        look.register(self._master, select.POLLIN)
        if any(events & select.POLLHUP for _, events in look.poll(0)):
            return
        self._open = True
        self._poller.register(self._master, select.POLLIN)
        tty.setraw(self._master)  # a reopened pty may have forgotten it, and would echo
        if self._reset_on_open:
            self._firmware.reset(self._now_s())

    def _exchange(self) -> None:
        """Say what the firmware has to say, then wait for bytes or for its next moment."""
        self._write(self._firmware.advance(self._now_s()))
        if self._master is None or not self._open:
            return
        wake_s = self._firmware.next_wake_s()
        timeout_ms = None
        if wake_s is not None:
            timeout_ms = min(LONGEST_SLEEP_MS, max(0, ceil((wake_s - self._now_s()) / self.speed * 1000)))
        events = self._sleep(timeout_ms)
        if events & select.POLLIN:
            self._read()
        elif events & (select.POLLHUP | select.POLLERR):
            self._hang_up()

    def _sleep(self, timeout_ms: int | None) -> int:
        """Wait for bytes, the bell or the time; returns the poll events of the pty."""
        found = 0
        for descriptor, events in self._poller.poll(timeout_ms):
            if descriptor == self._bell:
                os.eventfd_read(self._bell)
            else:
                found = events
        return found

    def _read(self) -> None:
        assert self._master is not None
        try:
            data = os.read(self._master, READ_BYTES)
        except OSError as error:
            if error.errno != errno.EIO:  # EIO: the last one on the other side closed
                raise
            self._hang_up()
        else:
            self._firmware.feed(data, self._now_s())

    def _hang_up(self) -> None:
        assert self._master is not None
        with suppress(termios.error):
            termios.tcflush(self._master, termios.TCIOFLUSH)
        self._shut()

    def _write(self, said: bytes) -> None:
        if not said and not self._backlog:
            return
        assert self._master is not None
        if len(self._backlog) < LARGEST_BACKLOG_BYTES:
            self._backlog += said
        try:
            del self._backlog[: os.write(self._master, self._backlog)]
        except BlockingIOError:
            pass  # the pty is full; POLLOUT tells when it is not
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            self._hang_up()
            return
        # Asked for at each turn only while something is left: most answers go out in one piece.
        if self._backlog or self._awaiting_room:
            self._awaiting_room = bool(self._backlog)
            self._poller.modify(self._master, select.POLLIN | (select.POLLOUT if self._awaiting_room else 0))
