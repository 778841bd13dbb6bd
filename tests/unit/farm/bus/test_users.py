import stat
from pathlib import Path

import pytest

from farm.bus.users import checked, hashed, write_users
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
