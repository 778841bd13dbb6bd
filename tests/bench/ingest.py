"""`./farm.sh bench ingest`: how fast nodes' facts are committed and acknowledged, and how soon a big farm is back after a restart.

Aims: 10,000 facts/s committed with fsync and acknowledged, from 100 nodes through a real mosquitto. Everything but the nodes is
real: `farm serve` with its store on this folder's disk, mosquitto with its access list, logins, the nodes' own outbox. The peer
is a bare paho subscriber that only counts the same messages from the same nodes through the same kind of broker, in the same run.
"""

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from typing import Final

from farm.addresses import free_port
from farm.bus.broker import find_mosquitto
from farm.bus.child_broker import MosquittoBroker
from farm.bus.messages import MAX_FACTS
from farm.commands.local_farm import LocalFarm
from tests.bench.journals import SimulatedFarm, make_farm, write_journals
from tests.bench.processes import peak_resident_mb, processor_s, written_bytes
from tests.bench.report import report
from tests.bench.swarm import Member, join_all, pump_all, until

NODES: Final = 100
PRINTERS: Final = 12  # a node: its jobs start, end and are collected side by side
FACTS: Final = 1_280  # a node
RUNS: Final = 3
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
    broker = MosquittoBroker(folder / "broker", port, "bench", program=program, tls=None)
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


def saturated() -> None:
    """All nodes send what their windows allow."""
    for facts, most in ((FACTS, MAX_FACTS), (FACTS // 8, 1)):
        pairs = [_pair(facts, most) for _ in range(RUNS)]
        _report(f"{NODES} nodes, {most} facts a message", [ours for ours, _ in pairs], [theirs for _, theirs in pairs])


def paced() -> None:
    """A load below the limit: what a fact waits for its acknowledgement then."""
    for pace in PACES:
        with _folder() as name:
            simulated = _new_farm(int(pace * PACED_S / NODES))
            _report(f"{NODES} nodes, {pace:,.0f} facts/s offered", [asyncio.run(ingest(simulated, Path(name), pace=pace))])


def main() -> None:
    """Run all cases."""
    saturated()
    paced()
    print(median([1]))
