"""An agent dies by kill -9 in mid-print, and the next one goes on: real processes, real ptys, the real keeper of bookmarks."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from drivers.base import Bookmark
from farm.node.bookmarks import read, write
from tests.integration.marlin_child import JOB
from tests.unit.drivers.marlin.world import HEATED, moves
from tests.virtual_printers import VirtualPrinters

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(600)]
SPEED = 30.0
MOVES = 1500
PROGRAM = [*HEATED, "G1 Z0.3 F600", *moves(MOVES), "M104 S0", "M84"]
LIMIT_S = 180.0


class Bench:
    def __init__(self, folder: Path, printers: VirtualPrinters) -> None:
        self.printers = printers
        self.kept = folder / "bookmark"
        self._program = folder / "frame.gcode"
        self._program.write_text("\n".join(PROGRAM) + "\n")
        self._said = folder / "said"
        self._child: subprocess.Popen[bytes] | None = None
        self._round = 0

    def spawn(self, act: str) -> None:
        """Start an agent; what it says goes to a file, so that nobody has to read a pipe."""
        self._round += 1
        self._said = self._said.with_name(f"said-{self._round}")
        # the firmware's seconds are short here, and so would its patience be
        url = f"marlin://{self.printers.path(1)}?baud=115200&deadman_s=3600"
        command = [sys.executable, "-m", "tests.integration.marlin_child", act, url, str(self._program), str(self.kept)]
        with self._said.open("wb") as file:
            self._child = subprocess.Popen(command, stdout=file, cwd=Path(__file__).parents[2])

    def said(self) -> dict[str, Any]:
        """Everything that the agent has said, newest wins."""
        found: dict[str, Any] = {}
        for line in self._said.read_text().splitlines(keepends=True):
            if line.endswith("\n"):
                found |= json.loads(line)
        return found

    def until(self, done: Callable[[], bool]) -> None:
        end_s = time.monotonic() + LIMIT_S
        while not done():
            assert time.monotonic() < end_s, self.said()
            time.sleep(0.02)

    def truth(self) -> dict[str, Any]:
        return self.printers.ask(1, snapshot=True)

    def start(self, *, until_mm: float) -> None:
        self.spawn("start")
        self.until(lambda: self.truth()["extruded_mm"] > until_mm)

    def kill(self) -> None:
        assert self._child is not None
        os.kill(self._child.pid, signal.SIGKILL)
        self._child.wait()

    def over(self) -> dict[str, Any]:
        assert self._child is not None
        assert self._child.wait(LIMIT_S) == 0
        return self.said()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with VirtualPrinters(tmp_path, count=1, speed=SPEED) as printers:
        bench = Bench(tmp_path, printers)
        yield bench
        if bench._child is not None and bench._child.poll() is None:
            bench.kill()


def test_killed_three_times_the_print_is_exact(bench: Bench) -> None:
    chance = random.Random(7)
    whole_mm = MOVES * 0.04
    bench.start(until_mm=5.0)
    for share in (0.2, 0.4, 0.6):
        until_mm = whole_mm * share + chance.random() * 5.0
        bench.until(lambda until_mm=until_mm: bench.truth()["extruded_mm"] > until_mm)  # type: ignore[misc]
        bench.kill()
        bench.spawn("trace")
        bench.until(lambda: "running" in bench.said())
        assert bench.said()["running"], bench.said()
    said = bench.over()
    assert said["end"] == "done"
    assert bench.truth()["extruded_mm"] == pytest.approx(whole_mm, abs=1e-6)


def test_too_long_a_gap_makes_the_machine_safe(bench: Bench) -> None:
    bench.start(until_mm=10.0)
    bench.kill()
    text = read(bench.kept, JOB)
    assert text is not None
    older = json.loads(text)
    older["t"] -= 20.0  # as if the computer had needed so long to come back
    write(bench.kept, Bookmark(JOB, json.dumps(older)))
    bench.spawn("trace")
    said = bench.over()
    assert (said["running"], said["traced"]) == (False, "interrupted")
    assert "stood for" in said["detail"]
    truth = bench.truth()
    assert truth["nozzle_c"][1] == 0.0
    assert truth["extruded_mm"] < MOVES * 0.04


def test_a_reset_in_between_fails_the_job(bench: Bench) -> None:
    bench.start(until_mm=10.0)
    bench.kill()
    bench.printers.control(1, fault="reset")
    before_mm = bench.truth()["extruded_mm"]
    bench.spawn("trace")
    said = bench.over()
    assert (said["running"], said["traced"]) == (False, "failed")
    assert bench.truth()["extruded_mm"] == before_mm
