from pathlib import Path
from types import SimpleNamespace

import pytest

from drivers.marlin import ports


def _port(device: str, **attributes: object) -> SimpleNamespace:
    plain = {"device": device, "name": Path(device).name, "description": "n/a", "vid": None, "serial_number": None}
    return SimpleNamespace(**{**plain, **attributes})


@pytest.fixture
def links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """by-id and by-path folders, and two devices."""
    monkeypatch.setattr(ports, "BY_ID", tmp_path / "by-id")
    monkeypatch.setattr(ports, "BY_PATH", tmp_path / "by-path")
    for name in ("by-id", "by-path"):
        (tmp_path / name).mkdir()
    for name in ("ttyUSB0", "ttyUSB1"):
        (tmp_path / name).touch()
        (tmp_path / "by-path" / f"usb-{name}").symlink_to(tmp_path / name)
    return tmp_path


def _found(monkeypatch: pytest.MonkeyPatch, *found: SimpleNamespace) -> list[ports.SerialPort]:
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: list(found))
    return ports.scan()


def test_a_printer_is_known_by_its_usb_chip_and_comes_first(links: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = _found(
        monkeypatch,
        _port("/dev/ttyS0", description="ttyS0"),
        _port(str(links / "ttyUSB0"), vid=0x1A86, description="USB Serial"),
    )
    assert (first.chip, first.likely, first.description) == ("CH340", True, "USB Serial")
    assert (second.device, second.chip, second.likely) == ("/dev/ttyS0", None, False)


def test_a_chip_with_a_serial_number_goes_by_its_id(links: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = links / "by-id" / "usb-Prusa_MK3_123"
    link.symlink_to(links / "ttyUSB0")
    (port,) = _found(monkeypatch, _port(str(links / "ttyUSB0"), vid=0x2C99, serial_number="123"))
    assert port.device == str(link)
    assert port.url == f"marlin://{link}"


def test_a_chip_without_a_serial_number_goes_by_its_socket(links: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (links / "by-id" / "usb-1a86_USB_Serial").symlink_to(links / "ttyUSB1")
    (port,) = _found(monkeypatch, _port(str(links / "ttyUSB1"), vid=0x1A86))
    assert port.device == str(links / "by-path" / "usb-ttyUSB1")


def test_without_links_the_kernel_name_must_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "BY_ID", tmp_path / "none")
    monkeypatch.setattr(ports, "BY_PATH", tmp_path / "none")
    assert ports.stable_name("/dev/ttyACM0", "5") == "/dev/ttyACM0"


def test_a_computer_without_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _found(monkeypatch) == []


def test_a_port_without_a_description_has_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    (port,) = _found(monkeypatch, _port("/dev/ttyACM7"))
    assert port.description == "ttyACM7"
