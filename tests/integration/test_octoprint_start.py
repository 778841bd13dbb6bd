"""Rows of the contract about who prints: start, running (ours or another's), two clients on one printer."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from drivers.base import PrintEnd, PrintEnded, PrinterState
from drivers.errors import PrinterBusyError, TransferError
from drivers.octoprint.client import AnswerError, Client
from farm.ids import new_id
from tests.integration.octoprint_bench import LONG, QUICK, SHORT, SOME_SECONDS, Bench, connected, new_client, until
from tests.integration.octoprint_server import OctoPrintServer
from tests.patience import PATIENCE_S

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


async def test_start_four_times_at_once_from_four_clients_prints_at_most_one(
    octoprint_server: OctoPrintServer, tmp_path: Path
) -> None:
    """All four commands may be answered with 204. It is known which one prints, and the others leave nothing behind.

    OctoPrint's four selections can also overrun each other until nothing prints (measured on a loaded machine, once in 40): then no
    driver may say that its job runs or is done, and the printer takes the next one.
    """
    timing = replace(QUICK, proof_s=3.0)
    async with connected(octoprint_server, tmp_path, timing=timing) as first:
        benches = [first, *(Bench(octoprint_server, tmp_path, timing=timing) for _ in range(3))]
        first.program(LONG)
        for other in benches[1:]:
            await other.driver.connect()
        jobs = [new_id("job") for _ in benches]
        starts = [each.driver.start(each.program(LONG), job) for each, job in zip(benches, jobs, strict=True)]
        results = await asyncio.gather(*starts, return_exceptions=True)
        refused = [result for result in results if result is not None]
        # four uploads at once: OctoPrint may also keep one that is not what was sent, which is found before it starts
        assert all(isinstance(result, PrinterBusyError | TransferError) for result in refused), results

        async with asyncio.timeout(PATIENCE_S):
            while not agreed(benches, await first.job_at_server()):  # noqa: ASYNC110 - half of it is in another process
                await asyncio.sleep(0.1)
        running = [each for each in benches if each.driver.status.job]
        for each, job, result in zip(benches, jobs, results, strict=True):
            if each in running:
                assert each.driver.status.job == job
                assert not each.listener.ends
            else:  # what had begun has one end, and it is no "done": not a line of it was printed to its end
                assert [end.job for end in each.listener.ends] == ([job] if result is None else []), (results, each.listener.ends)
            assert all(end.end is not PrintEnd.DONE for end in each.listener.ends)

        owner = running[0] if running else first
        owner.listener.ends.clear()
        job = owner.driver.status.job or await owner.start()  # where none was left, the printer takes the next one
        await owner.driver.cancel(job)
        await owner.ended(job, PrintEnd.CANCELLED)
        for each in benches:
            await each.state(PrinterState.IDLE)
        for other in benches[1:]:
            await other.driver.close()


def agreed(benches: list[Bench], at_server: tuple[str, str | None]) -> bool:
    """Every driver has come to what a person sees in OctoPrint: one's own job and foreign to the others, or idle to all."""
    state, path = at_server
    own = [f"farm/{each.driver.status.job}.gcode" for each in benches if each.driver.status.job]
    states = sorted(each.driver.status.state for each in benches)
    if state == "Printing":
        return own == [path] and states == sorted([PrinterState.PRINTING] + [PrinterState.FOREIGN] * (len(benches) - 1))
    return state == "Operational" and not own and set(states) == {PrinterState.IDLE}


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
