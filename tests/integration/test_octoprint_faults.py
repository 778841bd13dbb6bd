"""Rows of the contract about what breaks: the firmware, the serial line, the printer, OctoPrint itself."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from drivers.base import PrintEnd, PrinterState
from drivers.errors import FirmwareError, UnreachableError
from tests.integration.octoprint_bench import QUICK, Bench, connected, until
from tests.integration.octoprint_server import OctoPrintServer

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("octoprint")]


async def test_firmware_error_fails_the_job_and_waits_for_a_person(bench: Bench) -> None:
    job = await bench.start()
    await bench.person(bench.server.break_printer, "trigger_fatal_error_marlin")
    ended = await bench.ended(job, PrintEnd.FAILED)
    assert ended.fault is not None
    assert ended.fault.code == "thermal-runaway"
    assert "Thermal Runaway" in ended.fault.text
    await bench.state(PrinterState.FAULT)
    with pytest.raises(FirmwareError) as caught:
        await bench.start()
    assert caught.value.fault.code == "thermal-runaway"
    await asyncio.sleep(2)  # it would have reconnected by now
    assert bench.server.state() == "Closed"
    assert "Thermal Runaway" in (await asyncio.to_thread(bench.server.get, "/api/printer/error"))["error"]
    # another agent, which did not see it happen, knows it too
    other = bench.new_driver()
    await other.connect()
    assert other.status.state is PrinterState.FAULT
    await other.close()
    await bench.person(bench.server.make_ready)
    await bench.state(PrinterState.IDLE)
    assert bench.driver.status.fault is None


async def test_firmware_error_in_the_words_of_another_firmware(bench: Bench) -> None:
    job = await bench.start()
    await bench.person(bench.server.break_printer, "trigger_fatal_error_repetier")
    ended = await bench.ended(job, PrintEnd.FAILED)
    assert ended.fault is not None
    assert "Heater/sensor error" in ended.fault.text
    await bench.state(PrinterState.FAULT)


async def test_firmware_error_that_nobody_knows_is_a_fault_too(bench: Bench) -> None:
    job = await bench.start()
    await bench.person(bench.server.break_printer, "send Error:The flux capacitor is empty")
    ended = await bench.ended(job, PrintEnd.FAILED)
    assert ended.fault is not None
    assert (ended.fault.code, "flux capacitor" in ended.fault.text) == ("firmware-error", True)
    await bench.state(PrinterState.FAULT)


async def test_firmware_error_by_our_own_emergency_stop(bench: Bench) -> None:
    job = await bench.start()
    await bench.driver.emergency_stop()
    ended = await bench.ended(job, PrintEnd.FAILED)
    assert ended.fault is not None
    assert ended.fault.code == "emergency-stop"
    await bench.state(PrinterState.FAULT)
    with pytest.raises(UnreachableError, match="not connected"):
        await bench.driver.emergency_stop()


async def test_serial_drop_fails_the_job_and_is_connected_again(bench: Bench) -> None:
    job = await bench.start()
    await bench.person(bench.server.break_printer, "drop_connection")
    ended = await bench.ended(job, PrintEnd.FAILED)
    assert "SerialTimeoutException" in ended.detail
    assert (ended.fault, ended.by_person) == (None, False)
    await bench.state(PrinterState.IDLE)


async def test_serial_drop_by_a_persons_disconnect_fails_the_job_as_theirs(bench: Bench) -> None:
    """PrintFailed with an empty error."""
    job = await bench.start()
    await bench.person(bench.server.post, "/api/connection", {"command": "disconnect"})
    assert (await bench.ended(job, PrintEnd.FAILED)).by_person
    await bench.state(PrinterState.OFFLINE)


async def test_drop_while_paused_fails_the_job(bench: Bench) -> None:
    """No PrintFailed, no history entry: only `Disconnected` tells."""
    job = await bench.start()
    await bench.driver.pause(job)
    await until(lambda: bench.server.state() == "Paused")
    await bench.person(bench.server.break_printer, "drop_connection")
    await bench.ended(job, PrintEnd.FAILED)
    assert await bench.record(job) == {}
    await bench.state(PrinterState.IDLE)


@pytest.mark.slow
async def test_printer_silent_is_seen_by_our_watchdog_long_before_octoprint_gives_up(
    octoprint_spare: OctoPrintServer, tmp_path: Path
) -> None:
    """OctoPrint gives up after its time-outs, sends M112 and disconnects: not a firmware error, so we connect again."""
    async with connected(octoprint_spare, tmp_path, timing=replace(QUICK, poll_s=0.5, stall_s=1.5)) as bench:
        job = await bench.start()
        await bench.person(bench.server.break_printer, "go_awol")
        await bench.state(PrinterState.ATTENTION)
        assert await bench.job_at_server() == ("Printing", f"farm/{job}.gcode")
        assert not bench.listener.ends
        ended = await bench.ended(job, PrintEnd.FAILED)
        assert ended.fault is None
        await bench.state(PrinterState.IDLE)


async def test_printer_reset_fails_the_job_as_the_printers_fault(bench: Bench) -> None:
    job = await bench.start()
    await bench.person(bench.server.break_printer, "reset")
    ended = await bench.ended(job, PrintEnd.FAILED)
    assert not ended.by_person
    assert ended.fault is not None
    assert ended.fault.code == "reset"
    await bench.state(PrinterState.IDLE)


@pytest.mark.slow
async def test_octoprint_killed_mid_print_means_interrupted(octoprint_spare: OctoPrintServer, tmp_path: Path) -> None:
    """The socket closes without a word; back, it is Operational, nothing is selected and nothing is counted."""
    async with connected(octoprint_spare, tmp_path) as bench:
        job = await bench.start()
        await asyncio.to_thread(octoprint_spare.kill)
        await bench.state(PrinterState.OFFLINE)
        assert bench.driver.status.job == job  # still open: nobody knows yet
        assert not bench.listener.ends
        await asyncio.to_thread(octoprint_spare.start)
        await bench.ended(job, PrintEnd.INTERRUPTED)
        assert await bench.record(job) == {}
        await bench.state(PrinterState.IDLE)
