"""The client and the broker with a real mosquitto."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from farm.addresses import free_port
from farm.bus.broker import Broker, TlsListener, find_mosquitto, open_broker
from farm.bus.child_broker import MosquittoBroker
from farm.bus.client import BusClient, Login, Will, check_login
from farm.bus.connection import Connection
from farm.bus.messages import Ack, Report
from farm.bus.topics import DAEMON_SUBSCRIPTION, Stream, node_subscription, topic
from farm.bus.transport import CertificateError, LoginRefusedError
from farm.certificates import ensure_certificates
from farm.config import BrokerSection
from farm.errors import ConfigurationError, ConflictError, TooLargeError, UnreachableError
from farm.keys import hash_password
from tests.integration.bus import QUICK, Ear, client, until
from tests.integration.real import require
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.real
PASSWORDS = {"node-a": "password of a", "node-b": "password of b"}


def login(node: str) -> Login:
    return Login(node, PASSWORDS[node])


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[MosquittoBroker]:
    """A mosquitto of ours with two nodes."""
    require("mosquitto", find_mosquitto() is not None)
    opened = await open_broker(BrokerSection(kind="mosquitto", port=free_port()), tmp_path / "broker")
    assert isinstance(opened, MosquittoBroker)
    for name, password in PASSWORDS.items():
        await opened.add(name, password)
    yield opened
    await opened.close()


async def test_messages_flow_both_ways_as_their_streams_are_delivered(broker: Broker) -> None:
    daemon_ear, node_ear = Ear(), Ear()
    async with (
        client(broker.urls, broker.login, daemon_ear, subscriptions=[DAEMON_SUBSCRIPTION]) as daemon,
        client(broker.urls, login("node-a"), node_ear, subscriptions=[node_subscription("node-a")]) as node,
    ):
        report = Report(generation=1, desired_version=2, boot=1, report=1, journal={"epoch": "e", "oldest": 1, "head": 1})
        assert await node.say("node-a", Stream.REPORT, report)
        await until(lambda: len(daemon_ear.messages) == 1)
        assert await daemon.say("node-a", Stream.ACK, Ack(generation=1, epoch="e", seq=7))
        await until(lambda: len(node_ear.messages) == 1)
    assert daemon_ear.messages[0].topic == "farm/v1/up/node-a/report"
    assert Report.model_validate_json(daemon_ear.messages[0].payload) == report
    assert not daemon_ear.messages[0].retained
    assert Ack.model_validate_json(node_ear.messages[0].payload).seq == 7


async def test_a_retained_report_is_marked_as_such_for_who_comes_later(broker: Broker) -> None:
    async with client(broker.urls, login("node-a")) as node:
        await node.publish(topic("node-a", Stream.REPORT), b"{}", qos=1, retain=True)
    ear = Ear()
    async with client(broker.urls, broker.login, ear, subscriptions=[DAEMON_SUBSCRIPTION]):
        await until(lambda: len(ear.messages) == 1)
    assert ear.messages[0].retained


async def test_a_node_can_neither_write_nor_read_the_topics_of_another(broker: Broker) -> None:
    daemon_ear, spy_ear, node_ear = Ear(), Ear(), Ear()
    async with (
        client(broker.urls, broker.login, daemon_ear, subscriptions=[DAEMON_SUBSCRIPTION]) as daemon,
        client(broker.urls, login("node-b"), node_ear, subscriptions=[node_subscription("node-b")]),
    ):
        await daemon.publish(topic("node-b", Stream.DESIRED), b"retained secret", qos=1, retain=True)
        await until(lambda: len(node_ear.messages) == 1)
        async with client(
            broker.urls, login("node-a"), spy_ear, subscriptions=["#", "farm/v1/dn/node-b/#", "farm/v1/up/+/+"]
        ) as spy:
            await spy.publish(topic("node-b", Stream.JOURNAL), b"forged", qos=1)
            await spy.publish(topic("node-b", Stream.DESIRED), b"forged", qos=1, retain=True)
            await spy.publish(topic("node-a", Stream.DESIRED), b"forged", qos=1, retain=True)
            await daemon.publish(topic("node-b", Stream.COMMAND), b"live secret", qos=1)
            await until(lambda: len(node_ear.messages) == 2)
            # what may be read and written is the fence: when it has arrived, all that was sent before would have too
            await spy.publish(topic("node-a", Stream.JOURNAL), b"mine", qos=1)
            await daemon.publish(topic("node-a", Stream.COMMAND), b"for a", qos=1)
            await until(lambda: bool(daemon_ear.messages) and bool(spy_ear.messages))
    assert daemon_ear.payloads == [b"mine"]
    assert spy_ear.payloads == [b"for a"]
    assert node_ear.payloads == [b"retained secret", b"live secret"]


async def test_a_foreign_client_id_does_not_open_foreign_topics(broker: Broker) -> None:
    ear = Ear()
    async with (
        client(broker.urls, broker.login, ear, subscriptions=[DAEMON_SUBSCRIPTION]),
        client(broker.urls, Login("node-a", PASSWORDS["node-a"], client_id="node-b")) as liar,
    ):
        await liar.publish(topic("node-b", Stream.JOURNAL), b"forged", qos=1)
        await liar.publish(topic("node-a", Stream.JOURNAL), b"mine", qos=1)
        await until(lambda: bool(ear.messages))
    assert ear.payloads == [b"mine"]


async def test_the_last_will_is_published_after_a_crash_and_not_after_a_goodbye(broker: Broker) -> None:
    ear = Ear()
    link = topic("node-a", Stream.LINK)
    async with client(broker.urls, broker.login, ear, subscriptions=[DAEMON_SUBSCRIPTION]):
        async with client(broker.urls, login("node-a"), will=Will(link, b"polite")):
            pass
        async with client(broker.urls, login("node-a"), will=Will(link, b"crashed")) as node:
            connection = node._connection
            assert isinstance(connection, Connection)
            connection.abort()
            await until(lambda: bool(ear.messages))
    assert ear.payloads == [b"crashed"]


async def test_a_message_that_was_not_acknowledged_holds_the_next_ones_back(broker: MosquittoBroker) -> None:
    ear = Ear(acknowledges=False)
    async with (
        client(broker.urls, broker.login, ear, subscriptions=[DAEMON_SUBSCRIPTION]),
        client(broker.urls, login("node-a")) as node,
    ):
        for number in range(600):
            assert await node.publish(topic("node-a", Stream.JOURNAL), str(number).encode(), qos=1)
        await until(lambda: len(ear.messages) == 500)  # max_inflight_messages of configs/mosquitto
        await asyncio.sleep(0.3)
        assert len(ear.messages) == 500
        for message in ear.messages:
            message.acknowledge()
        await until(lambda: len(ear.messages) == 600)
    assert ear.payloads == [str(number).encode() for number in range(600)]


async def test_after_kill_9_of_the_broker_it_is_back_and_messages_flow(broker: MosquittoBroker) -> None:
    daemon_ear, node_ear = Ear(), Ear()
    async with (
        client(broker.urls, broker.login, daemon_ear, subscriptions=[DAEMON_SUBSCRIPTION]),
        client(broker.urls, login("node-a"), node_ear) as node,
    ):
        first = broker.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await until(lambda: bool(node_ear.losses) and bool(daemon_ear.losses))
        await until(lambda: node_ear.connections == 2 and daemon_ear.connections == 2)
        assert broker.pid != first
        assert await node.publish(topic("node-a", Stream.JOURNAL), b"again", qos=1)
        await until(lambda: daemon_ear.payloads == [b"again"])


async def test_publishing_without_a_connection_is_refused_and_not_kept(broker: MosquittoBroker) -> None:
    ear = Ear()
    async with client(broker.urls, login("node-a"), ear) as node:
        await broker.close()
        await until(lambda: bool(ear.losses))
        assert not node.connected
        assert not await node.publish(topic("node-a", Stream.JOURNAL), b"x", qos=1)
        assert not await node.publish(topic("node-a", Stream.TELEMETRY), b"x", qos=0)


async def test_a_wrong_password_is_told_as_such(broker: MosquittoBroker) -> None:
    with pytest.raises(LoginRefusedError, match="node-a") as caught:
        await check_login(broker.urls[0], Login("node-a", "wrong"))
    assert "join again" in caught.value.next_step
    bus = BusClient(broker.urls, Login("node-a", "wrong"), Ear().callbacks(), patience=QUICK)
    bus.start()
    await until(lambda: bus.problem is not None)
    with pytest.raises(LoginRefusedError):
        await bus.wait_connected(0.01)
    await bus.close()


async def test_nobody_gets_in_without_a_password(broker: MosquittoBroker) -> None:
    with pytest.raises(LoginRefusedError):
        await check_login(broker.urls[0], Login("node-a", ""))
    with pytest.raises(LoginRefusedError):
        await check_login(broker.urls[0], Login("stranger", "x"))


async def test_users_come_and_go_without_disturbing_the_others(broker: MosquittoBroker) -> None:
    ear, gone = Ear(), Ear()
    async with client(broker.urls, login("node-a"), ear):
        await broker.add("node-c", "password of c")
        async with client(broker.urls, Login("node-c", "password of c"), gone):
            await broker.remove("node-c")
            await until(lambda: bool(gone.losses))
        with pytest.raises(LoginRefusedError):
            await check_login(broker.urls[0], Login("node-c", "password of c"))
        await broker.set_credentials({"node-a": broker._users["node-a"], "node-d": hash_password("password of d")})
        await until_login(broker.urls[0], Login("node-d", "password of d"))
    assert ear.connections == 1
    assert ear.losses == []
    with pytest.raises(LoginRefusedError):
        await check_login(broker.urls[0], login("node-b"))


async def until_login(url: str, who: Login) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                return await check_login(url, who)
            except LoginRefusedError:
                await asyncio.sleep(0.05)


async def test_a_packet_that_is_too_large_is_refused_before_it_is_sent(broker: MosquittoBroker) -> None:
    ear = Ear()
    name = topic("node-a", Stream.JOURNAL)
    async with (
        client(broker.urls, broker.login, ear, subscriptions=[DAEMON_SUBSCRIPTION]),
        client(broker.urls, login("node-a")) as node,
    ):
        largest = 262_144 - len(name) - 9
        assert await node.publish(name, b"x" * largest, qos=1)
        await until(lambda: len(ear.messages) == 1)
        with pytest.raises(TooLargeError, match="262144"):
            await node.publish(name, b"x" * (largest + 1), qos=1)
    assert len(ear.payloads[0]) == largest


async def test_the_first_broker_that_answers_is_used(broker: MosquittoBroker) -> None:
    async with client([f"mqtt://127.0.0.1:{free_port()}", *broker.urls], login("node-a")) as node:
        assert node.connected


async def test_a_port_in_use_is_named_with_the_next_step(tmp_path: Path) -> None:
    require("mosquitto", find_mosquitto() is not None)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=str(port)) as caught:
            await open_broker(BrokerSection(kind="mosquitto", port=port), tmp_path)
    assert caught.value.code == "port-in-use"
    assert "[broker]" in caught.value.next_step


async def test_a_broker_that_does_not_start_says_why_and_leaves_nothing_behind(tmp_path: Path) -> None:
    require("mosquitto", find_mosquitto() is not None)
    missing = TlsListener(free_port(), tmp_path / "none.pem", tmp_path / "none.key")
    with pytest.raises(ConfigurationError, match=r"none\.pem"):
        await open_broker(BrokerSection(kind="mosquitto", port=free_port()), tmp_path / "broker", tls=missing)
    assert not (tmp_path / "broker" / "broker.pid").exists()


# --- TLS ---------------------------------------------------------------------------------------------------------------------


@pytest.fixture
async def tls_broker(tmp_path: Path) -> AsyncIterator[tuple[MosquittoBroker, str, Path]]:
    """A mosquitto with a TLS listener too: (broker, url, CA file)."""
    require("mosquitto", find_mosquitto() is not None)
    made = ensure_certificates(tmp_path / "keys", ["127.0.0.1", "localhost"])
    port = free_port()
    opened = await open_broker(
        BrokerSection(kind="mosquitto", port=free_port()), tmp_path / "broker", tls=TlsListener(port, made.certificate, made.key)
    )
    assert isinstance(opened, MosquittoBroker)
    await opened.add("node-a", PASSWORDS["node-a"])
    yield opened, f"mqtts://127.0.0.1:{port}", made.authority
    await opened.close()


async def test_a_joined_node_talks_over_tls(tls_broker: tuple[MosquittoBroker, str, Path]) -> None:
    broker, url, authority = tls_broker
    ear = Ear()
    assert broker.serves_joined_nodes
    async with (
        client(broker.urls, broker.login, ear, subscriptions=[DAEMON_SUBSCRIPTION]),
        client([url], login("node-a"), ca_file=authority) as node,
    ):
        payloads = [bytes([number]) * 50_000 for number in range(20)]
        for payload in payloads:
            assert await node.publish(topic("node-a", Stream.JOURNAL), payload, qos=1)
        await until(lambda: len(ear.messages) == 20)
    assert ear.payloads == payloads


async def test_much_arrives_over_tls_at_once(tls_broker: tuple[MosquittoBroker, str, Path]) -> None:
    broker, url, authority = tls_broker
    ear = Ear()
    async with (
        client(broker.urls, broker.login) as daemon,
        client([url], login("node-a"), ear, ca_file=authority, subscriptions=[node_subscription("node-a")]),
    ):
        for number in range(300):
            await daemon.publish(topic("node-a", Stream.COMMAND), str(number).encode(), qos=1)
        await until(lambda: len(ear.messages) == 300)
    assert ear.payloads == [str(number).encode() for number in range(300)]


async def test_another_authority_is_refused(tls_broker: tuple[MosquittoBroker, str, Path], tmp_path: Path) -> None:
    _, url, _ = tls_broker
    other = ensure_certificates(tmp_path / "others", ["127.0.0.1"])
    with pytest.raises(CertificateError, match="not accepted") as caught:
        await check_login(url, login("node-a"), ca_file=other.authority)
    assert "join it again" in caught.value.next_step


async def test_another_host_name_is_refused(tls_broker: tuple[MosquittoBroker, str, Path]) -> None:
    _, url, authority = tls_broker
    with pytest.raises(CertificateError) as caught:
        await check_login(url.replace("127.0.0.1", "127.0.0.2"), login("node-a"), ca_file=authority)
    assert "names in [http]" in caught.value.next_step


async def test_tls_on_the_plain_port_and_plain_on_the_tls_port_are_told_apart(
    tls_broker: tuple[MosquittoBroker, str, Path],
) -> None:
    broker, url, authority = tls_broker
    with pytest.raises((CertificateError, UnreachableError)):
        await check_login(broker.urls[0].replace("mqtt:", "mqtts:"), login("node-a"), ca_file=authority, timeout_s=2)
    with pytest.raises(UnreachableError, match="does not answer as a broker"):
        await check_login(url.replace("mqtts:", "mqtt:"), login("node-a"), timeout_s=PATIENCE_S)


# --- the daemon's death ------------------------------------------------------------------------------------------------------

DAEMON_PROGRAM = """
import asyncio, json, sys
from pathlib import Path
from farm.bus.broker import open_broker
from farm.config import BrokerSection
from farm.log import configure
configure()
async def main():
    broker = await open_broker(BrokerSection(kind=sys.argv[3], port=int(sys.argv[2])), Path(sys.argv[1]))
    print(json.dumps({"pid": broker.pid}), flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""


def start_daemon(folder: Path, port: int, kind: str = "mosquitto") -> tuple["subprocess.Popen[str]", int]:
    """Another process that owns a broker, and that broker's process id."""
    daemon = subprocess.Popen(
        [sys.executable, "-c", DAEMON_PROGRAM, str(folder), str(port), kind],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert daemon.stdout is not None
    line = daemon.stdout.readline()
    if not line:
        raise AssertionError(daemon.communicate()[1])
    return daemon, int(json.loads(line)["pid"])


def end(daemon: "subprocess.Popen[str]") -> None:
    daemon.kill()
    daemon.communicate()


def gone(pid: int) -> bool:
    """Whether a process has ended (a zombie has: only its parent's look is missing)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


async def test_kill_9_of_the_daemon_takes_the_broker_along(tmp_path: Path) -> None:
    require("mosquitto", find_mosquitto() is not None)
    daemon, pid = await asyncio.to_thread(start_daemon, tmp_path, free_port())
    assert not gone(pid)
    end(daemon)
    await until(lambda: gone(pid))


async def test_a_broker_that_a_dead_daemon_left_behind_is_replaced(tmp_path: Path) -> None:
    program = find_mosquitto()
    require("mosquitto", program is not None)
    port = free_port()
    opened = await open_broker(BrokerSection(kind="mosquitto", port=port), tmp_path)
    await opened.close()
    # the same command without the tie to its parent: what is left when that tie failed
    orphan = subprocess.Popen([str(program), "-c", str(tmp_path / "mosquitto.conf")], stderr=subprocess.DEVNULL)
    (tmp_path / "broker.pid").write_text(f"{orphan.pid} 999999999 1\n")
    await until_listening(port)
    again = await open_broker(BrokerSection(kind="mosquitto", port=port), tmp_path)
    try:
        assert await asyncio.to_thread(orphan.wait, PATIENCE_S) is not None
        await check_login(again.urls[0], Login(again.login.username, again.login.password, "probe"))
    finally:
        await again.close()


async def until_listening(port: int) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.02)
        else:
            writer.close()
            await writer.wait_closed()
            return
    raise AssertionError("nothing listens")


async def test_the_broker_of_a_living_daemon_is_left_alone(tmp_path: Path) -> None:
    require("mosquitto", find_mosquitto() is not None)
    port = free_port()
    daemon, pid = await asyncio.to_thread(start_daemon, tmp_path, port)
    try:
        with pytest.raises(ConflictError, match=str(daemon.pid)):
            await open_broker(BrokerSection(kind="mosquitto", port=free_port()), tmp_path)
        assert not gone(pid)
    finally:
        end(daemon)
