"""`python -m drivers.virtual` as the process that it is."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import serial

from drivers.virtual.control import FAULTS
from drivers.virtual.printer import setting_names
from drivers.virtual.record import digest
from tests.patience import PATIENCE_S
from tests.unit.drivers.virtual.ptys import Seen

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    running: list[subprocess.Popen[str]] = []

    def run(*words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "drivers.virtual", "--speed", "600", *words]
        running.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return running[-1]

    yield run
    for process in running:
        with process:  # closes its pipes and waits
            process.kill()


def answer(process: "subprocess.Popen[str]") -> dict[str, Any]:
    assert process.stdout is not None
    found: dict[str, Any] = json.loads(process.stdout.readline())
    return found


def order(process: "subprocess.Popen[str]", text: str) -> dict[str, Any]:
    assert process.stdin is not None
    process.stdin.write(text + "\n")
    process.stdin.flush()
    return answer(process)


def ask(path: str, *commands: str) -> list[str]:
    with serial.Serial(path, 115200, timeout=PATIENCE_S) as line:
        said = []
        for command in commands:
            line.write(f"{command}\n".encode())
            heard = b""
            while not heard.startswith(b"ok"):
                heard = line.readline()
                assert heard, command
                said.append(heard.decode().strip())
        return said


def state_when(file: Path, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    end_s = time.monotonic() + PATIENCE_S
    while True:
        if file.exists():
            state: dict[str, Any] = json.loads(file.read_text())  # never half written
            if condition(state):
                return state
        assert time.monotonic() < end_s, "the state file never told it"
        time.sleep(0.02)


def test_tells_its_ports_makes_links_and_prints(start: Start, tmp_path: Path) -> None:
    state = tmp_path / "truth.json"
    process = start("--count", "2", "--bed", "300", "--link", str(tmp_path / "printer"), "--state", str(state))
    first, second = answer(process), answer(process)
    assert (first["printer"], second["printer"]) == (1, 2)
    assert first["path"] != second["path"]
    assert (tmp_path / "printer-2").readlink() == Path(second["path"])
    identities = [ask(port["path"], "M115")[0] for port in (first, second)]
    assert identities[0] != identities[1]
    ask(second["path"], "M302 P1", "G28", "M83", "G1 X290 E5", "G1 X10 E5", "M84")
    told = state_when(state, lambda state: state["printers"][1]["parts_finished"] == 1)
    assert [printer["extruded_mm"] for printer in told["printers"]] == [0.0, 10.0]
    assert told["printers"][1]["parts"][0]["cut_moves"] == 0
    assert order(process, '{"printer": 2, "remove_parts": true}') == {"printer": 2, "removed": 1}
    state_when(state, lambda state: state["printers"][1]["standing"] == 0)


def test_obeys_and_refuses_commands(start: Start) -> None:
    process = start()
    port = answer(process)
    assert order(process, '{"printer": 1, "fault": "thermal-runaway"}') == {"printer": 1, "done": "thermal-runaway"}
    assert order(process, '{"printer": 1, "snapshot": true}')["killed"] is True
    assert order(process, '{"printer": 1, "fault": "reset"}') == {"printer": 1, "done": "reset"}
    assert ask(port["path"], "M118 alive")[0] == "alive"
    for nonsense in (
        "no json",
        "{}",
        "[]",
        '{"printer": 7, "fault": "reset"}',
        '{"printer": 1, "fault": "zap"}',
        '{"printer": []}',
    ):
        assert "error" in order(process, nonsense)
    assert ask(port["path"], "M118 still")[0] == "still"


def test_help_lists_every_fault(start: Start) -> None:
    process = start("--help")
    assert process.stdout is not None
    text = process.stdout.read()
    assert process.wait(PATIENCE_S) == 0
    assert [name for name in FAULTS if f"\n  {name} " not in text] == []
    assert [name for name in setting_names() if name not in text] == []


def test_tells_what_was_executed(start: Start) -> None:
    process = start()
    port = answer(process)
    ask(port["path"], "M110 N0", "N1 G90*17", "N2 M82*27")
    assert order(process, '{"printer": 1, "executed": true}') == {
        "printer": 1,
        "executed": ["G90", "M82"],
        "before": [],
        "total": 2,
    }
    told = order(process, '{"printer": 1, "snapshot": true}')
    assert (told["executed"], told["executed_sha256"]) == (2, digest(["G90", "M82"]))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ends_cleanly_on_signals(start: Start, tmp_path: Path, number: signal.Signals) -> None:
    process = start("--link", str(tmp_path / "printer"), "--state", str(tmp_path / "truth.json"))
    pty = Seen(answer(process)["path"])
    process.send_signal(number)
    assert process.wait(PATIENCE_S) == 0
    assert pty.is_gone()
    assert not (tmp_path / "printer-1").is_symlink()
    assert process.stderr is not None
    assert process.stderr.read() == ""


def test_end_of_input_is_no_end_unless_asked(start: Start) -> None:
    stays, goes = start(), start("--end-with-stdin")
    port = answer(stays)
    answer(goes)
    for process in (stays, goes):
        assert process.stdin is not None
        process.stdin.close()
    assert goes.wait(PATIENCE_S) == 0
    assert ask(port["path"], "M118 here")[0] == "here"
    assert stays.poll() is None


def test_firmware_outlives_a_killed_host(start: Start) -> None:
    path = answer(start())["path"]
    steps = (
        "import serial, time",
        f"line = serial.Serial({path!r})",
        "line.write(b'M104 S60\\n')",
        "line.readline()",
        "print('sent', flush=True)",
        "time.sleep(60)",
    )
    program = "; ".join(steps)
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as host:
        assert host.stdout is not None
        assert host.stdout.readline() == b"sent\n"
        host.kill()
    assert "/60.00" in ask(path, "M105")[-1]


def test_wrong_settings_end_with_a_message(start: Start) -> None:
    process = start("--set", "colour=red")
    assert process.wait(PATIENCE_S) == 2
    assert process.stderr is not None
    assert "colour" in process.stderr.read()
