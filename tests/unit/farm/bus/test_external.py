from pathlib import Path

import pytest

from farm.bus.client import Login
from farm.bus.external import ExternalBroker, external_broker
from farm.config import BrokerSection
from farm.errors import ConfigurationError, ConflictError, InvalidError
from farm.keys import verify_password

URLS = ["mqtt://one:1883", "mqtt://two:1883"]


def users_of(path: Path) -> dict[str, str]:
    return dict(line.split(":", 1) for line in path.read_text().splitlines())


@pytest.fixture
def users_file(tmp_path: Path) -> Path:
    return tmp_path / "users"


@pytest.fixture
def broker(users_file: Path) -> ExternalBroker:
    return ExternalBroker(URLS, Login("daemon", "daemon's"), users_file)


async def test_users_come_and_go_in_the_file(broker: ExternalBroker, users_file: Path) -> None:
    await broker.set_credentials({"node-a": "a's", "node-b": "b's"})
    await broker.add("node-c", "c's")
    await broker.remove("node-a")
    found = users_of(users_file)
    assert sorted(found) == ["daemon", "node-b", "node-c"]
    assert verify_password("daemon's", found["daemon"])
    assert verify_password("c's", found["node-c"])
    assert "'s" not in users_file.read_text()


async def test_setting_all_drops_the_others_but_the_daemon(broker: ExternalBroker, users_file: Path) -> None:
    await broker.set_credentials({"node-a": "a's"})
    before = users_of(users_file)["daemon"]
    await broker.set_credentials({"node-b": "b's"})
    assert sorted(users_of(users_file)) == ["daemon", "node-b"]
    assert users_of(users_file)["daemon"] == before


async def test_a_name_that_could_mean_more_changes_nothing(broker: ExternalBroker, users_file: Path) -> None:
    await broker.set_credentials({"node-a": "a's"})
    for name in ("daemon", "x:y"):
        with pytest.raises(InvalidError):
            await broker.add(name, "x")
    assert sorted(users_of(users_file)) == ["daemon", "node-a"]


async def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    broker = ExternalBroker(URLS, Login("daemon", "x"), tmp_path / "absent" / "users")
    with pytest.raises(ConfigurationError, match="cannot be written") as caught:
        await broker.set_credentials({})
    assert "users_file" in caught.value.next_step


async def test_without_a_file_nobody_joins() -> None:
    broker = ExternalBroker(URLS, Login("daemon", "x"))
    assert not broker.serves_joined_nodes
    await broker.set_credentials({"node-a": "x"})
    await broker.remove("node-a")
    with pytest.raises(ConflictError, match="external"):
        await broker.add("node-a", "x")


def test_the_section_names_them(tmp_path: Path, users_file: Path) -> None:
    password = tmp_path / "password"
    password.write_text("secret\n")
    section = BrokerSection(kind="external", urls=URLS, password_file=password, users_file=users_file)
    opened = external_broker(section)
    assert opened.urls == URLS
    assert opened.login == Login("daemon", "secret")
    assert opened.serves_joined_nodes
    assert str(users_file) in opened.describe()


def test_more_than_eight_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 8"):
        BrokerSection(kind="external", urls=[f"mqtt://host-{number}" for number in range(9)])
