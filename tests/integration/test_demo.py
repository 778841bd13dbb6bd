"""`farm demo`: what a newcomer types first."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.integration.command_line import ROOT, run_farm
from tests.patience import PATIENCE_S

pytestmark = [pytest.mark.slow, pytest.mark.real, pytest.mark.xdist_group("chain")]


def processes_of(folder: Path) -> list[str]:
    """Command lines that name `folder`."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (OSError, UnicodeDecodeError):
            continue
        if str(folder) in command:
            found.append(command)
    return found


def start_demo(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "TMPDIR": str(folder), "COLUMNS": "200"}
    command = [sys.executable, "-m", "farm", "demo", "--json", *arguments]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_children(folder: Path) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not any("mosquitto" in command or "embedded" in command for command in processes_of(folder)):
        assert time.monotonic() < deadline_s
        time.sleep(0.2)


def assert_nothing_left(folder: Path) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while (left := processes_of(folder)) and time.monotonic() < deadline_s:
        time.sleep(0.2)
    assert left == []


def test_an_order_is_met_and_the_last_line_says_so(tmp_path: Path) -> None:
    answer = run_farm("demo", "--frames", 3, "--speed", 400, "--exit-when-done", "--json", timeout_s=280, TMPDIR=str(tmp_path))
    assert answer.code == 0, answer
    result = json.loads(answer.out.splitlines()[-1])
    assert {key: result[key] for key in ("ordered", "good", "scrap", "jobs")} == {"ordered": 3, "good": 3, "scrap": 0, "jobs": 3}
    assert result["seconds"] > 0
    assert "http://127.0.0.1:" in answer.err
    assert_nothing_left(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_everything_that_it_started(tmp_path: Path, number: signal.Signals) -> None:
    demo = start_demo(tmp_path)
    wait_for_children(tmp_path)
    demo.send_signal(number)
    _, err = demo.communicate(timeout=60)
    assert demo.returncode == 130, err
    assert "Stopped" in err
    assert_nothing_left(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_kill_9_ends_everything_that_it_started(tmp_path: Path) -> None:
    demo = start_demo(tmp_path)
    wait_for_children(tmp_path)
    demo.kill()
    demo.communicate(timeout=60)
    assert_nothing_left(tmp_path)
