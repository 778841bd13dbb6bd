"""The driver over real ptys: first with the virtual firmware as the machine, then with one that the test scripts."""

import asyncio
import os
import tty
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from drivers.base import Capability, PrintEnd, PrinterState, StatusChanged
from drivers.errors import AddressError, FirmwareError, NotAPrinterError, PrinterBusyError, TransferError, UnreachableError
from drivers.marlin import identity, shell
from drivers.marlin.job import SAFE_LIFT_MM
from drivers.marlin.printer import MarlinPrinter, from_url
from drivers.testing import Heard
from drivers.virtual.firmware import Firmware
from drivers.virtual.heaters import Sensor
from drivers.virtual.options import FirmwareOptions
from drivers.virtual.port import VirtualPort
from tests.patience import PATIENCE_S
from tests.unit.drivers.marlin.world import HEATED, moves

SPEED = 200.0


class Ear(Heard):
    """What the driver told."""

    @property
    def states(self) -> list[PrinterState]:
        states: list[PrinterState] = []
        for status in self.statuses:
            if states[-1:] != [status.state]:
                states.append(status.state)
        return states


async def until(done: Callable[[], bool], *, limit_s: float = PATIENCE_S) -> None:
    end_s = asyncio.get_running_loop().time() + limit_s
    while not done():
        assert asyncio.get_running_loop().time() < end_s
        await asyncio.sleep(0.01)


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A virtual board does not reset when its port opens: no need to wait for its greeting."""
    monkeypatch.setattr("drivers.marlin.greeting.GREETING_S", 0.05)
    monkeypatch.setattr(shell, "FIRST_RETRY_S", 0.05)


@pytest.fixture
def port(tmp_path: Path) -> Iterator[VirtualPort]:
    port = VirtualPort(Firmware(), speed=SPEED, link=tmp_path / "printer")
    yield port
    port.close()


@pytest.fixture
def ear() -> Ear:
    return Ear()


@pytest.fixture
async def driver(port: VirtualPort, tmp_path: Path, ear: Ear) -> AsyncIterator[MarlinPrinter]:
    driver = MarlinPrinter(str(tmp_path / "printer"), 115_200, ear)
    await driver.connect()
    yield driver
    await driver.close()


def program(folder: Path, *commands: str) -> Path:
    path = folder / "frame.gcode"
    path.write_text("".join(f"{command} ; comment\n" for command in commands))
    return path


@pytest.fixture
def frame(tmp_path: Path) -> Path:
    return program(tmp_path, *HEATED, *moves(1500), "M104 S0", "M84")


def truth(port: VirtualPort, key: str) -> object:
    return port.call(lambda firmware, _now_s: firmware.snapshot())[key]


def heat(port: VirtualPort) -> tuple[float, float]:
    """The targets of nozzle and bed."""
    nozzle, bed = truth(port, "nozzle_c"), truth(port, "bed_c")
    assert isinstance(nozzle, list)
    assert isinstance(bed, list)
    return nozzle[1], bed[1]


def height_mm(port: VirtualPort) -> float:
    return port.call(lambda firmware, now_s: firmware.machine.planner.position(now_s)[2])


def assert_cold(port: VirtualPort) -> None:
    assert heat(port) == (0.0, 0.0)


async def test_a_file_is_printed_whole(driver: MarlinPrinter, port: VirtualPort, frame: Path, ear: Ear) -> None:
    assert driver.status.state is PrinterState.IDLE
    assert driver.status.firmware is not None
    await driver.start(frame, "job-1")
    assert driver.status.job == "job-1"
    await until(lambda: bool(ear.ends))
    (ended,) = ear.ends
    assert (ended.job, ended.end) == ("job-1", PrintEnd.DONE)
    assert truth(port, "extruded_mm") == pytest.approx(1500 * 0.04)
    assert ear.states[-4:] == [PrinterState.PREPARING, PrinterState.PRINTING, PrinterState.FINISHING, PrinterState.IDLE]
    progress = [event.status.progress for event in ear.events if isinstance(event, StatusChanged) and event.status.job]
    assert progress[-1] == 1.0
    trace = await driver.trace("job-1")
    assert (trace.running, trace.end) == (False, PrintEnd.DONE)


async def test_pause_resume_and_cancel(driver: MarlinPrinter, port: VirtualPort, frame: Path, ear: Ear) -> None:
    await driver.start(frame, "job-1")
    await until(lambda: driver.status.state is PrinterState.PRINTING)
    await driver.pause("job-1")
    await until(lambda: driver.status.state is PrinterState.PAUSED)
    await driver.resume("job-1")
    await until(lambda: driver.status.state is PrinterState.PRINTING)
    assert (await driver.trace("job-1")).running
    await driver.cancel("job-1")
    await until(lambda: bool(ear.ends))
    assert ear.ends[0].end is PrintEnd.CANCELLED
    nozzle = truth(port, "nozzle_c")
    assert isinstance(nozzle, list)
    assert nozzle[1] == 0.0


async def test_commands_for_another_job_do_nothing(driver: MarlinPrinter, frame: Path, ear: Ear) -> None:
    await driver.start(frame, "job-1")
    await driver.cancel("job-2")
    await driver.pause("job-2")
    await driver.resume("job-2")
    await until(lambda: bool(ear.ends))
    assert ear.ends[0].end is PrintEnd.DONE


async def test_a_busy_printer_refuses_a_second_job(driver: MarlinPrinter, frame: Path, ear: Ear) -> None:
    await driver.start(frame, "job-1")
    with pytest.raises(PrinterBusyError):
        await driver.start(frame, "job-2")
    await until(lambda: bool(ear.ends))
    assert [ended.job for ended in ear.ends] == ["job-1"]


async def test_a_bad_file_is_refused_and_nothing_is_printing(driver: MarlinPrinter, tmp_path: Path, ear: Ear) -> None:
    with pytest.raises(TransferError, match="Line 2"):
        await driver.start(program(tmp_path, "G28", "G1 X\0"), "job-1")
    with pytest.raises(TransferError, match="No such file"):
        await driver.start(tmp_path / "gone", "job-1")
    assert driver.status.state is PrinterState.IDLE
    assert not ear.ends


async def test_a_kill_before_the_first_line_is_an_error_of_start(driver: MarlinPrinter, port: VirtualPort, frame: Path) -> None:
    port.call(lambda firmware, now_s: firmware.freeze(2000.0, now_s))
    starting = asyncio.create_task(driver.start(frame, "job-1"))
    await until(lambda: driver.status.state is PrinterState.PREPARING)
    port.call(lambda firmware, now_s: firmware.repair())
    port.call(lambda firmware, now_s: firmware.thermal_runaway(now_s))
    with pytest.raises(FirmwareError, match="Thermal Runaway"):
        await starting
    assert driver.status.state is PrinterState.FAULT


async def test_a_broken_sensor_ends_the_job_with_its_fault(driver: MarlinPrinter, port: VirtualPort, frame: Path, ear: Ear) -> None:
    await driver.start(frame, "job-1")
    port.call(lambda firmware, now_s: firmware.break_sensor("hotend", Sensor.SHORT, now_s))
    await until(lambda: bool(ear.ends))
    (ended,) = ear.ends
    assert ended.end is PrintEnd.FAILED
    assert ended.fault is not None
    assert ended.fault.code == "max-temperature"
    assert driver.status.state is PrinterState.FAULT
    assert driver.status.fault == ended.fault
    with pytest.raises(PrinterBusyError):
        await driver.start(frame, "job-2")


async def test_emergency_stop(driver: MarlinPrinter, port: VirtualPort, frame: Path, ear: Ear) -> None:
    await driver.start(frame, "job-1")
    await driver.emergency_stop()
    assert truth(port, "killed") is True
    assert ear.ends[0].fault is not None
    assert ear.ends[0].fault.code == "emergency-stop"
    port.call(lambda firmware, now_s: firmware.reset(now_s))
    await until(lambda: driver.status.state is PrinterState.IDLE)


async def test_a_reset_in_mid_print(driver: MarlinPrinter, port: VirtualPort, frame: Path, ear: Ear) -> None:
    await driver.start(frame, "job-1")
    await until(lambda: driver.status.state is PrinterState.PRINTING)
    port.call(lambda firmware, now_s: firmware.reset(now_s))
    await until(lambda: bool(ear.ends))
    assert ear.ends[0].end is PrintEnd.FAILED
    await until(lambda: driver.status.state is PrinterState.IDLE)


async def test_unplugged_for_a_moment_and_renumbered(driver: MarlinPrinter, port: VirtualPort, frame: Path, ear: Ear) -> None:
    await driver.start(frame, "job-1")
    await until(lambda: driver.status.state is PrinterState.PRINTING)
    port.unplug()
    await until(lambda: driver.status.state in {PrinterState.OFFLINE, PrinterState.CONNECTING})
    assert driver.status.job == "job-1"
    port.replug()
    await until(lambda: bool(ear.ends))
    assert ear.ends[0].end is PrintEnd.DONE
    assert truth(port, "extruded_mm") == pytest.approx(1500 * 0.04)


async def test_unplugged_while_idle_comes_back(driver: MarlinPrinter, port: VirtualPort) -> None:
    port.unplug()
    await until(lambda: driver.status.state is PrinterState.OFFLINE)
    with pytest.raises(UnreachableError):
        await driver.emergency_stop()
    port.replug()
    await until(lambda: driver.status.state is PrinterState.IDLE)


async def test_the_trace_of_an_earlier_process_makes_the_machine_safe(driver: MarlinPrinter, port: VirtualPort) -> None:
    await driver.close()
    port.call(lambda firmware, now_s: firmware.feed(b"M104 S200\n", now_s))
    second = MarlinPrinter(port.path, 115_200, Ear())
    await second.connect()
    trace = await second.trace("job-0")
    assert (trace.running, trace.end) == (False, PrintEnd.INTERRUPTED)
    await until(lambda: second.status.state is PrinterState.IDLE)
    nozzle = truth(port, "nozzle_c")
    assert isinstance(nozzle, list)
    assert nozzle[1] == 0.0
    await second.close()


async def test_closing_in_mid_print_makes_the_machine_safe(driver: MarlinPrinter, port: VirtualPort, frame: Path, ear: Ear) -> None:
    await driver.start(frame, "job-1")
    await until(lambda: driver.status.state is PrinterState.PRINTING)
    before_mm = height_mm(port)
    await driver.close()
    assert height_mm(port) == pytest.approx(before_mm + SAFE_LIFT_MM)
    (ended,) = ear.ends
    assert (ended.job, ended.end) == ("job-1", PrintEnd.INTERRUPTED)
    assert "agent was stopped" in ended.detail
    assert_cold(port)
    assert truth(port, "killed") is False
    await driver.close()
    assert len(ear.ends) == 1, "once"


async def test_closing_a_paused_print_makes_the_machine_safe(
    driver: MarlinPrinter, port: VirtualPort, frame: Path, ear: Ear
) -> None:
    await driver.start(frame, "job-1")
    await until(lambda: driver.status.state is PrinterState.PRINTING)
    await driver.pause("job-1")
    await until(lambda: driver.status.state is PrinterState.PAUSED)
    await driver.close()
    assert [ended.end for ended in ear.ends] == [PrintEnd.INTERRUPTED]
    assert_cold(port)


async def test_a_machine_that_does_not_listen_is_told_all_the_same(
    driver: MarlinPrinter, port: VirtualPort, frame: Path, ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shell, "SAFE_S", 0.3)
    await driver.start(frame, "job-1")
    await until(lambda: driver.status.state is PrinterState.PRINTING)
    port.call(lambda firmware, now_s: firmware.freeze(400.0, now_s))  # 2 s
    await driver.close()
    (ended,) = ear.ends
    assert ended.end is PrintEnd.INTERRUPTED
    assert "did not confirm" in ended.detail
    await until(lambda: heat(port) == (0.0, 0.0))


async def test_closing_while_it_asks_stops_it_and_says_so(tmp_path: Path, ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "HELD_S", 0.0)
    options = FirmwareOptions(emergency_parser=True, host_actions=True, runout_sensor=True)
    port = VirtualPort(Firmware(options), speed=SPEED, link=tmp_path / "asking")
    driver = MarlinPrinter(str(tmp_path / "asking"), 115_200, ear)
    file = tmp_path / "change.gcode"
    file.write_text("\n".join([*HEATED, *moves(20), "M600", *moves(20, start=20), ""]))
    try:
        await driver.connect()
        await driver.start(file, "job-1")
        await until(lambda: driver.status.prompt is not None)
        await driver.close()
        (ended,) = ear.ends
        assert ended.end is PrintEnd.INTERRUPTED
        assert ended.fault is not None
        assert ended.fault.code == "emergency-stop"
        await until(lambda: heat(port) == (0.0, 0.0))
    finally:
        await driver.close()
        port.close()


async def test_closing_without_contact_says_that_nobody_knows(
    driver: MarlinPrinter, port: VirtualPort, frame: Path, ear: Ear
) -> None:
    await driver.start(frame, "job-1")
    await until(lambda: driver.status.state is PrinterState.PRINTING)
    port.unplug()
    await until(lambda: driver.status.state is PrinterState.OFFLINE)
    await driver.close()
    (ended,) = ear.ends
    assert ended.end is PrintEnd.INTERRUPTED
    assert "could not be reached" in ended.detail


async def test_closing_before_the_first_line_ends_the_start(
    driver: MarlinPrinter, port: VirtualPort, frame: Path, ear: Ear
) -> None:
    port.call(lambda firmware, now_s: firmware.freeze(100.0, now_s))
    starting = asyncio.create_task(driver.start(frame, "job-1"))
    await until(lambda: driver.status.state is PrinterState.PREPARING)
    await driver.close()
    with pytest.raises(TransferError, match="agent was stopped"):
        await starting
    assert not ear.ends


async def test_cancelling_start_cancels_the_job(driver: MarlinPrinter, port: VirtualPort, frame: Path, ear: Ear) -> None:
    port.call(lambda firmware, now_s: firmware.freeze(400.0, now_s))  # 2 s
    starting = asyncio.create_task(driver.start(frame, "job-1"))
    await until(lambda: driver.status.state is PrinterState.PREPARING)
    starting.cancel()
    with suppress(asyncio.CancelledError):
        await starting
    await until(lambda: driver.status.state is PrinterState.IDLE)
    assert truth(port, "extruded_mm") == 0


async def test_connecting_twice_is_connecting_once(driver: MarlinPrinter) -> None:
    await driver.connect()
    assert driver.status.state is PrinterState.IDLE


async def test_a_foreign_print_is_seen_and_respected(tmp_path: Path, ear: Ear, frame: Path) -> None:
    """A machine that says that it prints from its own card."""
    async with Script(FOREIGN) as machine:
        driver = MarlinPrinter(machine.path, 115_200, ear)
        await driver.connect()
        await until(lambda: driver.status.state is PrinterState.FOREIGN)
        with pytest.raises(PrinterBusyError, match="busy with another print"):
            await driver.start(frame, "job-1")
        await driver.close()


# machines that the test scripts


class Script:
    """A pty whose machine answers by `reply(line) -> bytes`."""

    def __init__(self, reply: Callable[[bytes], bytes]) -> None:
        self._reply = reply
        self._pending = b""

    async def __aenter__(self) -> "Script":
        self._master, slave = os.openpty()
        tty.setraw(slave)
        self.path = os.ttyname(slave)
        os.set_blocking(self._master, False)
        self._slave = slave  # held, so that the pty lives before anybody opens it
        asyncio.get_running_loop().add_reader(self._master, self._read)
        return self

    async def __aexit__(self, *_exception: object) -> None:
        asyncio.get_running_loop().remove_reader(self._master)
        os.close(self._master)
        os.close(self._slave)

    def say(self, data: bytes) -> None:
        """Say something unasked; what finds no room is lost."""
        with suppress(BlockingIOError):
            os.write(self._master, data)

    def _read(self) -> None:
        *lines, self._pending = (self._pending + os.read(self._master, 4096)).split(b"\n")
        for line in lines:
            if line and (answer := self._reply(line)):
                os.write(self._master, answer)


def FOREIGN(line: bytes) -> bytes:  # noqa: N802 - it is data
    if b"M115" in line:
        return b"FIRMWARE_NAME:Marlin 2\nCap:SDCARD:1\nok\n"
    if b"N2000000000" in line:
        return b"Error:Line Number is not Last Line Number+1, Last Line: 0\nResend: 1\nok\n"
    return b"SD printing byte 5/100\nok\n" if b"M27" in line else b"ok\n"


async def test_an_echo_is_no_printer(monkeypatch: pytest.MonkeyPatch, ear: Ear) -> None:
    monkeypatch.setattr("drivers.marlin.greeting.IDENTIFY_S", 0.3)
    monkeypatch.setattr(identity, "ASK_S", 0.1)
    async with Script(lambda line: line + b"\n") as machine:
        driver = MarlinPrinter(machine.path, 115_200, ear)
        with pytest.raises(NotAPrinterError, match="only repeats what it is told"):
            await driver.connect()
        assert driver.status.state is PrinterState.OFFLINE
        await driver.close()


async def test_silence_is_no_printer(monkeypatch: pytest.MonkeyPatch, ear: Ear) -> None:
    monkeypatch.setattr("drivers.marlin.greeting.IDENTIFY_S", 0.3)
    monkeypatch.setattr(identity, "ASK_S", 0.1)
    async with Script(lambda _line: b"") as machine:
        driver = MarlinPrinter(machine.path, 115_200, ear)
        with pytest.raises(NotAPrinterError, match="answers at 115200 baud") as raised:
            await driver.connect()
        assert "Switch the printer on" in raised.value.next_step
        assert "Allumez" in raised.value.next_step_fr
        assert "?baud=115200" not in raised.value.next_step, "that was just tried"
        await driver.close()


async def test_a_port_that_comes_later_is_found(tmp_path: Path, ear: Ear) -> None:
    path = tmp_path / "printer"
    driver = MarlinPrinter(str(path), 115_200, ear)
    with pytest.raises(UnreachableError):
        await driver.connect()
    port = VirtualPort(Firmware(FirmwareOptions()), speed=SPEED, link=path)
    await until(lambda: driver.status.state is PrinterState.IDLE)
    await driver.close()
    port.close()


async def test_closing_while_connecting(ear: Ear) -> None:
    async with Script(lambda _line: b"") as machine:
        driver = MarlinPrinter(machine.path, 115_200, ear)
        connecting = asyncio.create_task(driver.connect())
        await asyncio.sleep(0.05)
        await driver.close()
        with pytest.raises(UnreachableError, match="was let go"):
            await connecting


async def test_closing_while_a_file_is_checked_waits_for_neither(port: VirtualPort, tmp_path: Path, ear: Ear) -> None:
    """Two gigabytes are read for minutes: nobody waits for that, and nothing begins on a port that is closed."""
    driver = MarlinPrinter(str(tmp_path / "printer"), 115_200, ear)
    await driver.connect()
    frame = tmp_path / "long.gcode"
    frame.write_text("\n".join(moves(300_000)))
    starting = asyncio.create_task(driver.start(frame, "job-1"))
    await asyncio.sleep(0.05)
    await driver.close()
    with pytest.raises(TransferError, match="let go"):
        await starting
    assert driver._timer is None
    assert driver._protocol.job is None
    assert ear.ends == []
    with pytest.raises(UnreachableError):
        await driver.trace("job-1")
    with pytest.raises(PrinterBusyError):
        await driver.console("M105")


# the address


def test_from_url() -> None:
    driver = from_url(urlsplit("marlin:///dev/serial/by-id/usb-a%20b?baud=250000"), lambda _event: None)
    assert (driver._port.device, driver._port.given) == ("/dev/serial/by-id/usb-a b", 250_000)
    for url in ("marlin:///dev/ttyUSB0", "marlin:///dev/ttyUSB0?baud=auto"):
        assert from_url(urlsplit(url), lambda _event: None)._port.given is None, "the speed is looked for"
    assert Capability.PROVES_IDLE not in driver.info.capabilities
    assert Capability.SURVIVES_AGENT not in driver.info.capabilities


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("marlin://dev/ttyUSB0", "names no device"),
        ("marlin://", "names no device"),
        ("marlin:///", "names no device"),
        ("marlin:///dev/ttyUSB0?bod=1", "unknown key: bod"),
        ("marlin:///dev/ttyUSB0?baud=", "not a baud rate"),
        ("marlin:///dev/ttyUSB0?baud=fast", "not a baud rate"),
        ("marlin:///dev/ttyUSB0?baud=9", "not a baud rate"),
        ("marlin:///dev/ttyUSB0?baud=²50000", "not a baud rate"),
    ],
)
def test_a_wrong_address_says_what_is_wrong_and_shows_a_right_one(url: str, message: str) -> None:
    with pytest.raises(AddressError, match=message) as raised:
        from_url(urlsplit(url), lambda _event: None)
    assert "marlin:///dev/ttyUSB0" in raised.value.next_step
