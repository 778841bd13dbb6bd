"""Random files, killed at random moments, with lost oks, noise, windows and late bookmarks: exact, or made safe, never wrong.

`python -m tests.unit.drivers.marlin.test_claim 500` tries as many and counts.
"""

import random
import re
import sys
from collections import Counter

import pytest

from drivers.base import PrintEnd
from drivers.marlin.window import Window
from drivers.virtual.options import FirmwareOptions
from tests.unit.drivers.marlin.test_reattach import Agent
from tests.unit.drivers.marlin.world import HEATED

_MOVES = re.compile(r"^G[0-3] ?.*[XYZE]")
_ZERO = re.compile(r"([A-Z]-?)0(?=\.)")
_LINES = 400


def _place(chance: random.Random) -> str:
    return f"X{chance.randrange(100, 1000) / 10} Y{chance.randrange(100, 1000) / 10}"


def _some(chance: random.Random) -> list[str]:
    """A line or a few, in about the shares of a sliced file, with more of what makes places hard to tell apart."""
    kind = chance.random()
    if kind < 0.7:
        return [f"G1 {_place(chance)} E0.04 F{chance.choice([600, 3000, 9000])}"]
    if kind < 0.8:
        return [chance.choice(["M106 S10", "G1 F1800", "M104 S200", "G92 E0"])]
    if kind < 0.85:
        return ["G1 E-1 F2400", f"G0 {_place(chance)} F9000", "G1 E1 F2400"]
    if kind < 0.88:
        return ["G91", "G1 Z0.2", "G90"]
    if kind < 0.95:
        return [f"G1 E{chance.choice(['0.02', '0.04', '0.06'])}"]
    return [f"G2 {_place(chance)} I5 J0 E0.1"]


def _file(chance: random.Random) -> list[str]:
    body = [line for _ in range(_LINES) for line in _some(chance)]
    return [*HEATED, "G92 E0", "G1 X5 Y5 Z0.3 F6000", *body, "M107"]


def _moves(lines: list[str]) -> list[str]:
    """Without spaces and leading zeros: a move beside others goes as short as it can."""
    return [_ZERO.sub(r"\1", line.replace(" ", "")) for line in lines if _MOVES.match(line)]


def _break(agent: Agent, chance: random.Random) -> None:
    faults = agent.world.firmware.faults
    if chance.random() < 0.01:
        faults.lose_oks = chance.randrange(1, 3)
    if chance.random() < 0.003:
        faults.noise_in = 0.001


def _half_a_line(agent: Agent, chance: random.Random) -> None:
    """What was about to be sent is cut anywhere."""
    data = agent.world.protocol.data_to_send()
    agent.world.wire.feed(data[: chance.randrange(len(data) + 1)], agent.world.now_s)


def killed(seed: int) -> str:
    """Print, die, go on: `exact`, `safe`, `too early`, or what was wrong."""
    chance = random.Random(seed)
    options = FirmwareOptions(advanced_ok=chance.random() < 0.5, emergency_parser=chance.random() < 0.5)
    program = _file(chance)
    agent = Agent(options, late_s=chance.choice([0.0, 0.2, 0.7, 1.0]))
    if chance.random() < 0.5:
        agent.world.protocol.channel.window = Window(3, hungry_answers=5, clean_lines=10)
    noisy, until = chance.random() < 0.4, chance.randrange(3, _LINES)
    agent.start(program)
    while len(agent.world.firmware.executed) < until:
        if noisy:
            _break(agent, chance)
        agent.step()
    agent.world.firmware.faults.noise_in = 0.0
    if not any(at_s <= agent.world.now_s - agent.late_s for at_s, _ in agent.marks):
        return "too early"
    _half_a_line(agent, chance)
    agent.die()
    if not agent.goes_on:
        return "safe"
    end = agent.world.ended().end
    whole = _moves(agent.world.firmware.executed) == _moves(program)
    return "exact" if whole and end is PrintEnd.DONE else f"wrong: seed {seed}, {end}"


@pytest.mark.parametrize("seed", range(12))
def test_it_is_exact_or_made_safe(seed: int) -> None:
    assert killed(seed) in {"exact", "safe", "too early"}


def test_most_of_them_go_on() -> None:
    assert [killed(seed) for seed in range(100, 106)].count("exact") >= 3


def test_a_machine_that_did_not_tell_is_not_trusted() -> None:
    agent = Agent()
    agent.start([*HEATED, "G92 E0", "G1 X5 Y5 Z0.3 F6000", *(f"G1 X{10 + index} Y9 E0.04" for index in range(80))])
    while len(agent.world.firmware.executed) < 60:
        agent.step()
    agent.world.to_host = lambda data: re.sub(rb"X:\d", b"Q:?", data)  # its answer is damaged on the way
    agent.die()
    assert agent.why_not is None
    assert not agent.goes_on


if __name__ == "__main__":
    print(Counter(killed(seed) for seed in range(int(sys.argv[1]))))
