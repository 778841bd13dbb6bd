"""Moves bytes, time and files for one Marlin printer: holds its port, feeds the protocol, tells what happens."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

from drivers.base import (
    Bookmark,
    DriverInfo,
    EventListener,
    PrintEnd,
    PrintEnded,
    PrinterStatus,
    StatusChanged,
)
from drivers.errors import Bilingual, DriverError, NotAPrinterError, TransferError
from drivers.listening import guarded
from drivers.marlin import faults, limits, recovery, telling
from drivers.marlin.bookmarks import encode
from drivers.marlin.events import Event, Flooded, JobBegun, JobEnded, NotUnderstood, Ready, Refused, ResetWanted
from drivers.marlin.job import IN_JOB, Ending, Phase
from drivers.marlin.link import Link, close_port
from drivers.marlin.opening import PortOpener
from drivers.marlin.options import Options
from drivers.marlin.program import FileChangedError, ProgramReader
from drivers.marlin.protocol import Protocol
from drivers.marlin.reset import pulse
from drivers.marlin.transcript import Transcript
from gcode.texts import Told

if TYPE_CHECKING:
    from serial import Serial
FLUSH_S: Final = 0.25  # progress and bookmarks while moves stream: nobody needs them sooner
CONNECT_S: Final = 40.0  # opening, boot loader and identification end long before; longer is a machine at something long
FIRST_RETRY_S: Final = 0.5
MAX_RETRY_S: Final = 10.0
_OTHER_SPEED: Final = Bilingual("its speed is another now", "sa vitesse a changé")
_CHATTER: Final = Bilingual("it talks without end", "il parle sans fin")
SAFE_S: Final = 6.0  # for `close` in mid-print: a firmware without emergency parser may be busy heating for minutes
HELD_S: Final = 3.0  # of a machine that waits for a person: M0 ends before; a change of filament takes 8 to 31 s
STOPPED_S: Final = 3.5  # M112, two seconds later M112 and the reset line; with SAFE_S less than the ten seconds of `Driver.close`
LAST_WORDS_S: Final = 0.3  # so many bytes take 5 ms at 115200 baud; the rest is for a slow USB adapter
MAX_ENDED: Final = 32  # how many ends we remember for `trace`
_INTERRUPTED: Final = Told(
    "agent-stopped",
    "The agent was stopped in mid-print: heaters off, nozzle up.",
    "L'agent a été arrêté en pleine impression : chauffages coupés, buse relevée.",
)
_UNREACHED: Final = Told(
    "agent-stopped",
    "The agent was stopped while the printer could not be reached.",
    "L'agent a été arrêté alors que l'imprimante était injoignable.",
)
_UNCONFIRMED: Final = Told(
    "agent-stopped",
    "The agent was stopped; the printer did not confirm that its heaters are off: look at it.",
    "L'agent a été arrêté ; l'imprimante n'a pas confirmé que ses chauffages sont coupés : allez voir.",
)
_P = ParamSpec("_P")
_T = TypeVar("_T")


class Shell:
    """What a driver of a Marlin printer stands on. `device` is the port's path, `baud` its speed, None to find it."""

    info: DriverInfo

    def __init__(self, device: str, baud: int | None, listener: EventListener, *, options: Options | None = None) -> None:
        self._options = options or Options(device, baud, deadman_s=0)
        self._device = device
        self._listener = guarded(listener)
        self._transcript = Transcript()
        self._port = PortOpener(device, baud, self._transcript)
        self._lost: asyncio.Future[Bilingual] | None = None
        self._protocol = Protocol(deadman_s=self._options.deadman_s)
        self._boot = recovery.boot_id()
        self._watch = asyncio.Event()  # something happened
        self._serial: Serial | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._patience_s = FIRST_RETRY_S
        self._status = PrinterStatus()
        self._link: Link | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._executor: ThreadPoolExecutor | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._attempt: asyncio.Future[None] | None = None
        self._begun: asyncio.Future[None] | None = None
        self._over = asyncio.Event()  # the job that `close` interrupts
        self._reader: ProgramReader | None = None
        self._feeding: asyncio.Task[None] | None = None
        self._starting: str | None = None  # the job whose file is read before it begins
        self._withdrawn = threading.Event()  # that job was cancelled, or nobody waits for its start any more
        self._letting_go = False
        self._ended: dict[str, JobEnded] = {}
        self._flush_s = 0.0  # when a stream of moves is looked at again
        self._time_s = time.monotonic  # of the loop, as soon as there is one

    @property
    def status(self) -> PrinterStatus:
        """The newest status."""
        return self._status

    # contact
    async def connect(self) -> None:
        """Open, identify, become idle. See `Driver.connect`."""
        if self._supervisor is None:
            self._letting_go = False
            self._executor = ThreadPoolExecutor(1, thread_name_prefix="marlin")
            self._attempt = asyncio.get_running_loop().create_future()
            self._supervisor = asyncio.create_task(self._supervise())
        elif self._protocol.phase in {Phase.CLOSED, Phase.GREETING, Phase.LOCATING, Phase.SETUP}:
            self._attempt = self._attempt or asyncio.get_running_loop().create_future()
        if self._attempt is None:
            return
        try:
            await asyncio.wait_for(asyncio.shield(self._attempt), CONNECT_S)
        except TimeoutError:
            raise telling.long_at_something(self._device) from None
        finally:
            self._attempt = None

    def _connected(self, error: DriverError | None) -> None:
        if self._attempt is not None and not self._attempt.done():
            if error is None:
                self._attempt.set_result(None)
            else:
                self._attempt.set_exception(error)

    async def close(self) -> None:
        """Let go of the printer. A print would stand still and hot: it is made safe first, and ends INTERRUPTED.

        That takes SAFE_S at most. A machine that waits for a person, or changes filament, hears no more than the emergency stop in
        that time: it gets that after HELD_S, because its questions would stay unanswered and its nozzle hot.
        """
        self._letting_go = True
        await self._interrupt()
        if self._supervisor is not None:
            self._supervisor.cancel()
            with suppress(asyncio.CancelledError):
                await self._supervisor
            self._supervisor = None
        if self._feeding is not None:
            self._feeding.cancel()
            with suppress(asyncio.CancelledError):
                await self._feeding
        self._drop_reader()
        self._protocol.lost(self._now_s())  # who waited for something else meanwhile finds that it is gone
        self._connected(telling.let_go(self._device))
        self._watch.set()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._executor is not None:
            self._executor.shutdown(wait=False)
            self._executor = None

    async def _interrupt(self) -> None:
        job = self._protocol.job
        if job is None:
            await self._cool()
            return
        self._over.clear()
        detail = _INTERRUPTED if self._protocol.phase in IN_JOB else _UNREACHED
        self._protocol.abort(Ending(PrintEnd.INTERRUPTED, detail), self._now_s())
        self._flush()
        held = self._protocol.held
        await self._until(self._over.is_set, HELD_S if held else SAFE_S)
        if held and not self._protocol.held:  # it obeys again, and is cold: its nozzle is on the way up
            await self._until(self._over.is_set, SAFE_S - HELD_S)
        if not self._over.is_set() and self._link is not None and self._protocol.held:
            self._protocol.stop_held(self._now_s())
            self._flush()
            await self._until(lambda: not self._protocol.stopping, STOPPED_S)
        if not self._over.is_set():
            await self._leave(job.name)

    async def _cool(self) -> None:
        """A machine that `trace` has said to be safe may just be on its way there: nobody asks about that job again."""

        def is_cooled() -> bool:
            cools = self._protocol.abandoned and self._protocol.phase in {Phase.SETUP, Phase.ERRAND}
            return self._link is None or not cools

        if not await self._until(is_cooled, SAFE_S) and self._link is not None:
            self._link.write(limits.last_words(self._protocol))
            await asyncio.sleep(LAST_WORDS_S)

    async def _leave(self, job: str) -> None:
        """The machine has not confirmed in time. What it is told now it obeys as soon as it listens."""
        if self._link is not None:
            self._link.write(limits.last_words(self._protocol))
            if await self._until(self._over.is_set, LAST_WORDS_S):
                return  # it did listen, and that was the end of the job
        self._protocol = Protocol(deadman_s=self._options.deadman_s)
        self._job_ended(JobEnded(job, Ending(PrintEnd.INTERRUPTED, _UNCONFIRMED)))

    async def _supervise(self) -> None:
        while True:
            try:
                await self._hold_port()
            except DriverError as error:
                self._connected(error)
            self._protocol.lost(self._now_s())
            self._flush()
            await self._port.wait(self._patience_s)
            self._patience_s = min(self._patience_s * 2, MAX_RETRY_S)

    async def _hold_port(self) -> None:
        """Open the port and serve it until it is gone."""
        port = await self._port.open(self._run, self._publish)
        loop = asyncio.get_running_loop()
        self._time_s = loop.time
        self._lost = lost = loop.create_future()
        link = Link(port, self._receive, self._lose)
        try:
            self._link, self._serial = link, port
            self._protocol.opened(self._now_s())
            self._flush()
            reason = await lost
            self._connected(telling.went_away(self._device, reason))
        finally:
            self._link = self._serial = None
            await self._run(close_port, link.detach())

    def _lose(self, reason: Bilingual) -> None:
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(reason)

    async def _run(self, function: Callable[_P, _T], *arguments: _P.args, **keywords: _P.kwargs) -> _T:
        assert not keywords
        if self._executor is None:
            raise telling.let_go(self._device)
        return await asyncio.get_running_loop().run_in_executor(self._executor, function, *arguments)

    # the engine
    @staticmethod
    def _now_s() -> float:
        return asyncio.get_running_loop().time()

    def _receive(self, data: bytes) -> None:
        now_s = self._time_s()
        answer = self._protocol.streams(data, now_s)
        if answer is None:
            self._transcript.heard(data, now_s)
            self._protocol.receive(data, now_s)
            self._flush()
        elif now_s >= self._flush_s or (self._feeding is None and self._protocol.wants_program):
            self._transcript.heard(data, now_s)
            self._flush(answer)
        elif self._link is not None:
            self._transcript.exchanged(data, answer, now_s)
            self._link.write(answer)

    def _timed_out(self) -> None:
        self._timer = None
        self._protocol.on_timeout(self._now_s())
        self._flush()

    def _flush(self, answer: bytes = b"") -> None:
        """After anything happened: leave a bookmark, send (`answer` first), arm the timer, tell, read ahead.

        While moves are answered one by one nothing else happens, and one look in FLUSH_S is enough: the timer that is armed only
        looks, and finds the newer deadline.
        """
        self._flush_s = self._now_s() + FLUSH_S
        mark = self._protocol.mark(self._now_s())
        if mark is not None and self._protocol.job is not None:
            self._listener(Bookmark(self._protocol.job.name, encode(mark, self._boot, recovery.boot_second())))
        data = answer + self._protocol.data_to_send()
        if self._link is not None:
            self._transcript.sent(data, self._now_s())
            self._link.write(data)
        self._arm()
        for event in self._protocol.events():
            self._tell(event)
        if self._protocol.wants_program and self._feeding is None and self._reader is not None:
            self._feeding = asyncio.create_task(self._feed(self._reader))
        self._watch.set()
        self._publish()

    def _arm(self) -> None:
        deadline_s = self._protocol.deadline_s
        if deadline_s is None or (self._timer is not None and self._timer.when() <= deadline_s):
            return  # an early timer only looks and arms again
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(deadline_s, self._timed_out)

    async def _feed(self, reader: ProgramReader) -> None:
        try:
            lines, complete = await self._run(reader.read_batch)
        except TransferError as error:
            self._feeding = None
            code = "file-changed" if isinstance(error, FileChangedError) else "file-unreadable"
            self._protocol.feed_failed(Told(code, *error.bilingual), self._now_s(), code=code)
        else:
            self._feeding = None
            if reader is self._reader:
                self._protocol.feed(lines, complete=complete, now_s=self._now_s())
        self._flush()

    def _drop_reader(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None and self._executor is not None:
            self._executor.submit(reader.close)

    # what the protocol tells
    def _tell(self, event: Event) -> None:
        match event:
            case Ready():
                self._patience_s = FIRST_RETRY_S
                self._connected(None)
            case NotUnderstood():
                self._connected(self._port.not_understood(self._now_s()))
                if self._port.must_search:
                    self._lose(_OTHER_SPEED)
            case Refused():
                self._connected(telling.refused(self._device, event))
            case ResetWanted():
                self._begin(self._pull_reset())
            case Flooded():
                self._hang_up()
            case JobBegun():
                if self._begun is not None and not self._begun.done():
                    self._begun.set_result(None)
            case JobEnded():
                self._job_ended(event)

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _pull_reset(self) -> None:
        if self._serial is not None:
            await self._run(pulse, self._serial)

    def _hang_up(self) -> None:
        """Nobody can listen to this for long: look again after a while."""
        self._patience_s = MAX_RETRY_S
        found = faults.fault("chatter", "")
        self._connected(
            NotAPrinterError(Bilingual(found.meaning_en, found.meaning_fr), next_step=Bilingual(found.action_en, found.action_fr))
        )
        self._lose(_CHATTER)

    async def _until(self, done: Callable[[], bool], limit_s: float) -> bool:
        """Wait until `done`; False when it did not come in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                while not done():
                    self._watch.clear()
                    await self._watch.wait()
        return done()

    def _job_ended(self, event: JobEnded) -> None:
        self._over.set()
        self._drop_reader()
        self._ended[event.name] = event
        while len(self._ended) > MAX_ENDED:
            del self._ended[next(iter(self._ended))]
        ending = event.ending
        if self._begun is not None and not self._begun.done():
            self._begun.set_exception(telling.not_begun(event))
            return
        self._listener(PrintEnded(event.name, ending.end, ending.detail, ending.fault, ending.by_person))

    def _publish(self) -> None:
        status = self._compose()
        if status != self._status:
            self._status = status
            self._listener(StatusChanged(status))

    def _compose(self) -> PrinterStatus:
        searching = self._port.searching is not None
        return telling.compose(self._protocol, searching=searching, firmware=self._firmware(), note=self._port_note())

    def _firmware(self) -> str | None:
        name, found = self._protocol.identity.firmware, self._port.found
        return f"{name}, {found} baud" if name and found else name

    def _port_note(self) -> Bilingual | None:
        if self._port.searching is not None:
            baud = self._port.searching
            return Bilingual(f"Looking for the speed: {baud} baud.", f"Recherche de la vitesse : {baud} bauds.")
        return self._port.note
