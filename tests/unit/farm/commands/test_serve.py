"""What `farm serve` says when it is ready."""

import gc
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from farm import log
from farm.addresses import free_port
from farm.commands import serve as command
from farm.commands.serve import _check_free, check_port, ready_line
from farm.config import DaemonSettings, HttpSection
from farm.daemon.lock import DataLock
from farm.errors import ConfigurationError, FarmError, StoreFullError
from gcode.texts import Bilingual, told


@pytest.mark.parametrize(("host", "url"), [("127.0.0.1", "http://127.0.0.1:9000/"), ("::1", "http://[::1]:9000/")])
def test_on_this_machine_the_page_is_all_there_is_to_say(host: str, url: str) -> None:
    assert ready_line(DaemonSettings(http=HttpSection(host=host, port=9000))) == Bilingual(
        f"Ready. The page of the farm: {url}", f"Prêt. La page de la ferme : {url}"
    )


def test_beyond_it_what_one_needs_is_named(tmp_path: Path) -> None:
    line = ready_line(DaemonSettings(data=tmp_path, http=HttpSection(host="0.0.0.0", port=9000, names=["farm.local"])))
    assert line.en.startswith("Ready. The page of the farm: https://farm.local:9000/ ")
    assert line.fr.startswith("Prêt. La page de la ferme : https://farm.local:9000/ ")
    for said in line:
        assert str(tmp_path / "operator.token") in said
        assert str(tmp_path / "keys" / "ca.pem") in said


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-machine.invalid"])
def test_a_host_that_is_not_this_machine_is_called_that(host: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{host} is no name or address of this machine") as refused:
        check_port(host, 9000)
    assert "[http] host" in refused.value.next_step
    assert refused.value.detail_fr == f"{host} n'est ni un nom ni une adresse de cette machine : rien ne peut y écouter."


def test_a_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ConfigurationError, match="already in use") as refused:
        check_port("127.0.0.1", taken.getsockname()[1])
    assert "[http] port" in refused.value.next_step
    assert refused.value.next_step_fr.startswith("Arrêtez le programme qui l'utilise")


@pytest.mark.real
def test_a_port_of_the_broker_in_use_is_told_before_the_data_folder_is_made(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = {"FARM_BROKER__PORT": str(taken.getsockname()[1]), "FARM_BROKER__TLS_PORT": str(free_port())}
        environment = {**os.environ, **ports, "FARM_HTTP__HOST": "0.0.0.0", "FARM_DATA": str(tmp_path / "data")}
        command = [sys.executable, "-m", "farm", "serve", "--port", str(free_port())]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert ended.returncode == 2
    assert "is in use by another program" in ended.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.real
def test_it_says_so_once_it_listens_in_the_language_of_the_terminal(tmp_path: Path) -> None:
    port = str(free_port())
    settings = {"FARM_BROKER__PORT": str(free_port()), "FARM_DATA": str(tmp_path / "data")}
    environment = {**os.environ, **settings, "LC_ALL": "fr_FR.UTF-8", "PYTHONIOENCODING": "utf-8"}
    with subprocess.Popen(
        [sys.executable, "-m", "farm", "serve", "--port", port], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    ) as daemon:
        try:
            assert daemon.stdout is not None
            assert daemon.stdout.readline().decode() == f"Prêt. La page de la ferme : http://127.0.0.1:{port}/\n"
            socket.create_connection(("127.0.0.1", int(port)), 5).close()
        finally:
            daemon.send_signal(signal.SIGINT)
    assert daemon.returncode == 130  # as after Ctrl-C


def test_who_starts_one_daemon_twice_hears_of_the_folder_and_not_of_the_port(tmp_path: Path) -> None:
    lock = DataLock(tmp_path)
    try:
        with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ConfigurationError) as refused:
            _check_free(DaemonSettings(data=tmp_path, http=HttpSection(port=taken.getsockname()[1])))
    finally:
        lock.release()
    assert refused.value.code == "data-folder-in-use"


def test_the_configuration_may_be_named_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "farm.toml").write_text(f'data = "{tmp_path / "d"}"\n')
    monkeypatch.setenv("FARM_CONFIG", str(tmp_path / "farm.toml"))
    monkeypatch.delenv("FARM_DATA", raising=False)
    lock = DataLock(tmp_path / "d")
    try:
        with pytest.raises(ConfigurationError, match=f"uses the data folder {tmp_path / 'd'} "):
            command.serve()
    finally:
        lock.release()


@pytest.mark.real
def test_a_second_daemon_on_one_data_folder_is_refused_in_one_line(tmp_path: Path) -> None:
    lock = DataLock(tmp_path)
    try:
        environment = {**os.environ, "FARM_BROKER__PORT": str(free_port()), "FARM_DATA": str(tmp_path)}
        command = [sys.executable, "-m", "farm", "serve", "--port", str(free_port())]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=60)
    finally:
        lock.release()
    assert ended.returncode == 2
    (line,) = [line for line in ended.stderr.splitlines() if line.startswith("farm: ")]
    assert f"Another daemon uses the data folder {tmp_path} (process {os.getpid()})" in line
    assert "Stop it first" in line


def scripted(monkeypatch: pytest.MonkeyPatch, *ends: FarmError | None) -> list[FarmError | None]:
    """`farm serve` whose daemon ends like this, start by start; what is left of the script."""
    left = list(ends)
    monkeypatch.setattr(command, "_serve_once", lambda _settings: left.pop(0))
    monkeypatch.setattr(command, "_ROOM_RETRY_S", 0.0)
    monkeypatch.setattr(command, "_check_free", lambda _settings: None)
    monkeypatch.setattr(log, "configure", lambda **_: None)
    return left


def test_on_a_full_disk_it_waits_for_room_and_says_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    full = StoreFullError(Bilingual("The disk is full.", "Le disque est plein."), next_step=told("Make room on it."))
    left = scripted(monkeypatch, full, full, full, None)
    monkeypatch.setenv("FARM_DATA", str(tmp_path))
    command.serve()
    assert left == []
    said = capsys.readouterr().err
    assert said == "The disk is full. The daemon waits for room on the disk, and starts then. Ctrl-C ends it.\n"
    scripted(monkeypatch, full, None)
    monkeypatch.setenv("LC_ALL", "fr_FR.UTF-8")
    command.serve()
    said = capsys.readouterr().err
    assert said == "Le disque est plein. Le démon attend de la place sur le disque, et démarre alors. Ctrl-C l'arrête.\n"


def test_any_other_trouble_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = scripted(monkeypatch, ConfigurationError(told("A port is in use."), next_step=told("Stop it.")), None)
    monkeypatch.setenv("FARM_DATA", str(tmp_path))
    with pytest.raises(ConfigurationError, match="A port is in use"):
        command.serve()
    assert left == [None]


def test_garbage_is_looked_for_again_once_it_has_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[bool, bool]] = []

    def once(_settings: DaemonSettings) -> None:
        before = gc.isenabled()
        command._collect_again(started=True)
        seen.append((before, gc.isenabled()))

    monkeypatch.setattr(command, "_serve_once", once)
    monkeypatch.setenv("FARM_DATA", str(tmp_path))
    gc.unfreeze()  # what tests/conftest.py has frozen
    try:
        command.serve()
        assert seen == [(False, True)]
        assert gc.get_freeze_count() > 0, "what the start has made is not looked through any more"
    finally:
        gc.unfreeze()
        gc.collect()
        gc.freeze()


def test_what_a_failed_start_leaves_is_garbage() -> None:
    gc.disable()
    try:
        before = gc.get_freeze_count()
        command._collect_again(started=False)  # a daemon that waits for room tries again and again, for days
        assert (gc.get_freeze_count(), gc.isenabled()) == (before, True)
    finally:
        gc.enable()


def test_garbage_is_looked_for_again_when_it_cannot_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, ConfigurationError(told("A port is in use."), next_step=told("Stop it.")))
    monkeypatch.setenv("FARM_DATA", str(tmp_path))
    with pytest.raises(ConfigurationError):
        command.serve()
    assert gc.isenabled()
