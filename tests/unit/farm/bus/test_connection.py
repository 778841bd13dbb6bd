import asyncio
import ssl
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from farm.bus.connection import Connection, Login, Received, Will, topic_pattern
from farm.bus.messages import MAX_PACKET_BYTES
from farm.bus.transport import LoginRefusedError, parse_url, tls_context
from farm.certificates import ensure_certificates
from farm.errors import NotAllowedError, TooLargeError, UnreachableError
from gcode.texts import both
from tests.integration.bus import until
from tests.patience import PATIENCE_S
from tests.unit.farm.bus.small_broker import SmallBroker, packet, publish, running

LOGIN = Login("node-a", "secret")


class Owner:
    def __init__(self) -> None:
        self.heard: list[Received] = []
        self.too_large: list[tuple[str, int]] = []

    def connection(self) -> Connection:
        return Connection(self.heard.append, lambda topic, size_bytes: self.too_large.append((topic, size_bytes)))


async def open_to(
    broker: SmallBroker, connection: Connection, *, will: Will | None = None, login: Login = LOGIN, timeout_s: float = PATIENCE_S
) -> None:
    with ThreadPoolExecutor(1) as executor:
        await connection.open(parse_url(broker.url), login, will, context=None, executor=executor, timeout_s=timeout_s)


@asynccontextmanager
async def opened(broker: SmallBroker, owner: Owner | None = None, filters: tuple[str, ...] = ()) -> AsyncIterator[Connection]:
    async with running(broker):
        connection = (owner or Owner()).connection()
        await open_to(broker, connection)
        await connection.subscribe(filters, PATIENCE_S)
        try:
            yield connection
        finally:
            connection.abort()


async def test_it_logs_in_as_its_user_with_a_clean_start_and_the_will() -> None:
    broker = SmallBroker()
    async with running(broker):
        connection = Owner().connection()
        await open_to(broker, connection, will=Will("farm/v1/up/node-a/link", b"gone"))
        connection.abort()
    connect = broker.connects[0]
    assert connect[:7] == b"\x00\x04MQTT\x04"  # MQTT 3.1.1
    assert connect[7] == 0b11101110  # user, password, will retained at QoS 1, clean session
    assert connect[8:10] == (30).to_bytes(2, "big")
    assert connect.count(b"node-a") == 3  # client id, topic of the will, user name
    assert connect.endswith(b"\x00\x06secret")


async def test_a_second_client_id_of_the_same_user_is_possible() -> None:
    broker = SmallBroker()
    async with running(broker):
        connection = Owner().connection()
        await open_to(broker, connection, login=Login("daemon", "x", client_id="daemon-check"))
        connection.abort()
    assert b"\x00\x0cdaemon-check\x00\x06daemon" in broker.connects[0]


@pytest.mark.parametrize("code", [4, 5])
async def test_a_refused_login_is_told_apart(code: int) -> None:
    async with running(SmallBroker(code=code)) as broker:
        with pytest.raises(LoginRefusedError, match="password of node-a"):
            await open_to(broker, Owner().connection())


@pytest.mark.parametrize("code", [1, 2, 3])
async def test_other_refusals_are_no_matter_of_passwords(code: int) -> None:
    async with running(SmallBroker(code=code)) as broker:
        with pytest.raises(UnreachableError) as caught:
            await open_to(broker, Owner().connection())
    assert caught.value.code == "broker-unreachable"


async def test_a_broker_that_says_nothing_is_given_up_in_time() -> None:
    async with running(SmallBroker(mute=True)) as broker:
        with pytest.raises(UnreachableError, match="no answer"):
            await open_to(broker, Owner().connection(), timeout_s=0.2)


async def test_what_is_no_broker_is_named_so() -> None:
    async def web_server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(web_server, "127.0.0.1", 0)
    async with server:
        broker = SmallBroker(port=server.sockets[0].getsockname()[1])
        with pytest.raises(UnreachableError, match="does not answer as a broker"):
            await open_to(broker, Owner().connection())


async def test_nothing_listens() -> None:
    async with running(SmallBroker()) as broker:
        pass
    with pytest.raises(UnreachableError, match=str(broker.port)):
        await open_to(broker, Owner().connection())


async def test_a_refused_subscription_is_an_error() -> None:
    async with running(SmallBroker(grant=0x80)) as broker:
        connection = Owner().connection()
        await open_to(broker, connection)
        with pytest.raises(NotAllowedError, match="farm/v1/#"):
            await connection.subscribe(["farm/v1/#"], 5)
        connection.abort()


async def test_the_broker_hears_of_a_message_only_when_the_owner_says_so() -> None:
    owner, broker = Owner(), SmallBroker(greeting=publish("a/b", b"1", packet_id=41) + publish("a/b", b"2", packet_id=42))
    async with opened(broker, owner, ("a/+",)) as connection:
        await until(lambda: len(owner.heard) == 2)
        owner.heard[1].acknowledge()
        await until(lambda: bool(broker.acknowledged))
        await asyncio.sleep(0.05)
        assert broker.acknowledged == [42]
        connection.abort()
        owner.heard[0].acknowledge()  # too late, and harmless
    assert broker.acknowledged == [42]


async def test_what_comes_is_told_with_topic_payload_and_whether_it_is_old() -> None:
    owner, greeting = Owner(), publish("a/b", b"old", retain=True) + publish("a/c", b"new")
    async with opened(SmallBroker(greeting=greeting), owner, ("a/+",)):
        await until(lambda: len(owner.heard) == 2)
    assert [(message.topic, message.payload, message.retained) for message in owner.heard] == [
        ("a/b", b"old", True),
        ("a/c", b"new", False),
    ]
    owner.heard[0].acknowledge()  # nothing to say at QoS 0


async def test_a_message_that_was_not_subscribed_to_is_acknowledged_and_dropped() -> None:
    owner, broker = Owner(), SmallBroker(greeting=publish("x/y", b"1", packet_id=7) + publish("a/b", b"2"))
    async with opened(broker, owner, ("a/+",)):
        await until(lambda: bool(owner.heard) and bool(broker.acknowledged))
    assert [message.topic for message in owner.heard] == ["a/b"]
    assert broker.acknowledged == [7]


async def test_a_message_that_is_too_large_is_told_and_not_delivered() -> None:
    huge = b"x" * (MAX_PACKET_BYTES + 1)
    owner, broker = Owner(), SmallBroker(greeting=publish("a/b", huge, packet_id=7) + publish("a/b", b"small"))
    async with opened(broker, owner, ("a/+",)) as connection:
        await until(lambda: bool(owner.heard) and bool(broker.acknowledged))
        assert not connection.lost.done()
    assert [message.payload for message in owner.heard] == [b"small"]
    assert owner.too_large == [("a/b", len(huge))]


async def test_a_packet_beyond_all_measure_ends_the_connection_before_it_is_read() -> None:
    announced = packet(0x30, b"")[:1] + b"\xff\xff\xff\x7f"  # 256 MB to come
    async with opened(SmallBroker(greeting=announced + b"\x00\x03a/b" + b"x" * 100), Owner(), ("a/+",)) as connection:
        async with asyncio.timeout(PATIENCE_S):
            assert "268435455 bytes" in await connection.lost


async def test_a_topic_that_is_no_text_harms_nobody() -> None:
    broken = packet(0x32, b"\x00\x02\xff\xfe" + b"\x00\x09" + b"payload")
    owner, broker = Owner(), SmallBroker(greeting=broken + publish("a/b", b"next"))
    async with opened(broker, owner, ("a/+",)):
        await until(lambda: bool(owner.heard))
    assert [message.payload for message in owner.heard] == [b"next"]
    assert broker.acknowledged == [9]


async def test_a_handler_that_raises_disturbs_no_other_message() -> None:
    heard: list[bytes] = []
    failures: list[object] = []

    def handler(message: Received) -> None:
        heard.append(message.payload)
        if message.payload == b"poison":
            raise ValueError("poison")

    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: failures.append(context["exception"]))
    async with running(SmallBroker(greeting=publish("a", b"poison") + publish("a", b"good"))) as broker:
        connection = Connection(handler, lambda _topic, _size_bytes: None)
        await open_to(broker, connection)
        await connection.subscribe(["a"], PATIENCE_S)
        await until(lambda: len(heard) == 2)
        connection.abort()
    assert heard == [b"poison", b"good"]
    assert [str(failure) for failure in failures] == ["poison"]


async def test_qos_1_waits_for_room_and_is_refused_when_the_connection_ends() -> None:
    broker = SmallBroker(puback=False)
    async with opened(broker) as connection:
        for number in range(100):
            assert await connection.send("a", str(number).encode(), qos=1, retain=False)
        waiting = asyncio.create_task(connection.send("a", b"100", qos=1, retain=False))
        await until(lambda: len(broker.published) == 100)
        await asyncio.sleep(0.05)
        assert not waiting.done()
        broker.drop()
        assert not await waiting
        assert not await connection.send("a", b"later", qos=1, retain=False)
        assert not await connection.send("a", b"later", qos=0, retain=False)


async def test_room_is_made_by_the_brokers_acknowledgements() -> None:
    broker = SmallBroker()
    async with opened(broker) as connection:
        for number in range(350):
            assert await connection.send("a", str(number).encode(), qos=1, retain=False)
        await until(lambda: len(broker.published) == 350)
    assert [payload for _, payload in broker.published] == [str(number).encode() for number in range(350)]


async def test_those_who_wait_for_room_are_limited() -> None:
    broker = SmallBroker(puback=False)
    async with opened(broker) as connection:
        tasks = [asyncio.create_task(connection.send("a", b"", qos=1, retain=False)) for _ in range(1_101)]
        await until(lambda: sum(task.done() for task in tasks) > 100)
        await asyncio.sleep(0.05)
        answers = [task.result() for task in tasks if task.done()]
        assert answers.count(True) == 100
        assert answers.count(False) == 1
        connection.abort()
        assert not any(await asyncio.gather(*(task for task in tasks[100:])))


async def test_at_qos_0_the_newest_of_a_topic_replaces_what_waits() -> None:
    broker = SmallBroker()
    async with opened(broker) as connection:
        for number in range(50):
            assert await connection.send("fast", str(number).encode(), qos=0, retain=False)
            assert await connection.send(f"topic-{number}", b"only", qos=0, retain=False)
        await until(lambda: len(broker.published) >= 52)
    fast = [payload for topic, payload in broker.published if topic == "fast"]
    assert fast == [b"0", b"49"]
    assert sum(topic != "fast" for topic, _ in broker.published) == 50


async def test_a_broker_that_does_not_read_costs_a_bounded_queue() -> None:
    broker = SmallBroker()
    async with opened(broker) as connection:
        broker.reading.clear()
        for number in range(200):
            await connection.send("a", bytes([number]) * 200_000, qos=0, retain=False)
            await asyncio.sleep(0)
        broker.reading.set()
        await until(lambda: bool(broker.published) and broker.published[-1][1][:1] == b"\xc7")
    assert len(broker.published) < 200


async def test_too_large_a_packet_is_refused() -> None:
    async with opened(SmallBroker()) as connection:
        with pytest.raises(TooLargeError):
            await connection.send("a", b"x" * MAX_PACKET_BYTES, qos=1, retain=False)
        with pytest.raises(TooLargeError):
            await connection.send("a", b"x" * MAX_PACKET_BYTES, qos=0, retain=False)


async def test_close_sends_what_waits_and_says_goodbye() -> None:
    broker = SmallBroker()
    async with opened(broker) as connection:
        for number in range(3):
            await connection.send(f"a/{number}", b"x", qos=number % 2, retain=False)
        await connection.close(5)
        assert connection.lost.done()
        await until(lambda: broker.goodbyes == 1)
    assert len(broker.published) == 3


async def test_close_gives_up_on_a_broker_that_does_not_acknowledge() -> None:
    async with opened(SmallBroker(puback=False)) as connection:
        await connection.send("a", b"x", qos=1, retain=False)
        async with asyncio.timeout(PATIENCE_S):
            await connection.close(0.2)


@pytest.mark.parametrize("count", [3, 200])
async def test_packets_that_came_in_one_record_of_tls_are_all_read(tmp_path: Path, count: int) -> None:
    """What TLS has decrypted is not seen by the selector any more."""
    keys = ensure_certificates(tmp_path, ["127.0.0.1"])
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(keys.certificate, keys.key)
    owner, greeting = Owner(), b"".join(publish("a", str(number).encode()) for number in range(count))
    async with running(SmallBroker(greeting=greeting), server) as broker:
        connection = owner.connection()
        address = parse_url(broker.url.replace("mqtt:", "mqtts:"))
        with ThreadPoolExecutor(1) as executor:
            context = tls_context(keys.authority)
            await connection.open(address, LOGIN, None, context=context, executor=executor, timeout_s=PATIENCE_S)
        await connection.subscribe(["a"], PATIENCE_S)
        await until(lambda: len(owner.heard) == count)
        await connection.close(1)
    assert [message.payload for message in owner.heard] == [str(number).encode() for number in range(count)]


async def test_the_end_is_told_once_with_a_reason() -> None:
    broker = SmallBroker()
    async with opened(broker) as connection:
        broker.drop()
        async with asyncio.timeout(PATIENCE_S):
            reason = await connection.lost
        connection.abort("later")
        assert both(reason) == ("the broker closed the connection", "le courtier a fermé la connexion")
        assert connection.lost.result() == reason


async def test_cancelling_an_attempt_closes_its_socket_when_it_comes() -> None:
    async with running(SmallBroker(mute=True)) as broker:
        connection = Owner().connection()
        attempt = asyncio.create_task(open_to(broker, connection))
        await until(lambda: bool(broker.writers))
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt
        connection.abort()


def test_the_password_is_not_shown() -> None:
    assert "secret" not in repr(LOGIN)


@pytest.mark.parametrize(
    ("topic_filter", "topic", "matches"),
    [
        ("farm/v1/up/+/+", "farm/v1/up/node-a/report", True),
        ("farm/v1/up/+/+", "farm/v1/up/node-a/a/b", False),
        ("farm/v1/up/+/+", "farm/v1/dn/node-a/report", False),
        ("farm/v1/dn/a.b/#", "farm/v1/dn/a.b/x/y", True),
        ("farm/v1/dn/a.b/#", "farm/v1/dn/axb/x/y", False),
        ("farm/v1/dn/a/#", "farm/v1/dn/a", True),
        ("farm/v1/dn/a/#", "farm/v1/dn/ab", False),
        ("#", "anything/at/all", True),
        ("a/b", "a/b", True),
        ("a/b", "a/b/c", False),
    ],
)
def test_a_topic_filter_means_what_mqtt_says(topic_filter: str, topic: str, matches: bool) -> None:
    assert bool(topic_pattern(topic_filter).fullmatch(topic)) is matches
