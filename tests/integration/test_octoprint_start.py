"""Rows of the contract about who prints: start, running (ours or another's), two clients on one printer."""

import asyncio
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from drivers.base import PrintEnd, PrintEnded, PrinterState
from drivers.errors import PrinterBusyError, TransferError
from drivers.octoprint.client import AnswerError, Client
from farm.ids import new_id
from tests.integration.octoprint_bench import LONG, QUICK, SHORT, SOME_SECONDS, Bench, connected, new_client, until
from tests.integration.octoprint_server import OctoPrintServer

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("octoprint")]

# --- start ------------------------------------------------------------------------------------------------------------------------


async def test_start_a_second_time_is_refused_while_a_job_is_open(bench: Bench) -> None:
    job = await bench.start()
    with pytest.raises(PrinterBusyError):
        await bench.start()
    assert bench.driver.status.job == job
    assert await bench.job_at_server() == ("Printing", f"farm/{job}.gcode")


async def test_start_on_a_printer_that_a_person_uses_is_refused(bench: Bench) -> None:
    await bench.person(bench.server.upload, "own.gcode", LONG)
    await bench.person(bench.server.post, "/api/files/local/own.gcode", {"command": "select", "print": True})
    with pytest.raises(PrinterBusyError):  # it need not have heard of it before
        await bench.start()
    assert (await bench.job_at_server())[1] == "own.gcode"
    await bench.person(bench.server.post, "/api/job", {"command": "cancel"})
    await bench.state(PrinterState.IDLE)


def test_start_while_another_file_is_printed_is_answered_409(octoprint_server: OctoPrintServer) -> None:
    octoprint_server.make_ready()
    octoprint_server.upload("own.gcode", LONG)
    octoprint_server.upload("other.gcode", LONG)
    octoprint_server.post("/api/files/local/own.gcode", {"command": "select", "print": True})
    client = new_client(octoprint_server)
    with pytest.raises(AnswerError) as caught:
        client.start_printing("other.gcode")
    client.close()
    assert caught.value.status == 409


async def test_start_of_a_file_that_a_person_deletes_meanwhile_is_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """404: between the upload and the command somebody tidied up."""
    upload = Client.upload_program

    def and_delete(self: Client, program: Path, job: str) -> object:
        answer = upload(self, program, job)
        bench.server.delete(f"/api/files/local/farm/{job}.gcode")
        return answer

    monkeypatch.setattr(Client, "upload_program", and_delete)
    with pytest.raises(PrinterBusyError, match="404"):
        await bench.start()
    assert (bench.driver.status.state, bench.driver.status.job) == (PrinterState.IDLE, None)
    assert not bench.listener.ends


async def test_start_of_a_job_that_was_printed_before_is_refused(bench: Bench) -> None:
    job = await bench.start(SHORT)
    await bench.end()
    await bench.state(PrinterState.IDLE)
    with pytest.raises(PrinterBusyError, match="before"):
        await bench.driver.start(bench.program(SHORT), job)
    assert (await bench.counted(job))["success"] == 1


def shows(bench: Bench, state: PrinterState, job: str | None) -> bool:
    return (bench.driver.status.state, bench.driver.status.job) == (state, job)


async def test_start_four_times_at_once_from_two_clients_prints_one(octoprint_server: OctoPrintServer, tmp_path: Path) -> None:
    """All four commands may be answered with 204. One prints, it is known which, and the others leave nothing behind."""
    timing = replace(QUICK, proof_s=3.0)
    async with connected(octoprint_server, tmp_path, timing=timing) as first:
        benches = [first, *(Bench(octoprint_server, tmp_path, timing=timing) for _ in range(3))]
        first.program(LONG)
        for other in benches[1:]:
            await other.driver.connect()
        jobs = [new_id("job") for _ in benches]
        starts = [each.driver.start(each.program(LONG), job) for each, job in zip(benches, jobs, strict=True)]
        results = await asyncio.gather(*starts, return_exceptions=True)
        await asyncio.sleep(3)  # verdicts take a moment
        # one that OctoPrint calls done within milliseconds, because the next was started meanwhile, was not printed
        overrun = {end.job for each in benches for end in each.listener.ends if end.end is not PrintEnd.DONE}
        begun = [job for job, result in zip(jobs, results, strict=True) if result is None and job not in overrun]
        refused = [result for result in results if result is not None]
        # four uploads at once: OctoPrint may also keep one that is not what was sent, which is found before it starts
        assert all(isinstance(result, PrinterBusyError | TransferError) for result in refused), results
        assert len(begun) == 1, results
        assert await first.job_at_server() == ("Printing", f"farm/{begun[0]}.gcode")
        for each, job in zip(benches, jobs, strict=True):
            ours = job in begun
            await until(partial(shows, each, PrinterState.PRINTING if ours else PrinterState.FOREIGN, job if ours else None))
        (owner,) = [each for each, job in zip(benches, jobs, strict=True) if job in begun]
        await owner.driver.cancel(begun[0])
        await owner.ended(begun[0], PrintEnd.CANCELLED)
        for each in benches:
            await each.state(PrinterState.IDLE)
            assert each is owner or all(end.job in overrun for end in each.listener.ends)
        for other in benches[1:]:
            await other.driver.close()


# --- running ----------------------------------------------------------------------------------------------------------------------


async def test_running_tells_progress_and_temperatures(bench: Bench) -> None:
    job = await bench.start()
    await until(lambda: (bench.driver.status.progress or 0) > 0)
    await until(lambda: bench.driver.status.nozzle is not None and bench.driver.status.nozzle.target_c == 210)
    status = bench.driver.status
    assert (status.state, status.job) == (PrinterState.PRINTING, job)
    assert status.bed is not None


async def test_running_another_ones_print_is_foreign(bench: Bench) -> None:
    await bench.person(bench.server.upload, "own.gcode", LONG)
    await bench.person(bench.server.post, "/api/files/local/own.gcode", {"command": "select", "print": True})
    await bench.state(PrinterState.FOREIGN)
    await until(lambda: "own.gcode" in (bench.driver.status.note or ""))
    await bench.driver.pause("job-other")
    await bench.driver.resume("job-other")
    await bench.driver.cancel("job-other")  # a command for a job that is not there touches nobody's print
    assert await bench.job_at_server() == ("Printing", "own.gcode")
    await bench.person(bench.server.post, "/api/job", {"command": "cancel"})
    await bench.state(PrinterState.IDLE)
    assert not bench.listener.ends


async def test_running_for_two_clients_at_once_on_one_printer(octoprint_server: OctoPrintServer, tmp_path: Path) -> None:
    """To each the other's job is foreign; commands reach one's own only; the turn passes when it has ended."""
    async with connected(octoprint_server, tmp_path) as one:
        other = Bench(octoprint_server, tmp_path)
        await other.driver.connect()
        job = await one.start()
        await other.state(PrinterState.FOREIGN)
        with pytest.raises(PrinterBusyError):
            await other.start()
        await other.driver.cancel(new_id("job"))
        await other.driver.pause(new_id("job"))
        assert await one.job_at_server() == ("Printing", f"farm/{job}.gcode")
        await one.driver.cancel(job)
        await one.ended(job, PrintEnd.CANCELLED)
        await other.state(PrinterState.IDLE)
        second = await other.start(SHORT)
        assert await other.end() == PrintEnded(second, PrintEnd.DONE, "OctoPrint has sent every line.")
        assert len(one.listener.ends) == 1
        await other.driver.close()


async def test_running_but_stalled_needs_a_look_and_an_awake_printer_goes_on(
    octoprint_server: OctoPrintServer, tmp_path: Path
) -> None:
    """`filepos` stands still while OctoPrint says "Printing": the driver's own watchdog tells."""
    timing = replace(QUICK, poll_s=0.5, stall_s=1.0)
    async with connected(octoprint_server, tmp_path, timing=timing) as bench:
        job = await bench.start()
        await bench.person(bench.server.break_printer, "sleep_after_next G1 4")
        await bench.state(PrinterState.ATTENTION)
        assert bench.driver.status.job == job
        assert "look at the printer" in (bench.driver.status.note or "")
        assert not bench.listener.ends
        await bench.state(PrinterState.PRINTING)
        await bench.driver.cancel(job)
        await bench.ended(job, PrintEnd.CANCELLED)


async def test_running_survives_an_answer_that_never_comes(bench: Bench) -> None:
    """OctoPrint asks again after its communication timeout."""
    job = await bench.start(SOME_SECONDS)
    await bench.person(bench.server.break_printer, "dont_answer")
    await bench.ended(job, PrintEnd.DONE)
