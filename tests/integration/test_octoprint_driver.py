"""The OctoPrint driver against a real OctoPrint 1.11.8 with its virtual printer, people and faults included."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from drivers.base import DriverEvent, PrintEnd, PrintEnded, PrinterState, PrinterStatus, StatusChanged
from drivers.errors import AuthenticationError, FirmwareError, PrinterBusyError, UnreachableError
from drivers.octoprint.address import parse_address
from drivers.octoprint.printer import OctoPrintDriver
from drivers.octoprint.watch import Timing
from drivers.registry import open_driver
from farm.addresses import free_port
from farm.ids import new_id
from tests.integration.octoprint_server import WATCHER_KEY, OctoPrintServer

pytestmark = pytest.mark.real

# a move of 20 mm at 10 mm/s lasts two seconds on a real printer and 0.2 s on OctoPrint's virtual one
SHORT = b"M220 S100000\nM140 S60\nM190 S60\nM109 S210\nG28\nG90\n" + b"".join(
    b"G1 X%d Y%d E1\n" % (number % 180, number % 150) for number in range(400)
)
LONG = b"M220 S100\nM109 S210\nG90\n" + b"".join(b"G1 X%d Y10 E1 F600\n" % (10 + 20 * (i % 2)) for i in range(3000))


class Listener:
    """Keeps what a driver tells."""

    def __init__(self) -> None:
        self.events: list[DriverEvent] = []

    def __call__(self, event: DriverEvent) -> None:
        self.events.append(event)

    @property
    def ends(self) -> list[PrintEnded]:
        return [event for event in self.events if isinstance(event, PrintEnded)]

    @property
    def statuses(self) -> list[PrinterStatus]:
        return [event.status for event in self.events if isinstance(event, StatusChanged)]


async def until(what: Callable[[], object], timeout_s: float = 60.0) -> None:
    """Wait until `what` is true; pytest's time limit is the outer one."""
    async with asyncio.timeout(timeout_s):
        while not what():  # noqa: ASYNC110 - what is waited for is in another process as often as in this one
            await asyncio.sleep(0.02)


class Bench:
    """One driver on one server."""

    def __init__(self, server: OctoPrintServer, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.listener = Listener()
        self.driver = self.new_driver()

    def new_driver(self) -> OctoPrintDriver:
        timing = Timing(poll_s=5.0, first_wait_s=0.3, longest_wait_s=1.0)
        return OctoPrintDriver(parse_address(urlsplit(self.server.printer_url)), self.listener, timing)

    def program(self, content: bytes) -> Path:
        path = self.folder / "program.gcode"
        path.write_bytes(content)
        return path

    async def start(self, content: bytes = LONG) -> str:
        job = new_id("job")
        await self.driver.start(self.program(content), job)
        return job

    async def person(self, action: Callable[..., object], *arguments: object) -> None:
        await asyncio.to_thread(action, *arguments)

    async def end(self) -> PrintEnded:
        await until(lambda: self.listener.ends)
        assert len(self.listener.ends) == 1
        return self.listener.ends[0]

    async def state(self, *states: PrinterState) -> None:
        await until(lambda: self.driver.status.state in states)


@pytest.fixture
async def bench(octoprint_server: OctoPrintServer, tmp_path: Path) -> AsyncIterator[Bench]:
    await asyncio.to_thread(octoprint_server.make_ready)
    bench = Bench(octoprint_server, tmp_path)
    await bench.driver.connect()
    yield bench
    await bench.driver.close()


async def test_connect_finds_an_idle_printer(bench: Bench) -> None:
    assert bench.driver.status.state is PrinterState.IDLE
    assert (bench.driver.status.firmware or "").endswith("OctoPrint 1.11.8")


async def test_a_file_is_printed_and_its_progress_told(bench: Bench) -> None:
    job = await bench.start(SHORT)
    assert await bench.end() == PrintEnded(job, PrintEnd.DONE, "OctoPrint has sent every line.")
    await bench.state(PrinterState.IDLE)
    states = [status.state for status in bench.listener.statuses]
    order = [PrinterState.CONNECTING, PrinterState.IDLE, PrinterState.PREPARING, PrinterState.PRINTING]
    assert [state for state in dict.fromkeys(states) if state is not PrinterState.FINISHING] == order
    assert states[-1] is PrinterState.IDLE
    assert {status.job for status in bench.listener.statuses if status.state is PrinterState.PRINTING} == {job}
    file = await asyncio.to_thread(bench.server.get, f"/api/files/local/farm/{job}.gcode")
    assert file["prints"]["success"] == 1
    assert file["userdata"] == {"job": job}


async def test_progress_and_temperatures_move(bench: Bench) -> None:
    job = await bench.start()
    await until(lambda: (bench.driver.status.progress or 0) > 0)
    await until(lambda: bench.driver.status.nozzle is not None)
    status = bench.driver.status
    assert status.job == job
    assert status.state is PrinterState.PRINTING
    assert status.nozzle is not None
    assert status.nozzle.target_c == 210
    assert status.bed is not None


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


async def test_our_cancel_ends_the_job_and_cools_the_printer(bench: Bench) -> None:
    job = await bench.start()
    await bench.driver.cancel(job)
    ended = await bench.end()
    assert ended == PrintEnded(job, PrintEnd.CANCELLED, "Cancelled by us.", by_person=False)
    await bench.state(PrinterState.IDLE)
    await until(lambda: bench.driver.status.nozzle is not None and bench.driver.status.nozzle.target_c == 0)


async def test_commands_for_a_job_that_is_not_running_do_nothing(bench: Bench) -> None:
    await bench.person(bench.server.upload, "own.gcode", LONG)
    await bench.driver.pause("job-other")
    await bench.driver.resume("job-other")
    await bench.driver.cancel("job-other")
    job = await bench.start()
    await bench.driver.cancel("job-other")
    await bench.driver.pause("job-other")
    assert bench.server.state() == "Printing"
    assert bench.driver.status.job == job


async def test_a_persons_cancel_is_told_as_such(bench: Bench) -> None:
    job = await bench.start()
    await bench.person(bench.server.post, "/api/job", {"command": "cancel"})
    ended = await bench.end()
    assert (ended.job, ended.end, ended.by_person) == (job, PrintEnd.CANCELLED, True)
    assert "maker" in ended.detail


async def test_a_cancel_at_the_printer_is_a_persons_cancel(bench: Bench) -> None:
    await bench.start()
    await bench.person(bench.server.break_printer, "action_custom cancel")
    ended = await bench.end()
    assert (ended.end, ended.by_person) == (PrintEnd.CANCELLED, True)


async def test_a_reset_of_the_printer_fails_the_job(bench: Bench) -> None:
    await bench.start()
    await bench.person(bench.server.break_printer, "reset")
    ended = await bench.end()
    assert (ended.end, ended.by_person) == (PrintEnd.FAILED, False)
    assert ended.fault is not None
    assert ended.fault.code == "reset"


async def test_a_firmware_error_fails_the_job_and_waits_for_a_person(bench: Bench) -> None:
    await bench.start()
    await bench.person(bench.server.break_printer, "trigger_fatal_error_marlin")
    ended = await bench.end()
    assert ended.end is PrintEnd.FAILED
    assert ended.fault is not None
    assert ended.fault.code == "thermal-runaway"
    assert "Thermal Runaway" in ended.fault.text
    await bench.state(PrinterState.FAULT)
    with pytest.raises(FirmwareError) as caught:
        await bench.start()
    assert caught.value.fault.code == "thermal-runaway"
    await asyncio.sleep(2)  # it would have reconnected by now
    assert bench.server.state() == "Closed"
    # another agent, which did not see it happen, knows it too
    other = bench.new_driver()
    await other.connect()
    assert other.status.state is PrinterState.FAULT
    await other.close()
    await bench.person(bench.server.make_ready)
    await bench.state(PrinterState.IDLE)
    assert bench.driver.status.fault is None


async def test_the_emergency_stop_stops_and_waits_for_a_person(bench: Bench) -> None:
    job = await bench.start()
    await bench.driver.emergency_stop()
    ended = await bench.end()
    assert (ended.job, ended.end) == (job, PrintEnd.FAILED)
    assert ended.fault is not None
    assert ended.fault.code == "emergency-stop"
    await bench.state(PrinterState.FAULT)
    with pytest.raises(UnreachableError, match="not connected"):
        await bench.driver.emergency_stop()


async def test_a_dropped_serial_line_fails_the_job_and_is_connected_again(bench: Bench) -> None:
    await bench.start()
    await bench.person(bench.server.break_printer, "drop_connection")
    ended = await bench.end()
    assert ended.end is PrintEnd.FAILED
    assert "SerialTimeoutException" in ended.detail
    await bench.state(PrinterState.IDLE)


async def test_a_serial_line_dropped_while_paused_fails_the_job(bench: Bench) -> None:
    job = await bench.start()
    await bench.driver.pause(job)
    await until(lambda: bench.server.state() == "Paused")
    await bench.person(bench.server.break_printer, "drop_connection")
    assert (await bench.end()).end is PrintEnd.FAILED
    await bench.state(PrinterState.IDLE)


async def test_a_persons_disconnect_is_respected(bench: Bench) -> None:
    await bench.person(bench.server.post, "/api/connection", {"command": "disconnect"})
    await bench.state(PrinterState.OFFLINE)
    await asyncio.sleep(2)
    assert bench.server.state() == "Closed"
    assert "person" in (bench.driver.status.note or "")
    with pytest.raises(PrinterBusyError):
        await bench.start()


async def test_a_persons_print_is_foreign_and_nothing_is_sent(bench: Bench) -> None:
    await bench.person(bench.server.upload, "own.gcode", LONG)
    await bench.person(bench.server.post, "/api/files/local/own.gcode", {"command": "select", "print": True})
    await bench.state(PrinterState.FOREIGN)
    assert "own.gcode" in (bench.driver.status.note or "")
    with pytest.raises(PrinterBusyError):
        await bench.start()
    files = await asyncio.to_thread(bench.server.get, "/api/job")
    assert files["job"]["file"]["path"] == "own.gcode"
    await bench.person(bench.server.post, "/api/job", {"command": "cancel"})
    await bench.state(PrinterState.IDLE)
    assert not bench.listener.ends


async def test_a_second_start_is_refused_while_a_job_is_open(bench: Bench) -> None:
    job = await bench.start()
    with pytest.raises(PrinterBusyError):
        await bench.start()
    assert bench.driver.status.job == job
    assert bench.server.get("/api/job")["job"]["file"]["path"] == f"farm/{job}.gcode"


async def test_a_job_is_never_printed_twice(bench: Bench) -> None:
    job = await bench.start(SHORT)
    await bench.end()
    await bench.state(PrinterState.IDLE)
    with pytest.raises(PrinterBusyError, match="before"):
        await bench.driver.start(bench.program(SHORT), job)


async def test_a_new_agent_finds_the_running_job_and_its_end(bench: Bench) -> None:
    job = await bench.start()
    await bench.driver.close()
    bench.driver = bench.new_driver()
    await bench.driver.connect()
    assert (bench.driver.status.state, bench.driver.status.job) == (PrinterState.FOREIGN, None)  # until told which job it is
    assert (await bench.driver.trace(job)).running
    assert (bench.driver.status.state, bench.driver.status.job) == (PrinterState.PRINTING, job)
    await bench.driver.cancel(job)
    assert (await bench.end()).end is PrintEnd.CANCELLED


async def test_a_new_agent_learns_what_became_of_a_job(bench: Bench) -> None:
    done = await bench.start(SHORT)
    await bench.end()
    assert (await bench.driver.trace("job-unknown")).end is None
    await until(lambda: bench.server.get(f"/api/files/local/farm/{done}.gcode").get("prints"))
    await bench.driver.close()
    bench.listener.events.clear()
    bench.driver = bench.new_driver()
    await bench.driver.connect()
    trace = await bench.driver.trace(done)
    assert (trace.running, trace.end) == (False, PrintEnd.DONE)


async def test_an_end_that_no_event_told_is_found(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the socket was down at that moment: only questions tell."""
    await bench.driver.close()
    monkeypatch.setattr("drivers.octoprint.push._SUBSCRIPTION", {"state": False, "events": False, "plugins": False})
    bench.driver = bench.new_driver()
    await bench.driver.connect()
    job = await bench.start(SHORT)
    assert await bench.end() == PrintEnded(job, PrintEnd.DONE, "OctoPrint has counted it as printed.")


async def test_a_large_file_arrives_whole(bench: Bench) -> None:
    content = b"G28\n" + b"; a comment that OctoPrint skips\n" * 300_000
    job = await bench.start(content)
    file = await asyncio.to_thread(bench.server.get, f"/api/files/local/farm/{job}.gcode")
    assert (file["size"], file["hash"]) == (len(content), hashlib.sha1(content).hexdigest())
    await bench.driver.cancel(job)


async def test_old_uploads_are_removed(bench: Bench) -> None:
    jobs = []
    for _ in range(5):
        bench.listener.events.clear()
        jobs.append(await bench.start(b"M220 S100000\nG4 P1\n"))
        await bench.end()
        await bench.state(PrinterState.IDLE)
    folder = await asyncio.to_thread(bench.server.get, "/api/files/local/farm")
    names = {entry["name"] for entry in folder["children"]}
    assert f"{jobs[-1]}.gcode" in names
    assert len(names) <= 4


async def test_a_wrong_key_is_named(octoprint_server: OctoPrintServer, tmp_path: Path) -> None:
    (tmp_path / "wrong.key").write_text("WRONGKEYWRONGKEYWRONGKEY")
    driver = open_driver(f"octoprint+http://127.0.0.1:{octoprint_server.port}?key_file={tmp_path}/wrong.key", Listener())
    with pytest.raises(AuthenticationError) as caught:
        await driver.connect()
    await driver.close()
    assert "WRONGKEY" not in str(caught.value)
    assert driver.status.state is PrinterState.OFFLINE


async def test_missing_permissions_are_named(octoprint_server: OctoPrintServer, tmp_path: Path) -> None:
    (tmp_path / "watcher.key").write_text(WATCHER_KEY)
    driver = open_driver(f"octoprint+http://127.0.0.1:{octoprint_server.port}?key_file={tmp_path}/watcher.key", Listener())
    with pytest.raises(AuthenticationError, match="FILES_UPLOAD"):
        await driver.connect()
    await driver.close()


async def test_nothing_there_is_unreachable(tmp_path: Path) -> None:
    (tmp_path / "some.key").write_text("SOMEKEYSOMEKEY")
    driver = open_driver(f"octoprint+http://127.0.0.1:{free_port()}?key_file={tmp_path}/some.key", Listener())
    with pytest.raises(UnreachableError):
        await driver.connect()
    await driver.close()


@pytest.mark.slow
async def test_a_printer_that_falls_silent_fails_the_job_but_is_no_fault(bench: Bench) -> None:
    """OctoPrint gives up after its communication timeouts, sends M112 and disconnects: not a firmware error, so we reconnect."""
    await bench.start()
    await bench.person(bench.server.break_printer, "go_awol")
    await until(lambda: bench.listener.ends, 120)
    ended = await bench.end()
    assert (ended.end, ended.fault) == (PrintEnd.FAILED, None)
    await bench.state(PrinterState.IDLE)


@pytest.mark.slow
async def test_octoprint_killed_in_a_print_means_interrupted(tmp_path: Path) -> None:
    server = OctoPrintServer(tmp_path / "octoprint")
    await asyncio.to_thread(server.start)
    bench = Bench(server, tmp_path)
    try:
        await bench.driver.connect()
        job = await bench.start()
        await asyncio.to_thread(server.kill)
        await bench.state(PrinterState.OFFLINE)
        assert bench.driver.status.job == job  # still open: nobody knows yet
        assert not bench.listener.ends
        await asyncio.to_thread(server.start)
        ended = await bench.end()
        assert (ended.job, ended.end) == (job, PrintEnd.INTERRUPTED)
        await bench.state(PrinterState.IDLE)
    finally:
        await bench.driver.close()
        await asyncio.to_thread(server.remove)
