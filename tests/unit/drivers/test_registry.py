import subprocess
import sys
from importlib.metadata import EntryPoint
from urllib.parse import SplitResult

import pytest

from drivers import registry
from drivers.base import EventListener
from drivers.errors import AddressError
from drivers.marlin.printer import MarlinPrinter
from drivers.registry import BUILT_IN, open_driver, schemes


def _nobody(_event: object) -> None:
    """A listener that does not listen."""


def made_elsewhere(parts: SplitResult, listener: EventListener) -> MarlinPrinter:
    """What a third party would register."""
    return MarlinPrinter(f"/dev/{parts.netloc}", 9_600, listener)


def test_a_scheme_makes_its_driver() -> None:
    assert isinstance(open_driver("marlin:///dev/ttyUSB0", _nobody), MarlinPrinter)


@pytest.mark.parametrize("url", ["", "/dev/ttyUSB0", "ftp://host", "marlyn:///dev/ttyUSB0"])
def test_an_unknown_scheme_names_the_known_ones(url: str) -> None:
    with pytest.raises(AddressError) as raised:
        open_driver(url, _nobody)
    for scheme in BUILT_IN:
        assert f"{scheme}://" in raised.value.next_step


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_web_address_is_told_how_to_become_an_octoprint(scheme: str) -> None:
    with pytest.raises(AddressError) as refused:
        open_driver(f"{scheme}://octopi.local/?apikey=hunter2", _nobody)
    for text in refused.value.bilingual:
        assert f"octoprint+{scheme}://" in text
        assert "hunter2" not in text


@pytest.mark.parametrize("url", ["octoprint://hunter2@pi", "octo://pi?apikey=hunter2", "marlin://[hunter2@", "http://hunter2@[pi"])
def test_a_url_that_means_nothing_may_still_hold_a_key(url: str) -> None:
    with pytest.raises(AddressError) as refused:
        open_driver(url, _nobody)
    assert "hunter2" not in " ".join(refused.value.bilingual)


def test_a_malformed_url_is_an_address_error() -> None:
    with pytest.raises(AddressError, match="cannot be read"):
        open_driver("marlin://[half", _nobody)


def test_a_third_party_driver_is_found_by_its_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("delta", f"{__name__}:made_elsewhere", registry.ENTRY_POINT_GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda group: [point] if group == registry.ENTRY_POINT_GROUP else [])
    assert "delta" in schemes()
    driver = open_driver("delta://ttyACM0", _nobody)
    assert isinstance(driver, MarlinPrinter)


def test_no_driver_is_loaded_before_it_is_needed() -> None:
    program = (
        "import sys, drivers.registry\n"
        "loaded = set(sys.modules)\n"
        "assert not loaded & {'serial', 'octorest', 'requests', 'websockets', 'drivers.marlin.printer'}, loaded\n"
        "drivers.registry.open_driver('marlin:///dev/ttyUSB0', print)\n"
        "assert not set(sys.modules) & {'serial', 'octorest', 'requests', 'websockets', 'pydantic'}, sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
