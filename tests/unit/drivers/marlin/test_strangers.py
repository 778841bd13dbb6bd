import random

import pytest

from drivers.errors import NotAPrinterError
from drivers.marlin.strangers import HEARD_CHARACTERS, excerpt, is_noise, is_text, not_a_printer, printable_share, recognise

NOISE = random.Random(1).randbytes(500)


@pytest.mark.parametrize(
    ("heard", "code"),
    [
        (b"", "silent"),
        (b"\0\0\r\n", "silent"),
        (NOISE, "noise"),
        (b"\xff\xfe\x81\x90\xaa\xbb\xcc\xdd", "noise"),
        (b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47\r\n", "gps"),
        (b"$GNRMC,,V,,,,,,,,,,N*4D\r\n", "gps"),
        (b"\r\nERROR\r\n", "modem"),
        (b"M115\r\r\nERROR\r\n", "modem"),
        (b"AT+CGMI\r\n", "modem"),
        (b"M115\nM115\n", "echo"),
        (b"Grbl 1.1h ['$' for help]\r\nerror:20\r\n", "grbl"),
        (b"ets Jul 29 2019 12:21:46\r\nrst:0x1 (POWERON_RESET)\r\n", "esp"),
        (b"\x05\x11\xb4\x2a\x7e\x05\x11\xb4\x2a\x7e", "klipper"),
        (b"ok FIRMWARE_VERSION:v0.11 FIRMWARE_NAME:Klipper\n", "klipper"),
        (b"FIRMWARE_NAME:Smoothieware, FIRMWARE_URL:http%3A//smoothieware.org\nok\n", "dialect"),
        (b"temperature=21.5 humidity=40\r\ntemperature=21.6 humidity=40\r\n", "text"),
        (b"512\n513\n511\n", "text"),
    ],
)
def test_a_stranger_is_known_by_what_it_says(heard: bytes, code: str) -> None:
    assert recognise(heard).code == code


@pytest.mark.parametrize("code", ["modem", "gps"])
def test_only_the_newest_counts(code: str) -> None:
    heard = b"$GPGGA,1,2*47\r\n" + b"x" * 4000 + b"\r\nERROR\r\n"
    assert (recognise(heard).code == code) is (code == "modem")


def test_only_what_no_starting_printer_says_is_certain() -> None:
    for heard, certain in (
        (b"\r\nERROR\r\n", True),
        (b"$GPGGA,1,2*47\r\n", True),
        (b"Grbl 1.1h ['$' for help]\r\n", True),
        (b"FIRMWARE_NAME:Klipper\n", True),
        (b"ets Jul 29 2019 12:21:46\r\nrst:0x1\r\n", False),  # some printers' boards are ESP32
        (b"echo:Marlin starts\n", False),
        (b"M115\nM115\n", False),
        (b"\x05\x11\xb4\x2a\x7e" + NOISE, False),  # once may be chance
        (NOISE, False),
        (b"", False),
    ):
        assert recognise(heard).certain is certain, heard


def test_who_hears_nothing_is_told_of_the_reset() -> None:
    """A board that M112 or a fault has stopped is as silent as one that is off."""
    for text in recognise(b"").next_step:
        assert "M112" in text
        assert "reset" in text


def test_text_and_noise_are_told_apart() -> None:
    assert is_text(b"echo:Marlin 2.1.2\n")
    assert is_text(b"\x00echo:Marlin 2.1.2\n"), "a line that was cut"
    assert not is_text(b"echo:Marlin 2.1.2"), "no line end yet"
    assert is_text(NOISE[:20] + b"\nM115\nM115\n"), "what came before the speed was right"
    assert recognise(NOISE[:20] + b"\nM115\nM115\n").code == "echo"
    assert not is_text(NOISE)
    assert is_noise(NOISE)
    assert not is_noise(NOISE[:4]), "too little to know"
    assert printable_share(b"") == 1.0
    assert 0.2 < printable_share(NOISE) < 0.6


def test_what_was_heard_is_short_and_printable() -> None:
    assert excerpt(b"one\r\ntwo\r\n") == "one | two"
    assert excerpt(b"\x1b[2Jx\n") == "\\x1b[2Jx"
    assert excerpt(b'echo:Unknown command: "M587 S"home" P"hunter2""\n') == 'echo:Unknown command: "M587 ***'
    for heard in (NOISE, b"x" * 5000, b"line\n" * 500, b"a" * 79 + b"\n" + b"b" * 79 + b"\n"):
        assert 0 < len(excerpt(heard)) <= HEARD_CHARACTERS
        assert excerpt(heard).isprintable()
    assert excerpt(b"") == ""
    assert excerpt(b"ERROR\nM115\nERROR\nM115\nERROR\n") == "M115 | ERROR", "each line once"


@pytest.mark.parametrize("heard", [b"", NOISE, b"$GPGGA,1,2*47\r\n", b"\r\nERROR\r\n", b"M115\n", b"512\n513\n"])
def test_each_error_has_both_languages_and_a_next_step(heard: bytes) -> None:
    error = not_a_printer("/dev/ttyUSB0", heard, [115_200, 250_000])
    assert isinstance(error, NotAPrinterError)
    assert "/dev/ttyUSB0" in error.detail
    assert "/dev/ttyUSB0" in error.detail_fr
    assert "115200, 250000" in error.detail
    assert error.detail != error.detail_fr
    assert error.next_step
    assert error.next_step != error.next_step_fr
    if heard:
        assert f"“{excerpt(heard)}”" in error.detail
        assert excerpt(heard) in error.detail_fr


@pytest.mark.parametrize("heard", [b"", NOISE])
def test_a_speed_that_a_person_gave_may_be_the_wrong_one(heard: bytes) -> None:
    alone = not_a_printer("/dev/ttyUSB0", heard, [115_200])
    assert alone.next_step.startswith("Leave ?baud= out")
    assert alone.next_step_fr.startswith("Enlevez ?baud=")
    assert "Leave ?baud= out" not in not_a_printer("/dev/ttyUSB0", heard, [115_200, 250_000]).next_step
