import pytest

from drivers.base import Temperature
from drivers.marlin.job import Position
from drivers.marlin.replies import Kind, extruders, firmware_name, position, temperatures, understand

# Lines as real Marlin sent them
LINES = [
    ("ok", Kind.OK, 0),
    ("ok P15 B3", Kind.OK, 0),
    ("ok N12 P14 B3", Kind.OK, 12),
    ("ok T:25.00 /0.00 B:25.00 /0.00 @:0 B@:0", Kind.OK, 0),
    ("okay", Kind.OTHER, 0),
    ("Error:checksum mismatch, Last Line: 3", Kind.REJECTED, 3),
    ("Error:Line Number is not Last Line Number+1, Last Line: 11", Kind.REJECTED, 11),
    ("Error:No Checksum with line number, Last Line: 5", Kind.REJECTED, 5),
    ("Resend: 4", Kind.RESEND, 4),
    ("rs N5", Kind.RESEND, 5),
    ("echo:busy: processing", Kind.BUSY, 0),
    ("echo:busy: paused for user", Kind.USER_WAIT, 0),
    ("echo:busy: paused for input", Kind.USER_WAIT, 0),
    (" T:28.24 /60.00 B:25.00 /0.00 @:127 B@:0 W:?", Kind.HEATING, 0),
    (" T:60.53 /60.00 B:25.00 /0.00 @:15 B@:0 W:0", Kind.HEATING, 0),
    (" T:25.00 /0.00 B:25.00 /0.00 @:0 B@:0", Kind.REPORT, 0),
    ("X:10.00 Y:210.00 Z:20.00 E:8.00 Count X:800 Y:16800 Z:8000", Kind.POSITION, 0),
    ("start", Kind.START, 0),
    ("\ufffd\x00start", Kind.START, 0),
    ("//action:paused filament_runout 0", Kind.ACTION, 0),
    ("FIRMWARE_NAME:Marlin bugfix-2.1.x (Nov 21) SOURCE_CODE_URL:github.com", Kind.FIRMWARE, 0),
    ("Cap:AUTOREPORT_TEMP:1", Kind.CAPABILITY, 1),
    ("Cap:SDCARD:0", Kind.CAPABILITY, 0),
    ("SD printing byte 123/12345", Kind.SD, 1),
    ("Not SD printing", Kind.SD, 0),
    ('echo:Unknown command: "M73 P10"', Kind.OTHER, 0),
    ("Error:Printer halted. kill() called!", Kind.OTHER, 0),
    ("echo:Marlin, please start", Kind.OTHER, 0),
    ("please start", Kind.OTHER, 0),
]


@pytest.mark.parametrize(("line", "kind", "number"), LINES)
def test_understand(line: str, kind: Kind, number: int) -> None:
    reply = understand(line)
    assert (reply.kind, reply.number) == (kind, number)


def test_echoed_text_is_never_believed() -> None:
    assert understand('echo:Unknown command: "M117 Last Line: 3"').kind is Kind.OTHER
    assert understand("echo:Resend: 5").kind is Kind.OTHER


def test_temperatures() -> None:
    assert temperatures("ok T:201.34 /210.00 B:59.90 /60.00 @:0 B@:0") == {
        "T": Temperature(201.34, 210.0),
        "B": Temperature(59.9, 60.0),
    }


def test_temperatures_of_two_nozzles_are_those_of_the_active_one() -> None:
    assert temperatures("T:190.0 /195.0 B:50 /50 T0:20.0 /0.0 T1:190.0 /195.0")["T"] == Temperature(190.0, 195.0)


def test_a_sensor_that_is_open_reads_below_zero() -> None:
    assert temperatures(" T:-15.00 /0.00 B:25.00 /0.00")["T"] == Temperature(-15.0, 0.0)


def test_position() -> None:
    assert position("X:10.00 Y:210.00 Z:20.05 E:-8.00 Count X:800 Y:1 Z:2") == Position(10.0, 210.0, 20.05, -8.0)
    assert position("X:1.0.0 Y:2 Z:3 E:4") is None


def test_firmware() -> None:
    line = "FIRMWARE_NAME:Marlin bugfix-2.1.x (Nov 21 2026 19:45:39) SOURCE_CODE_URL:github.com/x EXTRUDER_COUNT:2 UUID:c"
    assert firmware_name(line) == "Marlin bugfix-2.1.x (Nov 21 2026 19:45:39)"
    assert extruders(line) == 2
    assert firmware_name("FIRMWARE_NAME:Klipper FIRMWARE_VERSION:v0.12") == "Klipper"


@pytest.mark.parametrize(("line", "count"), [("", 1), ("EXTRUDER_COUNT:0", 1), ("EXTRUDER_COUNT:4000", 8)])
def test_the_number_of_nozzles_is_limited(line: str, count: int) -> None:
    assert extruders(line) == count


@pytest.mark.parametrize(
    "line", ["Resend: {}", "Error:checksum mismatch, Last Line: {}", "T:{} /0", "X:{} Y:0 Z:0 E:0", "B:{}.0 /0"]
)
def test_numbers_without_end_break_nothing(line: str) -> None:
    text = line.format("9" * 5000)
    understand(text)
    assert all(abs(told.actual_c) < 1e6 for told in temperatures(text).values())
    assert position(text) is None
