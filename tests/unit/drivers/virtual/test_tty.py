import os
from collections.abc import Iterator

import pytest
import serial

from drivers.virtual.tty import STEAL_BYTES, Intruder, host_baud


@pytest.fixture
def pty() -> Iterator[tuple[int, str]]:
    master, slave = os.openpty()
    yield master, os.ttyname(slave)
    os.close(slave)
    os.close(master)


@pytest.mark.parametrize("baud", [9600, 57_600, 115_200, 250_000, 500_000, 1_000_000, 123_456])
def test_the_master_shows_the_speed_of_the_host(pty: tuple[int, str], baud: int) -> None:
    master, path = pty
    with serial.Serial(path, baud):
        assert host_baud(master) == baud


def test_an_intruder_takes_what_the_host_does_not_get(pty: tuple[int, str]) -> None:
    master, path = pty
    with serial.Serial(path, 115_200, timeout=0):
        intruder = Intruder(path, locks=False)
        os.write(master, b"x" * (STEAL_BYTES + 10))
        intruder.steal()
        assert intruder.stolen == STEAL_BYTES
        intruder.steal()
        intruder.steal()  # nothing is left, and that is no error
        assert intruder.stolen == STEAL_BYTES + 10
        intruder.close()


def test_a_locking_intruder_takes_nothing_and_is_alone(pty: tuple[int, str]) -> None:
    master, path = pty
    first = Intruder(path, locks=True)
    os.write(master, b"x")
    first.steal()
    assert first.stolen == 0
    with pytest.raises(BlockingIOError):
        Intruder(path, locks=True)
    first.close()
    Intruder(path, locks=True).close()
