"""The second look at a failed test of real parts: what it excuses, and above all what it does not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import second_look

ROOT = Path(__file__).parent.parent.parent
FAILS_ONCE = """
import pathlib, pytest
pytestmark = pytest.mark.{mark}
def test_it(request):
    seen = pathlib.Path(__file__).with_name("seen")
    if not seen.exists():
        seen.touch()
        pytest.fail("the first time")
"""


class Runs:
    """Stands for pytest: gives the exit codes of `codes`, then 0."""

    def __init__(self, *codes: int) -> None:
        self.codes = list(codes)
        self.asked: list[str] = []

    def __call__(self, test: str) -> int:
        self.asked.append(test)
        return self.codes.pop(0) if self.codes else 0


def test_what_passes_alone_every_time_is_named_and_excused(capsys: pytest.CaptureFixture[str]) -> None:
    run = Runs()
    assert second_look.look_again({"a": True, "b": True}, run)
    assert run.asked == ["a", "a", "b", "b"]
    said = capsys.readouterr().err
    assert "UNSTEADY: a\n" in said
    assert "UNSTEADY: b\n" in said


@pytest.mark.parametrize("codes", [(1,), (0, 1), (0, 0, 1), (0, 0, 0, 2), (5,)])
def test_what_fails_again_is_red(codes: tuple[int, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert not second_look.look_again({"a": True, "b": True}, Runs(*codes))
    assert "UNSTEADY" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "failed", [{}, {"a": False}, {"a": True, "b": False}, {str(number): True for number in range(second_look.MANY + 1)}]
)
def test_what_has_no_second_chance(failed: dict[str, bool]) -> None:
    run = Runs()
    assert not second_look.look_again(failed, run)
    assert not run.asked


@pytest.mark.parametrize("content", [None, b"", b"\xff", b"[", b'"text"'])
def test_a_run_that_told_nothing_is_not_excused(tmp_path: Path, content: bytes | None) -> None:
    place = tmp_path / "failed.json"
    if content is not None:
        place.write_bytes(content)
    assert second_look.told(place) == {}


def noted(folder: Path, source: str, *arguments: str) -> dict[str, bool]:
    """Run pytest with the plugin on a test file of `source`; what it handed over."""
    (folder / "test_some.py").write_text(source)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n    real\n    slow\n    other\n")
    place = folder / "failed.json"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), second_look.PLACE: str(place)}
    for name in [name for name in environment if name.startswith(("PYTEST_", "COV_"))]:
        del environment[name]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.second_look", *arguments]
    assert subprocess.run(command, cwd=folder, env=environment, check=False, stdout=subprocess.DEVNULL).returncode != 0
    return second_look.told(place)


@pytest.mark.parametrize(("mark", "excusable"), [("real", True), ("slow", True), ("other", False)])
@pytest.mark.parametrize("workers", ["0", "2"])
def test_the_plugin_notes_which_failed_test_is_of_real_parts(tmp_path: Path, mark: str, excusable: bool, workers: str) -> None:
    failed = noted(tmp_path, FAILS_ONCE.format(mark=mark), "-n", workers)
    assert failed == {"test_some.py::test_it": excusable}


def test_a_file_that_cannot_be_read_has_no_second_chance(tmp_path: Path) -> None:
    assert noted(tmp_path, "import no_such_module_at_all\n", "-n", "0") == {"test_some.py": False}


@pytest.mark.parametrize("group", ["", "@a-group"])
def test_one_test_is_run_alone_and_again(tmp_path: Path, group: str) -> None:
    both = '@pytest.mark.parametrize("who", ["me@home", "you@home"])\ndef test_it(who):'
    (tmp_path / "test_some.py").write_text(FAILS_ONCE.format(mark="real").replace("def test_it(request):", both))
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n    real\n")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    codes = [second_look.run_alone(f"test_some.py::test_it[me@home]{group}", environment, tmp_path) for _ in range(2)]
    assert codes == [1, 0]
