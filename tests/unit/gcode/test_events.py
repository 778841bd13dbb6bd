"""What lines say that are no moves, one by one."""

from dataclasses import replace
from io import BytesIO

import pytest

from gcode.claims import Claims
from gcode.events import FEATURE, FIRST_LAYER, LAYER, LIMITS, STOP, EventReader, says_nothing
from gcode.facts import ThumbnailFacts
from gcode.machine import Machine
from gcode.profile import PrinterProfile
from gcode.reader import parse_line, read_lines
from gcode.survey import survey
from tests.unit.gcode.samples import profile

QUICK = replace(profile(), heating_c_s=10, bed_heating_c_s=1, homing_s=30, probing_s=50)


class Reading:
    """An EventReader with the machine that obeys first."""

    def __init__(self, flavour: str = "marlin", printer: PrinterProfile = QUICK) -> None:
        found = survey(BytesIO(b""), replace(printer, flavour=flavour))
        self.machine: Machine = found.machine()
        self.events = EventReader(self.machine, found)

    def read(self, text: str) -> list[int]:
        changes = []
        for line in read_lines(BytesIO(text.encode())):
            if line.code:
                self.machine.apply(line)
            changes.append(self.events.feed(line))
        return changes


def read(text: str, flavour: str = "marlin") -> EventReader:
    reading = Reading(flavour)
    reading.read(text)
    return reading.events


def test_maximum_temperatures_by_tool() -> None:
    events = read("M104 S200\nM104 T1 S250\nM109 R210\nM104 S0\nM140 S60\nM190 R80\nM141 S40\nM191 S35\n")
    assert events.max_nozzle_c == {0: 210, 1: 250}
    assert (events.max_bed_c, events.max_chamber_c) == (80, 40)


def test_a_temperature_without_a_figure_changes_nothing() -> None:
    reading = Reading()
    reading.read("M104 S200\nM104 F1\nM140 S60\nM140\n")
    assert (reading.machine.nozzle_c, reading.machine.bed_c) == ({0: 200}, 60)


def test_heating_is_the_time_from_the_temperature_before() -> None:
    """10 C/s from 20 C; then only the way from 200 to 230, after cooling again all of it."""
    assert read("M109 S220\n").heating_s == pytest.approx(20)
    assert read("M109 S200\nM109 S230\n").heating_s == pytest.approx(18 + 3)
    assert read("M109 S200\nM104 S100\nM109 S200\n").heating_s == pytest.approx(18 + 10)
    assert read("M109 S200\nM109 S200\n").heating_s == pytest.approx(18)


def test_a_heater_goes_on_while_the_machine_waits_for_another() -> None:
    """The bed needs 40 s; the nozzle is ready long before."""
    assert read("M104 S220\nM190 S60\nM109 S220\n").heating_s == pytest.approx(40)
    assert read("M190 S60\nM109 S220\n").heating_s == pytest.approx(60)
    assert read("M140 S60\nG28\nM190 S60\n").heating_s == pytest.approx(10), "30 s of homing heated it"
    assert read("M140 S60\nG4 S15\nM190 S60\n").heating_s == pytest.approx(25)


def test_homing_and_probing_are_allowances() -> None:
    events = read("G28\nG29\nG28 X\nG80\n")
    assert events.homing_s == 30 + 50 + 30 + 50
    assert read("BED_MESH_CALIBRATE\n", "klipper").homing_s == 50
    assert read("G29 P1\nG29 P3.2\nG29 A\n").homing_s == 50, "only P1 probes"


def test_griffin_heats_and_homes_before_the_file_begins() -> None:
    header = (
        ";START_OF_HEADER\n;FLAVOR:Griffin\n;EXTRUDER_TRAIN.0.INITIAL_TEMPERATURE:220\n"
        ";BUILD_PLATE.INITIAL_TEMPERATURE:60\n;END_OF_HEADER\n"
    )
    events = read(header)
    assert (events.max_nozzle_c, events.max_bed_c) == ({0: 220}, 60)
    assert events.homing_s == 30
    assert events.heating_s == pytest.approx(10), "homing gave the bed 30 of its 40 s"
    assert read(header.replace("Griffin", "Marlin")).max_nozzle_c == {}


@pytest.mark.parametrize(
    ("text", "flavour", "speed"),
    [
        ("M106 S255", "marlin", 1.0),
        ("M106", "marlin", 1.0),
        ("M106 S51\nM106 S25.5\nM107", "marlin", 0.2),
        ("M106 S0.5", "reprapfirmware", 0.5),
        ("M106 S127.5", "reprapfirmware", 0.5),
        ("M106 S999", "marlin", 1.0),
        ("SET_FAN_SPEED FAN=aux SPEED=0.7", "klipper", 0.7),
        ("M107", "marlin", 0.0),
    ],
)
def test_the_fastest_fan(text: str, flavour: str, speed: float) -> None:
    assert read(text, flavour).max_fan == pytest.approx(speed)


def test_least_and_most_flow() -> None:
    assert read("G28\n").flow_percent == (100, 100)
    assert read("M221 S95\nM221 S107\nM221 S100\n").flow_percent == (95, 107)


def test_changes_of_limits_are_told_once() -> None:
    reading = Reading()
    assert reading.read("M204 P500\nM204 P500\nM201 X90\nM205 J0.02\nM900 K1\n") == [LIMITS, 0, LIMITS, LIMITS, 0]
    limits = reading.events.limits
    assert (limits.print_acceleration_mm_s2, limits.acceleration_mm_s2[0], limits.junction) == (500, 90, "deviation")


def test_limits_in_the_units_of_the_flavour() -> None:
    assert read("M203 X600\nM566 X120\n", "reprapfirmware").limits.speed_mm_s[0] == pytest.approx(10)
    assert read("M566 X120\n", "reprapfirmware").limits.jerk_mm_s[0] == pytest.approx(2)
    assert read("M566 X120\n").limits.jerk_mm_s == read("").limits.jerk_mm_s
    klipper = read("M203 X1\nM204 S2500\nSET_VELOCITY_LIMIT SQUARE_CORNER_VELOCITY=8\n", "klipper").limits
    assert klipper.speed_mm_s == read("", "klipper").limits.speed_mm_s
    assert (klipper.travel_acceleration_mm_s2, klipper.corner_mm_s, klipper.junction) == (2500, 8, "corner")


@pytest.mark.parametrize(
    "line", ["G28", "G29", "M400", "M109 S200", "M190 S60", "M191 S1", "M0", "M600", "M601", "T1", "M116", "PAUSE"]
)
def test_what_stops_the_machine(line: str) -> None:
    reading = Reading()
    assert reading.read(line) == [STOP]
    assert reading.events.dwell_s == 0


@pytest.mark.parametrize("line", ["T0", "M104 S200", "G92 E0", "M117 T1", "M82", "G21", "TIMELAPSE_TAKE_FRAME"])
def test_what_does_not(line: str) -> None:
    assert Reading().read(line) == [0]


@pytest.mark.parametrize(("line", "seconds"), [("G4 S2", 2), ("G4 P500", 0.5), ("G4 S1 P500", 1), ("G4 S-5", 0), ("G4", 0)])
def test_dwell(line: str, seconds: float) -> None:
    reading = Reading()
    assert reading.read(line) == [STOP]
    assert reading.events.dwell_s == seconds


def test_marks_of_layers_and_the_stronger_kind() -> None:
    reading = Reading()
    first = LAYER | FIRST_LAYER
    assert reading.read(
        "; layer 1, Z = 0.2\n; layer 2\n;AFTER_LAYER_CHANGE\n;LAYER_CHANGE\n;AFTER_LAYER_CHANGE\n;LAYER_CHANGE\n"
    ) == [
        first,
        LAYER,
        first,
        first,
        0,
        LAYER,
    ]
    assert reading.read(";LAYER:7\n") == [0], "of equal rank the first kind counts"


def test_features() -> None:
    reading = Reading()
    assert reading.read(";TYPE:Skirt\n;TYPE:Skirt\n;TYPE:Infill\n") == [FEATURE, 0, FEATURE]
    assert reading.events.feature == "Infill"


def test_a_picture_begins_with_the_line_after_its_mark() -> None:
    events = read("G28\n; thumbnail_JPG begin 16x8 40\n; AAAA\n; thumbnail end\n")
    assert events.thumbnails == [ThumbnailFacts("jpg", 16, 8, len("G28\n; thumbnail_JPG begin 16x8 40\n"), 30)]


def test_only_so_many_pictures() -> None:
    assert len(read("; thumbnail begin 1x1 4\n; AAAA\n" * 100).thumbnails) == 64


def test_pauses() -> None:
    assert read("M0\nM1\nM25\nM226\nM600\nM601\nG4 S1\nM109 S1\n").pauses == 6
    assert read("PAUSE\n").pauses == 1


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("M486 T3\nM486 S0\n", 3),
        ("M486 S0\nM486 S4\nM486 S-1\n", 5),
        ("M486 Acube12345678901\n", 0),
        ("EXCLUDE_OBJECT_DEFINE NAME=a\nEXCLUDE_OBJECT_DEFINE NAME=b POLYGON=[[1,2],[3,4]]\nEXCLUDE_OBJECT_START NAME=a\n", 2),
        ("M486 T99999999\n", 0),
        ("; printing object a b.stl id:0 copy 0\n; stop printing object a b.stl id:0 copy 0\n", 1),
        ("; printing object a id:0 copy 0\n; printing object a id:0 copy 1\n; printing object a id:0 copy 0\n", 2),
        ("M486 S1\n; printing object a id:0 copy 0\nEXCLUDE_OBJECT_DEFINE NAME=a_id_0_copy_0\n", 2),
        ("; printing object a\n; printing objects now\n", 0),
    ],
)
def test_named_parts(text: str, count: int) -> None:
    assert read(text).objects == count


def test_words_that_only_one_firmware_knows() -> None:
    assert read("SET_FAN_SPEED FAN=a SPEED=1\n").flavour_seen == "klipper"
    assert read("M566 X1\n", "reprapfirmware").flavour_seen == "reprapfirmware"
    assert read("G28\nM204 S1\n").flavour_seen is None


def test_klippers_heaters() -> None:
    events = read(
        "SET_HEATER_TEMPERATURE HEATER=extruder1 TARGET=240\nSET_HEATER_TEMPERATURE HEATER=heater_bed TARGET=70\n"
        "SET_HEATER_TEMPERATURE HEATER=chamber TARGET=50\nTURN_OFF_HEATERS\n",
        "klipper",
    )
    assert (events.max_nozzle_c, events.max_bed_c, events.max_chamber_c) == ({1: 240}, 70, 50)
    assert (events.machine.nozzle_c, events.machine.bed_c, events.machine.chamber_c) == ({1: 0}, 0, 0)


def test_defects_are_counted_and_obeyed_by_nobody_but_their_comments_are_read() -> None:
    events = read("M104 S99999999 ;TYPE:Skirt\nblah blah\n\x00\n")
    assert (events.unreadable, events.max_nozzle_c, events.feature) == (3, {}, "Skirt")


def test_a_line_may_be_fed_twice_to_machine_and_events_without_harm() -> None:
    reading = Reading()
    reading.events.feed(parse_line(b"M104 S200"))
    assert reading.machine.nozzle_c == {0: 200}


SILENT = ("", "; perimeter", ";WIDTH:0.45", "M107", "M73 P5", "G92 E0", "M115 ; x")
TELLING = (
    ";TYPE:Skirt",
    ";LAYER:3",
    "; thumbnail begin 1x1 4",
    ";TIME:5",
    ";END_OF_HEADER",
    "M104 S200",
    "M204 S5",
    "T1",
    "M107 ;LAYER:3",
    "\x01",
)


@pytest.mark.parametrize("text", [*SILENT, *TELLING])
def test_a_line_that_says_nothing_changes_nothing_but_what_is_counted(text: str) -> None:
    line = parse_line(text.encode())
    assert says_nothing(line) is (text in SILENT)
    if text in SILENT:
        reading = Reading()
        assert reading.events.feed(line) == 0
        assert reading.events.claims == Claims()
        assert (reading.events.limits, reading.events.unreadable) == (reading.events.survey.limits, 0)


def test_a_picture_begins_with_the_next_line() -> None:
    reading = Reading()
    awaited = []
    for line in (parse_line(b"; thumbnail begin 1x1 4"), parse_line(b"", 2, 77)):
        reading.events.feed(line)
        awaited.append(reading.events.awaits_picture)
    assert awaited == [True, False]
    assert [picture.offset for picture in reading.events.thumbnails] == [77]
