"""Rows of the contract about the life of a job of ours: done, cancel, cancelled by a person, finished while away; and resends."""

import asyncio
import re
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from drivers.base import PrintEnd, PrintEnded, PrinterState
from farm.ids import new_id
from tests.integration.octoprint_bench import LONG, QUICK, SHORT, SOME_SECONDS, Bench, cable, connected, until
from tests.integration.octoprint_server import OctoPrintServer

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("octoprint")]
AWAY = SOME_SECONDS * 2  # so long that it still prints when we go, also on a crowded machine
NO_EVENTS = {"state": {"logs": False, "messages": False}, "events": False, "plugins": False}

# --- done -----------------------------------------------------------------------------------------------------------------------


async def test_done_is_told_once_and_counted_by_octoprint(bench: Bench) -> None:
    job = await bench.start(SHORT)
    assert await bench.end() == PrintEnded(job, PrintEnd.DONE, "OctoPrint has sent every line.")
    await bench.state(PrinterState.IDLE)
    states = [status.state for status in bench.listener.statuses]
    order = [PrinterState.CONNECTING, PrinterState.IDLE, PrinterState.PREPARING, PrinterState.PRINTING]
    assert [state for state in dict.fromkeys(states) if state is not PrinterState.FINISHING] == order
    assert states[-1] is PrinterState.IDLE
    assert {status.job for status in bench.listener.statuses if status.state is PrinterState.PRINTING} == {job}
    assert (await bench.counted(job))["success"] == 1
    assert len(bench.listener.ends) == 1


async def test_done_is_found_where_no_event_told_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the socket was down at that moment: only questions tell."""
    await bench.driver.close()
    monkeypatch.setattr("drivers.octoprint.push._SUBSCRIPTION", NO_EVENTS)
    bench.driver = bench.new_driver()
    await bench.driver.connect()
    job = await bench.start(SHORT)
    assert await bench.end() == PrintEnded(job, PrintEnd.DONE, "OctoPrint has counted it as printed.")


@pytest.mark.slow
async def test_done_right_in_spite_of_resends(octoprint_noisy: OctoPrintServer, tmp_path: Path) -> None:
    """The virtual printer's default errors: resends, one with a time-out, a missing number, a wrong checksum.

    Each line moves the nozzle on by 0.1 mm relative to where it is, so that a line too many or too few shows in the position. One
    is lost by the simulation itself: with `105:resend_with_timeout` the virtual printer counts line 105 as received and drops it.
    """
    moves = 150
    content = b"M220 S100000\nG28\nG91\n" + b"G1 X0.1 F6000\n" * moves + b"M400\nM114\nG90\n"
    async with connected(octoprint_noisy, tmp_path) as bench:
        heard_before = len(await asyncio.to_thread(octoprint_noisy.firmware_log))
        job = await bench.start(content)
        await bench.ended(job, PrintEnd.DONE)
        assert (await bench.counted(job))["success"] == 1
    log = (await asyncio.to_thread(octoprint_noisy.firmware_log))[heard_before:]
    assert len(re.findall(r">>> Resend:", log)) >= 3
    lost = len(re.findall(r"<<< N105 G1 ", log)[:1])
    positions = re.findall(r">>> .*X:([-0-9.]+)", log)
    assert float(positions[-1]) == pytest.approx((moves - lost) * 0.1), positions


# --- pause ----------------------------------------------------------------------------------------------------------------------


async def test_pause_holds_and_resume_goes_on(bench: Bench) -> None:
    job = await bench.start()
    await bench.driver.pause(job)
    await bench.state(PrinterState.PAUSED)
    await until(lambda: bench.server.state() == "Paused")
    await bench.driver.pause(job)  # twice is once
    await bench.driver.resume(job)
    await bench.state(PrinterState.PRINTING)
    assert bench.server.state() == "Printing"
    assert not bench.listener.ends


async def test_pause_by_a_person_and_by_the_printer_is_seen(bench: Bench) -> None:
    job = await bench.start()
    await bench.person(bench.server.post, "/api/job", {"command": "pause", "action": "pause"})
    await bench.state(PrinterState.PAUSED)
    await until(lambda: bench.server.state() == "Paused")
    await bench.driver.resume(job)
    await bench.state(PrinterState.PRINTING)
    await bench.person(bench.server.break_printer, "action_pause")
    await bench.state(PrinterState.PAUSED)
    await bench.person(bench.server.break_printer, "action_resume")
    await bench.state(PrinterState.PRINTING)
    assert not bench.listener.ends


# --- cancel ---------------------------------------------------------------------------------------------------------------------


async def test_cancel_ends_the_job_and_cools_the_printer(bench: Bench) -> None:
    job = await bench.start()
    await bench.driver.cancel(job)
    assert await bench.end() == PrintEnded(job, PrintEnd.CANCELLED, "Cancelled by us.", by_person=False)
    await bench.state(PrinterState.IDLE)
    await until(lambda: bench.driver.status.nozzle is not None and bench.driver.status.nozzle.target_c == 0)


async def test_cancel_of_a_paused_job(bench: Bench) -> None:
    job = await bench.start()
    await bench.driver.pause(job)
    await bench.state(PrinterState.PAUSED)
    await until(lambda: bench.server.state() == "Paused")
    await bench.driver.cancel(job)
    ended = await bench.ended(job, PrintEnd.CANCELLED)
    assert not ended.by_person


async def test_cancel_of_another_job_does_nothing(bench: Bench) -> None:
    await bench.driver.cancel("job-other")
    job = await bench.start()
    await bench.driver.cancel("job-other")
    await bench.driver.pause("job-other")
    assert await bench.job_at_server() == ("Printing", f"farm/{job}.gcode")
    assert bench.driver.status.job == job


async def test_cancel_in_a_race_with_the_end_tells_one_end(bench: Bench) -> None:
    """The command names no job: whoever comes too late must not end the next one."""
    for _ in range(5):
        bench.listener.events.clear()
        job = await bench.start(b"M220 S100000\n" + b"G4 P1\n" * 50)
        await bench.driver.cancel(job)
        ended = await bench.end()
        assert ended.job == job
        assert ended.end in {PrintEnd.DONE, PrintEnd.CANCELLED}
        assert not ended.by_person
        await bench.state(PrinterState.IDLE)
    await bench.driver.cancel(job)  # once more, long after
    bench.listener.events.clear()
    following = await bench.start(SHORT)
    await bench.ended(following, PrintEnd.DONE)


async def test_cancel_in_a_race_with_a_persons_is_told_once(bench: Bench) -> None:
    job = await bench.start()
    await asyncio.gather(bench.driver.cancel(job), bench.person(cancel_as_person, bench.server))
    await bench.ended(job, PrintEnd.CANCELLED)
    await bench.state(PrinterState.IDLE)
    assert len(bench.listener.ends) == 1


def cancel_as_person(server: OctoPrintServer) -> None:
    try:
        server.post("/api/job", {"command": "cancel"})
    except requests.HTTPError as error:
        assert error.response.status_code == 409  # noqa: PT017 - we were faster, and nothing runs any more


# --- cancelled by a person --------------------------------------------------------------------------------------------------------


async def test_cancelled_by_a_person_on_octoprints_page(bench: Bench) -> None:
    job = await bench.start()
    await bench.person(bench.server.post, "/api/job", {"command": "cancel"})
    ended = await bench.ended(job, PrintEnd.CANCELLED)
    assert ended.by_person
    assert "maker" in ended.detail


async def test_cancelled_by_a_person_at_the_printer(bench: Bench) -> None:
    """`// action:cancel` from the firmware: nobody's name."""
    job = await bench.start()
    await bench.person(bench.server.break_printer, "action_custom cancel")
    assert (await bench.ended(job, PrintEnd.CANCELLED)).by_person


# --- finished while away --------------------------------------------------------------------------------------------------------


async def test_finished_while_away_is_found_after_the_network_is_back(octoprint_server: OctoPrintServer, tmp_path: Path) -> None:
    async with cable(octoprint_server) as network:
        url = octoprint_server.printer_url.replace(f":{octoprint_server.port}?", f":{network.port}?")
        async with connected(octoprint_server, tmp_path, url=url, timing=replace(QUICK, poll_s=1.0)) as bench:
            job = await bench.start(AWAY)
            await network.cut()
            await bench.state(PrinterState.OFFLINE)
            assert bench.driver.status.job == job
            await until(lambda: octoprint_server.state() == "Operational")
            await asyncio.sleep(0.5)
            assert not bench.listener.ends
            await network.mend()
            assert await bench.end() == PrintEnded(job, PrintEnd.DONE, "OctoPrint has counted it as printed.")
            await bench.state(PrinterState.IDLE)


async def test_cancelled_while_away_counts_as_failed_and_a_running_job_is_found_again(
    octoprint_server: OctoPrintServer, tmp_path: Path
) -> None:
    async with cable(octoprint_server) as network:
        url = octoprint_server.printer_url.replace(f":{octoprint_server.port}?", f":{network.port}?")
        async with connected(octoprint_server, tmp_path, url=url, timing=replace(QUICK, poll_s=1.0)) as bench:
            job = await bench.start(LONG)
            await network.cut()
            await bench.state(PrinterState.OFFLINE)
            await network.mend()
            await bench.state(PrinterState.PRINTING)
            assert not bench.listener.ends
            await network.cut()
            await bench.state(PrinterState.OFFLINE)
            await bench.person(octoprint_server.post, "/api/job", {"command": "cancel"})
            await until(lambda: octoprint_server.state() == "Operational")
            await network.mend()
            ended = await bench.ended(job, PrintEnd.FAILED)
            assert "away" in ended.detail


async def test_finished_while_the_agent_was_away_is_traced(bench: Bench) -> None:
    done = await bench.start(AWAY)
    await bench.driver.close()
    await until(lambda: bench.server.get(f"/api/files/local/farm/{done}.gcode").get("prints"))
    await until(lambda: bench.server.state() == "Operational")
    bench.driver = bench.new_driver()
    await bench.driver.connect()
    trace = await bench.driver.trace(done)
    assert (trace.running, trace.end) == (False, PrintEnd.DONE)
    assert (await bench.driver.trace(new_id("job"))).end is None
    assert not bench.listener.ends  # traced, not told


async def test_running_while_the_agent_was_away_is_traced_and_followed(bench: Bench) -> None:
    job = await bench.start()
    await bench.driver.close()
    bench.driver = bench.new_driver()
    await bench.driver.connect()
    assert (bench.driver.status.state, bench.driver.status.job) == (PrinterState.FOREIGN, None)  # until told which job it is
    assert (await bench.driver.trace(job)).running
    assert (bench.driver.status.state, bench.driver.status.job) == (PrinterState.PRINTING, job)
    await bench.driver.cancel(job)
    await bench.ended(job, PrintEnd.CANCELLED)
