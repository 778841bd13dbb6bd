"""The people's node: makers without an always-on computer, who print by hand and report from a phone.

It is a node like any other (same core, same ledger, its own broker user), hosted by the daemon's process. A maker is one of its
printers, driven by `drivers.manual`; autonomy is counted in days, because people sleep.
"""

import asyncio
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from drivers.base import Driver, DriverEvent, EventListener, PrintEnd, PrintEnded
from drivers.manual import ManualPrinter
from farm.bus.messages import MAX_PRINTERS, JobReference
from farm.clock import Clock
from farm.config import LedgerSection, NodeSettings, PrinterSection
from farm.control_errors import COUNT_AGAIN, missing
from farm.errors import ConflictError, FarmError, InvalidError, NotFoundError, StoreFullError
from farm.ids import new_id
from farm.language import system_words
from farm.log import get_logger
from farm.node.agent import Agent
from farm.node.checking import JUDGED_ELSEWHERE
from farm.node.core import Occupied
from farm.node.join import Identity
from farm.node.ledger import LedgerWriteError
from farm.node.parts import BusFactory, Parts, known_profiles, mqtt_bus
from farm.people.library import Library
from farm.people.makers import Maker, read_makers, token_hash, write_makers
from farm.profiles import profile_id
from farm.request_bodies import MakerRequest, ManualReport
from farm.views import MakerView, ManualJobView
from gcode.texts import Bilingual, Told

_log = get_logger(__name__)
_HAS_LEFT: Final = Told("maker-left", "the maker has left", "la personne est partie")
_TO_A_WORKSHOP: Final = Bilingual("Let a node of a workshop take some of them.", "Confiez-en quelques-uns au nœud d'un atelier.")
_TAKEN_BACK: Final = Bilingual("That batch was taken back.", "Ce lot a été repris.")
_LOOK_AGAIN: Final = Bilingual("Look at your list again.", "Regardez de nouveau votre liste.")
_NOT_READY: Final = Bilingual("That batch is not ready yet.", "Ce lot n'est pas encore prêt.")
_IN_A_MOMENT: Final = Bilingual("Try again in a moment.", "Réessayez dans un instant.")
_NOT_ACCEPTED: Final = Bilingual("That batch was not accepted.", "Ce lot n'a pas été accepté.")
_ACCEPT_FIRST: Final = Bilingual("Accept it first.", "Acceptez-le d'abord.")
_NO_FILE: Final = Bilingual("The file of that batch is not here.", "Le fichier de ce lot n'est pas ici.")
_IN_A_MINUTE: Final = Bilingual("Try again in a minute.", "Réessayez dans une minute.")
_NO_SUCH_BATCH: Final = Bilingual("You have no such batch.", "Vous n'avez pas ce lot.")
_MAKERS: Final = "makers.json"
_TOKEN_BYTES: Final = 32
_BALLAST_BYTES: Final = 1024**2  # makers' words are short


class NodeIdentity(Protocol):
    """Who the people's node is: as `farm.node.join.Identity`."""

    @property
    def node(self) -> str: ...  # noqa: D102 - as there
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def farm_url(self) -> str: ...  # noqa: D102
    @property
    def mqtt_urls(self) -> list[str]: ...  # noqa: D102
    @property
    def password(self) -> str: ...  # noqa: D102
    @property
    def ca_file(self) -> Path | None: ...  # noqa: D102


class PeopleNode:
    """Makers who print by hand. Start it when the daemon runs, close it before.

    Args:
        data: its own folder: ledger and `makers.json`.
        identity: its own user at the broker.
        clock: farm time.
        autonomy_s: the most that a maker is given ahead without contact, in seconds of farm time.
        library: that of the daemon in this process; if left out, programs are fetched over HTTP.
        bus: makes the connection; for tests.

    """

    def __init__(
        self,
        data: Path,
        identity: NodeIdentity,
        clock: Clock,
        *,
        autonomy_s: float,
        library: Library | None = None,
        bus: BusFactory = mqtt_bus,
    ) -> None:
        self._data = data
        self._identity = identity
        self._clock = clock
        self._autonomy_s = autonomy_s
        self._library = library
        self._profiles_folder = None if library is None else library.profiles_folder
        self._profiles: list[str] = []
        self._bus = bus
        self._makers: dict[str, Maker] = {}
        self._printers: dict[str, str] = {}  # maker key -> printer id
        self._listeners: dict[str, EventListener] = {}  # maker key -> who hears of the maker's jobs
        self._by_token: dict[str, str] = {}  # hash of the token -> maker key
        self._agent: Agent | None = None
        self._changing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Read the makers and begin to serve them. After an error call `close`.

        Raises:
            ConfigurationError: folder, ledger, `makers.json` or an own profile cannot be used.

        """
        self._profiles = await asyncio.to_thread(known_profiles, self._profiles_folder)
        self._makers = await asyncio.to_thread(read_makers, self._data / _MAKERS)
        self._by_token = {maker.token_sha256: maker.key for maker in self._makers.values()}
        sections = {key: self._section(maker) for key, maker in self._makers.items()}
        identity = Identity(**{name: getattr(self._identity, name) for name in Identity.model_fields})
        programs = None if self._library is None else self._library.programs
        parts = Parts(self._bus, self._open, sections, programs, check=JUDGED_ELSEWHERE, limits=None)
        ledger = LedgerSection(ballast_bytes=_BALLAST_BYTES)
        settings = NodeSettings(data=self._data, name="People", ledger=ledger, profiles_folder=self._profiles_folder)
        self._agent = Agent(settings, identity, self._clock, parts=parts)
        await self._agent.start()
        self._printers = dict(self._agent.printer_ids)

    async def close(self) -> None:
        """End. What makers print goes on, of course."""
        if self._agent is not None:
            await self._agent.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- makers ------------------------------------------------------------------------------------------------------------

    async def add_maker(self, request: MakerRequest) -> MakerView:
        """Add a maker; the answer holds the token, once.

        Raises:
            InvalidError: unknown profile.
            ConflictError: this node has as many makers as it can serve.
            StoreFullError: the disk is full; nobody was added.

        """
        profile = profile_id(InvalidError, request.profile, self._profiles)
        if len(self._makers) >= MAX_PRINTERS:
            many = f"The people's node serves {MAX_PRINTERS} makers and has as many."
            full = Bilingual(many, f"Le nœud des makers en sert {MAX_PRINTERS}, et en a autant.")
            raise ConflictError(full, next_step=_TO_A_WORKSHOP, code="people-full")
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        maker = Maker(
            key=new_id("maker"), name=request.name, profile=profile, material=request.material, token_sha256=token_hash(token)
        )
        await self._keep(maker)
        try:
            self._printers[maker.key] = await self._running.add_printer(self._section(maker), key=maker.key)
        except FarmError as error:
            await self._take_back(maker)
            raise (_full(error) if isinstance(error, LedgerWriteError) else error) from error
        self._by_token[maker.token_sha256] = maker.key
        _log.info("maker.added", printer=self._printers[maker.key])
        return self._view(maker).model_copy(update={"token": token})

    async def _take_back(self, maker: Maker) -> None:
        """Nobody was added: a maker whom nobody has the token of must not come to life with the next start."""
        async with self._changing:
            others = {key: value for key, value in self._makers.items() if key != maker.key}
            self._makers = others
            with suppress(StoreFullError):  # the next list that is written is without this maker
                await self._save(others)

    async def remove_maker(self, printer: str) -> None:
        """A maker leaves; the token is void at once, and what was offered or accepted is made by somebody else.

        Raises:
            NotFoundError: there is no such maker.
            StoreFullError: the disk is full; the maker stays.

        """
        maker = self._maker(printer)
        async with self._changing:
            others = {key: value for key, value in self._makers.items() if key != maker.key}
            await self._save(others)
        self._by_token.pop(maker.token_sha256, None)
        occupied = self._running.state.occupations.get(printer)
        if occupied is not None and occupied.running:
            self._listeners[maker.key](PrintEnded(occupied.id, PrintEnd.INTERRUPTED, _HAS_LEFT))
            await self._running.settle()
        await self._running.remove_printer(printer)  # before the bed is cleared: nothing more is offered on it
        if occupied is not None and occupied.job is not None:
            await self._clear_away(printer, occupied.id)
        del self._printers[maker.key], self._listeners[maker.key]

    def makers(self) -> list[MakerView]:
        """All makers, by name."""
        ready = [maker for maker in self._makers.values() if maker.key in self._printers]  # not: who is being added
        return sorted((self._view(maker) for maker in ready), key=lambda view: view.name)

    def authenticate(self, token: str) -> str | None:
        """The printer id of the maker with this token, or None. The look-up is by hash: its time tells nothing of the token."""
        key = self._by_token.get(token_hash(token))
        return None if key is None else self._printers.get(key)

    # --- jobs --------------------------------------------------------------------------------------------------------------

    def jobs(self, printer: str) -> list[ManualJobView]:
        """What this maker may print or prints, and what was reported last. NotFoundError."""
        maker = self._maker(printer)
        occupied = self._running.state.occupations.get(printer)
        found = [] if maker.reported is None else [maker.reported]
        if occupied is None or occupied.job is None:
            return found
        known = maker.accepted == occupied.id or self._driver(printer).job == occupied.id
        return [self._job_view(maker, printer, occupied.job), *found] if known else found

    async def accept(self, printer: str, job: str) -> ManualJobView:
        """The maker will print it. Accepting twice is accepting once.

        Raises:
            NotFoundError: the maker has no such job.
            ConflictError: it was taken back.
            StoreFullError: the disk is full; it is not accepted.

        """
        maker = self._maker(printer)
        occupied, reference = self._on_bed(printer, job)
        if not occupied.running:
            raise ConflictError(_TAKEN_BACK, next_step=_LOOK_AGAIN, code="taken-back")
        if self._driver(printer).job != job:
            raise ConflictError(_NOT_READY, next_step=_IN_A_MOMENT, code="not-ready")
        if maker.accepted != job:
            maker = maker.model_copy(update={"accepted": job})
            await self._keep(maker)
        self._driver(printer).accept(job)
        return self._job_view(maker, printer, reference)

    async def report(self, printer: str, job: str, report: ManualReport) -> ManualJobView:
        """What came of it: the job ends and its parts are collected on the spot. Repeating it changes nothing.

        Raises:
            NotFoundError: the maker has no such job.
            ConflictError: it was not accepted, or other numbers were counted before.
            InvalidError: more parts than the job has.
            StoreFullError: the disk is full; report again.

        """
        maker = self._maker(printer)
        if maker.reported is not None and maker.reported.job == job:
            return _told_again(maker.reported, report)
        _, reference = self._on_bed(printer, job)
        _require_parts(report, reference.parts)
        if maker.accepted != job:
            raise ConflictError(_NOT_ACCEPTED, next_step=_ACCEPT_FIRST, code="not-accepted")
        self._driver(printer).report_done(job)
        await self._running.settle()
        try:
            await self._running.collect(printer, job, report.good, report.scrap, by=maker.name)
        except LedgerWriteError as error:
            raise _full(error) from error
        counted = {"state": "reported", "good": report.good, "scrap": report.scrap}
        view = self._job_view(maker, printer, reference).model_copy(update=counted)
        await self._keep(maker.model_copy(update={"accepted": None, "reported": view}))
        return view

    def program_file(self, printer: str, job: str) -> Path:
        """The file of a job. NotFoundError."""
        _, reference = self._on_bed(printer, job)
        path = self._running.program(reference.program)
        if path is None:
            raise NotFoundError(_NO_FILE, next_step=_IN_A_MINUTE)
        return path

    # --- inside ------------------------------------------------------------------------------------------------------------

    @property
    def _running(self) -> Agent:
        assert self._agent is not None, "start() comes first"
        return self._agent

    def _section(self, maker: Maker) -> PrinterSection:
        url = f"manual://?printer={maker.key}"
        return PrinterSection(name=maker.name, url=url, profile=maker.profile, material=maker.material, autonomy_s=self._autonomy_s)

    def _open(self, url: str, listener: EventListener) -> Driver:
        maker = self._makers[url.rpartition("=")[2]]
        self._listeners[maker.key] = listener

        def listen(event: DriverEvent) -> None:
            listener(event)
            if isinstance(event, PrintEnded) and event.end is PrintEnd.CANCELLED:
                self._taken_back(maker.key, event.job)

        return ManualPrinter(listen, name=maker.name, accepted=maker.accepted)

    def _taken_back(self, key: str, job: str) -> None:
        """What nobody accepted nobody has printed: nobody need clear a bed for it."""
        maker = self._makers.get(key)
        if maker is not None and maker.accepted != job:
            task = asyncio.create_task(self._clear_away(self._printers[key], job), name=f"taken-back-{job}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _clear_away(self, printer: str, job: str) -> None:
        await self._running.settle()
        try:
            await self._running.collect(printer, job, 0, 0, by="agent")
        except (FarmError, LedgerWriteError) as error:
            _log.warning("maker.not-cleared", printer=printer, job=job, detail=error.detail)

    def _maker(self, printer: str) -> Maker:
        for key, found in self._printers.items():
            if found == printer and key in self._makers:
                return self._makers[key]
        raise missing("maker", printer)

    def _driver(self, printer: str) -> ManualPrinter:
        driver = self._running.driver(printer)
        assert isinstance(driver, ManualPrinter), "made by _open"
        return driver

    def _on_bed(self, printer: str, job: str) -> tuple[Occupied, JobReference]:
        occupied = self._running.state.occupations.get(printer)
        if occupied is None or occupied.job is None or occupied.id != job:
            raise NotFoundError(_NO_SUCH_BATCH, next_step=_LOOK_AGAIN)
        return occupied, occupied.job

    def _job_view(self, maker: Maker, printer: str, job: JobReference) -> ManualJobView:
        return ManualJobView(
            printer=printer,
            job=job.job,
            design=job.revision if self._library is None else self._library.design_of(job.revision),
            revision=job.revision,
            program=job.program,
            parts=job.parts,
            state="accepted" if maker.accepted == job.job else "offered",
        )

    def _view(self, maker: Maker) -> MakerView:
        return MakerView(printer=self._printers[maker.key], name=maker.name, profile=maker.profile)

    async def _keep(self, maker: Maker) -> None:
        async with self._changing:
            await self._save({**self._makers, maker.key: maker})

    async def _save(self, makers: dict[str, Maker]) -> None:
        try:
            await asyncio.to_thread(write_makers, self._data / _MAKERS, list(makers.values()))
        except OSError as error:
            raise StoreFullError(
                Bilingual(
                    f"The list of makers could not be written: {error.strerror}.",
                    f"La liste des makers n'a pas pu être écrite : {system_words(error).fr}.",
                ),
                next_step=Bilingual("Free some space, then try again.", "Libérez de la place, puis réessayez."),
            ) from error
        self._makers = makers


def _require_parts(report: ManualReport, parts: int) -> None:
    if report.good + report.scrap > parts:
        raise InvalidError(
            Bilingual(
                f"The batch has {parts} parts; {report.good} good and {report.scrap} scrap are more.",
                f"Le lot a {parts} pièces ; {report.good} bonnes et {report.scrap} au rebut, c'est plus.",
            ),
            next_step=COUNT_AGAIN,
        )


def _told_again(counted: ManualJobView, report: ManualReport) -> ManualJobView:
    """The answer to a second report: the same numbers are the first one once more, others are refused and not swallowed."""
    _require_parts(report, counted.parts)
    if (report.good, report.scrap) != (counted.good, counted.scrap):
        raise ConflictError(
            Bilingual(
                f"This batch was reported before: {counted.good} good and {counted.scrap} scrap were counted.",
                f"Ce lot a déjà été annoncé : {counted.good} bonnes et {counted.scrap} au rebut ont été comptées.",
            ),
            next_step=Bilingual(
                "Nothing was changed. Tell the people of the farm when that was wrong.",
                "Rien n'a été changé. Prévenez les gens de la ferme si c'était faux.",
            ),
            code="already-reported",
        )
    return counted


def _full(error: LedgerWriteError) -> StoreFullError:
    return StoreFullError(Bilingual(error.detail, error.detail_fr), next_step=Bilingual(error.next_step, error.next_step_fr))
