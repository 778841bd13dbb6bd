import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from drivers.errors import AddressError
from farm.node import __main__ as module
from farm.node.__main__ import main, new_loop
from tests.patience import PATIENCE_S
from tests.unit.drivers.marlin.world import HEATED, moves
from tests.virtual_printers import VirtualPrinters

ROOT = Path(__file__).parents[4]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "NODE_PAGE__PORT": "0"}


@pytest.fixture(autouse=True)
def logs() -> Iterator[None]:
    """The logger of a process writes to the standard error that it found; that of this test is closed after it."""
    yield
    structlog.reset_defaults()


def test_a_node_that_has_not_joined_is_told_how(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(tmp_path)]) == 2
    assert "farm node join" in capsys.readouterr().err


def test_a_french_maker_is_told_in_french(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "fr_FR.UTF-8")
    monkeypatch.setenv("FARM_COMMAND", "./farm.sh")
    assert main(["--data", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("Ce nœud n'a rejoint aucune ferme : ")
    assert ": ./farm.sh node join URL CODE" in said
    assert main(_joined(tmp_path, _section(url="marlyn:///dev/ttyUSB0"))) == 2
    *_, said = capsys.readouterr().err.splitlines()
    assert said.startswith("Imprimante 'anna' : ")
    assert main(_joined(tmp_path, _section(profile="generic-21"))) == 2
    *_, said = capsys.readouterr().err.splitlines()
    assert said.startswith(
        "Imprimante 'anna' : il n'y a pas de profil 'generic-21'. Vouliez-vous dire generic-210 ? Profils connus : "
    )


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
    heavy += ["uvicorn", "starlette", "http.server", "farm.node.page.server"]
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
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        lines.append(process.stderr.readline())
        if all(any(event in line for line in lines) for event in ("printer.connected", "page.open")):
            break
    process.send_signal(signal.SIGTERM)
    rest = process.stderr.read()
    process.stderr.close()
    assert process.wait(PATIENCE_S) == 0
    assert any("agent.started" in line for line in lines)
    assert "agent.ended" in rest


def test_without_a_page_nothing_listens(tmp_path: Path) -> None:
    arguments = _joined(tmp_path, "[page]\nenabled = false\n[log]\njson_lines = true\n")
    command = [sys.executable, "-m", "farm.node", *arguments]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
    assert process.stderr is not None
    line = process.stderr.readline()
    assert "agent.started" in line
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    rest = process.stderr.read()
    process.stderr.close()
    assert process.wait(PATIENCE_S) == 0
    assert "page." not in rest
    assert not (tmp_path / "page.json").exists()


def _joined(folder: Path, printers: str) -> list[str]:
    (folder / "identity.json").write_text(
        '{"node":"node-1","name":"n","farm_url":"http://127.0.0.1:9","mqtt_urls":["mqtt://127.0.0.1:9"],"password":"p"}'
    )
    config = folder / "node.toml"
    config.write_text(printers)
    return ["--config", str(config), "--data", str(folder)]


def _section(name: str = "anna", url: str = "manual://", profile: str = "generic-210") -> str:
    return f'[[printers]]\nname = "{name}"\nurl = "{url}"\nprofile = "{profile}"\n'


@pytest.mark.parametrize(
    ("printers", "texts"),
    [
        (_section(profile="generic-21"), ["'anna'", "'generic-21'", "Did you mean generic-210? Known profiles: "]),
        (_section() + _section(), ["Two printers are called 'anna'"]),
        (_section(url="marlyn:///dev/ttyUSB0"), ["'anna'", "marlyn", "marlin://"]),
        (_section(url="marlin://dev/ttyUSB0"), ["'anna'", "names no device"]),
        (_section(url="marlin:///dev/ttyUSB0?baud=fast"), ["'anna'", "not a baud rate"]),
        (_section(url="virtual://?speed=fast"), ["'anna'", "speed=fast", "it must be a number"]),
        (_section(url="virtual://?seed=1.5"), ["'anna'", "seed=1.5", "it must be a whole number"]),
        (_section(url="octoprint+http://host:port"), ["'anna'"]),
        (_section(url="octoprint+http://"), ["'anna'"]),
        (_section(url="http://[::1"), ["'anna'", "cannot be read"]),
    ],
)
def test_a_printer_that_cannot_be_meant_ends_the_start_with_one_line(
    printers: str, texts: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(_joined(tmp_path, printers)) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "agent.ended" not in line]
    for text in texts:
        assert text in line
    for jargon in ("Error", "could not convert", "invalid literal", "Errno"):
        assert jargon not in line


def test_what_a_driver_refuses_is_one_line_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(_settings: object, _folder: Path) -> None:
        raise AddressError("It has no port.", next_step="Give one.")

    monkeypatch.setattr(module, "serve", refuse)
    assert main(["--data", str(tmp_path)]) == 2
    assert capsys.readouterr().err == "It has no port. Give one.\n"


# --- the end in mid-print


def _wait(condition: Callable[[], object], what: str, limit_s: float = PATIENCE_S) -> None:
    deadline_s = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline_s, f"waited in vain for {what}"
        time.sleep(0.05)


def _begin_print(folder: Path, printers: VirtualPrinters) -> "subprocess.Popen[str]":
    """An agent process in mid-print."""
    content = "\n".join([*HEATED, *moves(20_000), "M104 S0", "M140 S0", ""]).encode()
    (folder / "programs").mkdir()
    (folder / "programs" / f"{hashlib.sha256(content).hexdigest()}.gcode").write_bytes(content)
    command = [sys.executable, "-m", "tests.unit.farm.node.one_print", str(folder), str(printers.path(1))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
    _wait(lambda: process.poll() is not None or printers.truth()[0]["extruded_mm"] > 1, "plastic")
    assert printers.truth()[0]["nozzle_c"][1] > 0
    return process


def _said(process: "subprocess.Popen[str]") -> dict[str, Any]:
    out, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, errors
    said: dict[str, Any] = json.loads(out.splitlines()[-1])
    return said


@pytest.mark.real
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_agent_that_is_stopped_in_mid_print_leaves_a_safe_machine(tmp_path: Path, number: signal.Signals) -> None:
    with VirtualPrinters(tmp_path, count=1, speed=20) as printers:
        process = _begin_print(tmp_path, printers)
        process.send_signal(number)
        said = _said(process)
        _wait(lambda: printers.truth()[0]["nozzle_c"][1] == 0, "a nozzle without target")
        assert printers.truth()[0]["bed_c"][1] == 0
    (ended,) = said["ended"]
    assert ended["outcome"] == "interrupted"
    assert "agent was stopped" in ended["detail"]
    (printer,) = said["report"]["printers"]
    assert printer["bed"] == "unknown", "somebody looks at it"
    assert printer["reason"]["en"] == "The agent was stopped."
    assert printer["reason"]["fr"] == "L'agent a été arrêté."
    assert said["started"] == 1


def _catches(pid: int, number: signal.Signals) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    (caught,) = [line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")]
    return bool(int(caught, 16) >> (number - 1) & 1)


@pytest.mark.real
def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    with VirtualPrinters(tmp_path, count=1, speed=20) as printers:
        process = _begin_print(tmp_path, printers)
        printers.control(1, fault="freeze", seconds=2000)  # the machine confirms nothing
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        _wait(lambda: not _catches(process.pid, signal.SIGTERM), "the first signal to be taken")
        time.sleep(0.5)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE_S)
        assert process.returncode == -signal.SIGTERM


def test_the_loop_is_uvloops_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    loops = [new_loop()]
    monkeypatch.setitem(sys.modules, "uvloop", None)  # as where there is no wheel for the machine
    loops.append(new_loop())
    names = [type(loop).__module__.partition(".")[0] for loop in loops]
    for loop in loops:
        loop.close()
    assert names == ["uvloop", "asyncio"]
