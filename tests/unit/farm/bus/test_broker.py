from pathlib import Path

import pytest

from farm.bus import broker as broker_module
from farm.bus.broker import TlsListener, find_mosquitto, open_broker
from farm.bus.client import Login
from farm.config import BrokerSection
from farm.errors import ConfigurationError, ConflictError

URLS = ["mqtts://mqtt.example:8883"]


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text("hunter2\n")
    return path


async def test_an_external_broker_is_used_as_it_is(tmp_path: Path, password_file: Path) -> None:
    section = BrokerSection(kind="external", urls=URLS, username="essaim", password_file=password_file)
    opened = await open_broker(section, tmp_path / "broker")
    assert opened.urls == URLS
    assert opened.login == Login("essaim", "hunter2")
    assert "mqtt.example" in opened.describe()
    assert "hunter2" not in opened.describe()
    assert not opened.serves_joined_nodes
    assert not (tmp_path / "broker").exists()
    await opened.close()


@pytest.mark.parametrize("missing", ["urls", "password_file"])
async def test_an_external_broker_needs_urls_and_a_password(tmp_path: Path, password_file: Path, missing: str) -> None:
    values = {"urls": URLS, "password_file": password_file}
    del values[missing]
    with pytest.raises(ConfigurationError, match="missing"):
        await open_broker(BrokerSection.model_validate({"kind": "external", **values}), tmp_path)


async def test_a_password_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    section = BrokerSection(kind="external", urls=URLS, password_file=tmp_path / "none")
    with pytest.raises(ConfigurationError, match=str(tmp_path / "none")):
        await open_broker(section, tmp_path)


async def test_mosquitto_that_is_asked_for_and_missing_is_named_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker_module, "find_mosquitto", lambda: None)
    with pytest.raises(ConfigurationError) as caught:
        await open_broker(BrokerSection(kind="mosquitto"), tmp_path)
    assert "sudo apt install mosquitto" in caught.value.next_step


async def test_which_broker_it_is_and_why_is_said_in_french_too(password_file: Path) -> None:
    opened = await open_broker(BrokerSection(kind="external", urls=["mqtt://mqtt.example:1"], password_file=password_file), Path())
    assert opened.describe().fr.startswith("externe mqtt://mqtt.example:1 ([broker] kind dans farm.toml) ; ")


async def test_joined_nodes_are_not_put_on_the_embedded_broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_module, "find_mosquitto", lambda: None)
    with pytest.raises(ConflictError) as caught:
        await open_broker(BrokerSection(), tmp_path, tls=TlsListener(8883, tmp_path, tmp_path))
    assert "sudo apt install mosquitto" in caught.value.next_step


def test_mosquitto_is_found_in_path_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "mosquitto"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_mosquitto() == program


def test_mosquitto_is_found_where_path_does_not_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "mosquitto"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(broker_module, "_EXTRA_FOLDERS", (str(tmp_path),))
    assert find_mosquitto() == program
    monkeypatch.setattr(broker_module, "_EXTRA_FOLDERS", ())
    assert find_mosquitto() is None
