"""`./farm.sh bench gcode [FILE...] [--large]`: how fast and how truly a program is read, beside OctoPrint and gcode-lib.

Aims: 8x OctoPrint's MB/s on a 13 MB file from NumPy, 40x with the compiled kernel; at most 120 MB of memory on a 66 MB file
(`--large`); `farm gcode facts` of a frame in 0.2 s of processor time; time within 1 % of the slicer's own, filament within 0.1 %.

Without files it reads a real frame, a stack of about 13 MB made of its layers, and with `--large` one of 66 MB. Every run is a
process of its own, and runs are interleaved. "Scan" is what the reading itself costs, "process" all of it with the start of Python
and imports; both are processor time, so that a busy machine counts less. OctoPrint's scan is measured in the same way inside it.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final

from gcode.containers import Kind, open_program
from gcode.scan.kernel import available, missing_because
from tests.bench.gcode_inputs import real_frame, stacked
from tests.bench.report import report
from tests.test import OCTOPRINT_VENV, ROOT, install_octoprint

RUNS: Final = 3
STACK_BYTES: Final = 13_500_000
LARGE_BYTES: Final = 67_300_000
GCODE_LIB_VENV: Final = ROOT / ".venv-gcode-lib"
GCODE_LIB: Final = "gcode-lib==1.1.13"
_PEERS: Final = ("octoprint", "gcode-lib")
_LINE: Final = partial(report, "gcode")


@dataclass(frozen=True, slots=True)
class Run:
    """What one process told and cost."""

    scan_s: float
    process_s: float
    peak_mb: float
    found: dict[str, Any]


def install_gcode_lib() -> None:
    """Make gcode-lib's own environment (GPL, so it never shares ours)."""
    stamp = GCODE_LIB_VENV / "essaim-installed"
    if stamp.is_file() and stamp.read_text("ascii") == GCODE_LIB:
        return
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(GCODE_LIB_VENV)], check=True)
    pip = [str(GCODE_LIB_VENV / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, GCODE_LIB], check=True)
    stamp.write_text(GCODE_LIB, "ascii")


def command(engine: str) -> list[str]:
    """How a process that reads with `engine` is started; the file comes behind."""
    peers = str(ROOT / "tests" / "bench" / "gcode_peers.py")
    match engine:
        case "octoprint":
            return [str(OCTOPRINT_VENV / "bin" / "python"), "-P", peers, engine]
        case "gcode-lib":
            return [str(GCODE_LIB_VENV / "bin" / "python"), "-P", peers, engine]
        case _:
            return [sys.executable, "-m", "tests.bench.gcode_ours", engine]


def run(engine: str, path: Path) -> Run:
    """Read `path` once in a process of its own.

    Raises:
        RuntimeError: the process failed.

    """
    with subprocess.Popen([*command(engine), str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None, "it was asked for"
        told = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{engine} failed on {path.name}")
    found = json.loads(told.splitlines()[-1])
    return Run(found["cpu_s"], usage.ru_utime + usage.ru_stime, found["peak_mb"], found)


def command_s(path: Path) -> float:
    """Processor time of `farm gcode facts`, as a person types it, seconds."""
    with subprocess.Popen(
        [sys.executable, "-m", "farm", "gcode", "facts", str(path)], cwd=ROOT, stdout=subprocess.DEVNULL
    ) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"farm gcode facts failed on {path.name}")
    return usage.ru_utime + usage.ru_stime


def measure(path: Path, engines: Sequence[str], runs: int) -> dict[str, list[Run]]:
    """Read `path` with every engine, one after the other, `runs` times."""
    found: dict[str, list[Run]] = {engine: [] for engine in engines}
    for _ in range(runs):
        for engine in engines:
            found[engine].append(run(engine, path))
    return found


def _figures(path: Path, found: dict[str, list[Run]], peer: str) -> None:
    """Every engine's speed beside the peer's; of those that are used daily also what the whole process costs."""
    megabytes = path.stat().st_size / 1e6
    theirs = found[peer]
    for engine, runs in found.items():
        if engine in _PEERS:
            continue
        line = partial(_LINE, peer=peer)
        case = f"{path.name} ({megabytes:.1f} MB), {engine}"
        rates = [megabytes / one.scan_s for one in theirs]
        line(f"{case}: scan", "read MB/s", [megabytes / one.scan_s for one in runs], theirs=rates)
        if engine not in {"interpreter", "memchr"} and peer == _PEERS[0]:
            line(f"{case}: scan", "s CPU", [one.scan_s for one in runs], theirs=[one.scan_s for one in theirs])
            line(f"{case}: whole process", "s CPU", [one.process_s for one in runs], theirs=[one.process_s for one in theirs])
        if engine != "memchr":
            line(f"{case}: peak memory", "MB", [one.peak_mb for one in runs], theirs=[one.peak_mb for one in theirs])


def _truth(path: Path, found: dict[str, list[Run]]) -> None:
    """How far time and filament are from what the slicer wrote, in percent of it, without sign."""
    claims = found["kernel" if "kernel" in found else "numpy"][0].found
    for what, claim in (("time", claims["claimed_time_s"]), ("filament", claims["claimed_filament_mm"])):
        if not claim:
            continue
        key = "time_s" if what == "time" else "filament_mm"
        off = {
            engine: [abs(one.found[key] / claim - 1) * 100 for one in runs]
            for engine, runs in found.items()
            if key in runs[0].found
        }
        for peer in [name for name in _PEERS if name in off]:
            for engine in [name for name in off if name not in _PEERS]:
                _LINE(f"{path.name}, {engine}: {what} off the slicer's", "%", off[engine], peer=peer, theirs=off[peer])


def _engines(*others: str) -> list[str]:
    if available():
        return ["numpy", "kernel", "checks", *others]
    sys.stderr.write(f"Without the compiled kernel: {missing_because()}\n")
    return ["numpy", "checks", *others]


def _read(path: Path, *, runs: int = RUNS, real: bool = True) -> None:
    found = measure(path, _engines("interpreter", "memchr", "octoprint", "gcode-lib"), runs)
    for peer in _PEERS:
        _figures(path, found, peer)
    if real:
        _LINE(f"{path.name}: farm gcode facts, whole process", "s CPU", [command_s(path) for _ in range(runs)])
        _truth(path, found)


def _plain(path: Path, folder: Path) -> Path:
    """The file, unpacked where it is packed: the peers read plain text only."""
    with path.open("rb") as file:
        program = open_program(file)
        if program.kind is Kind.GCODE:
            return path
        plain = folder / path.name.removesuffix(".gz").removesuffix(".zst")
        with plain.open("wb") as target:
            shutil.copyfileobj(program.stream, target)
    return plain


def main(files: Sequence[Path] = (), *, large: bool = False) -> None:
    """Read the files, or our own inputs."""
    install_octoprint()
    install_gcode_lib()
    load = median(os.getloadavg())
    sys.stderr.write(f"load at the beginning {load:.1f}, {os.cpu_count()} cores\n")
    with tempfile.TemporaryDirectory(prefix="essaim-bench-") as name:
        folder = Path(name)
        for path in files:
            _read(_plain(path.resolve(), folder))
        if not files:
            _read(real_frame())
            _read(stacked(folder, STACK_BYTES), real=False)
        if large:
            path = stacked(folder, LARGE_BYTES)
            _figures(path, measure(path, _engines("octoprint"), 1), "octoprint")


if __name__ == "__main__":
    main([Path(word) for word in sys.argv[1:]])
