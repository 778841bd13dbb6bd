import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from farm.addresses import free_port
from farm.bus.client import Login
from farm.bus.connection import KEEPALIVE_S
from farm.bus.many import BrokerState, EveryBroker
from farm.bus.messages import MAX_PACKET_BYTES, Ack
from farm.bus.topics import Stream
from farm.errors import ConfigurationError, FarmError, TooLargeError, UnreachableError
from gcode.texts import both
from tests.integration.bus import QUICK, Ear, until
from tests.patience import PATIENCE_S
from tests.unit.farm.bus.small_broker import SmallBroker, publish, running

LOGIN = Login("daemon", "secret")


@asynccontextmanager
async def started(urls: Sequence[str], ear: Ear, errors: list[FarmError] | None = None) -> AsyncIterator[EveryBroker]:
    callbacks = replace(ear.callbacks(), on_unreachable=(errors if errors is not None else []).append)
    bus = EveryBroker(urls, LOGIN, callbacks, subscriptions=["a/+"], patience=QUICK)
    bus.start()
    try:
        yield bus
    finally:
        await bus.close()
        await bus.close()


async def test_it_is_connected_to_every_broker_and_says_everything_on_each() -> None:
    ear = Ear()
    async with running(SmallBroker()) as one, running(SmallBroker()) as two, started([one.url, two.url], ear) as bus:
        await until(lambda: ear.connections == 2)
        assert await bus.say("node-a", Stream.ACK, Ack(generation=1, epoch="e", seq=7))
        assert await bus.publish("a/b", b"kept", qos=1, retain=True)
        await until(lambda: len(one.published) == len(two.published) == 2)
    assert one.published == two.published
    assert [name for name, _ in one.published] == ["farm/v1/dn/node-a/ack", "a/b"]
    assert one.goodbyes == two.goodbyes == 1
    assert ear.losses == []


async def test_it_hears_every_broker() -> None:
    ear = Ear()
    greetings = [SmallBroker(greeting=publish("a/x", text)) for text in (b"from one", b"from two")]
    async with running(greetings[0]) as one, running(greetings[1]) as two, started([one.url, two.url], ear):
        await until(lambda: len(ear.messages) == 2)
    assert sorted(ear.payloads) == [b"from one", b"from two"]


async def test_one_of_two_is_enough_and_the_other_is_shown() -> None:
    ear, errors = Ear(), list[FarmError]()
    away = f"127.0.0.1:{free_port()}"
    async with running(SmallBroker()) as one, started([f"mqtt://{away}", one.url], ear, errors) as bus:
        await bus.wait_connected(PATIENCE_S)
        await until(lambda: bool(errors))
        assert bus.connected
        first, second = bus.brokers
        assert (first.broker, first.connected) == (away, False)
        assert "No broker answers" in first.problem
        assert "Aucun courtier ne répond" in both(first.problem).fr
        assert second == BrokerState(one.url.removeprefix("mqtt://"), connected=True)
        assert await bus.publish("a/b", b"x", qos=1)
        await until(lambda: len(one.published) == 1)


async def test_a_lost_one_comes_back_and_its_owner_hears_of_both() -> None:
    ear = Ear()
    two = SmallBroker(port=free_port())
    async with running(SmallBroker()) as one:
        async with running(two):
            bus = EveryBroker([one.url, two.url], LOGIN, ear.callbacks(), patience=QUICK)
            bus.start()
            await until(lambda: ear.connections == 2)
        await until(lambda: len(ear.losses) == 1)
        assert bus.connected
        assert [state.connected for state in bus.brokers] == [True, False]
        assert bus.brokers[1].problem
        await bus.publish("a/b", b"missed", qos=1)
        async with running(two):
            await until(lambda: ear.connections == 3)
            assert [(state.connected, state.problem) for state in bus.brokers] == [(True, ""), (True, "")]
            await bus.close()
    assert two.published == []  # nothing is kept for later: the owner says it again


async def test_a_broker_that_hangs_holds_up_nobody() -> None:
    ear = Ear()
    hanging = SmallBroker(puback=False)
    async with running(hanging), running(SmallBroker()) as good, started([hanging.url, good.url], ear) as bus:
        await until(lambda: ear.connections == 2)
        async with asyncio.timeout(KEEPALIVE_S / 3):
            for number in range(300):
                assert await bus.publish("a/b", str(number).encode(), qos=1)
        await until(lambda: len(good.published) == 300)
        assert len(hanging.published) == 100  # the window of one connection


async def test_without_any_broker_nothing_is_taken() -> None:
    async with started([f"mqtt://127.0.0.1:{free_port()}", f"mqtt://127.0.0.1:{free_port()}"], Ear()) as bus:
        assert not bus.connected
        assert not await bus.publish("a/b", b"x", qos=1)
        with pytest.raises(UnreachableError):
            await bus.wait_connected(0.3)


async def test_waiting_before_anything_was_tried_names_all() -> None:
    async with running(SmallBroker(mute=True)) as mute, started([mute.url, f"mqtt://127.0.0.1:{mute.port}/"], Ear()) as bus:
        with pytest.raises(UnreachableError, match="has answered yet"):
            await bus.wait_connected(0.1)
        assert len(bus.brokers) == 1  # one that is named twice is used once


async def test_too_large_a_message_is_refused_by_all() -> None:
    ear = Ear()
    async with running(SmallBroker()) as one, running(SmallBroker()) as two, started([one.url, two.url], ear) as bus:
        await until(lambda: ear.connections == 2)
        with pytest.raises(TooLargeError):
            await bus.publish("a/b", b"x" * MAX_PACKET_BYTES, qos=1)


async def test_each_connection_has_a_client_id_of_its_own() -> None:
    ear = Ear()
    async with running(SmallBroker()) as one, running(SmallBroker()) as two, started([one.url, two.url], ear):
        await until(lambda: ear.connections == 2)
    assert b"\x00\x06daemon\x00\x06daemon" in one.connects[0]  # client id, user name
    assert b"\x00\x08daemon-2\x00\x06daemon" in two.connects[0]


@pytest.mark.parametrize("urls", [[], ["http://host"], ["mqtt://good", "nonsense"]])
async def test_a_bad_list_is_refused(urls: list[str]) -> None:
    with pytest.raises(ConfigurationError):
        EveryBroker(urls, LOGIN, Ear().callbacks())
