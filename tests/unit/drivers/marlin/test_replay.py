"""The small interpreter against the virtual firmware's M114, and which neighbours it takes for the machine's place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.marlin.bookmarks import MAX_UNTOLD, Mark, file_lines
from drivers.marlin.job import Position
from drivers.marlin.lines import ProgramLine
from drivers.marlin.replay import Place, Replay, repeatable
from drivers.virtual.firmware import Firmware


def place_after(*commands: str) -> Place:
    place = Place()
    for command in commands:
        place.note(command.encode())
    return place


START = ("G28", "G90", "M82", "G92 E0", "G1 X10 Y20 Z0.3 E1")


@pytest.mark.parametrize(
    ("commands", "at"),
    [
        ((), [10, 20, 0.3, 1]),
        (("G1 X15",), [15, 20, 0.3, 1]),
        (("G91", "G1 X5 Y-5 E.5"), [15, 15, 0.3, 1.5]),
        (("M83", "G1 X5 E0.25"), [5, 20, 0.3, 1.25]),
        (("G91", "M82", "G1 X5 E9"), [15, 20, 0.3, 9]),
        (("G92 E0", "G1 E2"), [10, 20, 0.3, 2]),
        (("G92 X0",), [0, 20, 0.3, 1]),
        (("G92",), [0, 0, 0, 0]),
        (("G20", "G1 X1 Y1", "G21", "G1 Y3"), [25.4, 3, 0.3, 1]),
        (("G2 X30 Y20 I10 J0 E2",), [30, 20, 0.3, 2]),
        (("G3X30Y20I10J0E2",), [30, 20, 0.3, 2]),
        (("G4 S5", "M104 S200", "M117 X99 Y99"), [10, 20, 0.3, 1]),
        (("G28",), [None, None, None, 1]),
        (("G28", "G1 X5"), [5, None, None, 1]),
        (("G29",), [None] * 4),
        (("M600",), [None] * 4),
        (("T0",), [None] * 4),
        (("G10",), [None] * 4),
    ],
)
def test_where_a_command_leaves_the_nozzle(commands: tuple[str, ...], at: list[float | None]) -> None:
    found = place_after(*START, *commands).at
    assert [value is None for value in found] == [value is None for value in at]
    assert [value for value in found if value is not None] == pytest.approx([value for value in at if value is not None])


@pytest.mark.parametrize("command", ["G54", "G92.1", "M206 X5", "M428", "M851 Z-1", "M290 Z0.1"])
def test_after_a_shift_nothing_is_sure_any_more(command: str) -> None:
    place = place_after(*START, command, "G1 X10 Y20 Z0.3 E1")
    assert not place.agrees(Position(10, 20, 0.3, 1))


def test_an_unknown_axis_agrees_with_nothing() -> None:
    assert place_after(*START).agrees(Position(10.004, 20, 0.3, 1))
    assert not place_after(*START).agrees(Position(10.02, 20, 0.3, 1))
    assert not place_after(*START).agrees(Position(10, 20, 0.3, 1.06))
    assert not place_after("G28", "G1 X10 Y20").agrees(Position(10, 20, 0, 0))
    assert place_after("G28", "G1 X10 Y20 Z1").agrees(Position(10, 20, 1, 77)), "relative extrusion that never began at G92"


_number = st.integers(-200, 200).map(lambda value: value / 10)
_axis = st.sampled_from("XYE")
_words = st.dictionaries(_axis, _number, min_size=1)
_move = _words.map(lambda words: "G1 " + " ".join(f"{axis}{value}" for axis, value in words.items()))
_mode = st.sampled_from(["G90", "G91", "M82", "M83", "G92 E0", "G92 X50 Y50", "G20", "G21", "M106 S1", "M220 S100"])


@given(st.lists(st.one_of(_move, _mode), max_size=30))
def test_it_knows_what_the_firmware_knows(commands: list[str]) -> None:
    firmware = Firmware()
    firmware.feed(b"M302 P1\nM211 S0\nG28\nG90\nG92 E0\nG1 X100 Y100 Z50\n", 0.0)
    firmware.advance(1e6)
    place = place_after("G28", "G90", "G92 E0", "G1 X100 Y100 Z50")
    now_s = 1e6
    for command in commands:
        firmware.feed(f"{command}\n".encode(), now_s)
        now_s += 1e4
        firmware.advance(now_s)
        place.note(command.encode())
    firmware.feed(b"M114\n", now_s)
    said = firmware.advance(now_s + 1).decode().splitlines()[0].split()
    told = Position(*(float(word[2:]) for word in said[:4]))
    assert place.agrees(told), (place.at, told)


# neighbours


def _replay(commands: list[str], possible: range, *, offset: int = 0) -> Replay:
    replay = Replay(offset, possible)
    replay.take([ProgramLine(command.encode(), (index + 1) * 10) for index, command in enumerate(commands)])
    replay.over()
    return replay


FILE = ["G28", "G90", "G1 X1 Y1 Z1", "G1 X2", "M106 S9", "G1 X3", "G1 X3", "G1 X2", "G1 X4"]


def test_the_place_tells_which_neighbour_it_is() -> None:
    chosen = _replay(FILE, range(3, 6)).choose(Position(1, 1, 1, 0))
    assert chosen is not None
    assert chosen[0].offset == 30
    assert [line.command for line in chosen[1]] == [b"G1 X2", b"M106 S9", b"G1 X3", b"G1 X3", b"G1 X2", b"G1 X4"]


def test_what_does_not_move_is_said_again() -> None:
    chosen = _replay(FILE, range(3, 6)).choose(Position(2, 1, 1, 0))
    assert chosen is not None
    assert chosen[0].offset == 40
    assert chosen[1][0].command == b"M106 S9"


def test_a_place_that_comes_twice_is_not_certain() -> None:
    assert _replay(FILE, range(4, 9)).choose(Position(2, 1, 1, 0)) is None


def test_another_place_is_none() -> None:
    assert _replay(FILE, range(3, 9)).choose(Position(9, 9, 9, 0)) is None


def test_a_bookmark_that_is_no_end_of_a_line_finds_nothing() -> None:
    assert _replay(FILE, range(3), offset=45).candidates == []


def test_a_file_that_ends_too_soon_has_fewer_candidates() -> None:
    assert [candidate.offset for candidate in _replay(FILE, range(8, 20)).candidates] == [80, 90]


def test_from_a_bookmark_on_lines_are_counted_forward() -> None:
    replay = _replay(FILE, range(1, 3), offset=40)
    assert [candidate.offset for candidate in replay.candidates] == [50, 60]


@pytest.mark.parametrize("command", [b"M106 S9", b"G1 F1800", b"G92 E0", b"M83", b"M109 S200"])
def test_what_may_be_repeated(command: bytes) -> None:
    assert repeatable(command)


@pytest.mark.parametrize("command", [b"G1 X1", b"G1 E-2", b"M600", b"G28", b"M0", b"T1", b"G29", b"M420 S1"])
def test_what_may_not(command: bytes) -> None:
    assert not repeatable(command)


# numbers


def test_numbers_of_the_file_are_counted_from_the_bookmark() -> None:
    assert list(file_lines(Mark(100, 0, "", 1, ""), 103)) == [0, 1, 2, 3]
    assert file_lines(Mark(100, 0, "", 1, ""), 1000)[-1] == 900
    assert len(file_lines(Mark(100, 0, "", 1, ""), 1000)) == MAX_UNTOLD + 1


def test_lines_of_ours_that_the_bookmark_knows_are_not_of_the_file() -> None:
    assert file_lines(Mark(100, 0, "foo", 1, ""), 103)[-1] == 1
    assert file_lines(Mark(100, 0, "foo", 1, ""), 105)[-1] == 3
    assert file_lines(Mark(100, 0, "ooo", 1, ""), 102) == range(1)


def test_a_machine_that_is_behind_its_own_word_is_not_trusted() -> None:
    assert not file_lines(Mark(100, 0, "", 1, ""), 99)
