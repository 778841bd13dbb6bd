"""`farm try`: one file on one printer of each kind, without daemon or broker."""

import json
from pathlib import Path

import pytest

from tests.integration.command_line import run_farm
from tests.integration.octoprint_server import OctoPrintServer
from tests.integration.small_program import small_program
from tests.virtual_printers import VirtualPrinters

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("chain")]


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "square.gcode"
    path.write_bytes(small_program())
    return path


def assert_printed(url: str, program: Path) -> None:
    answer = run_farm("try", url, program, "--profile", "generic-210", "--json")
    assert answer.code == 0, answer
    last = json.loads(answer.out.splitlines()[-1])
    assert last["end"] == "done"
    assert last["seconds"] > 0
    assert "printing" in answer.err


def test_on_an_octoprint(octoprint_server: OctoPrintServer, program: Path) -> None:
    octoprint_server.make_ready()
    assert_printed(octoprint_server.printer_url, program)
    octoprint_server.wait_for("Operational")


def test_on_a_marlin_at_a_serial_port(tmp_path: Path, program: Path) -> None:
    with VirtualPrinters(tmp_path, count=1, speed=100.0) as printers:
        assert_printed(f"marlin://{printers.path(1)}", program)
        (truth,) = printers.truth()
        assert truth["parts_finished"] == 1


def test_on_a_virtual_printer(program: Path) -> None:
    assert_printed("virtual://?speed=100", program)
