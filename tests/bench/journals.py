"""What the simulated nodes of `bench ingest` tell: a farm in a store, and the journals of its nodes, encoded beforehand."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final

from drivers.base import PrinterState
from farm.bus import messages
from farm.bus.messages import MAX_FACTS
from farm.ids import new_id
from farm.keys import hash_password, new_secret
from farm.store.repository import Put, SetMeta
from farm.store.writer import Store
from scheduler.model import (
    Allocation,
    BedState,
    Design,
    Durable,
    JobOutcome,
    NodeRecord,
    Order,
    PrinterRecord,
    Program,
    Revision,
)

GENERATION: Final = 1
PROFILE: Final = "generic-210"
_SCRAP_EVERY: Final = 20  # one job in twenty is no good
PROGRAM_BYTES: Final = 2_800_000
_ESTIMATED_S: Final = 4_800.0
_AUTONOMY_S: Final = 43_200.0
_NOW_S: Final = 1.7e9


@dataclass
class SimulatedNode:
    """A node: its login, printers and journal. `facts[i]` is the encoded fact i + 1."""

    id: str
    secret: str
    printers: list[str]
    epoch: str = field(default_factory=lambda: new_id("epoch"))
    facts: list[bytes] = field(default_factory=list)

    def batch(self, after: int, head: int, most: int = MAX_FACTS) -> tuple[bytes, int]:
        """The journal message with the facts that follow number `after`, and the number of its last one."""
        chosen = self.facts[after : min(head, after + most)]
        start = f'{{"v":1,"epoch":"{self.epoch}","oldest":1,"head":{head},"facts":['
        return start.encode() + b",".join(chosen) + b"]}", after + len(chosen)

    def report(self, generation: int, version: int, number: int) -> bytes:
        """A report of idle printers that shows a desired version."""
        printers = [
            messages.PrinterReport(
                id=key,
                name=key,
                driver="virtual",
                profile=PROFILE,
                material="PLA",
                state=PrinterState.IDLE,
                bed=BedState.CLEAR,
                ready=True,
            )
            for key in self.printers
        ]
        return (
            messages.Report(
                generation=generation,
                desired_version=version,
                boot=1,
                report=number,
                journal=messages.JournalPosition(epoch=self.epoch, oldest=1, head=0),
                printers=printers,
            )
            .model_dump_json(exclude_none=True)
            .encode()
        )


@dataclass
class SimulatedFarm:
    """Nodes, and everything that the daemon's store holds of them before it starts."""

    nodes: list[SimulatedNode]
    entities: list[Durable]

    @property
    def allocations(self) -> dict[str, list[Allocation]]:
        """Allocations by node."""
        found: dict[str, list[Allocation]] = {node.id: [] for node in self.nodes}
        for entity in self.entities:
            if isinstance(entity, Allocation):
                found[entity.node].append(entity)
        return found

    async def store(self, folder: Path) -> None:
        """Write it into a new database in `folder`."""
        store = await Store.open(folder)
        try:
            await store.commit([SetMeta("generation", str(GENERATION)), *(Put(entity) for entity in self.entities)])
        finally:
            await store.close()


def make_farm(nodes: int, printers: int, allocations: int, *, jobs: int, orders: int = 50) -> SimulatedFarm:
    """A farm with `allocations` open allocations of `jobs` jobs each, spread over printers and orders that want just as much."""
    program = _program()
    swarm = [
        SimulatedNode(new_id("node"), new_secret(), [f"printer-{number}-{place}" for place in range(printers)])
        for number in range(nodes)
    ]
    places = [(node.id, printer) for node in swarm for printer in node.printers]
    order_ids = [new_id("order") for _ in range(orders)]
    given = [
        Allocation(
            id=new_id("alloc"), node=places[i % len(places)][0], printer=places[i % len(places)][1], order=order_ids[i % orders],
            revision=program.revision, program=program.sha256, parts=1, estimated_s=_ESTIMATED_S, jobs=jobs, held=jobs,
            autonomy_s=_AUTONOMY_S, created_at_s=_NOW_S,
        )
        for i in range(allocations)
    ]  # fmt: skip
    entities: list[Durable] = [Design("frame", "Visor frame", _NOW_S), Revision(program.revision, "frame", _NOW_S), program]
    for position, key in enumerate(order_ids):
        quantity = jobs * len(range(position, allocations, orders))
        entities.append(Order(key, program.revision, max(1, quantity), 0, "Palaiseau", _NOW_S + position))
    for node in swarm:
        entities.append(NodeRecord(node.id, node.id, _NOW_S, hash_password(node.secret), version=1))
        entities += [PrinterRecord(key, node.id, key, "virtual", PROFILE, "PLA", 0.4) for key in node.printers]
    return SimulatedFarm(swarm, [*entities, *given])


def _program() -> Program:
    return Program(
        sha256=sha256(b"bench").hexdigest(), name="frame", revision="frame-r1", profile=PROFILE, parts=1, material="PLA",
        nozzle_mm=0.4, size_bytes=PROGRAM_BYTES, estimated_s=_ESTIMATED_S, filament_mm=4_000.0, filament_g=12.0, layers=17,
        width_mm=200.0, depth_mm=200.0, height_mm=5.0, created_at_s=_NOW_S,
    )  # fmt: skip


def write_journals(farm: SimulatedFarm, facts: int) -> None:
    """Give every node a journal of `facts` facts: its printers start, end and are collected side by side, again and again."""
    given = farm.allocations
    for node in farm.nodes:
        told = _life(node, given[node.id])
        node.facts = [next(told).model_dump_json(exclude_none=True).encode() for _ in range(facts)]


def _life(node: SimulatedNode, given: list[Allocation]) -> Iterator[messages.JobFact]:
    by_printer = {allocation.printer: allocation for allocation in given}
    seq = turn = 0
    while True:
        turn += 1
        running = {printer: _reference(by_printer[printer]) for printer in node.printers}
        for printer, reference in running.items():
            seq += 1
            yield messages.JobStarted(seq=seq, printer=printer, at_s=_NOW_S, reference=reference)
        for printer, reference in running.items():
            seq += 1
            yield messages.JobEnded(
                seq=seq, printer=printer, at_s=_NOW_S, reference=reference, outcome=JobOutcome.PRINTED, took_s=_ESTIMATED_S
            )
        for printer, reference in running.items():
            seq += 1
            good = int(bool(turn % _SCRAP_EVERY))
            yield messages.JobCollected(
                seq=seq, printer=printer, at_s=_NOW_S, reference=reference, good=good, scrap=1 - good, by="hand"
            )


def _reference(allocation: Allocation) -> messages.JobReference:
    return messages.JobReference(
        job=new_id("job"),
        allocation=allocation.id,
        order=allocation.order,
        revision=allocation.revision,
        program=allocation.program,
        parts=allocation.parts,
        estimated_s=allocation.estimated_s,
    )
