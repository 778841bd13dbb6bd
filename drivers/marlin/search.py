"""Finds the speed of a printer on an open port, without resetting it more than opening does: the port stays open meanwhile.

At a wrong speed both sides hear noise, or nothing. A board that resets when its port opens says nothing for seconds: so every speed
is tried twice, the second time with more patience. All of it ends within TOTAL_S.
"""

import asyncio
import termios
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol

from drivers.errors import Bilingual, UnreachableError
from drivers.marlin.identity import ASK, GREETING_S
from drivers.marlin.link import Link, keep_on_close
from drivers.marlin.replies import Kind, understand
from drivers.marlin.strangers import is_noise, is_text, not_a_printer, recognise
from drivers.marlin.telling import went_away
from drivers.marlin.transcript import Transcript

if TYPE_CHECKING:
    from serial import Serial

RATES: Final = (250_000, 115_200, 500_000, 1_000_000, 57_600)
NAMING_RATE: Final = 9_600  # what is no printer speaks at this speed most often: GPS, sketches; heard only to say what it is
PATIENCE_S: Final = (1.6, 2.6)  # a firmware that is busy says so every two seconds
TEXT_PATIENCE_S: Final = 6.0  # text at this speed: a printer that starts, or what is none
ASK_AGAIN_S: Final = 1.5
STALE_S: Final = 0.05  # bytes of the former speed are still in the adapter
TOTAL_S: Final = 38.0
HEARD_BYTES: Final = 4_096
FLOOD_BYTES: Final = 262_144  # at one speed; a printer that starts says 2 kB
MAX_REMEMBERED: Final = 256
_SANE: Final = frozenset(
    {
        Kind.OK,
        Kind.REJECTED,
        Kind.RESEND,
        Kind.BUSY,
        Kind.USER_WAIT,
        Kind.HEATING,
        Kind.REPORT,
        Kind.START,
        Kind.FIRMWARE,
        Kind.CAPABILITY,
    }
)

_remembered: dict[str, int] = {}


def remembered(device: str) -> int | None:
    """The speed that was found on `device` by this process."""
    return _remembered.get(device)


def remember(device: str, baud: int) -> None:
    """Keep the speed of `device` for the next opening."""
    forget(device)
    while len(_remembered) >= MAX_REMEMBERED:
        del _remembered[next(iter(_remembered))]
    _remembered[device] = baud


def forget(device: str) -> None:
    """It does not answer at that speed any more."""
    _remembered.pop(device, None)


class Runner(Protocol):
    """Runs a call that may block in a thread."""

    def __call__(self, function: Callable[["Serial", int], None], port: "Serial", baud: int, /) -> Awaitable[None]:
        """Run `function(port, baud)`."""
        ...


def set_speed(port: "Serial", baud: int) -> None:
    """Change the speed of an open port and drop what came at the former one. Blocks for milliseconds.

    Raises:
        UnreachableError: the port is gone, or its adapter cannot run at this speed.

    """
    try:
        port.baudrate = baud
        keep_on_close(port.fileno())
        termios.tcflush(port.fileno(), termios.TCIOFLUSH)
    except (OSError, ValueError, termios.error) as error:
        raise UnreachableError(
            Bilingual(f"{port.name} cannot run at {baud} baud.", f"{port.name} ne fonctionne pas à {baud} bauds."),
            next_step=Bilingual("Plug the printer in again.", "Rebranchez l'imprimante."),
        ) from error


class _Ear:
    """What is heard at one speed; wakes who waits when it is decided."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self.count = 0
        self.sane = False
        self.news = asyncio.Event()
        self._line = bytearray()

    def clear(self) -> None:
        """Another speed."""
        self.heard.clear()
        self._line.clear()
        self.count = 0
        self.sane = False

    def take(self, data: bytes) -> None:
        """Bytes from the port."""
        self.count += len(data)
        self.heard += data
        del self.heard[:-HEARD_BYTES]
        *lines, rest = (bytes(self._line) + data[-HEARD_BYTES:]).split(b"\n")
        self._line = bytearray(rest[-HEARD_BYTES:])
        self.sane = self.sane or any(_is_sane(line) for line in lines)
        self.news.set()

    @property
    def flooded(self) -> bool:
        """Whether it never stops talking."""
        return self.count > FLOOD_BYTES


def _is_sane(raw: bytes) -> bool:
    """Whether only a printer says this, and only at the right speed."""
    text = raw.strip(b"\r\0").decode("ascii", "replace")
    kind = understand(text).kind
    return kind is Kind.START or (kind in _SANE and text.isprintable() and "\ufffd" not in text)


class BaudSearch:
    """One search on an open port. `tell` is called with each speed that is tried."""

    def __init__(
        self, port: "Serial", device: str, run: Runner, transcript: Transcript, *, tell: Callable[[int], None] = lambda _baud: None
    ) -> None:
        self._port = port
        self._device = device
        self._run = run
        self._transcript = transcript
        self._tell = tell
        self._ear = _Ear()
        self._loop = asyncio.get_running_loop()
        self._lost: asyncio.Future[Bilingual] = self._loop.create_future()
        self._best = b""  # the most telling of what was heard

    async def find(self, first: int) -> int:
        """The speed at which a printer answers; `first` is tried first.

        Raises:
            NotAPrinterError: nothing that answers is a printer; says what was heard.
            UnreachableError: the port went away meanwhile.

        """
        order = [first, *(rate for rate in RATES if rate != first)]
        try:
            async with asyncio.timeout(TOTAL_S):
                return await self._rounds(order)
        except TimeoutError:
            raise not_a_printer(self._device, self._best, order) from None

    async def _rounds(self, order: list[int]) -> int:
        greeting_s = GREETING_S  # the boot loader of a board that was reset must not hear us
        for patience_s in PATIENCE_S:
            for baud in order:
                if await self._try(baud, patience_s, greeting_s):
                    return baud
                greeting_s = 0.0
        if await self._try(NAMING_RATE, ASK_AGAIN_S, 0.0):
            return NAMING_RATE
        raise not_a_printer(self._device, self._best, order)

    async def _try(self, baud: int, patience_s: float, greeting_s: float) -> bool:
        """Whether a printer answers at `baud`; raises as `find`."""
        self._tell(baud)
        await self._run(set_speed, self._port, baud)
        await asyncio.sleep(STALE_S)
        self._ear.clear()
        # one for each speed: while it changes, an empty read does not mean that nothing is there
        link = Link(self._port, self._heard, self._gone)
        try:
            return await self._answers(link, baud, patience_s, greeting_s)
        finally:
            link.detach()

    async def _answers(self, link: Link, baud: int, patience_s: float, greeting_s: float) -> bool:
        if await self._listen(greeting_s):
            return True
        if await self._ask(link, patience_s):
            return True
        heard = bytes(self._ear.heard)
        if recognise(heard).certain:
            raise not_a_printer(self._device, heard, [baud])
        if is_text(heard):
            if await self._ask(link, TEXT_PATIENCE_S):
                return True
            heard = bytes(self._ear.heard)
            if is_text(heard):
                raise not_a_printer(self._device, heard, [baud])
        self._best = heard or self._best
        return False

    async def _ask(self, link: Link, patience_s: float) -> bool:
        """Ask for its name again and again until it answers, or is known to make no sense, or patience ends."""
        end_s = self._loop.time() + patience_s
        while (left_s := end_s - self._loop.time()) > 0 and not self._ear.flooded:
            self._transcript.sent(ASK, self._loop.time())
            link.write(ASK)
            if await self._listen(min(left_s, ASK_AGAIN_S)):
                return True
            if is_noise(bytes(self._ear.heard)):
                break
        return self._ear.sane

    async def _listen(self, duration_s: float) -> bool:
        """Listen; earlier back when it is decided. True when a printer was heard."""
        end_s = self._loop.time() + duration_s
        while not self._ear.sane and not self._ear.flooded and (left_s := end_s - self._loop.time()) > 0:
            self._ear.news.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._ear.news.wait()
            if self._lost.done():
                raise went_away(self._device, self._lost.result())
        return self._ear.sane

    def _heard(self, data: bytes) -> None:
        self._transcript.heard(data, self._loop.time())
        self._ear.take(data)

    def _gone(self, reason: Bilingual) -> None:
        if not self._lost.done():
            self._lost.set_result(reason)
            self._ear.news.set()
