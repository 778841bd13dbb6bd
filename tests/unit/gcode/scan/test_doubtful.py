"""Moves that firmwares read in different ways, in every reader there is: the same finding from all."""

from io import BytesIO

import pytest

from gcode.checks import CheckReport, check
from gcode.profile import PrinterProfile, bundled_profiles
from gcode.scan.columns import Parser, Planning
from gcode.scan.engine import scan
from gcode.scan.kernel import KernelParser, KernelPlanning, Library
from gcode.survey import survey
from tests.unit.gcode.rules.examples import inside
from tests.unit.gcode.scan.compiled import build_kernel
from tests.unit.gcode.scan.programs import numpy_stages

PRINTERS = [bundled_profiles()[name] for name in ("prusa-mk3s", "creality-ender3")]
DOUBTFUL = [
    "g1 z100", "G1 z100", "G1 X60 Z-5 Z5", "G1 X60 X60", "G2 Z100", "G3 X70 Y70 I0 J0", "G2 R5 Z100",
    "G1 X60 Y60\nG2 X60 Y60 R5 Z100",
    "G18\nG2 J5 Y100\nG17", "G2 K5 Z100", "G2 X70 R5 I5", "G1" + " " * 100 + "Z100", " " * 95 + "G1 Z100",
]  # fmt: skip
PLAIN = ["G1 X60 Y60 Z5", "G1X60Y60Z5", "G1 X60 Y60\nG2 X65 Y65 R5", "G1 X60 Y60\nG3 X65 Y65 I5 J0", "G1 X5 ; z z " + "c" * 90]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return Library(build_kernel(tmp_path_factory.mktemp("kernel")))


def reports(lines: str, printer: PrinterProfile, library: Library) -> list[CheckReport]:
    """What the interpreter, NumPy and the compiled kernel say."""
    program = inside(lines).encode()

    def scanned(stages: tuple[Parser, Planning]) -> CheckReport:
        stream = BytesIO(program)
        return scan(stream, survey(stream, printer), [printer], stages).reports[0]

    compiled = KernelParser(library), KernelPlanning(library)
    return [check(BytesIO(program), printer), scanned(numpy_stages()), scanned(compiled)]


def hits(report: CheckReport) -> list[tuple[int, str]]:
    """Lines and texts of what is doubtful."""
    found = [one for one in report.findings if one.rule.id == "doubtful-words"]
    return [(hit.line, hit.text) for one in found for hit in one.hits]


@pytest.mark.parametrize("printer", PRINTERS, ids=lambda printer: printer.id)
@pytest.mark.parametrize("lines", DOUBTFUL)
def test_a_doubtful_move_is_rejected_by_every_reader(lines: str, printer: PrinterProfile, library: Library) -> None:
    found = reports(lines, printer, library)
    assert [str(report.verdict) for report in found] == ["reject"] * 3
    assert len(hits(found[0])) == 1
    assert hits(found[0]) == hits(found[1]) == hits(found[2])


@pytest.mark.parametrize("printer", PRINTERS, ids=lambda printer: printer.id)
@pytest.mark.parametrize("lines", PLAIN)
def test_a_move_that_all_read_alike_is_not_doubtful(lines: str, printer: PrinterProfile, library: Library) -> None:
    assert [hits(report) for report in reports(lines, printer, library)] == [[], [], []]


def test_there_is_no_move_in_the_facts_of_a_doubtful_line(library: Library) -> None:
    stream = BytesIO(inside("G2 R5 Z100").encode())
    for stages in (numpy_stages(), (KernelParser(library), KernelPlanning(library))):
        stream.seek(0)
        facts = scan(stream, survey(stream, PRINTERS[0]), [], stages).facts
        assert facts.travel is not None
        assert facts.travel.max_z < 100
