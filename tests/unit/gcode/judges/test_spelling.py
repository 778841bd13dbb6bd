"""What one firmware reads as it is meant, another may read otherwise: by flavour."""

import pytest

from gcode.judges import spelling
from gcode.judges.flavours import ALL_FLAVOURS
from tests.unit.gcode.judges.judging import Judge, ask

REJECTS, ASKS = spelling.runs_together, spelling.may_run_together


def flavours_that_say(judge: Judge, line: str) -> set[str]:
    return {flavour for flavour in ALL_FLAVOURS if ask(judge, line, flavour=flavour) is not None}


@pytest.mark.parametrize(
    ("line", "rejected", "doubted"),
    [
        ("G1X60Y5E2", {"marlin-legacy", "reprapfirmware"}, {"marlin", "griffin"}),
        ("G1 X60 Y5E-02", {"marlin-legacy", "reprapfirmware"}, {"marlin", "griffin"}),
        ("G1 X5.E2", {"marlin-legacy", "reprapfirmware"}, {"marlin", "griffin"}),
        ("G1X60Y5E0", set(), set()),  # ten to the power of nothing
        ("G1X60Y5E0.25", set(), set()),
        ("G1X60Y5E.25", set(), set()),
        ("G1X60Y5 E2", set(), set()),
        ("G1E5", {"marlin-legacy"}, {"marlin", "griffin"}),  # command 100000
        ("M5E2", {"marlin-legacy"}, {"marlin", "griffin"}),  # M500
        ("M907E538", {"marlin-legacy"}, {"marlin", "griffin"}),
        ("M907 E538", set(), set()),
        ("G1Y0X60", set(), {"marlin", "griffin"}),  # hexadecimal
        ("G0X60", set(), set()),
        ("G1 Y10X60", set(), set()),
        ("M117 5E2 0X1", set(), set()),
        ("M486 A2E3.stl", set(), set()),
        ('M862.3 P"2E3"', set(), set()),
        ("M106 S2e2", {"marlin-legacy", "reprapfirmware"}, {"marlin", "griffin"}),
    ],
)
def test_a_number_that_runs_into_a_letter(line: str, rejected: set[str], doubted: set[str]) -> None:
    assert flavours_that_say(REJECTS, line) == rejected
    assert flavours_that_say(ASKS, line) == doubted


def test_the_line_is_told_as_it_stands() -> None:
    assert ask(REJECTS, "G1X60Y5E2 ; wall", flavour="marlin-legacy") == "G1X60Y5E2"


@pytest.mark.parametrize(
    ("line", "rejected", "doubted"),
    [
        ("M105 PRUSA FR", {"marlin-legacy"}, set()),
        ("PRUSA FR", {"marlin-legacy"}, set()),
        ("M73 P5 CRASH_RECOVER", {"marlin-legacy"}, set()),
        ("M105 G Z-5", {"marlin-legacy"}, {"marlin", "griffin"}),
        ("T0 MX", {"marlin-legacy"}, {"marlin", "griffin"}),
        ("M117 PRUSA G", set(), set()),
        ("M118 Go", set(), set()),  # G0 to nowhere
        ("M118 Go E", {"marlin-legacy"}, set()),
        ("GREETINGS NAME=G", set(), set()),
        ("M104 S200", set(), set()),
        ("G28 X", set(), set()),
    ],
)
def test_a_command_among_the_words_of_another(line: str, rejected: set[str], doubted: set[str]) -> None:
    assert flavours_that_say(spelling.hidden_command, line) == rejected
    assert flavours_that_say(spelling.may_hide_command, line) == doubted


@pytest.mark.parametrize(
    ("line", "rejected", "doubted"),
    [
        ("M486 S0", set(), set()),
        ("M486 S-1", set(), set()),
        ("M486 AShape-Box Gear id:0", set(), set()),  # PrusaSlicer: ":" ends the line for some, and 0 is no command
        ("M486 AGear.stl_id_0_copy_0", set(), set()),  # OrcaSlicer
        ('M486 S0 A"Gear"', set(), set()),  # SuperSlicer for RepRapFirmware
        ("M486 AFront Gear", set(), set()),  # an F without a number changes no speed
        ("M486 AGT2 pulley", set(), set()),  # behind the first G stands no number
        ("M486 AX-axis mount", set(), set()),  # without a G it is an M486 to all
        ("M486 AM3 nut", {"reprapfirmware"}, set()),
        ('M486 S0 A"M3 nut"', set(), set()),
        ("M486 AExtruder Gear", {"marlin-legacy"}, set()),  # G0 E0: it draws all filament back in absolute mode
        ("M486 AZ Gear", {"marlin-legacy"}, set()),  # G0 Z0: into the part
        ("M486 AFrame F5000 Gear", {"marlin-legacy"}, set()),
        ("M486 AFinf Gear", {"marlin-legacy"}, set()),
        ("M486 AG28", {"marlin-legacy", "reprapfirmware"}, {"marlin", "griffin"}),
        ("M486 Agear G 28", {"marlin-legacy", "reprapfirmware"}, {"marlin", "griffin"}),
        ("M486 AG-1", {"marlin-legacy"}, {"marlin", "griffin"}),
        ('M486 S0 A"G92 Z200"', {"marlin-legacy"}, {"marlin", "griffin"}),  # the older ones know no quotes
        ('M486 S0 A"part" G92 Z200', {"marlin-legacy", "reprapfirmware"}, {"marlin", "griffin"}),
        ('M486 S0 A"part G92 Z200', {"marlin-legacy", "reprapfirmware"}, {"marlin", "griffin"}),
        ("M486 Apart:M104 S400", {"marlin-legacy", "reprapfirmware"}, {"marlin", "griffin"}),
        ("M486 Apart#T1", {"marlin-legacy"}, {"marlin", "griffin"}),
        ("M486 Apart:G Z", {"marlin-legacy"}, {"marlin", "griffin"}),
        ("M486 APRUSA FR", {"marlin-legacy"}, set()),
        ("M486 ACAM042", {"marlin-legacy", "reprapfirmware"}, set()),  # it stops there and waits, as at M0 and at "M1 "
        ("M486 AArM1 left", {"marlin-legacy", "reprapfirmware"}, set()),
        (f"M486 A{'part' * 14}M104 S300", {"reprapfirmware"}, set()),
        (f"M486 A{'part' * 23}M104 S300", {"marlin-legacy", "reprapfirmware"}, {"marlin", "griffin"}),  # behind the 95th byte
        (f"M486 A{'é' * 45}M104 S300", {"marlin-legacy", "reprapfirmware"}, {"marlin", "griffin"}),
        (f"M117 {'word ' * 18}M104 S300", {"marlin-legacy"}, {"marlin", "griffin"}),
        (f"M117 {'word ' * 18}and no more", set(), set()),
        ("M117 go: PRUSA FR", {"marlin-legacy"}, set()),
        (f"M117 {'word ' * 18}CRASH_OFF", {"marlin-legacy"}, set()),
        ("M117 Glue", set(), set()),
        ("M117 PETG", set(), {"marlin-legacy"}),  # G0 E0
        ("M117 G28", set(), {"marlin-legacy"}),  # an Ultimaker homes
        ("M117 Zero Grid", set(), {"marlin-legacy"}),
        ("M117 ETA: 5 min", set(), set()),
        ("M117 go:M104 S400", {"marlin-legacy"}, {"marlin", "griffin"}),
    ],
)
def test_a_command_among_words_and_names(line: str, rejected: set[str], doubted: set[str]) -> None:
    assert flavours_that_say(spelling.hidden_command, line) == rejected
    assert flavours_that_say(spelling.may_hide_command, line) == doubted


@pytest.mark.parametrize("line", ["M117 PETG", "M117 G28", "M0 Zero Grid"])
def test_a_firmware_of_prusa_shows_words_before_it_looks_for_a_g(line: str) -> None:
    for model, doubted in (("MK3S", False), ("mk2.5s", False), ("", True), ("UM2", True)):
        assert (ask(spelling.may_hide_command, line, flavour="marlin-legacy", model=model) is not None) is doubted


@pytest.mark.parametrize("line", ["D0", "D3 Ax0FFF", "D-1", "d2 A0x100 C16"])
def test_codes_for_developers(line: str) -> None:
    assert flavours_that_say(spelling.debugging_command, line) == set(ALL_FLAVOURS)


@pytest.mark.parametrize("line", ["DUMP_TMC STEPPER=x", "M3", "T0"])
def test_other_codes_are_not_for_developers(line: str) -> None:
    assert ask(spelling.debugging_command, line) is None


@pytest.mark.parametrize(
    ("line", "known"),
    [("G1 X5 U5", False), ("G1 X5 S9", False), ("G1 X5 P1", False), ("G2 X5 I1 P1", True), ("G1 X5 K0", True), ("M104 U5", True)],
)
def test_words_of_a_move(line: str, known: bool) -> None:
    assert (ask(spelling.unknown_axis, line) is None) is known
