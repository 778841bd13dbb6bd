import errno
import os
import stat
from pathlib import Path

import pytest

from farm.errors import ConfigurationError
from farm.people.makers import Maker, read_makers, token_hash, write_makers
from farm.views import ManualJobView

BATCH = ManualJobView(printer="p", job="j", design="d", revision="r", program="s", parts=2, state="reported", good=1, scrap=1)
ANNA = Maker(key="maker-1", name="Anna", profile="generic-210", material="PETG", token_sha256=token_hash("secret"), accepted="j")
BERTA = ANNA.model_copy(update={"key": "maker-2", "name": "Berta", "accepted": None, "reported": BATCH})


def test_nobody_is_kept_before_the_first(tmp_path: Path) -> None:
    assert read_makers(tmp_path / "makers.json") == {}


def test_what_is_kept_is_read_again_by_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "makers.json"
    write_makers(file, [ANNA, BERTA])
    assert read_makers(file) == {"maker-1": ANNA, "maker-2": BERTA}
    assert file.stat().st_mode & 0o077 == 0
    assert list(tmp_path.iterdir()) == [file]
    assert "secret" not in file.read_text()


def test_a_power_cut_takes_back_neither_the_list_nor_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fsync, kinds = os.fsync, list[int]()

    def spy(descriptor: int) -> None:
        kinds.append(stat.S_IFMT(os.fstat(descriptor).st_mode))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", spy)
    write_makers(tmp_path / "makers.json", [ANNA])
    assert kinds == [stat.S_IFREG, stat.S_IFDIR]


def test_a_list_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "makers.json"
    write_makers(file, [ANNA])

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            write_makers(file, [ANNA, BERTA])
    assert read_makers(file) == {"maker-1": ANNA}
    assert list(tmp_path.iterdir()) == [file]
    write_makers(file, [BERTA])
    assert read_makers(file) == {"maker-2": BERTA}


@pytest.mark.parametrize("content", ["{", '{"makers": [{}]}', "[]"])
def test_a_damaged_list_is_a_clear_error(tmp_path: Path, content: str) -> None:
    file = tmp_path / "makers.json"
    file.write_text(content)
    with pytest.raises(ConfigurationError, match="damaged"):
        read_makers(file)
