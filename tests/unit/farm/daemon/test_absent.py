"""Printers whose node is away: listed after a restart, collected from, owned, and forgotten when their node drops them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from drivers.base import PrinterState
from farm.bus.topics import Stream
from farm.daemon import beds
from farm.daemon.absent import NOT_HEARD, NOT_REPORTED, record_of, report_of, waiting_job, waiting_jobs
from farm.daemon.presenter import Presenter
from farm.request_bodies import CollectRequest
from farm.store.repository import Change
from scheduler.draft import Draft
from scheduler.model import BedState, Durable, Job, JobOutcome, NodeRecord, PrinterRecord, Rules
from tests.unit.farm.daemon.harness import SEED, SHA, Farm, occupied, open_farm, printer_report

RECORD = PrinterRecord("p1", "n1", "Left", "manual", "small", "PLA", 0.4, "cancel pause")
JOB = Job("j1", "n1", "p1", "a1", "o1", "r1", SHA, 2, 3600.0, 5.0, 1e9, outcome=JobOutcome.PRINTED, ended_at_s=9.0)


def present(farm: Farm) -> Presenter:
    return Presenter(farm.world, Rules(), farm.clock)


def test_a_record_keeps_what_does_not_change_from_report_to_report() -> None:
    idle = printer_report(name="Left", driver="manual", capabilities=["pause", "cancel"])
    printing = idle.model_copy(update={"state": PrinterState.PRINTING, "bed": BedState.OCCUPIED, "ready": False})
    assert record_of("n1", idle) == record_of("n1", printing) == RECORD


def test_what_stands_in_for_a_report_promises_nothing() -> None:
    report = report_of(RECORD, None, NOT_HEARD)
    assert (report.state, report.bed, report.ready, report.occupation) == (PrinterState.OFFLINE, BedState.UNKNOWN, False, None)
    assert (report.name, report.driver, report.capabilities) == ("Left", "manual", ["cancel", "pause"])


def test_the_newest_job_that_nobody_collected_is_on_the_bed() -> None:
    jobs = [JOB, replace(JOB, id="j2", started_at_s=7.0), replace(JOB, id="j3", started_at_s=9.0, collected_at_s=9.0)]
    other = replace(JOB, id="j4", printer="p2", started_at_s=99.0)
    assert waiting_job("p1", [*jobs, other]) == jobs[1]
    assert waiting_job("p3", jobs) is None
    assert waiting_jobs([other, *reversed(jobs)]) == {"p1": jobs[1], "p2": other}


async def test_after_a_restart_every_known_printer_is_there_and_offline(tmp_path: Path) -> None:
    async with open_farm(tmp_path) as farm:
        await farm.hear(farm.report(printer_report("p1"), printer_report("p2", driver="manual")))
    async with open_farm(tmp_path) as farm:
        views = present(farm).printers()
        assert [(view.id, view.node, view.driver, view.state, view.bed) for view in views] == [
            ("p1", "n1", "virtual", PrinterState.OFFLINE, BedState.UNKNOWN),
            ("p2", "n1", "manual", PrinterState.OFFLINE, BedState.UNKNOWN),
        ]
        assert {tuple(view.why_not) for view in views} == {(NOT_HEARD,)}
        assert farm.world.printers["p2"].by_hand
        node = next(node for node in present(farm).nodes() if node.id == "n1")
        assert (node.silent_s, node.online, node.printers) == (None, False, ["p1", "p2"])


async def test_the_first_report_after_a_restart_says_how_it_really_is(tmp_path: Path) -> None:
    async with open_farm(tmp_path) as farm:
        await farm.hear(farm.report(printer_report("p1")))
    async with open_farm(tmp_path) as farm:
        await farm.hear(farm.report(printer_report("p1"), boot=2))
        (view,) = present(farm).printers()
        assert (view.online, view.bed, view.why_not) == (True, BedState.CLEAR, [])


async def test_a_hand_can_collect_before_the_node_is_back(tmp_path: Path) -> None:
    async with open_farm(tmp_path, seed=(*SEED, RECORD, JOB)) as farm:
        (view,) = present(farm).printers()
        assert view.occupation is not None
        assert (view.occupation.job, view.occupation.running, view.occupation.good_at_most) == ("j1", False, 2)
        request = CollectRequest(job="j1", good=2)
        command = await farm.ask(lambda draft: beds.collect(farm.world, draft, "p1", request, 0.0))
        assert list((await farm.stored()).pending_collects) == [command], "it waits for the node, over any number of restarts"
        assert [said.id for said in farm.bus.of(Stream.COMMAND)] == [command]
        await farm.hear(farm.report(occupied(outcome=JobOutcome.PRINTED, parts=2)))
        assert list(farm.world.durable.pending_collects) == [command], "a report does not say that it was carried out"


async def test_printers_are_written_when_they_change_and_never_for_a_report(farm: Farm) -> None:
    written: list[Durable] = []
    commit = farm.store.commit

    async def watched(changes: Sequence[Change]) -> None:
        written.extend(item.entity for item in changes if isinstance(getattr(item, "entity", None), PrinterRecord))  # type: ignore[union-attr]  # looked at in the condition
        await commit(changes)

    farm.engine._store = type("Watched", (), {"commit": staticmethod(watched), "find": farm.store.find})()
    for report in (printer_report(), printer_report(), occupied(), printer_report(material="PETG")):
        await farm.hear(farm.report(report))
    assert [getattr(record, "material", "") for record in written] == ["PLA", "PETG"]


async def test_a_printer_belongs_to_the_node_that_first_reported_it_also_after_a_restart(tmp_path: Path) -> None:
    async with open_farm(tmp_path) as farm:
        await farm.hear(farm.report(printer_report("p1")))
    async with open_farm(tmp_path) as farm:
        await farm.hear(farm.report(printer_report("p1"), node="n2"))
        assert farm.engine.receiver.rejections.counts["n2", "printer-of-another-node"] == 1
        assert farm.world.printers["p1"].node == "n1"


async def test_the_printer_of_a_node_that_was_removed_is_free_to_move(tmp_path: Path) -> None:
    async with open_farm(tmp_path, seed=(*SEED, RECORD, NodeRecord("n1", "left bench", 0.0, "", revoked=True))) as farm:
        assert farm.world.printers == {}
        await farm.hear(farm.report(printer_report("p1"), node="n2"))
        assert farm.world.printers["p1"].node == "n2"
        assert (await farm.stored()).printers["p1"].node == "n2"


async def test_a_printer_that_its_node_drops_disappears(farm: Farm) -> None:
    await farm.hear(farm.report(printer_report("p1"), printer_report("p2")))
    await farm.hear(farm.report(printer_report("p1")))
    assert [view.id for view in present(farm).printers()] == ["p1"]
    assert list((await farm.stored()).printers) == ["p1"]


async def test_a_retained_report_makes_nobody_forget(farm: Farm) -> None:
    await farm.hear(farm.report(printer_report("p1"), printer_report("p2")))
    await farm.hear(farm.report(printer_report("p1"), retained=True))
    assert [view.id for view in present(farm).printers()] == ["p1", "p2"]


async def test_a_dropped_printer_stays_until_its_job_is_collected(tmp_path: Path) -> None:
    async with open_farm(tmp_path, seed=(*SEED, RECORD, JOB)) as farm:
        await farm.hear(farm.report())
        (view,) = present(farm).printers()
        assert (view.why_not, view.occupation and view.occupation.job) == ([NOT_REPORTED], "j1")
        collected(farm)
        await farm.hear(farm.report())
        assert present(farm).printers() == []
        assert (await farm.stored()).printers == {}


def collected(farm: Farm) -> Any:
    draft = Draft(farm.world.durable)
    draft.put(replace(JOB, collected_at_s=10.0))
    farm.world.adopt(draft)
