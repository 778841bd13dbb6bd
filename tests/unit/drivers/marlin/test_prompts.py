"""What the machine asks: as recorded with real Marlin where that is present, and whole dialogues with the virtual one."""

import pytest

from drivers.base import PrintEnd, Prompt
from drivers.errors import Bilingual
from drivers.marlin.job import Phase
from drivers.marlin.prompts import MAX_CHOICES, MAX_NOTE, Dialogue
from drivers.marlin.replies import Kind, understand
from drivers.virtual.options import FirmwareOptions
from tests import shared_data
from tests.unit.drivers.marlin.world import HEATED, World, moves, printed

RECORDED = shared_data.FOLDER / "marlin_transcripts" / "adv_runout_dialogue.txt"
ADVANCED = FirmwareOptions(advanced_ok=True, emergency_parser=True, host_actions=True, runout_sensor=True)


def shown(dialogue: Dialogue, title: str, *buttons: str, now_s: float = 0.0) -> Prompt | None:
    dialogue.act("prompt_end", now_s)
    dialogue.act(f"prompt_begin {title}", now_s)
    for button in buttons:
        dialogue.act(f"prompt_button {button}", now_s)
    dialogue.act("prompt_show", now_s)
    return dialogue.prompt


def test_a_prompt_has_its_text_and_its_choices() -> None:
    prompt = shown(Dialogue(), "Paused", "PurgeMore", "Continue")
    assert prompt is not None
    assert (prompt.text, prompt.choices) == ("Paused", ("PurgeMore", "Continue"))


def test_each_question_has_an_id_of_its_own() -> None:
    dialogue = Dialogue()
    first = shown(dialogue, "Paused", "Continue", now_s=1.0)
    second = shown(dialogue, "Paused", "Continue", now_s=2.0)
    assert first is not None
    assert second is not None
    assert first.id != second.id
    assert dialogue.answer(first.id, 0) is None, "a late answer does not answer the next one"
    assert dialogue.prompt == second
    assert dialogue.answer(second.id, 0) == b"M876 S0"
    assert dialogue.answer(second.id, 0) is None, "once"


def test_what_is_only_said_is_no_question() -> None:
    dialogue = Dialogue()
    assert shown(dialogue, "FilamentRunout T0") is None
    assert dialogue.note == "FilamentRunout T0"
    assert shown(dialogue, "Resuming", "Dismiss") is None


def test_a_wait_without_a_prompt_is_a_question_too() -> None:
    dialogue = Dialogue()
    dialogue.waits(5.0)
    dialogue.waits(7.0)
    assert dialogue.prompt is not None
    assert dialogue.prompt.choices == ()
    assert dialogue.answer(dialogue.prompt.id, 0) == b"M108"
    dialogue.waits(9.0)
    dialogue.works()
    assert dialogue == Dialogue()


def test_our_own_words_are_in_french_too_and_the_machine_s_are_left_to_it() -> None:
    silent = Dialogue()
    silent.waits(1.0)
    assert silent.prompt is not None
    assert silent.prompt.text == "The printer waits for a person: look at its display."
    assert silent.prompt.text_fr == "L'imprimante attend une personne : regardez son écran."
    runout = Dialogue()
    runout.act("out_of_filament T1", 1.0)
    assert runout.note == ("Out of filament T1", "Plus de filament T1")
    runout.waits(2.0)
    assert runout.prompt == Prompt("2.000", "Out of filament T1", text_fr="Plus de filament T1")
    told = Dialogue()
    told.act("paused Load PETG", 1.0)
    told.waits(2.0)
    assert told.prompt == Prompt("2.000", "Load PETG")
    asked = shown(Dialogue(), "Paused", "PurgeMore", "Continue")
    assert asked is not None
    assert (asked.text_fr, asked.choices_fr) == (None, ())


@pytest.mark.parametrize(("said", "fr"), [("", "Plus de filament"), (" ", "Plus de filament"), (" " + "x" * 500, None)])
def test_what_a_machine_adds_to_our_words_is_limited(said: str, fr: str | None) -> None:
    dialogue = Dialogue()
    dialogue.act(f"out_of_filament{said}", 1.0)
    assert isinstance(dialogue.note, Bilingual)
    assert fr is None or dialogue.note.fr == fr
    assert max(map(len, dialogue.note)) <= MAX_NOTE


def test_there_is_no_other_choice() -> None:
    dialogue = Dialogue()
    prompt = shown(dialogue, "Paused", "PurgeMore", "Continue")
    assert prompt is not None
    for choice in (-1, 2):
        with pytest.raises(IndexError):
            dialogue.answer(prompt.id, choice)


def test_a_question_is_limited() -> None:
    prompt = shown(Dialogue(), "x" * 1000, *("y" * 1000 for _ in range(100)))
    assert prompt is not None
    assert len(prompt.text) == MAX_NOTE
    assert len(prompt.choices) == MAX_CHOICES


@pytest.mark.skipif(not RECORDED.is_file(), reason="the recordings are not on this machine")
def test_the_recorded_runout_asks_in_its_order() -> None:
    dialogue = Dialogue()
    asked: list[tuple[str, tuple[str, ...]]] = []
    waited = False
    for number, line in enumerate(RECORDED.read_text().splitlines()):
        if not line.startswith("< "):
            continue
        reply = understand(line[2:])
        if reply.kind is Kind.ACTION:
            dialogue.act(reply.text, float(number))
        elif reply.kind is Kind.USER_WAIT:
            dialogue.waits(float(number))
            waited = True
        elif reply.kind in {Kind.OK, Kind.BUSY}:
            dialogue.works()
        if dialogue.prompt is not None and (dialogue.prompt.text, dialogue.prompt.choices) not in asked:
            asked.append((dialogue.prompt.text, dialogue.prompt.choices))
    assert waited
    assert asked == [
        ("Nozzle Parked", ("Continue",)),
        ("Heater Timeout", ("Reheat",)),
        ("Reheat Done", ("Continue",)),
        ("Paused", ("PurgeMore", "Continue")),
    ]


# from beginning to end


def _answer(world: World, text: str, choice: int) -> None:
    world.run(lambda: world.protocol.reported.prompt is not None and world.protocol.reported.prompt.text == text, limit_s=600)
    prompt = world.protocol.reported.prompt
    assert prompt is not None
    world.protocol.answer(prompt.id, choice, world.now_s)


def test_a_runout_is_answered_and_the_print_is_whole() -> None:
    world = World(ADVANCED).connected()
    world.print_lines([*HEATED, "G1 Z0.3", *moves(300)])
    world.run(lambda: len(printed(world.firmware.executed)) > 100, limit_s=600)
    world.firmware.run_out(world.now_s, out=True)
    world.run(lambda: world.protocol.reported.user_wait, limit_s=600)
    world.pass_time(60)
    _answer(world, "Heater Timeout", 0)
    world.firmware.run_out(world.now_s, out=False)
    _answer(world, "Reheat Done", 0)
    _answer(world, "Paused", 0)  # purge more
    _answer(world, "Paused", 1)
    assert world.ended().end is PrintEnd.DONE
    assert printed(world.firmware.executed) == moves(300)
    assert world.phase() is Phase.READY
    assert not world.protocol.reported.user_wait


@pytest.mark.parametrize("options", [ADVANCED, FirmwareOptions(runout_sensor=True)], ids=["prompts", "busy-only"])
def test_a_filament_change_of_the_file(options: FirmwareOptions) -> None:
    world = World(options).connected()
    world.print_lines([*HEATED, "G1 Z0.3", *moves(50), "M600", *moves(50, start=50)])
    for _ in range(8):
        world.run(lambda: world.protocol.reported.prompt is not None or world.protocol.job is None, limit_s=600)
        prompt = world.protocol.reported.prompt
        if prompt is None:
            break
        world.protocol.answer(prompt.id, len(prompt.choices) - 1 if prompt.choices else 0, world.now_s)
    assert world.ended().end is PrintEnd.DONE
    assert printed(world.firmware.executed) == moves(100)


def test_a_stop_in_the_file_waits_for_a_person() -> None:
    world = World(ADVANCED).connected()
    world.protocol.deadman_s = 60
    world.print_lines([*HEATED, *moves(5), "M0 Look", *moves(5, start=5)])
    world.run(lambda: world.protocol.reported.user_wait, limit_s=600)
    world.pass_time(3600)
    assert not world.firmware.killed, "the dead man's switch is off while a person takes their time"
    _answer(world, "Look", 0)
    assert world.ended().end is PrintEnd.DONE
    assert printed(world.firmware.executed) == moves(10)


def test_an_answer_to_nobody_sends_nothing() -> None:
    world = World(ADVANCED).connected()
    world.sent.clear()
    world.protocol.answer("12.000", 0, world.now_s)
    assert b"M876" not in world.protocol.data_to_send()


@pytest.mark.parametrize("action", ["pause", "pause filament_runout 0", "out_of_filament T0"])
def test_the_machine_asks_the_host_to_pause(action: str) -> None:
    world = World(ADVANCED).connected()
    world.print_lines([*HEATED, "G1 Z0.3", *moves(100)])
    world.run(lambda: len(printed(world.firmware.executed)) > 20, limit_s=600)
    world.protocol.receive(f"//action:{action}\n".encode(), world.now_s)
    world.run(lambda: world.phase() is Phase.PAUSED, limit_s=60)
    world.protocol.receive(b"//action:resume\n", world.now_s)
    assert world.ended().end is PrintEnd.DONE
    assert printed(world.firmware.executed) == moves(100)


def test_a_person_cancels_at_the_panel() -> None:
    world = World(ADVANCED).connected()
    world.print_lines([*HEATED, "G1 Z0.3", *moves(100)])
    world.protocol.receive(b"//action:cancel\n", world.now_s)
    ending = world.ended()
    assert (ending.end, ending.by_person) == (PrintEnd.CANCELLED, True)


def test_without_an_emergency_parser_a_stop_is_seen_after_an_answer() -> None:
    """Its four slots hold what was sent behind the wait, the stop must find one that is free."""
    world = World(FirmwareOptions(runout_sensor=True)).connected()
    world.print_lines([*HEATED, "G1 Z0.3", *moves(50), "M600", *moves(50, start=50)])
    world.run(lambda: world.protocol.reported.prompt is not None, limit_s=600)
    prompt = world.protocol.reported.prompt
    assert prompt is not None
    world.sent.clear()
    world.protocol.answer(prompt.id, 0, world.now_s)
    world.pass_time(1)
    assert b"M600" not in world.sent
    assert b"M118" not in world.sent
    world.protocol.emergency_stop(world.now_s)
    world.pass_time(1)
    assert world.firmware.killed
