"""A job that is ended while the machine asks a person: it goes on, and is made safe within seconds."""

from collections.abc import Callable

import pytest

from drivers.base import PrintEnd, Prompt
from drivers.marlin.ending import MAX_ANSWERS, MAX_QUEUED_ANSWERS
from drivers.marlin.job import Ending, Phase
from drivers.marlin.shell import HELD_S
from drivers.virtual.options import FirmwareOptions
from gcode.texts import both
from tests.unit.drivers.marlin.world import HEATED, World, moves, printed

PROMPTS = FirmwareOptions(emergency_parser=True, host_actions=True, runout_sensor=True)
PARSER_ONLY = FirmwareOptions(emergency_parser=True, runout_sensor=True)
PROMPTS_ONLY = FirmwareOptions(host_actions=True, runout_sensor=True)
PLAIN = FirmwareOptions(runout_sensor=True)
QUESTIONS = ["Nozzle Parked", "Heater Timeout", "Reheat Done", "Paused"]


def _changes(options: FirmwareOptions) -> World:
    world = World(options).connected()
    world.print_lines([*HEATED, "G1 Z0.3", *moves(50), "M600", *moves(50, start=50)])
    return world


def _runs_out(options: FirmwareOptions) -> World:
    world = World(options).connected()
    world.print_lines([*HEATED, "G1 Z0.3", *moves(300)])
    world.run(lambda: len(printed(world.firmware.executed)) > 100, limit_s=600)
    world.firmware.run_out(world.now_s, out=True)
    return world


def _asked(world: World, text: str) -> Prompt:
    dialogue = world.protocol.reported.dialogue
    world.run(lambda: dialogue.asks is not None and dialogue.asks.text == text, limit_s=600)
    assert dialogue.asks is not None
    return dialogue.asks


def _until_asked(world: World, text: str) -> None:
    """A person answers what comes before `text`."""
    for question in QUESTIONS:
        if text == "Paused" and question in QUESTIONS[1:3]:
            continue  # who answers at once is not asked these
        asked = _asked(world, question)
        if question == text:
            return
        if question != "Nozzle Parked" or text == "Paused":
            world.protocol.answer(asked.id, 0, world.now_s)


def _is_safe(world: World) -> None:
    state = world.firmware.snapshot()
    assert not world.firmware.killed
    assert state["nozzle_c"][1] == state["bed_c"][1] == 0.0
    assert not state["paused"]
    assert world.phase() is Phase.READY
    assert world.firmware.machine.place[2] >= 10.0, "the nozzle is up"


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("begin", [_changes, _runs_out])
def test_a_cancel_at_each_question_makes_it_go_on(question: str, begin: Callable[[FirmwareOptions], World]) -> None:
    world = begin(PROMPTS)
    _until_asked(world, question)
    world.protocol.cancel(world.now_s)
    before = len(printed(world.firmware.executed))
    assert world.ended(limit_s=60).end is PrintEnd.CANCELLED
    _is_safe(world)
    assert world.firmware.machine.runout_enabled, "the next job has its sensor"
    assert len(printed(world.firmware.executed)) <= before + 30, "only what the machine already had"


@pytest.mark.parametrize("begin_s", [0.5, 5.0], ids=["parking", "unloading"])
def test_a_question_that_comes_after_the_cancel_is_answered(begin_s: float) -> None:
    world = _changes(PROMPTS)
    world.run(lambda: world.firmware.machine.paused, limit_s=600)
    world.pass_time(begin_s)
    world.protocol.cancel(world.now_s)
    assert world.ended(limit_s=90).end is PrintEnd.CANCELLED
    _is_safe(world)


@pytest.mark.parametrize("options", [PARSER_ONLY, PLAIN], ids=["with-parser", "without-parser"])
@pytest.mark.parametrize("wait_s", [0.0, 60.0], ids=["at-once", "heater-rests"])
def test_without_prompts_it_goes_on_too(options: FirmwareOptions, wait_s: float) -> None:
    world = _changes(options)
    world.run(lambda: world.protocol.reported.user_wait, limit_s=600)
    world.pass_time(wait_s)
    world.sent.clear()
    world.protocol.cancel(world.now_s)
    assert world.ended(limit_s=90).end is PrintEnd.CANCELLED
    _is_safe(world)
    assert world.sent.count(b"M108") <= MAX_QUEUED_ANSWERS


def test_a_question_that_cannot_be_answered_ends_in_the_stop() -> None:
    """Prompts without an emergency parser: nothing that is sent answers the purge question."""
    world = _changes(PROMPTS_ONLY)
    world.run(lambda: world.protocol.reported.user_wait, limit_s=600)
    world.protocol.cancel(world.now_s)
    ending = world.ended(limit_s=90)
    assert ending.end is PrintEnd.CANCELLED
    assert ending.fault is not None
    assert ending.fault.code == "emergency-stop"
    world.pass_time(1)
    assert world.firmware.killed


def test_a_machine_that_hears_no_answer_is_asked_often_but_not_for_ever() -> None:
    world = _changes(PROMPTS)
    world.run(lambda: world.protocol.reported.dialogue.asks is not None, limit_s=600)
    world.to_machine = lambda data: b"" if b"M876" in data or b"M108" in data else data
    world.sent.clear()
    world.protocol.cancel(world.now_s)
    assert world.ended(limit_s=60).fault is not None
    assert 3 <= world.sent.count(b"M876") + world.sent.count(b"M108") <= MAX_ANSWERS
    world.pass_time(1)
    assert world.firmware.killed


# --- nobody stays to answer: the agent is stopped


def _interrupted(world: World) -> None:
    """As `close` does it: end the job, wait a little, stop what is held."""
    world.protocol.abort(Ending(PrintEnd.INTERRUPTED, "The agent was stopped."), world.now_s)
    world.pass_time(HELD_S)


def _is_stopped_cold(world: World) -> None:
    assert world.protocol.held
    world.protocol.stop_held(world.now_s)
    ending = world.ended(limit_s=1)
    assert ending.end is PrintEnd.INTERRUPTED
    assert ending.fault is not None
    assert both(ending.fault.text).fr == "M112 : elle attendait toujours une personne"
    world.run(lambda: not world.protocol.stopping, limit_s=1)
    state = world.firmware.snapshot()
    assert state["killed"]
    assert state["nozzle_c"][1] == state["bed_c"][1] == 0.0


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("begin", [_changes, _runs_out])
def test_at_each_question_nothing_but_the_stop_makes_it_cold_in_time(
    question: str, begin: Callable[[FirmwareOptions], World]
) -> None:
    world = begin(PROMPTS)
    _until_asked(world, question)
    assert world.protocol.held
    _interrupted(world)
    _is_stopped_cold(world)


@pytest.mark.parametrize("options", [PARSER_ONLY, PROMPTS_ONLY, PLAIN], ids=["parser", "prompts", "plain"])
def test_the_stop_is_heard_by_every_build_that_waits(options: FirmwareOptions) -> None:
    world = _changes(options)
    world.run(lambda: world.protocol.reported.user_wait, limit_s=600)
    _interrupted(world)
    _is_stopped_cold(world)


def test_before_its_question_a_change_of_filament_is_held_too() -> None:
    world = _changes(PROMPTS)
    world.run(lambda: world.firmware.machine.paused, limit_s=600)
    assert world.protocol.reported.dialogue.asks is None
    _interrupted(world)
    _is_stopped_cold(world)


def test_a_machine_that_only_waits_for_a_click_is_let_go_in_order() -> None:
    world = World(PROMPTS).connected()
    world.print_lines([*HEATED, "G1 Z0.3", *moves(50), "M0", *moves(50, start=50)])
    world.run(lambda: world.protocol.reported.user_wait, limit_s=600)
    assert world.protocol.held
    _interrupted(world)
    assert world.ended(limit_s=0.1).end is PrintEnd.INTERRUPTED
    _is_safe(world)


def test_a_print_under_way_is_not_held() -> None:
    world = World(PROMPTS).connected()
    world.print_lines([*HEATED, "G1 Z0.3", *moves(300)])
    world.run(lambda: len(printed(world.firmware.executed)) > 100, limit_s=600)
    held = [world.protocol.held]
    world.protocol.abort(Ending(PrintEnd.INTERRUPTED, "The agent was stopped."), world.now_s)
    assert [*held, world.protocol.held] == [False, False]
