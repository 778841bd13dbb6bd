"""Every line that real Marlin was recorded to say is understood. The recordings are not part of the project."""

import re
from pathlib import Path

import pytest

from drivers.marlin.faults import recognise
from drivers.marlin.identity import Identity
from drivers.marlin.lines import frame
from drivers.marlin.replies import Kind, temperatures, understand
from tests import shared_data

FOLDER = shared_data.FOLDER / "marlin_transcripts"
FILES = sorted(FOLDER.glob("*.txt")) if FOLDER.is_dir() else []
FAULTS = {
    "heating_failed": "heating-failed",
    "bed_heating_failed": "heating-failed",
    "m112": "emergency-stop",
    "m85": "inactivity-kill",
    "maxtemp": "max-temperature",
    "mintemp": "min-temperature",
    "thermal_runaway": "thermal-runaway",
}
pytestmark = pytest.mark.skipif(not FILES, reason="the recordings are not on this machine")


def _heard(path: Path) -> list[str]:
    return [line[2:] for line in path.read_text().splitlines() if line.startswith("< ")]


def _said(path: Path) -> list[str]:
    return [line[2:] for line in path.read_text().splitlines() if line.startswith("> ")]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_line_has_its_meaning(path: Path) -> None:
    for line in _heard(path):
        reply = understand(line)
        if line.startswith("ok"):
            assert reply.kind is Kind.OK, line
        if line.startswith("Error:"):
            assert reply.kind is Kind.REJECTED or recognise(line) is not None, line
        if " T:" in line:
            assert set(temperatures(line)) == {"T", "B"}, line
        if "busy" in line:
            assert reply.kind in {Kind.BUSY, Kind.USER_WAIT}, line
        if line == "start":
            assert reply.kind is Kind.START


@pytest.mark.parametrize("path", [path for path in FILES if "_fault_" in path.stem], ids=lambda path: path.stem)
def test_the_first_fault_line_names_the_fault(path: Path) -> None:
    found = [rule.code for line in _heard(path) if (rule := recognise(line))]
    assert found[0] == FAULTS[path.stem.partition("_fault_")[2]]


@pytest.mark.parametrize("path", [path for path in FILES if "_fault_" not in path.stem], ids=lambda path: path.stem)
def test_a_good_day_has_no_fault_but_cold_extrusion(path: Path) -> None:
    assert {rule.code for line in _heard(path) if (rule := recognise(line))} <= {"cold-extrusion"}


@pytest.mark.parametrize("path", [path for path in FILES if path.stem.endswith("identify")], ids=lambda path: path.stem)
def test_real_marlin_is_identified(path: Path) -> None:
    identity = Identity(until_s=10.0)
    lines = _heard(path)
    first = next(index for index, line in enumerate(lines) if line.startswith("FIRMWARE_NAME"))
    assert any(identity.learn(understand(line), 0.0) for line in lines[first:])
    assert identity.firmware is not None
    assert identity.firmware.startswith("Marlin bugfix-2.1.x")
    assert identity.reports
    assert not identity.has_card


@pytest.mark.parametrize("path", [path for path in FILES if path.stem.endswith("noisy_stream")], ids=lambda path: path.stem)
def test_our_frames_are_those_that_real_marlin_took(path: Path) -> None:
    numbered = [line for line in _said(path) if re.match(r"N\d+ ", line)]
    assert len(numbered) > 60
    for line in numbered:
        number, _, rest = line[1:].partition(" ")
        command = rest.rpartition("*")[0].encode()
        assert frame(int(number), command).decode().rstrip() == line
