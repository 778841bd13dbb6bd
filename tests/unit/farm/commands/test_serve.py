"""What `farm serve` says when it is ready."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from farm.addresses import free_port
from farm.commands.serve import check_port, ready_line
from farm.config import DaemonSettings, HttpSection
from farm.daemon.lock import DataLock
from farm.errors import ConfigurationError


@pytest.mark.parametrize(("host", "url"), [("127.0.0.1", "http://127.0.0.1:9000/"), ("::1", "http://[::1]:9000/")])
def test_on_this_machine_the_page_is_all_there_is_to_say(host: str, url: str) -> None:
    assert ready_line(DaemonSettings(http=HttpSection(host=host, port=9000))) == f"Ready. The page of the farm: {url}"


def test_beyond_it_what_one_needs_is_named(tmp_path: Path) -> None:
    line = ready_line(DaemonSettings(data=tmp_path, http=HttpSection(host="0.0.0.0", port=9000, names=["farm.local"])))
    assert line.startswith("Ready. The page of the farm: https://farm.local:9000/ ")
    assert str(tmp_path / "operator.token") in line
    assert str(tmp_path / "keys" / "ca.pem") in line


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-machine.invalid"])
def test_a_host_that_is_not_this_machine_is_called_that(host: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{host} is no name or address of this machine") as refused:
        check_port(host, 9000)
    assert "[http] host" in refused.value.next_step


def test_a_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ConfigurationError, match="already in use") as refused:
        check_port("127.0.0.1", taken.getsockname()[1])
    assert "[http] port" in refused.value.next_step


@pytest.mark.real
def test_a_port_of_the_broker_in_use_is_told_before_the_data_folder_is_made(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = {"FARM_BROKER__PORT": str(taken.getsockname()[1]), "FARM_BROKER__TLS_PORT": str(free_port())}
        environment = {**os.environ, **ports, "FARM_HTTP__HOST": "0.0.0.0", "FARM_DATA": str(tmp_path / "data")}
        command = [sys.executable, "-m", "farm", "serve", "--port", str(free_port())]
        told = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert told.returncode == 2
    assert "is in use by another program" in told.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.real
def test_it_says_so_once_it_listens(tmp_path: Path) -> None:
    port = str(free_port())
    environment = {**os.environ, "FARM_BROKER__PORT": str(free_port()), "FARM_DATA": str(tmp_path / "data")}
    with subprocess.Popen(
        [sys.executable, "-m", "farm", "serve", "--port", port], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    ) as daemon:
        try:
            assert daemon.stdout is not None
            assert daemon.stdout.readline().decode() == f"Ready. The page of the farm: http://127.0.0.1:{port}/\n"
            socket.create_connection(("127.0.0.1", int(port)), 5).close()
        finally:
            daemon.send_signal(signal.SIGINT)
    assert daemon.returncode == 130  # as after Ctrl-C


@pytest.mark.real
def test_a_second_daemon_on_one_data_folder_is_refused_in_one_line(tmp_path: Path) -> None:
    lock = DataLock(tmp_path)
    try:
        environment = {**os.environ, "FARM_BROKER__PORT": str(free_port()), "FARM_DATA": str(tmp_path)}
        command = [sys.executable, "-m", "farm", "serve", "--port", str(free_port())]
        told = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=60)
    finally:
        lock.release()
    assert told.returncode == 2
    (line,) = [line for line in told.stderr.splitlines() if line.startswith("farm: ")]
    assert f"Another daemon uses the data folder {tmp_path} (process {os.getpid()})" in line
    assert "Stop it first" in line
