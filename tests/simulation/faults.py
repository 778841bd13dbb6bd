"""What goes wrong, and when: every fault of docs/protocol.md, drawn from the seed."""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from drivers.base import Capability
from farm.daemon.generation import settle
from farm.daemon.healing import META, Healing, HealingWhy
from farm.store.repository import SetMeta
from tests.simulation.daemon import Card, SimulatedDaemon, new_card
from tests.simulation.machine import Machine
from tests.simulation.network import DAEMON, Network, Weather
from tests.simulation.node import SimulatedNode, open_disk
from tests.simulation.people import People
from tests.simulation.truth import Odds, Truth
from tests.simulation.world import World

ROUND_S = 60.0


@dataclass(frozen=True)
class Plan:
    """Which kinds of faults a seed has beside the common ones."""

    restores: bool = False
    images: bool = False
    operators: bool = False
    fate: str = ""  # of one node: dead, holiday, deaf, mute
    prunes: bool = False


class Faults:
    """Breaks things until told to stop."""

    def __init__(self, world: World, network: Network, truth: Truth, people: People, nodes: Sequence[SimulatedNode]) -> None:
        self.world, self.network, self.truth, self.people, self.nodes = world, network, truth, people, list(nodes)
        self.daemon: SimulatedDaemon | None = None
        self.replace: Callable[[SimulatedDaemon], None] = lambda _daemon: None
        self.plan = Plan()
        self.active = False
        self.lost_for_good: set[str] = set()
        self._images: dict[str, sqlite3.Connection] = {}
        self._backup: tuple[sqlite3.Connection, float] | None = None
        world.every(ROUND_S, self.round)

    def begin(self, plan: Plan) -> None:
        """From now on."""
        world = self.world
        self.plan, self.active = plan, True
        self.network.weather = Weather(world.random.random() * 0.35, world.random.random() * 0.3, world.random.random() * 0.1)
        self.truth.faults = Odds(refused_start=0.03, failed_print=0.08, unsure_start=0.03, failed_trace=0.2)
        habits = self.people.habits
        habits.doubles, habits.prints, habits.stops, habits.goes_on = 0.1, 0.004, 0.01, 0.001
        self.people.operators_act = plan.operators
        for node in self.nodes:
            node.fragile = 0.004
        assert self.daemon is not None
        self.daemon.fragile = 0.001

    async def end(self) -> None:
        """Faults stop: lines, disks and people are well again, and everybody who is not lost for good is started."""
        self.active = False
        self.network.weather = Weather()
        self.network.mute, self.network.deaf = self.network.mute & self.lost_for_good, self.network.deaf & self.lost_for_good
        self.truth.faults = Odds()
        habits = self.people.habits
        habits.doubles = habits.prints = habits.stops = habits.goes_on = 0.0
        self.people.operators_act = False
        assert self.daemon is not None
        self.daemon.fragile, self.daemon.card.full = 0.0, False
        await self.daemon.boot()
        for node in self.nodes:
            node.fragile, node.disk.full = 0.0, False
            for machine in node.machines.values():
                machine.cable, machine.faulty = True, False
            if node.up:
                node.reconnect()
            elif node.process is None:
                await node.boot()
        self.network.redeliver_reports(self.daemon.hear)
        self.daemon.engine.on_connected() if self.daemon.engine is not None else None

    async def doom(self, node: SimulatedNode) -> None:
        """A node has a fate."""
        self.world.say("fate of", node.name, self.plan.fate)
        self.lost_for_good.add(node.name)
        if self.plan.fate == "dead":
            node.die()
            node.gone = True
        elif self.plan.fate == "holiday":
            self.people.away.add(node.name)
        else:
            (self.network.deaf if self.plan.fate == "deaf" else self.network.mute).add(node.name)

    # --- a minute ----------------------------------------------------------------------------------------------------------------

    async def round(self) -> None:
        """A minute in which something may break."""
        if self.daemon is not None and self.daemon.up and self.world.chance(0.01):
            self.network.redeliver_reports(self.daemon.hear)  # it connects again: also on a good day
        if not self.active:
            return
        for node in self.nodes:
            if not node.gone:
                await self._at_node(node)
        self._lines()
        await self._at_daemon()
        if self.people.operators_act and self.world.chance(0.006):
            await self.people.change_their_minds()

    async def _at_node(self, node: SimulatedNode) -> None:
        world = self.world
        if node.process is not None and world.chance(0.006):
            node.die()
        elif node.process is None and node.awake and world.chance(0.06):
            await node.boot(machine=world.chance(0.3))
        if node.up and world.chance(0.002):
            node.sleep(world.random.uniform(100.0, 9_000.0))
        if world.chance(0.012):
            node.disk.full = world.chance(0.4)
            world.say("disk of", node.name, "full" if node.disk.full else "has room")
        if world.chance(0.003):
            node.clock.jump(world.random.choice((-86_400.0, -3_600.0, 600.0, 86_400.0 * 400)))
        for machine in node.machines.values():
            self._machine(machine)
        if self.plan.prunes and world.chance(0.02):
            await node.prune()
        makers = any(Capability.PROVES_IDLE in setup.capabilities for setup in node.setups)
        if self.plan.images and not makers:  # what hands printed is known to hands, not to a card
            await self._card(node)

    def _machine(self, machine: Machine) -> None:
        if self.world.chance(0.1 if machine.faulty else 0.003):
            if machine.faulty:
                machine.faulty = False
            else:
                machine.break_down()
        if self.world.chance(0.004 if machine.cable else 0.1):
            machine.cable = not machine.cable
            self.world.say("cable of", machine.key, "back" if machine.cable else "pulled")

    async def _card(self, node: SimulatedNode) -> None:
        world = self.world
        if node.up and world.chance(0.006):
            self._images[node.name] = node.image() if world.chance(0.7) else open_disk().image()  # a new, empty card
        elif node.name in self._images and world.chance(0.004):
            node.die()
            if node.awake:
                node.write_card_back(self._images[node.name])
                self.truth.forget_card(node.name, node.disk.load().journal.epoch)
                world.at(world.random.uniform(10.0, 600.0), partial(node.boot, machine=True))

    def _lines(self) -> None:
        world, network = self.world, self.network
        for name in (*(node.name for node in self.nodes), DAEMON):
            for cut in (network.mute, network.deaf):
                likely = 0.12 if name in cut else 0.006
                if name not in self.lost_for_good and world.chance(likely):
                    cut ^= {name}
                    world.say("line of", name, "cut" if name in cut else "back", "mute" if cut is network.mute else "deaf")
        for node in self.nodes:
            if world.chance(0.01):
                node.reconnect()
        if world.chance(0.004):
            network.forget()
            world.say("the broker forgets everything")

    async def _at_daemon(self) -> None:
        daemon, world = self.daemon, self.world
        assert daemon is not None
        if daemon.up and world.chance(0.006):
            daemon.die()
        elif not daemon.up and world.chance(0.1):
            await daemon.boot(machine=world.chance(0.3))
        if world.chance(0.01):
            daemon.card.full = world.chance(0.35)
            world.say("disk of the daemon", "full" if daemon.card.full else "has room")
        if world.chance(0.003):
            daemon.clock.jump(world.random.choice((-3_600.0, 600.0, 86_400.0)))
        if self.plan.restores and world.chance(0.012):
            await self._restore(daemon)

    async def _restore(self, daemon: SimulatedDaemon) -> None:
        world = self.world
        if self._backup is None or world.chance(0.3) or world.now_s - self._backup[1] > 4 * 3600.0:
            self._backup = (daemon.card.image(), world.now_s)
            world.say("backup")
            return
        image, made_s = self._backup
        present = (await daemon.card.load()).generation
        if world.chance(0.5) and daemon.up:
            daemon.old, daemon.fragile = True, 0.0  # it runs on beside the new one
            self._stop_others(daemon)
        else:
            daemon.retire()
        card = new_card()
        card.write_back(image)
        stored = await card.load()
        self.truth.restore(stored)
        fresh = SimulatedDaemon(world, self.network, self.truth, daemon.setting, card)
        generation = await self._generation(card, stored.generation, present, made_s, daemon)
        world.say("RESTORE of", round(made_s), "generation", generation)
        fresh.fragile = daemon.fragile
        self.replace(fresh)
        await fresh.boot()

    async def _generation(self, card: Card, backup: int, present: int, made_s: float, daemon: SimulatedDaemon) -> int:
        """As `farm restore` does it, on the same or on a new machine; or a hand copies the file and starts the daemon."""
        world, highest = self.world, max(present, self.truth.highest)
        kept = 0 if world.chance(0.3) else highest  # sometimes the whole data folder is gone
        why, generation = HealingWhy.RESTORED, max(backup, kept) + 1
        if world.chance(0.3):
            world.say("copied back by hand")
            settled = settle(backup, kept)
            if not settled.put_back:
                return backup
            why, generation = HealingWhy.PUT_BACK, settled.generation
        healing = Healing(why, daemon.clock.wall_s(), backup_at_s=made_s)
        await card.commit([SetMeta("generation", str(generation)), SetMeta(META, healing.text())])
        return generation

    def _stop_others(self, daemon: SimulatedDaemon) -> None:
        """At most one old daemon runs on."""
        for other in self.old_daemons:
            if other is not daemon:
                other.retire()
        self.old_daemons = [daemon]

    old_daemons: list[SimulatedDaemon] = []  # noqa: RUF012 - replaced, never changed
