"""The shortest form of the serial bench, so that it cannot rot. Nothing here asks for a speed."""

import sys
from pathlib import Path

import pytest

from tests.bench import serial
from tests.bench.serial_sink import RING_BYTES, Machine, Uart
from tests.test import OCTOPRINT_VENV, PRINTRUN_VENV


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "moves.gcode"
    serial.write_moves(path, 3_000)
    return path


def test_the_moves_are_as_long_as_those_of_the_aims(file: Path) -> None:
    assert serial.framed_bytes(file, 400, 2_900) == pytest.approx(38, abs=1)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_we_are_measured_by_the_machine(file: Path, loop: str) -> None:
    found = serial.run(serial.ours(loop=loop), file, "instant", first=200, last=1_200)
    assert found.lines_a_s > 0
    assert 0 < found.line_us < 1e6 / found.lines_a_s * 2
    assert found.resident_mb > 1


def test_the_bare_loop_is_measured(file: Path) -> None:
    assert serial.run(serial.peer("echo-waiting"), file, "instant", first=200, last=1_200).lines_a_s > 0


def test_many_printers_of_one_process_are_measured_together(file: Path) -> None:
    words = ("paced", "--machines", "3", "--move-s", "0.002")
    for sender in (serial.ours(3), serial.peer("echo-many")):
        assert serial.run(sender, file, *words, first=300, last=900).lines_a_s > 0


def test_a_uart_loses_nothing_of_ours(file: Path) -> None:
    found = serial.run(serial.ours(3), file, "uart", "--baud", "250000", first=400, last=800)
    assert found.lost_bytes == 0
    assert found.lines_a_s < 250_000 / 10 / 38


@pytest.mark.real
@pytest.mark.slow
def test_octoprints_comm_layer_is_measured(file: Path) -> None:
    sender = serial.peer("octoprint", str(OCTOPRINT_VENV / "bin" / "python"))
    assert serial.run(sender, file, "instant", first=200, last=1_200).lines_a_s > 0


@pytest.mark.real
@pytest.mark.slow
def test_printcore_is_measured(file: Path) -> None:
    sender = serial.peer("printcore", str(PRINTRUN_VENV / "bin" / "python"))
    assert serial.run(sender, file, "instant", first=200, last=700).lines_a_s > 0


@pytest.mark.parametrize("lines", [1, 2, 3])
def test_noise_costs_no_filament(lines: int) -> None:
    assert serial.noisy_mm(lines, 250_000, 200) == pytest.approx(0, abs=1e-6)


def test_the_modelled_uart_takes_its_time_and_loses_what_is_too_much() -> None:
    uart = Uart(115_200, 0.0)
    byte_s = 10 / 115_200
    assert uart.answered_s(38, 0.0) == pytest.approx(41 * byte_s + 0.001)
    assert uart.lost_bytes == 0
    busy = Uart(115_200, 1.0)
    for _ in range(16 + 4 + 3):  # planner and slots are full, and three lines in the buffer
        busy.answered_s(38, 0.0)
    assert busy.fullest_bytes <= RING_BYTES
    busy.answered_s(38, 0.0)
    assert busy.lost_bytes > 0


def test_the_machine_speaks_enough_marlin() -> None:
    machine = Machine(None)
    assert machine.take(b"N1 G1 X1*1\nN2 G1 X2*1\n") == (2, b"")
    assert machine.take(b"\nN2000000000 M105*21\n")[1].startswith(b"Error:Line Number is not Last Line Number+1, Last Line: 2\n")
    assert machine.take(b"N3 M118 fence-3.*1\n") == (0, b"fence-3.\nok\n")
    assert machine.take(b"N0 M110 N0*125\nN1 G28*1\nM1") == (1, b"ok\n")
    assert machine.take(b"15\n")[1].startswith(b"FIRMWARE_NAME:")
    assert machine.moves == 3


def test_it_is_one_of_the_benches(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.bench.__main__ import main  # noqa: PLC0415 - beside what it runs

    ran: list[str] = []
    monkeypatch.setattr(serial, "main", lambda: ran.append("serial"))
    assert main(["serial"]) == 0
    assert ran == ["serial"]
    assert sys.modules["tests.bench.serial"] is serial
