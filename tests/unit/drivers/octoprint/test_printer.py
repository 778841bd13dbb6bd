"""The driver against a fake OctoPrint: starts that go wrong, losses in the middle, and what an agent finds after a restart."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from drivers.base import Capability, DriverEvent, PrintEnd, PrintEnded, PrinterState
from drivers.errors import AuthenticationError, PrinterBusyError, TransferError, UnreachableError
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
    """And what was on its way does not begin any more, whatever OctoPrint makes of the stop."""

    def stop_while_sending(body: bytes) -> tuple[int, Any]:
        task.append(asyncio.create_task(bench.driver.emergency_stop()))
        return bench.fake._store(body)

    task: list[asyncio.Task[None]] = []
    bench.fake.answers["POST", "/api/files/local"] = stop_while_sending
    with pytest.raises(TransferError, match="cancelled"):
        await bench.start()
    await task[0]
    assert bench.starts() == 0
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


async def test_trace_of_a_job_that_is_followed_leaves_the_last_word_to_its_end(bench: Bench) -> None:
    """It has just ended and OctoPrint has not written its record: to say "forgotten" now, and "done" as an event, would be two."""
    await bench.start()
    bench.fake.state = "Operational"
    assert (await bench.driver.trace("job-1")).running
    bench.fake.files[PATH]["prints"] = {"success": 1, "failure": 0, "last": {"success": True}}
    assert (await bench.end()).end is PrintEnd.DONE
    assert (await bench.driver.trace("job-1")).end is PrintEnd.DONE


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
