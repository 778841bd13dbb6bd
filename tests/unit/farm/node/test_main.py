import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from farm.node.__main__ import main

ROOT = Path(__file__).parents[4]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.fixture(autouse=True)
def logs() -> Iterator[None]:
    """The logger of a process writes to the standard error that it found; that of this test is closed after it."""
    yield
    structlog.reset_defaults()


def test_a_node_that_has_not_joined_is_told_how(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(tmp_path)]) == 2
    assert "farm node join" in capsys.readouterr().err


def test_a_wrong_configuration_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "node.toml"
    config.write_text("printer = []\n")
    assert main(["--config", str(config)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "Did you mean printers?" in error


def test_the_agent_loads_nothing_that_only_others_need() -> None:
    program = "import sys, farm.node.__main__; print([name for name in sys.argv[1:] if sys.modules.get(name)])"
    heavy = ["rich", "typer", "click", "requests", "urllib3", "octorest", "serial", "websockets", "fastapi", "sqlalchemy", "numpy"]
    done = subprocess.run([sys.executable, "-c", program, *heavy], capture_output=True, text=True, env=ENVIRONMENT, check=True)
    assert done.stdout.strip() == "[]"


def test_it_runs_without_a_farm_and_ends_when_it_is_asked_to(tmp_path: Path) -> None:
    (tmp_path / "identity.json").write_text(
        '{"node":"node-1","name":"n","farm_url":"http://127.0.0.1:9","mqtt_urls":["mqtt://127.0.0.1:9"],"password":"p"}'
    )
    config = tmp_path / "node.toml"
    config.write_text('[[printers]]\nname = "anna"\nurl = "manual://"\nprofile = "generic-210"\n[log]\njson_lines = true\n')
    command = [sys.executable, "-m", "farm.node", "--config", str(config), "--data", str(tmp_path)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
    assert process.stderr is not None
    lines = []
    deadline_s = time.monotonic() + 30
    while time.monotonic() < deadline_s:
        lines.append(process.stderr.readline())
        if "printer.connected" in lines[-1]:
            break
    process.send_signal(signal.SIGTERM)
    rest = process.stderr.read()
    process.stderr.close()
    assert process.wait(20) == 0
    assert any("agent.started" in line for line in lines)
    assert "agent.ended" in rest
