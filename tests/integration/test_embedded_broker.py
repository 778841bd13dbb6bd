"""The fallback broker (amqtt) as a child process: what a demo needs of it, and its known faults kept away from us."""

import os
import signal
import sys
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from farm.addresses import free_port
from farm.bus import broker as broker_module
from farm.bus.broker import TlsListener, open_broker
from farm.bus.child_broker import EmbeddedBroker
from farm.bus.client import Login, Will, check_login
from farm.bus.connection import Connection
from farm.bus.topics import DAEMON_SUBSCRIPTION, Stream, node_subscription, topic
from farm.bus.transport import LoginRefusedError
from farm.config import BrokerSection
from farm.errors import ConfigurationError, ConflictError
from tests.integration.bus import Ear, client, until
from tests.integration.real import require

pytestmark = pytest.mark.real
NODE = Login("node-a", "password of a")


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[EmbeddedBroker]:
    """The embedded broker with one node."""
    require("amqtt", find_spec("amqtt") is not None)
    opened = await open_broker(BrokerSection(kind="embedded", port=free_port()), tmp_path / "broker")
    assert isinstance(opened, EmbeddedBroker)
    await opened.add(NODE.username, NODE.password)
    yield opened
    await opened.close()


async def test_it_carries_a_node_with_four_printers_without_losing_a_message(broker: EmbeddedBroker) -> None:
    daemon_ear, node_ear = Ear(), Ear()
    rounds = 25
    async with (
        client(broker.urls, broker.login, daemon_ear, subscriptions=[DAEMON_SUBSCRIPTION]) as daemon,
        client(broker.urls, NODE, node_ear, subscriptions=[node_subscription("node-a")]) as node,
    ):
        for number in range(rounds):
            for printer in range(4):
                assert await node.publish(topic("node-a", Stream.JOURNAL), f"{printer}/{number}".encode(), qos=1)
            assert await daemon.publish(topic("node-a", Stream.COMMAND), str(number).encode(), qos=1)
        await until(lambda: len(daemon_ear.messages) == 4 * rounds and len(node_ear.messages) == rounds)
    assert daemon_ear.payloads == [f"{printer}/{number}".encode() for number in range(rounds) for printer in range(4)]
    assert node_ear.payloads == [str(number).encode() for number in range(rounds)]


async def test_a_retained_message_waits_for_who_comes_later(broker: EmbeddedBroker) -> None:
    async with client(broker.urls, broker.login) as daemon:
        await daemon.publish(topic("node-a", Stream.DESIRED), b"hold this", qos=1, retain=True)
        early = Ear()
        async with client(broker.urls, NODE, early, subscriptions=[node_subscription("node-a")]):
            await until(lambda: bool(early.messages))
    assert early.payloads == [b"hold this"]
    assert early.messages[0].retained


async def test_the_last_will_is_published_and_retained(broker: EmbeddedBroker) -> None:
    ear, later = Ear(), Ear()
    link = topic("node-a", Stream.LINK)
    async with (
        client(broker.urls, broker.login, ear, subscriptions=[DAEMON_SUBSCRIPTION]),
        client(broker.urls, NODE, will=Will(link, b"crashed")) as node,
    ):
        assert isinstance(node._connection, Connection)
        node._connection.abort()
        await until(lambda: b"crashed" in ear.payloads)
    async with client(broker.urls, broker.login, later, subscriptions=[DAEMON_SUBSCRIPTION]):
        await until(lambda: b"crashed" in later.payloads)


async def test_a_retained_message_that_nobody_asked_for_does_not_reach_the_owner(broker: EmbeddedBroker) -> None:
    """Amqtt sends every retained message that it may to every client that connects, whatever it subscribed to."""
    ear, fence = Ear(), topic("node-a", Stream.COMMAND)
    async with client(broker.urls, broker.login) as daemon:
        await daemon.publish(topic("node-a", Stream.DESIRED), b"not asked for", qos=1, retain=True)
        async with (
            client(broker.urls, NODE, subscriptions=[node_subscription("node-a")]),
            client(broker.urls, Login(NODE.username, NODE.password, "second"), ear, subscriptions=[fence]),
        ):
            await daemon.publish(fence, b"asked for", qos=1)
            await until(lambda: bool(ear.messages))
    assert ear.payloads == [b"asked for"]


async def test_a_node_is_kept_to_its_own_topics(broker: EmbeddedBroker) -> None:
    await broker.add("node-b", "password of b")
    ear = Ear()
    async with (
        client(broker.urls, broker.login, ear, subscriptions=[DAEMON_SUBSCRIPTION]),
        client(broker.urls, NODE) as node,
    ):
        await node.publish(topic("node-b", Stream.JOURNAL), b"forged", qos=1)
        await node.publish(topic("node-a", Stream.JOURNAL), b"mine", qos=1)
        await until(lambda: bool(ear.messages))
    assert ear.payloads == [b"mine"]


async def test_strangers_and_wrong_passwords_are_refused(broker: EmbeddedBroker) -> None:
    for login in (Login("node-a", "wrong", "probe"), Login("stranger", "x"), Login("daemon", "", "probe")):
        with pytest.raises(LoginRefusedError):
            await check_login(broker.urls[0], login)


async def test_a_removed_user_does_not_come_back(broker: EmbeddedBroker) -> None:
    await broker.remove("node-a")

    async def refused() -> bool:
        try:
            await check_login(broker.urls[0], NODE)
        except LoginRefusedError:
            return True
        return False

    while not await refused():
        pass


async def test_after_kill_9_it_is_back_and_messages_flow(broker: EmbeddedBroker) -> None:
    ear, node_ear = Ear(), Ear()
    async with (
        client(broker.urls, broker.login, ear, subscriptions=[DAEMON_SUBSCRIPTION]),
        client(broker.urls, NODE, node_ear) as node,
    ):
        assert broker.pid is not None
        os.kill(broker.pid, signal.SIGKILL)
        await until(lambda: ear.connections == 2 and node_ear.connections == 2)
        assert await node.publish(topic("node-a", Stream.JOURNAL), b"again", qos=1)
        await until(lambda: b"again" in ear.payloads)


async def test_it_says_what_it_is_and_refuses_to_serve_others(broker: EmbeddedBroker, tmp_path: Path) -> None:
    assert "embedded" in broker.describe()
    assert "demo only" in broker.describe()
    assert not broker.serves_joined_nodes
    with pytest.raises(ConflictError, match="other machines") as caught:
        await open_broker(
            BrokerSection(kind="embedded", port=free_port()), tmp_path / "x", tls=TlsListener(8883, tmp_path / "c", tmp_path / "k")
        )
    assert "apt install mosquitto" in caught.value.next_step


async def test_it_listens_on_loopback_only_and_is_quiet(broker: EmbeddedBroker) -> None:
    assert broker.urls[0].startswith("mqtt://127.0.0.1:")
    port = int(broker.urls[0].rpartition(":")[2])
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listening = [row[1] for row in rows if row[3] == "0A" and row[1].endswith(f":{port:04X}")]
    assert listening == [f"0100007F:{port:04X}"]
    assert broker._child is not None
    assert broker._child.tail == []


async def test_auto_takes_it_when_mosquitto_is_missing_and_says_how_to_get_better(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require("amqtt", find_spec("amqtt") is not None)
    monkeypatch.setattr(broker_module, "find_mosquitto", lambda: None)
    opened = await open_broker(BrokerSection(kind="auto", port=free_port()), tmp_path)
    try:
        assert opened.describe() == "embedded, demo only (mosquitto is not installed: sudo apt install mosquitto)"
    finally:
        await opened.close()
    with pytest.raises(ConfigurationError, match="not installed"):
        await open_broker(BrokerSection(kind="mosquitto", port=free_port()), tmp_path)


async def test_without_either_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_module, "find_mosquitto", lambda: None)
    monkeypatch.setitem(sys.modules, "amqtt", None)
    with pytest.raises(ConfigurationError, match="No broker") as caught:
        await open_broker(BrokerSection(kind="auto", port=free_port()), tmp_path)
    assert "apt install mosquitto" in caught.value.next_step
