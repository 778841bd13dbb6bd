"""A hundred virtual printers in one process, as a farm for tests and demos needs them."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
import serial

from tests.integration.small_program import small_program
from tests.integration.soak import commands, net_mm
from tests.virtual_printers import VirtualPrinters

COUNT = 100
BUSY = (1, 17, 50, 83, 100)
PROGRAM = small_program(layers=1)


def ping_pong(ports: list[Path]) -> None:
    """The plainest host: one line to each printer, then all their oks."""
    lines = [serial.Serial(str(port), 115_200, timeout=60.0, exclusive=True) for port in ports]
    try:
        for command in commands(PROGRAM):
            for line in lines:
                line.write(f"{command}\n".encode())
            for line in lines:
                while not (heard := line.readline()).startswith(b"ok"):
                    assert heard, command
    finally:
        for line in lines:
            line.close()


@pytest.mark.real
@pytest.mark.slow
def test_a_hundred_printers_in_one_process(tmp_path: Path) -> None:
    with VirtualPrinters(tmp_path, count=COUNT, speed=300.0) as printers:
        assert len({printers.path(number).resolve() for number in range(1, COUNT + 1)}) == COUNT
        ping_pong([printers.path(number) for number in BUSY])
        deadline_s = time.monotonic() + 60
        while not all(printers.ask(number, snapshot=True)["parts_finished"] == 1 for number in BUSY):
            assert time.monotonic() < deadline_s
            time.sleep(0.1)
        truth = printers.truth()
    assert len(truth) == COUNT
    for number, row in enumerate(truth, 1):
        assert row["net_mm"] == pytest.approx(net_mm(PROGRAM) if number in BUSY else 0.0)
        assert row["parts_finished"] == (number in BUSY)


def test_more_than_the_most_are_not_made(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "drivers.virtual", "--count", "500", "--link", str(tmp_path / "virtual"), "--end-with-stdin"]
    done = subprocess.run(command, input="", capture_output=True, text=True, timeout=60, check=True)
    assert len(done.stdout.splitlines()) == 128
