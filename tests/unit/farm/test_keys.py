import hashlib
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm import keys
from farm.certificates import ensure_certificates
from farm.errors import InvalidError
from farm.keys import JoinCode


def test_secrets_are_256_bits_that_need_no_quoting() -> None:
    secrets = {keys.new_secret() for _ in range(200)}
    assert len(secrets) == 200
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", secret) for secret in secrets)


def test_a_token_is_stored_as_its_hash() -> None:
    assert keys.hash_token("abc") == hashlib.sha256(b"abc").hexdigest()


def test_comparison() -> None:
    assert keys.same("é", "é")
    assert not keys.same("a", "b")
    assert not keys.same("a", "ab")


def test_a_password_is_verified_against_its_hash_only() -> None:
    password = keys.new_secret()
    stored = keys.hash_password(password)
    assert keys.is_password_hash(stored)
    assert keys.verify_password(password, stored)
    assert not keys.verify_password(password + "x", stored)
    assert not keys.verify_password("", stored)
    assert password not in stored


def test_the_same_password_is_hashed_with_another_salt_each_time() -> None:
    assert keys.hash_password("x") != keys.hash_password("x")


def test_the_hash_is_the_one_that_mosquitto_passwd_writes() -> None:
    """Made with `mosquitto_passwd -b` of mosquitto 2.0.11."""
    stored = KNOWN_HASH
    assert keys.verify_password("swarm", stored)
    assert not keys.verify_password("Swarm", stored)


KNOWN_HASH = "$7$101$k/L74QOfeeiyEXYY$gNRWB/pn3ug7bL2afR9wYQKgqxe+vpsrgFqZ6nCFpFRyrEudNqGkrvAd91GM5Dd+bZtUrdJvkA6WaCXU+u6kww=="


@pytest.mark.parametrize(
    "stored", ["", "x", "$7$", "$7$101$$", "$7$x$YQ==$YQ==", "$6$101$YQ==$YQ==", "$7$0$YQ==$YQ==", "$7$101$é$YQ==", "a" * 64]
)
def test_what_is_no_hash_lets_nobody_in(stored: str) -> None:
    assert not keys.verify_password("", stored)
    assert not keys.verify_password("x", stored)


def test_a_password_is_not_taken_for_a_hash() -> None:
    assert not any(keys.is_password_hash(keys.new_secret()) for _ in range(100))


def test_codes_look_as_the_invitation_says() -> None:
    codes = {keys.new_code() for _ in range(500)}
    assert len(codes) == 500
    assert all(re.fullmatch(r"[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}", code) for code in codes)
    assert {letter for code in codes for letter in code} == set("BCDFGHJKLMNPQRSTVWXZ-")


PIN = "ABCDEFGHIJKLMNOPQRSTUVWX23"


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("BCDF-GHJK", JoinCode("BCDF-GHJK")),
        ("  bcdf ghjk\n", JoinCode("BCDF-GHJK")),
        ("bcdfghjk", JoinCode("BCDF-GHJK")),
        (f"BCDF-GHJK.{PIN}", JoinCode("BCDF-GHJK", PIN)),
        (f"bcdf-ghjk.{PIN.lower()}", JoinCode("BCDF-GHJK", PIN)),
    ],
)
def test_a_code_is_read_as_people_type_it(typed: str, code: JoinCode) -> None:
    assert keys.read_code(typed) == code
    assert keys.read_code(str(code)) == code


@pytest.mark.parametrize(
    "typed", ["", "BCDF", "BCDF-GHJA", "BCDF-GHJK-L", f"BCDF-GHJK.{PIN[:-1]}", f"BCDF-GHJK.{PIN[:-1]}1", "BCDF-GHJK.x.y"]
)
def test_what_is_no_code_is_refused_before_anybody_is_asked(typed: str) -> None:
    with pytest.raises(InvalidError) as caught:
        keys.read_code(typed)
    assert "BCDF-GHJK" in caught.value.next_step
    assert "Un code ressemble à BCDF-GHJK" in caught.value.next_step_fr


@given(st.text(max_size=60))
def test_any_text_is_a_code_or_an_error(typed: str) -> None:
    try:
        code = keys.read_code(typed)
    except InvalidError:
        return
    assert keys.read_code(str(code)) == code


def test_the_pin_is_that_of_the_whole_certificate(tmp_path: Path) -> None:
    one, other = ensure_certificates(tmp_path / "1", ["a"]), ensure_certificates(tmp_path / "2", ["a"])
    assert re.fullmatch(r"[A-Z2-7]{26}", one.pin)
    assert one.pin != other.pin
    assert keys.certificate_pin("\n" + one.authority_pem + "\n\n") == one.pin
    assert keys.read_code(f"BCDF-GHJK.{one.pin}").pin == one.pin
    with pytest.raises(ValueError, match="PEM"):
        keys.certificate_pin("no certificate")


def test_the_node_side_needs_no_cryptography() -> None:
    program = "import sys; sys.modules['cryptography'] = None; import farm.keys, farm.node.join; print(sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert "'paho" not in loaded
    assert "'sqlalchemy'" not in loaded
    assert "'fastapi'" not in loaded


def test_a_private_file_is_readable_by_its_owner_only_and_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("old, and open to all")
    path.chmod(0o644)
    (tmp_path / "secret.new").write_text("left behind by a crash")
    keys.write_private(path, "néw")
    assert path.read_text("utf-8") == "néw"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["secret"]


def test_a_private_file_that_cannot_take_its_place_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    (path / "in the way").mkdir(parents=True)
    with pytest.raises(IsADirectoryError):
        keys.write_private(path, "x")
    assert [entry.name for entry in tmp_path.iterdir()] == ["secret"]


def test_what_is_there_already_is_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    keys.write_private(path, "ä")
    before = path.stat().st_ino
    keys.write_private(path, "ä")
    assert path.stat().st_ino == before
    path.chmod(0o644)
    keys.write_private(path, "ä")
    assert (path.stat().st_ino != before, stat.S_IMODE(path.stat().st_mode)) == (True, 0o600)
    link = tmp_path / "link"
    link.symlink_to(path)
    keys.write_private(link, "ä")
    assert not link.is_symlink()
