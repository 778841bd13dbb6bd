import pytest

from drivers.base import Recovery
from drivers.marlin.faults import RULES
from drivers.octoprint.faults import firmware_fault, reset_fault, stalled_fault, stopped_fault
from gcode.texts import both


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


def test_the_last_lines_of_the_terminal_are_kept_and_bounded() -> None:
    fault = firmware_fault("MAXTEMP triggered", ["Send: M104 S210", "Recv: Error:MAXTEMP triggered"])
    assert fault.code == "max-temperature"
    assert fault.text == "MAXTEMP triggered [Send: M104 S210 | Recv: Error:MAXTEMP triggered]"
    assert len(firmware_fault("MAXTEMP", ["x" * 80] * 5).text) <= 300


@pytest.mark.parametrize("line", [rule.words for rule in RULES if rule.words] + ["Something new went wrong"])
def test_behind_an_octoprint_no_fault_mends_itself(line: str) -> None:
    """It stays disconnected until somebody presses Connect."""
    assert firmware_fault(line).recovery is not Recovery.BY_ITSELF


def test_a_stalled_print_needs_a_hand_and_says_how_long() -> None:
    fault = stalled_fault(900)
    assert (fault.code, fault.recovery) == ("no-progress", Recovery.BY_HAND)
    assert both(fault.text) == (
        "No line of the file was sent for 15 minutes: look at the printer.",
        "Aucune ligne du fichier n'est partie depuis 15 minutes : regardez l'imprimante.",
    )
    assert fault.meaning_en != fault.meaning_fr
    assert fault.action_en != fault.action_fr
