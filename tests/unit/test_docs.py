"""Documents are true: every file and name that they point to is there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
POINTER = re.compile(r"`((?:farm|drivers|scheduler|api|gcode|configs|tests)/[\w/]+\.py)(?::\s+(\w+))?`")
LINK = re.compile(r"\]\((?!http|#)([^)#]+)")


def names_of(path: Path) -> set[str]:
    """All functions and classes of a module, methods included."""
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return {node.name for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, kinds)}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_and_name_exists(document: Path) -> None:
    for file, name in POINTER.findall(document.read_text("utf-8")):
        path = ROOT / file
        assert path.is_file(), f"{document.name} names {file}"
        assert not name or name in names_of(path), f"{document.name} names {file}: {name}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(document: Path) -> None:
    for target in LINK.findall(document.read_text("utf-8")):
        assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_pointers_are_found_at_all() -> None:
    text = (ROOT / "docs" / "life-of-a-frame.md").read_text("utf-8")
    assert len(POINTER.findall(text)) > 30
