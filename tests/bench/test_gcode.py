"""The shortest form of the gcode bench, so that it cannot rot. Nothing here asks for a speed."""

import json
from pathlib import Path

import pytest

from gcode.scan.kernel import available
from tests.bench import __main__ as bench
from tests.bench import gcode
from tests.bench.report import FORM
from tests.test import OCTOPRINT_VENV

PROGRAM = "; estimated printing time (normal mode) = 1m 0s\n; filament used [mm] = 20\nM83\n" + "".join(
    f"G1 X{number % 7 * 10} Y{number % 5 * 10} E.1 F1200\n" for number in range(200)
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "small.gcode"
    path.write_text(PROGRAM, "ascii")
    return path


def _engines() -> list[str]:
    return ["numpy", "interpreter", *(["kernel"] if available() else [])]


def test_every_engine_finds_the_same_and_tells_its_cost(file: Path) -> None:
    runs = {engine: gcode.run(engine, file) for engine in _engines()}
    for run in runs.values():
        assert 0 <= run.scan_s <= run.process_s
        assert run.peak_mb > 5
        assert run.found["filament_mm"] == pytest.approx(20)
        assert run.found["claimed_time_s"] == 60
        assert run.found["time_s"] == pytest.approx(runs["interpreter"].found["time_s"])


def test_what_has_no_facts_is_measured_too(file: Path) -> None:
    for engine in ("checks", "memchr"):
        assert gcode.run(engine, file).process_s > 0


def test_the_command_that_people_type_is_measured(file: Path, tmp_path: Path) -> None:
    assert gcode.command_s(file) > 0
    with pytest.raises(RuntimeError, match="failed on missing"):
        gcode.command_s(tmp_path / "missing.gcode")


def test_an_engine_that_fails_ends_the_bench(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="memchr failed"):
        gcode.run("memchr", tmp_path / "missing.gcode")


@pytest.mark.skipif(not (OCTOPRINT_VENV / "bin" / "python").exists(), reason="./farm.sh test makes .venv-octoprint")
def test_a_line_of_the_table_has_ours_and_the_peers(file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    FORM.as_json = True
    found = gcode.measure(file, ["numpy", "octoprint"], 1)
    gcode._figures(file, found, "octoprint")
    gcode._truth(file, found)
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert all(line["peer"] == "octoprint" for line in lines)
    by_unit = {line["unit"]: line for line in lines if "scan" in line["case"]}
    speed = by_unit["read MB/s"]
    assert speed["ratio"] == pytest.approx(speed["ours"] / speed["theirs"], rel=0.05, abs=0.02)
    off = {line["case"].split(": ")[1]: line for line in lines if line["unit"] == "%"}
    assert off["filament off the slicer's"]["ours"] == pytest.approx(0, abs=0.001)
    assert off["time off the slicer's"]["theirs"] > 0


def test_files_may_follow_the_name(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[tuple[list[Path], bool]] = []
    monkeypatch.setattr(gcode, "main", lambda files, *, large: called.append((list(files), large)))
    assert bench.main(["gcode", str(file), "--large"]) == 0
    assert called == [([file], True)]
    assert bench.main(["gcode"]) == 0
    assert called[1:] == [([], False)]
    assert bench.main([str(file)]) == 2, "files are for the gcode bench alone"
