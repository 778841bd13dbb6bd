"""A job goes on in another process, exactly, or not at all: two sessions one after the other on the same virtual machine."""

from dataclasses import replace

import pytest

from drivers.base import BOOKMARK_CHARACTERS, PrintEnd
from drivers.marlin.bookmarks import Kept, Mark, decode, encode
from drivers.marlin.claim import REATTACH_S, Claim, Found, objection, possible_lines
from drivers.marlin.events import JobEnded, Ready
from drivers.marlin.job import Phase
from drivers.marlin.lines import ProgramLine
from drivers.marlin.protocol import Protocol
from drivers.marlin.reattach import MARK_S
from drivers.marlin.replay import Replay
from drivers.virtual.options import FirmwareOptions
from gcode.texts import Told
from tests.unit.drivers.marlin.world import HEATED, World, moves, printed

PROGRAM = [*HEATED, "G1 Z0.3 F600", "M106 S128", *moves(300), "M107", *moves(300, start=300), "M104 S0", "M84"]


class Agent:
    """A world whose process can be killed; keeps the newest bookmark that is `late_s` old, as the agent's file does."""

    def __init__(self, options: FirmwareOptions | None = None, *, late_s: float = 0.0) -> None:
        self.world = World(options).connected()
        self.late_s = late_s
        self.marks: list[tuple[float, Mark]] = []
        self.lines: list[ProgramLine] = []
        self.deadman_s = 0  # of the next process
        self.withdraw = False  # the next claim, at once

    def start(self, program: list[str]) -> None:
        offset = 0
        for command in program:
            offset += len(command) + 1
            self.lines.append(ProgramLine(command.encode(), offset))
        self.world.print_lines(program)

    def step(self) -> None:
        if (mark := self.world.protocol.mark(self.world.now_s)) is not None:
            self.marks.append((self.world.now_s, mark))
        self.world.step()

    def run_until_moves(self, count: int) -> None:
        while len(printed(self.world.firmware.executed)) < count:
            self.step()

    def pass_time(self, duration_s: float) -> None:
        end_s = self.world.now_s + duration_s
        while self.world.now_s < end_s:
            self.step()

    @property
    def kept(self) -> Mark:
        """What the file has when the process dies now."""
        return [mark for at_s, mark in self.marks if at_s <= self.world.now_s - self.late_s][-1]

    def die(self) -> None:
        """Die as by kill -9: what was written but not sent is gone, what was sent is with the machine."""
        mark = self.kept
        world = self.world
        world.protocol.data_to_send()
        world.protocol = Protocol(deadman_s=self.deadman_s)
        world.events.clear()
        world._program = []
        world.plugged = False
        world.pass_time(2.0)
        world.replug()
        world.run(lambda: bool(world.of(Ready)), limit_s=600)
        self.claim(mark)

    def claim(self, mark: Mark) -> None:
        world = self.world
        protocol = world.protocol
        kept = Kept(mark, "boot", 0.0)
        found = Found(protocol.found_line, protocol.identity.machine, "boot", 3.0, self.lines[-1].end_offset or 0)
        self.why_not = objection(kept, found)
        if self.why_not is not None or protocol.found_line is None:
            return
        replay = Replay(mark.offset, possible_lines(mark_line=protocol.found_line, kept=kept))
        replay.take(self.lines)
        replay.over()
        protocol.reattach(Claim("job-1", kept, replay, complete=True), world.now_s)
        if self.withdraw:
            protocol.make_safe(world.now_s)
        world.run(lambda: protocol.claim is None, limit_s=120)

    @property
    def goes_on(self) -> bool:
        return self.world.protocol.job is not None


@pytest.mark.parametrize("at_move", [1, 2, 7, 50, 123, 299, 300, 301, 302, 450, 599])
@pytest.mark.parametrize("late_s", [0.0, 0.7], ids=["newest-bookmark", "late-bookmark"])
def test_a_job_goes_on_exactly(at_move: int, late_s: float) -> None:
    agent = Agent(late_s=late_s)
    agent.start(PROGRAM)
    agent.run_until_moves(at_move)
    agent.die()
    assert agent.goes_on, agent.why_not
    assert agent.world.ended().end is PrintEnd.DONE
    assert printed(agent.world.firmware.executed) == moves(600)
    assert agent.world.firmware.bed.snapshot()["extruded_mm"] == pytest.approx(600 * 0.04)
    assert agent.world.firmware.executed.count("M107") in {1, 2}, "what does not move may be said again"


def test_what_the_machine_does_not_know_afterwards_is_of_that_file() -> None:
    agent = Agent()
    agent.start([*HEATED, "G1 Z0.3", *moves(300), "G999"])
    agent.run_until_moves(100)
    agent.die()
    assert agent.goes_on, agent.why_not
    assert "did not know 1 command of this file." in str(agent.world.ended().detail)


def test_what_the_machine_does_not_know_after_it_was_unplugged_for_a_moment_is_of_that_file() -> None:
    world = World().connected()
    world.print_lines([*HEATED, "G1 Z0.3", *moves(300), "G999"])
    world.run(lambda: len(printed(world.firmware.executed)) > 100, limit_s=600)
    world.unplug()
    world.pass_time(2.0)
    world.replug()
    assert "did not know 1 command of this file." in str(world.ended().detail)


def test_it_goes_on_where_the_firmware_has_to_be_asked_for_temperatures() -> None:
    """Our own numbered M105 every 2 s are among the numbers."""
    agent = Agent(late_s=0.7)
    agent.world.protocol.identity.capabilities["AUTOREPORT_TEMP"] = False
    agent.world.to_host = lambda data: data.replace(b"Cap:AUTOREPORT_TEMP:1", b"Cap:AUTOREPORT_TEMP:0")
    agent.start([*HEATED, "G1 Z0.3", *moves(1500)])
    agent.run_until_moves(1100)
    assert agent.world.firmware.executed.count("M105") > 3
    agent.die()
    assert agent.goes_on
    assert agent.world.ended().end is PrintEnd.DONE
    assert printed(agent.world.firmware.executed) == moves(1500)


def test_it_goes_on_after_noise_that_cost_fences() -> None:
    agent = Agent(late_s=0.7)
    agent.start([*HEATED, "G1 Z0.3", *moves(600)])
    for at_move in (100, 200, 300):
        agent.run_until_moves(at_move)
        agent.world.firmware.faults.lose_oks = 1
    agent.run_until_moves(320)
    agent.die()
    assert agent.goes_on
    assert agent.world.ended().end is PrintEnd.DONE
    assert printed(agent.world.firmware.executed) == moves(600)


def test_a_second_death_is_survived_as_well() -> None:
    agent = Agent()
    agent.start(PROGRAM)
    for at_move in (100, 400):
        agent.run_until_moves(at_move)
        agent.die()
        assert agent.goes_on
    assert agent.world.ended().end is PrintEnd.DONE
    assert printed(agent.world.firmware.executed) == moves(600)


def test_absolute_extrusion_is_verified_too() -> None:
    program = [*HEATED[:-1], "M82", "G92 E0", "G1 Z0.3"]
    program += [f"G1 X{10 + index % 80} Y{20 + index / 100:.2f} E{index * 0.05:.3f} F3000" for index in range(400)]
    agent = Agent(late_s=0.7)
    agent.start(program)
    agent.run_until_moves(250)
    agent.die()
    assert agent.goes_on
    assert agent.world.ended().end is PrintEnd.DONE
    assert agent.world.firmware.bed.snapshot()["extruded_mm"] == pytest.approx(399 * 0.05)


def test_a_paused_job_comes_back_paused_and_resumes_exactly() -> None:
    agent = Agent()
    agent.start(PROGRAM)
    agent.run_until_moves(200)
    agent.world.protocol.pause(agent.world.now_s)
    agent.pass_time(20)
    assert agent.kept.parked_at is not None
    agent.die()
    assert agent.world.phase() is Phase.PAUSED
    count = len(printed(agent.world.firmware.executed))
    agent.world.pass_time(60)
    assert len(printed(agent.world.firmware.executed)) == count
    agent.world.protocol.resume(agent.world.now_s)
    assert agent.world.ended().end is PrintEnd.DONE
    assert printed(agent.world.firmware.executed) == moves(600)
    assert agent.world.firmware.bed.snapshot()["extruded_mm"] == pytest.approx(600 * 0.04)


def assert_made_safe(agent: Agent) -> None:
    assert not agent.goes_on
    world = agent.world
    world.protocol.make_safe(world.now_s)
    world.run(lambda: world.phase() is Phase.READY, limit_s=120)
    before = len(printed(world.firmware.executed))
    assert world.firmware.machine.hotend.target_c == 0.0
    world.pass_time(30)
    assert len(printed(world.firmware.executed)) == before
    assert not world.of(JobEnded)


@pytest.mark.parametrize("lines", range(1, 12))
def test_a_death_on_the_way_back_from_a_pause_leaves_no_mode_of_ours(lines: int) -> None:
    """Absolute extrusion, our own speed or place: where the machine stands at the right place all the same, they are set again."""
    agent = Agent()
    agent.start([*HEATED, "G92 E0", "G1 Z0.3 F600", *moves(300), "M104 S0"])
    agent.run_until_moves(120)
    world = agent.world
    world.protocol.pause(world.now_s)
    while not (world.phase() is Phase.PAUSED and not world.protocol.script and world.protocol.channel.idle):
        agent.step()
    agent.pass_time(2)
    world.protocol.resume(world.now_s)
    before = len(world.firmware.executed)
    while len(world.firmware.executed) - before < lines:
        agent.step()
    agent.die()
    assert agent.goes_on is (lines > 3), "before the nozzle is back nobody knows where it is"
    if agent.goes_on:
        assert world.ended().end is PrintEnd.DONE
        assert printed(world.firmware.executed) == moves(300)
        assert world.firmware.bed.snapshot()["extruded_mm"] == pytest.approx(300 * 0.04)


def test_a_long_dwell_soon_after_a_death_is_no_death() -> None:
    """The lines that were read to find the place get the switch off around them as well."""
    agent = Agent()
    agent.world.protocol.deadman_s = 60
    agent.start([*HEATED, "G1 Z0.3", *moves(200), "G4 S200", *moves(100, start=200), "M104 S0"])
    agent.run_until_moves(150)
    agent.deadman_s = 60
    agent.die()
    assert agent.goes_on, agent.why_not
    assert agent.world.ended().end is PrintEnd.DONE
    executed = agent.world.firmware.executed
    dwell = executed.index("G4 S200")
    assert (executed[dwell - 1], executed[dwell + 1]) == ("M85 S0", "M85 S60")
    assert printed(executed) == moves(300)


def test_a_claim_that_is_withdrawn_before_it_is_judged_does_not_go_on() -> None:
    """Who waited too long for the answer has said that the job is over."""
    agent = Agent()
    agent.start(PROGRAM)
    agent.run_until_moves(123)
    world = agent.world
    agent.withdraw = True
    agent.die()
    assert not agent.goes_on
    world.pass_time(30)
    assert len(printed(world.firmware.executed)) < 130
    assert world.phase() is Phase.READY
    assert world.firmware.machine.hotend.target_c == 0


def test_a_nozzle_that_somebody_moved_is_not_trusted() -> None:
    agent = Agent()
    agent.start(PROGRAM)
    agent.run_until_moves(200)
    mark = agent.kept
    agent.world.firmware.feed(b"G0 X1 Y1\n", agent.world.now_s)
    agent.die()
    assert agent.why_not is None
    assert mark.number > 0
    assert_made_safe(agent)


def test_a_bookmark_that_does_not_know_of_a_pause_is_not_trusted() -> None:
    agent = Agent()
    agent.start(PROGRAM)
    agent.run_until_moves(200)
    at_s = agent.world.now_s
    agent.world.protocol.pause(at_s)
    agent.pass_time(20)
    agent.late_s = agent.world.now_s - at_s
    agent.die()
    assert_made_safe(agent)


def test_before_the_nozzle_is_where_the_file_says_nothing_goes_on() -> None:
    agent = Agent()
    agent.start(PROGRAM)
    agent.pass_time(3)
    assert printed(agent.world.firmware.executed) == []
    agent.die()
    assert_made_safe(agent)


def test_a_reset_in_between_is_noticed() -> None:
    agent = Agent()
    agent.start(PROGRAM)
    agent.run_until_moves(200)
    agent.world.firmware.reset(agent.world.now_s)
    agent.die()
    assert agent.world.protocol.was_reset
    assert agent.why_not is not None
    assert not agent.goes_on


def test_bookmarks_are_few_and_short() -> None:
    agent = Agent()
    agent.start(PROGRAM)
    began_s = agent.world.now_s
    agent.run_until_moves(600)
    assert len(agent.marks) <= (agent.world.now_s - began_s) / MARK_S + agent.world.protocol.own_lines + 1
    for _, mark in agent.marks:
        assert len(encode(mark, "b" * 36, 1e9)) <= BOOKMARK_CHARACTERS


def test_no_bookmark_without_a_job() -> None:
    agent = Agent()
    agent.pass_time(5)
    assert agent.marks == []


MARK = Mark(1000, 50_000, "ffo", 100_000, "Ender 1234")
KEPT = Kept(MARK, "boot-1", 500.0)
HERE = Found(1010, "Ender 1234", "boot-1", 505.0, 100_000)


def test_nothing_speaks_against_a_short_gap() -> None:
    assert objection(KEPT, HERE) is None


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (replace(HERE, boot="boot-2"), "restarted"),
        (replace(HERE, machine="Prusa 99"), "Another printer"),
        (replace(HERE, second=500.0 + REATTACH_S + 1), "stood for 16 s"),
        (replace(HERE, second=499.0), "stood for"),
        (replace(HERE, size_bytes=99_999), "file is another"),
        (replace(HERE, line=None), "line number"),
        (replace(HERE, line=999), "line number"),
    ],
)
def test_what_speaks_against_going_on(found: Found, why: str) -> None:
    text = objection(KEPT, found)
    assert isinstance(text, Told)
    assert text.fr not in {"", str(text)}
    assert text is not None
    assert why in text


def test_without_a_bookmark_nothing_goes_on() -> None:
    text = objection(None, HERE)
    assert text is not None
    assert "noted" in text
    assert decode("rubbish") is None
    assert decode('{"v": 2}') is None
    assert decode("[" * 100_000) is None
