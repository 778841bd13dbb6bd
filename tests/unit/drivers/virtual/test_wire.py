import pytest

from drivers.virtual.firmware import Firmware
from drivers.virtual.options import FirmwareOptions
from drivers.virtual.wire import ADAPTER_BYTES, Wire
from tests.unit.drivers.virtual.console import numbered

BAUD = 1000  # a byte takes ten milliseconds
BYTE_S = 0.01


class Echo:
    """A board that notes when bytes come, and says what it is told to say when its time has come."""

    def __init__(self) -> None:
        self.heard: list[tuple[bytes, float]] = []
        self.plans: list[tuple[float, bytes]] = []

    def feed(self, data: bytes, now_s: float) -> None:
        self.heard.append((data, round(now_s, 6)))

    def advance(self, now_s: float) -> bytes:
        due = [text for at_s, text in self.plans if at_s <= now_s]
        self.plans = [plan for plan in self.plans if plan[0] > now_s]
        return b"".join(due)

    def next_wake_s(self) -> float | None:
        return min((at_s for at_s, _ in self.plans), default=None)


@pytest.fixture
def board() -> Echo:
    return Echo()


def test_a_line_arrives_when_its_last_byte_does(board: Echo) -> None:
    wire = Wire(board, baud=BAUD)
    wire.feed(b"123456789\n", 1.0)
    assert wire.next_wake_s() == pytest.approx(1.1)
    wire.advance(1.1)
    assert board.heard == [(b"123456789\n", 1.1)]


def test_each_line_has_its_moment_however_late_somebody_looks(board: Echo) -> None:
    wire = Wire(board, baud=BAUD)
    wire.feed(b"1234\n123456789\n", 0.0)
    wire.advance(50.0)
    assert board.heard == [(b"1234\n", 0.05), (b"123456789\n", 0.15)]


def test_bytes_queue_up_behind_those_before_them(board: Echo) -> None:
    wire = Wire(board, baud=BAUD)
    wire.feed(b"1234\n", 0.0)
    wire.feed(b"5678\n", 0.0)
    wire.advance(1.0)
    assert board.heard == [(b"1234\n", 0.05), (b"5678\n", 0.1)]


def test_who_looks_in_between_sees_the_bytes_so_far(board: Echo) -> None:
    wire = Wire(board, baud=BAUD)
    wire.feed(b"123456789\n", 0.0)
    wire.advance(0.034)
    assert board.heard == [(b"123", 0.03)]
    wire.advance(0.1)
    assert board.heard[1:] == [(b"456789\n", 0.1)]


def test_what_the_board_says_leaves_at_the_same_speed(board: Echo) -> None:
    wire = Wire(board, baud=BAUD)
    board.plans = [(1.0, b"ok\n")]
    assert wire.advance(1.0) == b""
    assert wire.next_wake_s() == pytest.approx(1.03)
    assert wire.advance(1.02) == b"ok"
    assert wire.advance(1.03) == b"\n"


def test_what_is_said_late_is_dated_when_it_was_said(board: Echo) -> None:
    """The thread behind the port oversleeps; the board's clock does not."""
    wire = Wire(board, baud=BAUD)
    board.plans = [(1.0, b"ok\n")]
    assert wire.advance(9.0) == b"ok\n"
    board.plans = [(10.0, b"123456789\n"), (10.01, b"ok\n")]
    assert wire.advance(10.1) == b"123456789\n"
    assert wire.advance(10.13) == b"ok\n"


def test_latency_each_way_without_a_speed(board: Echo) -> None:
    wire = Wire(board, baud=0, latency_s=0.001)
    wire.feed(b"M105\n", 1.0)
    assert board.heard == []
    wire.advance(1.001)
    assert board.heard == [(b"M105\n", 1.001)]
    board.plans = [(1.001, b"ok\n")]
    assert wire.advance(1.001) == b""
    assert wire.advance(1.002) == b"ok\n"


def test_bytes_before_a_moment_of_the_board_are_there_first() -> None:
    """The ring overflows by time: while a dwell holds the queue 64 bytes fit and the rest is lost; afterwards there is room."""
    firmware = Firmware(FirmwareOptions(command_slots=1, rx_buffer=64))
    wire = Wire(firmware, baud=BAUD)
    wire.advance(0.0)
    wire.advance(100.0)
    wire.feed(b"G4 S1\n", 100.0)
    wire.feed(b"M117 x\n" * 30, 100.1)  # 210 bytes take 2.1 s: the dwell ends after 1 s of them
    wire.advance(110.0)
    dropped = firmware.receiver.dropped_bytes
    assert 0 < dropped < 100 - 64 + 20
    assert firmware.lines_executed == pytest.approx(1 + (210 - dropped) // 7, abs=2)


def test_the_adapter_is_full(board: Echo) -> None:
    wire = Wire(board, baud=BAUD)
    wire.feed(b"x" * (ADAPTER_BYTES - 1), 0.0)
    states = [wire.full]
    wire.feed(b"x", 0.0)
    states.append(wire.full)
    wire.advance(1.0)
    states.append(wire.full)
    assert states == [False, True, False]


def test_pulling_the_cable_loses_what_is_under_way(board: Echo) -> None:
    wire = Wire(board, baud=BAUD)
    wire.feed(b"M105\n", 0.0)
    wire.cut()
    board.plans = [(0.5, b"ok\n")]
    wire.advance(0.5)
    wire.cut()
    assert wire.advance(5.0) == b""
    assert board.heard == []
    assert wire.next_wake_s() is None


def test_two_baud_rates_share_one_truth() -> None:
    """Whatever the speed of the wire, the same lines are executed."""
    digests = set()
    for baud in (0, 9600, 115_200):
        firmware = Firmware()
        wire = Wire(firmware, baud=baud)
        now_s = 0.0
        for number in range(1, 60):
            wire.feed(f"{numbered(number, f'G1 X{number % 5}')}\n".encode(), now_s)
            said = b""
            while b"ok\n" not in said:
                wake_s = wire.next_wake_s()
                now_s = max(now_s, now_s if wake_s is None else wake_s)
                said += wire.advance(now_s)
        digests.add(firmware.record.snapshot()["executed_sha256"])
    assert len(digests) == 1


def test_a_sleeping_wire_wakes_nobody(board: Echo) -> None:
    assert Wire(board, baud=BAUD).next_wake_s() is None
