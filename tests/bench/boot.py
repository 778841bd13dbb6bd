"""`./farm.sh bench boot`: start-up time, memory at rest, and what a printing farm writes to the disk.

Aims: `/healthz` within 2 s, daemon <= 120 MB, agent with one Marlin printer <= 50 MB, a printing agent <= 5 kB/s a printer, the
daemon <= 2 kB/s a printer. No peer runs beside them.
"""

import os
import re
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final

from farm.commands.client import FarmClient, Target
from farm.commands.demo import DESIGN, REVISION
from farm.commands.local_farm import LocalFarm
from gcode.frame import frame_program
from gcode.profile import bundled_profiles
from tests.bench.processes import resident_mb, written_bytes
from tests.bench.report import report
from tests.virtual_printers import VirtualPrinters

ROOT: Final = Path(__file__).parents[2]
_URL: Final = re.compile(r"http://127\.0\.0\.1:\d+")
_FIRST_LAYER: Final = 1 / 17  # of a visor frame
FRESH_RUNS: Final = 1
RUNS: Final = 5
SETTLE_S: Final = 10.0
PRINTING_S: Final = 60.0
PRINTERS: Final = 4


def _pid(process: object) -> int:
    pid: int = getattr(process, "pid")  # noqa: B009 - Popen or None: a bench that did not start must fail here
    return pid


def _start_seconds() -> tuple[float, float]:
    """Until /healthz is answered: (first start with its new database, any later start)."""
    with tempfile.TemporaryDirectory(prefix="essaim-bench-") as name, LocalFarm(Path(name)) as farm:

        def start() -> float:
            started_s = time.monotonic()
            farm.daemon.start()
            farm.wait_until(lambda: farm.answers("/healthz"), what="/healthz", child=farm.daemon)
            return time.monotonic() - started_s

        first_s = start()
        farm.daemon.end()
        return first_s, start()


def _at_rest() -> tuple[float, float]:
    with (
        tempfile.TemporaryDirectory(prefix="essaim-bench-") as name,
        VirtualPrinters(Path(name), count=1, speed=1.0) as virtual,
        LocalFarm(Path(name)) as farm,
    ):
        farm.start_daemon()
        farm.add_node("bench", virtual.sections())
        farm.wait_until(lambda: any(printer["state"] == "idle" for printer in farm.get("/printers")), what="a printer")
        time.sleep(SETTLE_S)
        return resident_mb(_pid(farm.daemon.process)), resident_mb(_pid(farm.nodes["bench"].process))


def _written_while_printing() -> tuple[float, float]:
    """Bytes a second and printer: (daemon, agent), real time, real speed."""
    with (
        tempfile.TemporaryDirectory(prefix="essaim-bench-", dir=Path.cwd()) as name,  # not a tmpfs: the kernel counts disks only
        VirtualPrinters(Path(name), count=PRINTERS, speed=1.0) as virtual,
        LocalFarm(Path(name)) as farm,
    ):
        farm.start_daemon()
        farm.add_node("bench", virtual.sections())
        content = frame_program(bundled_profiles()["generic-210"])
        farm.add_program(content, design=DESIGN, revision=REVISION, profile="generic-210", parts=1, material="PLA")
        farm.post("/orders", {"design": DESIGN, "quantity": 100})

        def all_print() -> bool:
            farm.be_the_hands()  # a new printer's bed is unknown
            printers = farm.get("/printers")
            return len(printers) == PRINTERS and all(printer["state"] == "printing" for printer in printers)

        farm.wait_until(all_print, what="all printers to print", timeout_s=600)
        pids = [_pid(farm.daemon.process), _pid(farm.nodes["bench"].process)]
        before = [written_bytes(pid) for pid in pids]
        time.sleep(PRINTING_S)
        after = [written_bytes(pid) for pid in pids]
        daemon, agent = ((end - start) / PRINTING_S / PRINTERS for start, end in zip(before, after, strict=True))
        return daemon, agent


def _fresh_demo_seconds() -> float:
    """From the command to the first printed layer, on a new clone without any environment, downloads included."""
    with tempfile.TemporaryDirectory(prefix="essaim-bench-") as name:
        clone = Path(name) / "essaim"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        environment = {**os.environ, "PATH": "/usr/bin:/bin", "TMPDIR": name}  # neither uv nor our own python
        command = [str(clone / "farm.sh"), "demo", "--broker", "embedded"]
        started_s = time.monotonic()
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as demo:
            try:
                assert demo.stdout is not None
                url = next(found[0] for line in demo.stdout if (found := _URL.search(line)))
                client = FarmClient(Target(url))
                while not any((printer["progress"] or 0) >= _FIRST_LAYER for printer in client.get("/printers")):
                    time.sleep(0.1)
                seconds = time.monotonic() - started_s
                client.close()
            finally:
                demo.terminate()
        return seconds


def main() -> None:
    """Run all cases."""
    starts = [_start_seconds() for _ in range(RUNS)]
    report("boot", "farm serve answers /healthz, first start", "s", [first for first, _ in starts])
    report("boot", "farm serve answers /healthz, later start", "s", [later for _, later in starts])
    rest = [_at_rest() for _ in range(3)]
    report("boot", "daemon at rest, RSS", "MB", [daemon for daemon, _ in rest])
    report("boot", "agent with one Marlin printer, RSS", "MB", [agent for _, agent in rest])
    daemon, agent = _written_while_printing()
    report("boot", f"daemon with {PRINTERS} printing printers, a printer", "B/s", [daemon])
    report("boot", f"agent with {PRINTERS} printing printers, a printer", "B/s", [agent])
    report("boot", "farm.sh demo on a fresh clone, to the first layer", "s", [_fresh_demo_seconds() for _ in range(FRESH_RUNS)])
