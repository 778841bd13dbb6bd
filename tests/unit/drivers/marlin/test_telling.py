"""What a session looks like from outside."""

import pytest

from drivers.base import PrintEnd, PrinterState, Prompt
from drivers.errors import Bilingual
from drivers.marlin import telling
from drivers.marlin.errands import Errand, Purpose
from drivers.marlin.events import JobEnded, Refused
from drivers.marlin.job import Ending, Job, Phase
from drivers.marlin.protocol import Protocol
from gcode.texts import Told


def _in(phase: Phase, *, job: bool = False) -> Protocol:
    protocol = Protocol()
    protocol.enter(phase)
    protocol.job = Job("job-1", 100) if job else None
    return protocol


@pytest.mark.parametrize("phase", Phase)
def test_every_phase_has_a_state(phase: Phase) -> None:
    assert isinstance(telling.state_of(_in(phase, job=True)), PrinterState)


def test_a_question_in_mid_print_asks_for_attention_and_an_old_one_between_jobs_does_not() -> None:
    question = Prompt("1", "Paused", ("PurgeMore", "Continue"))
    for phase, job, state in (
        (Phase.RUNNING, True, PrinterState.ATTENTION),
        (Phase.PAUSED, True, PrinterState.PAUSED),
        (Phase.READY, False, PrinterState.IDLE),
    ):
        protocol = _in(phase, job=job)
        protocol.reported.dialogue.prompt = question
        assert telling.state_of(protocol) is state


def test_a_machine_that_stands_still_for_a_person_is_not_idle() -> None:
    protocol = _in(Phase.READY)
    protocol.reported.dialogue.waits(1.0)
    assert telling.state_of(protocol) is PrinterState.ATTENTION


def test_a_job_that_has_not_extruded_yet_is_preparing() -> None:
    protocol = _in(Phase.RUNNING, job=True)
    assert telling.state_of(protocol) is PrinterState.PREPARING
    assert protocol.job is not None
    protocol.job.modes.extruded = True
    assert telling.state_of(protocol) is PrinterState.PRINTING


def test_an_ejection_is_no_idleness() -> None:
    protocol = _in(Phase.ERRAND)
    protocol.errand = Errand(Purpose.EJECT, [])
    assert telling.state_of(protocol) is PrinterState.FINISHING
    protocol.errand = Errand(Purpose.CONSOLE, [])
    assert telling.state_of(protocol) is PrinterState.IDLE


@pytest.mark.parametrize("state", PrinterState)
def test_every_state_is_said_in_both_languages_with_what_helps(state: PrinterState) -> None:
    error = telling.not_idle("/dev/ttyUSB0", state)
    assert error.detail_fr.startswith("L'imprimante")
    assert "is idle." not in error.detail
    waits = state not in {PrinterState.OFFLINE, PrinterState.PAUSED, PrinterState.ATTENTION, PrinterState.FAULT}
    assert error.next_step.startswith("Wait") is waits
    assert error.next_step_fr.startswith("Attendez") is waits


def test_a_refusal_carries_its_reason_and_advice() -> None:
    error = telling.refused("/dev/ttyUSB0", Refused(Bilingual("It is X.", "C'est X."), Bilingual("Do Y.", "Faites Y.")))
    assert "It is X." in error.detail
    assert "C'est X." in error.detail_fr
    assert error.next_step_fr == "Faites Y."


def test_errors_have_both_languages() -> None:
    for error in (
        telling.long_at_something("/dev/x"),
        telling.went_away("/dev/x", Bilingual("unplugged", "débranché")),
        telling.no_contact("/dev/x"),
        telling.not_here_yet("/dev/x"),
    ):
        assert error.detail != error.detail_fr
        assert error.next_step != error.next_step_fr


def test_a_printer_that_stopped_itself_is_reset_and_not_waited_for() -> None:
    assert "reset it" in telling.not_idle("/dev/ttyUSB0", PrinterState.FAULT).next_step


def test_why_a_print_did_not_begin_is_told_in_both_languages() -> None:
    ended = JobEnded("job-1", Ending(PrintEnd.FAILED, Told("cut-off", "It was cut off.", "Il a été coupé.")))
    error = telling.not_begun(ended)
    assert error.detail == "The print did not begin: It was cut off."
    assert error.detail_fr == "L'impression n'a pas commencé : Il a été coupé."
