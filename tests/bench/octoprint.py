"""`./farm.sh bench octoprint`: how soon a change at OctoPrint is reported, and what following many of them costs.

Aims: change -> our report p99 < 300 ms with 50 instances; an idle printer costs <= 2 kB/s and <= 0.15 % of a core. The 50 are
fakes in a process of their own (tests/integration/test_octoprint_fake.py compares them with a real one); the same is measured with
real ones. The peer of the same run asks each printer once a second for job and temperatures: bare `requests`, a thread a printer.
"""

import asyncio
import json
import os
import queue
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import quantiles
from typing import Final, Self
from urllib.parse import urlsplit

from drivers.octoprint.address import parse_address
from drivers.octoprint.printer import OctoPrintDriver
from farm.process import bound_to_us
from tests.bench.processes import processor_s, resident_mb, threads
from tests.bench.report import report
from tests.integration.octoprint_bench import cable
from tests.integration.octoprint_server import OctoPrintServer
from tests.unit.drivers.octoprint.fake import KEY

PRINTERS: Final = 50
CHANGES: Final = 500
CHANGES_A_S: Final = 25.0
BURSTS: Final = 6
IDLE_S: Final = 40.0
REAL: Final = 2
REAL_CHANGES: Final = 20  # of each
_PATIENCE_S: Final = 60.0
_PEER: Final = "a question a second"
# a person's print that lasts, so that it can be paused and resumed
_PROGRAM: Final = b"M220 S100\nG90\n" + b"".join(b"G1 X%d Y10 F600\n" % (10 + 20 * (i % 2)) for i in range(20_000))


@dataclass(frozen=True, slots=True)
class Seen:
    """One observation of one process."""

    index: int
    state: str
    at_s: float


class Part:
    """A child of `tests.bench.octoprint_parts`; what it prints is kept as it comes."""

    def __init__(self, *words: str) -> None:
        command = bound_to_us([sys.executable, "-m", "tests.bench.octoprint_parts", *words])
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.seen: list[Seen] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join()
        self.process.stdout.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line)

    def say(self, line: str) -> None:
        """Give it an order."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def answer(self) -> str:
        """Its next line."""
        return self.lines.get(timeout=_PATIENCE_S)

    def look(self) -> list[Seen]:
        """Everything seen so far."""
        while not self.lines.empty():
            index, state, at_s = self.lines.get().split()
            self.seen.append(Seen(int(index), state, float(at_s)))
        return self.seen

    def all_show(self, states: dict[int, str]) -> bool:
        """Whether the newest of each printer is this."""
        newest = {seen.index: seen.state for seen in self.look()}
        return all(newest.get(index) == state for index, state in states.items())


@contextmanager
def following(kind: str, urls: list[str], folder: Path) -> Iterator[Part]:
    """Our drivers, or the peer, on these printers, once all are idle for it."""
    listed = folder / f"{kind}.txt"
    listed.write_text("\n".join(urls))
    with Part(kind, str(listed)) as part:
        wait_until(lambda: part.all_show(dict.fromkeys(range(len(urls)), "idle")), f"{kind} to follow {len(urls)} printers")
        yield part


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Wait.

    Raises:
        TimeoutError: it did not come true.

    """
    deadline_s = time.monotonic() + _PATIENCE_S
    while not condition():
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"Waited in vain for {what}.")
        time.sleep(0.01)


class Fakes:
    """`count` fake OctoPrints in a process of their own."""

    def __init__(self, part: Part, folder: Path) -> None:
        self._part = part
        key_file = folder / "fake.key"
        key_file.write_text(KEY)
        ports: list[int] = json.loads(part.answer())
        self.urls = [f"octoprint+http://127.0.0.1:{port}?key_file={key_file}" for port in ports]
        self.states = dict.fromkeys(range(len(ports)), "idle")
        self.changes: list[Seen] = []

    def change(self, which: str) -> None:
        """Let one (its index) or `all` change, and remember when."""
        self._part.say(which)
        for _ in self.states if which == "all" else range(1):
            index, state, at_s = self._part.answer().split()
            self.states[int(index)] = state
            self.changes.append(Seen(int(index), state, float(at_s)))

    def carried_bytes(self) -> int:
        """Bytes over all their sockets so far, both ways, without the headers of TCP and IP."""
        self._part.say("bytes")
        return int(self._part.answer().split()[1])


@contextmanager
def fakes(count: int, folder: Path) -> Iterator[Fakes]:
    """Serve them until leaving."""
    with Part("fakes", str(count)) as part:
        yield Fakes(part, folder)


def latencies_s(changes: list[Seen], reports: list[Seen]) -> list[float]:
    """For each change, how long until it was reported. No printer changes again before that."""
    by_printer: dict[int, list[Seen]] = defaultdict(list)
    for seen in reports:
        by_printer[seen.index].append(seen)
    return [
        next(seen.at_s for seen in by_printer[change.index] if seen.state == change.state and seen.at_s >= change.at_s)
        - change.at_s
        for change in changes
    ]


def percentile(values: list[float], hundredth: int) -> float:
    """Of a list of at least two."""
    return quantiles(values, n=100, method="inclusive")[hundredth - 1]


# --- with fakes -----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Figures:
    """What following `printers` fakes shows. Latencies in seconds; the rest is of an idle printer, or of the whole process."""

    paced_s: list[float]
    burst_s: list[float]
    bytes_a_s: float
    core_share: float
    resident_mb: float
    threads: int


def follow_fakes(kind: str, printers: int, folder: Path, *, changes: int, bursts: int, idle_s: float) -> Figures:
    """Measure `drivers` or `poller`."""
    with fakes(printers, folder) as servers, following(kind, servers.urls, folder) as part:
        time.sleep(min(idle_s / 4, 3.0))  # what a start costs is not what idling costs
        pid = part.process.pid
        began_s, used_s, carried = time.monotonic(), processor_s(pid), servers.carried_bytes()
        time.sleep(idle_s)
        took_s = time.monotonic() - began_s
        share = (processor_s(pid) - used_s) / took_s / printers
        bytes_a_s = (servers.carried_bytes() - carried) / took_s / printers
        paced = _changes(servers, part, changes, _one_by_one)
        burst = _changes(servers, part, bursts, _all_at_once)
        return Figures(paced, burst, bytes_a_s, share, resident_mb(pid), threads(pid))


def _changes(servers: Fakes, part: Part, count: int, make: Callable[[Fakes, Part, int], None]) -> list[float]:
    servers.changes.clear()
    make(servers, part, count)
    wait_until(lambda: part.all_show(servers.states), "the last change to be reported")
    return latencies_s(servers.changes, part.look())


def _one_by_one(servers: Fakes, part: Part, count: int) -> None:
    for number in range(count):
        index = number % len(servers.states)
        wait_until(partial(part.all_show, {index: servers.states[index]}), "the printer's change before this one to be reported")
        servers.change(str(index))
        time.sleep(random.uniform(0.0, 2.0 / CHANGES_A_S))


def _all_at_once(servers: Fakes, part: Part, count: int) -> None:
    for _ in range(count):
        servers.change("all")
        wait_until(lambda: part.all_show(servers.states), "all changes to be reported")


def with_fakes() -> None:
    """50 fakes, ours and the peer one after the other."""
    with _folder() as folder:
        measure = partial(follow_fakes, printers=PRINTERS, folder=folder, changes=CHANGES, bursts=BURSTS, idle_s=IDLE_S)
        ours, theirs = measure("drivers"), measure("poller")
    _latencies(f"{PRINTERS} fakes, {CHANGES_A_S:.0f} changes/s", ours.paced_s, theirs.paced_s)
    _latencies(f"{PRINTERS} fakes, all at once", ours.burst_s, theirs.burst_s)
    case = f"{PRINTERS} idle fakes"
    _line(f"{case}: bytes on the sockets, a printer", "B/s", ours.bytes_a_s, theirs.bytes_a_s)
    _line(f"{case}: processor, a printer", "% of core", ours.core_share * 100, theirs.core_share * 100)
    _line(f"{case}: memory of the process, RSS", "MB", ours.resident_mb, theirs.resident_mb)
    _line(f"{case}: threads of the process", "threads", ours.threads, theirs.threads)


# --- with real ones -------------------------------------------------------------------------------------------------------------


def follow_real(servers: list[OctoPrintServer], folder: Path, changes: int) -> tuple[list[float], list[float]]:
    """Latencies of ours and of the peer, side by side: from a person's click until it is reported, seconds.

    Both bear what OctoPrint itself needs to start or cancel a print.
    """
    urls = [server.printer_url for server in servers]
    clicked: list[Seen] = []
    for server in servers:
        server.upload("person.gcode", _PROGRAM)
    with following("drivers", urls, folder) as ours, following("poller", urls, folder) as theirs:
        for _ in range(changes):
            for index, server in enumerate(servers):
                for state, click in (("foreign", _start), ("idle", _cancel)):
                    time.sleep(random.uniform(0.0, 1.0))  # at any moment of the peer's second
                    clicked.append(Seen(index, state, time.monotonic()))
                    click(server)
                    for part in (ours, theirs):
                        wait_until(partial(part.all_show, {index: state}), f"{state} to be reported")
        return latencies_s(clicked, ours.look()), latencies_s(clicked, theirs.look())


def _start(server: OctoPrintServer) -> None:
    server.post("/api/files/local/person.gcode", {"command": "select", "print": True})


def _cancel(server: OctoPrintServer) -> None:
    server.post("/api/job", {"command": "cancel"})


async def idle_bytes_a_s(server: OctoPrintServer, idle_s: float) -> float:
    """What our driver and an idle real OctoPrint say to each other, counted between them."""
    async with cable(server) as between:
        url = server.printer_url.replace(f":{server.port}?", f":{between.port}?")
        driver = OctoPrintDriver(parse_address(urlsplit(url)), lambda _: None)
        try:
            await driver.connect()
            await asyncio.sleep(min(idle_s / 4, 3.0))
            before = between.carried_bytes
            await asyncio.sleep(idle_s)
            return (between.carried_bytes - before) / idle_s
        finally:
            await driver.close()


@contextmanager
def real_servers(count: int, folder: Path) -> Iterator[list[OctoPrintServer]]:
    """Real OctoPrints, all started."""
    with ExitStack() as stack:
        servers = [OctoPrintServer(folder / f"octoprint-{number}") for number in range(count)]
        for server in servers:
            stack.callback(server.remove)
            server.start()
        yield servers


def with_real_ones() -> None:
    """Two real OctoPrints, ours and the peer at the same time on the same changes."""
    with _folder() as folder, real_servers(REAL, folder) as servers:
        fresh = asyncio.run(idle_bytes_a_s(servers[0], IDLE_S))
        ours, theirs = follow_real(servers, folder, REAL_CHANGES)
        used = asyncio.run(idle_bytes_a_s(servers[0], IDLE_S))
    _latencies(f"{REAL} real OctoPrints, from a person's click", ours, theirs)
    report("octoprint", "an idle real OctoPrint: bytes on the sockets", "B/s", [fresh])
    # each of its messages lists the prints of the last half hour
    report("octoprint", f"the same after {REAL_CHANGES} prints in two minutes: bytes on the sockets", "B/s", [used])


# --- lines ----------------------------------------------------------------------------------------------------------------------


def _latencies(case: str, ours: list[float], theirs: list[float]) -> None:
    for hundredth in (50, 99):
        _line(f"{case}: reported, p{hundredth}", "ms", percentile(ours, hundredth) * 1000, percentile(theirs, hundredth) * 1000)


def _line(case: str, unit: str, ours: float, theirs: float) -> None:
    report("octoprint", case, unit, [ours], peer=_PEER, theirs=[theirs])


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="essaim-bench-") as name:
        yield Path(name)


def main() -> None:
    """Run all cases."""
    with_fakes()
    with_real_ones()
    report("octoprint", "load average of this machine at the end, 1 minute", "processes", [os.getloadavg()[0]])
