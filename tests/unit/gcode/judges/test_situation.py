"""What a file has done so far."""

from dataclasses import replace

import pytest

from gcode.judges.course import heats_again, waits_for_ever, waits_hot
from gcode.judges.situation import Situation, is_hot
from gcode.machine import Machine
from gcode.reader import parse_line
from tests.unit.gcode.samples import profile


class Read:
    """A situation that is fed with lines as a judge feeds it."""

    def __init__(self, *macros: str) -> None:
        self.machine = Machine()
        self.situation = Situation.of(self.machine, replace(profile(), macros=frozenset(macros)))
        self.number = 0

    def lines(self, *texts: str) -> "Read":
        for text in texts:
            self.number += 1
            self.line = parse_line(text.encode(), self.number)
            self.machine.apply(self.line)
            self.situation.take(self.line)
        return self

    @property
    def heated_again(self) -> bool:
        return heats_again(self.line, self.situation, profile()) is not None


def test_any_heater_is_hot() -> None:
    assert not is_hot(Machine())
    assert not is_hot(Machine(nozzle_c={0: 0.0}))
    assert is_hot(Machine(nozzle_c={0: 0.0, 1: 200.0}))
    assert is_hot(Machine(bed_c=60.0))


def test_motors_are_off_after_m84_without_words_until_they_are_wanted() -> None:
    assert not Read().lines("M84 E").situation.motors_off
    assert not Read().lines("M84 S600").situation.motors_off
    assert Read().lines("M84").situation.motors_off
    assert Read().lines("M18", "M84 X").situation.motors_off
    assert not Read().lines("M84", "G28").situation.motors_off
    assert not Read().lines("M84", "M17").situation.motors_off


def test_heat_after_everything_was_switched_off_at_the_end_of_a_print() -> None:
    read = Read().lines("M104 S200", "M140 S60")
    assert not read.heated_again
    read.situation.printed = True
    assert not read.lines("M104 S190").heated_again
    assert not read.lines("M104 S0").heated_again, "the bed is still on"
    assert not read.lines("M140 S0").heated_again
    assert read.lines("M104 S200").heated_again
    assert not read.lines("M140 S60").heated_again, "said once"


def test_switching_off_before_anything_was_printed_is_no_end() -> None:
    read = Read().lines("M104 S0", "M140 S0", "M104 S200")
    assert not read.heated_again


def test_a_macro_may_have_heated_since_the_file_did() -> None:
    read = Read("Start_Print").lines("START_PRINT BED=60")
    assert read.situation.hidden_heat
    assert not read.lines("M104 S200").situation.hidden_heat
    assert read.lines("start_print").situation.hidden_heat
    assert not Read().lines("START_PRINT BED=60").situation.hidden_heat, "a printer that has no such macro"


def test_a_retraction_of_the_firmware_sets_no_heat() -> None:
    read = Read("START_PRINT").lines("M104 S0", "START_PRINT", "G10", "G11", "G10 S1")
    assert read.situation.hidden_heat, "the macro heats, whatever is drawn back later"
    read.situation.printed = True
    assert not read.lines("G10", "M104 S205").heated_again, "nothing was switched off"
    assert not read.lines("G10 P0 S200").situation.hidden_heat
    read.machine.flavour = "reprapfirmware"
    assert read.lines("START_PRINT").situation.hidden_heat
    assert not read.lines("G10 S200").situation.hidden_heat


def test_a_command_that_no_list_has_may_be_a_macro_too() -> None:
    situation = Situation.of(Machine(), profile(), lambda line: line.code.startswith("_"))
    assert situation.is_macro(parse_line(b"_START"))
    assert not situation.is_macro(parse_line(b"START"))
    situation.take(parse_line(b"_START BED=60", 4))
    assert (situation.hidden_heat, situation.macro_line) == (True, 4)
    situation.take(parse_line(b"M104 S0", 5))
    assert not situation.hidden_heat


@pytest.mark.parametrize(
    ("text", "runs"),
    [('M98 P"start.g"', True), ("M98 PSTART.G R1", True), ('M98 P"other.g"', False), ("M98", False), ("START.G", False)],
)
def test_a_file_of_reprapfirmware_that_the_profile_names_is_a_macro(text: str, runs: bool) -> None:
    assert Read("Start.g").lines(text).situation.hidden_heat is runs


def test_klipper_switches_all_heaters_off_in_one_word() -> None:
    read = Read().lines("M104 S200")
    read.situation.printed = True
    assert read.lines("TURN_OFF_HEATERS").situation.cooled


def waited(*texts: str, macros: tuple[str, ...] = ()) -> float:
    return Read(*macros).lines(*texts).situation.waited_hot_s


def test_waits_count_while_a_heater_is_on() -> None:
    assert waited("G4 S100", "M140 S60", "G4 S100", "G4 P5000", "M140 S0", "G4 S100") == 105
    assert waited("M104 S200", "M300 S440 P2000") == 2, "the tone of M300 is no time"
    assert waited("M104 S200", "G4 S-50", "G4 S10") == 10
    assert waited("PRINT_START", "G4 S7", macros=("PRINT_START",)) == 7, "the macro may have heated"


def test_many_short_waits_are_one_long_one() -> None:
    read = Read().lines("M104 S200", *["G4 S600"] * 6)
    assert waits_hot(read.line, read.situation, profile()) is None
    read.lines("G4 P1")
    wrong = waits_hot(read.line, read.situation, profile())
    assert wrong is not None
    assert (wrong.value, wrong.limit) == (3600.001, 3600)


@pytest.mark.parametrize(
    ("before", "wait", "ever"),
    [
        ("M104 S200", "TEMPERATURE_WAIT SENSOR=extruder MINIMUM=200", False),
        ("M104 S200", "TEMPERATURE_WAIT SENSOR=extruder MINIMUM=201", True),
        ("M104 T1 S200", "TEMPERATURE_WAIT SENSOR=extruder1 MINIMUM=190", False),
        ("M104 S200", "TEMPERATURE_WAIT SENSOR=extruder1 MINIMUM=190", True),
        ("M140 S60", "TEMPERATURE_WAIT SENSOR=heater_bed MINIMUM=59", False),
        ("M140 S60", "TEMPERATURE_WAIT SENSOR=heater_bed MAXIMUM=49", True),
        ("M140 S60", "TEMPERATURE_WAIT SENSOR=heater_bed MAXIMUM=50", False),
        ("M140 S60", "TEMPERATURE_WAIT SENSOR=heater_bed MINIMUM=x", True),
        ("PRINT_START", "TEMPERATURE_WAIT SENSOR=extruder MINIMUM=200", False),
    ],
)
def test_a_wait_that_may_never_end(before: str, wait: str, ever: bool) -> None:
    read = Read("PRINT_START").lines(before, wait)
    assert (waits_for_ever(read.line, read.situation, profile()) is not None) == ever
