"""The contract: values that drivers share, and that every kind of driver we bring keeps it."""

import dataclasses
import inspect
from urllib.parse import urlsplit

import pytest

from drivers.base import CAPABILITY_PROTOCOLS, Capability, Driver, Fault, PrinterState, PrinterStatus, Temperature
from drivers.errors import Bilingual, DriverError, FirmwareError, note_of
from drivers.registry import open_driver
from gcode.texts import Told

METHODS = [name for name, _ in inspect.getmembers(Driver, inspect.isfunction) if not name.startswith("_")]


@pytest.mark.parametrize("url", ["marlin:///dev/ttyUSB0", "virtual://"])
def test_a_driver_has_every_method_with_the_contract_s_parameters(url: str) -> None:
    driver = open_driver(url, lambda _event: None)
    for name in METHODS:
        ours, theirs = inspect.signature(getattr(driver, name)), inspect.signature(getattr(Driver, name))
        assert list(ours.parameters) == list(theirs.parameters)[1:], name
        assert inspect.iscoroutinefunction(getattr(driver, name)), name
    assert driver.status == PrinterStatus(state=PrinterState.OFFLINE)
    assert driver.info.name == urlsplit(url).scheme


def test_a_new_printer_is_offline_and_unknown() -> None:
    assert PrinterStatus() == PrinterStatus(PrinterState.OFFLINE, None, None, None, None, None, None, None, None)


def test_values_do_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Temperature(20.0, 0.0).actual_c = 5.0  # type: ignore[misc]  # that is the test


def test_words_on_the_wire_are_kebab_case() -> None:
    for word in [*PrinterState, *Capability]:
        assert word.value == word.value.lower().replace("_", "-")


def test_a_driver_error_says_what_is_wrong_and_what_to_do() -> None:
    error = DriverError("The cable is out.", next_step="Plug it in.")
    assert str(error) == "The cable is out. Plug it in."


def test_a_firmware_error_carries_the_record() -> None:
    fault = Fault("killed", "Error:Printer halted.", "m", "m", "a", "a")
    error = FirmwareError(fault, next_step="Reset it.")
    assert error.fault is fault
    assert "Printer halted" in str(error)
    ours = Fault("chatter", Told("chatter", "line 5", "ligne 5"), "m", "m", "a", "a")
    assert FirmwareError(ours, next_step="Reset it.").detail_fr == "L'imprimante signale : ligne 5"


def test_a_driver_error_speaks_both_languages_and_english_stands_for_both_when_there_is_no_french() -> None:
    both = DriverError(
        Bilingual("The cable is out.", "Le câble est débranché."), next_step=Bilingual("Plug it in.", "Branchez-le.")
    )
    assert both.bilingual == ("The cable is out. Plug it in.", "Le câble est débranché. Branchez-le.")
    assert DriverError("Broken.", next_step="Mend it.").bilingual == ("Broken. Mend it.", "Broken. Mend it.")


def test_each_optional_capability_names_a_method_of_its_protocol() -> None:
    for capability, (method, protocol) in CAPABILITY_PROTOCOLS.items():
        assert callable(getattr(protocol, method)), capability


def test_a_note_of_ours_is_in_both_languages_and_the_machine_s_own_words_stay_as_they_are() -> None:
    assert note_of(Bilingual("Off.", "Éteinte.")) == ("Off.", "Éteinte.")
    assert note_of(Told("off", "Off.", "Éteinte.")) == ("Off.", "Éteinte.")
    assert note_of("LCD status changed") == ("LCD status changed", None)
    assert note_of(None) == (None, None)
