"""`farm.control.Control` of a running daemon: reads from memory, writes through the daemon's one loop."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from farm import enrolment
from farm.bus import messages
from farm.bus.broker import Broker
from farm.bus.topics import Stream
from farm.control_errors import missing
from farm.daemon import beds, brokers, orders, removal, set_aside
from farm.daemon.engine import Engine
from farm.daemon.healer import healing_alarm, put_back_alarm
from farm.daemon.library_control import LibraryControl
from farm.daemon.presenter import Presenter, backup_view, healed_view, healing_view, job_view
from farm.daemon.programs import Programs
from farm.daemon.rechecks import worse_alarm
from farm.errors import ConflictError, NotFoundError, UnreachableError
from farm.keys import JoinCode, verify_password
from farm.log import get_logger
from farm.request_bodies import (
    AnswerRequest,
    ClearBedRequest,
    CollectRequest,
    EnrolmentClaim,
    InviteRequest,
    OrderChange,
    OrderRequest,
)
from farm.store.writer import Store
from farm.views import (
    AlarmView,
    BackupView,
    CommandAccepted,
    EnrolmentGrant,
    FarmView,
    HealthView,
    InviteView,
    JobView,
    NodeView,
    OrderView,
    PrinterView,
    SetAsideView,
    TakeOverView,
)
from gcode.texts import LANGUAGES, Bilingual, both
from scheduler.draft import Draft
from scheduler.model import Job

_log = get_logger(__name__)
_MAX_JOBS = 1_000
_FENCED: Final = Bilingual("fenced: this daemon only watches", "à l'écart : ce démon ne fait que regarder")
PEOPLE = "people"  # the node of makers who print by hand, in this process


@dataclass(frozen=True, slots=True)
class Reach:
    """How nodes reach this farm. `pin` and `authority_pem` are those of its own certificate authority, when it has TLS."""

    name: str
    farm_url: str
    mqtt_urls: list[str]
    authority_pem: str | None = None
    pin: str | None = None


class DaemonControl(LibraryControl):
    """What the HTTP API asks of the daemon."""

    def __init__(self, engine: Engine, store: Store, broker: Broker, *, taken_in: Programs, reach: Reach) -> None:
        super().__init__(engine, store, taken_in)
        self._bus = engine.bus
        self._broker = broker
        self._reach = reach
        self._attempts = enrolment.Attempts(asyncio.get_running_loop().time)

    # --- reading --------------------------------------------------------------------------------------------------------------

    def _present(self) -> Presenter:
        engine = self._engine
        return Presenter(engine.world, engine.rules, engine.clock, engine.receiver.rejections.of_nodes(), blind=engine.blind)

    def snapshot(self) -> FarmView:
        """Everything at once."""
        view = self._present()
        return FarmView(
            name=self._reach.name,
            generation=self._engine.world.generation,
            now=self._engine.clock.wall_s(),
            broker=self._broker.describe(),
            printers=view.printers(),
            nodes=view.nodes(),
            orders=view.orders(),
            waiting=view.waiting(),
            alarms=self.alarms(),
            stock=view.stock(),
            fence=view.fence(),
            healing=healing_view(self._engine.world),
            healed=healed_view(self._engine.world.healed),
            uploads=self.uploads(),
            library=self.library_changes(),
        )

    def health(self) -> HealthView:
        """Whether the store, the broker and the scheduler work."""
        found = {
            "store": both(self._engine.store_trouble or "ok"),
            "broker": both(brokers.check(self._bus.brokers)),
            "scheduler": _FENCED if self._engine.world.fenced else both(self._engine.trouble or "ok"),
        }
        checks, checks_fr = ({name: said.spoken(language) for name, said in found.items()} for language in LANGUAGES)
        return HealthView(ready=all(said.startswith("ok") for said in checks.values()), checks=checks, checks_fr=checks_fr)

    def alarms(self) -> list[AlarmView]:
        """What a person must see."""
        healing, put_back = healing_view(self._engine.world), put_back_alarm(self._engine.world.healed)
        worse = worse_alarm(self._engine.world.durable)
        standing = [healing_alarm(healing) if healing is not None else None, put_back, worse]
        return [*[alarm for alarm in standing if alarm is not None], *self._engine.alarms.all()]

    def printers(self) -> list[PrinterView]:
        """All printers, by name."""
        return self._present().printers()

    def printer(self, printer: str) -> PrinterView:
        """One printer. NotFoundError."""
        view = self._present()
        return view.printer(beds.find_printer(view.farm, printer))

    def nodes(self) -> list[NodeView]:
        """All nodes, by name."""
        return self._present().nodes()

    def node(self, node: str) -> NodeView:
        """One node. NotFoundError."""
        view = self._present()
        return view.node(removal.find_node(view.farm, node))

    def set_aside(self, *, limit: int = 200, offset: int = 0) -> list[SetAsideView]:
        """Facts that could not be understood, newest first; at most 1,000 at once."""
        return set_aside.listed(self._engine.world.durable, limit, offset)

    async def look_at_set_aside(self, fact: str) -> None:
        """Somebody has looked at a fact that was set aside: it is shown no more. NotFoundError."""
        await self._engine.ask(lambda draft: set_aside.looked_at(draft, fact))

    def orders(self) -> list[OrderView]:
        """All orders: open ones first, by priority and age."""
        return self._present().orders()

    def order(self, order: str) -> OrderView:
        """One order. NotFoundError."""
        view = self._present()
        return view.order(orders.find_order(view.farm, order))

    async def jobs(self, *, order: str | None = None, limit: int = 200, offset: int = 0) -> list[JobView]:
        """Jobs, newest first; at most 1,000 at once. NotFoundError: no such order."""
        if order is not None:
            orders.find_order(self._engine.world.durable, order)
        found = await self._store.jobs(order=order, limit=max(0, min(limit, _MAX_JOBS)), offset=max(0, offset))
        return [job_view(job, self._engine.world.durable) for job in found]

    async def job(self, job: str) -> JobView:
        """One job. NotFoundError."""
        known = self._engine.world.durable.jobs.get(job) or (await self._store.find(Job, [job])).get(job)
        if known is None:
            raise missing("job", job)
        return job_view(known, self._engine.world.durable)

    def changes(self) -> AsyncIterator[None]:
        """Yield whenever the snapshot is another than before, at most every 200 ms."""
        return self._engine.changes()

    # --- the daemon itself ---------------------------------------------------------------------------------------------------

    async def take_over(self) -> TakeOverView:
        """Go above every generation ever heard of and act from now on; nodes tell again what they did."""
        return TakeOverView(generation=await self._engine.take_over())

    async def finish_healing(self) -> None:
        """Wait no longer for nodes that have not told again what they did. ConflictError: this daemon only watches."""
        if self._engine.world.fenced:
            raise ConflictError(
                Bilingual("This daemon only watches.", "Ce démon ne fait que regarder."),
                next_step=Bilingual("`farm status` says why.", "`farm status` dit pourquoi."),
                code="fenced",
            )
        await self._engine.finish_healing()

    async def backups(self) -> list[BackupView]:
        """Copies of the database, newest first."""
        return [backup_view(made) for made in await asyncio.to_thread(self._store.backups.list)]

    async def backup_file(self, name: str) -> Path:
        """The file of a backup. NotFoundError."""
        return (await asyncio.to_thread(self._store.backups.find, name)).path

    async def backup(self) -> BackupView:
        """Copy the database. StoreFullError: no room for the copy."""
        return backup_view(await self._store.backup())

    # --- what is gone --------------------------------------------------------------------------------------------------------

    async def remove_node(self, node: str, *, also_last: bool = False) -> None:
        """Shut a node out for good. NotFoundError; ConflictError: the people's node, or the last one unless `also_last`."""
        rules, now_s = self._engine.rules, self._wall_s()
        await self._engine.ask(lambda draft: removal.remove_node(draft, node, PEOPLE, rules, now_s, also_last=also_last))
        self._engine.world.show_printers(node, {})
        self._engine.troubles.take(self._engine.world.durable, node, (), self._engine.clock.wall_s())
        self._engine.touch()
        _log.info("node.removed", node=node)
        try:
            await self._broker.remove(node)
        except NotFoundError:
            pass  # the broker never knew it
        except UnreachableError as error:  # it is being started again, and does not know the node then
            _log.warning("broker.slow", node=node, detail=error.detail)

    async def remove_printer(self, printer: str) -> None:
        """Forget a printer that its node does not report. NotFoundError; ConflictError: it is reported."""
        reported = self._present().reported()
        await self._engine.ask(lambda draft: removal.remove_printer(draft, printer, reported))
        self._engine.world.drop_printer(printer)
        self._engine.touch()

    # --- orders ------------------------------------------------------------------------------------------------------------------

    async def place_order(self, request: OrderRequest) -> OrderView:
        """NotFoundError: no such design or revision; ConflictError: no program prints it."""
        return self.order(await self._engine.ask(lambda draft: orders.place(draft, request, self._wall_s())))

    async def change_order(self, order: str, change: OrderChange) -> OrderView:
        """ConflictError: the order is met or cancelled."""
        await self._engine.ask(lambda draft: orders.change(draft, order, change, self._wall_s()))
        return self.order(order)

    async def cancel_order(self, order: str) -> OrderView:
        """Unstarted jobs are withdrawn; running ones are left alone, their good parts become stock."""
        await self._engine.ask(lambda draft: orders.cancel(draft, order))
        return self.order(order)

    # --- printers and jobs -------------------------------------------------------------------------------------------------------

    async def collect(self, printer: str, request: CollectRequest) -> CommandAccepted:
        """ConflictError: that job is not on this bed or still runs; InvalidError: good + scrap is more than its parts."""
        return await self._say_by_hand(lambda draft: beds.collect(self._engine.world, draft, printer, request, self._wall_s()))

    async def clear_bed(self, printer: str, request: ClearBedRequest) -> CommandAccepted:
        """ConflictError: that occupation is not on this bed, or a job runs."""
        return await self._say_by_hand(lambda draft: beds.clear(self._engine.world, draft, printer, request, self._wall_s()))

    async def _say_by_hand(self, action: Callable[[Draft], str]) -> CommandAccepted:
        command = await self._engine.ask(action)
        self._engine.publisher.want_collect()
        return CommandAccepted(command=command)

    async def command_job(self, job: str, action: str) -> CommandAccepted:
        """Pause, resume or cancel. ConflictError: the job does not run, or its node is not reachable."""
        world = self._engine.world
        running = beds.running_job(world.durable, job)
        return await self._command(running.node, beds.job_command(world, running, action, self._engine.clock, self._engine.rules))

    async def emergency_stop(self, printer: str) -> CommandAccepted:
        """Stop heat and motion of the printer at once."""
        found = beds.find_printer(self._engine.world.durable, printer)
        return await self._command(found.node, beds.stop_command(self._engine.world, found))

    async def answer(self, printer: str, request: AnswerRequest) -> CommandAccepted:
        """NotFoundError; ConflictError: it does not ask that any more; InvalidError: no such choice; UnreachableError: its node."""
        world = self._engine.world
        found = beds.find_printer(world.durable, printer)
        command = beds.answer_command(world, found, request, self._engine.clock, self._engine.rules)
        return await self._command(found.node, command)

    async def _command(self, node: str, command: messages.Command) -> CommandAccepted:
        if not await self._bus.say(node, Stream.COMMAND, command):
            raise UnreachableError(
                Bilingual(
                    "The broker is not connected: nothing was sent.", "Le courtier n'est pas connecté : rien n'a été envoyé."
                ),
                next_step=Bilingual("Go to the printer, or try again.", "Allez à l'imprimante, ou réessayez."),
            )
        return CommandAccepted(command=command.id)

    # --- enrolment ---------------------------------------------------------------------------------------------------------------

    async def invite(self, request: InviteRequest) -> InviteView:
        """Make a code for one maker. ConflictError: the broker in use cannot serve joined nodes."""
        if not self._reach.mqtt_urls:
            raise ConflictError(
                Bilingual(
                    f"The broker ({self._broker.describe()}) cannot serve nodes that join by code.",
                    f"Le courtier ({self._broker.describe().fr}) ne peut pas servir des nœuds qui rejoignent par un code.",
                ),
                next_step=Bilingual(
                    "Use mosquitto ([broker] kind in farm.toml), or make the node's user on that broker by hand.",
                    "Prenez mosquitto ([broker] kind dans farm.toml), ou créez à la main l'utilisateur du nœud sur ce courtier.",
                ),
                code="broker-cannot-serve",
            )
        lives_s = enrolment.life_s(self._engine.clock.factor)
        code, made = await self._engine.ask(lambda draft: enrolment.invite(draft, request.name, self._wall_s(), lives_s))
        shown = str(JoinCode(code, self._reach.pin))
        return InviteView(code=shown, command=f"farm node join {self._reach.farm_url} {shown}", expires_at=made.expires_at_s)

    async def claim(self, claim: EnrolmentClaim) -> EnrolmentGrant:
        """Redeem a code. NotFoundError, the same for unknown, used and expired codes."""
        self._attempts.count()
        fresh = await self._engine.ask(lambda draft: enrolment.claim(draft, claim.code, claim.name, self._wall_s()))
        _log.info("node.joined", node=fresh.record.id, name=fresh.record.name)
        try:
            await self._broker.add(fresh.record.id, fresh.password)
        except UnreachableError as error:  # it is being started again, and knows the node then
            _log.warning("broker.slow", node=fresh.record.id, detail=error.detail)
        return EnrolmentGrant(
            node=fresh.record.id,
            farm_url=self._reach.farm_url,
            mqtt_urls=self._reach.mqtt_urls,
            password=fresh.password,
            ca_pem=self._reach.authority_pem,
        )

    def authenticate_node(self, node: str, password: str) -> bool:
        """Tell whether this is the node's password (constant time)."""
        record = self._engine.world.record(node)
        return verify_password(password, record.password_hash if record is not None else "")

    @property
    def authority_pem(self) -> str | None:
        """The certificate of the farm's own authority; None without TLS."""
        return self._reach.authority_pem
