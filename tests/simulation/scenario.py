"""One seed from begin to rest."""

from dataclasses import dataclass
from random import Random
from typing import Final

from sqlalchemy import func, select

from drivers.base import Capability
from farm.node.core import PrinterSetup
from farm.store.schema import jobs, orders, stock
from scheduler.matching import Explainer
from scheduler.model import BuildSpace, Design, Durable, NodeRecord, Program, Revision, Rules
from tests.simulation.daemon import Setting, SimulatedDaemon, fill, new_card
from tests.simulation.faults import Faults, Plan
from tests.simulation.network import Network
from tests.simulation.node import SimulatedNode
from tests.simulation.people import Habits, People, settled
from tests.simulation.truth import Truth
from tests.simulation.world import Violation, World

RULES: Final = Rules(
    report_every_s=60.0,
    autonomy_s=3 * 3600.0,
    clearing_s=900.0,
    suspect_after_s=180.0,
    lapse_margin_s=60.0,
    hedge_after_s=900.0,
    write_off_slack_s=900.0,
    start_patience_s=600.0,
)
SPACES: Final = {"small": BuildSpace(120, 120, 100), "large": BuildSpace(250, 250, 200)}
HOUR_S: Final = 3600.0
_NOZZLE_MM: Final = 0.4
_QUIET: Final = ((), (), (), ((22 * HOUR_S, 7 * HOUR_S),), ((13 * HOUR_S, 14.5 * HOUR_S), (0.0, 2 * HOUR_S)))
_REST_S: Final = 120 * HOUR_S  # how long everything may take once nothing breaks any more
_MOST_PARTS: Final = 4


@dataclass(frozen=True)
class Result:
    """What a seed came to."""

    steps: int
    jobs: int
    surplus: int
    written_off: int


def _program(revision: str, profile: str, parts: int, estimated_s: float) -> Program:
    name = f"{revision}-{profile}"
    return Program(
        sha256=name.encode().hex().ljust(64, "0")[:64],
        name=name,
        revision=revision,
        profile=profile,
        parts=parts,
        material="PLA",
        nozzle_mm=_NOZZLE_MM,
        size_bytes=10,
        estimated_s=estimated_s,
        filament_mm=1.0,
        filament_g=1.0,
        layers=1,
        width_mm=100.0,
        depth_mm=100.0,
        height_mm=5.0,
        created_at_s=0.0,
    )


PROGRAMS: Final = (
    _program("a", "small", 1, 1_500.0),
    _program("a", "large", _MOST_PARTS, 4_800.0),
    _program("b", "small", 1, 2_400.0),
    _program("b", "large", 2, 3_000.0),
)


def _setups(random: Random, name: str) -> list[PrinterSetup]:
    found = []
    for number in range(random.choice((1, 1, 2, 3))):
        survives = random.random() < 0.5
        capabilities = {Capability.SURVIVES_AGENT} if survives else set()
        if survives and random.random() < 0.3:
            capabilities.add(Capability.PROVES_IDLE)
        found.append(
            PrinterSetup(
                id=f"{name}-printer-{number}",
                name=f"printer {number} of {name}",
                driver="simulated",
                profile=random.choice(("small", "small", "large")),
                nozzle_mm=random.choice((*[_NOZZLE_MM] * 9, 0.6)),  # the last prints none of the programs
                autonomy_s=random.choice((None, None, HOUR_S)),
                quiet_hours=random.choice(_QUIET),
                capabilities=frozenset(capabilities),
            )
        )
    return found


class Scenario:
    """A whole farm of one seed. `calm`: nothing breaks, and hands are slow."""

    def __init__(self, seed: int, plan: Plan, *, calm: bool = False, trace: bool = False) -> None:
        self.seed, self.plan, self.calm = seed, plan, calm
        self.world = World(seed, trace=trace)
        self.network = Network(self.world)
        self.truth = Truth(self.world, {program.sha256: program for program in PROGRAMS})
        random = self.world.random
        names = [f"node-{letter}" for letter in "abcd"[: random.choice((2, 3, 3, 4))]]
        self.nodes = [SimulatedNode(self.world, self.network, self.truth, name, _setups(random, name)) for name in names]
        self.people = People(self.world, self.truth, self.nodes, Habits(comes=0.06) if calm else Habits())
        self.faults = Faults(self.world, self.network, self.truth, self.people, self.nodes)
        seed_entities: tuple[Durable, ...] = (
            Design("d1", "visor frame", 0.0),
            Revision("a", "d1", 0.0),
            Revision("b", "d1", 1.0),
            *PROGRAMS,
            *(NodeRecord(name, name, 0.0, "") for name in names),
        )
        self.daemon = SimulatedDaemon(self.world, self.network, self.truth, Setting(RULES, SPACES, seed_entities), new_card())
        self._use(self.daemon)
        self.faults.replace = self._use

    def _use(self, daemon: SimulatedDaemon) -> None:
        self.daemon = self.people.daemon = self.faults.daemon = daemon

    async def run(self) -> Result:
        """Begin, break, rest.

        Raises:
            Violation: an invariant did not hold, or something was stuck at the end.

        """
        world, random = self.world, self.world.random
        await fill(self.daemon.card, 1, self.daemon.setting.seed)
        await self.daemon.boot()
        for node in self.nodes:
            await node.boot(machine=True)
        for revision in ("a", "a", "b"):
            await self.people.order(revision, random.randint(3, 14))
        faulty_s = random.uniform(3.0, 7.0) * HOUR_S
        world.at(random.uniform(0.2, 0.5) * faulty_s, self._late_order)
        world.every(1_200.0, lambda: self.truth.balanced(self.daemon))
        if not self.calm:
            world.at(600.0, lambda: self.faults.begin(self.plan))
            if self.plan.fate:
                world.at(random.uniform(0.1, 0.9) * faulty_s, lambda: self.faults.doom(self.nodes[1]))
        await world.run(faulty_s)
        await self.faults.end()
        world.say("faults end")
        if not await world.run(faulty_s + _REST_S, self.at_rest):
            raise Violation(f"6: not at rest: {self.why_not()}")
        return await self.check()

    async def _late_order(self) -> None:
        await self.people.order("b", self.world.random.randint(1, 6))

    # --- rest --------------------------------------------------------------------------------------------------------------------

    @property
    def reachable(self) -> list[SimulatedNode]:
        """Nodes that have no fate."""
        return [node for node in self.nodes if node.name not in self.faults.lost_for_good]

    def _can_be_met(self, profile_of: str) -> bool:
        profiles = {setup.profile for node in self.reachable for setup in node.setups if setup.nozzle_mm == _NOZZLE_MM}
        return any(program.revision == profile_of and program.profile in profiles for program in PROGRAMS)

    def unmet(self) -> list[str]:
        """Orders that are open although somebody could make them."""
        if self.daemon.engine is None:
            return ["the daemon is down"]
        farm = self.daemon.engine.world.durable
        return [
            f"{order.id} {order.good}/{order.quantity}"
            for order in farm.orders.values()
            if order.open and not farm.revisions[order.revision].recalled and self._can_be_met(order.revision)
        ]

    def at_rest(self) -> bool:
        """Whether nothing is left to do."""
        if self.people.waiting or self.unmet() or self.daemon.engine is None:
            return False
        generation = self.daemon.engine.world.generation
        return all(settled(node) and node.state.generation == generation for node in self.reachable)

    def why_not(self) -> str:
        """What is left to do."""
        waiting = [
            f"{node.name}: {sorted(node.state.occupations)} acked {node.state.journal.acked}/{node.state.journal.head} "
            f"of {node.state.journal.epoch} in {node.state.generation, node.state.version}"
            if node.up
            else f"{node.name}: down"
            for node in self.reachable
            if not settled(node)
        ]
        return f"unmet {self.unmet()}; {waiting}; words {len(self.people.words)}; {self._view_of_the_daemon()}"

    def _view_of_the_daemon(self) -> str:
        """Why the daemon gives nothing to anybody."""
        engine = self.daemon.engine
        if engine is None:
            return "the daemon is down"
        farm = engine.world.farm(self.daemon.clock.boot_s())
        explainer = Explainer(farm, RULES)
        printers = {key: [reason.code for reason in explainer.printer(printer)] for key, printer in farm.printers.items()}
        alarms = [alarm.code for alarm in engine.alarms.all()]
        held = [(item.id, item.node, item.jobs, item.held, item.started) for item in farm.allocations.values() if item.unstarted]
        trouble = engine.trouble or engine.store_trouble
        return f"printers {printers}; alarms {alarms}; trouble {trouble}; held {held}; nodes {farm.nodes}"

    async def check(self) -> Result:
        """What must be true at rest: invariants 3, 5 and 8."""
        truth, stored = self.truth, await self.daemon.card.load()
        names = {node.name for node in self.reachable}
        self.truth.balanced(self.daemon)
        made = await self._rows()
        for job, taken in sorted(truth.taken.items()):
            if not job.startswith("job-") or self._owner(job) not in names or job in truth.excused:
                continue
            if made.get(job, 0) != taken:
                raise Violation(f"5: {taken} good parts of {job} were taken off, {made.get(job)} are counted")
        if any(order.good > 0 for order in stored.orders.values()):
            self._balance_of_the_database(stored.revisions)
        surplus = sum(item.parts for item in stored.stock.values())
        surplus += sum(max(0, order.good - order.quantity) for order in stored.orders.values())
        late = sum(made.get(job, 0) for job in truth.late)
        spoiled = truth.restored or truth.old_cards or self.plan.operators
        if not spoiled and surplus > late + (_MOST_PARTS - 1) * len(stored.orders):
            raise Violation(f"8: surplus {surplus}, but only {late} good parts of jobs that had been given up")
        return Result(self.world.steps, len(made), surplus, truth.written_off)

    def _owner(self, job: str) -> str:
        return self.truth.owners.get(job, "")

    async def _rows(self) -> dict[str, int]:
        with self.daemon.card._writer.begin() as connection:
            rows = connection.execute(select(jobs.c.id, jobs.c.good).where(jobs.c.collected_at_s.is_not(None)))
            return {row.id: row.good for row in rows}

    def _balance_of_the_database(self, revisions: dict[str, Revision]) -> None:
        with self.daemon.card._writer.begin() as connection:
            for revision in (item.id for item in revisions.values() if not item.recalled):
                made = connection.execute(
                    select(func.sum(jobs.c.good)).where(jobs.c.revision == revision, jobs.c.collected_at_s.is_not(None))
                )
                owned = connection.execute(select(func.sum(orders.c.good)).where(orders.c.revision == revision))
                left = connection.execute(select(func.sum(stock.c.parts)).where(stock.c.revision == revision))
                collected, held = made.scalar() or 0, (owned.scalar() or 0) + (left.scalar() or 0)
                if collected != held:
                    raise Violation(f"3: {collected} good parts of {revision} were collected, {held} are counted")

    def close(self) -> None:
        """Let go of everything."""
        for node in self.nodes:
            node.close()
        self.daemon.card.end()
