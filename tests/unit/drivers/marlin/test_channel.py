"""The channel alone: answers are given by hand, so that each rule is seen by itself."""

import pytest

from drivers.marlin.channel import Channel
from drivers.marlin.lines import frame, probe
from drivers.marlin.modes import Mode
from drivers.marlin.patience import (
    MAX_SAME_RESENDS,
    NOT_BUSY_S,
    PROBE_S,
    REPORTS_ONLY_S,
    SETTLE_S,
    SILENCE_S,
    STALL_BLOCKING_S,
    STALL_S,
)
from drivers.marlin.replies import understand
from tests.unit.drivers.marlin.channel_bench import Bench


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


def _waiting_for_a_person(bench: Bench) -> None:
    bench.say(b"M600")
    bench.hear("echo:busy: processing", "echo:busy: paused for user")
    bench.channel.resync(bench.now_s)  # an answer was given


def test_nothing_is_queued_behind_a_machine_that_still_waits_for_a_person() -> None:
    bench = Bench()
    _waiting_for_a_person(bench)
    bench.quiet()
    bench.last_line(1)
    for _ in range(100):
        bench.now_s += 2.0
        bench.hear("echo:busy: processing")
    assert not any(b"M118" in data for data in bench.sent)
    bench.hear("ok")
    assert b"M118 fence-2." in bench.sent[-1], "oks of the answer may still come"
    bench.hear("ok", "fence-2.", "ok")
    assert bench.idle()
    assert [line.number for line in bench.accepted] == [1, 2]


def test_an_ok_that_came_while_all_was_quiet_is_not_waited_for() -> None:
    bench = Bench()
    _waiting_for_a_person(bench)
    bench.hear("ok")
    bench.quiet()
    bench.last_line(1)
    assert b"M118 fence-2." in bench.sent[-1]


def test_a_lost_ok_of_a_machine_that_was_at_work_is_found_out() -> None:
    bench = Bench()
    _waiting_for_a_person(bench)
    bench.quiet()
    bench.last_line(1)
    begin_s = bench.now_s
    bench.quiet()
    bench.quiet()
    bench.last_line(1)
    assert b"M118 fence-2." in bench.sent[-1]
    assert bench.now_s - begin_s < 15


def test_an_ok_that_was_lost_while_the_machine_heated_is_looked_for_after_ten_seconds(bench: Bench) -> None:
    """A cable was out when M109 ended: heat had been told just before, and temperatures that come by themselves prove nothing."""
    bench.say(b"M109 S200")
    bench.hear(" T:199.00 /200.00 B:25.00 /0.00 @:49 B@:0 W:1")
    bench.channel.resync(bench.now_s)
    bench.quiet()
    bench.last_line(1)
    began_s, probes = bench.now_s, len(bench.sent)
    while len(bench.sent) == probes:
        assert bench.now_s - began_s < NOT_BUSY_S + 2
        bench.now_s += 0.5
        bench.hear(" T:200.00 /200.00 B:25.00 /0.00 @:49 B@:0")
        if bench.channel.deadline_s is not None and bench.now_s >= bench.channel.deadline_s:
            bench.channel.on_timeout(bench.now_s)
    assert bench.sent[-1] == probe()
