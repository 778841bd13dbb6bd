"""A good file with zeros behind it, as a power cut leaves it: every reader says that it is not text, none that a line is long."""

from io import BytesIO

import pytest

from gcode.checks import check
from gcode.profile import bundled_profiles
from gcode.scan.engine import scan
from gcode.scan.kernel import KernelParser, KernelPlanning, Library
from gcode.survey import survey
from tests.unit.gcode.samples import SMALL
from tests.unit.gcode.scan.compiled import build_kernel
from tests.unit.gcode.scan.programs import numpy_stages

PRINTER = bundled_profiles()["generic-210"]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return Library(build_kernel(tmp_path_factory.mktemp("kernel")))


@pytest.mark.parametrize("zeros", [1, 256, 257, 4096, 700_000])
@pytest.mark.parametrize("before", [SMALL, SMALL.rstrip("\n"), SMALL + "G1 X1"])
def test_zeros_behind_are_no_long_command(zeros: int, before: str, library: Library) -> None:
    program = before.encode() + bytes(zeros)
    found = [check(BytesIO(program), PRINTER)]
    for stages in (numpy_stages(), (KernelParser(library), KernelPlanning(library))):
        stream = BytesIO(program)
        found += scan(stream, survey(stream, PRINTER), [PRINTER], stages).reports
    for report in found:
        assert report.verdict == "reject"
        ids = {finding.rule.id for finding in report.findings}
        assert "not-text" in ids
        assert "line-too-long" not in ids
        assert report.findings == found[0].findings
