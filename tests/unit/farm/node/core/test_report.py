from dataclasses import replace
from math import inf, nan

from drivers.base import Capability, PrinterState, PrinterStatus, Prompt, Recovery, Temperature
from farm.bus.messages import MAX_PACKET_BYTES, Report
from farm.node import core
from farm.node.core.refusals import Refusal
from gcode.texts import Told
from scheduler.model import BedState, JobOutcome, OccupationKind
from tests.unit.farm.node.bench import FAULT, A, Bench, allocation, setup


def why(report: Report) -> str:
    """Why the first printer is not ready, in English."""
    reason = report.printers[0].reason
    return reason.en if reason is not None else ""


def test_a_report_says_what_is() -> None:
    bench = Bench(setup(A, autonomy_s=90.0, capabilities=frozenset({Capability.PAUSE})))
    start = bench.printed()
    bench.pass_time(30)
    bench.allocate(allocation("open", jobs=4))
    report = bench.report()
    (printer,) = report.printers
    assert (report.generation, report.desired_version) == (bench.state.generation, bench.state.version)
    assert report.journal.head == bench.state.journal.head
    assert (printer.id, printer.driver, printer.profile) == (A, "scripted", "generic-210")
    assert (printer.state, printer.bed, printer.ready) == (PrinterState.IDLE, BedState.OCCUPIED, False)
    assert printer.reason is not None
    assert printer.reason.en == "The bed is occupied."
    assert (printer.autonomy_s, printer.capabilities) == (90.0, ["pause"])
    assert printer.occupation is not None
    assert (printer.occupation.id, printer.occupation.kind) == (start.job, OccupationKind.JOB)
    assert (printer.occupation.outcome, printer.occupation.age_s) == (JobOutcome.PRINTED, 30)
    assert Report.model_validate_json(report.model_dump_json()) == report


def test_reports_are_numbered_and_started_counts_are_of_what_is_wanted() -> None:
    bench = Bench()
    bench.printed()
    assert bench.report().report + 1 == bench.report().report
    assert list(bench.report().started.values()) == [1]
    bench.allocate(allocation("another"))
    assert bench.report().started == {}


def test_boots_are_numbered_even_by_a_ledger_from_an_image() -> None:
    bench = Bench()
    first = bench.state.boot
    bench.reboot()
    assert bench.state.boot == first + 1
    bench.state = replace(bench.state, boot=3)
    bench.wall_s += 60
    bench.reboot()
    assert bench.state.boot == int(bench.wall_s), "greater than every boot that the image has forgotten"


def test_why_a_printer_is_not_ready_is_told() -> None:
    bench = Bench()
    assert bench.report().printers[0].ready
    trouble = Refusal("printer-unreachable", "Nothing answers. Check the cable.", "Rien ne répond. Vérifiez le câble.")
    bench.do(core.on_trouble, A, trouble, timed=False)
    bench.status(A, PrinterState.OFFLINE)
    reason = bench.report().printers[0].reason
    assert reason is not None
    assert (reason.code, reason.en, reason.fr) == ("printer-trouble", str(trouble), "Rien ne répond. Vérifiez le câble.")
    bench.do(core.on_trouble, A, None, timed=False)
    assert why(bench.report()) == "The printer is offline."


def test_a_fault_is_told_with_its_meaning_and_written_once() -> None:
    bench = Bench()
    start = bench.start()
    bench.status(A, PrinterState.FAULT, fault=FAULT)
    bench.status(A, PrinterState.FAULT, fault=FAULT, note="still")
    (fact,) = [fact for fact in bench.facts if fact.kind == "fault-raised"]
    assert (fact.job, fact.fault.code, fact.fault.meaning_fr) == (start.job, "thermal-runaway", "trop chaud")
    note = bench.report().printers[0].fault
    assert note is not None
    assert note.action_en == "look"


def test_a_fault_that_flickers_does_not_wear_out_the_card() -> None:
    bench = Bench()
    for _ in range(50):
        bench.pass_time(10)
        bench.status(A, PrinterState.FAULT, fault=FAULT)
        bench.status(A, PrinterState.IDLE)
    assert len([fact for fact in bench.facts if fact.kind == "fault-raised"]) == 1
    bench.status(A, PrinterState.FAULT, fault=replace(FAULT, code="other"))
    assert len([fact for fact in bench.facts if fact.kind == "fault-raised"]) == 2
    bench.pass_time(601)
    bench.status(A, PrinterState.IDLE)
    bench.status(A, PrinterState.FAULT, fault=replace(FAULT, code="other"))
    assert len([fact for fact in bench.facts if fact.kind == "fault-raised"]) == 3


def test_the_face_changes_with_what_the_daemon_should_know_at_once() -> None:
    bench = Bench()
    faces = [core.face(bench.state, bench.moment)]

    def changed() -> bool:
        faces.append(core.face(bench.state, bench.moment))
        return faces[-1] != faces[-2]

    bench.status(A, PrinterState.IDLE, nozzle=Temperature(200, 200))
    assert not changed(), "temperatures are telemetry"
    bench.acknowledge()
    assert not changed()
    bench.allocate(allocation())
    assert changed()
    bench.tick()
    assert changed()
    bench.status(A, PrinterState.PRINTING, progress=0.1)
    assert changed()
    bench.status(A, PrinterState.PRINTING, progress=0.2)
    assert not changed()


def test_telemetry_leaves_out_what_cannot_be() -> None:
    status = PrinterStatus(
        PrinterState.PRINTING, progress=1.7, remaining_s=nan, nozzle=Temperature(nan, 0), bed=Temperature(9e9, 60)
    )
    told = core.telemetry(status)
    assert (told.progress, told.remaining_s, told.nozzle_c, told.bed_c) == (1.0, None, None, 2000.0)
    assert core.telemetry(PrinterStatus(progress=inf, note="x" * 900)).progress is None


def test_telemetry_is_in_farm_time() -> None:
    told = core.telemetry(PrinterStatus(PrinterState.PRINTING, remaining_s=10.0, nozzle=Temperature(201, 205)), factor=60)
    assert (told.remaining_s, told.nozzle_c, told.nozzle_target_c) == (600.0, 201, 205)


def test_texts_of_machines_are_one_line() -> None:
    bench = Bench()
    bench.status(A, PrinterState.IDLE, firmware="Marlin\x1b[31m\n2.1")
    assert bench.report().printers[0].firmware == "Marlin [31m 2.1"


def test_a_report_of_many_printers_fits_a_packet() -> None:
    bench = Bench(*(setup(f"printer-{number}") for number in range(128)), ready=False)
    prompt = Prompt("prompt-1", "é" * 500, ("喷" * 80,) * 10, "é" * 500, ("喷" * 80,) * 10)
    for number in range(128):
        said = {"firmware": "é" * 500, "fault": replace(FAULT, text="é" * 500), "prompt": prompt}
        bench.status(f"printer-{number}", PrinterState.IDLE, **said)
    _, report = core.report(bench.state, bench.moment)
    assert len(report.model_dump_json().encode()) <= MAX_PACKET_BYTES
    shown = report.printers[-1].prompt
    assert shown is not None
    assert (shown.id, len(shown.choices)) == ("prompt-1", 10), "shorter, but it can be answered"
    assert (len(shown.text_fr or ""), len(shown.choices_fr)) == (40, 10)


def test_a_question_is_told_at_once_and_gone_with_its_answer() -> None:
    bench = Bench()
    calm = core.face(bench.state, bench.moment)
    bench.status(A, PrinterState.ATTENTION, prompt=Prompt("prompt-1", "Ready?\x1b[2J", ("Yes\n", "No")))
    assert core.face(bench.state, bench.moment) != calm, "a report is due"
    shown = bench.report().printers[0].prompt
    assert shown is not None
    assert (shown.id, shown.text, shown.choices) == ("prompt-1", "Ready? [2J", ["Yes ", "No"])
    first = core.face(bench.state, bench.moment)
    bench.status(A, PrinterState.ATTENTION, prompt=Prompt("prompt-2", "Ready?", ("Yes", "No")))
    assert core.face(bench.state, bench.moment) != first, "the same words are another question"
    bench.status(A, PrinterState.IDLE)
    assert bench.report().printers[0].prompt is None


def test_a_question_in_our_own_words_travels_in_both_languages() -> None:
    bench = Bench()
    bench.status(A, PrinterState.ATTENTION, prompt=Prompt("q1", "Dry?", ("Yes", "No"), "Sec ?\n" + "x" * 900, ("Oui\t", "Non")))
    shown = bench.report().printers[0].prompt
    assert shown is not None
    assert ((shown.text_fr or "")[:6], len(shown.text_fr or ""), shown.choices_fr) == ("Sec ? ", 500, ["Oui ", "Non"])
    bench.status(A, PrinterState.ATTENTION, prompt=Prompt("q2", "Dry?", ("Yes", "No"), choices_fr=("Oui",)))
    shown = bench.report().printers[0].prompt
    assert shown is not None
    assert (shown.text_fr, shown.choices, shown.choices_fr) == (None, ["Yes", "No"], []), "nobody knows which of them it is"


def test_a_fault_says_what_it_takes_until_it_prints_again() -> None:
    bench = Bench()
    bench.status(A, PrinterState.FAULT, fault=replace(FAULT, recovery=Recovery.NEVER))
    note = bench.report().printers[0].fault
    assert note is not None
    assert (note.recovery, note.text_fr) == ("never", None)


def test_what_a_fault_says_in_our_own_words_travels_in_both_languages() -> None:
    bench = Bench()
    bench.status(A, PrinterState.FAULT, fault=replace(FAULT, text=Told("hot", "line 5", "ligne\n5" + "x" * 900)))
    note = bench.report().printers[0].fault
    assert note is not None
    assert (note.text, (note.text_fr or "")[:7], len(note.text_fr or "")) == ("line 5", "ligne 5", 500)
    (fact,) = [fact for fact in bench.facts if fact.kind == "fault-raised"]
    assert fact.fault == note


def test_a_note_travels_in_both_languages_and_within_its_limits() -> None:
    told = core.telemetry(PrinterStatus(note="Off.", note_fr="Éteinte." + "x" * 900))
    assert told.note == "Off."
    assert (told.note_fr or "").startswith("Éteinte.")
    assert len(told.note_fr or "") <= 500
    assert core.telemetry(PrinterStatus(note="LCD")).note_fr is None
