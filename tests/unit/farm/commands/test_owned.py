from pathlib import Path

import pytest

from drivers.discovery.mdns import FoundOctoPrint
from drivers.marlin import ports
from farm.commands import owned
from farm.commands.owned import OwnPrinters, configuration
from farm.config import PrinterSection
from farm.errors import ConfigurationError
from tests.unit.drivers.marlin.devices import CH340, Machine


def _own(**urls: str) -> OwnPrinters:
    return OwnPrinters(PrinterSection(name=name, url=url, profile="generic-210") for name, url in urls.items())


def _found(addresses: tuple[str, ...] = ("192.168.1.7",), port: int = 80, path: str = "") -> FoundOctoPrint:
    return FoundOctoPrint("A", None, None, "octopi.local", addresses, port, path, guarded=False)


def test_a_port_is_ours_by_any_of_its_names(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    device = machine.plug("ttyUSB0", "1.2", CH340)
    (port,) = ports.scan(machine.tree)
    for name in (str(device), port.device, str(machine.tree.by_id / CH340.id_name)):
        assert _own(ender=f"marlin://{name}?baud=250000").at_port(port) == "ender"
    assert _own(other="marlin:///dev/ttyUSB7", octo="octoprint+http://192.168.1.7").at_port(port) is None


@pytest.mark.parametrize(
    ("url", "found", "ours"),
    [
        ("octoprint+http://octopi.local?key_file=/k", _found(), True),
        ("octoprint+http://OctoPi.local/?key_file=/k", _found(), True),
        ("octoprint+http://192.168.1.7:80", _found(), True),
        ("octoprint+http://192.168.1.7:5000", _found(), False),
        ("octoprint+http://192.168.1.7:5000", _found(port=5000), True),
        ("octoprint+http://192.168.1.7/octo", _found(), False),
        ("octoprint+http://192.168.1.7/octo/", _found(path="/octo"), True),
        ("octoprint+http://[fd00::7]", _found(("fd00::7",)), True),
        ("octoprint+http://other.local", _found(), False),
        ("marlin:///dev/ttyUSB0", _found(), False),
        ("octoprint+http://host:99999999", _found(), False),
    ],
)
def test_an_octoprint_is_ours_by_address_port_and_path(url: str, found: FoundOctoPrint, ours: bool) -> None:
    assert _own(a=url).at_octoprint(found) == ("a" if ours else None)


def test_the_same_printer_under_another_url(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/dev/null")
    own = _own(a=f"marlin://{tmp_path}/link", b="octoprint+http://octopi.local?key_file=/a", c="virtual://?speed=2")
    assert own.same_as("marlin:///dev/null?baud=9600") == "a"
    assert own.same_as("octoprint+https://octopi.local:80?key_file=/b") == "b"
    assert own.same_as("octoprint+http://octopi.local:5000") is None
    assert own.same_as("virtual://?speed=2") is None, "each is another one"
    assert own.same_as("marlin:///dev/zero") is None


def test_names_are_the_same_in_any_case() -> None:
    assert _own(Ender="virtual://").named("ENDER")
    assert not _own(Ender="virtual://").named("Ender 2")


def test_the_usual_place_of_the_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owned, "USUAL", (tmp_path / "a.toml", tmp_path / "b.toml"))
    assert configuration(None) is None
    assert OwnPrinters.read(None).named("x") is False
    (tmp_path / "b.toml").write_text('[[printers]]\nname = "x"\nurl = "virtual://"\nprofile = "generic-210"\n')
    assert configuration(None) == tmp_path / "b.toml"
    assert configuration(tmp_path / "c.toml") == tmp_path / "c.toml"
    assert OwnPrinters.read(None).named("x")
    with pytest.raises(ConfigurationError):
        OwnPrinters.read(tmp_path / "c.toml")
