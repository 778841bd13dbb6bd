from typing import Any

import pytest

from drivers.base import PrintEnd, PrintEnded, PrinterState, Prompt, Temperature
from drivers.errors import Bilingual
from drivers.octoprint.job import Doubt
from drivers.octoprint.machine import Machine
from drivers.octoprint.reading import Phase, PrintRecord, Question, Reading, job_path

OURS = job_path("job-1")
FILE = {"path": OURS, "origin": "local", "name": "job-1.gcode"}


def idle() -> Machine:
    machine = Machine(stall_s=900)
    machine.online = True
    machine.user = "farm"
    machine.take_reading(Reading(Phase.OPERATIONAL), 0)
    return machine


def printing() -> Machine:
    machine = idle()
    machine.open("job-1", 0)
    machine.take_event("PrintStarted", FILE | {"owner": "farm", "user": "farm"}, 1)
    machine.take_reading(Reading(Phase.PRINTING, OURS, position_bytes=100, completion=10, remaining_s=90), 1)
    return machine


def ended(effect: object) -> PrintEnded:
    assert isinstance(effect, PrintEnded)
    return effect


def state(machine: Machine, now_s: float = 2) -> PrinterState:
    return machine.status(now_s).state


def test_before_the_first_look_it_is_connecting_and_after_a_loss_offline() -> None:
    machine = Machine(stall_s=900)
    assert state(machine) is PrinterState.CONNECTING
    machine.note = "OctoPrint cannot be reached."
    assert (state(machine), machine.status(0).note) == (PrinterState.OFFLINE, "OctoPrint cannot be reached.")


def test_a_job_prepares_prints_and_is_done() -> None:
    machine = idle()
    machine.open("job-1", 0)
    assert state(machine) is PrinterState.PREPARING
    machine.take_event("PrintStarted", FILE, 1)
    assert state(machine) is PrinterState.PRINTING
    machine.take_reading(Reading(Phase.PRINTING, OURS, completion=25.04, remaining_s=30, nozzle=Temperature(210, 210)), 2)
    status = machine.status(2)
    assert (status.job, status.progress, status.remaining_s, status.nozzle) == ("job-1", 0.25, 30, Temperature(210, 210))
    machine.take_event("PrinterStateChanged", {"state_string": "Finishing"}, 3)
    assert state(machine) is PrinterState.FINISHING
    assert ended(machine.take_event("PrintDone", FILE, 4)).end is PrintEnd.DONE
    assert state(machine) is PrinterState.FINISHING
    machine.take_event("PrinterStateChanged", {"state_string": "Operational"}, 5)
    assert (state(machine), machine.status(5).job) == (PrinterState.IDLE, None)


def test_events_of_other_files_are_not_ours() -> None:
    machine = printing()
    for content in (FILE | {"path": "farm/job-2.gcode"}, FILE | {"origin": "sdcard"}, {}):
        assert machine.take_event("PrintDone", content, 2) is None
        assert machine.take_event("PrintFailed", content | {"reason": "error"}, 2) is None
    assert machine.job is not None


def test_a_fault_is_named_although_the_print_fails_before_the_error_is_told() -> None:
    machine = printing()
    text = "Thermal Runaway, system stopped! Heater_ID: bed - Printer halted. kill() called!"
    end = ended(machine.take_event("PrintFailed", FILE | {"reason": "error", "error": text}, 2))
    assert end.fault is not None
    assert end.fault.code == "thermal-runaway"


def test_a_lost_serial_line_is_no_fault_of_the_firmware() -> None:
    machine = printing()
    end = ended(machine.take_event("PrintFailed", FILE | {"reason": "error", "error": "SerialTimeoutException: "}, 2))
    assert end.fault is None


def test_our_cancel_is_ours_and_a_persons_is_not() -> None:
    for asked, user, by_person in ((True, "farm", False), (True, None, False), (True, "maker", True), (False, "farm", True)):
        machine = printing()
        assert machine.job
        machine.job.cancel_asked = asked
        assert machine.take_event("PrintCancelled", FILE | ({"user": user} if user else {}), 2) == Doubt()
        effect = ended(machine.take_event("PrintFailed", FILE | {"reason": "cancelled"}, 2))
        assert (effect.end, effect.by_person) == (PrintEnd.CANCELLED, by_person)


def test_a_cancel_after_a_reset_of_the_printer_is_a_fault() -> None:
    machine = printing()
    machine.take_event("PrintCancelled", FILE, 2)
    machine.take_event("PrinterReset", {"idle": False}, 2)
    effect = ended(machine.take_event("PrintFailed", FILE | {"reason": "cancelled"}, 2))
    assert (effect.end, effect.by_person) == (PrintEnd.FAILED, False)
    assert effect.fault is not None
    assert effect.fault.code == "reset"


def test_a_reset_that_is_told_after_the_cancel_is_a_fault_too() -> None:
    machine = printing()
    machine.take_event("PrintCancelled", FILE, 2)
    assert machine.take_event("PrintFailed", FILE | {"reason": "cancelled"}, 2) == Doubt()
    machine.take_event("PrinterStateChanged", {"state_string": "Operational"}, 2)
    assert (state(machine), machine.status(2).job) == (PrinterState.FINISHING, "job-1")
    effect = ended(machine.take_event("PrinterReset", {"idle": False}, 2))
    assert effect.fault is not None
    assert effect.fault.code == "reset"


def test_a_cancel_at_the_printer_itself_is_a_persons_when_no_reset_explains_it() -> None:
    machine = printing()
    machine.take_event("PrintCancelled", FILE, 2)
    assert machine.take_event("PrintFailed", FILE | {"reason": "cancelled"}, 2) == Doubt()
    effect = ended(machine.judge(Reading(Phase.OPERATIONAL), PrintRecord(0, 1, last_success=False), 5))
    assert (effect.end, effect.by_person) == (PrintEnd.CANCELLED, True)


def test_a_reset_of_an_idle_printer_does_not_blame_the_next_job() -> None:
    machine = idle()
    machine.take_event("PrinterReset", {"idle": True}, 0)
    machine.open("job-1", 0)
    machine.take_event("PrintStarted", FILE, 1)
    machine.take_event("PrintCancelled", FILE | {"user": "maker"}, 2)
    assert ended(machine.take_event("PrintFailed", FILE | {"reason": "cancelled"}, 2)).end is PrintEnd.CANCELLED


def test_a_cancel_for_a_firmware_error_is_a_failure() -> None:
    """serial.disconnectOnErrors off: OctoPrint cancels instead of disconnecting."""
    machine = printing()
    machine.take_event("PrintCancelling", FILE | {"firmwareError": "Heating failed, system stopped!"}, 2)
    machine.take_event("PrintCancelled", FILE, 2)
    effect = ended(machine.take_event("PrintFailed", FILE | {"reason": "cancelled"}, 2))
    assert effect.end is PrintEnd.FAILED
    assert effect.fault is not None
    assert effect.fault.code == "heating-failed"


def fail(machine: Machine, error: str, reason: str) -> Any:
    machine.take_event("PrinterStateChanged", {"state_string": "Error"}, 2)
    machine.take_event("Error", {"error": error, "reason": reason}, 2)
    machine.take_event("EStop", None, 2)
    machine.take_event("Disconnected", None, 2)
    machine.take_event("PrinterStateChanged", {"state_string": "Offline"}, 2)
    return machine.take_event("PrintFailed", FILE | {"reason": "error", "error": error}, 2)


def test_a_firmware_error_quarantines_until_somebody_connects() -> None:
    machine = printing()
    effect = ended(fail(machine, "Thermal Runaway, system stopped!", "firmware"))
    assert effect.end is PrintEnd.FAILED
    assert effect.fault is not None
    assert effect.fault.code == "thermal-runaway"
    assert state(machine) is PrinterState.FAULT
    machine.take_event("Connected", {"port": "VIRTUAL"}, 3)
    machine.take_event("PrinterStateChanged", {"state_string": "Operational"}, 3)
    assert state(machine) is PrinterState.IDLE


def test_octoprints_own_m112_after_a_silence_is_no_quarantine() -> None:
    machine = printing()
    effect = ended(fail(machine, "Too many consecutive timeouts", "timeout"))
    assert (effect.end, effect.fault) == (PrintEnd.FAILED, None)
    assert machine.fault is None
    assert state(machine) is PrinterState.OFFLINE


def test_an_emergency_stop_is_a_quarantine() -> None:
    machine = printing()
    machine.take_event("Disconnected", None, 2)
    machine.take_event("PrinterStateChanged", {"state_string": "Offline"}, 2)
    machine.take_event("EStop", None, 2)
    text = "Closing serial port due to emergency stop M112."
    effect = ended(machine.take_event("PrintFailed", FILE | {"reason": "error", "error": text}, 2))
    assert effect.fault is not None
    assert effect.fault.code == "emergency-stop"
    assert state(machine) is PrinterState.FAULT


@pytest.mark.parametrize(
    ("reason", "text", "code"),
    [
        ("firmware", "MINTEMP triggered", "min-temperature"),
        ("", "Closing serial port due to emergency stop M112.", "emergency-stop"),
        ("", "SerialTimeoutException: ", None),
    ],
)
def test_what_happened_before_we_came_is_known_by_octoprints_memory(reason: str, text: str, code: str | None) -> None:
    machine = idle()
    machine.take_error(reason, text)
    assert (machine.fault.code if machine.fault else None) == code


def test_disconnected_while_paused_is_doubted_then_failed() -> None:
    machine = printing()
    machine.take_event("PrinterStateChanged", {"state_string": "Paused"}, 2)
    assert state(machine) is PrinterState.PAUSED
    assert machine.take_event("Disconnected", None, 3) == Doubt()
    effect = ended(machine.judge(Reading(Phase.FAILED, error="SerialTimeoutException: "), PrintRecord(), 6))
    assert (effect.end, effect.detail) == (PrintEnd.FAILED, "SerialTimeoutException: ")


def test_our_own_disconnect_is_not_taken_for_a_persons() -> None:
    machine = idle()
    machine.expect_disconnect(1)
    machine.take_event("Disconnecting", None, 2)
    machine.take_event("PrinterStateChanged", {"state_string": "Offline"}, 2)
    assert not machine.kept_apart
    machine.take_event("Disconnecting", None, 20)  # that was not ours any more
    assert machine.kept_apart


def test_a_persons_disconnect_is_remembered_until_the_printer_is_back() -> None:
    machine = idle()
    machine.take_event("Disconnecting", None, 1)
    machine.take_event("PrinterStateChanged", {"state_string": "Offline"}, 1)
    assert machine.kept_apart
    assert "person" in (machine.status(1).note or "")
    machine.take_reading(Reading(Phase.OPERATIONAL), 2)
    assert not machine.kept_apart


@pytest.mark.parametrize(
    ("record", "cancel_asked", "end"),
    [
        (PrintRecord(1, 0, last_success=True), False, PrintEnd.DONE),
        (PrintRecord(1, 0, last_success=True), True, PrintEnd.DONE),  # the cancel came too late
        (PrintRecord(0, 1, last_success=False), False, PrintEnd.FAILED),
        (PrintRecord(0, 1, last_success=False), True, PrintEnd.CANCELLED),
        (PrintRecord(), False, PrintEnd.INTERRUPTED),  # OctoPrint was killed: it remembers nothing
        (None, False, PrintEnd.INTERRUPTED),  # the file is gone
    ],
)
def test_after_a_time_away_the_print_record_speaks(record: PrintRecord | None, cancel_asked: bool, end: PrintEnd) -> None:
    machine = printing()
    assert machine.job
    machine.job.cancel_asked = cancel_asked
    reading = Reading(Phase.OPERATIONAL)
    assert machine.take_reading(reading, 100) == Doubt()
    assert ended(machine.judge(reading, record, 104)).end is end
    assert machine.judge(reading, record, 105) is None  # told once


def test_a_restart_of_octoprint_without_its_printer_is_interrupted_not_failed() -> None:
    machine = printing()
    machine.take_reading(Reading(Phase.CLOSED), 100)
    assert ended(machine.judge(Reading(Phase.CLOSED), PrintRecord(), 104)).end is PrintEnd.INTERRUPTED


def test_nothing_is_judged_while_it_prints_or_before_it_began() -> None:
    machine = printing()
    assert machine.judge(Reading(Phase.PAUSED, OURS), PrintRecord(), 2) is None
    assert machine.judge(Reading(Phase.UNKNOWN, OURS), PrintRecord(), 2) is None
    machine = idle()
    machine.open("job-1", 0)
    assert machine.take_reading(Reading(Phase.OPERATIONAL), 1) is None
    assert machine.judge(Reading(Phase.OPERATIONAL), PrintRecord(), 2) is None


def test_seeing_it_print_is_proof_of_its_start() -> None:
    machine = idle()
    job = machine.open("job-1", 0)
    machine.take_reading(Reading(Phase.PRINTING, "farm/job-2.gcode"), 1)
    assert not job.started
    machine.take_reading(Reading(Phase.PRINTING, OURS), 1)
    assert job.started


def test_a_persons_print_is_foreign() -> None:
    machine = idle()
    machine.take_event("PrintStarted", {"path": "own.gcode", "origin": "local"}, 1)
    status = machine.status(1)
    assert (status.state, status.job, status.progress) == (PrinterState.FOREIGN, None, None)
    assert "own.gcode" in (status.note or "")
    machine.take_reading(Reading(Phase.PAUSED, "own.gcode"), 1)
    assert state(machine) is PrinterState.FOREIGN


def test_our_own_file_printed_again_by_a_person_is_foreign() -> None:
    machine = printing()
    machine.take_event("PrintDone", FILE, 2)
    machine.take_event("PrinterStateChanged", {"state_string": "Operational"}, 2)
    machine.take_event("PrintStarted", FILE | {"user": "maker"}, 2.5)
    assert state(machine, 2.6) is PrinterState.FOREIGN


def test_a_late_look_at_a_print_that_has_ended_is_not_foreign_for_a_moment() -> None:
    machine = printing()
    machine.take_event("PrintDone", FILE, 2)
    machine.take_reading(Reading(Phase.PRINTING, OURS), 2.5)
    assert state(machine, 3) is PrinterState.FINISHING
    assert state(machine, 20) is PrinterState.FOREIGN


def test_progress_is_taken_from_current_messages_but_not_their_state() -> None:
    machine = printing()
    assert not machine.take_current(Reading(Phase.PRINTING, OURS, completion=50), [{"tool0": {"actual": 205, "target": 210}}], 3)
    assert machine.status(3).progress == 0.5
    assert machine.status(3).nozzle == Temperature(205, 210)
    assert machine.take_current(Reading(Phase.OPERATIONAL, OURS, completion=100), [], 4)  # stale or true: ask
    assert state(machine) is PrinterState.PRINTING
    assert machine.status(4).progress == 0.5


@pytest.mark.parametrize(("completion", "progress"), [(-100, 0.0), (140, 1.0), (None, None), (33.3333, 0.333)])
def test_progress_stays_in_its_range(completion: float | None, progress: float | None) -> None:
    machine = printing()
    machine.take_reading(Reading(Phase.PRINTING, OURS, completion=completion), 2)
    assert machine.status(2).progress == progress


def test_a_print_that_does_not_move_wants_attention_until_it_moves() -> None:
    machine = printing()
    machine.take_reading(Reading(Phase.PRINTING, OURS, position_bytes=100), 800)
    assert state(machine, 900) is PrinterState.PRINTING
    assert state(machine, 902) is PrinterState.ATTENTION
    assert "15 minutes:" in (machine.status(902).note or "")
    assert "15 minutes :" in (machine.status(902).note_fr or "")
    machine.take_reading(Reading(Phase.PRINTING, OURS, position_bytes=101), 903)
    assert state(machine, 904) is PrinterState.PRINTING


def test_a_paused_print_may_stand_still() -> None:
    machine = printing()
    machine.take_reading(Reading(Phase.PAUSED, OURS, position_bytes=100), 2)
    assert state(machine, 5000) is PrinterState.PAUSED
    machine.take_reading(Reading(Phase.PAUSED, OURS, position_bytes=100), 5000)
    machine.take_event("PrintResumed", FILE, 5000)
    machine.take_event("PrinterStateChanged", {"state_string": "Printing"}, 5000)
    assert state(machine, 5001) is PrinterState.PRINTING


@pytest.mark.parametrize("kind", ["FilamentChange", "Waiting"])
def test_a_printer_that_waits_for_a_person_says_so(kind: str) -> None:
    machine = printing()
    machine.take_event(kind, None, 2)
    assert state(machine) is PrinterState.ATTENTION
    machine.take_event("PrintResumed", FILE, 3)
    assert state(machine) is PrinterState.PRINTING


def test_an_unknown_state_is_shown_not_guessed() -> None:
    machine = idle()
    machine.take_event("PrinterStateChanged", {"state_string": "Levitating"}, 1)
    assert state(machine) is PrinterState.ATTENTION


def test_unknown_events_and_nonsense_change_nothing() -> None:
    machine = printing()
    before = machine.status(1)
    nonsense: list[object] = [None, [], "x", {"path": 5}]
    for content in nonsense:
        assert machine.take_event("SomethingNew", content, 1) is None
        assert machine.take_event("PrintDone", content, 1) is None
    assert machine.status(1) == before


def test_versions_of_server_and_firmware_are_told() -> None:
    machine = idle()
    machine.server = "OctoPrint 1.11.8"
    assert machine.status(0).firmware == "OctoPrint 1.11.8"
    machine.take_event("FirmwareData", {"name": "Marlin 2.1"}, 0)
    assert machine.status(0).firmware == "Marlin 2.1, OctoPrint 1.11.8"


def test_while_offline_the_open_job_is_kept() -> None:
    machine = printing()
    machine.online, machine.note = False, "gone"
    status = machine.status(2)
    assert (status.state, status.job, status.progress, status.nozzle) == (PrinterState.OFFLINE, "job-1", None, None)


def test_a_stalled_print_is_a_fault_in_both_languages_until_it_moves() -> None:
    machine = printing()
    assert machine.status(900).fault is None
    fault = machine.status(1000).fault
    assert fault is not None
    assert fault.code == "no-progress"
    machine.take_reading(Reading(Phase.PRINTING, OURS, position_bytes=101), 1001)
    assert machine.status(1002).fault is None


def test_an_unknown_state_is_quoted() -> None:
    machine = idle()
    machine.take_event("PrinterStateChanged", {"state_string": "Levitating"}, 1)
    assert machine.status(1).note == "OctoPrint says: Levitating"


ASKS = Question("Filament out?", ("Continue", "Stop"))


def test_a_question_is_shown_and_wants_attention() -> None:
    for machine in (idle(), printing()):
        machine.take_question(ASKS, "q1")
        status = machine.status(2)
        assert (status.state, status.note) == (PrinterState.ATTENTION, "Filament out?")
        assert status.prompt == Prompt("q1", "Filament out?", ("Continue", "Stop"))
        machine.take_question(None, "")
        assert machine.status(2).prompt is None
        assert machine.status(2).state is not PrinterState.ATTENTION


def test_a_question_keeps_its_id_while_it_is_the_same_and_another_gets_another() -> None:
    machine = idle()
    machine.take_question(ASKS, "q1")
    machine.take_question(ASKS, "q2")  # asked for again after a loss of the socket
    assert machine.prompt is not None
    assert machine.prompt.id == "q1"
    machine.take_question(Question("Another?"), "q3")
    assert machine.prompt.id == "q3"


def test_a_question_of_a_foreign_print_is_shown_but_it_stays_foreign() -> None:
    machine = idle()
    machine.take_event("PrintStarted", {"path": "own.gcode", "origin": "local"}, 1)
    machine.take_question(ASKS, "q1")
    status = machine.status(2)
    assert (status.state, status.prompt is None) == (PrinterState.FOREIGN, False)


def test_a_disconnected_printer_asks_nothing() -> None:
    machine = printing()
    machine.take_question(ASKS, "q1")
    machine.take_event("Disconnected", None, 2)
    assert machine.prompt is None


def test_a_firmware_error_brings_the_last_lines_of_the_terminal() -> None:
    machine = printing()
    content = {"error": "MAXTEMP triggered", "reason": "firmware", "logs": ["Send: M104 S999", "Recv: Error:MAXTEMP triggered"]}
    machine.take_event("Error", content, 2)
    assert machine.fault is not None
    assert "Send: M104 S999" in machine.fault.text


def test_a_hint_is_said_when_there_is_nothing_else_to_say() -> None:
    machine = idle()
    machine.hint = "no socket"
    assert machine.status(1).note == "no socket"
    machine.take_question(ASKS, "q1")
    assert machine.status(1).note == "Filament out?"


def test_a_done_that_comes_sooner_than_the_file_can_be_sent_is_none() -> None:
    """Two files started in the same moment: 1.11.8 tells PrintDone of one of them after 3 ms, and prints the other (measured)."""
    for took_s, end in ((0.003, PrintEnd.FAILED), (0.5, PrintEnd.DONE), (None, PrintEnd.DONE)):
        machine = printing()
        assert machine.job
        machine.job.least_s = 0.5  # 10,000 lines
        assert ended(machine.take_event("PrintDone", FILE | {"time": took_s}, 2)).end is end


def test_a_done_without_a_time_of_what_was_never_seen_printing_is_none() -> None:
    """Measured: this one has neither a PrintStarted nor a time."""
    machine = idle()
    machine.open("job-1", 0).least_s = 0.5
    assert ended(machine.take_event("PrintDone", FILE | {"time": None}, 2)).end is PrintEnd.FAILED


def test_its_record_is_not_believed_either() -> None:
    for took_s, end in ((0.003, PrintEnd.FAILED), (700.0, PrintEnd.DONE)):
        machine = printing()
        assert machine.job
        machine.job.least_s = 0.5
        record = PrintRecord(1, 0, last_success=True, last_s=took_s)
        assert ended(machine.judge(Reading(Phase.OPERATIONAL), record, 104)).end is end


def test_what_the_driver_notes_is_in_both_languages() -> None:
    machine = printing()
    machine.online, machine.note = False, Bilingual("No answer.", "Pas de réponse.")
    assert (machine.status(2).note, machine.status(2).note_fr) == ("No answer.", "Pas de réponse.")
    machine.online = True
    machine.take_event("FilamentChange", None, 2)
    said = ("The printer waits for other filament.", "L'imprimante attend un autre filament.")
    assert (machine.status(2).note, machine.status(2).note_fr) == said
    machine.take_event("Waiting", None, 3)
    said = ("The printer waits for a person.", "L'imprimante attend une personne.")
    assert (machine.status(3).note, machine.status(3).note_fr) == said
    machine.take_question(ASKS, "q1")
    assert (machine.status(3).note, machine.status(3).note_fr) == ("Filament out?", None), "the machine's own words"
    machine.take_reading(Reading(Phase.PRINTING, "another.gcode"), 30)
    assert "another.gcode" in (machine.status(30).note or "")
    assert "n'est pas à nous" in (machine.status(30).note_fr or "")
