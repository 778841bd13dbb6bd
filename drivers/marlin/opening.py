"""Opens a printer's port, finds its speed when nobody gave one, and waits for it after a loss, by a name that survives a replug."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Protocol

from drivers.errors import Bilingual, DriverError, NotAPrinterError
from drivers.marlin import ports, search
from drivers.marlin.link import close_port, open_port
from drivers.marlin.ports import SYSTEM, Mark, Tree
from drivers.marlin.search import BaudSearch
from drivers.marlin.strangers import READ_BYTES, is_noise, not_a_printer
from drivers.marlin.transcript import Transcript

if TYPE_CHECKING:
    from serial import Serial

DEFAULT_BAUD: Final = 115_200  # tried first
RECENT_S: Final = 12.0  # a little longer than the time in which a printer has to tell its name


class Runner(Protocol):
    """Runs a call that may block in a thread of the driver."""

    async def __call__(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Run `function(*arguments)`."""
        ...


class PortOpener:
    """The port of one printer. `device` is the name in its URL, `baud` the speed in it: None to look for it.

    A kernel name is only believed once: from the first opening on the port goes by its stable name, because after a replug the
    kernel may have given the old one to another printer.
    """

    def __init__(self, device: str, baud: int | None, transcript: Transcript, *, tree: Tree = SYSTEM) -> None:
        self.device = device
        self.note: Bilingual | None = None  # what a person should know of the port
        self.given = baud
        self._baud = baud or DEFAULT_BAUD
        self._transcript = transcript
        self._tree = tree
        self._name = device
        self._mark: Mark | None = None
        self._searching: int | None = None

    @property
    def searching(self) -> int | None:
        """The speed that is tried now, None when the speed is settled."""
        return self._searching

    @property
    def found(self) -> int | None:
        """The speed that was found here, None when it was given or is not found yet."""
        return search.remembered(self._name) if self.given is None else None

    async def open(self, run: Runner, tell: Callable[[], None]) -> "Serial":
        """Open the port at its speed. `tell` is called when `searching` changed.

        Raises:
            DriverError: it cannot be opened, or no printer answers there at any speed.

        """
        self._mark = ports.mark(self._name)
        port = await self._open(run)
        try:
            await self._settle_name(run)
            await self._find(port, run, tell)
        except BaseException:
            await asyncio.shield(asyncio.ensure_future(run(close_port, port)))
            raise
        return port

    async def _open(self, run: Runner) -> "Serial":
        opening = asyncio.ensure_future(run(open_port, self._name, self.found or self._baud))
        try:
            port: Serial = await asyncio.shield(opening)
        except asyncio.CancelledError:
            with suppress(DriverError):
                close_port(await opening)
            raise
        return port

    async def _settle_name(self, run: Runner) -> None:
        if self._name == self.device:
            told = await run(ports.advice, self._name, self._tree)
            self.note = told
            self._name = await run(ports.stable_name, self._name, self._tree)

    async def _find(self, port: "Serial", run: Runner, tell: Callable[[], None]) -> None:
        if not self.must_search:
            return

        def trying(baud: int) -> None:
            self._searching = baud
            tell()

        try:
            found = await BaudSearch(port, self.device, run, self._transcript, tell=trying).find(self._baud)
        finally:
            self._searching = None
        search.remember(self._name, found)

    async def wait(self, timeout_s: float) -> None:
        """Wait before the next attempt: `timeout_s`, or less when the port is plugged in."""
        await ports.until_plugged(self._name, self._mark, timeout_s)

    def not_understood(self, now_s: float) -> NotAPrinterError:
        """Who answers (or nobody) gave no name in time: the error for it. After noise the speed is looked for again."""
        heard = self._transcript.recent_heard(READ_BYTES, now_s - RECENT_S)
        error = not_a_printer(self.device, heard, [self.found or self._baud])
        if is_noise(heard):
            search.forget(self._name)
        return error

    @property
    def must_search(self) -> bool:
        """Whether the speed has to be looked for: the port has to be opened again for that."""
        return self.given is None and self.found is None
