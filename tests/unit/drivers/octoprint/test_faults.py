import pytest

from drivers.octoprint.faults import firmware_fault, reset_fault, stopped_fault


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("Thermal Runaway, system stopped! Heater_ID: bed - Printer halted. kill() called!", "thermal-runaway"),
        ("MAXTEMP triggered, system stopped! Heater_ID: 0", "max-temperature"),
        ("Heating failed, system stopped! Heater_ID: 0", "heating-failed"),
        ("Something new went wrong", "firmware-error"),
    ],
)
def test_lines_have_the_codes_of_the_marlin_driver(line: str, code: str) -> None:
    fault = firmware_fault(line)
    assert (fault.code, fault.text) == (code, line)
    assert fault.action_en.endswith("press Connect in OctoPrint.")
    assert "OctoPrint" in fault.action_fr
    assert fault.meaning_fr != fault.meaning_en


def test_long_lines_are_cut() -> None:
    assert len(firmware_fault("x" * 5000).text) <= 300


def test_a_reset_leaves_octoprint_connected() -> None:
    assert reset_fault().code == "reset"
    assert "Connect" not in reset_fault().action_en


def test_an_emergency_stop() -> None:
    assert stopped_fault().code == "emergency-stop"
    assert stopped_fault().action_en.endswith("press Connect in OctoPrint.")
