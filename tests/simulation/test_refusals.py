"""A printer whose node refuses far more programs than a report names: it prints what it may, and nothing is given to it twice."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import pytest
from sqlalchemy import select

from drivers.base import Capability
from farm.node.core import Checked, PrinterSetup, Task, refusal
from farm.store.schema import allocations
from scheduler.model import Design, Durable, NodeRecord, Program, Revision
from tests.simulation.daemon import Setting, SimulatedDaemon, fill, new_card
from tests.simulation.network import Network
from tests.simulation.node import SimulatedNode
from tests.simulation.people import Habits, People
from tests.simulation.scenario import HOUR_S, PROGRAMS, RULES, SPACES
from tests.simulation.truth import Truth
from tests.simulation.world import World

REFUSED: Final = 50
NO: Final = refusal("The nozzle would be too hot.", "La buse serait trop chaude.")
NOBODY_ANSWERED: Final = Checked(needs_trust=True, trust=frozenset({"machine-tuning"}), rule_set=99)  # the farm's rules pass it


def _program(number: int) -> Program:
    return replace(PROGRAMS[0], sha256=f"{number:064x}", name=f"p{number}", revision=f"r{number}")


def _setup(name: str) -> PrinterSetup:
    can = frozenset({Capability.SURVIVES_AGENT, Capability.PROVES_IDLE})
    return PrinterSetup(id=f"{name}-p", name=name, driver="simulated", profile="small", nozzle_mm=0.4, capabilities=can)


class Workshop:
    """Careful nodes that refuse fifty programs of fifty-one; hands that clear every bed soon."""

    def __init__(self, seed: int, names: tuple[str, ...] = ("careful",)) -> None:
        self.world = World(seed)
        self.network = Network(self.world)
        self.programs = [_program(number) for number in range(REFUSED + 1)]  # the last one is printed
        truth = Truth(self.world, {program.sha256: program for program in self.programs})
        self.nodes = {name: SimulatedNode(self.world, self.network, truth, name, [_setup(name)]) for name in names}
        self.nodes["careful"].check = self._check
        for node in self.nodes.values():
            node.fetch_s = 20.0
        self.people = People(self.world, truth, list(self.nodes.values()), Habits(comes=1.0, says=1.0))
        seed_entities: tuple[Durable, ...] = (
            Design("d1", "visor frame", 0.0),
            *(Revision(program.revision, "d1", 0.0) for program in self.programs),
            *self.programs,
            *(NodeRecord(name, name, 0.0, "") for name in names),
        )
        self.daemon = SimulatedDaemon(self.world, self.network, truth, Setting(RULES, SPACES, seed_entities), new_card())
        self.people.daemon = self.daemon
        self.may_print = {self.programs[-1].sha256}

    def _check(self, task: Task) -> Checked:
        if task.program in self.may_print:
            return Checked()
        return Checked(NO) if int(task.program, 16) % 2 else NOBODY_ANSWERED

    async def begin(self) -> None:
        await fill(self.daemon.card, 1, self.daemon.setting.seed)
        await self.daemon.boot()
        for node in self.nodes.values():
            await node.boot(machine=True)
        for program in self.programs:  # what is printed waits behind all that is not
            await self.people.order(program.revision, 1)

    async def run(self, hours: float, done: Callable[[], bool] = lambda: False) -> bool:
        return await self.world.run(self.world.now_s + hours * HOUR_S, done)

    def given(self) -> Counter[str]:
        """How often each refused program was allocated to the careful printer, from the beginning."""
        with self.daemon.card._writer.begin() as connection:
            rows = connection.execute(select(allocations.c.program).where(allocations.c.printer == "careful-p"))
            return Counter(row.program for row in rows if row.program not in self.may_print)

    def open_orders(self) -> set[str]:
        engine = self.daemon.engine
        assert engine is not None
        return {order.revision for order in engine.world.durable.orders.values() if order.open}

    def close(self) -> None:
        for node in self.nodes.values():
            node.close()
        self.daemon.card.end()


async def test_fifty_refused_programs_stop_no_printer_and_are_not_given_to_it_again() -> None:
    workshop = Workshop(1)
    good = workshop.programs[-1].revision
    try:
        await workshop.begin()
        assert await workshop.run(24, lambda: good not in workshop.open_orders()), "the printer makes what it may"
        assert workshop.given() == Counter({program.sha256: 1 for program in workshop.programs[:-1]})
        await workshop.run(1)
        assert max(workshop.given().values()) == 1, "no loop"

        workshop.daemon.die()  # its memory is gone; the reports tell all of it anew, a part at a time
        await workshop.daemon.boot()
        await workshop.people.order(good, 1)
        assert await workshop.run(24, lambda: good not in workshop.open_orders())
        again = workshop.given()
        assert max(again.values()) <= 2
        await workshop.run(1)
        assert workshop.given() == again, "it has come to rest"

        workshop.may_print |= {workshop.programs[7].sha256}
        workshop.nodes["careful"].die()
        await workshop.nodes["careful"].boot()  # an agent begins without a memory of checks: all may be tried once more
        assert await workshop.run(24, lambda: workshop.programs[7].revision not in workshop.open_orders())
        assert max(workshop.given().values()) <= 3
    finally:
        workshop.close()


@pytest.mark.slow
async def test_another_printer_makes_what_the_careful_one_refuses() -> None:
    workshop = Workshop(3, ("careful", "other"))
    try:
        await workshop.begin()
        assert await workshop.run(72, lambda: not workshop.open_orders())
        assert max(workshop.given().values()) == 1
    finally:
        workshop.close()
