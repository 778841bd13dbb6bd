"""When the window opens and closes, and what is sent in it."""

import pytest

from drivers.marlin.lines import MAX_FRAME_BYTES, checksum, frame
from drivers.marlin.window import (
    CLEAN_LINES,
    HUNGRY_ANSWERS,
    MAX_BYTES,
    MAX_CLEAN_LINES,
    MAX_LINES,
    PADDING,
    Flight,
    Window,
    beside,
    padded,
)

PROMPT_S = 0.005
LATE_S = 0.020


def _hungry(window: Window, count: int = HUNGRY_ANSWERS, *, length: int = 38) -> None:
    for _ in range(count):
        window.answered(PROMPT_S, length, -1)


def _until_wide(window: Window) -> int:
    for lines in range(1, 2 * MAX_CLEAN_LINES):
        window.answered(PROMPT_S, 38, -1)
        if window.wide:
            return lines
    raise AssertionError("it never widened")


def test_it_begins_narrow_and_widens_after_more_prompt_answers_than_a_planner_has_places() -> None:
    window = Window()
    assert not window.wide
    _hungry(window, 64)
    assert not window.wide
    _hungry(window)
    assert window.wide


def test_a_full_planner_never_widens() -> None:
    window = Window()
    _hungry(window, 64)  # it is being filled
    for _ in range(10):
        for _ in range(8):
            window.answered(PROMPT_S, 38, -1)
        window.answered(LATE_S, 38, -1)  # one line waited for the end of a move
        window.answered(LATE_S, 38, -1)
    assert not window.wide


def test_a_late_answer_now_and_then_is_the_host_and_not_the_planner() -> None:
    window = Window()
    for _ in range(40):
        _hungry(window, 16)
        window.answered(LATE_S, 38, -1)
    assert window.wide


def test_long_lines_are_not_compared_with_short_ones() -> None:
    window = Window()
    for _ in range(HUNGRY_ANSWERS):
        window.answered(0.001, 10, -1)  # a UART takes time for every byte
        window.answered(0.008, 90, -1)
    assert window.wide


def test_lines_longer_than_any_bucket_count_too() -> None:
    window = Window()
    _hungry(window, HUNGRY_ANSWERS + 1, length=4000)
    assert window.wide


def test_it_narrows_when_the_planner_is_full_at_last() -> None:
    window = Window()
    _until_wide(window)
    answers = 0
    while window.wide:
        window.answered(LATE_S, 50, -1)
        window.answered(LATE_S, 38, -1)
        answers += 1
        assert answers < HUNGRY_ANSWERS
    assert answers > 1  # not at once


def test_the_firmware_says_itself_how_full_its_planner_is() -> None:
    window = Window()
    for _ in range(2 * HUNGRY_ANSWERS):
        window.answered(PROMPT_S, 38, 15)
        window.answered(PROMPT_S, 38, 2)
    assert not window.wide  # prompt as they were
    for _ in range(2 * HUNGRY_ANSWERS):
        window.answered(LATE_S, 38, 15)
    assert window.wide


def test_after_trouble_only_a_long_clean_run_widens_and_each_time_a_longer_one() -> None:
    window = Window()
    _until_wide(window)
    waits = []
    for _ in range(8):
        window.trouble()
        assert not window.wide
        waits.append(_until_wide(window))
    assert waits[0] >= CLEAN_LINES
    assert waits[1] >= 2 * CLEAN_LINES
    assert waits[-1] <= MAX_CLEAN_LINES + HUNGRY_ANSWERS
    assert waits == sorted(waits)


def test_a_window_of_one_line_never_widens() -> None:
    window = Window(1, hungry_answers=0)
    _hungry(window)
    assert not window.wide


def test_one_that_need_not_see_hunger_is_wide_at_once_and_after_its_clean_lines() -> None:
    window = Window(2, hungry_answers=0, clean_lines=3)
    assert window.wide
    window.trouble()
    assert _until_wide(window) == 3
    window.answered(LATE_S * 100, 38, -1)
    assert window.wide


@pytest.mark.parametrize(
    ("command", "sent"),
    [
        (b"G1 X10.5 Y2 E0.04 F1800", b"N7G1X10.5Y2 E.04F1800"),
        (b"G1 F1800 E2", b"N7G1F1800 E2"),
        (b"G1 X20.5 E-0.8", b"N7G1X20.5 E-0.8"),
        (b"G0 X1", b"N7G0X1"),
        (b"G2 X1 Y2 I3 J4 E5", b"N7G2X1Y2I3J4 E5"),
    ],
)
def test_a_move_beside_others_keeps_only_the_space_before_its_e(command: bytes, sent: bytes) -> None:
    assert beside(7, command) == b" " * PADDING + sent + b"*%d\n" % checksum(sent)


def test_padding_never_makes_a_line_longer_than_the_firmware_takes() -> None:
    assert padded(frame(7, b"G1 X1")) == b" " * PADDING + frame(7, b"G1 X1")
    long = frame(7, b"G1 X" + b"1" * 80)
    assert len(padded(long)) == MAX_FRAME_BYTES + 1
    assert padded(long).endswith(long)


def test_a_flight_has_room_for_so_many_bytes_and_only_for_lines_that_fit_the_line_buffer() -> None:
    flight = Flight()
    data = padded(frame(1, b"G1 X10.25 Y20.25 E0.04"))
    taken = 0
    while flight.takes(data):
        flight.launch(data, float(taken))
        taken += 1
    assert taken == MAX_BYTES // len(data) == len(flight)
    assert 1 < taken <= MAX_LINES
    assert flight.answered() == (0.0, len(data))
    assert flight.takes(data)
    flight.land()
    assert len(flight) == 0
    assert not flight.takes(b" " * (MAX_FRAME_BYTES + 2))


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (b"G1 X5 E0.", b"N7G1X5 E0.*"),
        (b"G1 E0. X5", b"N7G1 E0.X5*"),
        (b"G1 X5 E0.04", b"N7G1X5 E.04*"),
        (b"G1 X5 E-0.4", b"N7G1X5 E-0.4*"),
    ],
)
def test_a_number_stays_a_number_without_its_zero(command: bytes, text: bytes) -> None:
    assert beside(7, command).strip().startswith(text)
