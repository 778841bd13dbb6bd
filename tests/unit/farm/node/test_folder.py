import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from farm.errors import ConfigurationError
from farm.node import folder as module
from farm.node.folder import DataFolder, machine_id


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[DataFolder]:
    opened = DataFolder(tmp_path / "data")
    yield opened
    opened.close()
    opened._mark.unlink(missing_ok=True)


def test_one_agent_at_a_time(folder: DataFolder) -> None:
    with pytest.raises(ConfigurationError, match="Another agent uses"):
        DataFolder(folder.path)
    folder.close()
    DataFolder(folder.path).close()


def test_closing_twice_is_closing_once(folder: DataFolder) -> None:
    folder.close()
    folder.close()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot be written: Not a directory"):
        DataFolder(tmp_path / "file" / "data")


def test_the_mark_comes_back_in_the_same_boot(folder: DataFolder) -> None:
    assert folder.read_seen(1.0) == {}
    folder.write_seen({"printer-a": 12.5}, 1.0)
    assert folder.read_seen(1.0) == {"printer-a": 12.5}
    assert folder.read_seen(60.0) == {}, "the times of another clock mean nothing"


def test_nobody_seen_is_no_mark(folder: DataFolder) -> None:
    folder.write_seen({"printer-a": 12.5}, 1.0)
    folder.write_seen({}, 1.0)
    assert folder.read_seen(1.0) == {}
    assert not folder._mark.exists()
    folder.write_seen({}, 1.0)


def test_the_mark_does_not_reach_the_data_folder(folder: DataFolder) -> None:
    """Half-minute writes would wear out an SD card."""
    if not os.access("/dev/shm", os.W_OK):
        pytest.skip("no /dev/shm here")
    folder.write_seen({"printer-a": 1.0}, 1.0)
    assert [path.name for path in folder.path.iterdir()] == ["agent.lock"]


def test_the_mark_of_another_boot_means_nothing(folder: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.write_seen({"printer-a": 1.0}, 1.0)
    monkeypatch.setattr(module, "machine_id", lambda: "another-boot")
    assert folder.read_seen(1.0) == {}


@pytest.mark.parametrize("content", ["", "{", "[]", "7", '{"machine": 1}', '{"seen": []}'])
def test_a_torn_mark_means_nothing(folder: DataFolder, content: str) -> None:
    folder._mark.write_text(content)
    assert folder.read_seen(1.0) == {}


def test_a_mark_with_wrong_values_means_nothing(folder: DataFolder) -> None:
    folder._mark.write_text(json.dumps({"machine": machine_id(), "factor": 1.0, "seen": {"printer-a": "soon"}}))
    assert folder.read_seen(1.0) == {}


def test_a_link_in_place_of_the_mark_is_not_followed(folder: DataFolder, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    target.write_text(json.dumps({"machine": machine_id(), "factor": 1.0, "seen": {"printer-a": 1.0}}))
    folder._mark.symlink_to(target)
    assert folder.read_seen(1.0) == {}
    folder.write_seen({"printer-a": 2.0}, 1.0)
    assert json.loads(target.read_text())["seen"] == {"printer-a": 1.0}, "it was replaced, not written through"
    assert folder.read_seen(1.0) == {"printer-a": 2.0}


def test_without_memory_the_mark_is_in_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MEMORY", tmp_path / "none")
    folder = DataFolder(tmp_path / "data")
    folder.write_seen({"printer-a": 3.0}, 1.0)
    assert folder.read_seen(1.0) == {"printer-a": 3.0}
    folder.close()


def test_a_mark_that_cannot_be_written_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = DataFolder(tmp_path / "data")
    folder._mark = tmp_path / "none" / "mark"
    folder.write_seen({"printer-a": 3.0}, 1.0)
    assert folder.read_seen(1.0) == {}
    folder.close()


def test_the_machine_has_a_boot_id(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert len(machine_id()) == 36
    monkeypatch.setattr(module, "_BOOT_ID", tmp_path / "none")
    assert machine_id() == ""
