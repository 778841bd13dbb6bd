"""Each fact about raw Marlin that the drivers rely on, as a test of the simulator that they are tested with.

| fact (measured with real Marlin, bugfix-2.1.x of January 2023) | test |
|---|---|
| a bad line: `Error:..., Last Line: K`, `Resend: K+1`, `ok` | test_a_bad_line_is_answered_error_resend_ok |
| the RX is flushed then | test_a_bad_line_flushes_what_came_behind_it |
| queued lines return their oks after that ok | test_queued_lines_return_their_oks_after_the_ok_of_the_resend |
| duplicates (last, last-1) are dropped with no ok | test_duplicates_are_dropped_with_no_ok |
| lines over 96 bytes lose their checksum, for ever | test_a_line_over_max_cmd_size_is_asked_for_again_for_ever |
| 95 bytes framed are the most | test_ninety_five_bytes_framed_pass |
| comments are stripped before the checksum check | test_comments_are_stripped_before_the_checksum_is_checked |
| lower case and a second command on a line fail | test_lower_case_and_a_second_command_on_a_line_fail |
| empty lines get no ok | test_empty_lines_get_no_ok |
| M105's ok carries temperatures instead of N/P/B | test_the_ok_of_m105_carries_temperatures_instead_of_advanced_ok |
| M999 flushes RX and asks for a resend | test_m999_flushes_and_asks_for_a_resend |
| a numbered M108 is not early without a parser | test_a_numbered_m108_is_not_early_without_emergency_parser |
| plain M108, M112 work when the queue has room | test_plain_m108_and_m112_work_while_the_queue_has_room |
| behind M109 plus 4 lines neither is seen | test_behind_a_full_queue_neither_m108_nor_m112_is_seen |
| with the parser a numbered M108 works | test_with_emergency_parser_a_numbered_m108_works_behind_a_full_queue |
| M108 and M876 also cost an ok each | test_m108_and_m876_cost_an_ok_each |
| after kill() it is deaf until reset, heaters off | test_after_kill_it_is_deaf_until_reset_and_heaters_are_off |
| a dead host leaves heaters on | test_when_the_host_dies_heaters_stay_on |
| steppers release after 120 s | test_steppers_release_after_120_s |
| `M84 S0` keeps position | test_m84_s0_keeps_the_position |
| `M85 S<n>` is a dead-man switch | test_m85_kills_when_nothing_moves |
| polls and reports are no activity, moves and waits are | test_m85_counts_moves_and_waits_and_not_polls |
| M85 kills while paused unless cleared | test_m85_kills_while_it_waits_for_a_person_unless_cleared |
| mid-print reset: start, targets 0, origin, `Resend: 1` | test_mid_print_reset |
| M114 is the planned position, `M114 R` the real one | test_m114_is_planned_and_m114_r_is_real |
| runout dialogue: paused, M108, M876 S1, resumed | test_runout_dialogue_end_to_end |
| M413 needs an SD card | test_m413_needs_an_sd_slot |
| the probe executes nothing and tells the position | test_the_probe_tells_the_position_and_executes_nothing |
| a 120-byte window over a 128-byte RX drops nothing | test_a_window_of_120_bytes_drops_nothing |
| a window of 200 bytes overflows | test_a_window_of_200_bytes_overflows |
| a cut line's tail `G1 X...` runs unchecked | test_the_tail_of_a_cut_line_executes_unchecked |
| 12 leading spaces do no harm | test_leading_spaces_are_harmless |
| 303 and 658 lines/s are the limit at 115200 and 250000 | test_wire_limits |
"""

import pytest

from drivers.virtual.firmware import Firmware
from drivers.virtual.options import FirmwareOptions
from drivers.virtual.wire import Wire
from tests.unit.drivers.virtual.console import Console, numbered

PARSER = FirmwareOptions(emergency_parser=True)
ADVANCED = FirmwareOptions(emergency_parser=True, advanced_ok=True, host_actions=True, runout_sensor=True)
KILLED = "Error:Printer halted. kill() called!"
PROBE = numbered(2_000_000_000, "M105")
NOT_NEXT = "Error:Line Number is not Last Line Number+1, Last Line: "


@pytest.fixture
def console() -> Console:
    found = Console()
    found.run("M110 N0", "M302 P1")
    return found


def test_a_bad_line_is_answered_error_resend_ok(console: Console) -> None:
    console.run(numbered(1, "G90"))
    assert console.send("N2 G1 X1*1") == ["Error:checksum mismatch, Last Line: 1", "Resend: 2", "ok"]


def test_a_bad_line_flushes_what_came_behind_it(console: Console) -> None:
    said = console.send("N1 G1 X1*1", numbered(1, "M118 behind"), numbered(2, "M118 too"))
    assert said == ["Error:checksum mismatch, Last Line: 0", "Resend: 1", "ok"]


def test_queued_lines_return_their_oks_after_the_ok_of_the_resend(console: Console) -> None:
    console.send(numbered(1, "G4 S1"), numbered(2, "M118 queued"))
    assert console.send("N3 G1 X1*1") == ["Error:checksum mismatch, Last Line: 2", "Resend: 3", "ok"]
    assert console.wait(1.5) == ["ok", "queued", "ok"]


def test_duplicates_are_dropped_with_no_ok(console: Console) -> None:
    console.run(*(numbered(number, "M118 x") for number in (1, 2, 3)))
    assert console.send(numbered(3, "M118 again")) == []
    assert console.send(numbered(2, "M118 again")) == []
    assert console.send(numbered(1, "M118 again"))[0].startswith("Error:Line Number")
    assert console.wait(100.0) == []


def test_a_line_over_max_cmd_size_is_asked_for_again_for_ever(console: Console) -> None:
    long = numbered(1, "M117 " + "x" * 100)
    for _ in range(5):
        assert console.send(long) == ["Error:No Checksum with line number, Last Line: 0", "Resend: 1", "ok"]


def test_ninety_five_bytes_framed_pass(console: Console) -> None:
    fits = next(line for size in range(95) if len(line := numbered(1, "M117 " + "x" * size)) == 95)
    assert console.send(fits) == ["ok"]
    assert console.send(numbered(2, "M117 " + "x" * 90))[0].startswith("Error:No Checksum")


def test_comments_are_stripped_before_the_checksum_is_checked(console: Console) -> None:
    assert console.send(numbered(1, "G1 X1 ;c"))[0].startswith("Error:No Checksum")
    assert console.send("G1 X6 ; comment") == ["ok"]


def test_lower_case_and_a_second_command_on_a_line_fail(console: Console) -> None:
    assert console.send("g1 x4") == ['echo:Unknown command: "g1 x4"', "ok"]
    console.run("G1 X5 G1 Y5")
    console.settle()
    assert console.firmware.machine.place[:2] == (5.0, 5.0)  # one move to both, not one after the other


def test_empty_lines_get_no_ok(console: Console) -> None:
    assert console.send("", "", "\r") == []


def test_the_ok_of_m105_carries_temperatures_instead_of_advanced_ok() -> None:
    console = Console(ADVANCED)
    console.run("M110 N0")
    assert console.send(numbered(1, "M105")) == ["ok T:25.00 /0.00 B:25.00 /0.00 @:0 B@:0"]
    assert console.send(numbered(2, "G90")) == ["ok N2 P15 B3"]


def test_m999_flushes_and_asks_for_a_resend(console: Console) -> None:
    console.firmware.feed(b"M999\nM118 hal", console.now_s)
    assert console.heard() == ["Resend: 1", "ok", "ok"]
    assert console.send("f a line") == ['echo:Unknown command: "f a line"', "ok"]


def test_a_numbered_m108_is_not_early_without_emergency_parser(console: Console) -> None:
    console.send("M109 S200")
    assert console.send(numbered(1, "M108")) == []
    assert " W:?" in console.wait(1.0)[0]


def test_plain_m108_and_m112_work_while_the_queue_has_room(console: Console) -> None:
    console.send("M109 S200")
    assert console.send("M108").count("ok") == 2
    console.send("M109 S200")
    assert KILLED in console.send("M112")


def test_behind_a_full_queue_neither_m108_nor_m112_is_seen(console: Console) -> None:
    console.send("M109 S200")
    console.send(*(numbered(number, "G1 X1") for number in (1, 2, 3, 4)))
    for line in ("M108", "M112"):
        console.send(line)
        heard = console.wait(5.0)
        assert KILLED not in heard
        assert "ok" not in heard
    assert not console.firmware.killed


def test_with_emergency_parser_a_numbered_m108_works_behind_a_full_queue() -> None:
    console = Console(PARSER)
    console.run("M110 N0", "M302 P1")
    console.send("M109 S200")
    console.send(*(numbered(number, "G90") for number in (1, 2, 3, 4)))
    assert console.send(numbered(5, "M108")).count("ok") == 6  # M109, four lines behind it, and M108 itself
    assert console.firmware.record.count == 5
    assert KILLED in Console(PARSER).send("M109 S200", "G90", "G90", "G90", "G90", "M112")


def test_m108_and_m876_cost_an_ok_each() -> None:
    console = Console(ADVANCED)
    console.send("M0 Click")
    assert console.send("M108") == ["ok P15 B3", "ok P15 B3"]
    console.send("M0 Click")
    assert console.send("M876 S0") == ["ok P15 B3", "ok P15 B3"]


def test_after_kill_it_is_deaf_until_reset_and_heaters_are_off(console: Console) -> None:
    console.run("M104 S200", "M140 S60")
    assert KILLED in console.send("M112")
    assert console.send("M105", "M999", "M112") == []
    assert console.wait(60.0) == []
    machine = console.firmware.machine
    assert (machine.hotend.target_c, machine.heated_bed.target_c) == (0.0, 0.0)
    console.firmware.reset(console.now_s)
    assert console.heard()[0] == "start"
    assert console.send("M105")[0].startswith("ok T:")


def test_when_the_host_dies_heaters_stay_on(console: Console) -> None:
    console.run("M104 S200")
    console.wait(13 * 60.0)
    assert console.send("M105")[0].startswith("ok T:200.00 /200.00")


@pytest.mark.parametrize(("pause_s", "released"), [(119.0, 0), (121.0, 1)])
def test_steppers_release_after_120_s(console: Console, pause_s: float, released: int) -> None:
    console.run("G1 X10 E1")
    console.settle()
    console.wait(pause_s)
    console.run("G1 X20 E2")
    console.settle()
    assert console.firmware.bed.parts[0].released == released


def test_m84_s0_keeps_the_position(console: Console) -> None:
    console.run("M84 S0", "G1 X10 E1")
    console.settle()
    console.wait(3600.0)
    console.run("G1 X20 E2")
    console.settle()
    assert console.firmware.bed.parts[0].released == 0


def test_m85_kills_when_nothing_moves(console: Console) -> None:
    console.run("M104 S60", "M85 S20")
    assert console.wait(19.0) == []
    said = console.wait(2.0)
    assert said[0] == "Error:!! KILL caused by too much inactive time - current command: M85 S20"
    assert KILLED in said
    assert console.firmware.machine.hotend.target_c == 0.0


def test_m85_counts_moves_and_waits_and_not_polls(console: Console) -> None:
    console.run("M85 S20", "M155 S1")
    console.run("G1 X100 F600")  # ten seconds of motion
    console.run("M400")
    console.run("M109 S200")  # much longer than twenty seconds
    assert not console.firmware.killed
    for _ in range(25):
        console.wait(1.0)
        console.send("M105")
    assert console.firmware.killed


def test_m85_kills_while_it_waits_for_a_person_unless_cleared() -> None:
    console = Console(ADVANCED)
    console.run("M85 S20")
    console.send("M0 Click")
    console.wait(30.0)
    assert console.firmware.killed
    console = Console(ADVANCED)
    console.run("M85 S20", "M85 S0")
    console.send("M0 Click")
    console.wait(300.0)
    assert not console.firmware.killed


def test_mid_print_reset(console: Console) -> None:
    console.run("M104 S60", numbered(1, "G1 X20"), numbered(2, "G1 X40"))
    console.firmware.reset(console.now_s)
    assert console.heard()[0] == "start"
    assert console.send(numbered(3, "G1 X60")) == [f"{NOT_NEXT}0", "Resend: 1", "ok"]
    assert console.send("M114")[0] == "X:0.00 Y:0.00 Z:0.00 E:0.00 Count X:0 Y:0 Z:0"
    assert "/0.00" in console.send("M105")[0]


def test_m114_is_planned_and_m114_r_is_real(console: Console) -> None:
    console.run("G1 X100 F600")
    console.wait(5.0)
    assert console.send("M114")[0].startswith("X:100.00 ")
    real = float(console.send("M114 R")[0].split()[0][2:])
    assert 40 < real < 60


def test_runout_dialogue_end_to_end() -> None:
    console = Console(ADVANCED)
    console.run("G28", "M109 S200", "M110 N0", "M83", numbered(1, "G1 X20 E1 F1200"))
    console.firmware.run_out(console.now_s, out=True)
    console.send(numbered(2, "G1 X200 E9 F1200"))
    said = console.wait(30.0)
    assert "//action:paused filament_runout 0" in said
    assert "//action:prompt_begin Nozzle Parked" in console.wait(30.0) + said
    assert "echo:busy: paused for user" in console.wait(4.0)
    console.firmware.run_out(console.now_s, out=False)
    console.send("M108")
    said = console.wait(30.0)
    assert "//action:prompt_begin Paused" in said
    assert "//action:prompt_button PurgeMore" in said
    console.send("M876 S1")
    assert "//action:resumed" in console.wait(30.0)
    console.run("M400")
    assert console.firmware.bed.net_mm == pytest.approx(10.0)  # what was purged is no part of it
    assert console.firmware.machine.purged_mm == pytest.approx(-50.0)  # 100 unloaded, 50 purged


def test_m413_needs_an_sd_slot(console: Console) -> None:
    assert console.send("M413") == ['echo:Unknown command: "M413"', "ok"]
    assert Console(FirmwareOptions(sd_slot=True)).send("M413") == ["echo:Power-loss recovery OFF", "ok"]


def test_the_probe_tells_the_position_and_executes_nothing(console: Console) -> None:
    console.run(numbered(1, "G90"), numbered(2, "G90"))
    before = console.firmware.record.snapshot()
    assert console.send("", PROBE) == [f"{NOT_NEXT}2", "Resend: 3", "ok"]
    assert console.firmware.record.snapshot() == before
    # After half a line, too: the leading line feed ends it.
    console.firmware.feed(b"N3 G1 X1", console.now_s)
    assert console.send("", PROBE)[0].startswith("Error:")
    assert console.send("", PROBE) == [f"{NOT_NEXT}2", "Resend: 3", "ok"]


def _stream(window_bytes: int, baud: int, count: int = 400) -> tuple[Firmware, float]:
    """A host that keeps so many bytes under way; the firmware, and lines a second."""
    firmware = Firmware(FirmwareOptions(uart_baud=baud))
    wire = Wire(firmware, baud=baud)
    wire.advance(1.0)
    now_s = 1.0
    lines = [(numbered(number, f"M117 {number}").ljust(37) + "\n").encode() for number in range(1, count)]
    wire.feed(b"M302 P1\n", now_s)
    under_way: list[int] = [8]
    answered = sent = 0
    buffer = b""
    began_s = now_s
    while answered < count:
        while sent < len(lines) and sum(under_way) + len(lines[sent]) <= window_bytes:
            wire.feed(lines[sent], now_s)
            under_way.append(len(lines[sent]))
            sent += 1
        wake_s = wire.next_wake_s()
        if wake_s is None:
            break
        now_s = max(now_s, wake_s)
        buffer += wire.advance(now_s)
        *whole, buffer = buffer.split(b"\n")
        for line in whole:
            if line.startswith(b"ok") and under_way:
                under_way.pop(0)
                answered += 1
    return firmware, answered / (now_s - began_s)


def test_a_window_of_120_bytes_drops_nothing() -> None:
    firmware, _rate = _stream(120, 115_200)
    assert firmware.receiver.dropped_bytes == 0
    assert firmware.receiver.last_number == 399


def test_a_window_of_200_bytes_overflows() -> None:
    """The queue of four lines is full of moves that take their time, and the ring holds 128 bytes."""
    console = Console()
    console.run("M110 N0", "G1 X1 F60")
    console.send(*(numbered(number, f"G1 X{number % 2 * 50} F60") for number in range(1, 16)))
    console.wait(0.1)
    room = [numbered(number, "M117 0123456789012345678901234567890") for number in range(16, 30)]
    console.send(*room[:8])
    assert console.firmware.receiver.dropped_bytes > 0


def test_the_tail_of_a_cut_line_executes_unchecked(console: Console) -> None:
    console.firmware.faults.lines.cut = 1
    assert console.send(numbered(1, "G1 X50")) == ["ok"]
    console.settle()
    assert console.firmware.machine.place[0] == 50.0
    assert console.firmware.record.strays == 1
    assert console.firmware.receiver.last_number == 0


def test_leading_spaces_are_harmless(console: Console) -> None:
    assert console.send(" " * 12 + numbered(1, "G1 X5")) == ["ok"]
    assert console.firmware.receiver.last_number == 1


@pytest.mark.parametrize(("baud", "limit"), [(115_200, 303.0), (250_000, 658.0)])
def test_wire_limits(baud: int, limit: float) -> None:
    """Lines of 38 bytes: a window of three fills the wire, ping-pong does not."""
    _firmware, piped = _stream(120, baud)
    _firmware, ping_pong = _stream(40, baud)
    assert 0.9 * limit < piped <= limit * 1.01
    assert ping_pong < 0.95 * limit
