"""`./farm.sh bench serial`: lines a second and processor time a line through a pty, beside the senders that people use today.

Aims: with one line in flight >= 8x OctoPrint's lines/s at <= 1/6 of its processor time a line, and >= 3x printcore's lines/s; on a
modelled UART >= 80 % of what the wire allows and not one byte lost; 64 printers at 300 lines/s in one process on <= 40 % of a core;
an agent within 50 MB and 1.5 MB a printer; extrusion exact at 10 % bad lines with every window. The peers of the same run are
printrun's printcore and OctoPrint's comm layer, each in its own environment, and as the limit a bare loop that reads an ok and
writes the next line. Every sender prints the same moves to the same machine (`serial_sink`), which measures all of them in one way;
what they do before the first measured line (starting, connecting, warming up) is not counted.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from os import getloadavg
from pathlib import Path
from typing import Final

from drivers.base import PrintEnd
from drivers.marlin.lines import frame
from drivers.marlin.window import Window
from drivers.virtual.options import FirmwareOptions
from farm.node.memory import LEAN
from farm.process import bound_to_us
from tests.bench.processes import resident_mb
from tests.bench.report import report
from tests.test import OCTOPRINT_VENV, PRINTRUN_VENV, ROOT, install_octoprint, install_printrun
from tests.unit.drivers.marlin.test_noise import Noise
from tests.unit.drivers.marlin.world import HEATED, World, moves

RUNS: Final = 3
WARM_LINES: Final = 2_000
LINES: Final = 30_000
PRINTCORE_LINES: Final = 4_000  # it is slow
MANY: Final = 64
MANY_LINES_A_S: Final = 300
MANY_S: Final = 10.0
BAUDS: Final = (115_200, 250_000)
UART_S: Final = 8.0
NOISY_LINES: Final = 2_000
SETTLED_S: Final = 15.0  # an agent has connected to all its printers by then
_PATIENCE_S: Final = 300.0
_IDENTITY: Final = (
    '{"node":"bench","name":"bench","farm_url":"http://127.0.0.1:9","mqtt_urls":["mqtt://127.0.0.1:9"],"password":"none"}'
)
_LINE = partial(report, "serial")


@dataclass(frozen=True, slots=True)
class Figures:
    """What the machine saw of one sender."""

    lines_a_s: float
    line_us: float  # processor time of the sender
    core: float  # share of one core
    lost_bytes: float
    resident_mb: float


def write_moves(path: Path, count: int) -> None:
    """Short extruding moves as a slicer writes them; with number and checksum they have 38 bytes on average (`framed_bytes`)."""
    texts = (f"G1 X{90 + i % 997 / 10:.3f} Y{80 + i % 613 / 7:.2f} E{0.01 + i % 89 / 2000:.5f}\n" for i in range(count))
    path.write_text("".join(texts), "ascii")


def framed_bytes(file: Path, first: int, last: int) -> float:
    """How long such lines of a file are on the wire of a sender that adds nothing but what Marlin wants."""
    lines = file.read_bytes().splitlines()[first:last]
    return sum(len(frame(first + index + 1, line)) for index, line in enumerate(lines)) / len(lines)


def peer(name: str, interpreter: str = sys.executable) -> list[str]:
    """The command of another sender; the ports and the file come behind it. -P: `serial` is pyserial there, not this file."""
    return [interpreter, "-P", str(ROOT / "tests" / "bench" / "serial_peers.py"), name]


def ours(window: int = 1, loop: str = "uvloop") -> list[str]:
    """The command of our sender."""
    return [sys.executable, "-m", "tests.bench.serial_ours", str(window), loop]


@contextmanager
def machine(*words: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """A `serial_sink` and its ports."""
    command = [sys.executable, "-m", "tests.bench.serial_sink", *words]
    with subprocess.Popen(bound_to_us(command), cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None, "it was asked for"
            yield process, json.loads(process.stdout.readline())["ports"]
        finally:
            process.kill()


def run(sender: Sequence[str], file: Path, *words: str, first: int = WARM_LINES, last: int = WARM_LINES + LINES) -> Figures:
    """Let `sender` print `file` to the machine that `words` describe, and hear what the machine saw."""
    with machine(*words, "--first", str(first), "--last", str(last)) as (sink, ports):
        command = bound_to_us([*sender, str(file), *ports])
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                assert sink.stdin is not None, "it was asked for"
                assert sink.stdout is not None, "it was asked for"
                sink.stdin.write(f"{process.pid}\n")
                sink.stdin.flush()
                found = json.loads(sink.stdout.readline())
                memory_mb = resident_mb(process.pid)
            finally:
                process.kill()
    lines, seconds, used_s = found["lines"], found["seconds"], found["processor_s"]
    return Figures(lines / seconds, used_s / lines * 1e6, used_s / seconds, found["lost_bytes"], memory_mb)


def _compare(case: str, mine: Sequence[Figures], name: str, theirs: Sequence[Figures]) -> None:
    _LINE(f"{case}: lines", "lines/s", [f.lines_a_s for f in mine], peer=name, theirs=[f.lines_a_s for f in theirs])
    _LINE(f"{case}: processor time a line", "us", [f.line_us for f in mine], peer=name, theirs=[f.line_us for f in theirs])


# --- cases -----------------------------------------------------------------------------------------------------------------------


def one_by_one(file: Path) -> None:
    """One line in flight, a machine that answers at once: the sender is all that counts."""
    install_printrun()
    install_octoprint()
    octoprint = peer("octoprint", str(OCTOPRINT_VENV / "bin" / "python"))
    printcore = peer("printcore", str(PRINTRUN_VENV / "bin" / "python"))
    found: dict[str, list[Figures]] = {name: [] for name in ("ours", "asyncio", "octoprint", "printcore", "echo")}
    for _ in range(RUNS):  # interleaved: what else this machine does hits all of them
        found["ours"].append(run(ours(), file, "instant"))
        found["octoprint"].append(run(octoprint, file, "instant", last=WARM_LINES + LINES // 3))
        found["asyncio"].append(run(ours(loop="asyncio"), file, "instant"))
        found["printcore"].append(run(printcore, file, "instant", first=500, last=PRINTCORE_LINES))
        found["echo"].append(run(peer("echo-waiting"), file, "instant"))
    _compare("window 1, on uvloop", found["ours"], "OctoPrint's comm layer", found["octoprint"])
    _compare("window 1, on uvloop", found["ours"], "printrun's printcore", found["printcore"])
    _compare("window 1, on asyncio's loop", found["asyncio"], "OctoPrint's comm layer", found["octoprint"])
    _compare("window 1, on uvloop", found["ours"], "bare loop, the limit", found["echo"])


def starved(file: Path) -> None:
    """A machine that needs 3 ms to answer and could take much more: the window opens by itself."""
    slow = ("uart", "--baud", "0", "--latency-s", "0.003")
    wide = [run(ours(3), file, *slow, first=400, last=2_400) for _ in range(RUNS)]
    narrow = [run(ours(1), file, *slow, first=400, last=1_400) for _ in range(RUNS)]
    _compare("starved, the window opens by itself", wide, "ours with window 1", narrow)


def wires(file: Path) -> None:
    """UARTs with a receive buffer of 128 bytes; the limit is arithmetic: the bytes of a line, ten bits each."""
    for baud in BAUDS:
        words, last = ("uart", "--baud", str(baud)), 400 + int(baud / 380 * UART_S)
        limit = baud / 10 / framed_bytes(file, 400, last)
        wide = [run(ours(3), file, *words, first=400, last=last) for _ in range(RUNS)]
        narrow = [run(ours(1), file, *words, first=400, last=last) for _ in range(RUNS)]
        rates = [f.lines_a_s for f in wide]
        _LINE(f"{baud} baud: lines", "lines/s", rates, peer="what the wire allows", theirs=[limit])
        _LINE(f"{baud} baud: lines", "lines/s", rates, peer="ours with window 1", theirs=[f.lines_a_s for f in narrow])
        _LINE(f"{baud} baud: bytes lost by the receive buffer, all runs", "B", [sum(f.lost_bytes for f in wide + narrow)])


def many(file: Path) -> None:
    """64 printers in one process, each at 300 lines a second: planners that are full, as in a print."""
    words = ("paced", "--machines", str(MANY), "--move-s", str(1 / MANY_LINES_A_S))
    first, total = MANY * MANY_LINES_A_S * 6, int(MANY * MANY_LINES_A_S * MANY_S)
    mine, bare = [], []
    for _ in range(RUNS):
        mine.append(run(ours(3), file, *words, first=first, last=first + total))
        bare.append(run(peer("echo-many"), file, *words, first=first, last=first + total))
    limit = "bare loop, the limit"
    _LINE(f"{MANY} printers at {MANY_LINES_A_S} lines/s: lines", "lines/s", [f.lines_a_s for f in mine])
    _LINE(f"{MANY} printers: of one core", "%", [f.core * 100 for f in mine], peer=limit, theirs=[f.core * 100 for f in bare])
    _LINE(f"{MANY} printers: processor time a line", "us", [f.line_us for f in mine], peer=limit, theirs=[f.line_us for f in bare])
    alone = run(ours(3), file, "paced", "--move-s", str(1 / MANY_LINES_A_S), first=600, last=1_200)
    each_mb = (mine[0].resident_mb - alone.resident_mb) / (MANY - 1)
    _LINE("memory of drivers only, a printer that prints", "MB", [each_mb])


def agent(folder: Path, printers: int) -> float:
    """Resident memory in MB of a real `farm node` that has connected to so many printers."""
    with machine("paced", "--machines", str(printers)) as (sink, ports):
        (folder / "identity.json").write_text(_IDENTITY)
        sections = [
            f'[[printers]]\nname = "p{index}"\nurl = "marlin://{port}?baud=115200"\nprofile = "generic-210"\n'
            for index, port in enumerate(ports)
        ]
        (folder / "node.toml").write_text("".join(sections) + "[page]\nport = 0\n")
        command = [sys.executable, *LEAN, "-m", "farm.node", "--config", str(folder / "node.toml"), "--data", str(folder)]
        with subprocess.Popen(bound_to_us(command), cwd=ROOT, stderr=subprocess.DEVNULL) as process:
            assert sink.stdin is not None, "it was asked for"
            sink.stdin.write(f"{process.pid}\n")
            sink.stdin.flush()
            time.sleep(SETTLED_S)
            try:
                return resident_mb(process.pid)
            finally:
                process.terminate()


def memory() -> None:
    """An agent with one printer, and with 64."""
    found = []
    for printers in (1, MANY):
        with tempfile.TemporaryDirectory(prefix="essaim-bench-") as name:
            found.append(agent(Path(name), printers))
            _LINE(f"memory of an agent with {printers} printers, RSS", "MB", found[-1:])
    _LINE("memory of an agent, each more printer", "MB", [(found[1] - found[0]) / (MANY - 1)])


def noisy_mm(lines: int, baud: int, count: int) -> float:
    """How many mm of filament too much or too little a print of `count` moves used with one line in ten spoilt on its way."""
    world = World(FirmwareOptions(uart_baud=baud), window=Window(lines, hungry_answers=0, clean_lines=0)).connected()
    world.to_machine = Noise(lines, 0.1, drops=False)
    world.print_lines([*HEATED, *moves(count)], begun=False)
    ending = world.ended(limit_s=100 * count)
    assert ending.end is PrintEnd.DONE, ending
    return abs(world.firmware.bed.extruded_mm - count * 0.04)


def noisy(count: int = NOISY_LINES) -> None:
    """10 % of the lines spoilt: what left the nozzle is what the file says, with every window and on every wire."""
    for lines in (1, 2, 3):
        wrong_mm = max(noisy_mm(lines, baud, count) for baud in (0, *BAUDS))
        _LINE(f"10 % bad lines, window {lines}, {count:,} moves: filament too much or too little", "mm", [round(wrong_mm, 6)])


def main() -> None:
    """Run all cases."""
    with tempfile.TemporaryDirectory(prefix="essaim-bench-") as name:
        file = Path(name) / "moves.gcode"
        write_moves(file, 2 * (WARM_LINES + LINES))
        one_by_one(file)
        starved(file)
        wires(file)
        write_moves(file, int(MANY_LINES_A_S * (MANY_S + 20)))
        many(file)
    memory()
    noisy()
    _LINE("load average of this machine at the end, 15 minutes", "processes", [getloadavg()[2]])
