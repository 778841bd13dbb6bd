"""Whatever the cable does to single bytes: the executed lines are exactly the file, or the job fails with a named fault.

What XOR checksums cannot see (two flips in the same bit of one line) no sender can promise, so each line is hit at most once. A
line end is not flipped towards the machine: a cut tail can run without its number (measured on Marlin), and no answer tells.
"""

import random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from drivers.base import PrintEnd
from drivers.marlin.faults import BY_CODE
from drivers.marlin.protocol import Protocol
from drivers.marlin.window import Window
from drivers.virtual.options import FirmwareOptions
from tests.stateful.effort import examples
from tests.unit.drivers.marlin.world import HEATED, World, moves, printed

COUNT = 40
NO_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)  # a seed does not get simpler


class Noise:
    """Flips one bit, or drops one byte, in some lines."""

    def __init__(self, seed: int, ratio: float, *, drops: bool) -> None:
        self._random = random.Random(seed)
        self._ratio = ratio
        self._drops = drops
        self.hits = 0

    def __call__(self, data: bytes) -> bytes:
        return b"".join(self._line(line) for line in data.splitlines(keepends=True))

    def _line(self, line: bytes) -> bytes:
        if len(line) < 2 or self._random.random() >= self._ratio:
            return line
        self.hits += 1
        index = self._random.randrange(len(line) - 1)
        if self._drops and self._random.random() < 0.3:
            return line[:index] + line[index + 1 :]
        flipped = line[index] ^ (1 << self._random.randrange(8))
        if flipped in b"\r\n":
            flipped = line[index] ^ 0x80
        return line[:index] + bytes([flipped]) + line[index + 1 :]


def _window(lines: int) -> Window:
    """So many lines beside each other without waiting for hunger, and again soon after trouble: more than ever happens."""
    return Window(lines, hungry_answers=0, clean_lines=0)


def _noisy_print(world: World, towards: float, back: float, seed: int) -> None:
    """Print `moves(COUNT)` over the noise and judge what came of it."""
    # a dropped byte can turn `N7 G1...` into ` G1...` only by luck with the number; flips are enough towards the machine
    world.to_machine = Noise(seed, towards, drops=False)
    world.to_host = Noise(seed + 1, back, drops=True)
    world.print_lines([*HEATED, *moves(COUNT)], begun=False)
    ending = world.ended(limit_s=7200)
    executed = printed(world.firmware.executed)
    if ending.end is PrintEnd.DONE:
        assert executed == moves(COUNT)
        assert world.firmware.bed.extruded_mm == pytest.approx(COUNT * 0.04, abs=1e-6)
    else:
        assert ending.fault is not None
        assert ending.fault.code in BY_CODE
        assert len(set(executed)) == len(executed)


@given(
    towards=st.sampled_from([0.0, 0.02, 0.1, 0.3]),
    back=st.sampled_from([0.0, 0.02, 0.1, 0.2]),
    seed=st.integers(0, 2**32),
    advanced=st.booleans(),
    lines=st.integers(1, 3),
    baud=st.sampled_from([0, 115_200, 250_000]),
)
@settings(max_examples=examples(200), deadline=None, phases=NO_SHRINKING, suppress_health_check=[HealthCheck.too_slow])
def test_exactly_the_file_or_a_named_fault(towards: float, back: float, seed: int, advanced: bool, lines: int, baud: int) -> None:
    options = FirmwareOptions(advanced_ok=advanced, uart_baud=baud)
    _noisy_print(World(options, window=_window(lines)).connected(), towards, back, seed)


@pytest.mark.parametrize("lines", [1, 3])
@pytest.mark.parametrize("seed", range(6))
def test_the_short_way_says_the_same_over_noise(monkeypatch: pytest.MonkeyPatch, lines: int, seed: int) -> None:
    said: list[object] = []
    streams = Protocol.streams
    taken: list[bytes] = []

    def counted(protocol: Protocol, data: bytes, now_s: float) -> bytes | None:
        if (answer := streams(protocol, data, now_s)) is not None:
            taken.append(answer)
        return answer

    for way in (counted, lambda *_: None):
        monkeypatch.setattr(Protocol, "streams", way)
        window = _window(lines) if seed % 2 else Window(lines, hungry_answers=8, clean_lines=16)
        world = World(FirmwareOptions(uart_baud=(0, 115_200, 250_000)[seed % 3]), window=window).connected()
        world.to_machine = Noise(seed, 0.05, drops=False)
        world.to_host = Noise(seed + 100, 0.05, drops=True)
        world.print_lines([*HEATED, *moves(150)], begun=False)
        said.append((world.ended(limit_s=7200), bytes(world.sent), world.firmware.executed))
    assert said[0] == said[1]
    assert len(taken) > 30


@pytest.mark.parametrize("lines", [1, 2, 3])
@pytest.mark.parametrize("baud", [0, 115_200])
def test_ten_percent_of_bad_lines_extrude_not_a_hair_more(lines: int, baud: int) -> None:
    world = World(FirmwareOptions(uart_baud=baud), window=_window(lines)).connected()
    noise = Noise(lines, 0.1, drops=False)
    world.to_machine = noise
    world.print_lines([*HEATED, *moves(800)], begun=False)
    assert world.ended(limit_s=7200).end is PrintEnd.DONE
    assert printed(world.firmware.executed) == moves(800)
    assert world.firmware.bed.extruded_mm == pytest.approx(800 * 0.04, abs=1e-6)
    assert noise.hits > 40


@pytest.mark.parametrize("baud", [115_200, 250_000])
def test_a_window_drops_no_byte(baud: int) -> None:
    world = World(FirmwareOptions(uart_baud=baud), window=_window(3)).connected()
    world.print_lines([*HEATED, *moves(400)])
    assert world.ended(limit_s=7200).end is PrintEnd.DONE
    assert world.firmware.receiver.dropped_bytes == 0
    assert bytes(world.sent).count(b" " * 12 + b"N") > 200  # it was used
    assert printed(world.firmware.executed) == moves(400)


@pytest.mark.parametrize("seed", range(5))
def test_two_percent_of_bad_lines_are_printed_through(seed: int) -> None:
    world = World().connected()
    noise = Noise(seed, 0.02, drops=False)
    world.to_machine = noise
    program = [*HEATED, *moves(400)]
    world.print_lines(program, begun=False)
    assert world.ended(limit_s=7200).end is PrintEnd.DONE
    assert printed(world.firmware.executed) == moves(400)
    assert noise.hits > 0


@given(
    faults=st.lists(st.sampled_from(["lose", "double", "late", "freeze"]), max_size=8),
    seed=st.integers(0, 1000),
    lines=st.integers(1, 3),
    advanced=st.booleans(),
    baud=st.sampled_from([0, 115_200]),
)
@settings(max_examples=examples(120), deadline=None, phases=NO_SHRINKING)
def test_lost_doubled_and_late_oks_and_freezes_cost_no_line(
    faults: list[str], seed: int, lines: int, advanced: bool, baud: int
) -> None:
    world = World(FirmwareOptions(advanced_ok=advanced, uart_baud=baud), window=_window(lines)).connected()
    world.print_lines([*HEATED, *moves(COUNT)])
    pause = random.Random(seed)
    for fault in faults:
        world.pass_time(pause.random() * 20)
        if fault == "lose":
            world.firmware.faults.lose_oks += 1
        elif fault == "double":
            world.firmware.faults.double_oks += 1
        elif fault == "late":
            world.firmware.faults.late_ok_s = pause.random() * 8
            world.firmware.faults.late_oks += 1
        else:
            world.firmware.freeze(pause.random() * 25, world.now_s)
    assert world.ended(limit_s=7200).end is PrintEnd.DONE
    assert printed(world.firmware.executed) == moves(COUNT)


@given(st.binary(max_size=300), st.integers(0, 100))
@settings(max_examples=examples(40), deadline=None, phases=NO_SHRINKING)
def test_no_bytes_of_the_machine_break_the_session(data: bytes, steps: int) -> None:
    world = World().connected()
    world.print_lines([*HEATED, *moves(5)], begun=False)
    for _ in range(steps):
        world.step()
    world.protocol.receive(data, world.now_s)
    world.protocol.receive(b"\n", world.now_s)
    world.run(lambda: world.protocol.job is None, limit_s=7200)
