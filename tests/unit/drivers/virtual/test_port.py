import os
import select
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import serial

from drivers.virtual.bed import PartRule
from drivers.virtual.control import obey, snapshot
from drivers.virtual.firmware import Firmware
from drivers.virtual.options import FirmwareOptions
from drivers.virtual.port import VirtualPort
from tests.patience import PATIENCE_S
from tests.unit.drivers.virtual.console import numbered
from tests.unit.drivers.virtual.ptys import Seen
from tests.unit.drivers.virtual.test_firmware import PROGRAM

MakePort = Callable[..., VirtualPort]


def test_a_link_that_cannot_be_made_leaves_nothing_open(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(FileNotFoundError):
        VirtualPort(Firmware(), link=tmp_path / "missing" / "printer")
    assert len(list(Path("/proc/self/fd").iterdir())) <= before


@pytest.fixture
def make_port() -> Iterator[MakePort]:
    made: list[VirtualPort] = []

    def make(
        *,
        speed: float = 600.0,
        link: Path | None = None,
        reset_on_open: bool = False,
        strict_baud: int = 0,
        rule: PartRule | None = None,
        options: FirmwareOptions | None = None,
    ) -> VirtualPort:
        firmware = Firmware(options, rule=rule)
        made.append(VirtualPort(firmware, speed=speed, link=link, reset_on_open=reset_on_open, strict_baud=strict_baud))
        return made[-1]

    yield make
    for port in made:
        port.close()


@pytest.fixture
def port(make_port: MakePort) -> VirtualPort:
    return make_port()


def open_serial(path: str) -> serial.Serial:
    return serial.Serial(path, 115200, timeout=PATIENCE_S, exclusive=True)


def ask(line: serial.Serial, command: str) -> list[str]:
    """Naive ping-pong: send, and read up to the ok."""
    line.write(f"{command}\n".encode())
    said: list[str] = []
    while not said or not said[-1].startswith("ok"):
        heard = line.readline()
        assert heard, f"no ok for {command}; heard {said}"
        said.append(heard.decode().rstrip("\n"))
    return said


def eventually(condition: Callable[[], bool]) -> bool:
    end_s = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > end_s:
            return False
        time.sleep(0.01)
    return True


def test_answers_through_pyserial(port: VirtualPort) -> None:
    with open_serial(port.path) as line:
        assert ask(line, "M105") == ["ok T:25.00 /0.00 B:25.00 /0.00 @:0 B@:0"]
        assert ask(line, "M115")[0].startswith("FIRMWARE_NAME:Marlin")


def test_prints_a_file_exactly(make_port: MakePort) -> None:
    port = make_port(rule=PartRule(expected_mm=19.5, tolerance_mm=1e-6))
    with open_serial(port.path) as line:
        for command in PROGRAM:
            ask(line, command)
    truth = port.call(snapshot)
    assert truth["extruded_mm"] == 19.5
    assert truth["net_mm"] == 17.5
    assert truth["parts_finished"] == 1
    assert truth["collisions"] == 0


def test_numbered_lines_survive_the_pty_unchanged(port: VirtualPort) -> None:
    """The pty is raw: no echo, no CR, no control characters with a meaning."""
    with open_serial(port.path) as line:
        ask(line, "M110 N0")
        for number in range(1, 200):
            assert ask(line, numbered(number, f"M118 {number}")) == [str(number), "ok"]
        line.write(b"M118 a\x03\x04\x11\x13\x1a\n")
        assert line.readline() == b"a\x03\x04\x11\x13\x1a\n"


def test_reports_come_by_themselves(port: VirtualPort) -> None:
    with open_serial(port.path) as line:
        ask(line, "M155 S1")
        assert [line.readline().startswith(b" T:25.00") for _ in range(3)] == [True] * 3


def test_speed_scales_the_firmwares_time(make_port: MakePort) -> None:
    port = make_port(speed=200.0)
    with open_serial(port.path) as line:
        began_s = time.monotonic()
        ask(line, "G4 S100")
        assert time.monotonic() - began_s >= 0.49
    assert port.call(lambda _firmware, now_s: now_s) >= 100


def test_firmware_lives_on_when_the_host_goes_and_comes_back(port: VirtualPort) -> None:
    with open_serial(port.path) as line:
        ask(line, "M110 N41")
        ask(line, "M104 S150")
    assert eventually(lambda: not port._open)
    with open_serial(port.path) as line:
        line.write(f"\n{numbered(2_000_000_000, 'M105')}\n".encode())
        assert line.readline() == b"Error:Line Number is not Last Line Number+1, Last Line: 41\n"
        assert line.readline() == b"Resend: 42\n"
        assert line.readline() == b"ok\n"
        assert "/150.00" in ask(line, "M105")[0]


def test_what_was_said_to_nobody_is_lost(port: VirtualPort) -> None:
    with open_serial(port.path) as line:
        ask(line, "M155 S1")
    assert eventually(lambda: not port._open)
    time.sleep(0.1)
    with open_serial(port.path) as line:
        ask(line, "M155 S0")
        assert ask(line, "M118 fresh")[0] == "fresh"


def test_no_reset_on_open_by_default_and_one_when_asked(make_port: MakePort) -> None:
    with open_serial(make_port().path) as line:
        assert ask(line, "M118 quiet") == ["quiet", "ok"]
    with open_serial(make_port(reset_on_open=True).path) as line:
        assert line.readline() == b"start\n"


def test_unplugging_ends_the_connection_and_replugging_gives_another(port: VirtualPort, make_port: MakePort) -> None:
    with open_serial(port.path) as line:
        ask(line, "M110 N7")
        first = Seen(port.path)
        port.unplug()
        with pytest.raises(serial.SerialException):
            line.read()
        assert first.is_gone()
        second = port.replug()
        assert port.path == second
    with open_serial(second) as line:
        line.write(f"\n{numbered(2_000_000_000, 'M105')}\n".encode())
        assert line.readline().endswith(b"Last Line: 7\n")


def test_link_leads_to_the_newest_pty(make_port: MakePort, tmp_path: Path) -> None:
    link = tmp_path / "printer"
    port = make_port(link=link)
    assert link.readlink() == Path(port.path)
    with open_serial(str(link)) as line:
        ask(line, "M105")
        port.unplug()
    port.replug()
    assert link.readlink() == Path(port.path)
    with open_serial(str(link)) as line:
        ask(line, "M105")
    port.close()
    assert not link.is_symlink()


def test_while_it_is_unplugged_its_link_does_not_lead_to_the_machine_that_got_its_number(
    make_port: MakePort, tmp_path: Path
) -> None:
    link = tmp_path / "printer"
    port = make_port(link=link)
    port.unplug()
    others = [make_port() for _ in range(3)]  # numbers are used again, lowest first
    assert not link.is_symlink()
    port.replug()
    assert link.readlink() == Path(port.path)
    assert port.path not in [other.path for other in others]


def test_a_host_that_does_not_read_blocks_nothing(port: VirtualPort) -> None:
    """The pty fills, the rest is lost, and the firmware goes on."""
    slave = os.open(port.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        for _ in range(120):
            select.select([], [slave], [], PATIENCE_S)
            os.write(slave, b"M115\n")
            executed = port.call(lambda firmware, _now_s: firmware.lines_executed)
        assert eventually(lambda: port.call(lambda firmware, _now_s: firmware.lines_executed) >= 100)
        assert executed > 0
        assert len(port._backlog) < 200_000
        # And when it reads again, whole lines come, the oldest first.
        assert os.read(slave, 13) == b"FIRMWARE_NAME"
    finally:
        os.close(slave)


def test_partial_writes_lose_nothing(port: VirtualPort) -> None:
    """Thirty long answers are more than a pty holds; a slow reader gets all of them."""
    with open_serial(port.path) as line:
        for _ in range(30):
            line.write(b"M115\n")
            assert eventually(lambda: port.call(lambda firmware, _now_s: firmware.receiver.dropped_bytes) == 0)
            time.sleep(0.002)
        identities = oks = 0
        while oks < 30:
            heard = line.readline()
            assert heard.endswith(b"\n")
            identities += heard.startswith(b"FIRMWARE_NAME")
            oks += heard == b"ok\n"
        assert identities == 30


def test_call_returns_and_raises(port: VirtualPort) -> None:
    assert port.call(lambda firmware, _now_s: firmware.options.bed_mm) == 210.0
    with pytest.raises(ZeroDivisionError):
        port.call(lambda _firmware, _now_s: 1 / 0)
    assert port.call(lambda _firmware, now_s: now_s) > 0


def test_closed_port_refuses_calls_and_closes_twice(make_port: MakePort) -> None:
    port = make_port()
    pty = Seen(port.path)
    port.close()
    port.close()
    assert pty.is_gone()
    with pytest.raises(RuntimeError, match="closed"):
        port.call(lambda _firmware, _now_s: None)


def test_sleeping_port_does_not_spin(port: VirtualPort) -> None:
    """With the port open and nothing to do, its thread makes no turn at all."""
    with open_serial(port.path) as line:
        ask(line, "M105")
        turns = 0
        advance = port._firmware.advance

        def counted(now_s: float) -> bytes:
            nonlocal turns
            turns += 1
            return advance(now_s)

        port._firmware.advance = counted  # type: ignore[method-assign]  # a spy on the one call of each turn
        time.sleep(0.3)
        assert turns <= 2


def test_a_wire_paces_lines(make_port: MakePort) -> None:
    """A hundred lines of 40 bytes at 9600 baud take four seconds of the firmware, whatever the host does."""
    port = make_port(speed=20.0, options=FirmwareOptions(uart_baud=9600))
    with open_serial(port.path) as line:
        ask(line, "M110 N0")
        began_s = port.call(lambda _firmware, now_s: now_s)
        for number in range(1, 101):
            assert ask(line, numbered(number, "M117 " + "x" * 27)) == ["ok"]
        assert port.call(lambda _firmware, now_s: now_s) - began_s > 100 * 40 / 960
    assert port.call(snapshot)["dropped_bytes"] == 0


def test_a_wire_prints_a_file_exactly(make_port: MakePort) -> None:
    port = make_port(
        options=FirmwareOptions(uart_baud=115_200, latency_s=0.001), rule=PartRule(expected_mm=19.5, tolerance_mm=1e-6)
    )
    with open_serial(port.path) as line:
        for command in PROGRAM:
            ask(line, command)
    assert port.call(snapshot)["parts_finished"] == 1


def test_a_wire_overflows_when_the_host_does_not_wait(make_port: MakePort) -> None:
    port = make_port(speed=50.0, options=FirmwareOptions(uart_baud=115_200))
    with open_serial(port.path) as line:
        line.write(b"G4 S30\n" + b"M117 x\n" * 100)
        assert eventually(lambda: port.call(lambda firmware, _now_s: firmware.receiver.dropped_bytes) > 300)


def test_a_full_pty_stops_the_host_and_goes_on_later(port: VirtualPort) -> None:
    slave = os.open(port.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        os.write(slave, b"M105\n")
        assert select.select([slave], [], [], PATIENCE_S)[0]
        obey(port, {"fault": "full-pty"})
        lines = b"M117 0123456789\n" * 64
        with pytest.raises(BlockingIOError):
            sum(os.write(slave, lines) for _ in range(1000))
        obey(port, {"fault": "full-pty", "on": False})
        assert eventually(lambda: select.select([], [slave], [], 0)[1] == [slave])
        assert eventually(lambda: port.call(lambda firmware, _now_s: firmware.lines_executed) > 1)
    finally:
        os.close(slave)


@pytest.mark.parametrize("baud", [57_600, 115_200, 250_000, 500_000, 1_000_000])
def test_only_a_host_at_the_right_speed_is_understood(make_port: MakePort, baud: int) -> None:
    port = make_port(strict_baud=baud)
    for other in {115_200, 250_000} - {baud}:
        with serial.Serial(port.path, other, timeout=0.3) as line:
            line.write(b"M115\n")
            assert b"FIRMWARE" not in line.read(200)
        assert port.call(lambda firmware, _now_s: firmware.lines_executed) == 0
        assert eventually(lambda: not port._open)
    with serial.Serial(port.path, baud, timeout=PATIENCE_S) as line:
        line.write(b"\n")  # what the wrong speeds left in its buffer is a command that nobody knows
        assert line.read_until(b"ok\n").startswith(b"echo:Unknown command")
        assert ask(line, "M115")[-1] == "ok"


def test_renumbering_always_gives_another_path(port: VirtualPort) -> None:
    for _ in range(5):
        before = port.path
        with open_serial(before) as line:
            ask(line, "M105")
            after = port.renumber()
            assert after == port.path != before
            with pytest.raises(serial.SerialException):
                line.read()
        with open_serial(after) as line:
            ask(line, "M105")


def test_what_the_next_opener_writes_while_the_port_hangs_up_is_obeyed(port: VirtualPort, monkeypatch: pytest.MonkeyPatch) -> None:
    flush, handles = termios.tcflush, list[int]()

    def reopened_first(descriptor: int, queue: int) -> None:
        if not handles:
            handles.append(os.open(port.path, os.O_RDWR | os.O_NOCTTY))
            os.write(handles[0], b"M105\n")
        flush(descriptor, queue)

    with open_serial(port.path) as line:
        ask(line, "M115")
        monkeypatch.setattr("drivers.virtual.port.termios.tcflush", reopened_first)
    assert eventually(lambda: bool(handles))
    assert select.select(handles, [], [], PATIENCE_S)[0]
    assert os.read(handles[0], 100).startswith(b"ok T:")
    os.close(handles[0])


def test_a_second_opener_holds_the_lock(port: VirtualPort) -> None:
    port.intrude(locks=True)
    with pytest.raises(serial.SerialException, match="exclusively lock"):
        open_serial(port.path)
    assert port.expel() == 0
    with open_serial(port.path) as line:
        ask(line, "M105")


def test_a_second_opener_steals_bytes(port: VirtualPort) -> None:
    with open_serial(port.path) as line:
        ask(line, "M105")
        port.intrude(locks=False)
        for _ in range(20):
            line.write(b"M115\n")
            time.sleep(0.01)
        assert eventually(lambda: port.call(lambda firmware, _now_s: firmware.lines_executed) >= 21)
        assert port.expel() > 0
        line.timeout = 0.3
        while line.read(4096):  # what is left of the answers before: as long as it fills the pty, what is said is lost
            pass
        line.timeout = PATIENCE_S
        assert eventually(lambda: ask(line, "M118 alone again")[-2:] == ["alone again", "ok"])


def test_the_second_opener_goes_with_the_port(make_port: MakePort) -> None:
    port = make_port()
    port.intrude(locks=True)
    port.close()
    assert port._intruder is None
