"""The child brokers with a stand-in for the program; the real ones are in tests/integration."""

import errno
import os
import signal
import socket
import stat
import sys
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from farm.addresses import free_port
from farm.bus import child_broker
from farm.bus.child_broker import ChildBroker, EmbeddedBroker, MosquittoBroker, TlsListener
from farm.bus.client import Patience
from farm.errors import ConfigurationError, ConflictError, InvalidError, NotFoundError, UnreachableError
from farm.keys import hash_password, verify_password
from gcode.texts import Bilingual
from tests.integration.bus import until

WHY = Bilingual("test", "essai")

# Answers CONNECT with yes, as long as the file `closed` is not there; writes a line for each SIGHUP.
STAND_IN = """
import os, signal, socket, sys
port, folder = int(sys.argv[1]), sys.argv[2]
signal.signal(signal.SIGHUP, lambda *_: print("reloaded", flush=True))
server = socket.create_server(("127.0.0.1", port), reuse_port=False)
while True:
    client, _ = server.accept()
    with client:
        client.recv(1000)
        client.sendall(bytes([0x20, 2, 0, 5 if os.path.exists(folder + "/closed") else 0]))
        client.recv(1000)
"""


class StandIn(ChildBroker):
    kind = Bilingual("stand-in", "doublure")
    serves_joined_nodes = False
    script = STAND_IN

    @property
    def _marker(self) -> str:
        return str(self._folder)

    def _command(self) -> list[str]:
        return [sys.executable, "-c", self.script, str(self._port), str(self._folder)]

    def _write_configuration(self) -> None:
        pass

    def _ports(self) -> list[tuple[str, int, str]]:
        return [("127.0.0.1", self._port, "port")]

    def users(self) -> dict[str, str]:
        pairs = (line.partition(":") for line in (self._folder / "passwords").read_text().splitlines())
        return {name: stored for name, _, stored in pairs}


@pytest.fixture(autouse=True)
def quick_restarts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_broker, "_RESTART", Patience(first_s=0.01, most_s=0.02))


async def test_its_users_are_in_a_private_file_as_hashes(tmp_path: Path) -> None:
    broker = StandIn(tmp_path / "broker", free_port(), WHY)
    await broker.start()
    try:
        await broker.set_credentials({"node-a": "password of a", "node-b": hash_password("password of b")})
        users = broker.users()
        assert set(users) == {"daemon", "node-a", "node-b"}
        assert verify_password(broker.login.password, users["daemon"])
        assert verify_password("password of a", users["node-a"])
        assert verify_password("password of b", users["node-b"])
        path = tmp_path / "broker" / "passwords"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert "password of" not in path.read_text()
        await broker.add("node-c", "password of c")
        await broker.remove("node-a")
        assert set(broker.users()) == {"daemon", "node-b", "node-c"}
        assert broker.users()["node-b"] == users["node-b"]  # not hashed anew: the broker would disconnect who did not change
        assert broker._child is not None
        child = broker._child
        await until(lambda: "reloaded" in child.tail)
    finally:
        await broker.close()
    await broker.close()


@pytest.mark.parametrize("name", ["", "daemon", "a:b", "a b", "new\nline", "a/b", "#", "+", "x" * 65, "é"])
async def test_a_user_name_that_means_more_than_itself_is_refused(tmp_path: Path, name: str) -> None:
    broker = StandIn(tmp_path, free_port(), WHY)
    with pytest.raises(InvalidError):
        await broker.set_credentials({name: "x"})
    with pytest.raises(InvalidError):
        await broker.add(name, "x")
    with pytest.raises(InvalidError):
        await broker.remove(name)


async def test_removing_nobody_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        await StandIn(tmp_path, free_port(), WHY).remove("node-z")


async def test_the_number_of_users_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_broker, "MAX_USERS", 2)
    broker = StandIn(tmp_path, free_port(), WHY)
    await broker.start()
    try:
        await broker.set_credentials({"a": "x", "b": "x"})
        with pytest.raises(InvalidError, match="at most 2"):
            await broker.add("c", "x")
        assert set(broker.users()) == {"daemon", "a", "b"}
    finally:
        await broker.close()


async def test_a_user_that_cannot_be_written_is_not_a_user(tmp_path: Path) -> None:
    broker = StandIn(tmp_path / "broker", free_port(), WHY)
    await broker.start()
    try:
        passwords = tmp_path / "broker" / "passwords"
        passwords.unlink()
        (passwords / "in the way").mkdir(parents=True)
        with pytest.raises(ConfigurationError, match="cannot be written"):
            await broker.add("node-a", "x")
        assert set(broker._users) == {"daemon"}
    finally:
        await broker.close()


async def test_a_user_that_the_broker_does_not_take_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_broker, "_NEW_USER_S", 0.1)
    broker = StandIn(tmp_path, free_port(), WHY)
    await broker.start()
    try:
        (tmp_path / "closed").touch()
        with pytest.raises(UnreachableError, match="node-a"):
            await broker.add("node-a", "x")
    finally:
        await broker.close()


async def test_it_is_started_again_however_often_it_dies_and_that_is_logged_once(tmp_path: Path) -> None:
    broker = StandIn(tmp_path, free_port(), WHY)
    with capture_logs() as logs:
        await broker.start()
        try:
            for _ in range(3):
                before = broker.pid
                assert before is not None
                os.kill(before, signal.SIGKILL)
                await until(lambda before=before: broker.pid != before and recoveries(logs, broker.pid))  # type: ignore[misc]  # mypy cannot type a default of a lambda
        finally:
            await broker.close()
    assert [entry["event"] for entry in logs].count("broker.died") == 1


def recoveries(logs: object, pid: int | None) -> bool:
    return f"'pid': {pid}" in str(logs)


async def test_a_restart_that_fails_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broker = StandIn(tmp_path, free_port(), WHY)
    await broker.start()
    try:
        first = broker.pid
        assert first is not None
        (tmp_path / "closed").touch()
        with capture_logs() as logs:
            with monkeypatch.context() as hasty:
                hasty.setattr(child_broker, "_START_S", 0.2)
                os.kill(first, signal.SIGKILL)
                await until(lambda: "broker.restart-failed" in str(logs))
            (tmp_path / "closed").unlink()
            await until(lambda: recoveries(logs, broker.pid))
    finally:
        await broker.close()


async def test_a_broker_that_ends_at_once_brings_its_last_words(tmp_path: Path) -> None:
    broker = StandIn(tmp_path, free_port(), WHY)
    broker.script = "print('Error: no coffee'); print('bye'); raise SystemExit(3)"
    with pytest.raises(ConfigurationError, match="no coffee") as caught:
        await broker.start()
    assert caught.value.code == "broker-start"
    assert caught.value.detail_fr == "Le courtier (doublure) ne démarre pas : Error: no coffee."
    assert not (tmp_path / "broker.pid").exists()


async def test_a_broker_that_says_nothing_is_told_by_its_code(tmp_path: Path) -> None:
    broker = StandIn(tmp_path, free_port(), WHY)
    broker.script = "raise SystemExit(3)"
    with pytest.raises(ConfigurationError, match="code 3") as caught:
        await broker.start()
    assert "il a fini avec le code 3 sans rien dire" in caught.value.detail_fr


async def test_a_broker_that_never_lets_us_in_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_broker, "_START_S", 0.5)
    (tmp_path / "closed").touch()
    broker = StandIn(tmp_path, free_port(), WHY)
    with pytest.raises(UnreachableError, match="does not accept daemon") as caught:
        await broker.start()
    assert "n'accepte pas le mot de passe de daemon" in caught.value.detail_fr
    assert broker.pid is None


async def test_a_port_in_use_is_named_before_anything_is_started(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"Port {port} is in use") as caught:
            await StandIn(tmp_path, port, WHY).start()
    assert "Set another port in [broker]" in caught.value.next_step
    assert f"Le port {port} est pris par un autre programme" in caught.value.detail_fr
    assert "Indiquez un autre port dans [broker]" in caught.value.next_step_fr


async def test_an_address_that_is_not_ours_is_told(tmp_path: Path) -> None:
    broker = StandIn(tmp_path, free_port(), WHY)
    broker._ports = lambda: [("192.0.2.1", 1883, "port")]  # type: ignore[method-assign]  # TEST-NET-1 is nobody's
    with pytest.raises(ConfigurationError, match=r"192\.0\.2\.1"):
        await broker.start()


async def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        await StandIn(tmp_path / "file" / "broker", free_port(), WHY).start()


async def test_a_second_daemon_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    first = StandIn(tmp_path, free_port(), WHY)
    await first.start()
    try:
        pid, _owner, _ticks = (tmp_path / "broker.pid").read_text().split()
        (tmp_path / "broker.pid").write_text(f"{pid} 1 {child_broker_start_ticks(1)}\n")
        with pytest.raises(ConflictError, match="process 1"):
            await StandIn(tmp_path, free_port(), WHY).start()
        assert first.pid is not None
    finally:
        await first.close()


def child_broker_start_ticks(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


# --- what the real ones are told ---------------------------------------------------------------------------------------------


def configuration_of(broker: MosquittoBroker) -> list[str]:
    broker._folder.mkdir(parents=True)
    broker._write_configuration()
    lines = (broker._folder / "mosquitto.conf").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_mosquitto_listens_on_loopback_only_and_knows_everybody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    broker = MosquittoBroker(tmp_path / "broker", 2883, WHY, program=Path("/usr/sbin/mosquitto"), tls=None)
    lines = configuration_of(broker)
    assert [line for line in lines if line.startswith("listener")] == ["listener 2883 127.0.0.1"]
    assert "allow_anonymous false" in lines
    assert f"password_file {tmp_path}/broker/passwords" in lines
    assert f"acl_file {tmp_path}/broker/acl" in lines
    assert {"max_packet_size 262144", "max_queued_messages 100000", "persistence false"} <= set(lines)
    assert not any(line.startswith("user") for line in lines)
    assert "$" not in "".join(lines)
    assert (tmp_path / "broker" / "acl").read_text().count("%u") >= 2
    assert not broker.serves_joined_nodes
    assert broker._command() == ["/usr/sbin/mosquitto", "-c", f"{tmp_path}/broker/mosquitto.conf"]


def test_mosquitto_of_root_stays_root_to_read_our_files_and_to_die_with_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert "user root" in configuration_of(MosquittoBroker(tmp_path / "b", 2883, WHY, program=Path("m"), tls=None))


@pytest.mark.parametrize(("host", "listener"), [("", "listener 8883"), ("192.168.1.2", "listener 8883 192.168.1.2")])
def test_the_tls_listener_is_beside_the_one_on_loopback(tmp_path: Path, host: str, listener: str) -> None:
    tls = TlsListener(8883, tmp_path / "server.pem", tmp_path / "server.key", host)
    broker = MosquittoBroker(tmp_path / "b", 2883, WHY, program=Path("m"), tls=tls)
    lines = configuration_of(broker)
    assert lines.index(listener) > lines.index("listener 2883 127.0.0.1")
    assert f"certfile {tmp_path}/server.pem" in lines
    assert f"keyfile {tmp_path}/server.key" in lines
    assert broker.serves_joined_nodes
    assert broker.urls == ["mqtt://127.0.0.1:2883"]
    assert [(port, key) for _, port, key in broker._ports()] == [(2883, "port"), (8883, "tls_port")]


def test_the_embedded_broker_is_named_as_what_it_is(tmp_path: Path) -> None:
    broker = EmbeddedBroker(tmp_path, 2883, Bilingual("mosquitto is not installed", "mosquitto n'est pas installé"))
    assert broker.describe() == "embedded, demo only (mosquitto is not installed)"
    assert broker.describe().fr == "intégré, pour une démonstration seulement (mosquitto n'est pas installé)"
    assert broker._command()[1:3] == ["-m", "farm.bus.embedded"]
    assert broker._marker in broker._command()


def fail_to_write(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


async def test_on_a_full_disk_it_starts_with_the_files_that_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, port, node = tmp_path / "broker", free_port(), {"node-a": hash_password("password of a")}
    first = StandIn(folder, port, WHY)
    await first.start(node)
    await first.close()
    monkeypatch.setattr(os, "fsync", fail_to_write)  # whatever is written whole ends with it
    monkeypatch.setattr(Path, "write_text", fail_to_write)  # the pid file
    again = StandIn(folder, port, WHY)
    await again.start(node)
    try:
        assert again.login == first.login
        assert again.pid
        await again.set_credentials(node)
        with pytest.raises(ConfigurationError, match="No space left"):
            await again.add("node-b", "password of b")
        assert set(again.users()) == {"daemon", "node-a"}
    finally:
        await again.close()


async def test_the_first_users_are_the_only_ones(tmp_path: Path) -> None:
    broker = StandIn(tmp_path, free_port(), WHY)
    await broker.start({"node-a": hash_password("a"), "node-b": hash_password("b")})
    await broker.close()
    again = StandIn(tmp_path, free_port(), WHY)
    await again.start({"node-b": hash_password("b")})
    await again.close()
    assert set(again.users()) == {"daemon", "node-b"}


async def test_a_damaged_secret_of_the_daemon_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "daemon.secret").write_text("short")
    broker = StandIn(tmp_path, free_port(), WHY)
    await broker.start()
    await broker.close()
    secret = tmp_path / "daemon.secret"
    assert secret.read_text() == broker.login.password
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert verify_password(broker.login.password, broker.users()["daemon"])
