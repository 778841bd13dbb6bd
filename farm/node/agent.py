"""The agent of a node: opens the printers, keeps the state, speaks with the farm, and goes on without it.

    BusClient --messages--> Agent --events--> Keeper (core + ledger) --instructions--> Hand (driver)
    Speaker  <--what changed--  Agent  <--what a driver says--  Hand

Everything runs on one event loop; the ledger, files and downloads have threads of their own.
"""

import asyncio
import socket
from collections.abc import Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from drivers.base import Bookmark, Driver, DriverEvent, PrintEnded, PrinterState
from drivers.errors import DriverError
from farm.bus.client import Callbacks, Received, Will
from farm.bus.messages import Ack, ClearBedAction, CollectAction, Command, Desired, Envelope
from farm.clock import Clock
from farm.config import NodeSettings, PrinterSection
from farm.errors import ConfigurationError, ConflictError, NotFoundError
from farm.log import get_logger
from farm.node import core, memory
from farm.node.ballast import Ballast
from farm.node.bookmarks import Bookmarks, ended, running
from farm.node.checking import Checking
from farm.node.core import NodeState, PrinterSetup, Step
from farm.node.core.refusals import Refusal
from farm.node.core.state import UNSEEN
from farm.node.folder import DataFolder, machine_id
from farm.node.hands import Answers, Hand
from farm.node.inbox import Inbox
from farm.node.join import Identity
from farm.node.keeper import Event, Keeper, moment
from farm.node.ledger import LedgerWriteError
from farm.node.onsite import OnSite
from farm.node.parts import Parts, check_setup, with_profile
from farm.node.speaker import Bus, Speaker
from farm.node.transcripts import Transcripts
from farm.node.work import Work
from farm.threads import made
from gcode.texts import Bilingual, Told

_log = get_logger(__name__)
_TICK_S: Final = 1.0  # farm time; a fast clock ticks 20 times a real second at most
_TICK_AT_LEAST_S: Final = 0.05
_MARK_EVERY_S: Final = 30.0  # farm time: far below the five minutes after which an agent counts as blind
_MARK_AT_LEAST_S: Final = 0.2
_PAY_EVERY_S: Final = 2.0  # real time: how soon a disk that has room again is noticed
_WORK_ENDS_S: Final = 1.0  # real time: after its driver was closed a start has nothing left to wait for
_PRUNE_EVERY_S: Final = 3600.0  # farm time
_PRUNE_AT_LEAST_S: Final = 60.0
_QUIET_AT_LEAST_S: Final = 120.0  # real time: a daemon that is restarted is back sooner
_REPORTS_IN_VAIN: Final = 5
_CHECK_BEDS: Final = Told("bed-unknown", "Check every bed, then clear it.", "Vérifiez chaque plateau, puis videz-le.")
_MAX_HANDLING: Final = 2_000  # messages that wait for their turn; the daemon repeats what is dropped


class Agent:
    """One node. `run` it, or `start` and `close` it inside another process.

    Args:
        settings: node.toml.
        identity: who the node is and how it reaches the farm.
        clock: farm time.
        parts: what is another than usual; for tests and the people's node.

    """

    def __init__(self, settings: NodeSettings, identity: Identity, clock: Clock, *, parts: Parts | None = None) -> None:
        self._settings = settings
        self._identity = identity
        self._clock = clock
        self._parts = parts or Parts()
        self._keeper = Keeper(clock, self._on_step, Ballast(settings.data, settings.ledger.ballast_bytes))
        self.name = settings.name or identity.name or socket.gethostname()
        self._speaker = Speaker(identity.node, self.name, self._keeper, clock)
        self._hands: dict[str, Hand] = {}
        self.printer_ids: dict[str, str] = {}  # by configured name, or key
        self._tasks: set[asyncio.Task[None]] = set()
        self._status_queued: set[str] = set()
        self.on_site = OnSite(self._keeper, self._hands.get)
        self._work = Work(self._keeper, clock, self._hands.get, self._file_of)
        check = self._parts.check_of(settings.data.absolute() / "checks", settings.profiles_folder)
        self._checking = Checking(self._keeper, self._file_of, self._parts.owner_of(settings), check)
        self._notes = ThreadPoolExecutor(1, thread_name_prefix="notes")
        self._bookmarks = Bookmarks(settings.data.absolute() / "bookmarks", self._notes)
        reserve = settings.ledger.ballast_bytes
        self._transcripts = Transcripts(settings.data.absolute(), self._notes, self._said_by, reserve_bytes=reserve)
        self._folder: DataFolder | None = None
        self._stack = AsyncExitStack()
        self._stop = asyncio.Event()
        self._inbox = Inbox(identity.node)
        self._handling = 0

    # --- for the process and for the people's node -------------------------------------------------------------------------

    @property
    def online(self) -> bool:
        """Whether a broker answers."""
        return self._speaker.online

    @property
    def factor(self) -> float:
        """Farm seconds in one real second."""
        return self._clock.factor

    def now(self) -> core.Moment:
        """The moment that a step would have now."""
        return moment(self._clock)

    @property
    def rejected(self) -> int:
        """How many messages were not understood, or not for us."""
        return self._inbox.rejected

    @property
    def state(self) -> NodeState:
        """What is true and written."""
        return self._keeper.state

    async def run(self) -> None:
        """Start, and work until cancelled or until `stop`.

        Raises:
            ConfigurationError: see `start`.

        """
        try:
            await self.start()
            await asyncio.to_thread(memory.give_back)
            await self._stop.wait()
        finally:
            await self.close()

    def stop(self) -> None:
        """Have `run` end."""
        self._stop.set()

    async def start(self) -> None:
        """Take the folder, recover, open the printers and begin to connect. After an error call `close`.

        Raises:
            ConfigurationError: folder, ledger, a printer's URL or the identity cannot be used; another agent runs.
            LedgerWriteError: the disk is full, and there was no ballast to free.

        """
        folder = await made(partial(DataFolder, self._settings.data), DataFolder.close)
        self._stack.callback(folder.close)
        self._stack.push_async_callback(asyncio.to_thread, self._notes.shutdown)
        self._stack.push_async_callback(self._keeper.close)
        await self._checking.open()
        remembered = await self._keeper.open(str(folder.path / "ledger.sqlite"))
        self._stack.push_async_callback(self._close_hands)
        setups = await self._make_printers(self._parts.sections_of(self._settings))
        seen = await self._keeper.in_thread(folder.read_seen, self._clock.factor)
        blind_s = core.blind_after_s(max(_TICK_S, _TICK_AT_LEAST_S * self._clock.factor))
        owner = self._identity.node

        def recover(now: core.Moment) -> Step:
            mine = core.belonging_to(remembered, owner, [setup.id for setup in setups], now)
            return core.recover(mine, setups, now, machine=machine_id(), seen=seen, blind_s=blind_s)

        await self._keeper.begin(recover)
        if remembered.is_of_another(owner):
            _log.warning("ledger.of-another", node=owner, other=remembered.owner, next_step=_CHECK_BEDS)
        self._folder = folder
        self._start_programs(folder)
        self._start_bus()
        for hand in self._hands.values():
            hand.connect()
        self._spawn(self._bookmarks.keep(running(self.state)))
        self._spawn(self._tick_on())
        self._spawn(self._mark_on(folder))
        self._spawn(self._pay_on())
        self._spawn(self._prune_on())
        self._spawn(self._checking.run())
        if self._parts.beside is not None:
            self._spawn(self._parts.beside(self))
        _log.info("agent.started", node=self._identity.node, printers=len(setups), boot=self.state.boot)

    async def close(self) -> None:
        """End in good order: nothing new starts, drivers let go, the last facts and the last report are sent.

        A print that needs this process is made safe and interrupted by its driver; one that does not goes on.
        """
        if self._keeper.begun:
            await self._keeper.apply_surely(lambda state, _now: core.close(state))
        await self._stack.aclose()

    async def add_printer(self, section: PrinterSection, *, key: str | None = None) -> str:
        """Have one more printer from now on; return its id, which `key` (the name, if left out) keeps for ever.

        Raises:
            ConfigurationError: the URL or the profile cannot be used.
            ConflictError: it is here already.
            LedgerWriteError: its id could not be written.

        """
        (setup,) = await self._make_printers({key or section.name: section})
        hand = self._hands[setup.id]
        try:
            await self._keeper.apply(lambda state, _now: core.add_printer(state, setup))
        finally:  # who asked may be gone: it is here all the same if that is written
            known = self.state.printers.get(setup.id)
            if known is not None and known.setup is setup:
                hand.connect()
            else:
                self._hands.pop(setup.id, None)
                await hand.close()
        return setup.id

    async def remove_printer(self, printer: str) -> None:
        """Let go of a printer. What is on its bed is remembered."""
        hand = self._hands.get(printer)
        if hand is not None:
            await hand.close()
            await self._keeper.apply_surely(lambda state, _now: core.remove_printer(state, printer))
            self._hands.pop(printer, None)  # last: one that is added again meanwhile would be removed as well

    def program(self, sha256: str) -> Path | None:
        """The file of a program that is here, or None."""
        return self._programs.take(sha256) if sha256 in self._programs.present else None

    def _file_of(self, sha256: str) -> Path | None:
        return self._programs.take(sha256)

    def driver(self, printer: str) -> Driver:
        """The driver of a printer. NotFoundError."""
        hand = self._hands.get(printer)
        if hand is None:
            says = Bilingual(f"There is no printer {printer} at this node.", f"Il n'y a pas d'imprimante {printer} sur ce nœud.")
            step = Bilingual("Look at the list of printers.", "Regardez la liste des imprimantes.")
            raise NotFoundError(says, next_step=step)
        return hand.driver

    async def collect(self, printer: str, job: str, good: int, scrap: int, *, by: str) -> None:
        """A hand at this node collects a job.

        Raises:
            ConflictError: it is not on the bed, still runs, or has fewer parts.
            LedgerWriteError: the disk is full; nothing was collected.

        """
        await self.on_site.collect(CollectAction(printer=printer, job=job, good=good, scrap=scrap, by=by))

    async def settle(self) -> None:
        """Wait until everything that drivers and the farm have said so far is in the ledger."""
        while pending := [task for task in self._tasks if task.get_name() == "event"]:
            await asyncio.wait(pending)

    # --- starting ----------------------------------------------------------------------------------------------------------

    async def _make_printers(self, sections: Mapping[str, PrinterSection]) -> list[PrinterSetup]:
        ids = await self._keeper.printer_ids(list(sections))
        self.printer_ids.update(ids)
        return [self._make_printer(ids[key], section) for key, section in sections.items()]

    def _make_printer(self, printer: str, section: PrinterSection) -> PrinterSetup:
        if printer in self._hands:
            says = Bilingual(f"The printer {section.name!r} is there already.", f"L'imprimante {section.name!r} est déjà là.")
            raise ConflictError(says, next_step=Bilingual("Give it another name.", "Donnez-lui un autre nom."))
        section = with_profile(section, self._settings.profiles_folder)
        answers = Answers(self._on_driver, self._on_trouble)
        try:
            hand = Hand(printer, lambda listener: self._parts.open_printer(section.url, listener), answers)
        except DriverError as error:
            raise _unusable(section.name, error) from error
        setup = PrinterSetup(
            id=printer,
            name=section.name,
            driver=hand.driver.info.name,
            profile=section.profile,
            material=section.material,
            nozzle_mm=section.nozzle_mm,
            autonomy_s=section.autonomy_s,
            quiet_hours=self._checking.know(printer, section.name, section.profile, section.quiet),
            capabilities=hand.driver.info.capabilities,
        )
        check_setup(setup)
        self._hands[printer] = hand
        return setup

    def _start_programs(self, folder: DataFolder) -> None:
        self._programs = self._parts.programs_of(self._settings, self._identity, folder.path / "programs", self._on_programs)
        self._stack.push_async_callback(self._programs.close)
        self._want_programs(self.state)

    def _start_bus(self) -> None:
        callbacks = Callbacks(self._on_message, self._speaker.connected, last_will=self._last_will, quiet_s=self._quiet_s)
        bus = self._parts.bus(self._identity, callbacks)
        self._stack.push_async_callback(self._end_speaking, bus)
        for loop in self._speaker.loops(bus):
            self._spawn(loop())
        bus.start()

    def _quiet_s(self) -> float:
        """Every report is answered: on a broker that brings no answers to several, nobody listens."""
        return max(_QUIET_AT_LEAST_S, _REPORTS_IN_VAIN * self._clock.real_s(self.state.settings.report_every_s))

    def _last_will(self) -> Will:
        name, payload = self._speaker.last_will()
        return Will(name, payload)

    # --- ending ------------------------------------------------------------------------------------------------------------

    async def _end_speaking(self, bus: Bus) -> None:
        """Drivers first: what they say in letting go belongs into the last report."""
        await self._close_hands()
        await self._end_work()
        await self.settle()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._speaker.goodbye()
        await bus.close()
        _log.info("agent.ended", node=self._identity.node)

    async def _close_hands(self) -> None:
        hands = list(self._hands.values())
        await asyncio.gather(*(hand.close() for hand in hands))
        await self.settle()
        self._hands.clear()  # not before: what a driver says while it makes its machine safe is heard

    async def _end_work(self) -> None:
        """A start that its driver has just broken off says what became of the job."""
        if work := [task for task in self._tasks if task.get_name() == "work"]:
            await asyncio.wait(work, timeout=_WORK_ENDS_S)

    # --- work in the background --------------------------------------------------------------------------------------------

    def _spawn(self, work: Coroutine[Any, Any, None], name: str = "loop") -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("agent.bug", task=task.get_name(), exc_info=error)

    async def _tick_on(self) -> None:
        while True:
            await self._clock.sleep(_TICK_S, at_least_real_s=_TICK_AT_LEAST_S)
            await self._try(_nothing)

    async def _mark_on(self, folder: DataFolder) -> None:
        while True:
            await self._mark(folder)
            await self._clock.sleep(_MARK_EVERY_S, at_least_real_s=_MARK_AT_LEAST_S)

    async def _mark(self, folder: DataFolder) -> None:
        """Note who was seen: nobody while the ledger cannot be written, because what is seen then may be lost with this process."""
        printers, trusted = self.state.printers, self.state.writable
        seen = {key: one.seen_s for key, one in printers.items() if one.seen_s is not None and key not in self._keeper.doubted}
        await self._keeper.in_thread(folder.write_seen, seen if trusted else {}, self._clock.factor)

    async def _pay_on(self) -> None:
        while True:
            await asyncio.sleep(_PAY_EVERY_S)
            if self._keeper.owed or self.state.nearly_full or not self.state.writable:
                await self._keeper.pay_owed()

    async def _prune_on(self) -> None:
        while True:
            await self._clock.sleep(_PRUNE_EVERY_S, at_least_real_s=_PRUNE_AT_LEAST_S)
            with suppress(LedgerWriteError):  # the keeper has logged it, and old facts can wait
                await self._keeper.prune()

    async def _try(self, event: Event, *, precious: bool = False) -> None:
        """Make a step that nobody misses when it cannot be written."""
        with suppress(LedgerWriteError):  # the keeper has logged it once, and every printer's reason says it
            await self._keeper.apply(event, precious=precious)

    # --- after a step ------------------------------------------------------------------------------------------------------

    def _on_step(self, before: NodeState, step: Step) -> None:
        now = moment(self._clock)
        if core.face(before, now) != core.face(step.state, now):
            self._speaker.report_soon()
        if before.writable and not step.state.writable and self._folder is not None:
            self._spawn(self._mark(self._folder), "mark")
        if before.journal != step.state.journal:
            self._speaker.journal_soon()
        if _needs_programs(before) != _needs_programs(step.state):
            self._want_programs(step.state)
        if _needs_checks(before) != _needs_checks(step.state):
            self._checking.soon()
        for instruction in step.instructions:
            self._spawn(self._work.carry_out(instruction, self._bookmarks), "work")
        self._bookmarks.forget(ended(before, step.state))
        self._transcripts.after(before, step, now.wall_s)

    def _want_programs(self, state: NodeState) -> None:
        wanted = [one for printer in state.printers for one in core.open_allocations(state, printer)]
        urgent_first = sorted(wanted, key=lambda allocation: -allocation.priority)
        running = [one.job.program for one in state.occupations.values() if one.job is not None and one.running]
        self._programs.want({one.program.sha256: one.program.size_bytes for one in urgent_first}, running)

    def _on_programs(self) -> None:
        present = self._programs.present
        self._spawn(self._try(lambda state, _now: core.on_files(state, present)), "event")

    # --- printers ----------------------------------------------------------------------------------------------------------

    def _on_driver(self, printer: str, event: DriverEvent) -> None:
        if isinstance(event, PrintEnded):
            _log.info("job.ended", job=event.job, printer=printer, end=str(event.end), detail=event.detail)
            self._spawn(self._keeper.apply_surely(lambda state, now: core.on_ended(state, printer, event, now)), "event")
            return
        if isinstance(event, Bookmark):
            self._bookmarks.note(printer, event)
            return
        known = self.state.printers.get(printer)
        if event.status.state is PrinterState.FOREIGN and known is not None and known.status.state is not PrinterState.FOREIGN:
            self._keeper.doubt(printer)
        if printer not in self._status_queued:
            self._status_queued.add(printer)
            self._spawn(self._take_status(printer), "event")

    async def _take_status(self, printer: str) -> None:
        self._status_queued.discard(printer)
        await self._keeper.apply_surely(partial(self._status_now, printer), key=f"status {printer}")
        self._speaker.telemetry_soon()

    def _status_now(self, printer: str, state: NodeState, now: core.Moment) -> Step:
        """Only the newest status matters: also when an older one could not be written."""
        hand = self._hands.get(printer)
        if hand is None or printer not in state.printers:
            return Step(state)
        before, after = state.printers[printer].status, hand.driver.status
        if (before.state in UNSEEN) != (after.state in UNSEEN):
            log = _log.warning if after.state in UNSEEN else _log.info
            log("printer.lost" if after.state in UNSEEN else "printer.found", printer=printer, state=str(after.state))
        return core.on_status(core.capable(state, printer, hand.driver.info.capabilities), printer, after, now)

    def _said_by(self, printer: str) -> list[str]:
        hand = self._hands.get(printer)
        return [] if hand is None else hand.transcript()

    def _on_trouble(self, printer: str, trouble: Refusal | None) -> None:
        self._spawn(self._try(lambda state, _now: core.on_trouble(state, printer, trouble)), "event")

    # --- messages ----------------------------------------------------------------------------------------------------------

    def _on_message(self, message: Received) -> None:
        if self._handling >= _MAX_HANDLING:
            self._inbox.rejected += 1
            message.acknowledge()
            return
        self._handling += 1
        self._spawn(self._handle(message), "event")

    async def _handle(self, message: Received) -> None:
        try:
            content = self._inbox.understand(message)
            if content is not None:
                await self._try(await self._event(content), precious=_by_hand(content))
        finally:
            # also when it could not be written: the daemon repeats it, and what we hold back would block what follows
            message.acknowledge()
            self._handling -= 1

    async def _event(self, content: Envelope) -> Event:
        if isinstance(content, Ack):
            tag = await self._keeper.tag_for(content)
            return lambda state, now: core.on_ack(state, content, now, tag=tag)
        if isinstance(content, Desired):
            return lambda state, now: core.on_desired(state, content, now)
        assert isinstance(content, Command)
        return lambda state, now: core.on_command(state, content, now)


def _unusable(name: str, error: DriverError) -> ConfigurationError:
    says = Bilingual(f"Printer {name!r}: {error.detail}", f"Imprimante {name!r} : {error.detail_fr}")
    return ConfigurationError(says, next_step=Bilingual(error.next_step, error.next_step_fr))


def _by_hand(content: Envelope) -> bool:
    """Whether a hand has moved something: worth the ballast of a full disk."""
    return isinstance(content, Command) and isinstance(content.action, CollectAction | ClearBedAction)


def _needs_programs(state: NodeState) -> tuple[object, ...]:
    """What decides which programs are needed, by identity: an unchanged part is the same object."""
    return (id(state.allocations), id(state.occupations), *state.printers)


def _needs_checks(state: NodeState) -> tuple[object, ...]:
    """What decides which programs are to be checked, by identity."""
    return (id(state.allocations), id(state.files), id(state.checks), *state.printers)


def _nothing(state: NodeState, _now: core.Moment) -> Step:
    return Step(state)
