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

from drivers.virtual.faults import Noise
from drivers.virtual.firmware import Firmware
from drivers.virtual.tty import Intruder, host_baud
from drivers.virtual.wire import Board, Wire

T = TypeVar("T")

LOOK_FOR_OPENING_S: Final = 0.05
LONGEST_SLEEP_S: Final = 60.0
PRECISE_BELOW_S: Final = 0.02
SELECTABLE_DESCRIPTORS: Final = 1024  # the limit of select(2)
READ_BYTES: Final = 4096
LARGEST_BACKLOG_BYTES: Final = 65_536  # nobody reads: what comes after is lost
CALL_TIMEOUT_S: Final = 60.0  # of a machine with far more to do than it can


class VirtualPort:
    """A firmware on a serial port that is a pty. `speed` seconds of the firmware pass in a real second.

    `link`, when given, is a symbolic link to the newest pty, as those of /dev/serial/by-id are: replugging changes the number, and
    while it is unplugged there is no link. The firmware belongs to the port's thread: use `call` to touch it.

    With `strict_baud` only a host that has set this speed is understood, and understands; 0: any speed will do.
    """

    def __init__(
        self,
        firmware: Firmware,
        *,
        speed: float = 1.0,
        link: Path | None = None,
        reset_on_open: bool = False,
        strict_baud: int = 0,
        name: str = "virtual",
    ) -> None:
        self.speed = speed
        self.path = ""
        self.reset_on_open = reset_on_open
        self.strict_baud = strict_baud
        self.reads = True  # False: the pty fills up
        self._firmware = firmware
        options = firmware.options
        paced = bool(options.uart_baud or options.latency_s)
        self._wire = Wire(firmware, baud=options.uart_baud, latency_s=options.latency_s) if paced else None
        self._board: Board = self._wire or firmware
        self._garbler = Noise(options.uart_baud)
        self._intruder: Intruder | None = None
        self._link = link
        self._began_s = time.monotonic()
        self._master: int | None = None
        self._open = False  # somebody has the other side open
        self._backlog = bytearray()
        self._polled = select.POLLIN
        self._calls: deque[Callable[[], None]] = deque()
        self._closing = False
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._poller = select.poll()  # of the bell, and of the pty while it is open
        self._poller.register(self._bell, select.POLLIN)
        self._thread = threading.Thread(target=self._serve, name=f"{name}-port", daemon=True)
        try:
            self._plug()
            self._thread.start()
        except BaseException:  # no pty more, no place for the link, no thread
            self._unplug()
            os.close(self._bell)
            raise

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

    def renumber(self) -> str:
        """Unplug and plug in again so that the number is certainly another one; returns the new path."""
        return self.call(lambda _firmware, _now_s: self._renumber())

    def intrude(self, *, locks: bool) -> None:
        """A second program opens the port, and holds its lock or reads along. Raises OSError: it cannot."""
        self.call(lambda _firmware, _now_s: self._let_in(Intruder(self.path, locks=locks)))

    def expel(self) -> int:
        """The second program goes; returns how many bytes it has stolen."""
        return self.call(lambda _firmware, _now_s: self._let_in(None))

    def close(self) -> None:
        """End the thread and the pty. Idempotent."""
        if self._closing:
            return
        self._closing = True
        self._ring()
        self._thread.join(CALL_TIMEOUT_S)
        self._let_in(None)
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
        self._master, slave = os.openpty()
        try:
            tty.setraw(slave)
            self.path = os.ttyname(slave)
        finally:
            os.close(slave)
        os.set_blocking(self._master, False)
        if self._link:
            # Renamed into place, so that the link is there at once or not at all.
            fresh = self._link.with_name(f".{self._link.name}.new")
            fresh.unlink(missing_ok=True)
            fresh.symlink_to(self.path)
            fresh.replace(self._link)
        return self.path

    def _renumber(self) -> str:
        self._let_in(None)
        self._shut()
        held, self._master = self._master, None  # as long as it is there nobody gets its number
        try:
            return self._plug()
        finally:
            if held is not None:
                os.close(held)

    def _let_in(self, intruder: Intruder | None) -> int:
        gone, self._intruder = self._intruder, intruder
        if gone is None:
            return 0
        gone.close()
        return gone.stolen

    def _unplug(self) -> None:
        self._let_in(None)
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
        self._open = False
        self._polled = select.POLLIN
        self._backlog.clear()
        if self._wire:
            self._wire.cut()

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
        self._sleep(LOOK_FOR_OPENING_S)
        self._board.advance(self._now_s())
        if self._master is None:
            return
        look = select.poll()
        look.register(self._master, select.POLLIN)
        if any(events & select.POLLHUP for _, events in look.poll(0)):
            return
        self._open = True
        self._poller.register(self._master, select.POLLIN)
        tty.setraw(self._master)  # a reopened pty may have forgotten it, and would echo
        if self.reset_on_open:
            self._firmware.reset(self._now_s())

    def _exchange(self) -> None:
        """Say what the firmware has to say, then wait for bytes or for its next moment."""
        self._write(self._board.advance(self._now_s()))
        if self._master is None or not self._open:
            return
        self._listen_for()
        wake_s = self._board.next_wake_s()
        timeout_s = None if wake_s is None else min(LONGEST_SLEEP_S, max(0.0, (wake_s - self._now_s()) / self.speed))
        events = self._sleep_well(timeout_s) if self._wire and timeout_s is not None else self._sleep(timeout_s)
        if events & select.POLLIN:
            self._read()
        elif events & (select.POLLHUP | select.POLLERR):
            self._hang_up()

    def _sleep(self, timeout_s: float | None) -> int:
        """Wait for bytes, the bell or the time; returns the poll events of the pty."""
        found = 0
        for descriptor, events in self._poller.poll(None if timeout_s is None else ceil(timeout_s * 1000)):
            if descriptor == self._bell:
                os.eventfd_read(self._bell)
            else:
                found = events
        return found

    def _sleep_well(self, timeout_s: float) -> int:
        """Like `_sleep`, to the microsecond: a poll rounds up to milliseconds, which is a third of a line at 115200 baud."""
        assert self._master is not None
        if timeout_s > PRECISE_BELOW_S or max(self._bell, self._master) >= SELECTABLE_DESCRIPTORS:
            return self._sleep(timeout_s)
        if timeout_s:
            readers = [self._bell, self._master] if self._polled & select.POLLIN else [self._bell]
            select.select(readers, [self._master] if self._polled & select.POLLOUT else [], [], timeout_s)
        return self._sleep(0.0)

    def _read(self) -> None:
        assert self._master is not None
        try:
            data = os.read(self._master, READ_BYTES)
        except OSError as error:
            if error.errno != errno.EIO:  # EIO: the last one on the other side closed
                raise
            self._hang_up()
        else:
            self._board.feed(self._as_heard(data), self._now_s())

    def _as_heard(self, data: bytes) -> bytes:
        """What comes out at the other end: noise when the two speeds differ."""
        if not self.strict_baud or self._master is None or host_baud(self._master) == self.strict_baud:
            return data
        return self._garbler.garble(data)

    def _listen_for(self) -> None:
        """Asked for at each turn only when it changes: most answers go out in one piece."""
        assert self._master is not None
        reads = self.reads and not (self._wire and self._wire.full)
        wanted = (select.POLLIN if reads else 0) | (select.POLLOUT if self._backlog else 0)
        if wanted != self._polled:
            self._polled = wanted
            self._poller.modify(self._master, wanted)

    def _hang_up(self) -> None:
        assert self._master is not None
        with suppress(termios.error):
            # Only what was said to the one who is gone: somebody else may have opened it and written since.
            termios.tcflush(self._master, termios.TCOFLUSH if self.reads else termios.TCIOFLUSH)
        self._shut()

    def _write(self, said: bytes) -> None:
        if not said and not self._backlog:
            return
        assert self._master is not None
        if len(self._backlog) < LARGEST_BACKLOG_BYTES:
            self._backlog += self._as_heard(said) if said else b""
        try:
            del self._backlog[: os.write(self._master, self._backlog)]
        except BlockingIOError:
            pass  # the pty is full; POLLOUT tells when it is not
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            self._hang_up()
            return
        if self._intruder:
            self._intruder.steal()
