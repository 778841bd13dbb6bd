"""docs/drivers/octoprint.md names a test for each row: they exist, and every row has one."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
DOCUMENT = ROOT / "docs" / "drivers" / "octoprint.md"
NAMED = re.compile(r"`(u|i)/(\w+): (test_\w+)`")
FOLDERS = {"u": "tests/unit/drivers/octoprint/test_{}.py", "i": "tests/integration/test_octoprint_{}.py"}
TEXT = DOCUMENT.read_text("utf-8")
# facts of OctoPrint's contract that this driver has to meet, in the words of the table's first column
ROWS = (
    "probe",
    "key revoked",
    "push",
    "connect printer",
    "upload",
    "start",
    "running",
    "done ",
    "cancel ",
    "cancelled by a person",
    "firmware error",
    "serial drop",
    "drop while paused",
    "printer silent",
    "printer reset",
    "OctoPrint killed mid-print",
    "finished while away",
)


@cache
def names_in(path: Path) -> frozenset[str]:
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    return frozenset(node.name for node in ast.parse(path.read_text("utf-8")).body if isinstance(node, kinds))


def test_every_test_that_is_named_exists() -> None:
    named = NAMED.findall(TEXT)
    assert len(named) > 100
    missing = [f"{where}/{file}: {name}" for where, file, name in named if name not in names_in(ROOT / FOLDERS[where].format(file))]
    assert missing == []


@pytest.mark.parametrize("row", ROWS)
def test_every_row_of_the_contract_has_a_test_of_both_kinds(row: str) -> None:
    (line,) = [line for line in TEXT.splitlines() if line.startswith(f"| {row}")]
    assert {where for where, _, _ in NAMED.findall(line)} == {"u", "i"}
