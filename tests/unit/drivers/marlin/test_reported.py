import pytest

from drivers.base import Temperature
from drivers.errors import Bilingual
from drivers.marlin.prompts import MAX_NOTE, NOTE_S
from drivers.marlin.replies import understand
from drivers.marlin.reported import Reported


def _after(*lines: str) -> Reported:
    reported = Reported()
    for line in lines:
        reported.learn(understand(line))
    return reported


def test_temperatures_from_reports_heating_and_answers() -> None:
    for line in ("T:20.5 /0.0 B:19.0 /60.0", " T:20.5 /0.0 B:19.0 /60.0 @:0 B@:0 W:?", "ok T:20.5 /0.0 B:19.0 /60.0 @:0"):
        reported = _after(line)
        assert (reported.nozzle, reported.bed) == (Temperature(20.5, 0.0), Temperature(19.0, 60.0))


def test_a_machine_without_a_bed_has_none() -> None:
    assert _after("ok T:20.5 /0.0 @:0").bed is None


def test_the_runout_dialogue() -> None:
    waiting = _after(
        "//action:prompt_end",
        "//action:prompt_begin FilamentRunout T0",
        "//action:prompt_show",
        "//action:paused filament_runout 0",
        "echo:busy: paused for user",
    )
    assert waiting.user_wait
    assert waiting.note == "filament_runout 0"
    waiting.learn(understand("//action:prompt_end"))
    waiting.learn(understand("ok P15 B3"))
    assert waiting == Reported()


def test_a_notification_is_news_for_a_minute() -> None:
    reported = Reported()
    reported.learn(understand("//action:notification Bed Heating..."), 10.0)
    reported.learn(understand("T:20.5 /0.0"), 10.0 + NOTE_S - 1)
    assert reported.note == "Bed Heating..."
    reported.learn(understand("T:20.5 /0.0"), 10.0 + NOTE_S)
    assert reported.note is None


def test_what_a_person_must_know_stays() -> None:
    reported = Reported()
    reported.learn(understand("//action:notification Look"), 10.0)
    reported.learn(understand("echo:busy: paused for user"), 11.0)
    reported.learn(understand("T:20.5 /0.0"), 1000.0)
    assert reported.note == "Look"


def test_a_note_is_limited() -> None:
    note = _after("//action:prompt_begin " + "x" * 500).note
    assert note is not None
    assert len(note) == MAX_NOTE


def test_a_print_from_the_card_is_foreign() -> None:
    assert _after("SD printing byte 5/100").foreign
    assert not _after("SD printing byte 5/100", "Not SD printing").foreign


def test_unknown_commands_are_counted() -> None:
    assert _after('echo:Unknown command: "M900 K0.1"', 'echo:Unknown command: "M4860"', "hello").unknown_commands == 2


@pytest.mark.parametrize(
    "text",
    ["M486 S0", "M486 T2", "M73 P10 R5", "M73", "N12 M486 S0*88", "M75", "M117 Layer 3", "M118 hello", "M300 S440 P200", "M532 X5"],
)
def test_labels_progress_and_words_for_the_display_are_nothing_to_tell_people(text: str) -> None:
    for said in (f'echo:Unknown command: "{text}"', f"Unknown command:{text}"):
        reported = _after(said)
        assert (reported.unknown_commands, reported.note) == (0, None)


@pytest.mark.parametrize(
    "text", ["M730", "M4860 S1", "G73", "M79", "M1170", "M862.3 P1", "M207 S1", "L36 G1 X5 ;M73", "N3 G29", "^51 M73"]
)
def test_any_other_unknown_command_is_told(text: str) -> None:
    reported = _after(f'echo:Unknown command: "{text}"')
    assert reported.unknown_commands == 1
    assert reported.note is not None


def test_of_which_file_an_unknown_command_is() -> None:
    reported, line = Reported(), understand('echo:Unknown command: "M999"')
    reported.learn(line)
    assert reported.unknown == Bilingual("The printer did not know 1 command.", "L'imprimante ne connaissait pas 1 commande.")
    reported.typed()
    reported.learn(line)
    assert reported.unknown_commands == 2, "lines of a person before any file"
    reported.begin()
    assert reported.note is None
    reported.learn(line)
    said = Bilingual(
        "The printer did not know 1 command of this file.", "L'imprimante ne connaissait pas 1 commande de ce fichier."
    )
    assert reported.unknown == said
    reported.calm()
    reported.calm()
    said = Bilingual(
        "The printer did not know 1 command of the last file.", "L'imprimante ne connaissait pas 1 commande du dernier fichier."
    )
    assert reported.unknown == said
    reported.typed()
    assert reported.unknown_commands == 0, "told with the end of that file"
    reported.learn(line)
    assert reported.unknown == Bilingual("The printer did not know 1 command.", "L'imprimante ne connaissait pas 1 commande.")
    reported.go_on()
    reported.learn(line)
    assert reported.unknown is not None
    assert reported.unknown.en.endswith("1 command of this file.")


def test_after_a_job_nobody_waits() -> None:
    reported = _after("echo:busy: paused for user", "//action:prompt_begin Click")
    reported.calm()
    assert (reported.user_wait, reported.note) == (False, None)
