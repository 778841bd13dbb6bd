import pytest

from drivers.virtual.flavours import FLAVOURS
from drivers.virtual.options import LINE_BYTES, RX_RING_BYTES
from drivers.virtual.receiver import Accepted, Duplicate, Line, Receiver, Refused, checksum
from tests.unit.drivers.virtual.console import numbered


def receive(receiver: Receiver, *lines: str) -> list[Line]:
    receiver.put("".join(f"{line}\n" for line in lines).encode("latin-1"))
    found = []
    while (line := receiver.next_line()) is not None:
        found.append(line)
    return found


def texts(lines: list[Line]) -> list[str]:
    return [line.text if isinstance(line, Accepted) else f"!{line.reason if isinstance(line, Refused) else ''}" for line in lines]


@pytest.mark.parametrize(
    ("flavour", "found"),
    [
        ("marlin-2.1", []),
        ("marlin-2.0", [Refused("Line Number is not Last Line Number+1")]),
        ("repetier", [Duplicate(1)]),
        ("klipper", [Accepted("G90", 1)]),
    ],
)
def test_a_duplicate_of_each_kind_of_firmware(flavour: str, found: list[Line]) -> None:
    receiver = Receiver(FLAVOURS[flavour])
    receive(receiver, numbered(1, "G91"))
    again = numbered(1, "G90") if flavour != "klipper" else "N1 G90"
    assert receive(receiver, again) == found


def test_a_larger_ring_keeps_more() -> None:
    receiver = Receiver(ring_bytes=1024)
    receiver.put(b"y" * 1000)
    receiver.overflow()
    assert receiver.dropped_bytes == 0


def test_the_emergency_parser_reads_the_choice_of_m876() -> None:
    assert Receiver().emergencies(b"M876 S1\nM876S0\nN4 M876 S2*11\nM876\n") == [(876, 1), (876, 0), (876, 2)]


# Frames that real Marlin accepted (transcripts of bugfix-2.1.x).
@pytest.mark.parametrize("frame", ["N1 G90*17", "N2 M82*27", "N3 G92 E0*68", "N4 G1 X1*101", "N2000000000 M105*21"])
def test_checksum_is_that_of_real_marlin(frame: str) -> None:
    body, _, digits = frame.rpartition("*")
    assert checksum(body.encode()) == int(digits)


def test_checksum_is_the_xor_of_all_bytes_up_to_128() -> None:
    frame = bytes(range(1, 129))
    wanted = 0
    for byte in frame:
        wanted ^= byte
    assert checksum(frame) == wanted


def test_numbered_lines_in_order_are_accepted_and_counted() -> None:
    receiver = Receiver()
    assert receive(receiver, numbered(1, "G90"), numbered(2, "M82")) == [
        Accepted(numbered(1, "G90"), 1),
        Accepted(numbered(2, "M82"), 2),
    ]
    assert receiver.last_number == 2


def test_line_without_number_needs_no_checksum_and_counts_nothing() -> None:
    receiver = Receiver()
    assert receive(receiver, "M105", "G1 X3*33") == [Accepted("M105", None), Accepted("G1 X3*33", None)]
    assert receiver.last_number == 0


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("N4 G1 X1*1", "checksum mismatch"),
        ("N4 G1 X1*", "checksum mismatch"),
        ("N4 G1 X1", "No Checksum with line number"),
        (numbered(9, "G1 X2"), "Line Number is not Last Line Number+1"),
        (numbered(1, "G1 X2"), "Line Number is not Last Line Number+1"),
    ],
)
def test_bad_line_is_refused_and_does_not_count(line: str, reason: str) -> None:
    receiver = Receiver()
    receiver.last_number = 3
    assert receive(receiver, line) == [Refused(reason)]
    assert receiver.last_number == 3


@pytest.mark.parametrize("number", [4, 5])
def test_duplicates_of_the_last_two_lines_vanish(number: int) -> None:
    receiver = Receiver()
    receiver.last_number = 5
    assert receive(receiver, numbered(number, "G1 X2")) == []
    assert receiver.last_number == 5


def test_duplicate_vanishes_even_when_it_is_spoilt() -> None:
    receiver = Receiver()
    receiver.last_number = 5
    assert receive(receiver, "N5 G1 X2*1") == []


@pytest.mark.parametrize(("line", "last"), [("N7 M110 N41", 41), ("N41 M110", 41), ("N0 M110 N0", 0)])
def test_m110_with_a_number_sets_the_count_whatever_it_was(line: str, last: int) -> None:
    receiver = Receiver()
    receiver.last_number = 500
    assert len(receive(receiver, f"{line}*{checksum(line.encode())}")) == 1
    assert receiver.last_number == last


def test_m110_is_checked_too() -> None:
    receiver = Receiver()
    receiver.last_number = 500
    assert receive(receiver, "N7 M110 N41*1") == [Refused("checksum mismatch")]
    assert receiver.last_number == 500


def test_empty_lines_and_comments_leave_no_trace() -> None:
    assert receive(Receiver(), "", ";only words", "\r", "M105") == [Accepted("M105", None)]


def test_a_comment_takes_the_checksum_with_it() -> None:
    frame = "N1 G1 X6 ; comment"
    assert receive(Receiver(), f"{frame}*{checksum(frame.encode())}") == [Refused("No Checksum with line number")]


def test_padding_in_front_is_allowed() -> None:
    assert receive(Receiver(), " " * 12 + numbered(1, "G1 X6")) == [Accepted(numbered(1, "G1 X6"), 1)]


def test_line_of_95_bytes_passes_and_a_longer_one_loses_its_end() -> None:
    receiver = Receiver()
    longest = next(line for size in range(LINE_BYTES) if len(line := numbered(1, "M117 " + "x" * size)) == LINE_BYTES)
    assert receive(receiver, longest) == [Accepted(longest, 1)]
    assert receive(receiver, numbered(2, "M117 " + "x" * LINE_BYTES)) == [Refused("No Checksum with line number")]
    assert receive(Receiver(), "x" * 200) == [Accepted("x" * LINE_BYTES, None)]


def test_line_may_come_in_pieces() -> None:
    receiver = Receiver()
    for piece in (b"N1 ", b"G9", b"0*1"):
        receiver.put(piece)
        assert receiver.next_line() is None
    receiver.put(b"7\nM1")
    assert receiver.next_line() == Accepted("N1 G90*17", 1)
    receiver.put(b"05\n")
    assert receiver.next_line() == Accepted("M105", None)


def test_ring_loses_what_does_not_fit() -> None:
    receiver = Receiver()
    receiver.put(b"M105\n" * 30)  # 150 bytes, and nobody takes lines out
    receiver.overflow()
    assert receiver.dropped_bytes == 30 * 5 - RX_RING_BYTES
    assert texts(receive(receiver)) == ["M105"] * 25


def test_bytes_of_an_unfinished_line_make_room_in_the_ring() -> None:
    receiver = Receiver()
    receiver.put(b"M117 " + b"x" * 50)
    assert receiver.next_line() is None
    receiver.put(b"y" * RX_RING_BYTES)
    receiver.overflow()
    assert receiver.dropped_bytes == 0


def test_flush_forgets_the_ring_and_the_unfinished_line() -> None:
    receiver = Receiver()
    receiver.put(b"M10")
    assert receiver.next_line() is None
    receiver.put(b"5\nM114\n")
    receiver.flush()
    assert receive(receiver, "M115") == [Accepted("M115", None)]


def test_noise_does_not_break_the_receiver() -> None:
    assert texts(receive(Receiver(), "\xff\x00*", "N", "N*", "*", "N-1 G1*")) == [
        "\xff\x00*",
        "*",
    ]


@pytest.mark.parametrize("line", ["M108", "  M108", "N7 M108*24", "M108 X"])
def test_emergency_parser_sees_a_command_at_the_start_of_a_line(line: str) -> None:
    receiver = Receiver()
    assert receiver.emergencies(b"G1 X1\n" + line.encode() + b"\n") == [(108, 0)]


@pytest.mark.parametrize("line", ["M1080", "M117 M108", "G1 M112", "XM112"])
def test_emergency_parser_does_not_see_ghosts(line: str) -> None:
    assert Receiver().emergencies(line.encode() + b"\n") == []


def test_emergency_parser_sees_a_command_once_when_it_comes_in_pieces() -> None:
    receiver = Receiver()
    found = [
        number for piece in (b"G1 X1\nN7", b" M1", b"12", b"*", b"5\nM105\n", b"G1 X2\n") for number in receiver.emergencies(piece)
    ]
    assert found == [(112, 0)]


def test_emergency_parser_sees_two_commands_in_one_breath() -> None:
    assert Receiver().emergencies(b"M108\nM112\n") == [(108, 0), (112, 0)]
