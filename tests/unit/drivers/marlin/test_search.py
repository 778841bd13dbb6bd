"""The search for the speed, on ptys that are only understood at their own speed."""

import asyncio
import os
import random
import termios
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from drivers.errors import NotAPrinterError, UnreachableError
from drivers.marlin import search
from drivers.marlin.identity import GREETING_S
from drivers.marlin.link import close_port, open_port
from drivers.marlin.search import RATES, BaudSearch, forget, remember, remembered
from drivers.marlin.transcript import Transcript
from drivers.virtual.firmware import Firmware
from drivers.virtual.options import FirmwareOptions
from tests.patience import PATIENCE_S
from tests.unit.drivers.marlin.stranger import Answering, Printing, SpokenTo, StrictPort, Talking, line_speed

if TYPE_CHECKING:
    from serial import Serial


async def run(function: Callable[..., Any], *arguments: Any) -> Any:
    return await asyncio.to_thread(function, *arguments)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that answers at once need not be waited for."""
    monkeypatch.setattr(search, "GREETING_S", 0.05)
    monkeypatch.setattr(search, "PATIENCE_S", (0.2, 0.3))
    monkeypatch.setattr(search, "TEXT_PATIENCE_S", 0.5)
    monkeypatch.setattr(search, "ASK_AGAIN_S", 0.15)
    monkeypatch.setattr(search, "STALE_S", 0.02)


@pytest.fixture
def found(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is a printer: on a crowded machine it has one more round to answer in."""
    monkeypatch.setattr(search, "PATIENCE_S", (0.2, 0.3, 3.0))
    monkeypatch.setattr(search, "TOTAL_S", PATIENCE_S)


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    search._remembered.clear()
    yield
    search._remembered.clear()


async def _search(path: str, first: int = 115_200, transcript: Transcript | None = None) -> tuple[int, list[int]]:
    tried: list[int] = []
    port: Serial = await run(open_port, path, first)
    try:
        found = await BaudSearch(port, path, run, transcript or Transcript(), tell=tried.append).find(first)
        assert line_speed(port.fileno()) == found
        attributes = termios.tcgetattr(port.fileno())
        assert attributes[6][termios.VMIN] == 1, "a read of nothing must not look like a hang-up"
        assert not attributes[2] & termios.HUPCL, "closing must not reset the board"
        return found, tried
    finally:
        await run(close_port, port)


def _printer(boot_s: float = 0.0) -> Printing:
    firmware = Firmware(FirmwareOptions(boot_s=boot_s))
    firmware.reset(time.monotonic())
    return Printing(firmware)


@pytest.mark.parametrize("baud", [*RATES, 9_600])
async def test_a_printer_is_found_at_each_speed(baud: int, found: None, monkeypatch: pytest.MonkeyPatch) -> None:
    if baud not in RATES:  # what is tried behind all rounds: no more of them, and as much time for the last question
        monkeypatch.setattr(search, "PATIENCE_S", (0.2,))
        monkeypatch.setattr(search, "ASK_AGAIN_S", 3.0)
    transcript = Transcript()
    with StrictPort(_printer(), baud) as port:
        chosen, tried = await _search(port.path, transcript=transcript)
        assert port.openings == 1, "one opening, at most one reset"
    assert chosen == baud
    assert tried[0] == 115_200
    assert tried[-1] == baud
    told = "\n".join(transcript.lines())
    assert "Marlin" in told
    assert baud == 115_200 or "> M115" in told, "at the first speed it may be known by its start"


async def test_the_first_speed_is_tried_first_and_once_when_it_is_right(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "PATIENCE_S", (PATIENCE_S,))
    monkeypatch.setattr(search, "TOTAL_S", 2 * PATIENCE_S)
    with StrictPort(_printer(), 500_000) as port:
        assert await _search(port.path, 500_000) == (500_000, [500_000])


async def test_an_unusual_first_speed_is_tried_too(found: None) -> None:
    with StrictPort(_printer(), 123_456) as port:
        assert (await _search(port.path, 123_456))[0] == 123_456


async def test_a_board_that_resets_when_it_is_opened_is_found_in_the_second_round(found: None) -> None:
    printer = _printer()
    begun = threading_free_reset(printer, boot_s=1.2)
    with StrictPort(printer, 250_000, on_open=begun) as port:
        baud, _ = await _search(port.path)
        assert port.openings == 1
    assert baud == 250_000, "it was not ready in the first round"


def threading_free_reset(printer: Printing, boot_s: float) -> Callable[[], None]:
    """What DTR does: called in the thread of the port, as the firmware itself."""
    options = FirmwareOptions(boot_s=boot_s)

    def reset() -> None:
        printer.firmware = Firmware(options)
        printer.firmware.reset(time.monotonic())

    return reset


async def test_a_busy_printer_is_a_printer(found: None) -> None:
    with StrictPort(Talking(b"echo:busy: processing\n", 0.1), 250_000) as port:
        assert (await _search(port.path))[0] == 250_000


async def test_a_printer_that_heats_is_a_printer(found: None) -> None:
    with StrictPort(Talking(b" T:61.2 /200.0 B:30.1 /60.0 @:127 B@:127 W:?\n", 0.1), 1_000_000) as port:
        assert (await _search(port.path))[0] == 1_000_000


def _modem(line: bytes) -> bytes:
    return line + b"\r\r\nOK\r\n" if line.strip() == b"AT" else line + b"\r\r\nERROR\r\n" if line.strip() else b""


def _noise() -> SpokenTo:
    return Talking(random.Random(3).randbytes(64), 0.01)


@pytest.mark.parametrize(
    ("machine", "baud", "said"),
    [
        (Answering(_modem), None, "modem"),
        (Answering(lambda line: line + b"\n"), 57_600, "only repeats"),
        (Talking(b"temperature=21.5 humidity=40\r\n", 0.05), 115_200, "Arduino"),
        (Talking(b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,,,,*47\r\n", 0.05), 9_600, "GPS"),
        (_noise(), None, "makes no sense"),
        (SpokenTo(), None, "Nothing at"),
        (Talking(b"x" * 4000 + b"\n", 0.0), None, "Arduino"),
        (Talking(random.Random(4).randbytes(4000), 0.0), None, "makes no sense"),
        (Talking(b"\x00" * 4000, 0.0), None, "Nothing at"),
        (Answering(lambda line: b"error:20\r\n" if line else b"Grbl 1.1h ['$' for help]\r\n"), 115_200, "Grbl"),
    ],
    ids=["modem", "echo", "sensor", "gps", "noise", "silent", "flood of text", "flood of noise", "flood of zeros", "grbl"],
)
async def test_what_is_no_printer_is_named(machine: SpokenTo, baud: int | None, said: str, quick: None) -> None:
    transcript = Transcript()
    with StrictPort(machine, baud) as port:
        with pytest.raises(NotAPrinterError, match=said) as raised:
            await _search(port.path, transcript=transcript)
        assert port.openings == 1
    assert raised.value.next_step
    assert raised.value.next_step_fr != raised.value.next_step
    assert len(raised.value.detail) < 500
    assert raised.value.detail.isprintable()
    assert transcript.size_bytes < 300_000


async def test_text_at_the_right_speed_ends_the_search(quick: None) -> None:
    """The other speeds would say nothing new: a person waits."""
    with StrictPort(Talking(b"hello world\n", 0.02), 250_000) as port:
        with pytest.raises(NotAPrinterError, match="at 250000 baud"):
            await _search(port.path)
        assert max(map(port.speeds.index, set(port.speeds))) == port.speeds.index(250_000)


async def test_what_no_printer_says_ends_the_search_at_once(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "TEXT_PATIENCE_S", 600.0)
    monkeypatch.setattr(search, "TOTAL_S", 600.0)
    with StrictPort(Answering(_modem)) as port, pytest.raises(NotAPrinterError, match="modem"):
        await asyncio.wait_for(_search(port.path), PATIENCE_S)


async def test_a_port_that_goes_away_meanwhile_is_unreachable(quick: None) -> None:
    master, slave = os.openpty()
    searching = asyncio.create_task(_search(os.ttyname(slave)))
    await asyncio.sleep(0.1)
    os.close(slave)
    os.close(master)
    with pytest.raises(UnreachableError):
        await asyncio.wait_for(searching, PATIENCE_S)


def test_a_speed_that_the_port_refuses_is_a_typed_error() -> None:
    master, slave = os.openpty()
    port = open_port(os.ttyname(slave), 115_200)
    os.close(slave)
    os.close(master)
    with pytest.raises(UnreachableError, match="cannot run at 250000") as raised:
        search.set_speed(port, 250_000)
    assert "bauds" in raised.value.detail_fr
    close_port(port)


async def test_a_search_can_be_given_up(quick: None) -> None:
    with StrictPort(SpokenTo()) as port:
        searching = asyncio.create_task(_search(port.path))
        await asyncio.sleep(0.3)
        searching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await searching
        again: Serial = await run(open_port, port.path, 115_200)  # its lock is free
        await run(close_port, again)


async def test_the_whole_search_has_an_end(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "TOTAL_S", 0.3)
    monkeypatch.setattr(search, "PATIENCE_S", (600.0,))
    with StrictPort(SpokenTo()) as port, pytest.raises(NotAPrinterError):
        await asyncio.wait_for(_search(port.path), PATIENCE_S)


def test_the_time_limits_add_up_to_less_than_a_person_waits() -> None:
    rates = len(RATES)
    whole_s = GREETING_S + sum(search.PATIENCE_S) * rates + search.ASK_AGAIN_S + search.TEXT_PATIENCE_S
    whole_s += search.STALE_S * (2 * rates + 1)
    assert whole_s < search.TOTAL_S < 40


def test_what_was_found_is_remembered_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MAX_REMEMBERED", 3)
    for number in range(5):
        remember(f"/dev/ttyUSB{number}", 250_000)
    assert [remembered(f"/dev/ttyUSB{number}") for number in range(5)] == [None, None, 250_000, 250_000, 250_000]
    remember("/dev/ttyUSB2", 115_200)
    assert remembered("/dev/ttyUSB2") == 115_200
    forget("/dev/ttyUSB2")
    forget("/dev/ttyUSB2")
    assert remembered("/dev/ttyUSB2") is None
