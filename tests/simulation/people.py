"""Hands that clear beds, people who print from the panel, operators who change their minds."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from drivers.base import Capability
from farm.bus.topics import Stream
from farm.daemon import beds, orders
from farm.errors import FarmError
from farm.node import core
from farm.node.core import Occupied
from farm.request_bodies import ClearBedRequest, CollectRequest, OrderChange, OrderRequest
from scheduler.draft import Draft
from scheduler.model import OccupationKind
from tests.simulation.daemon import SimulatedDaemon
from tests.simulation.machine import Machine, is_foreign
from tests.simulation.node import SimulatedNode
from tests.simulation.truth import Truth
from tests.simulation.world import World

ROUND_S: Final = 120.0  # between two looks of a hand at its printers


@dataclass(frozen=True)
class Word:
    """What a hand says: this was on that bed, and so many parts of it are good."""

    node: SimulatedNode
    printer: str
    occupation: str
    good: int
    scrap: int
    job: bool


@dataclass
class Habits:
    """How people are. Probabilities a look."""

    comes: float = 0.15
    says: float = 0.35
    doubles: float = 0.0
    prints: float = 0.0
    stops: float = 0.0
    goes_on: float = 0.0


class People:
    """Everybody around one farm."""

    def __init__(self, world: World, truth: Truth, nodes: Sequence[SimulatedNode], habits: Habits) -> None:
        self.world, self.truth, self.nodes, self.habits = world, truth, nodes, habits
        self.daemon: SimulatedDaemon | None = None
        self.away: set[str] = set()  # nodes where nobody is
        self.words: list[Word] = []
        self.operators_act = False
        world.every(ROUND_S, self.round)

    async def round(self) -> None:
        """Look at every printer; say what is to be said."""
        for node in self.nodes:
            if node.name in self.away or node.gone:
                continue
            if node.up and self.world.chance(self.habits.goes_on):
                await self._go_on(node)
            for key, machine in node.machines.items():
                await self._pass_by(node, key, machine)
                self._clear(node, key, machine)
        for word in list(self.words):
            await self._say(word)
        await self.look_after()

    async def _go_on(self, node: SimulatedNode) -> None:
        boot = node.state.boot
        step = await node.do(core.on_go_on)
        if step is not None and step.refused is None:
            self.truth.gone_on[node.name, boot] = self.world.now_s
            self.world.say("a person at", node.name, "says: go on")

    # --- at the printer ----------------------------------------------------------------------------------------------------------

    async def _pass_by(self, node: SimulatedNode, key: str, machine: Machine) -> None:
        habits, world = self.habits, self.world
        if machine.running is not None and world.chance(habits.stops):
            world.say("somebody stops", machine.running, "on", key)
            await node.cancelled_at(key)
        elif machine.running is None and not machine.on_bed and world.chance(habits.prints) and self._may_print(node, key):
            name = world.new_id("foreign")
            world.say("somebody prints", name, "on", key)
            machine.start_foreign(name, world.random.uniform(900.0, 5_000.0))

    @staticmethod
    def _may_print(node: SimulatedNode, key: str) -> bool:
        """A printer that proves that it was idle is a maker's hands: it prints nothing that they do not know of."""
        return not any(setup.id == key and Capability.PROVES_IDLE in setup.capabilities for setup in node.setups)

    def _clear(self, node: SimulatedNode, key: str, machine: Machine) -> None:
        if not node.up or machine.running is not None or not self.world.chance(self.habits.comes):
            return
        occupied = node.state.occupations.get(key)
        if occupied is None or occupied.running or any(word.occupation == occupied.id for word in self.words):
            return
        if occupied.id in self.truth.taken and not machine.on_bed:
            good = self.truth.taken[occupied.id]  # a hand says again what it said already
        else:
            good = self._take_off(machine, occupied)
        parts = occupied.job.parts if occupied.job is not None else 0
        self.words.append(Word(node, key, occupied.id, good, parts - good, occupied.job is not None))

    def _take_off(self, machine: Machine, occupied: Occupied) -> int:
        taken, good = machine.take_off(), 0
        if occupied.job is not None and occupied.id in taken and machine.came_out_well(occupied.id):
            parts = occupied.job.parts
            good = parts if self.world.chance(0.9) else self.world.random.randint(0, parts)
        self.truth.taken.setdefault(occupied.id, good)
        for other in taken:
            self.truth.taken.setdefault(other, 0)
        self.world.say("a hand takes", taken, "off", machine.key, "and finds", good, "good")
        return self.truth.taken[occupied.id]

    async def _say(self, word: Word) -> None:
        node = word.node
        now = node.state.occupations.get(word.printer) if node.up else None
        if node.up and (now is None or now.id != word.occupation):
            self.words.remove(word)
            if self.world.chance(self.habits.doubles):
                self.world.at(self.world.random.uniform(1.0, 5_000.0), partial(self._tell, word))
            return
        if self.world.chance(self.habits.says):
            await self._tell(word)
            if self.world.chance(self.habits.doubles):
                await self._tell(word)

    async def _tell(self, word: Word) -> None:
        if word.node.up and self.world.chance(0.5):
            await word.node.collect(word.printer, word.occupation, word.good, word.scrap, job=word.job)
        elif self.daemon is not None and self.daemon.engine is not None:
            await self._tell_daemon(self.daemon, word)

    async def _tell_daemon(self, daemon: SimulatedDaemon, word: Word) -> None:
        assert daemon.engine is not None
        farm, now_s = daemon.engine.world, daemon.clock.wall_s()
        if word.job:
            said = CollectRequest(job=word.occupation, good=word.good, scrap=word.scrap, by="hand")
            taken = await daemon.ask(lambda draft: beds.collect(farm, draft, word.printer, said, now_s))
            self.truth.accepted(daemon, taken)
        else:
            cleared = ClearBedRequest(occupation=word.occupation, by="hand")
            taken = await daemon.ask(lambda draft: beds.clear(farm, draft, word.printer, cleared, now_s))
            self.truth.accepted(daemon, taken)

    @property
    def waiting(self) -> bool:
        """Whether a hand still has something to say where somebody hears it."""
        return any(word.node.name not in self.away and not word.node.gone for word in self.words)

    # --- operators ---------------------------------------------------------------------------------------------------------------

    async def order(self, revision: str, quantity: int) -> None:
        """Place an order."""
        if self.daemon is not None:
            request = OrderRequest(revision=revision, quantity=quantity)
            now_s = self.daemon.clock.wall_s()
            done = await self.daemon.ask(lambda draft: orders.place(draft, request, now_s))
            if done is None:
                self.world.at(300.0, partial(self.order, revision, quantity))

    async def look_after(self) -> None:
        """An operator who sees the alarm of a daemon that only watches: this one is the right one."""
        daemon = self.daemon
        if daemon is None or daemon.engine is None or daemon.engine.world.fence is None or not self.world.chance(0.1):
            return
        self.truth.fenced(daemon)
        asked = daemon.engine.healer.ask()
        await daemon.turn()
        if asked.done() and asked.exception() is None:
            self.world.say("operator takes over: generation", asked.result())
        asked.cancel()

    async def change_their_minds(self) -> None:
        """An operator changes an order, takes it back, or recalls a revision."""
        daemon = self.daemon
        if daemon is None or daemon.engine is None or not self.operators_act:
            return
        known = sorted(daemon.engine.world.durable.orders)
        key, dice = self.world.random.choice(known), self.world.random.random()
        now_s = daemon.clock.wall_s()
        if dice < 0.25:
            self.world.say("operator cancels", key)
            await daemon.ask(lambda draft: orders.cancel(draft, key))
            return
        if dice > 0.85:
            self._cancel_a_job(daemon)
            return
        if dice < 0.3:
            await daemon.ask(partial(self._recall, key))
            return
        by = self.world.random.randint(-5, 3)

        def change(draft: Draft) -> None:
            order = orders.find_order(draft.farm, key)
            orders.change(draft, key, OrderChange(quantity=max(1, order.quantity + by)), now_s)

        self.world.say("operator changes", key, "by", by)
        await daemon.ask(change)

    def _cancel_a_job(self, daemon: SimulatedDaemon) -> None:
        assert daemon.engine is not None
        world = daemon.engine.world
        running = sorted(job.id for job in world.durable.jobs.values() if job.outcome is None)
        if not running:
            return
        job = world.durable.jobs[self.world.random.choice(running)]
        try:
            command = beds.job_command(world, job, "cancel", daemon.clock, daemon.engine.rules)
        except FarmError:
            return  # its node is away
        self.world.say("operator cancels the job", job.id)
        daemon.network.say(job.node, Stream.COMMAND, command)

    def _recall(self, key: str, draft: Draft) -> None:
        revision = draft.farm.revisions[orders.find_order(draft.farm, key).revision]
        self.world.say("operator recalls", revision.id)
        draft.put(replace(revision, recalled=True))


def settled(node: SimulatedNode) -> bool:
    """Whether nothing waits at a node: beds clear, everything told."""
    if not node.up:
        return False
    state = node.state
    clear = not state.occupations and not any(machine.on_bed or machine.running for machine in node.machines.values())
    return clear and state.journal.acked >= state.journal.head


__all__ = ["Habits", "OccupationKind", "People", "Word", "is_foreign", "settled"]
