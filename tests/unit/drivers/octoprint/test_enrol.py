"""Getting a key: what OctoPrint, its owner and the network may do to the request. The fake answers as 1.11.8 did when measured."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from drivers.errors import AddressError, AuthenticationError, Bilingual, DriverError, NotAPrinterError, UnreachableError
from drivers.octoprint import enrol as module
from drivers.octoprint.enrol import Enrolment, EnrolmentError, check_offer, enrol, enrol_with_key
from tests.unit.drivers.octoprint.fake import FakeOctoPrint

GIVEN = "GIVENKEYGIVENKEYGIVENKEY"
DECISION = ("GET", "/plugin/appkeys/request/TOKENTOKENTOKEN")


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_S", 0.02)


@pytest.fixture
def url(fake: FakeOctoPrint) -> str:
    return f"octoprint+http://127.0.0.1:{fake.port}"


async def run(function: Callable[..., Enrolment], *arguments: Any, **options: Any) -> Enrolment:
    return await asyncio.to_thread(lambda: function(*arguments, **options))


async def refused(function: Callable[..., Enrolment], *arguments: Any, **options: Any) -> DriverError:
    with pytest.raises(DriverError) as caught:
        await run(function, *arguments, **options)
    error = caught.value
    assert error.detail != error.detail_fr
    assert error.next_step != error.next_step_fr
    return error


async def test_a_key_is_given_after_a_click_and_is_in_its_file_only(fake: FakeOctoPrint, url: str, tmp_path: Path) -> None:
    told: list[Bilingual] = []

    def click(text: Bilingual) -> None:
        told.append(text)
        fake.decision = 200

    enrolment = await run(enrol, url, tmp_path / "printer.key", user="farm", tell=click)
    file = tmp_path / "printer.key"
    assert file.read_text() == GIVEN + "\n"
    assert file.stat().st_mode & 0o777 == 0o600
    assert enrolment == Enrolment(f"{url}?key_file={file}", file, "farm", "1.11.8")
    assert enrolment.remarks == []
    assert GIVEN not in repr(enrolment)
    assert [path.name for path in tmp_path.iterdir()] == ["printer.key"]
    (text,) = told
    assert f"http://127.0.0.1:{fake.port}" in text.en
    assert "farm" in text.en
    assert "evil" not in text.en  # the address to open is the one that was typed, not one that the server names
    assert "TOKEN" not in text.en  # who has the token gets the key
    assert ("POST", "/plugin/appkeys/request", {"app": "Essaim", "user": "farm"}) in fake.asked


async def test_without_a_user_anybody_there_may_click(fake: FakeOctoPrint, url: str, tmp_path: Path) -> None:
    fake.decision = 200
    await run(enrol, url, tmp_path / "k")
    assert ("POST", "/plugin/appkeys/request", {"app": "Essaim"}) in fake.asked


async def test_it_is_asked_again_and_again_until_somebody_clicks(fake: FakeOctoPrint, url: str, tmp_path: Path) -> None:
    polls = 0

    def decide(_body: bytes) -> tuple[int, Any]:
        nonlocal polls
        polls += 1
        return (202, {"message": "Awaiting decision"}) if polls < 4 else (200, {"api_key": fake.key})

    fake.answers[DECISION] = decide
    assert (await run(enrol, url, tmp_path / "k")).user == "farm"
    assert polls == 4


async def test_nobody_clicks(fake: FakeOctoPrint, url: str, tmp_path: Path) -> None:
    error = await refused(enrol, url, tmp_path / "k", wait_s=0.1)
    assert isinstance(error, EnrolmentError)
    assert "in time" in error.detail
    assert not (tmp_path / "k").exists()


async def test_refused_or_run_out(fake: FakeOctoPrint, url: str, tmp_path: Path) -> None:
    fake.decision = 404
    error = await refused(enrol, url, tmp_path / "k")
    assert isinstance(error, EnrolmentError)
    assert "refused" in error.detail


async def test_run_out_on_the_way(fake: FakeOctoPrint, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EXPIRED_AFTER_S", 0.0)
    fake.decision = 404
    error = await refused(enrol, url, tmp_path / "k")
    assert "ran out on the way" in error.detail


async def test_too_many_requests(fake: FakeOctoPrint, url: str, tmp_path: Path) -> None:
    fake.answers["POST", "/plugin/appkeys/request"] = (429, {"error": "too many"})
    error = await refused(enrol, url, tmp_path / "k")
    assert isinstance(error, EnrolmentError)
    assert "ten minutes" in error.next_step


@pytest.mark.parametrize(
    ("version", "kind", "says"),
    [
        (403, EnrolmentError, "gives no application keys"),
        (200, EnrolmentError, "gives no"),
        (404, NotAPrinterError, "not OctoPrint"),
    ],
)
async def test_no_such_plugin_and_no_octoprint(
    fake: FakeOctoPrint, url: str, tmp_path: Path, version: int, kind: type[DriverError], says: str
) -> None:
    fake.answers["GET", "/plugin/appkeys/probe"] = (404, {})
    fake.answers["GET", "/api/version"] = (version, {})
    error = await refused(enrol, url, tmp_path / "k")
    assert type(error) is kind
    assert says in error.detail


@pytest.mark.parametrize(
    ("status", "kind"), [(302, NotAPrinterError), (503, UnreachableError), (403, EnrolmentError), (200, NotAPrinterError)]
)
async def test_what_else_may_answer(fake: FakeOctoPrint, url: str, tmp_path: Path, status: int, kind: type[DriverError]) -> None:
    fake.answers["GET", "/plugin/appkeys/probe"] = (status, b"<html>hello</html>")
    assert type(await refused(enrol, url, tmp_path / "k")) is kind
    assert fake.count("POST", "/plugin/appkeys/request") == 0


@pytest.mark.parametrize("answer", [{}, {"app_token": "../../x"}, {"app_token": "a b"}, {"app_token": 5}, [1]])
async def test_a_token_that_is_none(fake: FakeOctoPrint, url: str, tmp_path: Path, answer: Any) -> None:
    fake.answers["POST", "/plugin/appkeys/request"] = (201, answer)
    assert isinstance(await refused(enrol, url, tmp_path / "k"), EnrolmentError)


@pytest.mark.parametrize("answer", [{}, {"api_key": "two words"}, {"api_key": "x\r\nX-Injected: 1"}])
async def test_a_key_that_is_none_is_not_written(fake: FakeOctoPrint, url: str, tmp_path: Path, answer: Any) -> None:
    fake.answers[DECISION] = (200, answer)
    assert isinstance(await refused(enrol, url, tmp_path / "k"), EnrolmentError)
    assert not (tmp_path / "k").exists()


async def test_a_hiccup_of_the_network_is_lived_through(fake: FakeOctoPrint, url: str, tmp_path: Path) -> None:
    polls = 0

    def stumble(_body: bytes) -> tuple[int, Any]:
        nonlocal polls
        polls += 1
        if polls == 2:
            raise ConnectionResetError
        return (202, {}) if polls < 4 else (200, {"api_key": fake.key})

    fake.answers[DECISION] = stumble
    assert (await run(enrol, url, tmp_path / "k")).version == "1.11.8"


async def test_octoprint_goes_away(fake: FakeOctoPrint, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EXPIRED_AFTER_S", 0.1)

    def go(_body: bytes) -> tuple[int, Any]:
        fake.raw = b""
        raise ConnectionResetError

    fake.answers[DECISION] = go
    assert isinstance(await refused(enrol, url, tmp_path / "k"), UnreachableError)


async def test_too_few_and_too_many_permissions_are_remarked(fake: FakeOctoPrint, url: str, tmp_path: Path) -> None:
    fake.decision, fake.permissions = 200, ["STATUS", "PRINT", "SETTINGS"]
    enrolment = await run(enrol, url, tmp_path / "k")
    assert "FILES_UPLOAD" in enrolment.missing
    assert enrolment.too_many == ("SETTINGS",)
    lacks, has = enrolment.remarks
    assert "FILES_UPLOAD" in lacks.en
    assert "FILES_UPLOAD" in lacks.fr
    assert "SETTINGS" in has.en
    assert lacks.en != lacks.fr


async def test_an_administrators_key_is_warned_of(fake: FakeOctoPrint, url: str, tmp_path: Path) -> None:
    fake.decision, fake.permissions = 200, ["ADMIN"]
    enrolment = await run(enrol, url, tmp_path / "k")
    assert (enrolment.missing, enrolment.too_many) == ((), ("ADMIN",))


async def test_a_key_that_is_there_is_replaced_by_a_new_one_only(fake: FakeOctoPrint, url: str, tmp_path: Path) -> None:
    file = tmp_path / "k"
    file.write_text("OLDKEYOLDKEY")
    file.chmod(0o644)
    fake.decision = 404
    await refused(enrol, url, file)
    assert file.read_text() == "OLDKEYOLDKEY"
    fake.decision = 200
    await run(enrol, url, file)
    assert file.read_text() == GIVEN + "\n"
    assert file.stat().st_mode & 0o777 == 0o600


async def test_giving_up_leaves_nothing(fake: FakeOctoPrint, url: str, tmp_path: Path) -> None:
    def give_up(_text: Bilingual) -> None:
        raise KeyboardInterrupt

    def press_ctrl_c() -> bool:
        try:
            enrol(url, tmp_path / "k", tell=give_up)
        except KeyboardInterrupt:
            return True
        return False

    assert await asyncio.to_thread(press_ctrl_c)
    assert list(tmp_path.iterdir()) == []


async def test_a_file_that_cannot_be_written_is_said_before_anybody_clicks(fake: FakeOctoPrint, url: str, tmp_path: Path) -> None:
    for place in (tmp_path / "no" / "folder" / "k", tmp_path):
        assert isinstance(await refused(enrol, url, place), AddressError)
    assert fake.asked == []


async def test_a_disk_that_is_full_just_then(
    fake: FakeOctoPrint, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    fake.decision = 200
    monkeypatch.setattr(os, "fsync", full)
    error = await refused(enrol, url, tmp_path / "k")
    assert "No space left" in error.detail
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("user", ["", "a/b", "x" * 65, "a\nb"])
async def test_a_user_that_is_none(fake: FakeOctoPrint, url: str, tmp_path: Path, user: str) -> None:
    assert isinstance(await refused(enrol, url, tmp_path / "k", user=user), EnrolmentError)


@pytest.mark.parametrize("bad", ["http://h", "octoprint+http://", "octoprint+http://h?key=SECRETSECRET", "octoprint+http://[::"])
async def test_a_url_that_is_none(tmp_path: Path, bad: str) -> None:
    error = await refused(enrol, bad, tmp_path / "k")
    assert isinstance(error, AddressError)
    assert "SECRET" not in str(error)


async def test_a_known_key_makes_another_without_a_click(fake: FakeOctoPrint, url: str, tmp_path: Path) -> None:
    enrolment = await run(enrol_with_key, url, tmp_path / "k", fake.key, user="farm")
    assert (tmp_path / "k").read_text() == "MADEKEYMADEKEYMADEKEY\n"
    assert enrolment.user == "farm"
    assert ("POST", "/api/plugin/appkeys", {"command": "generate", "app": "Essaim", "user": "farm"}) in fake.asked


@pytest.mark.parametrize("key", ["WRONGKEYWRONGKEY", "no key", "x\r\ny"])
async def test_a_wrong_key_makes_none(fake: FakeOctoPrint, url: str, tmp_path: Path, key: str) -> None:
    error = await refused(enrol_with_key, url, tmp_path / "k", key)
    assert isinstance(error, AuthenticationError | AddressError)
    assert key not in str(error)
    assert not (tmp_path / "k").exists()


async def test_a_url_that_names_its_key_file_keeps_it(fake: FakeOctoPrint, url: str, tmp_path: Path) -> None:
    fake.decision = 200
    enrolment = await run(enrol, f"{url}?key_file={tmp_path}/mine", tmp_path / "other")
    assert enrolment.key_file == tmp_path / "mine"
    assert enrolment.url == f"{url}?key_file={tmp_path}/mine"


async def test_without_a_key_it_is_known_whether_one_can_be_had(fake: FakeOctoPrint, url: str) -> None:
    await asyncio.to_thread(check_offer, url)
    with pytest.raises(AddressError):
        await asyncio.to_thread(check_offer, f"{url}?colour=red")
    with pytest.raises(UnreachableError):
        await asyncio.to_thread(check_offer, "octoprint+http://127.0.0.1:1")
