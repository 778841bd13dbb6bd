"""The real files of the tests come from where we say, or not at all."""

import io
import subprocess
import tarfile
from hashlib import sha256
from pathlib import Path

import pytest

from tests import gcode_files
from tests.bench.gcode_inputs import stack


def _archive(path: Path, **members: bytes) -> str:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return sha256(path.read_bytes()).hexdigest()


def test_only_programs_are_unpacked_and_beside_the_archive(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    archive = folder / "a.tar.gz"
    digest = _archive(archive, **{"a/b/one.gcode": b"G1", "../two.bgcode": b"GCDE", "setup.py": b"x", "empty.gcode": b""})
    gcode_files._unpack(archive, digest)
    assert sorted(path.name for path in folder.iterdir()) == ["a.tar.gz", "one.gcode", "two.bgcode"]
    assert not (tmp_path / "two.bgcode").exists()


def test_an_archive_with_another_digest_is_not_opened(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar.gz"
    _archive(archive, **{"one.gcode": b"G1"})
    with pytest.raises(ValueError, match="SHA-256"):
        gcode_files._unpack(archive, "0" * 64)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar.gz"]


@pytest.mark.parametrize(("ci", "outcome"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_what_cannot_be_fetched_fails_in_ci_and_is_skipped_elsewhere(
    monkeypatch: pytest.MonkeyPatch, ci: str, outcome: type[BaseException]
) -> None:
    def fails(_folder: Path) -> None:
        raise subprocess.CalledProcessError(1, ["pip"], stderr="no network")

    monkeypatch.setattr(gcode_files, "_fetch", fails)
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="no network"):
        gcode_files.real_files.__wrapped__()


def test_a_stack_repeats_the_layers_above_each_other() -> None:
    layers = b";LAYER_CHANGE\n;Z:0.2\nG1 Z0.2 F99\nG1 X5 E1\n;LAYER_CHANGE\n;Z:0.4\nG1 Z0.4\n;LAYER_CHANGE\n;Z:0.6\nG1 Z.6\n"
    program = b"; start\n" + layers + b"M84\n"
    stacked = stack(program, 3 * len(program))
    assert stacked.startswith(b"; start\n;LAYER_CHANGE\n;Z:0.200\nG1 Z0.200 F99\n")
    assert stacked.endswith(b"M84\n")
    heights = [float(line[3:]) for line in stacked.splitlines() if line.startswith(b";Z:")]
    assert len(heights) > 5
    assert heights == sorted(heights)
    assert stacked.count(b"M84") == stacked.count(b"; start") == 1


def test_a_program_without_marks_cannot_be_stacked() -> None:
    with pytest.raises(ValueError, match="LAYER_CHANGE"):
        stack(b"G1 X5\n", 1000)
