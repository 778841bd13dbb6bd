"""What really happened, and the invariants of docs/protocol.md. Numbers in messages are those of the list there."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Final

from farm.bus.messages import Ack, Desired, Envelope, Report
from farm.daemon.publisher import FAR_BEYOND
from farm.node.core import NodeState, Occupied, StartJob
from farm.node.core.state import KEEP_COMMANDS, KEEP_SENT
from farm.node.keeper import moment
from farm.store.repository import Change, Delete, Put, StoredFarm
from scheduler.draft import TABLES, key_of
from scheduler.model import Allocation, Durable, Farm, Job, NodeRecord, Order, PendingCollect, Program, Revision, Stock
from tests.simulation.world import Violation, World

if TYPE_CHECKING:
    from tests.simulation.daemon import SimulatedDaemon
    from tests.simulation.node import SimulatedNode

_CLOCKS_DIFFER_S: Final = 10.0
_DAY_S: Final = 86_400.0
_MAX_OWED: Final = 1_000
_MAX_SET_ASIDE: Final = 1_000


@dataclass
class Odds:
    """How often machines disappoint; probabilities of a start or a question."""

    refused_start: float = 0.0
    failed_print: float = 0.0
    unsure_start: float = 0.0
    failed_trace: float = 0.0


class Truth:
    """Sees everything, and complains at once."""

    def __init__(self, world: World, programs: dict[str, Program]) -> None:
        self.world = world
        self.programs = programs
        self.faults = Odds()
        self.restored = False  # a backup was put back: what it forgot is counted again
        self.old_cards: set[str] = set()  # nodes whose card was written back from an image
        self.taken: dict[str, int] = {}  # job or other occupation -> good parts that a hand took off
        self.counted: dict[str, int] = {}
        self.late: set[str] = set()
        self.good: dict[str, int] = {}
        self.withdrawn = 0
        self.written_off = 0
        self.jobs: dict[str, Job] = {}
        self.owners: dict[str, str] = {}  # job -> node
        self.excused: set[str] = set()  # jobs of which a card that was written back may have known more than anybody
        self.rows: dict[tuple[type[Durable], str], Durable] = {}  # what the database of the daemon must hold
        self.words: set[str] = set()  # of hands, that were committed
        self.closed: set[str] = set()  # orders that were taken back, and all of recalled revisions
        self._lasting: set[str] = set()
        self._stale: dict[str, tuple[str, set[str]]] = {}  # node -> the ledger on its old card, allocations from before
        self.highest = 1  # generation that any daemon ever said
        self.gone_on: dict[tuple[str, int], float] = {}  # (node, boot) -> when a person there said "go on"
        self._most: dict[str, int] = {}
        self._confirmed: dict[str, int] = {}
        self._allocations: dict[str, Allocation] = {}
        self._started: Counter[str] = Counter()
        self._sent: dict[tuple[str, int, int], float] = {}
        self._acked: dict[tuple[str, int], float] = {}  # (node, boot) -> when its newest acknowledged report was sent
        self._shown: dict[str, tuple[int, int]] = {}
        self._stored: dict[str, tuple[str, int]] = {}
        self._promised: dict[str, tuple[str, int]] = {}

    def fail(self, number: int, text: str) -> None:
        """An invariant does not hold."""
        raise Violation(f"{number}: {text}")

    # --- at the node -------------------------------------------------------------------------------------------------------------

    def reported(self, node: "SimulatedNode", report: Report) -> None:
        """A node says what is."""
        self._sent[node.name, report.boot, report.report] = self.world.now_s
        shown = report.generation, report.desired_version
        self._shown[node.name] = max(self._shown.get(node.name, (0, 0)), shown)
        self.bounded(node)

    def forget_card(self, node: str, epoch: str) -> None:
        """A card was written back, with the ledger `epoch`: it shows what it showed then."""
        self.old_cards.add(node)
        self._stale[node] = epoch, set(self._most)
        self._shown.pop(node, None)
        self.excused |= {job for job, owner in self.owners.items() if owner == node and job not in self.counted}

    def decided(self, node: "SimulatedNode", start: StartJob, state: NodeState) -> None:
        """A start is written down: invariants 9, 11 and 12."""
        occupied = state.occupations[start.printer]
        assert occupied.job is not None
        shown, now = self._shown.get(node.name, (0, 0)), (state.generation, state.version)
        if now < shown:
            self.fail(11, f"{node.name} starts {start.job} under desired {now} after it had shown {shown}")
        held = {one.id for one in state.allocations.get(start.printer, ())}
        if occupied.job.allocation not in held:
            self.fail(11, f"{node.name} starts {start.job} under {occupied.job.allocation}, which is not desired")
        program, setup = self.programs[occupied.job.program], state.printers[start.printer].setup
        wanted = program.profile, program.material, program.nozzle_mm
        if wanted != (setup.profile, setup.material, setup.nozzle_mm):
            self.fail(12, f"{start.printer} is no printer for {program.name}")

    def starts(self, node: "SimulatedNode", start: StartJob, occupied: Occupied, state: NodeState) -> None:
        """The first command goes to a machine: invariants 7, 9 and 14."""
        assert occupied.job is not None
        allocation = occupied.job.allocation
        self.owners[start.job] = node.name
        self._started[allocation] += 1
        number = self._started[allocation]
        epoch, before = self._stale.get(node.name, ("", set()))
        if allocation in before and state.journal.epoch != epoch:
            self.fail(7, f"{node.name} starts {start.job} under {allocation}, which was given to the ledger before this one")
        if node.name in self.old_cards:
            pass  # it forgot starts that nobody had heard of: nothing can know of them
        elif number > self._most.get(allocation, 0):
            self.fail(
                7,
                f"{node.name} starts {number} jobs under {allocation}, which never allowed more than {self._most.get(allocation)}",
            )
        elif number > self._confirmed.get(allocation, number):
            self.fail(
                9, f"{node.name} starts {number} jobs under {allocation} after it had confirmed {self._confirmed[allocation]}"
            )
        silent_s = self.world.now_s - self._acked.get((node.name, state.boot), -inf)
        self._quiet(node, start, occupied)
        if self.world.now_s - self.gone_on.get((node.name, state.boot), -inf) <= occupied.autonomy_s * 1.001 + _CLOCKS_DIFFER_S:
            return  # a person there said "go on"
        if silent_s > occupied.autonomy_s * 1.001 + _CLOCKS_DIFFER_S:
            text = f"its newest acknowledged report of this boot is {silent_s:.0f} s old, autonomy is {occupied.autonomy_s:.0f} s"
            self.fail(14, f"{node.name} (boot {state.boot}) starts {start.job}: {text}")

    def _quiet(self, node: "SimulatedNode", start: StartJob, occupied: Occupied) -> None:
        """Invariant 13, by the clock that the people there see."""
        assert occupied.job is not None
        begin_s = moment(node.clock).local_day_s
        end_s = begin_s + occupied.job.estimated_s
        for quiet_s, loud_s in next(setup.quiet_hours for setup in node.setups if setup.id == start.printer):
            until_s = loud_s if loud_s > quiet_s else loud_s + _DAY_S
            for day_s in (-_DAY_S, 0.0, _DAY_S):
                if begin_s < until_s + day_s - _CLOCKS_DIFFER_S and end_s > quiet_s + day_s + _CLOCKS_DIFFER_S:
                    self.fail(
                        13, f"{start.printer} prints from {begin_s:.0f} to {end_s:.0f} s of the day; quiet is from {quiet_s:.0f}"
                    )

    def bounded(self, node: "SimulatedNode") -> None:
        """Invariant 15 at a node."""
        state = node.state
        assert node.process is not None
        sizes = len(state.commands) <= KEEP_COMMANDS and len(state.sent) <= KEEP_SENT and node.process.keeper.owed <= _MAX_OWED
        if not sizes or len(state.occupations) > len(node.machines):
            self.fail(15, f"{node.name} keeps too much")

    # --- at the daemon -----------------------------------------------------------------------------------------------------------

    def booted(self, daemon: "SimulatedDaemon", stored: StoredFarm) -> None:
        """A daemon reads its database: invariant 10."""
        if daemon.old:
            return
        for node, (epoch, seq) in self._promised.items():
            record = stored.nodes.get(node)
            if record is not None and record.epoch == epoch and record.seq < seq:
                self.fail(10, f"fact {seq} of {node} was acknowledged, and the database knows {record.seq}")
        self._allocations = dict(stored.allocations)
        self._rows_hold(stored)

    def _rows_hold(self, stored: StoredFarm) -> None:
        """Every open thing that is read is what was committed last, and nothing committed is missing."""
        for kind, (name, _) in TABLES.items():
            read = getattr(stored, {"node_records": "nodes", "printer_records": "printers"}.get(name, name), None)
            if read is None:  # facts and reports of programs: stored, and read when somebody asks
                continue
            for key, entity in read.items():
                if self.rows.get((kind, key), entity) != entity:
                    self.fail(10, f"{entity} was read, and {self.rows[kind, key]} was committed")
            for (known, key), row in self.rows.items():
                if known is kind and key not in read and not isinstance(row, Job | Allocation):
                    self.fail(10, f"{row} was committed, and is not there any more")

    def accepted(self, daemon: "SimulatedDaemon", command: str | None) -> None:
        """A hand was told that its word was taken."""
        if command is not None and not daemon.old and command not in self.words:
            self.fail(10, f"the word {command} of a hand was taken and not kept")

    def said(self, daemon: "SimulatedDaemon", node: str, message: Envelope) -> None:
        """A daemon speaks."""
        if isinstance(message, Desired):
            self.highest = max(self.highest, message.generation)
            for one in (one for some in message.printers.values() for one in some):
                self._most[one.id] = max(self._most.get(one.id, 0), one.jobs)
        if isinstance(message, Ack):
            if message.report is not None and message.boot is not None:
                sent_s = self._sent.get((node, message.boot, message.report), -inf)
                self._acked[node, message.boot] = max(self._acked.get((node, message.boot), -inf), sent_s)
            self._promise(daemon, node, message)

    def _promise(self, daemon: "SimulatedDaemon", node: str, ack: Ack) -> None:
        epoch, seq = self._stored.get(node, ("", 0))
        if daemon.old or ack.epoch != epoch or ack.seq > seq + FAR_BEYOND // 2:
            return  # the last: it tells a node that its ledger is an old copy
        if ack.seq > seq:
            self.fail(10, f"fact {ack.seq} of {node} is acknowledged, and {seq} are committed")
        self._promised[node] = (
            epoch,
            max(ack.seq, self._promised.get(node, ("", 0))[1] if self._promised.get(node, ("", 0))[0] == epoch else 0),
        )

    def committed(self, daemon: "SimulatedDaemon", changes: Sequence[Change]) -> None:
        """A transaction is on the disk: invariants 3, 4 and 9."""
        if daemon.old:
            return
        late = set()
        self._keep_rows(changes)
        self._patient(daemon, changes)
        for change in changes:
            if not isinstance(change, Put):
                continue
            entity = change.entity
            match entity:
                case Allocation():
                    late |= {entity.id} if self._allocation(entity) else set()
                case Order():
                    self._order(entity)
                case NodeRecord():
                    self._stored[entity.id] = (entity.epoch, entity.seq)
                case _:
                    pass
        for change in changes:
            if isinstance(change, Put) and isinstance(change.entity, Job):
                self._job(change.entity, late)

    def _keep_rows(self, changes: Sequence[Change]) -> None:
        for change in changes:
            if isinstance(change, Put):
                self.rows[type(change.entity), key_of(change.entity)] = change.entity
                if isinstance(change.entity, PendingCollect):
                    self.words.add(change.entity.id)
            elif isinstance(change, Delete):
                self.rows.pop((change.kind, change.key), None)

    def _patient(self, daemon: "SimulatedDaemon", changes: Sequence[Change]) -> None:
        """Nothing is given up in a daemon's first heartbeat round, nor given to a node that has not told everything."""
        engine = daemon.engine
        if engine is None:
            return
        young = daemon.clock.boot_s() - engine.world.started_s < engine.rules.suspect_after_s
        entities = [change.entity for change in changes if isinstance(change, Put)]
        renewed = {one.id for one in entities if isinstance(one, NodeRecord) and self._stored.get(one.id, ("", 0))[0] != one.epoch}
        for one in entities:
            if isinstance(one, Allocation):
                before = self._allocations.get(one.id)
                if before is None and not engine.world.links[one.node].replayed:
                    self.fail(12, f"{one.id} is given to {one.node}, which has not told everything")
                if before is not None and young and one.held < before.held and one.node not in renewed:
                    self.fail(
                        6, f"{one.id} is freed {daemon.clock.boot_s() - engine.world.started_s:.0f} s after the start of the daemon"
                    )
            elif isinstance(one, Job):
                known = self.jobs.get(one.id)
                given_up = one.written_off and one.outcome is None and known is not None and not known.written_off
                if given_up and young:
                    self.fail(6, f"{one.id} is written off in the first round after the start of the daemon")
            elif isinstance(one, Revision) and one.recalled:
                self.closed |= {order.id for order in engine.world.durable.orders.values() if order.revision == one.id}
            elif isinstance(one, Stock):
                self._stock(engine.world.durable, one)

    def _stock(self, farm: Farm, stock: Stock) -> None:
        before = farm.stock.get(stock.revision)
        if stock.parts < 0 or (farm.revisions[stock.revision].recalled and stock.parts > (before.parts if before else 0)):
            self.fail(3, f"stock of {stock.revision} is {stock.parts}, and was {before}")

    def _order(self, order: Order) -> None:
        if order.cancelled:
            self.closed.add(order.id)
        if order.id in self.closed and not order.cancelled and order.good > self.good.get(order.id, 0):
            self.fail(3, f"{order.id} is of a recalled revision and counts {order.good - self.good.get(order.id, 0)} more")
        if order.good < self.good.get(order.id, 0):
            self.fail(4, f"{order.id} had {self.good[order.id]} good parts and has {order.good}")
        self.good[order.id] = order.good

    def _allocation(self, new: Allocation) -> bool:
        """Whether a start came after its job had been given away."""
        old = self._allocations.get(new.id)
        self._allocations[new.id] = new
        if old is None:
            return False
        over = new.started > old.held
        if over and not old.lost and not self.restored and new.node not in self.old_cards:
            self.fail(9, f"{new.id} was freed down to {old.held} with a confirmation, and {new.started} were started")
        if new.jobs > old.jobs:
            self.fail(7, f"{new.id} allowed {old.jobs} jobs and allows {new.jobs}")
        given_up = max(0, old.held - new.held)
        if given_up and new.lost < old.lost + given_up:
            self._confirmed[new.id] = min(self._confirmed.get(new.id, new.held), new.held)
        self.withdrawn += given_up
        return over

    def _job(self, job: Job, late: set[str]) -> None:
        before = self.jobs.get(job.id)
        self.jobs[job.id] = job
        if job.written_off or (before is None and job.allocation in late):
            self.late.add(job.id)
        if job.written_off and (before is None or not before.written_off):
            self.written_off += 1
        if not job.collected:
            if job.id in self.counted:
                self.fail(4, f"{job.id} was counted and is not any more")
            return
        if self.counted.get(job.id, job.good) != job.good:
            self.fail(3, f"{job.id} was counted with {self.counted[job.id]} good parts and now with {job.good}")
        if job.good > self.taken.get(job.id, 0):
            self.fail(3, f"{job.good} good parts of {job.id} are counted, and a hand took off {self.taken.get(job.id, 'nothing')}")
        self.counted[job.id] = job.good

    def restore(self, stored: StoredFarm) -> None:
        """A backup is put back: what came after it is forgotten, and heals."""
        self.restored = True
        # a card and a database that both came back from before: what only they knew is gone
        self.excused |= {job for job, owner in self.owners.items() if owner in self.old_cards}
        self.good = {key: order.good for key, order in stored.orders.items()}
        self.counted.clear()
        self.jobs.clear()
        self._allocations = dict(stored.allocations)
        self._confirmed.clear()
        self._promised.clear()
        self.rows.clear()
        self.closed = {key for key, order in stored.orders.items() if order.cancelled or stored.revisions[order.revision].recalled}
        self._stored = {key: (record.epoch, record.seq) for key, record in stored.nodes.items()}

    def fenced(self, daemon: "SimulatedDaemon") -> None:
        """A daemon that nobody ever replaced must not stop itself."""
        fence = daemon.engine.world.fence if daemon.engine is not None else None
        if fence is not None and not self.restored:
            self.fail(6, f"the only daemon there ever was only watches: {fence}")

    def _withdrawn(self, daemon: "SimulatedDaemon", farm: Farm) -> None:
        """Invariant 11 at the daemon: what is not wanted any more is withdrawn, whoever is away. Asked twice: it takes a turn."""
        assert daemon.engine is not None
        if daemon.engine.full or daemon.engine.world.fenced or daemon.clock.boot_s() - daemon.engine.world.started_s < 120.0:
            self._lasting = set()
            return
        open_still = {one.id for one in farm.allocations.values() if one.order in self.closed and one.jobs > one.started}
        if both := open_still & self._lasting:
            self.fail(11, f"{sorted(both)} may still be started, and nobody wants them")
        self._lasting = open_still

    def balanced(self, daemon: "SimulatedDaemon") -> None:
        """Invariants 3 and 15 in memory: good parts of orders and stock are those of collected jobs, each once."""
        if daemon.engine is None or daemon.old:
            return
        farm, counts = daemon.engine.world.durable, daemon.engine.receiver.rejections.counts
        if any(reason == "unforeseen" for _, reason in counts) or daemon.engine.trouble:
            raise RuntimeError(f"the daemon stumbles: {daemon.engine.trouble or dict(counts)}")
        if len(farm.set_aside) > _MAX_SET_ASIDE or len(counts) > 1_001:
            self.fail(15, "the daemon keeps too much")
        self.fenced(daemon)
        self._withdrawn(daemon, farm)
        if self.restored:
            return  # `counted` does not know what the backup held; at rest the database itself is asked
        for revision in farm.revisions.values():
            if revision.recalled:
                continue
            made = sum(good for job, good in self.counted.items() if self.jobs[job].revision == revision.id)
            stock = farm.stock.get(revision.id)
            held = sum(order.good for order in farm.orders.values() if order.revision == revision.id) + (
                stock.parts if stock else 0
            )
            if made != held:
                self.fail(3, f"{made} good parts of {revision.id} were collected, {held} are counted")
