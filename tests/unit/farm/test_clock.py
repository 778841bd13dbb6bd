import asyncio
import time

import pytest

from farm.clock import Clock


class Readings:
    """What the machine's clocks say."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall_s = 1_000_000.0
        self.boot_s = 500.0
        monkeypatch.setattr(time, "time", lambda: self.wall_s)
        monkeypatch.setattr(time, "clock_gettime", lambda clock: {time.CLOCK_BOOTTIME: self.boot_s}[clock])

    def advance(self, seconds: float) -> None:
        self.wall_s += seconds
        self.boot_s += seconds


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> Readings:
    return Readings(monkeypatch)


def test_real_time_is_the_machines(readings: Readings) -> None:
    clock = Clock()
    readings.advance(12.5)
    assert clock.wall_s() == 1_000_012.5
    assert clock.boot_s() == 512.5


def test_scaled_time_runs_faster_from_the_origin(readings: Readings) -> None:
    clock = Clock(factor=60.0, origin_wall_s=readings.wall_s)
    before_s = clock.boot_s()
    readings.advance(10)
    assert clock.wall_s() == 1_000_000 + 600
    assert clock.boot_s() - before_s == 600


def test_processes_with_one_origin_agree_whenever_they_start(readings: Readings) -> None:
    daemon = Clock(factor=60.0, origin_wall_s=readings.wall_s)
    readings.advance(100)
    node = Clock(factor=60.0, origin_wall_s=daemon.origin_wall_s)
    assert node.wall_s() == daemon.wall_s()


def test_a_jump_of_the_wall_clock_does_not_move_durations(readings: Readings) -> None:
    clock = Clock()
    before_s = clock.boot_s()
    readings.wall_s += 3_600
    assert clock.boot_s() == before_s
    assert clock.wall_s() == 1_003_600


def test_farm_seconds_in_real_ones() -> None:
    assert Clock(factor=60.0).real_s(30) == 0.5
    assert Clock().real_s(30) == 30


@pytest.mark.parametrize(
    ("factor", "duration_s", "at_least_real_s", "expected_s"),
    [(1.0, 5.0, 0.0, 5.0), (60.0, 30.0, 0.0, 0.5), (1_000.0, 30.0, 0.2, 0.2), (1.0, 30.0, 0.2, 30.0)],
)
async def test_sleeping(
    monkeypatch: pytest.MonkeyPatch, factor: float, duration_s: float, at_least_real_s: float, expected_s: float
) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    await Clock(factor=factor).sleep(duration_s, at_least_real_s=at_least_real_s)
    assert slept == [expected_s]
