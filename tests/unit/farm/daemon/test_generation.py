"""The generation and its file."""

import stat
from pathlib import Path

import pytest

from farm.daemon.generation import GenerationFile, Settled, settle
from farm.errors import ConfigurationError


@pytest.mark.parametrize(
    ("stored", "kept", "settled"),
    [
        (0, 0, Settled(1)),  # the first start
        (0, 4, Settled(5)),  # a new database in a folder that has seen some
        (3, 3, Settled(3)),  # an ordinary start
        (3, 0, Settled(3)),  # a farm of before there was a file
        (3, 2, Settled(3)),  # killed between the file of a past start and now: never lowered
        (3, 4, Settled(5, put_back=True)),  # an old database was copied here
    ],
)
def test_what_is_used_is_above_all_that_was_used_here(stored: int, kept: int, settled: Settled) -> None:
    assert settle(stored, kept) == settled


def test_the_file_is_private_and_its_number_never_falls(tmp_path: Path) -> None:
    file = GenerationFile(tmp_path)
    assert file.read() == 0
    file.raise_to(7)
    file.raise_to(3)
    assert GenerationFile(tmp_path).read() == 7
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["generation"]


@pytest.mark.parametrize("content", [b"", b"seven", b"\xff"])
def test_a_damaged_file_is_told_and_not_guessed(tmp_path: Path, content: bytes) -> None:
    file = GenerationFile(tmp_path)
    file.path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="holds no number") as refused:
        file.read()
    assert "highest generation" in refused.value.next_step


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    file = GenerationFile(tmp_path / "missing")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        file.raise_to(1)
