"""What a technician asks of the driver, over real ptys: questions, console, ejection, bookmarks, and what never stops talking."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from drivers.base import (
    BOOKMARK_CHARACTERS,
    CAPABILITY_PROTOCOLS,
    Bookmark,
    Capability,
    DriverEvent,
    PrintEnd,
    PrintEnded,
    PrinterState,
    StatusChanged,
)
from drivers.errors import FirmwareError, NotAPrinterError, PrinterBusyError, UnreachableError
from drivers.marlin import ending, printer, shell
from drivers.marlin.options import Options
from drivers.marlin.printer import MarlinPrinter
from drivers.marlin.protocol import Protocol
from drivers.virtual.firmware import Firmware
from drivers.virtual.options import FirmwareOptions
from drivers.virtual.port import VirtualPort
from tests.unit.drivers.marlin.test_printer import Ear, Script, heat, program, truth, until
from tests.unit.drivers.marlin.world import HEATED, moves

ADVANCED = FirmwareOptions(emergency_parser=True, host_actions=True, runout_sensor=True)
SPEED = 100.0


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivers.marlin.greeting.GREETING_S", 0.05)
    monkeypatch.setattr(shell, "FIRST_RETRY_S", 0.05)


@pytest.fixture
def port(tmp_path: Path) -> Iterator[VirtualPort]:
    port = VirtualPort(Firmware(ADVANCED), speed=SPEED, link=tmp_path / "printer")
    yield port
    port.close()


@pytest.fixture
def ear() -> Ear:
    return Ear()


@pytest.fixture
async def driver(port: VirtualPort, tmp_path: Path, ear: Ear) -> AsyncIterator[MarlinPrinter]:
    push = program(tmp_path, "G1 Z50 F6000", "G1 Y200 F6000", "G1 Y0 F6000").rename(tmp_path / "push.gcode")
    options = Options(str(tmp_path / "printer"), 115_200, deadman_s=0, eject_file=push)
    driver = MarlinPrinter(options.device, options.baud, ear, options=options)
    await driver.connect()
    yield driver
    await driver.close()


def test_it_has_what_it_says(driver: MarlinPrinter) -> None:
    for capability in driver.info.capabilities & CAPABILITY_PROTOCOLS.keys():
        assert isinstance(driver, CAPABILITY_PROTOCOLS[capability][1])
    assert Capability.EJECT in driver.info.capabilities
    assert Capability.EJECT not in MarlinPrinter("/dev/null", 115_200, Ear()).info.capabilities


async def test_a_question_goes_out_and_its_answer_comes_back(driver: MarlinPrinter, tmp_path: Path, ear: Ear) -> None:
    await driver.start(program(tmp_path, *HEATED, *moves(5), "M0 Look", *moves(5, start=5)), "job-1")
    await until(lambda: driver.status.state is PrinterState.ATTENTION and driver.status.prompt is not None)
    prompt = driver.status.prompt
    assert prompt is not None
    assert (prompt.text, prompt.choices) == ("Look", ("Continue",))
    with pytest.raises(PrinterBusyError, match="no choice 1") as raised:
        await driver.answer(prompt.id, 1)
    assert raised.value.detail_fr != raised.value.detail
    await driver.answer("another question", 0)
    assert driver.status.prompt == prompt
    await driver.answer(prompt.id, 0)
    await until(lambda: bool(ear.ends))
    assert ear.ends[0].end is PrintEnd.DONE
    assert driver.status.prompt is None


async def test_the_console_returns_what_the_machine_says(driver: MarlinPrinter) -> None:
    said = await driver.console("M119")
    assert said[0] == "Reporting endstop status"
    assert driver.status.state is PrinterState.IDLE


@pytest.mark.parametrize("line", ["M110 N0", "G28\nM112", ""])
async def test_the_console_refuses_what_only_the_driver_may_say(driver: MarlinPrinter, port: VirtualPort, line: str) -> None:
    before = truth(port, "lines_executed")
    with pytest.raises(PrinterBusyError) as raised:
        await driver.console(line)
    assert raised.value.next_step_fr
    assert truth(port, "lines_executed") == before


async def test_the_console_is_closed_while_a_job_runs(driver: MarlinPrinter, tmp_path: Path, ear: Ear) -> None:
    await driver.start(program(tmp_path, *HEATED, *moves(300)), "job-1")
    with pytest.raises(PrinterBusyError) as raised:
        await driver.console("M119")
    assert "impression" in raised.value.detail_fr or "préparation" in raised.value.detail_fr
    await until(lambda: bool(ear.ends))


async def test_a_long_command_of_the_console_does_not_hold_the_caller(
    driver: MarlinPrinter, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(printer, "CONSOLE_S", 0.2)
    await driver.console("G4 S100")
    with pytest.raises(PrinterBusyError):
        await driver.start(program(tmp_path, "G28"), "job-1")
    await until(lambda: driver._protocol.errand is None)
    await driver.console("M119")


async def test_a_part_is_pushed_off_a_cool_bed(driver: MarlinPrinter, port: VirtualPort) -> None:
    await driver.eject()
    assert port.call(lambda firmware, now_s: firmware.machine.planner.position(now_s)[2]) == 50.0
    assert driver.status.state is PrinterState.IDLE


async def test_a_warm_bed_is_waited_for(driver: MarlinPrinter, port: VirtualPort) -> None:
    await driver.console("M140 S60")
    await until(lambda: driver.status.bed is not None and driver.status.bed.actual_c > 40)
    with pytest.raises(PrinterBusyError, match="bed is at"):
        await driver.eject()
    assert port.call(lambda firmware, now_s: firmware.machine.planner.position(now_s)[2]) == 0.0


async def test_bookmarks_are_told_while_a_job_runs(driver: MarlinPrinter, tmp_path: Path, ear: Ear) -> None:
    await driver.start(program(tmp_path, *HEATED, *moves(200)), "job-1")
    await until(lambda: bool(ear.ends), limit_s=240)
    marks = [event for event in ear.events if isinstance(event, Bookmark)]
    assert marks
    assert {mark.job for mark in marks} == {"job-1"}
    assert max(len(mark.text) for mark in marks) <= BOOKMARK_CHARACTERS
    ended = next(index for index, event in enumerate(ear.events) if event in ear.ends)
    assert not any(isinstance(event, Bookmark) for event in ear.events[ended:])


async def test_a_listener_that_fails_ends_no_print(tmp_path: Path, port: VirtualPort) -> None:
    """The log's pipe is broken: nobody hears of the print, and it goes on all the same."""
    reported: list[object] = []
    heard: list[DriverEvent] = []

    def deaf(event: DriverEvent) -> None:
        heard.append(event)
        raise BrokenPipeError("stdout of the log is gone")

    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: reported.append(context.get("exception")))
    driver = MarlinPrinter(str(tmp_path / "printer"), 115_200, deaf)
    await driver.connect()
    assert driver.status.state is PrinterState.IDLE
    await driver.start(program(tmp_path, *HEATED, *moves(50), "M104 S0"), "job-1")
    await until(lambda: any(isinstance(event, PrintEnded) for event in heard), limit_s=120)
    assert [event.end for event in heard if isinstance(event, PrintEnded)] == [PrintEnd.DONE]
    await driver.close()
    assert [type(error) for error in reported] == [BrokenPipeError]


async def test_a_job_of_a_driver_that_vanished_is_gone_on_with(tmp_path: Path, port: VirtualPort, ear: Ear) -> None:
    """Without its process dying: the first driver just lets go of the port."""
    frame = program(tmp_path, *HEATED, "G1 Z0.3 F600", *moves(3000))
    first = MarlinPrinter(str(tmp_path / "printer"), 115_200, ear, options=Options(str(tmp_path / "printer"), 115_200, deadman_s=0))
    await first.connect()
    await first.start(frame, "job-1")
    await until(lambda: float(str(truth(port, "extruded_mm"))) > 5)
    await _vanish(first)
    text = [event.text for event in ear.events if isinstance(event, Bookmark)][-1]
    ear.events.clear()
    second = MarlinPrinter(str(tmp_path / "printer"), 115_200, ear)
    with pytest.raises(UnreachableError):
        await second.trace("job-1", program=frame, bookmark=text)
    await second.connect()
    trace = await second.trace("job-1", program=frame, bookmark=text)
    assert trace.running, trace
    assert (await second.trace("job-1")).running
    await until(lambda: bool(ear.ends), limit_s=60)
    assert ear.ends[0].end is PrintEnd.DONE
    assert truth(port, "extruded_mm") == pytest.approx(3000 * 0.04)
    await second.close()


async def _vanish(driver: MarlinPrinter) -> None:
    """As kill -9: nothing more is said, and the kernel closes the port."""
    driver._protocol.job = None
    await driver.close()


# what cannot be driven


async def test_a_machine_whose_numbers_began_anew_without_a_reset_does_not_stay_hot(
    tmp_path: Path, port: VirtualPort, ear: Ear
) -> None:
    """An earlier process died between its M110 and its M104: line 0 looks like a reset, but nothing cooled."""
    port.call(lambda firmware, _now_s: setattr(firmware.machine.hotend, "target_c", 200.0))
    driver = MarlinPrinter(str(tmp_path / "printer"), 115_200, ear)
    await driver.connect()
    told = await driver.trace("job-1", bookmark="{}")
    assert not told.running
    await until(lambda: heat(port) == (0.0, 0.0))
    await driver.close()


async def test_a_machine_that_never_stops_talking_is_hung_up_on(ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "MAX_RETRY_S", 600.0)
    async with Script(lambda _line: b"") as machine:
        driver = MarlinPrinter(machine.path, 115_200, ear)
        talking = asyncio.create_task(_talk(machine))
        with pytest.raises(NotAPrinterError, match="talks without end") as raised:
            await driver.connect()
        assert "parle sans fin" in raised.value.detail_fr
        await until(lambda: driver._link is None)
        talking.cancel()
        await driver.close()


async def _talk(machine: Script) -> None:
    while True:
        machine.say(b"blah blah\n" * 100)
        await asyncio.sleep(0.0005)


async def test_a_stop_that_nothing_confirms_is_told(ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending, "STOP_S", 0.05)
    async with Script(_deaf_to_stops) as machine:
        driver = MarlinPrinter(machine.path, 115_200, ear)
        await driver.connect()
        with pytest.raises(FirmwareError, match="M112") as raised:
            await driver.emergency_stop()
        assert raised.value.fault.code == "stop-unconfirmed"
        assert "secteur" in raised.value.next_step_fr
        assert driver.status.state is PrinterState.FAULT
        await driver.close()


def _deaf_to_stops(line: bytes) -> bytes:
    if b"M115" in line:
        return b"FIRMWARE_NAME:Marlin 2.1\nok\n"
    if b"N2000000000" in line:
        return b"Error:Line Number is not Last Line Number+1, Last Line: 0\nResend: 1\nok\n"
    return b"" if b"M112" in line else b"ok\n"


async def test_klipper_is_refused_with_advice(tmp_path: Path, ear: Ear) -> None:
    port = VirtualPort(Firmware(FirmwareOptions(flavour="klipper")), speed=SPEED, link=tmp_path / "klipper")
    driver = MarlinPrinter(str(tmp_path / "klipper"), 115_200, ear)
    with pytest.raises(NotAPrinterError, match="Klipper") as raised:
        await driver.connect()
    assert "octoprint+http" in raised.value.next_step
    assert "refusée" in raised.value.detail_fr
    await driver.close()
    port.close()


async def test_the_states_of_a_job_with_a_question(driver: MarlinPrinter, tmp_path: Path, ear: Ear) -> None:
    await driver.start(program(tmp_path, *HEATED, *moves(50), "M0", *moves(50, start=50)), "job-1")
    await until(lambda: driver.status.prompt is not None)
    prompt = driver.status.prompt
    assert prompt is not None
    await driver.answer(prompt.id, 0)
    await until(lambda: bool(ear.ends))
    seen = [event.status.state for event in ear.events if isinstance(event, StatusChanged)]
    assert PrinterState.ATTENTION in seen
    assert seen[-1] is PrinterState.IDLE


async def test_closing_waits_for_a_machine_that_was_held_and_obeys_again(
    driver: MarlinPrinter, port: VirtualPort, tmp_path: Path, ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    await driver.start(program(tmp_path, *HEATED, *moves(5_000)), "job-1")
    await until(lambda: driver.status.state is PrinterState.PRINTING)
    monkeypatch.setattr(shell, "HELD_S", 0.0)
    held = iter([True])
    monkeypatch.setattr(Protocol, "held", property(lambda _: next(held, False)))
    await driver.close()
    assert [ended.detail for ended in ear.ends] == ["The agent was stopped in mid-print: heaters off, nozzle up."]
    assert heat(port) == (0.0, 0.0)


class _Streaming:
    """A protocol in the middle of a stream of moves."""

    def __init__(self, *, hungry: bool) -> None:
        self.wants_program = hungry
        self.flushed: list[bytes] = []

    def streams(self, data: bytes, now_s: float) -> bytes | None:
        assert now_s >= 0
        return b"N1 G1 X1*1\n" if data == b"ok\n" else None


@pytest.mark.parametrize(
    ("hungry", "reading", "late", "looks"),
    [(False, False, False, 0), (True, False, False, 5), (True, True, False, 0), (False, True, True, 5)],
    ids=["streaming", "file-wanted", "file-being-read", "time-to-look"],
)
def test_a_stream_of_moves_is_looked_at_only_when_something_is_to_be_done(
    monkeypatch: pytest.MonkeyPatch, hungry: bool, reading: bool, late: bool, looks: int
) -> None:
    driver = MarlinPrinter("/dev/null", 115_200, Ear())
    protocol = _Streaming(hungry=hungry)
    written: list[bytes] = []
    monkeypatch.setattr(driver, "_protocol", protocol)
    monkeypatch.setattr(driver, "_flush", protocol.flushed.append)
    monkeypatch.setattr(driver, "_link", SimpleNamespace(write=written.append))
    monkeypatch.setattr(driver, "_feeding", object() if reading else None)
    monkeypatch.setattr(driver, "_flush_s", float("-inf") if late else float("inf"))
    for _ in range(5):
        driver._receive(b"ok\n")
    assert protocol.flushed == [b"N1 G1 X1*1\n"] * looks
    assert written == [b"N1 G1 X1*1\n"] * (5 - looks)  # nothing is said twice, nor left out
    heard = [line.partition(" ")[2] for line in driver.transcript() if " < " in line]
    assert heard == ["< ok"] * 5
