import json

import pytest
from typer.testing import CliRunner

from drivers.marlin import ports
from drivers.marlin.ports import SerialPort
from farm.cli import build
from farm.errors import FarmError
from tests.unit.farm.commands.conftest import Farm

FOUND = [
    SerialPort("/dev/serial/by-id/usb-Prusa", "/dev/ttyACM0", "Original Prusa", "Prusa", True),
    SerialPort("/dev/ttyS0", "/dev/ttyS0", "ttyS0", None, False),
]


def _scan(monkeypatch: pytest.MonkeyPatch, found: list[SerialPort], *options: str) -> str:
    monkeypatch.setattr(ports, "scan", lambda: found)
    result = CliRunner().invoke(build(), ["printers", "scan", *options])
    assert result.exit_code == 0
    return result.stdout


def test_ports_are_listed_with_the_url_to_use(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = _scan(monkeypatch, FOUND).splitlines()
    assert lines[0] == "marlin:///dev/serial/by-id/usb-Prusa"
    assert "looks like a printer" in lines[1]
    assert lines[2] == "marlin:///dev/ttyS0"
    assert "probably no printer" in lines[3]
    assert "farm try" in lines[4]


def test_without_ports_the_next_step_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Plug the printer's USB cable in" in _scan(monkeypatch, [])


def test_json_is_one_object_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [json.loads(line) for line in _scan(monkeypatch, FOUND, "--json").splitlines()]
    assert [row["url"] for row in rows] == ["marlin:///dev/serial/by-id/usb-Prusa", "marlin:///dev/ttyS0"]
    assert rows[0]["likely"] is True


def test_json_without_ports_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _scan(monkeypatch, [], "--json") == ""


def test_a_printer_that_is_gone_is_forgotten(farm: Farm) -> None:
    refused = farm.run("printers", "remove", "Atelier 1", "--yes").exception
    assert isinstance(refused, FarmError)
    assert refused.code == "printer-in-use"
    farm.control.change_printer("prn-1", online=False)
    assert farm.run("printers", "remove", "Atelier 1").exit_code == 1  # nobody answered
    assert farm.run("printers", "remove", "atelier 1", "--yes").stdout == (
        "Atelier 1 is forgotten. If its node reports it again, it is back.\n"
    )
    assert farm.control.printers() == []
