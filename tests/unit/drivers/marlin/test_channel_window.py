"""The channel with more than one line in flight."""

from collections.abc import Callable

import pytest

from drivers.marlin.lines import frame
from drivers.marlin.modes import Mode
from drivers.marlin.patience import (
    STALL_S,
)
from drivers.marlin.window import MAX_BYTES, Window, beside, padded
from tests.unit.drivers.marlin.channel_bench import Bench


@pytest.fixture
def bench() -> Bench:
    return Bench()


def _wide(lines: int = 3) -> Bench:
    bench = Bench()
    bench.channel.window = Window(lines, hungry_answers=0, clean_lines=2)
    return bench


def _stream(bench: Bench, *commands: bytes) -> list[bool]:
    return [bench.channel.stream(command, bench.now_s, offset=1) for command in commands]


def test_moves_go_beside_each_other_padded_up_to_three() -> None:
    bench = _wide()
    assert _stream(bench, b"G1 X1", b"G1 X2", b"G1 X3", b"G1 X4") == [True, True, True, False]
    assert bench.sent == [frame(1, b"G1 X1"), beside(2, b"G1 X2"), beside(3, b"G1 X3")]
    assert not bench.room()
    bench.hear("ok")
    assert bench.room()
    assert _stream(bench, b"G1 X4") == [True]
    bench.hear("ok", "ok")
    assert not bench.idle()
    bench.hear("ok")
    assert bench.idle()
    assert [line.number for line in bench.accepted] == [1, 2, 3, 4]
    assert [line.command for line in bench.accepted][3] == b"G1 X4"


def test_no_more_bytes_are_in_flight_than_the_receive_buffer_takes() -> None:
    bench = _wide()
    taken = _stream(bench, *[b"G1 X100.125 Y100.125 E0.03125"] * 3)
    assert taken == [True, True, False]
    assert sum(len(data) for data in bench.sent) <= MAX_BYTES


def test_a_line_too_long_for_its_padding_goes_alone() -> None:
    bench = _wide()
    assert _stream(bench, b"G1 X1", b"G1 X" + b"1" * 76) == [True, False]
    bench.hear("ok")
    assert _stream(bench, b"G1 X" + b"1" * 76) == [True]


@pytest.mark.parametrize("command", [b"G28", b"M109 S200", b"M400", b"M104 S1", b"G92 E0", b"G4 P1", b"G10", b"T0"])
def test_nothing_goes_beside_a_command_that_is_no_move(command: bytes) -> None:
    bench = _wide()
    assert _stream(bench, b"G1 X1", command) == [True, False]
    bench.hear("ok")
    assert _stream(bench, command, b"G1 X2") == [True, False]
    assert not bench.room()
    assert bench.sent[-1] == frame(2, command)


def test_a_narrow_window_sends_one_line_at_a_time() -> None:
    bench = _wide(1)
    assert _stream(bench, b"G1 X1", b"G1 X2") == [True, False]


def test_any_trouble_narrows_the_window_and_it_opens_after_a_clean_run() -> None:
    bench = _wide()
    bench.say(b"G1 X1")
    bench.hear("Resend: 1")
    bench.quiet()
    bench.last_line(0)
    assert not bench.channel.window.wide
    bench.hear("ok")
    assert _stream(bench, b"G1 X2", b"G1 X3") == [True, False]
    bench.hear("ok")
    _stream(bench, b"G1 X3")
    bench.hear("ok")
    assert _stream(bench, b"G1 X4", b"G1 X5") == [True, True]


def test_what_was_flushed_behind_a_refused_line_is_sent_again_alone_and_a_fence_ends_the_doubt() -> None:
    bench = _wide()
    _stream(bench, b"G1 X1", b"G1 X2", b"G1 X3")
    bench.hear("Error:checksum mismatch, Last Line: 1", "Resend: 2", "ok")
    bench.quiet()
    bench.last_line(1)
    assert bench.sent[-1] == padded(frame(2, b"G1 X2"))
    bench.hear("ok")  # of line 1, late: or of line 2
    assert bench.sent[-1] == padded(frame(3, b"G1 X3"))
    bench.hear("ok")
    assert b"N4 M118 fence-4." in bench.sent[-1]
    bench.hear("ok")
    assert not bench.idle()
    assert not bench.room()
    bench.hear("fence-4.", "ok")
    assert bench.idle()
    assert [line.number for line in bench.accepted] == [1, 2, 3, 4]
    bench.say(b"G1 X4")
    assert bench.sent[-1] == frame(5, b"G1 X4")  # no doubt, no padding


def test_a_lost_ok_among_many_is_found_by_a_stall_and_a_fence() -> None:
    bench = _wide()
    _stream(bench, b"G1 X1", b"G1 X2", b"G1 X3")
    bench.hear("ok", "ok")
    bench.quiet()
    bench.quiet()
    bench.last_line(3)
    assert b"M118 fence-4." in bench.sent[-1]
    bench.hear("fence-4.", "ok")
    assert bench.idle()
    assert [line.number for line in bench.accepted] == [1, 2, 3, 4]


def test_a_doubled_ok_among_many_is_found_when_a_line_is_refused() -> None:
    bench = _wide()
    _stream(bench, b"G1 X1", b"G1 X2", b"G1 X3")
    bench.hear("ok", "ok", "Error:checksum mismatch, Last Line: 1", "Resend: 2", "ok")
    bench.quiet()
    bench.last_line(1)
    assert bench.sent[-1] == frame(2, b"G1 X2")  # the machine itself said that it did not take it


def test_the_number_of_an_ok_tells_a_late_one_from_ours() -> None:
    bench = _wide()
    _stream(bench, b"G1 X1", b"G1 X2", b"G1 X3")
    bench.hear("ok N1 P15 B3", "ok N1 P15 B3")
    assert [line.number for line in bench.accepted] == [1]
    bench.hear("ok N2 P15 B3", "ok N3 P15 B3")
    assert bench.idle()


def test_the_number_of_an_ok_tells_that_one_was_lost() -> None:
    bench = _wide()
    _stream(bench, b"G1 X1", b"G1 X2", b"G1 X3")
    bench.hear("ok N2 P15 B3")
    assert bench.channel.mode is Mode.SETTLE
    bench.quiet()
    bench.last_line(3)
    bench.hear("fence-4.", "ok N4 P15 B3")
    assert bench.idle()


def test_a_firmware_whose_oks_have_other_numbers_is_believed_by_their_count() -> None:
    bench = _wide(1)
    for number in range(1, 40):
        bench.say(b"G1 X1")
        bench.hear("ok N1 P15 B3" if number > 1 else "ok")
        for _ in range(3):
            if not bench.idle():
                bench.quiet()
                if bench.channel.mode is Mode.PROBE:
                    bench.last_line(bench.channel._sent)
                    bench.hear(f"fence-{bench.channel._sent}.", "ok")
    resyncs = bench.channel.resyncs
    for _ in range(20):
        bench.say(b"G1 X1")
        bench.hear("ok N1 P15 B3")
        assert bench.idle()
    assert bench.channel.resyncs == resyncs


def test_a_plain_ok_takes_the_short_way_only_for_moves() -> None:
    bench = _wide()
    assert not bench.channel.on_plain_ok(bench.now_s)
    bench.say(b"G28")
    assert not bench.channel.on_plain_ok(bench.now_s)
    bench.hear("ok")
    _stream(bench, b"G1 X1", b"G1 X2")
    assert bench.channel.on_plain_ok(bench.now_s)
    assert bench.channel.on_plain_ok(bench.now_s)
    assert bench.idle()
    bench.channel.fence(bench.now_s)
    assert not bench.channel.on_plain_ok(bench.now_s)


def test_a_stall_counts_from_the_last_ok() -> None:
    bench = _wide()
    _stream(bench, b"G1 X1", b"G1 X2")
    bench.now_s += STALL_S / 2
    bench.hear("ok")
    assert bench.channel.deadline_s == bench.now_s + STALL_S
    assert bench.channel.in_flight is not None
    assert bench.channel.in_flight.number == 2


def test_a_complaint_of_a_fence_that_came_without_its_number_proves_nothing(bench: Bench) -> None:
    bench.channel.fence(bench.now_s)
    bench.hear('echo:Unknown command: "O1 M118 fence-1."', "ok")
    assert bench.channel.mode is Mode.SETTLE
    bench.quiet()
    bench.last_line(0)
    assert bench.sent[-1] == frame(1, b"M118 fence-1.")


def test_two_lines_that_the_machine_called_unknown_are_both_sent_again() -> None:
    bench = _wide()
    _stream(bench, b"G1 X1", b"G1 X2", b"G1 X3")
    bench.hear('echo:Unknown command: "(N1 G1 X1"', "ok", 'echo:Unknown command: "(  N2 G1X2"', "ok")
    bench.hear("Error:Line Number is not Last Line Number+1, Last Line: 0", "Resend: 1", "ok")
    bench.quiet()
    bench.last_line(0)
    assert bench.sent[-1].endswith(frame(1, b"G1 X1"))


def test_one_of_two_that_was_confirmed_without_a_complaint_is_never_sent_again() -> None:
    bench = _wide()
    _stream(bench, b"G1 X1", b"G1 X2", b"G1 X3")
    bench.hear('echo:Unknown command: "(N1 G1 X1"', "ok", "ok")
    bench.hear("Error:Line Number is not Last Line Number+1, Last Line: 0", "Resend: 1", "ok")
    bench.quiet()
    bench.last_line(0)
    bench.last_line(0)
    assert bench.channel.failure == "reset"


def test_numbered_oks_count_the_lines_that_are_sent_again() -> None:
    bench = _wide()
    _stream(bench, b"G1 X1", b"G1 X2", b"G1 X3")
    bench.hear("Error:checksum mismatch, Last Line: 1", "Resend: 2", "ok P15 B3")
    bench.quiet()
    bench.last_line(1)
    bench.hear("ok N1 P15 B3")  # late
    assert bench.sent[-1] == padded(frame(2, b"G1 X2"))
    bench.hear("ok N2 P15 B3", "ok N3 P15 B3", "fence-4.", "ok N4 P15 B3")
    assert bench.idle()
    assert bench.channel.resyncs == 1


def test_more_oks_than_moves_in_flight_do_not_take_the_short_way() -> None:
    bench = _wide()
    _stream(bench, b"G1 X1", b"G1 X2")
    assert not bench.channel.on_plain_ok(bench.now_s, 3)
    assert not bench.accepted
    assert bench.channel.on_plain_ok(bench.now_s, 2)
    assert bench.idle()


def _state(bench: Bench) -> dict[str, object]:
    """All that a channel knows, in a form that can be compared."""
    known = vars(bench.channel) | {"window": vars(bench.channel.window), "_flight": vars(bench.channel._flight)}
    return {name: value for name, value in known.items() if name not in {"_write", "_accepted"}}


@pytest.mark.parametrize("lines", [1, 3])
def test_a_turn_is_what_an_ok_and_the_next_line_are_one_after_the_other(lines: int) -> None:
    short, long = Bench(), Bench()
    for bench in (short, long):
        bench.channel.window = Window(lines, hungry_answers=3)
        bench.say(b"G1 X0")
    for index in range(1, 40):
        command = b"G1 X%d E0.%d" % (index, index)
        for bench in (short, long):
            bench.now_s += (0.00001, 0.0016, 0.1)[index % 3]
        if (data := short.channel.turn(command, index, short.now_s)) is None:
            assert short.channel.window.wide
            assert short.channel.on_plain_ok(short.now_s)
            assert short.channel.stream(command, short.now_s, offset=index)
        else:
            short.sent.append(data)
        assert long.channel.on_plain_ok(long.now_s)
        assert long.channel.stream(command, long.now_s, offset=index)
        assert _state(short) == _state(long)
        assert short.sent == long.sent
        assert short.accepted == long.accepted
    assert len(long.accepted) == 39


@pytest.mark.parametrize(
    "before",
    [
        lambda _bench: None,
        lambda bench: bench.say(b"G28"),
        lambda bench: _stream(bench, b"G1 X1", b"G1 X2"),
        lambda bench: bench.channel.fence(bench.now_s),
        lambda bench: (bench.say(b"G1 X1"), bench.hear("Resend: 1")),
        lambda bench: (bench.say(b"G1 X1"), bench.channel.close()),
    ],
    ids=["nothing-in-flight", "blocking", "two", "fence", "settling", "closed"],
)
def test_a_turn_is_only_for_an_ok_of_the_only_move_in_flight(before: Callable[[Bench], object]) -> None:
    bench = _wide()
    before(bench)
    sent = list(bench.sent)
    deadline_s, in_flight = bench.channel.deadline_s, bench.channel.in_flight
    assert bench.channel.turn(b"G1 X9", 9, bench.now_s) is None
    assert (bench.sent, bench.accepted, bench.channel.deadline_s, bench.channel.in_flight) == (sent, [], deadline_s, in_flight)


@pytest.mark.parametrize("command", [b"G28", b"M106 S255", b"M109 S200", b"G4 P1", b"G92 E0", b"G1"])
def test_what_is_no_move_takes_no_turn(command: bytes) -> None:
    bench = Bench()
    bench.say(b"G1 X1")
    assert bench.channel.turn(command, 9, bench.now_s) is None
    assert not bench.accepted
    assert bench.channel.turn(b"G1 X2", 9, bench.now_s) == frame(2, b"G1 X2")


def test_a_line_that_was_sent_again_takes_no_turn_until_a_fence_has_cleared_our_place() -> None:
    bench = _wide()
    _stream(bench, b"G1 X1", b"G1 X2")
    bench.hear("Error:checksum mismatch, Last Line: 0", "Resend: 1", "ok")
    bench.quiet()
    bench.last_line(0)
    assert bench.sent[-1] == padded(frame(1, b"G1 X1"))
    assert bench.channel.turn(b"G1 X3", 9, bench.now_s) is None
    bench.hear("ok")
    assert bench.channel.turn(b"G1 X3", 9, bench.now_s) is None
    bench.hear("ok", "fence-3.", "ok")
    bench.say(b"G1 X3")
    assert bench.channel.turn(b"G1 X4", 9, bench.now_s) == frame(5, b"G1 X4")
