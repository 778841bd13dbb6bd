"""The farm as people see it."""

from dataclasses import replace

import pytest

from drivers.base import PrinterState
from farm.bus import messages
from farm.bus.topics import Stream
from farm.daemon.presenter import Presenter, designs, job_view, program_view, programs_view
from scheduler.draft import Draft
from scheduler.model import (
    BedState,
    Durable,
    Job,
    JobOutcome,
    NodeRecord,
    Order,
    PendingCollect,
    Requester,
    Revision,
    Rules,
    Verdict,
)
from scheduler.model import Farm as Snapshot
from tests.unit.farm.daemon.harness import PROGRAM, SHA, Farm, Mail, occupied, printer_report


def job(key: str = "j1", outcome: JobOutcome | None = JobOutcome.PRINTED, ended_at_s: float | None = 5.0) -> Job:
    return Job(key, "n1", "p1", "a1", "o1", "r1", SHA, 1, 3600.0, 0.0, 1e9, outcome=outcome, ended_at_s=ended_at_s)


def put(farm: Farm, *entities: Durable) -> None:
    draft = Draft(farm.world.durable)
    for entity in entities:
        draft.put(entity)
    farm.world.adopt(draft)


def present(farm: Farm) -> Presenter:
    return Presenter(farm.world, Rules(), farm.clock)


async def joined(farm: Farm, *reports: messages.PrinterReport) -> None:
    await farm.hear(farm.report(*reports, generation=0))
    await farm.hear(farm.report(*reports))


async def test_a_printer_shows_report_telemetry_and_what_it_may_still_start(farm: Farm) -> None:
    await joined(farm, printer_report())
    figures = messages.PrinterTelemetry(state=PrinterState.PREPARING, progress=0.25, nozzle_c=180.0, note="heating")
    farm.engine.on_message(Mail("n1", Stream.TELEMETRY, messages.Telemetry(boot=1, count=1, printers={"p1": figures})).received)
    (view,) = present(farm).printers()
    assert (view.state, view.progress, view.nozzle_c, view.note) == (PrinterState.PREPARING, 0.25, 180.0, "heating")
    assert (view.online, view.ready, view.why_not, view.order, view.jobs_left) == (True, True, [], "o1", 2)


async def test_a_silent_node_is_offline_and_so_are_its_printers(farm: Farm) -> None:
    await joined(farm, printer_report())
    farm.clock.advance(91)
    (view,) = present(farm).printers()
    assert (view.online, view.state) == (False, PrinterState.OFFLINE)
    assert [reason.en for reason in view.why_not] == ["Its node has not been heard lately."]
    node = next(item for item in present(farm).nodes() if item.id == "n1")
    assert (node.online, node.suspect, node.silent_s) == (False, True, 91.0)


async def test_a_node_that_was_never_heard_has_no_silence(farm: Farm) -> None:
    put(farm, NodeRecord("n3", "gone", 0.0, "", revoked=True))
    nodes = present(farm).nodes()
    assert [(node.name, node.online, node.silent_s) for node in nodes] == [
        ("left bench", False, None),
        ("right bench", False, None),
    ]


async def test_the_nodes_own_reason_is_added(farm: Farm) -> None:
    await joined(
        farm,
        printer_report(
            state=PrinterState.OFFLINE,
            ready=False,
            reason=messages.ReasonNote(code="printer-trouble", en="The port is gone.", fr="The port is gone."),
        ),
    )
    (view,) = present(farm).printers()
    assert [reason.en for reason in view.why_not] == ["The port is gone."]


async def test_why_a_printer_was_lost_in_mid_print_is_told_behind_that_it_was_printing(farm: Farm) -> None:
    lost = messages.ReasonNote(code="printer-trouble", en="Reset it.", fr="Réinitialisez-la.")
    for reason, told in (
        (lost, ["It is printing.", "Reset it."]),
        (FULL.model_copy(update={"code": "bed-x"}), ["It is printing."]),
    ):
        await joined(farm, occupied().model_copy(update={"state": PrinterState.OFFLINE, "reason": reason}))
        (view,) = present(farm).printers()
        assert [one.en for one in view.why_not] == told


FULL = messages.ReasonNote(code="disk-nearly-full", en="The disk is nearly full.", fr="Le disque est presque plein.")


async def test_a_full_disk_of_its_node_is_why_an_order_waits(farm: Farm) -> None:
    await joined(farm, *(printer_report(key, ready=False, reason=FULL) for key in ("p1", "p2")))
    view = present(farm)
    assert [[reason.en for reason in printer.why_not] for printer in view.printers()] == [["The disk is nearly full."]] * 2
    (order,) = view.orders()
    (reason,) = order.why_waiting
    assert (reason.code, reason.en) == ("disk-nearly-full", "2 printers: The disk is nearly full.")
    assert reason.fr == "2 imprimantes : Le disque est presque plein."


async def test_what_keeps_the_whole_node_comes_before_what_waits_on_the_bed(farm: Farm) -> None:
    await joined(farm, occupied(outcome=JobOutcome.PRINTED).model_copy(update={"reason": FULL}))
    (view,) = present(farm).printers()
    assert [reason.code for reason in view.why_not] == ["disk-nearly-full", "bed-not-collected"]


@pytest.mark.parametrize(("outcome", "most", "running"), [(None, 0, True), (JobOutcome.PRINTED, 3, False)])
async def test_what_is_on_a_bed_and_how_many_may_be_good(farm: Farm, outcome: JobOutcome | None, most: int, running: bool) -> None:
    await joined(farm, occupied(outcome=outcome, parts=3))
    (view,) = present(farm).printers()
    assert view.occupation is not None
    assert (view.occupation.job, view.occupation.good_at_most, view.occupation.running) == ("j1", most, running)


async def test_how_far_a_journal_is_behind(farm: Farm) -> None:
    await farm.hear(farm.report(journal=messages.JournalPosition(epoch="e1", oldest=1, head=7)))
    assert next(node for node in present(farm).nodes() if node.id == "n1").journal_behind == 7


async def test_an_order_shows_what_it_still_owes(farm: Farm) -> None:
    await joined(farm, printer_report())
    view = present(farm).order(farm.world.durable.orders["o1"])
    assert (view.design, view.owed, view.expected, view.to_allocate, view.state) == ("d1", 4, 2, 2, "open")
    assert [reason.en for reason in view.why_waiting] == ["1 printer: It already has jobs to start."]


async def test_orders_are_listed_open_ones_first_by_priority_and_age(farm: Farm) -> None:
    put(
        farm,
        Order("met", "r1", 1, 9, "", 0.0, good=1, met_at_s=3.0),
        Order("gone", "r1", 1, 9, "", 1.0, cancelled=True),
        Order("urgent", "r1", 1, 5, "", 9.0),
        Order("young", "r1", 1, 0, "", 5.0),
    )
    assert [(view.id, view.state) for view in present(farm).orders()] == [
        ("urgent", "open"), ("o1", "open"), ("young", "open"), ("met", "met"), ("gone", "cancelled")
    ]  # fmt: skip


async def test_what_waits_for_a_hand_is_listed_the_longest_first(farm: Farm) -> None:
    word = PendingCollect("c", "n1", "p1", "j3", 1, 0, "ada", clear_only=False, created_at_s=0.0)
    put(farm, job("j1", ended_at_s=9.0), job("j2", ended_at_s=4.0), job("j3"), job("j4", outcome=None, ended_at_s=None), word)
    assert [view.id for view in present(farm).waiting()] == ["j2", "j1"]


@pytest.mark.parametrize(
    ("one", "state"),
    [
        (job(outcome=None), "running"),
        (job(), "ended"),
        (Job("j", "n", "p", "a", "o", "r", SHA, 1, 1.0, 0.0, 1.0, collected_at_s=2.0), "collected"),
    ],
)
def test_the_state_of_a_job_in_a_word(one: Job, state: str) -> None:
    assert job_view(one, Snapshot(1, 0.0)).state == state


async def test_programs_and_designs(farm: Farm) -> None:
    put(
        farm, Revision("r2", "d1", 7.0), Revision("r3", "d1", 8.0, draft=True), Revision("r4", "d1", 9.0, draft=True, recalled=True)
    )
    world = farm.world.durable
    assert [(item.sha256, item.design) for item in programs_view(world)] == [(SHA, "d1")]
    (design,) = designs(world)
    assert (design.name, design.revisions) == ("visor frame", ["r4", "r3", "r2", "r1"])
    assert (design.drafts, design.recalled) == (["r3"], ["r4"])


def test_a_program_says_who_answers_for_it_and_whether_it_may_be_used() -> None:
    trusted = replace(PROGRAM, verdict=Verdict.TRUSTED_ONLY, trust="m569=1 m907=3", checked="2-abc", rule_set=2)
    view = program_view(Snapshot(1, 0.0), trusted)
    assert (view.verdict, view.usable, view.trust, view.checked) == (Verdict.TRUSTED_ONLY, False, ["m569", "m907"], True)
    assert view.uploaded_sha256 == SHA
    released = replace(trusted, released_by="Eve", released_at_s=9.0, released_for=trusted.trust, release_reason="known")
    view = program_view(Snapshot(1, 0.0), released)
    assert (view.usable, view.released_by, view.released_at, view.release_reason) == (True, "Eve", 9.0, "known")
    assert not program_view(Snapshot(1, 0.0), PROGRAM).checked


async def test_an_order_names_its_requester(farm: Farm) -> None:
    put(farm, Requester("q1", "Hospitals", approves=True, created_at_s=0.0), Order("o9", "r1", 2, 0, "", 1.0, requester="q1"))
    view = next(view for view in present(farm).orders() if view.id == "o9")
    assert (view.requester, view.requester_name) == ("q1", "Hospitals")
    assert [reason.code for reason in view.why_waiting] == ["not-approved"]


async def test_a_printer_that_nobody_cleared_says_so_once(farm: Farm) -> None:
    await joined(
        farm,
        printer_report(
            bed=BedState.UNKNOWN,
            ready=False,
            reason=messages.ReasonNote(code="bed-unknown", en="The bed is unknown.", fr="Inconnu."),
        ),
    )
    (view,) = present(farm).printers()
    assert [reason.en for reason in view.why_not] == ["Nobody knows what is on the bed: look, and clear it."]
