import asyncio
import errno
import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from drivers.base import DriverEvent, PrintEnd, PrintEnded, PrinterState, StatusChanged
from drivers.errors import AddressError, UnreachableError
from drivers.registry import open_driver
from drivers.virtual.control import obey, snapshot
from drivers.virtual.printer import VirtualPrinter, from_url, make_port, read_settings
from tests.patience import PATIENCE_S
from tests.unit.drivers.virtual.ptys import Seen
from tests.unit.drivers.virtual.test_firmware import PROGRAM
from tests.unit.drivers.virtual.test_port import eventually

FAST = "virtual://?speed=300&expected_mm=19.5"


def test_settings_of_a_url() -> None:
    settings = read_settings(
        urlsplit(
            "virtual://?speed=100&bed=300&name=Left&seed=4&boot=2&emergency_parser=1&advanced_ok=1&host_actions=0"
            "&reset_on_open=1&expected_mm=1234.5&minimum_mm=10&noise_in=0.01&noise_out=0.02"
        )
    )
    assert (settings.speed, settings.seed, settings.reset_on_open) == (100.0, 4, True)
    firmware = settings.firmware
    assert (firmware.bed_mm, firmware.name, firmware.boot_s) == (300.0, "Left", 2.0)
    assert (firmware.emergency_parser, firmware.advanced_ok, firmware.host_actions) == (True, True, False)
    assert (settings.rule.expected_mm, settings.rule.minimum_mm) == (1234.5, 10.0)
    assert (settings.faults.noise_in, settings.faults.noise_out) == (0.01, 0.02)


def test_faults_flavours_and_the_wire_in_a_url() -> None:
    settings = read_settings(
        urlsplit(
            "virtual://?uart_baud=250000&latency_ms=1&rx_buffer=1024&command_slots=8&planned_moves=31&strict_baud=250000"
            "&flavour=repetier&runout_sensor=1&position_reports=1&bed_levelling=1&sd_slot=1"
            "&noise_kind=drop&lose_oks=1&double_oks=2&late_oks=3&late_ok=4&corrupt_oks=5&corrupt_resends=6&misnumber_resends=7"
            "&silent_lines=8&long_heat=900&kill_in_heat=1"
        )
    )
    firmware, faults = settings.firmware, settings.faults
    assert (firmware.uart_baud, firmware.latency_s, firmware.rx_buffer) == (250_000, 0.001, 1024)
    assert (firmware.command_slots, firmware.planned_moves, settings.strict_baud) == (8, 31, 250_000)
    assert firmware.flavour == "repetier"
    assert (firmware.runout_sensor, firmware.position_reports, firmware.bed_levelling, firmware.sd_slot) == (True,) * 4
    assert (faults.noise_kind, faults.lose_oks, faults.double_oks, faults.late_oks, faults.late_ok_s) == ("drop", 1, 2, 3, 4.0)
    assert (faults.corrupt_oks, faults.corrupt_resends, faults.misnumber_resends, faults.silent_lines) == (5, 6, 7, 8)
    assert (faults.long_heat_s, faults.kill_in_heat) == (900.0, True)


def test_two_printers_of_one_address_share_no_faults() -> None:
    settings = read_settings(urlsplit("virtual://?lose_oks=1"))
    first, second = make_port(settings), make_port(settings)
    try:
        first.call(lambda firmware, now_s: firmware.feed(b"G90\nG90\n", now_s))
        assert second.call(lambda firmware, _now_s: firmware.faults.lose_oks) == 1
        assert settings.faults.lose_oks == 1
    finally:
        first.close()
        second.close()


def test_errors_are_told_in_french_too() -> None:
    with pytest.raises(AddressError) as caught:
        read_settings(urlsplit("virtual://?flavour=smoothie"))
    assert "marlin-1.1" in caught.value.detail
    assert "réglage" in caught.value.detail_fr


@pytest.mark.parametrize("url", ["virtual://", "virtual:", "virtual://?"])
def test_defaults(url: str) -> None:
    settings = read_settings(urlsplit(url))
    assert (settings.speed, settings.firmware.bed_mm, settings.firmware.emergency_parser) == (60.0, 210.0, False)


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("virtual://?sped=60", "sped"),
        ("virtual://?speed=fast", "speed=fast"),
        ("virtual://?speed=0", "between"),
        ("virtual://?speed=nan", "between"),
        ("virtual://?bed=-1", "between"),
        ("virtual://?emergency_parser=yes", "0 or 1"),
        ("virtual://?speed=", "speed="),
    ],
)
def test_wrong_settings_are_named(url: str, named: str) -> None:
    with pytest.raises(AddressError, match="virtual printer") as caught:
        read_settings(urlsplit(url))
    assert named in str(caught.value)


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("speed=fast", "il faut un nombre."),
        ("speed=0", "il faut entre 0.1 et 1000."),
        ("seed=1.5", "il faut un nombre entier."),
        ("sd_slot=yes", "il faut 0 ou 1."),
        ("command_slots=0", "il faut entre 1 et 64."),
        ("noise_kind=loud", "il faut l'un de ceux-ci : "),
        ("flavour=smoothie", "il faut l'un de ceux-ci : "),
    ],
)
def test_wrong_settings_are_told_in_french(query: str, told: str) -> None:
    with pytest.raises(AddressError) as caught:
        read_settings(urlsplit(f"virtual://?{query}"))
    assert f"{query} de l'imprimante virtuelle est faux : {told}" in caught.value.detail_fr


def test_unknown_setting_names_the_known_ones() -> None:
    with pytest.raises(AddressError, match=r"bed, .*speed"):
        from_url(urlsplit("virtual://?sped=60"), lambda _event: None)


class Listener:
    """Keeps what the driver tells."""

    def __init__(self) -> None:
        self.ended: asyncio.Queue[PrintEnded] = asyncio.Queue()
        self.faulty = asyncio.Event()
        self.idle = asyncio.Event()

    def __call__(self, event: DriverEvent) -> None:
        if isinstance(event, PrintEnded):
            self.ended.put_nowait(event)
        elif not isinstance(event, StatusChanged):
            return
        elif event.status.state is PrinterState.FAULT:
            self.faulty.set()
        elif event.status.state is PrinterState.IDLE:
            self.idle.set()


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
async def printer(listener: Listener) -> AsyncIterator[VirtualPrinter]:
    found = open_driver(FAST, listener)
    assert isinstance(found, VirtualPrinter)
    yield found
    await found.close()


async def test_switched_off_printer_is_offline_and_takes_nothing(printer: VirtualPrinter, tmp_path: Path) -> None:
    assert printer.status.state is PrinterState.OFFLINE
    assert printer.port is None
    with pytest.raises(UnreachableError):
        await printer.start(tmp_path / "x.gcode", "job")
    with pytest.raises(UnreachableError):
        await printer.emergency_stop()


async def test_prints_through_the_ordinary_marlin_driver(printer: VirtualPrinter, listener: Listener, tmp_path: Path) -> None:
    program = tmp_path / "frame.gcode"
    program.write_text("\n".join(PROGRAM) + "\n")
    await printer.connect()
    assert printer.status.state is PrinterState.IDLE
    assert printer.port is not None
    await printer.start(program, "job-1")
    ended = await asyncio.wait_for(listener.ended.get(), PATIENCE_S)
    assert (ended.job, ended.end) == ("job-1", PrintEnd.DONE)
    truth = printer.port.call(snapshot)
    assert truth["extruded_mm"] == pytest.approx(19.5)
    assert truth["parts_finished"] == 1
    assert truth["collisions"] == 0


async def test_cancelled_print_is_no_finished_part(listener: Listener, tmp_path: Path) -> None:
    # a minute's print even at this speed: however late the cancel comes on a crowded machine, the part is not whole
    printer = VirtualPrinter(read_settings(urlsplit("virtual://?speed=300&expected_mm=2000")), listener)
    program = tmp_path / "long.gcode"
    moves = [f"G1 X{20 + number % 2 * 100} E1 F600" for number in range(2000)]
    program.write_text("\n".join([*PROGRAM[:8], *moves, "M84"]) + "\n")
    try:
        await printer.connect()
        await printer.start(program, "job-2")
        assert printer.port is not None
        port = printer.port
        assert await asyncio.to_thread(eventually, lambda: bool(port.call(snapshot)["parts"]))
        await printer.cancel("job-2")
        ended = await asyncio.wait_for(listener.ended.get(), PATIENCE_S)
        assert ended.end is PrintEnd.CANCELLED
        truth = port.call(snapshot)
        assert truth["parts_finished"] == 0
        assert truth["nozzle_c"][1] == 0.0
    finally:
        await printer.close()


async def test_close_switches_the_printer_off(listener: Listener) -> None:
    printer = VirtualPrinter(read_settings(urlsplit(FAST)), listener)
    await printer.connect()
    assert printer.port is not None
    pty = Seen(printer.port.path)
    assert not pty.is_gone()
    await printer.close()
    assert pty.is_gone()
    with pytest.raises(UnreachableError):
        await printer.pause("job")
    await printer.close()


async def test_a_machine_without_ptys_is_left_as_it_was(
    printer: VirtualPrinter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_more() -> None:
        raise OSError(errno.ENOSPC, "out of pty devices")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = len(list(Path("/proc/self/fd").iterdir()))
    with monkeypatch.context() as patch:
        patch.setattr(os, "openpty", none_more)
        for _ in range(3):
            with pytest.raises(OSError, match="out of pty devices"):
                await printer.connect()
    assert len(list(Path("/proc/self/fd").iterdir())) <= before
    assert list(tmp_path.iterdir()) == []
    await printer.connect()
    assert len(list(tmp_path.iterdir())) == 1


async def test_kill_of_the_firmware_reaches_the_driver(printer: VirtualPrinter, listener: Listener) -> None:
    await printer.connect()
    assert printer.port is not None
    obey(printer.port, {"fault": "thermal-runaway"})
    await asyncio.wait_for(listener.faulty.wait(), PATIENCE_S)
    assert printer.status.fault is not None


async def test_driver_comes_back_when_the_printer_is_plugged_in_again(printer: VirtualPrinter, listener: Listener) -> None:
    await printer.connect()
    port = printer.port
    assert port is not None
    listener.idle.clear()
    obey(port, {"fault": "unplug"})
    assert await asyncio.to_thread(eventually, lambda: printer.status.state is PrinterState.OFFLINE)
    obey(port, {"fault": "replug"})
    await asyncio.wait_for(listener.idle.wait(), PATIENCE_S)
