"""Every import contract of pyproject.toml is alive: a violation that is planted in a copy of the code is caught."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("farm", "drivers", "scheduler", "api", "gcode", "configs")

# contract -> (file that is changed, line that is planted)
VIOLATIONS = [
    ("The packages stand on each other", "scheduler/model.py", "import drivers.base"),
    ("The packages stand on each other", "drivers/base.py", "import scheduler.model"),
    ("The packages stand on each other", "gcode/profile.py", "import drivers.base"),
    ("The packages stand on each other", "farm/clock.py", "import api.app"),
    ("Layers inside farm", "farm/bus/topics.py", "import farm.node.core"),
    ("Layers inside farm", "farm/node/agent.py", "import farm.daemon"),
    ("Layers inside farm", "farm/clock.py", "import farm.log"),
    ("The scheduler is pure", "scheduler/model.py", "import random"),
    ("The scheduler is pure", "scheduler/reconcile.py", "from datetime import datetime"),
    ("The node's decisions are pure", "farm/node/core/__init__.py", "import time"),
    ("The Marlin protocol is pure", "drivers/marlin/protocol.py", "import asyncio"),
    ("A node never loads the daemon's libraries", "farm/node/agent.py", "import sqlalchemy"),
    ("A node never loads the daemon's libraries", "drivers/base.py", "import numpy"),
    ("gcode reads bytes and returns values", "gcode/profile.py", "import socket"),
]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-logo", "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("code")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__", "static"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def test_the_code_as_it_is_keeps_all_contracts(copy: Path) -> None:
    result = lint(copy)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(("contract", "file", "line"), VIOLATIONS, ids=[f"{file}: {line}" for _, file, line in VIOLATIONS])
def test_a_planted_violation_is_caught(copy: Path, contract: str, file: str, line: str) -> None:
    path = copy / file
    before = path.read_text()
    path.write_text(f"{before}\n{line}\n")
    try:
        result = lint(copy)
    finally:
        path.write_text(before)
    assert result.returncode == 1
    broken = [row for row in result.stdout.splitlines() if row.endswith("BROKEN")]
    assert any(row.startswith(contract) for row in broken), result.stdout


def test_a_new_module_of_farm_needs_a_layer(copy: Path) -> None:
    path = copy / "farm" / "somewhere.py"
    path.write_text('"""New."""\n')
    try:
        result = lint(copy)
    finally:
        path.unlink()
    assert result.returncode == 1
    assert "somewhere" in result.stdout
