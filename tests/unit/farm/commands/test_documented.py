"""The samples of docs/printers.md and docs/gcode.md are what the commands say today."""

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from drivers.base import PrinterState
from drivers.discovery import mdns
from drivers.discovery.mdns import FoundOctoPrint
from drivers.errors import Bilingual
from drivers.marlin import ports
from drivers.marlin.ports import SerialPort
from drivers.octoprint import enrol as enrol_module
from drivers.octoprint.enrol import Enrolment
from drivers.virtual.firmware import Firmware
from drivers.virtual.options import FirmwareOptions
from drivers.virtual.port import VirtualPort
from farm.cli import build
from farm.commands import neighbours, probe
from tests.gcode_files import ROOT
from tests.patience import PATIENCE_S
from tests.unit.farm.commands.conftest import Farm
from tests.unit.farm.commands.scripted import Bench

_TRANSCRIPT = re.compile(r"\d+ lines of transcript")
UUID = "00000000-0000-4000-8000-000000000001"  # of the first printer of python -m drivers.virtual
BY_ID = "/dev/serial/by-id/usb-Prusa_Research_CZPX0620-if00"
PRUSA = SerialPort(BY_ID, "/dev/ttyACM0", "Original Prusa i3 MK3", "Prusa Research", True, "CZPX0620", (BY_ID,))
UART = SerialPort("/dev/ttyS0", "/dev/ttyS0", "ttyS0", None, False)
OCTOPI = FoundOctoPrint(
    "Atelier 7", "ed1473aa-6bc3-4bd6-92d4-14121c18a720", "1.11.8", "octopi.local", ("192.168.1.7",), 80, "", guarded=False
)


def sample(document: str, beginning: str) -> tuple[list[str], list[str]]:
    """The words of the command that begins so, and the lines below it."""
    lines = (ROOT / "docs" / document).read_text("utf-8").splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith(f"    $ farm {beginning}"))
    below = []
    for line, following in zip(lines[first + 1 :], [*lines[first + 2 :], ""], strict=True):
        within = not line and following.startswith("    ") and not following.startswith("    $")
        if not line.startswith("    ") and not within:
            break
        below.append(line[4:])
    return shlex.split(lines[first].removeprefix("    $ farm ")), below


def is_as_told(result: Result, told: list[str]) -> None:
    """Each stream in its order, and nothing else; the two may mix on a terminal in any way."""
    assert result.exit_code == 0, result.output
    streams = [[_TRANSCRIPT.sub("N lines", line) for line in text.splitlines()] for text in (result.stderr, result.stdout)]
    shown = [_TRANSCRIPT.sub("N lines", line) for line in told]
    assert sorted(shown) == sorted(streams[0] + streams[1])
    for stream in streams:
        rest = iter(shown)
        assert all(line in rest for line in stream), "in this order"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_settings_of_this_machine: None) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setattr("drivers.marlin.greeting.GREETING_S", 0.05)
    monkeypatch.setattr("farm.commands.gcode_make._PATIENCE_S", PATIENCE_S)  # a crowded machine says more than the samples


@pytest.fixture
def link(tmp_path: Path) -> Iterator[Path]:
    """A virtual printer that is only understood at 250000 baud."""
    path = tmp_path / "ender-1"
    port = VirtualPort(Firmware(FirmwareOptions(uuid=UUID)), speed=60, link=path, strict_baud=250_000)
    yield path
    port.close()


@pytest.mark.parametrize("command", ["probe marlin", "console", 'add "marlin'])
def test_a_real_printer_of_software(command: str, link: Path) -> None:
    words, told = sample("printers.md", f"printers {command}")
    typed = [word.replace("/tmp/ender-1", str(link)) for word in words]
    is_as_told(CliRunner().invoke(build(), typed), [line.replace("/tmp/ender-1", str(link)) for line in told])


def test_scan_with_hardware_that_is_made_up(farm: Farm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FARM_URL", farm.url)
    monkeypatch.setattr(ports, "scan", lambda: [PRUSA, UART])
    monkeypatch.setattr(neighbours, "running", lambda _own: [])  # of this machine
    monkeypatch.setattr(neighbours, "holder_of", lambda _device, _proc: None)
    monkeypatch.setattr(mdns, "find_octoprints", lambda _seconds: [OCTOPI])
    farm.control.add_node("nod-2", name="Atelier")
    farm.control.add_printer("prn-2", "Ruche", node="nod-2", state=PrinterState.PRINTING)
    (tmp_path / "node.toml").write_text(f'[[printers]]\nname = "Ruche"\nurl = "{PRUSA.url}"\nprofile = "prusa-mk3s"\n')
    words, told = sample("printers.md", "printers scan")
    is_as_told(CliRunner().invoke(build(), words), told)


def test_a_key_by_one_click(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Bench(monkeypatch)
    words, told = sample("printers.md", "printers add octoprint")
    invitation = told[0].removeprefix("farm: ")

    def enrol(url: str, file: Path, *, user: str | None = None, tell: Callable[[Bilingual], None]) -> Enrolment:
        assert user is None
        tell(Bilingual(invitation, invitation))
        file.write_text("KEYKEYKEY\n", "ascii")
        return Enrolment(f"{url}?key_file={file}", file, "maker", "1.11.8")

    monkeypatch.setattr(enrol_module, "enrol", enrol)
    monkeypatch.setattr(probe, "_look_at_octoprint", lambda *_: None)
    here = [line.replace("/home/essaim", str(tmp_path)).replace("OctoPrint 1.11.8:", "scripted:") for line in told]
    is_as_told(CliRunner().invoke(build(), words), here)


def test_a_frame_its_facts_and_its_verdicts() -> None:
    for beginning in ("gcode frame", "gcode facts", "gcode check"):
        words, told = sample("gcode.md", beginning)
        is_as_told(CliRunner().invoke(build(), words), told)
