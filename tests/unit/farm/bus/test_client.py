import asyncio
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from farm.addresses import free_port
from farm.bus.client import BusClient, Login, Patience, Will, check_login
from farm.bus.messages import Command, JobAction, Link
from farm.bus.topics import Stream
from farm.bus.transport import LoginRefusedError
from farm.errors import ConfigurationError, FarmError, UnreachableError
from tests.integration.bus import QUICK, Ear, until
from tests.patience import PATIENCE_S
from tests.unit.farm.bus.small_broker import SmallBroker, publish, running

LOGIN = Login("node-a", "secret")


@asynccontextmanager
async def started(urls: list[str], ear: Ear, will: Will | None = None) -> AsyncIterator[BusClient]:
    bus = BusClient(urls, LOGIN, ear.callbacks(will), subscriptions=["a/+"], patience=QUICK)
    bus.start()
    bus.start()  # a second start changes nothing
    try:
        yield bus
    finally:
        await bus.close()
        await bus.close()


async def test_it_connects_and_tells_its_owner() -> None:
    ear = Ear()
    async with running(SmallBroker()) as broker, started([broker.url], ear) as bus:
        await bus.wait_connected(PATIENCE_S)
        assert bus.connected
        await until(lambda: ear.connections == 1)
    assert ear.losses == []  # our own goodbye is no loss
    assert broker.goodbyes == 1
    assert len(broker.connects) == 1


async def test_a_lost_connection_is_made_again_and_the_will_asked_for_anew() -> None:
    ear, asked = Ear(), iter(range(1, 100))
    callbacks = ear.callbacks()
    object.__setattr__(callbacks, "last_will", lambda: Will("a/link", f"connection {next(asked)}".encode()))
    async with running(SmallBroker()) as broker:
        bus = BusClient([broker.url], LOGIN, callbacks, patience=QUICK)
        bus.start()
        await bus.wait_connected(PATIENCE_S)
        broker.drop()
        await until(lambda: ear.connections == 2)
        await bus.close()
    assert len(ear.losses) == 1
    assert b"connection 1" in broker.connects[0]
    assert b"connection 2" in broker.connects[1]


async def test_the_list_is_walked_until_one_answers() -> None:
    ear = Ear()
    async with running(SmallBroker(code=5)) as refusing, running(SmallBroker()) as good:
        async with started([f"mqtt://127.0.0.1:{free_port()}", refusing.url, good.url], ear) as bus:
            await bus.wait_connected(PATIENCE_S)
            assert len(refusing.connects) == 1
            good.drop()
            await until(lambda: ear.connections == 2)
        assert len(refusing.connects) >= 2


async def test_loss_and_recovery_are_logged_once_each() -> None:
    ear, broker = Ear(), SmallBroker()
    with capture_logs() as logs:
        async with running(broker):
            bus = BusClient([broker.url], LOGIN, ear.callbacks(), patience=Patience(5, 0.01, 0.02))
            bus.start()
            await bus.wait_connected(PATIENCE_S)
        await until(lambda: len(ear.losses) == 1)
        await asyncio.sleep(0.3)  # some ten attempts in vain
        async with running(broker):
            await until(lambda: ear.connections == 2)
            await bus.close()
    events = [entry["event"] for entry in logs]
    assert events == ["bus.connected", "bus.lost", "bus.connected"]
    assert [entry["recovered"] for entry in logs if entry["event"] == "bus.connected"] == [False, True]
    assert "secret" not in str(logs)


async def test_each_cause_is_logged_once_although_several_brokers_fail_in_turn() -> None:
    told: list[str] = []
    callbacks = replace(Ear().callbacks(), on_unreachable=lambda error: told.append(error.code))
    with capture_logs() as logs:
        async with running(SmallBroker(code=5)) as refusing:
            bus = BusClient([f"mqtt://127.0.0.1:{free_port()}", refusing.url], LOGIN, callbacks, patience=Patience(5, 0.01, 0.02))
            bus.start()
            await until(lambda: len(refusing.connects) > 3)
            await bus.close()
    assert [entry["event"] for entry in logs] == ["bus.unreachable", "bus.unreachable"]
    assert told[:4] == ["broker-unreachable", "broker-login"] * 2, "who shows what is wrong now hears every change"


async def test_a_new_cause_is_logged_again() -> None:
    broker = SmallBroker(port=free_port())
    with capture_logs() as logs:
        bus = BusClient([broker.url], LOGIN, Ear().callbacks(), patience=Patience(5, 0.01, 0.02))
        bus.start()
        await until(lambda: bool(logs))
        broker.code = 5
        async with running(broker):
            await until(lambda: len(broker.connects) > 3 and len(logs) > 1)
            await bus.close()
    assert [entry["event"] for entry in logs] == ["bus.unreachable", "bus.unreachable"]
    assert "No broker answers" in logs[0]["detail"]
    assert "password" in logs[1]["detail"]


async def test_waiting_in_vain_raises_the_reason() -> None:
    async with running(SmallBroker(code=5)) as broker, started([broker.url], Ear()) as bus:
        await until(lambda: bus.problem is not None)
        with pytest.raises(LoginRefusedError) as caught:
            await bus.wait_connected(0.01)
        assert "n'accepte pas le mot de passe" in caught.value.detail_fr
    async with running(SmallBroker(mute=True)) as broker, started([broker.url], Ear()) as bus:
        with pytest.raises(UnreachableError, match="has answered yet"):
            await bus.wait_connected(0.1)


async def test_publishing_without_a_connection_is_refused() -> None:
    bus = BusClient([f"mqtt://127.0.0.1:{free_port()}"], LOGIN, Ear().callbacks(), patience=QUICK)
    assert not await bus.publish("a/b", b"x", qos=1)
    assert not await bus.publish("a/b", b"x", qos=0)
    await bus.close()


async def test_a_message_of_the_contract_goes_to_its_stream() -> None:
    async with running(SmallBroker()) as broker, started([broker.url], Ear()) as bus:
        await bus.wait_connected(PATIENCE_S)
        await bus.say("node-a", Stream.LINK, Link(connection=3, online=True))
        command = Command(generation=1, id="c-1", action=JobAction(kind="pause", printer="p", job="j"))
        await bus.say("node-a", Stream.COMMAND, command)
        await until(lambda: len(broker.published) == 2)
    topics = [name for name, _ in broker.published]
    assert topics == ["farm/v1/up/node-a/link", "farm/v1/dn/node-a/command"]
    assert Link.model_validate_json(broker.published[0][1]) == Link(connection=3, online=True)
    assert Command.model_validate_json(broker.published[1][1]) == command
    assert b"null" not in broker.published[1][1]


async def test_an_owner_that_raises_does_not_end_the_client() -> None:
    ear, raised = Ear(), []

    def raising() -> None:
        raise ValueError("of the owner")

    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: raised.append(context["exception"]))
    callbacks = ear.callbacks()
    object.__setattr__(callbacks, "on_connected", raising)
    async with running(SmallBroker()) as broker:
        bus = BusClient([broker.url], LOGIN, callbacks, patience=QUICK)
        bus.start()
        await until(lambda: len(raised) == 1)
        broker.drop()
        await until(lambda: len(raised) == 2)
        await bus.close()


async def test_close_ends_an_attempt_that_hangs() -> None:
    async with running(SmallBroker(mute=True)) as broker:
        bus = BusClient([broker.url], LOGIN, Ear().callbacks(), patience=Patience(attempt_s=60))
        bus.start()
        await until(lambda: bool(broker.connects))
        async with asyncio.timeout(30):  # half of what the attempt may take
            await bus.close()


async def test_close_before_start_and_right_after() -> None:
    bus = BusClient(["mqtt://127.0.0.1:1"], LOGIN, Ear().callbacks())
    await bus.close()
    again = BusClient([f"mqtt://127.0.0.1:{free_port()}"], LOGIN, Ear().callbacks())
    again.start()
    await again.close()


@pytest.mark.parametrize("urls", [[], ["mqtt://host"] * 9, ["http://host"]])
async def test_a_bad_list_of_brokers_is_refused(urls: list[str]) -> None:
    with pytest.raises(ConfigurationError):
        BusClient(urls, LOGIN, Ear().callbacks())


async def test_checking_a_login_says_goodbye() -> None:
    async with running(SmallBroker()) as broker:
        await check_login(broker.url, LOGIN)
        await until(lambda: broker.goodbyes == 1)
    async with running(SmallBroker(code=4)) as refusing:
        with pytest.raises(LoginRefusedError):
            await check_login(refusing.url, LOGIN)


def test_patience_doubles_with_jitter_up_to_its_limit() -> None:
    patience = Patience(first_s=1.0, most_s=8.0)
    for walks, full_s in [(0, 1.0), (1, 2.0), (2, 4.0), (3, 8.0), (4, 8.0), (1_000_000, 8.0)]:
        delays = {patience.delay_s(walks) for _ in range(50)}
        assert all(full_s / 2 <= delay_s <= full_s for delay_s in delays)
        assert len(delays) > 10


# --- a broker on which nobody answers


@asynccontextmanager
async def impatient(urls: list[str], ear: Ear, quiet_s: float = 0.2, *, walks: int = 1) -> AsyncIterator[BusClient]:
    """A client that stays where it is after so many walks, so that its end is not in the middle of one."""
    will = Will("a/link", b"gone")
    callbacks = replace(ear.callbacks(will), quiet_s=lambda: quiet_s if ear.connections <= walks else math.inf)
    bus = BusClient(urls, LOGIN, callbacks, subscriptions=["a/+"], patience=QUICK)
    bus.start()
    try:
        yield bus
    finally:
        await bus.close()


async def test_a_broker_that_brings_nothing_is_left_for_the_next() -> None:
    ear = Ear()
    kept = publish("a/kept", b"retained", retain=True)  # no sign that anybody is there
    async with (
        running(SmallBroker(greeting=kept)) as silent,
        running(SmallBroker()) as other,
        impatient([silent.url, other.url], ear, walks=2),
    ):
        await until(lambda: len(other.connects) == 1)
        await until(lambda: silent.goodbyes == 1)  # no last will: the node lives
        assert set(ear.losses) == {"nothing was heard on it for too long"}  # of the other too, where we look late
        await until(lambda: ear.connections == 3)  # and round again
        assert len(ear.losses) == 2
        assert len(silent.connects) == 2


async def test_a_live_message_is_a_reason_to_stay() -> None:
    ear = Ear()
    async with (
        running(SmallBroker()) as lively,
        running(SmallBroker()) as other,
        impatient([lively.url, other.url], ear, quiet_s=1.0),
    ):
        await until(lambda: ear.connections == 1)
        pauses_s = []
        for _ in range(12):
            began_s = time.monotonic()
            lively.writers[-1].write(publish("a/ack", b"heard"))
            await asyncio.sleep(0.1)
            pauses_s.append(time.monotonic() - began_s)
        assert other.connects == [] or max(pauses_s) > 0.9, "a machine that stood still for as long is another matter"
        await until(lambda: ear.connections == 2)
        assert len(other.connects) == 1


async def test_the_only_broker_is_never_left() -> None:
    ear = Ear()
    async with running(SmallBroker()) as only, impatient([only.url], ear, quiet_s=0.05):
        await until(lambda: ear.connections == 1)
        await asyncio.sleep(0.3)
        assert len(only.connects) == 1
    assert ear.losses == []


async def test_the_owner_hears_once_why_a_broker_cannot_be_reached() -> None:
    errors: list[FarmError] = []
    callbacks = replace(Ear().callbacks(), on_unreachable=errors.append)
    bus = BusClient([f"mqtt://127.0.0.1:{free_port()}"], LOGIN, callbacks, patience=QUICK)
    bus.start()
    await until(lambda: bool(errors))
    await asyncio.sleep(0.4)  # some more attempts
    await bus.close()
    assert [error.code for error in errors] == ["broker-unreachable"]
