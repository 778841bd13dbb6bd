"""`./farm.sh` before there is an environment: the first words that a maker reads."""

import re
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


def helped(locale: str, *words: str) -> list[str]:
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": locale}
    command = ["/bin/sh", str(ROOT / "farm.sh"), *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=True).stdout.splitlines()


def test_the_help_says_the_same_in_both_languages() -> None:
    english, french = helped("C.UTF-8"), helped("fr_FR.UTF-8")
    assert english == helped("C.UTF-8", "help")
    assert english[0] == "./farm.sh demo                      watch a whole farm with virtual printers"
    assert french[0] == "./farm.sh demo                      regarder toute une ferme avec des imprimantes virtuelles"
    assert english[-1].startswith("Makes its environment")
    assert french[-1].startswith("Prépare son environnement")
    for said_en, said_fr in zip(english, french, strict=True):
        assert said_en != said_fr
        assert commands_in(said_en) == commands_in(said_fr)
        assert re.search(r"\S[:;](?=\s|$)", said_fr) is None


def commands_in(line: str) -> list[str]:
    return re.findall(r"\./farm\.sh [a-z]*|--[a-z]+|FARM_[A-Z]+", line)


def test_every_command_of_its_own_is_in_the_help() -> None:
    script = (ROOT / "farm.sh").read_text("utf-8")
    own = re.search(r"^(check(?: \| \w+)+)\)$", script, re.MULTILINE)
    assert own is not None
    for command in own[1].split(" | "):
        assert any(line.startswith(f"./farm.sh {command}") for line in helped("fr_FR.UTF-8"))
