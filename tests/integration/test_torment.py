"""Real processes are killed, stopped, cut off and starved for ten rounds, and not a part is lost or counted twice."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from farm.bus.broker import find_mosquitto
from farm.process import bound_to_us
from tests.integration.real import require
from tests.torment.stage import left_over

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("torment"), pytest.mark.timeout(700)]

ROOT = Path(__file__).parent.parent.parent
TORMENT = [sys.executable, "-m", "tests.torment"]
PATIENCE_S = 600.0


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "TMPDIR": str(folder)}
    pipe = subprocess.PIPE
    return subprocess.Popen(bound_to_us([*TORMENT, *words]), cwd=ROOT, env=environment, text=True, stdout=pipe, stderr=pipe)


def test_ten_rounds_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    require("mosquitto", find_mosquitto() is not None)
    require("root with ip netns", os.geteuid() == 0)
    with start(tmp_path, "--rounds", "10", "--seed", "2026", "--json") as process:
        said, told = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, told
    result = json.loads(said.splitlines()[-1])
    assert (result["rounds"], result["lost"], result["doubled"], result["violations"]) == (10, 0, 0, 0)
    assert result["kills"] >= 5
    assert result["good"] >= 10
    assert result["jobs"] >= 10
    assert result["samples"] >= 100
    assert told.count("round ") == 10
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    require("mosquitto", find_mosquitto() is not None)
    with start(tmp_path, "--rounds", "10", "--seed", "1") as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert re.search(r"round 1: ", line), line
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 130
    assert left_over(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
