"""The driver against a fake OctoPrint: starts that go wrong, losses in the middle, and what an agent finds after a restart."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from drivers.base import Capability, DriverEvent, PrintEnd, PrintEnded, PrinterState, StatusChanged
from drivers.errors import AuthenticationError, FirmwareError, PrinterBusyError, TransferError, UnreachableError
from drivers.octoprint.address import OctoPrintAddress
from drivers.octoprint.printer import OctoPrintDriver
from drivers.registry import open_driver
from tests.patience import PATIENCE_S
from tests.unit.drivers.octoprint.fake import FakeOctoPrint
from tests.unit.drivers.octoprint.test_watch import QUICK

PATH = "farm/job-1.gcode"
FILE = "/api/files/local/farm/job-1.gcode"


class Bench:
    """A connected driver, its fake server and what it told."""

    def __init__(self, fake: FakeOctoPrint, address: OctoPrintAddress, program: Path) -> None:
        self.fake = fake
        self.program = program
        self.events: list[DriverEvent] = []
        self.driver = OctoPrintDriver(address, self.events.append, QUICK)

    @property
    def ends(self) -> list[PrintEnded]:
        return [event for event in self.events if isinstance(event, PrintEnded)]

    async def start(self) -> None:
        await self.driver.start(self.program, "job-1")

    def starts(self) -> int:
        return sum(asked == ("POST", FILE, {"command": "select", "print": True}) for asked in self.fake.asked)

    def overtake(self) -> None:
        """Have OctoPrint tell of our start and print another file."""

        def answer(_: bytes) -> tuple[int, None]:
            self.fake.event("PrintStarted", path=PATH, origin="local")
            self.fake.path, self.fake.state = "farm/job-2.gcode", "Printing"
            return 204, None

        self.fake.answers["POST", FILE] = answer

    async def until(self, what: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not what():  # noqa: ASYNC110 - the fake lives in the same loop and has no events for everything
                await asyncio.sleep(0.005)

    async def end(self) -> PrintEnded:
        await self.until(lambda: self.ends)
        await asyncio.sleep(0.05)
        assert len(self.ends) == 1
        return self.ends[0]


@pytest.fixture
async def bench(fake: FakeOctoPrint, address: OctoPrintAddress, tmp_path: Path) -> AsyncIterator[Bench]:
    program = tmp_path / "program.gcode"
    program.write_bytes(b"G28\nG1 X10\n")
    bench = Bench(fake, address, program)
    await bench.driver.connect()
    yield bench
    await bench.driver.close()


def test_what_it_can() -> None:
    assert OctoPrintDriver.info.name == "octoprint"
    assert Capability.SURVIVES_AGENT in OctoPrintDriver.info.capabilities
    assert Capability.PROVES_IDLE not in OctoPrintDriver.info.capabilities


def test_the_registry_knows_it_and_it_touches_nothing_yet() -> None:
    driver = open_driver("octoprint+https://no.such.host/octo?key_file=/no/such/file", lambda _event: None)
    assert isinstance(driver, OctoPrintDriver)
    assert driver.status.state is PrinterState.OFFLINE


async def test_a_start_is_uploaded_given_once_and_proven(bench: Bench) -> None:
    await bench.start()
    assert bench.starts() == 1
    status = bench.driver.status
    assert (status.state, status.job) == (PrinterState.PRINTING, "job-1")
    bench.fake.event("PrintDone", path=PATH, origin="local")
    assert (await bench.end()).end is PrintEnd.DONE


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
    fake, is_gone = bench.fake, bench.driver._is_gone

    async def deleted_after_its_end(path: str) -> bool:
        fake.event("PrintFailed", path=PATH, origin="local", reason="error", error="overrun")
        await bench.until(lambda: bench.ends)
        return await is_gone(path)

    bench.overtake()
    monkeypatch.setattr(bench.driver, "_is_gone", deleted_after_its_end)
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


async def test_the_socket_is_down_while_a_print_ends(bench: Bench) -> None:
    await bench.start()
    await bench.fake.close()
    await bench.until(lambda: bench.driver.status.state is PrinterState.OFFLINE)
    assert bench.driver.status.job == "job-1"
    bench.fake.files[PATH]["prints"] = {"success": 1, "failure": 0, "last": {"success": True}}
    bench.fake.state = "Operational"
    await bench.fake.listen()
    assert await bench.end() == PrintEnded("job-1", PrintEnd.DONE, "OctoPrint has counted it as printed.")


async def test_the_network_is_down_while_it_prints_on(bench: Bench) -> None:
    await bench.start()
    await bench.fake.close()
    await bench.until(lambda: bench.driver.status.state is PrinterState.OFFLINE)
    await bench.fake.listen()
    await bench.until(lambda: bench.driver.status.state is PrinterState.PRINTING)
    assert not bench.ends


async def test_a_record_that_is_written_late_is_waited_for(bench: Bench) -> None:
    await bench.start()
    answers = iter([{}, {"prints": {"success": 1, "failure": 0, "last": {"success": True}}}])
    bench.fake.answers["GET", FILE] = lambda _body: (200, next(answers))
    bench.fake.state = "Operational"
    assert (await bench.end()).end is PrintEnd.DONE


async def test_commands_look_first(bench: Bench) -> None:
    await bench.start()
    jobs = [asked for asked in bench.fake.asked if asked[:2] == ("POST", "/api/job")]
    bench.fake.path = "own.gcode"  # a person was faster
    for command in (bench.driver.pause, bench.driver.resume, bench.driver.cancel):
        await command("job-1")
    assert [asked for asked in bench.fake.asked if asked[:2] == ("POST", "/api/job")] == jobs


@pytest.mark.parametrize(
    ("name", "state", "sent"),
    [
        ("pause", "Printing", [{"command": "pause", "action": "pause"}]),
        ("pause", "Paused", []),
        ("resume", "Paused", [{"command": "pause", "action": "resume"}]),
        ("resume", "Printing", []),
        ("cancel", "Printing", [{"command": "cancel"}]),
        ("cancel", "Paused", [{"command": "cancel"}]),
    ],
)
async def test_commands(bench: Bench, name: str, state: str, sent: list[Any]) -> None:
    await bench.start()
    bench.fake.state = state
    await getattr(bench.driver, name)("job-1")
    assert [asked[2] for asked in bench.fake.asked if asked[:2] == ("POST", "/api/job")] == sent


async def test_a_command_that_comes_too_late_is_no_error_others_are(bench: Bench) -> None:
    await bench.start()
    bench.fake.answers["POST", "/api/job"] = (409, {"error": "not printing"})
    await bench.driver.cancel("job-1")
    bench.fake.answers["POST", "/api/job"] = (403, {"error": "no"})
    with pytest.raises(AuthenticationError):
        await bench.driver.cancel("job-1")


async def test_our_cancel_makes_the_printer_safe(bench: Bench) -> None:
    await bench.start()
    await bench.driver.cancel("job-1")
    bench.fake.event("PrintCancelled", path=PATH, origin="local", user="farm")
    bench.fake.event("PrintFailed", path=PATH, origin="local", user="farm", reason="cancelled")
    assert (await bench.end()).end is PrintEnd.CANCELLED
    await bench.until(lambda: bench.fake.count("POST", "/api/printer/command"))
    lines = next(asked[2]["commands"] for asked in bench.fake.asked if asked[1] == "/api/printer/command")
    assert {"M104 S0", "M140 S0", "M107"} <= set(lines)
    assert lines[-1] == "G90"


async def test_the_emergency_stop_goes_out_during_an_upload(bench: Bench) -> None:
    def stop_while_sending(body: bytes) -> tuple[int, Any]:
        task.append(asyncio.create_task(bench.driver.emergency_stop()))
        return bench.fake._store(body)

    task: list[asyncio.Task[None]] = []
    bench.fake.answers["POST", "/api/files/local"] = stop_while_sending
    await bench.start()
    await task[0]
    assert ("POST", "/api/printer/command", {"commands": ["M112"]}) in bench.fake.asked


async def test_a_stop_that_cannot_get_there_says_so(bench: Bench) -> None:
    bench.fake.state = "Offline"
    with pytest.raises(UnreachableError, match="cannot get there") as caught:
        await bench.driver.emergency_stop()
    assert "by hand" in caught.value.next_step


@pytest.mark.parametrize(
    ("prints", "end"),
    [
        ({"success": 1, "failure": 0, "last": {"success": True}}, PrintEnd.DONE),
        ({"success": 0, "failure": 1, "last": {"success": False}}, PrintEnd.FAILED),
        ({}, None),
    ],
)
async def test_trace_tells_what_octoprint_remembers(bench: Bench, prints: dict[str, Any], end: PrintEnd | None) -> None:
    bench.fake.files[PATH] = {"path": PATH, "prints": prints}
    trace = await bench.driver.trace("job-1")
    assert (trace.running, trace.end) == (False, end)
    assert trace.detail


@pytest.mark.parametrize(("took_s", "end"), [(0.003, PrintEnd.FAILED), (900.0, PrintEnd.DONE)])
async def test_trace_does_not_believe_a_done_that_came_too_soon(bench: Bench, took_s: float, end: PrintEnd) -> None:
    bench.program.write_bytes(b"G1 X10\n" * 10_000)
    prints = {"success": 1, "failure": 0, "last": {"success": True, "printTime": took_s}}
    bench.fake.files[PATH] = {"path": PATH, "prints": prints}
    assert (await bench.driver.trace("job-1", program=bench.program)).end is end
    assert (await bench.driver.trace("job-1", program=bench.program.with_name("gone"))).end is PrintEnd.DONE


async def test_trace_of_an_unknown_job(bench: Bench) -> None:
    trace = await bench.driver.trace("job-1")
    assert (trace.running, trace.end) == (False, None)
    assert "no file" in trace.detail


@pytest.mark.parametrize("state", ["Printing", "Paused"])
async def test_trace_takes_a_running_job_up_again(bench: Bench, state: str) -> None:
    bench.fake.files[PATH] = {"path": PATH}
    bench.fake.path, bench.fake.state = PATH, state
    assert (await bench.driver.trace("job-1")).running
    assert (bench.driver.status.job, bench.driver.status.state) == ("job-1", PrinterState(state.lower()))
    bench.fake.event("PrintDone", path=PATH, origin="local")
    assert (await bench.end()).end is PrintEnd.DONE


async def test_trace_works_before_connect(fake: FakeOctoPrint, address: OctoPrintAddress) -> None:
    driver = OctoPrintDriver(address, lambda _event: None, QUICK)
    assert (await driver.trace("job-1")).end is None
    await driver.close()


async def test_a_listener_that_fails_ends_nothing(fake: FakeOctoPrint, address: OctoPrintAddress) -> None:
    reported: list[object] = []

    def deaf(_event: DriverEvent) -> None:
        raise BrokenPipeError("stdout of the log is gone")

    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: reported.append(context.get("exception")))
    driver = OctoPrintDriver(address, deaf, QUICK)
    await driver.connect()
    assert driver.status.state is PrinterState.IDLE
    await driver.close()
    assert [type(error) for error in reported] == [BrokenPipeError]


async def test_a_stalled_print_wants_attention(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    await bench.start()
    monkeypatch.setattr(bench.driver._watch.machine, "_stall_s", 0.1)
    await bench.until(lambda: bench.driver.status.state is PrinterState.ATTENTION)
    bench.fake.position = 500
    await bench.until(lambda: bench.driver.status.state is PrinterState.PRINTING)
    assert not bench.ends


async def test_a_resume_waits_for_the_end_of_a_pause_that_is_under_way(bench: Bench) -> None:
    """A real OctoPrint passes over a resume while it is `Pausing`."""
    await bench.start()
    bench.fake.state = "Pausing"
    resuming = asyncio.create_task(bench.driver.resume("job-1"))
    await asyncio.sleep(0.1)
    assert bench.fake.count("POST", "/api/job") == 0
    bench.fake.state = "Paused"
    await resuming
    assert bench.fake.count("POST", "/api/job") == 1


async def test_a_pause_that_never_ends_is_told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivers.octoprint.printer.PAUSING_LOOKS", 2)
    monkeypatch.setattr("drivers.octoprint.printer.PAUSING_LOOK_S", 0.01)
    await bench.start()
    bench.fake.state = "Pausing"
    with pytest.raises(PrinterBusyError, match="still pausing"):
        await bench.driver.resume("job-1")
