"""The channel alone: answers are given by hand, so that each rule is seen by itself."""

import pytest

from drivers.marlin.channel import (
    MAX_SAME_RESENDS,
    PROBE_S,
    REPORTS_ONLY_S,
    SETTLE_S,
    SILENCE_S,
    STALL_BLOCKING_S,
    STALL_S,
    Channel,
    Mode,
)
from drivers.marlin.lines import Frame, frame, probe
from drivers.marlin.replies import understand
from drivers.marlin.window import MAX_BYTES, Window, beside, padded


class Bench:
    """A channel whose machine is the test."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.sent: list[bytes] = []
        self.accepted: list[Frame] = []
        self.channel = Channel(self.sent.append, self.accepted.append)
        self.channel.renumber(self.now_s)
        self.hear("ok")
        self.quiet()
        self.hear("Error:Line Number is not Last Line Number+1, Last Line: 0", "Resend: 1", "ok")
        self.quiet()
        assert self.channel.idle
        self.sent.clear()

    def hear(self, *lines: str) -> None:
        for line in lines:
            self.channel.on_reply(understand(line), self.now_s)

    def quiet(self) -> None:
        """Let the channel's deadline pass."""
        assert self.channel.deadline_s is not None
        self.now_s = self.channel.deadline_s
        self.channel.on_timeout(self.now_s)

    def idle(self) -> bool:
        return self.channel.idle

    def room(self) -> bool:
        return self.channel.room

    def say(self, command: bytes) -> None:
        self.channel.send(command, self.now_s, offset=1)

    def last_line(self, number: int) -> None:
        """Answer the probe."""
        assert self.sent[-1] == probe()
        self.hear(f"Error:Line Number is not Last Line Number+1, Last Line: {number}", f"Resend: {number + 1}", "ok")
        self.quiet()


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_numbers_begin_at_one_and_an_ok_accepts(bench: Bench) -> None:
    bench.say(b"G28")
    assert bench.sent == [frame(1, b"G28")]
    assert not bench.idle()
    bench.hear("ok")
    assert bench.idle()
    assert [line.command for line in bench.accepted] == [b"G28"]


def test_renumbering_is_believed_only_when_the_probe_says_zero() -> None:
    channel = Channel(lambda _data: None, lambda _line: None)
    channel.renumber(0.0)
    channel.on_reply(understand("ok"), 0.0)
    channel.on_timeout(SETTLE_S)
    channel.on_reply(understand("Error:Line Number is not Last Line Number+1, Last Line: 8"), 0.1)
    channel.on_timeout(0.2)
    assert channel.mode is Mode.RENUMBER


def test_a_refused_line_is_sent_again_after_quiet_and_a_probe(bench: Bench) -> None:
    bench.say(b"G1 X1")
    bench.hear("Error:checksum mismatch, Last Line: 0", "Resend: 1", "ok")
    assert bench.channel.mode is Mode.SETTLE
    bench.quiet()
    bench.last_line(0)
    assert bench.sent == [frame(1, b"G1 X1"), probe(), frame(1, b"G1 X1")]
    bench.hear("ok")
    assert len(bench.accepted) == 1


def test_quiet_is_waited_for_but_reports_do_not_break_it(bench: Bench) -> None:
    bench.say(b"G1 X1")
    bench.hear("Resend: 1")
    began_s = bench.now_s
    bench.now_s += SETTLE_S / 2
    bench.hear(" T:20.0 /0.0 B:20.0 /0.0")
    assert bench.channel.deadline_s == began_s + SETTLE_S
    bench.hear("ok")
    assert bench.channel.deadline_s == bench.now_s + SETTLE_S


def test_a_lost_ok_is_found_by_a_fence(bench: Bench) -> None:
    bench.say(b"G1 X1")
    bench.quiet()
    bench.quiet()
    bench.last_line(1)
    assert bench.sent[-1] == frame(2, b"M118 fence-2.")
    bench.hear("ok")  # late: of G1
    assert not bench.idle()
    bench.hear("fence-2.", "ok")
    assert bench.idle()
    assert [line.number for line in bench.accepted] == [1, 2]


def test_a_fence_is_also_seen_in_the_complaint_of_a_firmware_without_m118(bench: Bench) -> None:
    bench.channel.fence(bench.now_s)
    bench.hear('echo:Unknown command: "M118 fence-1."', "ok")
    assert bench.idle()


def test_the_fence_of_another_number_does_not_count(bench: Bench) -> None:
    bench.channel.fence(bench.now_s)
    bench.hear("fence-11.", "ok")
    assert not bench.idle()


def test_a_firmware_that_never_echoes_is_believed_by_its_oks(bench: Bench) -> None:
    bench.channel.fence(bench.now_s)
    for number in range(1, 20):
        if bench.idle():
            break
        bench.hear("ok")
        bench.quiet()
        bench.quiet()
        bench.last_line(number)
    assert bench.idle()
    assert number > 2


def test_a_number_outside_the_history_is_asked_again_and_then_fails(bench: Bench) -> None:
    bench.say(b"G1 X1")
    bench.quiet()
    bench.quiet()
    bench.last_line(5000)
    assert bench.channel.mode is Mode.PROBE
    bench.last_line(5000)
    bench.last_line(5000)
    assert bench.channel.failure == "position-lost"


def test_numbers_that_disagree_are_asked_again(bench: Bench) -> None:
    bench.say(b"G1 X1")
    bench.quiet()
    bench.quiet()
    bench.hear("Error:Line Number is not Last Line Number+1, Last Line: 1", "Resend: 7", "ok")
    bench.quiet()
    assert bench.channel.mode is Mode.PROBE
    bench.last_line(1)
    assert bench.sent[-1].startswith(b"N2 M118")


def test_a_corrupted_resend_word_is_no_loss(bench: Bench) -> None:
    bench.say(b"G1 X1")
    bench.hear("Err\ufffdr:checksum mismatch, Last Line: 0", "Res\ufffdnd: 1", "ok")
    bench.quiet()
    bench.last_line(0)
    assert bench.sent[-1] == frame(1, b"G1 X1")


def _confirmed_but_not_counted(bench: Bench) -> None:
    bench.say(b"G1 X1 E1")
    bench.hear("ok")
    bench.say(b"G1 X2 E1")
    bench.hear("ok")
    bench.say(b"G1 X3 E1")
    bench.hear("Error:Line Number is not Last Line Number+1, Last Line: 1", "Resend: 2", "ok")
    bench.quiet()


def test_a_line_that_was_confirmed_but_not_counted_is_never_sent_again(bench: Bench) -> None:
    _confirmed_but_not_counted(bench)
    bench.last_line(1)
    assert bench.channel.mode is Mode.PROBE  # it asks twice
    bench.last_line(1)
    assert bench.channel.failure == "line-doubtful"
    assert bench.sent.count(frame(2, b"G1 X2 E1")) == 1


def test_a_second_look_may_dispel_the_doubt(bench: Bench) -> None:
    _confirmed_but_not_counted(bench)
    bench.last_line(1)
    bench.last_line(2)
    assert bench.sent[-1] == frame(3, b"G1 X3 E1")


def test_a_line_that_the_machine_called_unknown_may_be_sent_again(bench: Bench) -> None:
    bench.say(b"G1 X1 E1")
    bench.hear('echo:Unknown command: "^1 G1 X1 E1"', "ok")
    bench.say(b"G1 X2 E1")
    bench.hear("Error:Line Number is not Last Line Number+1, Last Line: 0", "Resend: 1", "ok")
    bench.quiet()
    bench.last_line(0)
    assert bench.sent[-1] == frame(1, b"G1 X1 E1")
    bench.hear("ok")
    assert bench.sent[-1] == frame(2, b"G1 X2 E1")


def test_zero_after_many_lines_is_a_reset(bench: Bench) -> None:
    for _ in range(3):
        bench.say(b"G1 X1")
        bench.hear("ok")
    bench.say(b"G1 X1")
    bench.quiet()
    bench.quiet()
    bench.last_line(0)
    bench.last_line(0)
    assert bench.channel.failure == "reset"


def test_a_line_that_is_refused_for_ever_is_given_up(bench: Bench) -> None:
    bench.say(b"G1 X1")
    for _ in range(MAX_SAME_RESENDS + 1):
        bench.hear("Error:checksum mismatch, Last Line: 0", "Resend: 1", "ok")
        bench.quiet()
        bench.last_line(0)
    assert bench.channel.failure == "line-refused"


def test_silence_is_asked_into_and_then_told(bench: Bench) -> None:
    bench.say(b"G1 X1")
    began_s = bench.now_s
    while bench.channel.mode is not Mode.FAILED:
        bench.quiet()
    assert bench.channel.failure == "no-answer"
    assert bench.now_s - began_s >= SILENCE_S
    assert 3 <= bench.sent.count(probe()) <= 8  # few enough not to overflow a frozen machine's buffer for long


def test_probes_are_asked_ever_more_slowly(bench: Bench) -> None:
    bench.channel.locate(bench.now_s)
    waits = []
    for _ in range(3):
        before_s = bench.now_s
        bench.quiet()
        waits.append(bench.now_s - before_s)
    assert waits == [PROBE_S, PROBE_S * 2, PROBE_S * 4]


def test_a_busy_machine_is_no_stall(bench: Bench) -> None:
    bench.say(b"G1 X1")
    for _ in range(100):
        bench.now_s += 2.0
        bench.hear("echo:busy: processing")
        assert bench.channel.deadline_s is not None
        assert bench.channel.deadline_s > bench.now_s
    assert bench.sent == [frame(1, b"G1 X1")]


def test_a_silence_broken_only_by_reports_is_limited(bench: Bench) -> None:
    bench.say(b"G1 X1")
    began_s = bench.now_s
    while bench.channel.deadline_s is not None and bench.channel.deadline_s > bench.now_s + 1.0:
        bench.now_s += 1.0
        bench.hear(" T:20.0 /0.0 B:20.0 /0.0")
    assert bench.channel.deadline_s == began_s + REPORTS_ONLY_S


def test_long_commands_get_more_time(bench: Bench) -> None:
    bench.say(b"G1 X1")
    assert bench.channel.deadline_s == bench.now_s + STALL_S
    bench.hear("ok")
    bench.say(b"G28")
    assert bench.channel.deadline_s == bench.now_s + STALL_BLOCKING_S


def test_only_one_fence_waits_behind_a_long_command_of_a_silent_firmware(bench: Bench) -> None:
    bench.say(b"M190 S60")
    bench.quiet()
    bench.quiet()
    bench.last_line(1)
    for _ in range(5):
        bench.quiet()
        bench.quiet()
        bench.last_line(2)
    fences = [line for line in bench.sent if b"M118" in line]
    assert len(fences) == 1
    bench.hear("ok", "fence-2.", "ok")
    assert bench.idle()


def test_a_stray_resend_between_lines_is_looked_into(bench: Bench) -> None:
    bench.say(b"G1 X1")
    bench.hear("ok")
    bench.hear("Resend: 2")
    assert bench.channel.mode is Mode.SETTLE
    bench.quiet()
    bench.last_line(1)
    assert bench.idle()


def test_nothing_is_heard_when_closed(bench: Bench) -> None:
    bench.say(b"G1 X1")
    bench.channel.close()
    bench.hear("ok")
    assert bench.channel.mode is Mode.CLOSED
    assert not bench.accepted


# --- with a window ---------------------------------------------------------------------------------------------------------------


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
