"""`./farm.sh bench ingest`: how fast nodes' facts are committed and acknowledged, and how soon a big farm is back after a restart.

Aims: 10,000 facts/s committed with fsync and acknowledged, from 100 nodes through a real mosquitto. Everything but the nodes is
real: `farm serve` with its store on this folder's disk, mosquitto with its access list, logins, the nodes' own outbox. The peer
is a bare paho subscriber that only counts the same messages from the same nodes through the same kind of broker, in the same run.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import quantiles
from typing import Any, Final

from farm.addresses import free_port
from farm.bus.broker import find_mosquitto
from farm.bus.child_broker import MosquittoBroker
from farm.bus.messages import MAX_FACTS, Settings
from farm.commands.local_farm import LocalFarm
from farm.daemon.translate import desired
from farm.daemon.world import World
from farm.store.writer import Store
from gcode.texts import Bilingual
from scheduler.model import Rules
from scheduler.reconcile import reconcile
from tests.bench.journals import GENERATION, PROGRAM_BYTES, SimulatedFarm, make_farm, write_journals
from tests.bench.processes import children, peak_resident_mb, processor_s, resident_mb, written_bytes
from tests.bench.report import report
from tests.bench.swarm import Member, join_all, pump_all, until

NODES: Final = 100
PRINTERS: Final = 12  # a node: its jobs start, end and are collected side by side
FACTS: Final = 1_280  # a node
SMALL: Final = 8  # facts a message
RUNS: Final = 3
FLOODS: Final = 4
MANY_NODES: Final = 1_000
MANY_ALLOCATIONS: Final = 10_000
PACES: Final = (1_000.0, 4_000.0)  # facts a second, below what saturates
PACED_S: Final = 15.0
_ENDLESS_JOBS: Final = 10_000  # an allocation that does not run out
_PATIENCE_S: Final = 300.0
_PEER: Final = "bare paho subscriber that counts"


@dataclass(frozen=True, slots=True)
class Figures:
    """What one run showed. Latencies are those from sending a message to the acknowledgement of its last fact."""

    facts_a_s: float
    p50_s: float
    p99_s: float
    written_a_fact: float
    processor_a_fact_s: float
    peak_mb: float


def _percentile(values: Sequence[float], hundredth: int) -> float:
    return quantiles(values, n=100, method="inclusive")[hundredth - 1] if len(values) > 1 else values[0]


@asynccontextmanager
async def running(simulated: SimulatedFarm, folder: Path) -> AsyncIterator[tuple[LocalFarm, int]]:
    """`farm serve` on a store that knows these nodes: the farm and the daemon's process id."""
    with LocalFarm(folder) as farm:
        farm.data.mkdir()
        await simulated.store(farm.data)
        await asyncio.to_thread(farm.start_daemon)
        process = farm.daemon.process
        assert process is not None, "start_daemon() returned"
        yield farm, process.pid


async def ingest(simulated: SimulatedFarm, folder: Path, *, facts_a_message: int = MAX_FACTS, pace: float | None = None) -> Figures:
    """Let all nodes tell their journals: as fast as their windows allow, or `pace` facts a second in all."""
    async with running(simulated, folder) as (farm, pid):
        members = [Member(node, facts_a_message=facts_a_message) for node in simulated.nodes]
        try:
            await join_all(members, farm.broker_port)
            await until(lambda: all(member.acknowledged_reports for member in members), _PATIENCE_S)
            before = (written_bytes(pid), processor_s(pid))
            began_s = time.monotonic()
            await _tell(members, began_s, pace)
            took_s = time.monotonic() - began_s
            written, used_s = written_bytes(pid) - before[0], processor_s(pid) - before[1]
        finally:
            for member in members:
                member.leave()
        latencies = [latency for member in members for latency in member.latencies_s]
        facts = sum(len(node.facts) for node in simulated.nodes)
        return Figures(
            facts / took_s,
            _percentile(latencies, 50),
            _percentile(latencies, 99),
            written / facts,
            used_s / facts,
            peak_resident_mb(pid),
        )


async def _tell(members: Sequence[Member], began_s: float, pace: float | None) -> None:
    def happen() -> None:
        each = None if pace is None else int((time.monotonic() - began_s) * pace / len(members))
        for member in members:
            total = len(member.node.facts)
            member.head = total if each is None else min(total, each)
        pump_all(members)

    await until(lambda: all(member.acked >= len(member.node.facts) for member in members), _PATIENCE_S, every=happen)


async def count_only(simulated: SimulatedFarm, folder: Path, *, facts_a_message: int = MAX_FACTS) -> float:
    """Facts a second of the peer: the same messages from the same nodes, and nothing is done with them."""
    program = find_mosquitto()
    assert program is not None, "mosquitto is not installed"
    port = free_port()
    broker = MosquittoBroker(folder / "broker", port, Bilingual("bench", "essai"), program=program, tls=None)
    await broker.start()
    members = [Member(node, facts_a_message=facts_a_message) for node in simulated.nodes]
    expected = sum(-(-len(node.facts) // facts_a_message) for node in simulated.nodes)
    try:
        await broker.set_credentials({node.id: node.secret for node in simulated.nodes})
        command = [sys.executable, "-m", "tests.bench.subscriber", str(port), str(expected)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as peer:
            assert peer.stdin is not None, "it was asked for"
            assert peer.stdout is not None, "it was asked for"
            peer.stdin.write(broker.login.password + "\n")
            peer.stdin.flush()
            await asyncio.to_thread(peer.stdout.readline)
            await join_all(members, port)
            for member in members:
                member.flood()
                await asyncio.sleep(0)
            seconds = float(await asyncio.to_thread(peer.stdout.readline))
    finally:
        for member in members:
            member.leave()
        await broker.close()
    return sum(len(node.facts) for node in simulated.nodes) / seconds


def _new_farm(facts: int, nodes: int = NODES) -> SimulatedFarm:
    simulated = make_farm(nodes, PRINTERS, nodes * PRINTERS, jobs=_ENDLESS_JOBS)
    write_journals(simulated, facts)
    return simulated


def _folder() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(prefix="essaim-bench-", dir=Path.cwd())  # not a tmpfs: the kernel counts disks only


def _pair(facts: int, facts_a_message: int) -> tuple[Figures, float]:
    """Ours and the peer, one after the other with the same load."""
    with _folder() as name:
        simulated = _new_farm(facts)
        ours = asyncio.run(ingest(simulated, Path(name), facts_a_message=facts_a_message))
        return ours, asyncio.run(count_only(simulated, Path(name), facts_a_message=facts_a_message))


def _report(case: str, found: Sequence[Figures], theirs: Sequence[float] = ()) -> None:
    line = partial(report, "ingest")
    line(
        f"{case}: facts committed and acknowledged",
        "facts/s",
        [run.facts_a_s for run in found],
        peer=_PEER if theirs else None,
        theirs=theirs,
    )
    line(f"{case}: fact to acknowledgement, p50", "s", [run.p50_s for run in found])
    line(f"{case}: fact to acknowledgement, p99", "s", [run.p99_s for run in found])
    line(f"{case}: written by the daemon, a fact", "B", [run.written_a_fact for run in found])
    line(f"{case}: processor time of the daemon, a fact", "us", [run.processor_a_fact_s * 1e6 for run in found])
    line(f"{case}: most memory of the daemon, RSS", "MB", [run.peak_mb for run in found])


# --- after a restart -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Return:
    """How a big farm came back: seconds since the start of the process, its processor time, and its memory when all was said."""

    ready_s: float
    first_s: float
    all_s: float
    acknowledged_s: float
    processor_s: float
    resident_mb: float


async def come_back(simulated: SimulatedFarm, folder: Path) -> Return:
    """Start `farm serve` while all nodes try to connect, until each holds its whole desired state and knows that it was heard."""
    wanted = expected_desired(simulated)
    with LocalFarm(folder) as farm:
        farm.data.mkdir()
        await simulated.store(farm.data)
        members = [Member(node) for node in simulated.nodes]
        began_s = time.monotonic()
        farm.daemon.start()
        process = farm.daemon.process
        assert process is not None, "start() returned"
        joining = asyncio.create_task(join_all(members, farm.broker_port))
        try:
            ready = asyncio.create_task(_ready_s(farm))
            await until(lambda: all(held(member, wanted[member.node.id]) for member in members), _PATIENCE_S)
            await until(lambda: all(member.acknowledged_reports for member in members), _PATIENCE_S)
            acknowledged_s = time.monotonic()
            await joining
            times_s = sorted(member.desired_at_s for member in members)
            return Return(
                await ready - began_s,
                times_s[0] - began_s,
                times_s[-1] - began_s,
                acknowledged_s - began_s,
                processor_s(process.pid),
                resident_mb(process.pid),
            )
        finally:
            joining.cancel()
            for member in members:
                member.leave()


async def _ready_s(farm: LocalFarm) -> float:
    await asyncio.to_thread(farm.wait_until, lambda: farm.answers("/readyz"), what="/readyz", child=farm.daemon)
    return time.monotonic()


def held(member: Member, wanted: dict[str, Any]) -> bool:
    """Whether a node holds just what the store says that it should: generation, version and every allocation."""
    return member.desired is not None and _says(member.desired, wanted)


def _says(told: Any, wanted: Any) -> bool:
    """Whether `told` has every figure of `wanted`, and no allocation beside those; further words of the contract do not matter."""
    if isinstance(wanted, list):
        return len(told) == len(wanted) and all(_says(one, other) for one, other in zip(told, wanted, strict=True))
    if isinstance(wanted, dict):
        same_printers = "printers" not in wanted or told.get("printers", {}).keys() == wanted["printers"].keys()
        return same_printers and all(key in told and _says(told[key], value) for key, value in wanted.items())
    return bool(told == wanted)


def expected_desired(simulated: SimulatedFarm) -> dict[str, dict[str, Any]]:
    """By node: what a correct `desired` says, worked out from the entities and not by the daemon's code."""
    found: dict[str, dict[str, Any]] = {}
    for node, allocations in simulated.allocations.items():
        printers: dict[str, list[dict[str, Any]]] = {}
        for allocation in allocations:
            printers.setdefault(allocation.printer, []).append(
                {
                    "id": allocation.id,
                    "order": allocation.order,
                    "revision": allocation.revision,
                    "program": {
                        "sha256": allocation.program,
                        "size_bytes": PROGRAM_BYTES,
                        "parts": allocation.parts,
                        "estimated_s": allocation.estimated_s,
                    },
                    "jobs": allocation.jobs,
                    "priority": 0,
                    "autonomy_s": allocation.autonomy_s,
                }
            )
        found[node] = {"generation": GENERATION, "version": 1, "printers": printers}
    return found


async def phases(simulated: SimulatedFarm, folder: Path) -> dict[str, float]:
    """What a start does with such a store, piece by piece, in this process and without a broker: seconds."""
    times_s = {}
    await simulated.store(folder)
    began_s = time.perf_counter()

    def lap(name: str) -> None:
        nonlocal began_s
        times_s[name] = time.perf_counter() - began_s
        began_s = time.perf_counter()

    store = await Store.open(folder)
    try:
        stored = await store.load()
        lap("the store is read")
        world = World(stored, {}, 0.0)
        lap("the world is made of it")
        reconcile(world.farm(0.0), Rules(), time.time())
        lap("the first decision")
        farm, given = world.durable, simulated.allocations
        for node in given:
            desired(farm, node, Settings(), given[node]).model_dump_json(exclude_none=True)
        lap("all desired states are written as messages")
    finally:
        await store.close()
    return times_s


# --- more than we can take -------------------------------------------------------------------------------------------------------


async def flood(simulated: SimulatedFarm, folder: Path, times: int) -> tuple[float, float, float]:
    """Every node sends its whole journal `times` over without any window, then goes on as nodes do.

    Returns the daemon's and the broker's most memory in MB, and the seconds until all was acknowledged.
    """
    async with running(simulated, folder) as (farm, pid):
        members = [Member(node) for node in simulated.nodes]
        try:
            await join_all(members, farm.broker_port)
            (broker,) = [child for child in children(pid) if "mosquitto" in Path(f"/proc/{child}/comm").read_text("ascii")]
            began_s = time.monotonic()
            for _ in range(times):
                for member in members:
                    member.flood()
                    await asyncio.sleep(0)
            await _tell(members, began_s, None)
            return peak_resident_mb(pid), peak_resident_mb(broker), time.monotonic() - began_s
        finally:
            for member in members:
                member.leave()


# --- cases -----------------------------------------------------------------------------------------------------------------------


def saturated() -> None:
    """All nodes send what their windows allow: full messages as after an outage, and smaller ones."""
    for facts, most in ((FACTS, MAX_FACTS), (FACTS // 4, SMALL)):
        pairs = [_pair(facts, most) for _ in range(RUNS)]
        _report(f"{NODES} nodes, {most} facts a message", [ours for ours, _ in pairs], [theirs for _, theirs in pairs])


def paced() -> None:
    """A load below the limit, one or two facts a message: how long a fact waits for its acknowledgement then."""
    for pace in PACES:
        with _folder() as name:
            simulated = _new_farm(int(pace * PACED_S / NODES))
            _report(f"{NODES} nodes, {pace:,.0f} facts/s offered", [asyncio.run(ingest(simulated, Path(name), pace=pace))])


def restarted() -> None:
    """A store with 1,000 nodes and 10,000 open allocations."""
    runs: list[Return] = []
    for _ in range(RUNS):
        with _folder() as name:
            runs.append(asyncio.run(come_back(make_farm(MANY_NODES, 3, MANY_ALLOCATIONS, jobs=5), Path(name))))
    line, case = partial(report, "ingest"), f"restart with {MANY_NODES:,} nodes and {MANY_ALLOCATIONS:,} open allocations"
    line(f"{case}: /readyz", "s", [run.ready_s for run in runs])
    line(f"{case}: first correct desired", "s", [run.first_s for run in runs])
    line(f"{case}: correct desired for all", "s", [run.all_s for run in runs])
    line(f"{case}: first report of all acknowledged", "s", [run.acknowledged_s for run in runs])
    line(f"{case}: processor time of the daemon until then", "s", [run.processor_s for run in runs])
    line(f"{case}: memory of the daemon, RSS", "MB", [run.resident_mb for run in runs])
    with _folder() as name:
        for phase, seconds in asyncio.run(phases(make_farm(MANY_NODES, 3, MANY_ALLOCATIONS, jobs=5), Path(name))).items():
            line(f"{case}: {phase}", "s", [seconds])


def overloaded() -> None:
    """More than the daemon can take: memory stays bounded, and everything arrives in the end."""
    with _folder() as name:
        daemon_mb, broker_mb, seconds = asyncio.run(flood(_new_farm(FACTS), Path(name), FLOODS))
    case = f"{NODES} nodes send {FACTS:,} facts {FLOODS} times over without a window"
    report("ingest", f"{case}: most memory of the daemon, RSS", "MB", [daemon_mb])
    report("ingest", f"{case}: most memory of the broker, RSS", "MB", [broker_mb])
    report("ingest", f"{case}: until everything is acknowledged", "s", [seconds])


def main() -> None:
    """Run all cases."""
    saturated()
    paced()
    restarted()
    overloaded()
    report("ingest", "load average of this machine at the end, 15 minutes", "processes", [os.getloadavg()[2]])
