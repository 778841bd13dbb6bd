"""Kill -9 of a real agent in the middle of a print on a printer in a process of its own; seconds later it goes on, exactly."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from farm.process import bound_to_us
from tests.unit.drivers.marlin.world import HEATED, moves
from tests.virtual_printers import VirtualPrinters

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(600)]
SPEED = 30
MOVES = 6_000
EXTRUDED_MM = MOVES * 0.04
LIMIT_S = 240.0


def wait(condition: Callable[[], object], what: str) -> None:
    deadline_s = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline_s, f"waited in vain for {what}"
        time.sleep(0.02)


class Agent:
    """An agent's process."""

    def __init__(self, folder: Path, printers: VirtualPrinters, how: str) -> None:
        # no dead man's switch: the firmware's seconds pass faster than ours
        url = f"marlin://{printers.path(1)}?baud=115200&deadman_s=0"
        command = bound_to_us([sys.executable, "-m", "tests.integration.reattach_agent", str(folder), url, how])
        self.log = (folder / f"{how}.log").open("w+")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, text=True)

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.communicate(timeout=LIMIT_S)
        self.log.close()

    def said(self) -> dict[str, Any]:
        out, _ = self.process.communicate(timeout=LIMIT_S)
        self.log.seek(0)
        errors = self.log.read()
        self.log.close()
        assert self.process.returncode == 0, errors[-4_000:]
        lines = [line for line in out.splitlines() if line.startswith("{")]
        said: dict[str, Any] = json.loads(lines[-1])
        return {**said, "log": out + errors}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    content = "\n".join([*HEATED, "G1 Z0.2 F600", *moves(MOVES), "M104 S0", "M140 S0", ""]).encode()
    (tmp_path / "programs").mkdir()
    (tmp_path / "programs" / f"{hashlib.sha256(content).hexdigest()}.gcode").write_bytes(content)
    return tmp_path


def test_a_killed_agent_goes_on_with_its_print_and_nothing_is_missing_or_doubled(folder: Path) -> None:
    with VirtualPrinters(folder, count=1, speed=SPEED) as printers:
        first = Agent(folder, printers, "begin")
        wait(lambda: printers.ask(1, snapshot=True)["extruded_mm"] > EXTRUDED_MM / 10, "a tenth of the plastic")
        first.kill()
        (bookmark,) = (folder / "bookmarks").iterdir()
        assert bookmark.stat().st_size == 4_096
        stopped = printers.ask(1, snapshot=True)
        assert stopped["extruded_mm"] < EXTRUDED_MM * 0.9, "it was in the middle"
        time.sleep(1.0)
        said = Agent(folder, printers, "go-on").said()
        truth = printers.ask(1, snapshot=True)
    assert (said["outcome"], said["gap"]) == ("printed", False), said["log"][-4_000:]
    assert truth["extruded_mm"] == pytest.approx(EXTRUDED_MM, abs=0.001)
    assert truth["nozzle_c"][1] == 0
    assert not list((folder / "bookmarks").iterdir()), "nobody will ask for it again"


def test_after_a_reset_in_between_it_does_not_go_on(folder: Path) -> None:
    with VirtualPrinters(folder, count=1, speed=SPEED) as printers:
        first = Agent(folder, printers, "begin")
        wait(lambda: printers.ask(1, snapshot=True)["extruded_mm"] > EXTRUDED_MM / 10, "a tenth of the plastic")
        first.kill()
        printers.control(1, fault="reset")
        before = printers.ask(1, snapshot=True)["extruded_mm"]
        said = Agent(folder, printers, "go-on").said()
        truth = printers.ask(1, snapshot=True)
    assert said["outcome"] in {"interrupted", "failed"}, "a person looks: the machine has forgotten where it stood"
    assert truth["extruded_mm"] == pytest.approx(before, abs=5.0), "nothing was printed on"
    assert truth["nozzle_c"][1] == 0
