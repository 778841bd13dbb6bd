"""Every import contract of pyproject.toml is alive: a violation that is planted in a copy of the code is caught."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("farm", "drivers", "scheduler", "api", "gcode", "configs")

# contract -> (file that is changed, line that is planted)
VIOLATIONS = [
    ("The packages stand on each other", "scheduler/model/farm.py", "import drivers.base"),
    ("The packages stand on each other", "drivers/base.py", "import scheduler.model"),
    ("The packages stand on each other", "gcode/profile.py", "import drivers.base"),
    ("The packages stand on each other", "farm/clock.py", "import api.app"),
    ("Layers inside farm", "farm/bus/topics.py", "import farm.node.core"),
    ("Layers inside farm", "farm/node/agent.py", "import farm.daemon"),
    ("Layers inside farm", "farm/clock.py", "import farm.log"),
    ("The scheduler is pure", "scheduler/model/farm.py", "import random"),
    ("The scheduler is pure", "scheduler/reconcile.py", "from datetime import datetime"),
    ("The node's decisions are pure", "farm/node/core/__init__.py", "import time"),
    ("The Marlin protocol is pure", "drivers/marlin/protocol.py", "import asyncio"),
    ("A node never loads the daemon's libraries", "farm/node/agent.py", "import sqlalchemy"),
    ("A node never loads the daemon's libraries", "drivers/base.py", "import numpy"),
    ("gcode reads bytes and returns values", "gcode/profile.py", "import socket"),
]


_SECTION = re.compile(r"^([^\n]+)\n-{9,}\n(.*?)(?=^[^\n]+\n-{9,}\n|\Z)", re.DOTALL | re.MULTILINE)


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-logo", "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "static"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_code_as_it_is_keeps_all_contracts(copy: Path) -> None:
    result = lint(copy)
    assert result.returncode == 0, result.stdout


def imported(line: str) -> str:
    """The module that an import statement names."""
    return line.split()[1]


def test_planted_violations_are_caught_each_by_its_contract(copy: Path) -> None:
    for _, file, line in VIOLATIONS:
        path = copy / file
        path.write_text(f"{path.read_text()}\n{line}\n")
    result = lint(copy)
    assert result.returncode == 1
    _, _, broken = result.stdout.partition("Broken contracts\n")
    sections: dict[str, str] = dict(_SECTION.findall(broken))
    for contract, file, line in VIOLATIONS:
        (section,) = [text for heading, text in sections.items() if heading.startswith(contract)]
        module = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        assert re.search(rf"^- +{module} -> {imported(line)} ", section, re.MULTILINE), f"{file}: {line}\n{section}"


def test_a_new_module_of_farm_needs_a_layer(copy: Path) -> None:
    path = copy / "farm" / "somewhere.py"
    path.write_text('"""New."""\n')
    try:
        result = lint(copy)
    finally:
        path.unlink()
    assert result.returncode == 1
    assert "somewhere" in result.stdout
