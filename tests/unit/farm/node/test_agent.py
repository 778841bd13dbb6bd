import asyncio
import json
import math
import time
from pathlib import Path
from typing import Any

import pytest
import structlog.testing

from drivers.base import JobTrace, PrintEnd, PrinterState
from drivers.errors import FirmwareError, TransferError, UnreachableError
from farm.bus.messages import AnswerAction, CollectAction, Desired, JobAction, Link, Report, StopAction
from farm.bus.topics import Stream
from farm.clock import Clock
from farm.config import NodeSettings, PrinterSection
from farm.errors import ConfigurationError, ConflictError, NotFoundError
from farm.node.agent import Agent
from farm.node.core.state import FIRST_ASK_S
from farm.node.ledger import LedgerWriteError
from farm.node.parts import Parts
from farm.node.speaker import _REPORT_GAP_S
from gcode.texts import told
from scheduler.model import BedState, JobOutcome
from tests.unit.farm.node.bench import FAULT
from tests.unit.farm.node.fake_farm import GCODE, GCODE_SHA, IDENTITY, FakeFarm, Workshop, order, printing, until, workshop


async def test_a_job_from_desired_to_collected(tmp_path: Path) -> None:
    async with printing(tmp_path) as (shop, printer, driver):
        (call,) = [call for call in driver.calls if call[0] == "start"]
        assert call[1].read_bytes() == GCODE
        job = call[2]
        await until(lambda: "job-started" in shop.farm.kinds())
        await until(lambda: shop.farm.report.printers[0].occupation and shop.farm.report.printers[0].state is PrinterState.PRINTING)
        driver.finishes()
        await until(lambda: "job-ended" in shop.farm.kinds())
        assert shop.agent.state.bed(printer) is BedState.OCCUPIED
        shop.farm.command(CollectAction(printer=printer, job=job, good=2, scrap=0))
        await until(lambda: "job-collected" in shop.farm.kinds())
        await until(lambda: driver.status.job not in {None, job}, what="the next job of the allocation")


async def test_a_node_is_born_with_a_link_a_report_and_a_will(tmp_path: Path) -> None:
    async with workshop(tmp_path, "left") as shop:
        await until(lambda: shop.farm.report.printers[0].state is PrinterState.IDLE if shop.farm.of(Report) else False)
        link = shop.farm.of(Link)[0]
        will = Link.model_validate_json(shop.farm.wills[0])
        assert (link.online, will.online) == (True, False)
        assert link.connection == will.connection
        assert shop.farm.report.name == "left bench"
        assert shop.farm.report.agent.startswith("essaim")
        shop.farm.cut()
        shop.farm.connect()
        await until(lambda: len(shop.farm.of(Link)) == 2)
        assert shop.farm.of(Link)[1].connection > link.connection
    assert shop.farm.of(Link)[-1].online is False
    assert shop.farm.closed
    assert shop.drivers["left"].closed


async def test_a_new_bed_is_unknown_and_nothing_starts_on_it(tmp_path: Path) -> None:
    async with workshop(tmp_path, "left") as shop:
        printer = shop.printer("left")
        await until(lambda: shop.farm.of(Report) and shop.farm.report.printers[0].bed is BedState.UNKNOWN)
        shop.farm.want({printer: [order()]})
        await until(lambda: GCODE_SHA in shop.agent.state.files)
        await asyncio.sleep(0.2)
        assert not [call for call in shop.drivers["left"].calls if call[0] == "start"]


async def test_beds_stay_known_however_fast_the_clock_is(tmp_path: Path) -> None:
    """At this speed a tick lasts longer than the five minutes after which a slow agent counts as blind."""
    async with workshop(tmp_path, "left", factor=10_000.0) as shop:
        await shop.clear("left")
        before = shop.agent.state.printers[shop.printer("left")].seen_s
        assert before is not None
        await until(lambda: (shop.agent.state.printers[shop.printer("left")].seen_s or 0.0) > before + 2_000)
        assert shop.agent.state.bed(shop.printer("left")) is BedState.CLEAR


async def test_what_was_told_long_ago_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farm.node.agent._PRUNE_AT_LEAST_S", 0.05)
    monkeypatch.setattr("farm.node.core.pruning.KEEP_S", 10.0)
    monkeypatch.setattr("farm.node.agent._PRUNE_EVERY_S", 3.0)
    async with printing(tmp_path) as (shop, _, driver):
        await until(lambda: "job-started" in shop.farm.kinds())
        await until(lambda: shop.agent.state.journal.oldest > shop.agent.state.journal.head, what="an empty journal")
        driver.finishes()
        await until(lambda: "job-ended" in shop.farm.kinds(), what="numbers that go on")


async def test_reports_are_coalesced(tmp_path: Path) -> None:
    async with workshop(tmp_path, "left") as shop:
        await until(lambda: shop.farm.said)
        before = len(shop.farm.said)
        driver = shop.drivers["left"]
        began_s = time.monotonic()
        for number in range(40):
            driver.becomes(PrinterState.FAULT if number % 2 else PrinterState.IDLE)
            await asyncio.sleep(0.01)
        reports = [message for stream, message in shop.farm.said[before:] if stream is Stream.REPORT]
        assert len(reports) <= 2 + (time.monotonic() - began_s) / _REPORT_GAP_S


async def test_telemetry_says_what_is_newest(tmp_path: Path) -> None:
    async with printing(tmp_path) as (shop, printer, driver):
        driver.becomes(PrinterState.PRINTING, progress=0.5, remaining_s=10.0)
        await until(lambda: shop.farm.telemetry.printers[printer].progress == 0.5)
        assert shop.farm.telemetry.printers[printer].remaining_s == 600.0, "farm time"


async def test_the_journal_is_repeated_until_it_is_committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farm.node.outbox.FIRST_REPEAT_S", 0.05)
    async with printing(tmp_path) as (shop, _, driver):
        await until(lambda: shop.agent.state.journal.acked == shop.agent.state.journal.head)
        shop.farm.commits = False
        driver.finishes()
        told = [message for stream, message in shop.farm.said if stream is Stream.JOURNAL]
        await until(lambda: len([1 for stream, _ in shop.farm.said if stream is Stream.JOURNAL]) >= len(told) + 3)
        assert "job-ended" not in shop.farm.kinds()
        shop.farm.commits = True
        await until(lambda: "job-ended" in shop.farm.kinds())
        await until(lambda: shop.agent.state.journal.acked == shop.agent.state.journal.head)


async def test_what_happened_while_cut_off_is_told_afterwards(tmp_path: Path) -> None:
    async with printing(tmp_path) as (shop, _, driver):
        await until(lambda: "job-started" in shop.farm.kinds())
        shop.farm.cut()
        driver.finishes()
        await until(lambda: shop.agent.state.journal.head > len(shop.farm.facts))
        shop.farm.connect()
        await until(lambda: "job-ended" in shop.farm.kinds())


async def test_a_node_that_is_not_acknowledged_starts_nothing(tmp_path: Path) -> None:
    farm = FakeFarm()
    async with workshop(tmp_path, "left", farm=farm) as shop:
        await shop.clear("left")
        farm.acknowledges = False
        printer = shop.printer("left")
        await asyncio.sleep(0.2)
        farm.want({printer: [order(autonomy_s=3.0)]})  # 50 ms of real time: the contact is older
        await until(lambda: shop.agent.state.files)
        await asyncio.sleep(0.3)
        late = [call for call in shop.drivers["left"].calls if call[0] == "start"]
        farm.acknowledges = True
        await until(lambda: shop.drivers["left"].status.job or late)
        assert not late


async def test_a_new_generation_has_everything_told_again(tmp_path: Path) -> None:
    async with printing(tmp_path) as (shop, _, _driver):
        await until(lambda: shop.agent.state.journal.acked == shop.agent.state.journal.head)
        told = dict(shop.farm.facts)
        shop.farm.facts.clear()
        shop.farm.pointer.clear()
        shop.farm.desired = Desired(generation=5, version=1)
        shop.farm.hear(shop.farm.desired, retained=True)
        await until(lambda: len(shop.farm.facts) >= len(told))
        assert [fact.kind for fact in told.values()] == shop.farm.kinds()[: len(told)]


# --- restarts


async def test_a_job_that_survived_the_agent_goes_on(tmp_path: Path) -> None:
    async with printing(tmp_path) as (shop, printer, driver):
        job = driver.status.job
    again = Workshop(tmp_path, "left", farm=shop.farm)
    again.scripts["left"].trace = JobTrace(running=True)
    try:
        await again.agent.start()
        assert again.printer("left") == printer, "the id of a printer is made once"
        await until(lambda: ("trace", job) in again.drivers["left"].calls)
        await until(lambda: again.agent.state.printers[printer].status.state is PrinterState.PRINTING)
        again.drivers["left"].finishes()
        await until(lambda: "job-ended" in again.farm.kinds())
        assert again.agent.state.occupations[printer].outcome is JobOutcome.PRINTED
        assert [call[0] for call in again.drivers["left"].calls].count("start") == 0
    finally:
        await again.agent.close()


async def test_a_job_that_died_with_the_agent_is_interrupted(tmp_path: Path) -> None:
    async with printing(tmp_path):
        pass
    again = Workshop(tmp_path, "left")
    again.scripts["left"].trace_errors = [UnreachableError("It does not answer.", next_step="Wait.")]
    try:
        await again.agent.start()
        printer = again.printer("left")
        await until(lambda: again.agent.state.bed(printer) is BedState.UNKNOWN, what="the second answer of the machine")
        assert again.agent.state.occupations[printer].outcome is JobOutcome.INTERRUPTED
    finally:
        await again.agent.close()


async def test_a_machine_whose_answer_fails_at_once_is_not_asked_without_end(tmp_path: Path) -> None:
    async with printing(tmp_path):
        pass
    again = Workshop(tmp_path, "left")
    again.scripts["left"].trace_errors = [UnreachableError("HTTP 500.", next_step="Wait.") for _ in range(1_000)]
    try:
        began_s = time.monotonic()  # the first question may come before the start is over
        await again.agent.start()
        await until(lambda: "trace" in [call[0] for call in again.drivers["left"].calls])
        await asyncio.sleep(0.5)
        doublings = math.log2(1 + (time.monotonic() - began_s) * 60 / FIRST_ASK_S)  # an hour of the farm is a minute here
        assert [call[0] for call in again.drivers["left"].calls].count("trace") <= 1 + doublings
    finally:
        await again.agent.close()


async def test_one_agent_a_folder(tmp_path: Path) -> None:
    async with workshop(tmp_path, "left"):
        other = Workshop(tmp_path, "left")
        with pytest.raises(ConfigurationError, match="Another agent") as caught:
            await other.agent.start()
        await other.agent.close()
        assert caught.value.code == "already-running"


# --- printers


async def test_a_node_that_joined_anew_in_its_folder_begins_anew(tmp_path: Path) -> None:
    async with printing(tmp_path) as (shop, printer, _driver):
        await until(lambda: "job-started" in shop.farm.kinds())
        started = shop.agent.state
    assert started.generation == 1
    farm = FakeFarm("node-2")
    fresh = IDENTITY.model_copy(update={"node": "node-2"})
    async with workshop(tmp_path, "left", identity=fresh, farm=farm) as shop:
        await until(lambda: farm.of(Report))
        first = farm.of(Report)[0]
        assert (first.generation, first.desired_version) == (0, 0), "nobody takes it for a node of theirs that they forgot"
        assert first.journal.epoch != started.journal.epoch
        (shown,) = first.printers
        assert (shown.id, shown.bed) == (printer, BedState.UNKNOWN)
        assert shown.occupation is not None
        assert shown.occupation.job is None
        await shop.clear("left")
        assert [kind for kind in farm.kinds() if kind.startswith("job-")] == [], "no fact of the other node is told"
        epoch = shop.agent.state.journal.epoch
    async with workshop(tmp_path, "left", identity=fresh, farm=farm) as shop:
        assert shop.agent.state.journal.epoch == epoch, "from then on it is its own"
        assert shop.agent.state.generation == 1


async def test_an_unreachable_printer_says_why_and_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farm.node.hands._FIRST_RETRY_S", 0.5)
    shop = Workshop(tmp_path, "left")
    failing = shop.scripts["left"].connect_errors
    failing += [UnreachableError("Nothing answers at /dev/x.", next_step="Check the cable.")] * 100
    try:
        await shop.agent.start()
        why = "Nothing answers at /dev/x. Check the cable."
        await until(lambda: shop.farm.of(Report) and said(shop.farm.report) == why)
        failing.clear()
        await until(lambda: shop.farm.report.printers[0].state is PrinterState.IDLE)
    finally:
        await shop.agent.close()


async def test_a_bug_in_a_driver_does_not_end_the_others(tmp_path: Path) -> None:
    shop = Workshop(tmp_path, "left", "right")
    shop.scripts["left"].connect_errors = [ZeroDivisionError("oops")] * 100
    try:
        await shop.agent.start()
        left, right = shop.printer("left"), shop.printer("right")
        await until(lambda: shop.agent.state.printers[right].status.state is PrinterState.IDLE)
        await until(lambda: "ZeroDivisionError" in (shop.agent.state.printers[left].trouble or ""))
    finally:
        await shop.agent.close()


def said(report: Report) -> str:
    """Why the first printer is not ready, in English."""
    reason = report.printers[0].reason
    return reason.en if reason is not None else ""


@pytest.mark.parametrize("error", [TransferError("no", next_step="."), FirmwareError(FAULT, next_step=".")])
async def test_a_start_that_did_not_begin_leaves_the_bed_clear(tmp_path: Path, error: Exception) -> None:
    async with workshop(tmp_path, "left") as shop:
        await shop.clear("left")
        shop.scripts["left"].start_error = error
        printer = shop.printer("left")
        shop.farm.want({printer: [order()]})
        await until(lambda: "job-collected" in shop.farm.kinds())
        assert shop.farm.kinds()[-3:] == ["job-started", "job-ended", "job-collected"]
        assert shop.agent.state.bed(printer) is BedState.CLEAR


async def test_a_start_with_an_open_end_is_asked_about(tmp_path: Path) -> None:
    async with workshop(tmp_path, "left") as shop:
        await shop.clear("left")
        shop.scripts["left"].start_error = UnreachableError("It went away.", next_step=".")
        shop.farm.want({shop.printer("left"): [order()]})
        await until(lambda: shop.agent.state.bed(shop.printer("left")) is BedState.UNKNOWN)
        assert [call[0] for call in shop.drivers["left"].calls] == ["connect", "start", "trace"]


async def test_a_program_that_vanished_from_the_cache_is_not_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with workshop(tmp_path, "left") as shop:
        await shop.clear("left")
        monkeypatch.setattr(shop.agent._work, "_take", lambda _sha256: None)  # between the check and the start
        shop.farm.want({shop.printer("left"): [order()]})
        await until(lambda: "job-collected" in shop.farm.kinds())
        ended = next(fact for fact in shop.farm.facts.values() if fact.kind == "job-ended")
        assert ended.model_dump()["detail"] == "Its program is gone from the cache."
        assert "start" not in [call[0] for call in shop.drivers["left"].calls]


async def test_commands_reach_the_driver_and_their_outcome_the_farm(tmp_path: Path) -> None:
    async with printing(tmp_path) as (shop, printer, driver):
        job = driver.status.job
        assert job is not None
        shop.farm.command(JobAction(printer=printer, kind="pause", job=job))
        await until(lambda: driver.status.state is PrinterState.PAUSED)
        shop.farm.command(JobAction(printer=printer, kind="resume", job=job))
        await until(lambda: driver.status.state is PrinterState.PRINTING)
        shop.scripts["left"].act_error = UnreachableError("Nothing answers.", next_step="Look.")
        failing = shop.farm.command(JobAction(printer=printer, kind="cancel", job=job))
        await until(lambda: any(fact.model_dump().get("command") == failing for fact in shop.farm.facts.values()))
        done = {fact.model_dump().get("command"): fact.model_dump().get("ok") for fact in shop.farm.facts.values()}
        assert [ok for ok in done.values() if ok is not None][-3:] == [True, True, False]
        shop.scripts["left"].act_error = None
        shop.farm.command(JobAction(printer=printer, kind="cancel", job=job))
        await until(lambda: "job-ended" in shop.farm.kinds())
        shop.farm.command(StopAction(printer=printer))
        await until(lambda: driver.status.state is PrinterState.FAULT)


async def test_an_answer_reaches_the_driver_once_and_a_stale_one_never(tmp_path: Path) -> None:
    async with printing(tmp_path) as (shop, printer, driver):
        first = driver.asks("Load filament", "Continue", "Cancel")
        await until(lambda: shop.farm.report.printers[0].prompt is not None, what="a report of the question")
        shown = shop.farm.report.printers[0].prompt
        assert shown is not None
        assert (shown.id, shown.choices) == (first.id, ["Continue", "Cancel"])
        shop.farm.command(AnswerAction(printer=printer, prompt=first.id, choice=1))
        await until(lambda: driver.status.prompt is None)
        assert [call for call in driver.calls if call[0] == "answer"] == [("answer", first.id, 1)]
        await until(lambda: shop.farm.report.printers[0].prompt is None, what="a report without it")
        second = driver.asks("Load filament", "Continue", "Cancel")
        await shop.agent.settle()
        late = shop.farm.command(AnswerAction(printer=printer, prompt=first.id, choice=1))

        def done() -> list[dict[str, Any]]:
            facts = [fact.model_dump() for fact in shop.farm.facts.values()]
            return [fact for fact in facts if fact.get("command") == late]

        await until(done)
        assert (done()[0]["ok"], done()[0]["code"]) == (False, "prompt-gone")
        assert driver.status.prompt == second, "a late answer does not answer the next question"


# --- bad input


@pytest.mark.parametrize("stream", [Stream.DESIRED, Stream.ACK, Stream.COMMAND])
async def test_a_poisoned_message_is_counted_logged_once_and_the_stream_goes_on(tmp_path: Path, stream: Stream) -> None:
    async with workshop(tmp_path, "left") as shop:
        await until(lambda: shop.agent.state.contact_s is not None)
        handed_over = shop.farm.handed_over
        with structlog.testing.capture_logs() as logs:
            for bad in (b"{", b'{"v": 2}', b"[]", b"\xff\xfe", b'{"v":1,"generation":-1}'):
                shop.farm.hear(bad, stream=stream)
            await until(lambda: shop.agent.rejected == 5)
        assert [line["event"] for line in logs].count("message.rejected") == 1
        assert shop.farm.handed_over - handed_over >= 5, "held back, they would block what follows"
        shop.farm.want({})
        await until(lambda: shop.agent.state.version == shop.farm.desired.version)


async def test_what_is_not_for_this_node_or_was_kept_by_a_broker_is_ignored(tmp_path: Path) -> None:
    async with workshop(tmp_path, "left") as shop:
        await shop.clear("left")
        shop.farm.hear(Desired(generation=9, version=9), node="node-of-others")
        await until(lambda: shop.agent.rejected == 1)
        report = shop.farm.report
        shop.farm.acknowledges = False
        before = shop.agent.state.contact_s
        ack = {"v": 1, "generation": 1, "epoch": report.journal.epoch, "seq": 0, "boot": report.boot, "report": report.report}
        shop.farm.hear(json.dumps(ack).encode(), stream=Stream.ACK, retained=True)
        await until(lambda: shop.agent.rejected == 2)
        assert shop.agent.state.generation == 1
        assert shop.agent.state.contact_s == before


# --- configuration


@pytest.mark.parametrize(
    ("section", "text"),
    [
        ({"url": "nonsense://x"}, "No driver for the printer URL"),
        ({"profile": "my profile!"}, "Printer 'left': there is no profile 'my profile!'"),
    ],
)
async def test_a_wrong_printer_is_a_clear_error(tmp_path: Path, section: dict[str, str], text: str) -> None:
    values = {"name": "left", "url": "manual://", "profile": "generic-210", **section}
    settings = NodeSettings(data=tmp_path, printers=[PrinterSection(**values)])
    agent = Agent(settings, IDENTITY, Clock(), parts=Parts(FakeFarm().bus))
    with pytest.raises(ConfigurationError, match=text):
        await agent.run()


async def test_two_printers_of_one_name_are_a_clear_error(tmp_path: Path) -> None:
    shop = Workshop(tmp_path, "left", "left")
    with pytest.raises(ConfigurationError, match="Two printers are called 'left'"):
        await shop.agent.run()


async def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    settings = NodeSettings(data=tmp_path / "file" / "data")
    agent = Agent(settings, IDENTITY, Clock(), parts=Parts(FakeFarm().bus))
    with pytest.raises(ConfigurationError, match="cannot be written"):
        await agent.run()


async def test_run_ends_when_it_is_cancelled_and_when_it_is_told_to(tmp_path: Path) -> None:
    shop = Workshop(tmp_path, "left")
    task = asyncio.create_task(shop.agent.run())
    await until(lambda: shop.farm.said)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert shop.farm.closed
    again = Workshop(tmp_path, "left")
    task = asyncio.create_task(again.agent.run())
    await until(lambda: again.farm.said)
    again.agent.stop()
    await task
    assert again.drivers["left"].closed


# --- printers that come and go


async def test_printers_are_added_and_removed_at_run_time(tmp_path: Path) -> None:
    async with workshop(tmp_path) as shop:
        section = PrinterSection(name="Anna", url="scripted://late", profile="ender3")
        printer = await shop.agent.add_printer(section, key="maker-1")
        assert shop.agent.state.printers[printer].setup.profile == "creality-ender3", "what the farm is told is the whole id"
        await until(lambda: shop.agent.state.printers[printer].status.state is PrinterState.IDLE)
        assert shop.agent.driver(printer) is shop.drivers["late"]
        with pytest.raises(ConflictError):
            await shop.agent.add_printer(section, key="maker-1")
        await shop.agent.remove_printer(printer)
        assert shop.drivers["late"].closed
        assert printer not in shop.agent.state.printers
        with pytest.raises(NotFoundError):
            shop.agent.driver(printer)
        assert await shop.agent.add_printer(section, key="maker-1") == printer


async def test_a_printer_that_could_not_be_written_can_be_added_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with workshop(tmp_path) as shop:
        section = PrinterSection(name="Anna", url="scripted://late", profile="generic-210")

        async def full(_event: object) -> None:
            raise LedgerWriteError(told("No room."), next_step=told("Make some."), full=True)

        with monkeypatch.context() as patch:
            patch.setattr(shop.agent._keeper, "apply", full)
            with pytest.raises(LedgerWriteError):
                await shop.agent.add_printer(section, key="maker-1")
        assert shop.drivers["late"].closed
        printer = await shop.agent.add_printer(section, key="maker-1")
        await until(lambda: shop.agent.state.printers[printer].status.state is PrinterState.IDLE)


async def test_a_hand_at_the_node_collects(tmp_path: Path) -> None:
    async with printing(tmp_path) as (shop, printer, driver):
        job = driver.status.job
        assert job is not None
        with pytest.raises(ConflictError, match="has not ended"):
            await shop.agent.collect(printer, job, 2, 0, by="anna")
        driver.finishes(PrintEnd.FAILED)
        await shop.agent.settle()
        await shop.agent.collect(printer, job, 1, 1, by="anna")
        await until(lambda: "job-collected" in shop.farm.kinds())


async def test_secrets_are_not_in_what_is_said_or_shown(tmp_path: Path) -> None:
    async with printing(tmp_path) as (shop, _, _driver):
        await until(lambda: "job-started" in shop.farm.kinds())
        assert "secret" not in repr(shop.farm.said)
        assert "secret" not in repr(IDENTITY)
