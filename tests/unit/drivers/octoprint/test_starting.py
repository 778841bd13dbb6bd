"""How a job begins on a fake OctoPrint: starts that go wrong, that others overtake, that are cancelled or abandoned on the way."""

import asyncio
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from drivers.base import PrintEnd, PrinterState, StatusChanged
from drivers.errors import FirmwareError, PrinterBusyError, TransferError, WithdrawnError
from drivers.octoprint.address import OctoPrintAddress
from drivers.octoprint.printer import OctoPrintDriver
from tests.patience import PATIENCE_S
from tests.unit.drivers.octoprint.fake import FakeOctoPrint
from tests.unit.drivers.octoprint.test_printer import FILE, PATH, Bench, bench
from tests.unit.drivers.octoprint.test_watch import QUICK

__all__ = ["bench"]  # pytest finds it here


async def test_204_is_no_proof(bench: Bench) -> None:
    """The command was taken but nothing prints: the file is deleted, so that it cannot begin later."""
    bench.fake.starts_print = False
    with pytest.raises(PrinterBusyError, match="does not print"):
        await bench.start()
    assert bench.starts() == 1
    assert bench.fake.files == {}
    assert bench.driver.status.job is None
    assert not bench.ends


async def test_a_start_whose_answer_is_lost_is_not_repeated(bench: Bench) -> None:
    def begin_and_hang_up(_body: bytes) -> tuple[int, Any]:
        bench.fake.path, bench.fake.state = PATH, "Printing"
        raise ConnectionResetError

    bench.fake.answers["POST", FILE] = begin_and_hang_up
    await bench.start()
    assert bench.starts() == 1
    assert bench.driver.status.state is PrinterState.PRINTING


async def test_a_start_that_another_one_overtook_is_no_start(bench: Bench) -> None:
    """Two starts in one moment, seen with 1.11.8: it tells PrintStarted of one file and prints the other."""
    bench.overtake()
    with pytest.raises(PrinterBusyError):
        await bench.start()
    assert PATH not in bench.fake.files
    assert (bench.driver.status.state, bench.driver.status.job) == (PrinterState.FOREIGN, None)
    await asyncio.sleep(0.3)  # longer than a doubt takes to be settled here
    assert not bench.ends


async def test_a_job_whose_end_is_told_is_not_refused_as_well(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Overtaken, and OctoPrint tells of its end while the driver deletes the file: one answer, not two."""
    fake, is_gone = bench.fake, bench.driver._starter._is_gone

    async def deleted_after_its_end(path: str) -> bool:
        fake.event("PrintFailed", path=PATH, origin="local", reason="error", error="overrun")
        await bench.until(lambda: bench.ends)
        return await is_gone(path)

    bench.overtake()
    monkeypatch.setattr(bench.driver._starter, "_is_gone", deleted_after_its_end)
    await bench.start()
    assert (await bench.end()).end is PrintEnd.FAILED
    assert bench.driver.status.job is None


async def test_an_error_to_the_start_command_may_still_print(bench: Bench) -> None:
    def begin_and_complain(_body: bytes) -> tuple[int, Any]:
        bench.fake.path, bench.fake.state = PATH, "Printing"
        return 500, {"error": "a plugin failed"}

    bench.fake.answers["POST", FILE] = begin_and_complain
    await bench.start()
    assert bench.starts() == 1
    assert PATH in bench.fake.files


async def test_somebody_was_faster(bench: Bench) -> None:
    bench.fake.answers["POST", FILE] = (409, {"error": "already printing"})
    with pytest.raises(PrinterBusyError, match="already printing"):
        await bench.start()
    assert bench.fake.files == {}
    assert bench.driver.status.job is None


async def test_a_key_that_may_not_print_starts_nothing(bench: Bench) -> None:
    bench.fake.answers["POST", FILE] = (403, {"error": "no"})
    with pytest.raises(PrinterBusyError, match="refuses our key"):
        await bench.start()
    assert bench.fake.files == {}


async def test_octoprint_breaks_down_right_after_the_command(bench: Bench) -> None:
    """Answers without sense are no proof of anything: neither an error nor an end until it can tell."""

    def break_down(_body: bytes) -> tuple[int, Any]:
        for place in (("GET", "/api/job"), ("GET", FILE), ("DELETE", FILE)):
            bench.fake.answers[place] = (500, {"error": "broken"})
        return 500, {"error": "broken"}

    bench.fake.answers["POST", FILE] = break_down
    await bench.start()
    assert bench.starts() == 1
    assert not bench.ends
    bench.fake.answers.clear()
    assert (await bench.end()).end is PrintEnd.INTERRUPTED


@pytest.mark.parametrize(
    ("place", "answer"), [("/api/job", (403, {})), ("/api/job", (502, b"")), (FILE, (500, {})), (FILE, (200, b"<html>"))]
)
async def test_trouble_before_the_command_is_certain(bench: Bench, place: str, answer: tuple[int, Any]) -> None:
    bench.fake.answers["GET", place] = answer
    with pytest.raises(TransferError):
        await bench.start()
    assert bench.starts() == 0
    assert bench.driver.status.job is None


async def test_a_file_that_is_done_before_we_look(bench: Bench) -> None:
    def begin_and_finish(_body: bytes) -> tuple[int, Any]:
        bench.fake.files[PATH]["prints"] = {"success": 1, "failure": 0, "last": {"success": True}}
        return 204, None

    bench.fake.answers["POST", FILE] = begin_and_finish
    await bench.start()
    assert (await bench.end()).end is PrintEnd.DONE


async def test_a_print_that_is_done_at_once_is_none(bench: Bench) -> None:
    """Somebody else's start in the same moment: OctoPrint says that ours is done, and prints theirs."""

    def begin_another(_body: bytes) -> tuple[int, Any]:
        bench.fake.event("PrintStarted", path=PATH, origin="local")
        bench.fake.event("PrintDone", path=PATH, origin="local", time=0.003)
        bench.fake.path, bench.fake.state = "own.gcode", "Printing"
        bench.fake.event("PrintStarted", path="own.gcode", origin="local")
        return 204, None

    bench.program.write_bytes(b"G1 X10\n" * 10_000)
    bench.fake.answers["POST", FILE] = begin_another
    await bench.start()
    ended = await bench.end()
    assert ended.end is PrintEnd.FAILED
    assert "sooner" in ended.detail
    await bench.until(lambda: bench.driver.status.state is PrinterState.FOREIGN)


async def test_octoprint_vanishes_right_after_the_command(bench: Bench) -> None:
    """Nobody knows whether it began: no error, and a verdict when OctoPrint is back."""

    def vanish(_body: bytes) -> tuple[int, Any]:
        bench.fake.raw = b""
        raise ConnectionResetError

    bench.fake.answers["POST", FILE] = vanish
    await bench.start()
    assert (bench.driver.status.state, bench.driver.status.job) == (PrinterState.OFFLINE, "job-1")
    assert not bench.ends
    bench.fake.raw = None
    assert (await bench.end()).end is PrintEnd.INTERRUPTED
    assert bench.starts() == 1


async def test_a_failed_upload_leaves_nothing_open(bench: Bench) -> None:
    bench.fake.answers["POST", "/api/files/local"] = (500, {"error": "[Errno 28] No space left on device"})
    with pytest.raises(TransferError):
        await bench.start()
    assert bench.starts() == 0
    await bench.until(lambda: bench.driver.status.state is PrinterState.IDLE)
    del bench.fake.answers["POST", "/api/files/local"]
    await bench.start()
    assert bench.starts() == 1


@pytest.mark.parametrize(
    ("state", "path", "says"),
    [("Printing", "own.gcode", "own.gcode"), ("Paused", "own.gcode", "own.gcode"), ("Connecting", None, "not connected")],
)
async def test_nothing_is_sent_to_a_busy_printer(bench: Bench, state: str, path: str | None, says: str) -> None:
    bench.fake.state, bench.fake.path = state, path
    with pytest.raises(PrinterBusyError, match=says):
        await bench.start()
    assert bench.fake.count("POST", "/api/files/local") == 0
    assert not any(event.status.state is PrinterState.PREPARING for event in bench.events if isinstance(event, StatusChanged))


async def test_nothing_is_sent_to_a_faulty_printer(bench: Bench) -> None:
    bench.fake.answers["GET", "/api/printer/error"] = (200, {"reason": "firmware", "error": "MAXTEMP triggered"})
    bench.fake.state = "Offline after error"
    with pytest.raises(FirmwareError, match="MAXTEMP"):
        await bench.start()


async def test_a_job_that_was_printed_before_is_refused(bench: Bench) -> None:
    bench.fake.files[PATH] = {"path": PATH, "prints": {"success": 0, "failure": 1, "last": {"success": False}}}
    with pytest.raises(PrinterBusyError, match="before"):
        await bench.start()
    assert bench.fake.count("POST", "/api/files/local") == 0


@pytest.mark.parametrize("job", ["", "../x", "a/b", "-x", ".hidden", "x" * 65, "a b", "é"])
async def test_a_job_id_that_is_no_file_name_is_refused(bench: Bench, job: str) -> None:
    with pytest.raises(TransferError, match="file name"):
        await bench.driver.start(bench.program, job)
    assert bench.fake.count("POST", "/api/files/local") == 0


async def test_only_one_job_at_a_time(bench: Bench) -> None:
    results = await asyncio.gather(*(bench.driver.start(bench.program, f"job-{n}") for n in range(4)), return_exceptions=True)
    assert sum(result is None for result in results) == 1
    assert sum(isinstance(result, PrinterBusyError) for result in results) == 3
    assert bench.fake.count("POST", "/api/files/local") == 1


async def test_a_cancel_during_the_upload_prevents_the_start(bench: Bench) -> None:
    def cancel_while_sending(body: bytes) -> tuple[int, Any]:
        task.append(asyncio.create_task(bench.driver.cancel("job-1")))
        return bench.fake._store(body)

    task: list[asyncio.Task[None]] = []
    bench.fake.answers["POST", "/api/files/local"] = cancel_while_sending
    with pytest.raises(TransferError, match="cancelled"):
        await bench.start()
    await task[0]
    assert bench.starts() == 0
    assert bench.fake.files == {}


async def test_a_start_that_is_abandoned_gets_its_verdict(bench: Bench) -> None:
    bench.fake.starts_print = False
    task = asyncio.create_task(bench.start())
    await bench.until(bench.starts)
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert (await bench.end()).end is PrintEnd.INTERRUPTED


# --- two things at once -----------------------------------------------------------------------------------------------------------


async def test_a_cancel_while_octoprint_is_asked_prevents_the_start(bench: Bench) -> None:
    """Before there is anything of the job: whoever cancels it is told that it is done, so it must not print."""
    tasks: list[asyncio.Task[None]] = []

    def cancel_while_asking(_: bytes) -> tuple[int, Any]:
        if not tasks and starting is not None:
            tasks.append(asyncio.create_task(bench.driver.cancel("job-1")))
        return 200, bench.fake._job()

    starting: asyncio.Task[None] | None = None
    bench.fake.answers["GET", "/api/job"] = cancel_while_asking
    starting = asyncio.create_task(bench.start())
    with pytest.raises(TransferError, match="cancelled"):
        await starting
    await tasks[0]
    assert bench.fake.count("POST", "/api/files/local") == 0
    assert (bench.driver.status.state, bench.driver.status.job) == (PrinterState.IDLE, None)


async def test_a_cancel_before_the_proof_takes_the_file_away(bench: Bench) -> None:
    """OctoPrint has the command but does not print yet: there is nothing to cancel, and what is deleted cannot begin."""
    tasks: list[asyncio.Task[None]] = []

    def cancelled_at_once(_: bytes) -> tuple[int, None]:
        tasks.append(asyncio.create_task(bench.driver.cancel("job-1")))
        return 204, None

    bench.fake.answers["POST", FILE] = cancelled_at_once
    with pytest.raises(WithdrawnError):
        await bench.start()
    await tasks[0]
    assert bench.fake.files == {}
    assert not bench.ends


async def test_a_cancelled_job_that_begins_all_the_same_is_cancelled_when_it_is_seen(bench: Bench) -> None:
    fake = bench.fake
    cancelled: list[Any] = []

    def cancel_first(_: bytes) -> tuple[int, None]:
        task = asyncio.create_task(bench.driver.cancel("job-1"))
        task.add_done_callback(lambda _task: fake.tell_start(PATH))
        return 204, None

    def cancel(body: bytes) -> tuple[int, None]:
        cancelled.append(body)
        asyncio.get_running_loop().call_soon(fake.tell_cancel, "farm")
        return 204, None

    fake.answers["POST", FILE] = cancel_first
    fake.answers["DELETE", FILE] = (409, {"error": "in use"})
    fake.answers["POST", "/api/job"] = cancel
    await bench.start()
    ended = await bench.end()
    assert (ended.end, ended.by_person) == (PrintEnd.CANCELLED, False)
    assert len(cancelled) == 1


async def test_a_cancel_that_octoprint_does_not_hear_is_given_again(bench: Bench) -> None:
    def withdrawn(_: bytes) -> tuple[int, None]:
        bench.driver._starter.withdraw("job-1")
        return 204, None

    bench.fake.answers["POST", FILE] = withdrawn
    bench.fake.answers["DELETE", FILE] = (409, {"error": "in use"})
    bench.fake.answers["POST", "/api/job"] = (500, {"error": "busy"})
    starting = asyncio.create_task(bench.start())
    await bench.until(lambda: bench.starts() and bench.driver._watch.machine.job and bench.driver._watch.machine.job.unwanted)
    bench.fake.tell_start(PATH)
    await starting
    await bench.until(lambda: bench.fake.count("POST", "/api/job") > 1)
    assert not bench.ends


async def test_a_refused_start_whose_end_is_told_is_not_refused_as_well(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """OctoPrint answers with an error, and the job had begun: it is over before its file is deleted."""
    fake, is_gone = bench.fake, bench.driver._starter._is_gone

    def begin_and_complain(_: bytes) -> tuple[int, Any]:
        fake.event("PrintStarted", path=PATH, origin="local")
        return 500, {"error": "a plugin failed"}

    async def deleted_after_its_end(path: str) -> bool:
        fake.event("PrintDone", path=PATH, origin="local", time=12.3)
        await bench.until(lambda: bench.ends)
        return await is_gone(path)

    fake.answers["POST", FILE] = begin_and_complain
    monkeypatch.setattr(bench.driver._starter, "_is_gone", deleted_after_its_end)
    await bench.start()
    assert (await bench.end()).end is PrintEnd.DONE


async def test_a_start_abandoned_while_the_command_is_on_its_way_is_followed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that gives the command goes on: the job prints, so somebody has to hear of its end."""
    client, given, goes = bench.driver._client, threading.Event(), threading.Event()
    real = client.start_printing

    def slow(path: str) -> None:
        given.set()
        goes.wait(PATIENCE_S)
        real(path)

    monkeypatch.setattr(client, "start_printing", slow)
    starting = asyncio.create_task(bench.start())
    await bench.until(given.is_set)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    goes.set()
    await bench.until(lambda: bench.driver.status.state is PrinterState.PRINTING)
    assert bench.driver.status.job == "job-1"
    bench.fake.event("PrintDone", path=PATH, origin="local", time=12.3)
    assert (await bench.end()).end is PrintEnd.DONE


async def test_an_abandoned_start_that_does_not_print_never_will(bench: Bench) -> None:
    """Not a verdict by a record that is only not there yet: the file is deleted first."""
    bench.fake.starts_print = False
    starting = asyncio.create_task(bench.start())
    await bench.until(bench.starts)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    ended = await bench.end()
    assert (ended.end, bench.fake.files) == (PrintEnd.INTERRUPTED, {})
    assert "does not print" in ended.detail
    assert bench.driver.status.job is None


async def test_a_close_ends_the_wait_for_the_proof(fake: FakeOctoPrint, address: OctoPrintAddress, tmp_path: Path) -> None:
    program = tmp_path / "program.gcode"
    program.write_bytes(b"G28\n")
    told: list[object] = []
    driver = OctoPrintDriver(address, told.append, replace(QUICK, proof_s=600.0, blind_proof_s=600.0))
    await driver.connect()
    fake.starts_print = False
    starting = asyncio.create_task(driver.start(program, "job-1"))
    async with asyncio.timeout(PATIENCE_S):
        while not fake.count("POST", FILE):  # noqa: ASYNC110 - the fake lives in the same loop and has no events for everything
            await asyncio.sleep(0.005)
        await driver.close()
        known = len(told)
        await starting  # nobody knows, so nothing is promised: the next process asks
    assert len(told) == known, "nothing is told after close"


async def test_the_lines_after_a_cancel_do_not_come_into_the_next_print(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Heaters off and the nozzle up: only before the next job is sent, however slowly OctoPrint takes them."""
    client, real = bench.driver._client, bench.driver._client.send_gcode

    def slow(*lines: str) -> None:
        threading.Event().wait(0.3)
        real(*lines)

    monkeypatch.setattr(client, "send_gcode", slow)

    def cancel(_: bytes) -> tuple[int, None]:
        asyncio.get_running_loop().call_soon(bench.fake.tell_cancel, "farm")
        return 204, None

    bench.fake.answers["POST", "/api/job"] = cancel
    await bench.start()
    await bench.driver.cancel("job-1")
    await bench.end()
    await bench.driver.start(bench.program, "job-2")
    asked = [path for method, path, _ in bench.fake.asked if method == "POST"]
    assert asked.index("/api/printer/command") < asked.index("/api/files/local/farm/job-2.gcode")


async def test_two_starts_of_one_job_are_one(bench: Bench) -> None:
    results = await asyncio.gather(bench.start(), bench.start(), return_exceptions=True)
    assert [type(result) for result in results if result is not None] == [PrinterBusyError]
    assert bench.starts() == 1
    assert bench.driver.status.job == "job-1"
