import stat
from pathlib import Path

import pytest

from farm.bus.users import checked, hashed, read_users, write_users
from farm.errors import InvalidError
from farm.keys import hash_password, verify_password


def test_passwords_are_hashed_and_hashes_kept() -> None:
    known = hash_password("other")
    found = hashed({"node-a": "secret", "node-b": known}, daemon="daemon")
    assert verify_password("secret", found["node-a"])
    assert found["node-b"] == known


@pytest.mark.parametrize("name", ["", "daemon", "a:b", "a\nb", "a/b", "x" * 65, "ä"])
def test_names_that_could_mean_more_are_refused(name: str) -> None:
    with pytest.raises(InvalidError):
        checked(name, daemon="daemon")
    with pytest.raises(InvalidError):
        hashed({name: "x"}, daemon="daemon")


def test_the_name_of_the_daemon_is_that_of_its_login() -> None:
    assert checked("daemon", daemon="essaim") == "daemon"
    with pytest.raises(InvalidError):
        checked("essaim", daemon="essaim")


def test_the_file_is_whole_and_private(tmp_path: Path) -> None:
    path = tmp_path / "users"
    write_users(path, {"a": "1", "b": "2"})
    assert path.read_text() == "a:1\nb:2\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    write_users(path, {})
    assert path.read_text() == ""


def test_what_the_file_holds_already_is_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "users"
    write_users(path, {"a": "1", "b": "2"})
    before = path.stat().st_ino
    write_users(path, {"b": "2", "a": "1"})
    assert path.stat().st_ino == before
    write_users(path, {"b": "3", "a": "1"})
    assert path.stat().st_ino != before
    assert read_users(path) == {"a": "1", "b": "3"}


def test_a_file_that_cannot_be_read_has_no_users(tmp_path: Path) -> None:
    assert read_users(tmp_path / "none") == {}
    (tmp_path / "damaged").write_bytes(b"\xff:1\n")
    assert read_users(tmp_path / "damaged") == {}
    (tmp_path / "odd").write_text("a:1\nb\n:2\n")
    assert read_users(tmp_path / "odd") == {"a": "1"}
