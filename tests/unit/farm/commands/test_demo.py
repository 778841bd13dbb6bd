"""What `farm demo` tells; that it produces is tried by tests/integration/test_demo.py."""

import io
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from farm.commands.demo import _run, _screen, demo
from farm.commands.local_farm import LocalFarm

PRINTER = {"name": "Ada", "profile": "generic-210", "progress": 0.5, "nozzle_c": 199.0, "nozzle_target_c": 200.0}
STATE = {"printers": [{**PRINTER, "state": "printing", "bed": "occupied"}], "broker": "mosquitto (child process)"}
ORDER = {"id": "ord-1", "good": 1, "quantity": 2, "scrap": 0, "expected": 1, "owed": 1, "state": "open"}


class QuickFarm(LocalFarm):
    """A farm that starts nothing, and whose order is met at the second look."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.looks = 0

    def start_daemon(self) -> None:
        pass

    def add_node(self, *_: Any, **__: Any) -> Any:
        pass

    def add_program(self, *_: Any, **__: Any) -> Any:
        pass

    def be_the_hands(self, *_: Any) -> None:
        self.looks += 1

    def post(self, *_: Any) -> Any:
        return {"id": "ord-1"}

    def get(self, path: str, **_: str | int) -> Any:
        if path == "/jobs":
            return [{}, {}]
        met = {"good": 2, "expected": 0, "owed": 0, "state": "met"} if self.looks > 1 else {}
        return {**STATE, "orders": [{**ORDER, **met}]}


def told(folder: Path, monkeypatch: pytest.MonkeyPatch, *, json_output: bool = False) -> list[str]:
    """The lines of a demo that is not on a terminal."""
    monkeypatch.setattr("farm.commands.demo._POLL_S", 0.0)
    out = io.StringIO()
    with QuickFarm(folder) as farm:
        _run(farm, Console(file=out, width=200), 2, json_output=json_output, stay=False)
        return out.getvalue().replace(farm.url, "URL").splitlines()


def test_a_demo_removes_its_folder_and_that_of_one_that_was_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = tmp_path / "essaim-demo-1-ab_c12de"
    (left / "farm-data").mkdir(parents=True)
    an_hour_ago_s = time.time() - 3_600
    os.utime(left, (an_hour_ago_s, an_hour_ago_s))
    seen: list[list[str]] = []
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr("farm.commands.demo.LocalFarm", lambda folder, **_: QuickFarm(folder))
    monkeypatch.setattr("farm.commands.demo._run", lambda *_, **__: seen.append([path.name for path in tmp_path.iterdir()]))
    demo()
    ((own,),) = seen
    assert own.startswith(f"essaim-demo-{os.getpid()}-")
    assert list(tmp_path.iterdir()) == []


def test_it_tells_in_lines_how_it_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = told(tmp_path, monkeypatch)
    assert lines[:-1] == [
        "Starting the daemon and a node with four virtual printers ...",
        "The page of the farm is URL",
        "Broker: mosquitto (child process)",
        "1 of 2 good, 1 being made",
        "2 of 2 good, 0 being made",
    ]
    assert lines[-1].startswith("Done: 2 of 2 frames good, 0 scrap, in ")


def test_a_french_terminal_is_told_in_french(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "fr_FR.UTF-8")
    lines = told(tmp_path, monkeypatch)
    assert lines[:-1] == [
        "Lancement du démon et d'un nœud avec quatre imprimantes virtuelles...",
        "La page de la ferme est URL",
        "Courtier : mosquitto",
        "1 bonne sur 2, 1 en cours",
        "2 bonnes sur 2, 0 en cours",
    ]
    assert lines[-1].startswith("C'est fait : 2 bonnes visières sur 2, 0 au rebut, en ")


def test_for_programs_the_last_line_is_the_same_in_every_language(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LC_ALL", "fr_FR.UTF-8")
    told(tmp_path, monkeypatch, json_output=True)
    result = json.loads(capsys.readouterr().out)
    del result["seconds"]
    assert result == {"ordered": 2, "good": 2, "scrap": 0, "jobs": 2}


@pytest.mark.parametrize(
    ("locale", "words"),
    [
        ("C.UTF-8", ["a farm of virtual printers", "progress", "printing", "occupied", "being made 1", "still owed 1", "End with"]),
        (
            "fr_FR.UTF-8",
            ["une ferme d'imprimantes", "avancement", "imprime", "occupé", "en cours 1", "reste à faire 1", "pour finir"],
        ),
    ],
)
def test_the_table_is_in_the_language_of_the_terminal(locale: str, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", locale)
    out = io.StringIO()
    Console(file=out, width=160).print(_screen(STATE, ORDER, "http://127.0.0.1:1"))
    for word in words:
        assert word in out.getvalue()
