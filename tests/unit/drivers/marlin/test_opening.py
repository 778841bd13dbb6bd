"""The port of one printer: by which name it is opened again, at which speed, and what a person is told."""

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from drivers.base import Capability, PrinterState, PrinterStatus, StatusChanged
from drivers.errors import NotAPrinterError, UnreachableError
from drivers.marlin import ports, search
from drivers.marlin.link import close_port
from drivers.marlin.opening import PortOpener
from drivers.marlin.printer import MarlinPrinter
from drivers.marlin.transcript import Transcript
from drivers.virtual.firmware import Firmware
from drivers.virtual.options import FirmwareOptions
from tests.patience import PATIENCE_S
from tests.unit.drivers.marlin.devices import CH340, Machine
from tests.unit.drivers.marlin.stranger import Printing, SpokenTo, StrictPort


async def run(function: Callable[..., Any], *arguments: Any) -> Any:
    return await asyncio.to_thread(function, *arguments)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    search._remembered.clear()
    monkeypatch.setattr(search, "GREETING_S", 0.05)
    monkeypatch.setattr(search, "PATIENCE_S", (0.2, 0.3))
    monkeypatch.setattr(search, "ASK_AGAIN_S", 0.15)
    monkeypatch.setattr(ports, "LOOK_S", 0.02)
    yield
    search._remembered.clear()


def _printer(baud: int) -> StrictPort:
    firmware = Firmware(FirmwareOptions(boot_s=0.0))
    firmware.reset(time.monotonic())
    return StrictPort(Printing(firmware), baud)


def _nothing() -> None:
    """Nobody wants to know."""


async def _open(opener: PortOpener, tell: Callable[[], None] = _nothing) -> int:
    port = await opener.open(run, tell)
    baud: int = port.baudrate
    await run(close_port, port)
    return baud


async def test_a_given_speed_is_used_as_it_is() -> None:
    with StrictPort(SpokenTo()) as port:
        opener = PortOpener(port.path, 57_600, Transcript())
        assert await _open(opener) == 57_600
        assert (opener.found, opener.must_search, opener.note) == (None, False, None)


async def test_a_found_speed_is_remembered_also_by_the_next_driver_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "PATIENCE_S", (1.5,))  # in one round, also on a crowded machine
    with _printer(250_000) as port:
        told: list[int | None] = []
        opener = PortOpener(port.path, None, Transcript())
        assert opener.must_search
        assert await _open(opener, lambda: told.append(opener.searching)) == 250_000
        assert told == [115_200, 250_000]
        assert (opener.searching, opener.found, opener.must_search) == (None, 250_000, False)
        again = PortOpener(port.path, None, Transcript())
        assert await _open(again, lambda: told.append(again.searching)) == 250_000
        assert told == [115_200, 250_000], "it was not searched again"


async def test_after_a_replug_the_same_socket_is_opened_not_the_same_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(tmp_path)
    monkeypatch.setattr(ports, "_is_kernel_name", lambda device, tree: Path(device).parent == tree.dev)
    with StrictPort(SpokenTo()) as ours, StrictPort(SpokenTo()) as other:
        device = machine.plug("ttyUSB0", "1.2", CH340, target=Path(ours.path))
        opener = PortOpener(str(device), 115_200, Transcript(), tree=machine.tree)
        await _open(opener)
        assert opener.note is not None
        assert "by-path" in opener.note.en
        assert "by-path" in opener.note.fr
        machine.unplug("ttyUSB0")
        machine.plug("ttyUSB0", "1.3", CH340, target=Path(other.path))
        with pytest.raises(UnreachableError):
            await _open(opener)
        assert other.openings == 0, "another printer has our number now"
        machine.plug("ttyUSB1", "1.2", CH340, target=Path(ours.path))
        await _open(opener)
        assert other.openings == 0


async def test_plugging_in_ends_the_wait(tmp_path: Path) -> None:
    link = tmp_path / "printer"
    opener = PortOpener(str(link), 115_200, Transcript())
    with pytest.raises(UnreachableError):
        await _open(opener)
    waiting = asyncio.create_task(opener.wait(2 * PATIENCE_S))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    link.symlink_to("/dev/null")
    await asyncio.wait_for(waiting, PATIENCE_S)


async def test_noise_after_a_found_speed_makes_it_search_again() -> None:
    transcript = Transcript()
    opener = PortOpener("/dev/ttyUSB0", None, transcript)
    search.remember("/dev/ttyUSB0", 250_000)
    transcript.heard(b"ok T:20 /0\n", 1.0)
    silent = opener.not_understood(100.0)
    assert "Nothing at /dev/ttyUSB0 answers at 250000 baud" in silent.detail
    assert not opener.must_search, "it is only switched off"
    transcript.heard(bytes(range(128, 200)), 200.0)
    assert "makes no sense" in opener.not_understood(201.0).detail
    assert opener.must_search


# with the whole driver


class Ear:
    """What a driver told."""

    def __init__(self) -> None:
        self.seen: list[PrinterStatus] = []

    def __call__(self, event: object) -> None:
        if isinstance(event, StatusChanged):
            self.seen.append(event.status)


async def test_a_driver_finds_the_speed_says_so_and_records_the_wire() -> None:
    ear = Ear()
    with _printer(500_000) as port:
        driver = MarlinPrinter(port.path, None, ear)
        assert Capability.TRANSCRIPT in driver.info.capabilities
        await driver.connect()
        try:
            assert driver.status.state is PrinterState.IDLE
            assert driver.status.firmware is not None
            assert driver.status.firmware.endswith(", 500000 baud")
            assert driver.status.note is None
            searching = [status for status in ear.seen if status.note == "Looking for the speed: 500000 baud."]
            assert [status.state for status in searching] == [PrinterState.CONNECTING]
            told = driver.transcript()
            assert any("> N" in line and "M155 S1" in line for line in told)
            assert any("< ok" in line for line in told)
        finally:
            await driver.close()
        assert port.openings == 1


async def test_a_driver_that_finds_no_printer_says_what_there_is() -> None:
    with StrictPort(SpokenTo()) as port:
        driver = MarlinPrinter(port.path, None, lambda _event: None)
        with pytest.raises(NotAPrinterError, match="Nothing at"):
            await driver.connect()
        assert driver.status.state is PrinterState.OFFLINE
        await driver.close()


async def test_a_driver_opens_again_as_soon_as_its_port_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivers.marlin.shell.FIRST_RETRY_S", 600.0)
    monkeypatch.setattr("drivers.marlin.shell.MAX_RETRY_S", 600.0)
    link = tmp_path / "printer"
    driver = MarlinPrinter(str(link), 115_200, lambda _event: None)
    with pytest.raises(UnreachableError):
        await driver.connect()
    with _printer(115_200) as port:
        link.symlink_to(port.path)
        await asyncio.wait_for(driver.connect(), PATIENCE_S)
        assert driver.status.state is PrinterState.IDLE
        await driver.close()
