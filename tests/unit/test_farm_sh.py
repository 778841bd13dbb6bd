"""`./farm.sh` before there is an environment: the first words that a maker reads."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"LC_ALL": "C.UTF-8", "LANG": "fr_FR.UTF-8"}, "Essaim needs Python 3.11"),
        ({"LC_ALL": "", "LANG": "fr_FR.UTF-8"}, "Essaim a besoin de Python 3.11"),
        ({"LC_MESSAGES": "fr_CA", "LANG": "en_GB.UTF-8"}, "Essaim a besoin de Python 3.11"),
        ({}, "Essaim needs Python 3.11"),
    ],
)
def test_without_a_python_a_maker_is_told_what_to_install(tmp_path: Path, variables: dict[str, str], says: str) -> None:
    script = Path(shutil.copy(ROOT / "farm.sh", tmp_path))
    environment = {"PATH": "/usr/bin:/bin", "FARM_PYTHON": "no-such-python", **variables}
    done = subprocess.run(["/bin/sh", script, "status"], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(says)
    assert done.stderr.endswith(": sudo apt install python3 python3-venv\n")
