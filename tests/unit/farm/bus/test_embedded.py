"""The parts of the fallback broker that need no network; the whole is in tests/integration/test_embedded_broker.py."""

from pathlib import Path
from types import SimpleNamespace

import pytest

embedded = pytest.importorskip("farm.bus.embedded", exc_type=ImportError)  # amqtt is an extra of the demo

from amqtt.contexts import Action  # noqa: E402 - after the check that amqtt is there

from farm.bus.topics import DAEMON_SUBSCRIPTION, DELIVERY, Stream, node_subscription, topic  # noqa: E402
from farm.keys import hash_password  # noqa: E402


@pytest.mark.parametrize("stream", list(Stream))
def test_a_node_writes_up_and_reads_down_its_own_topics_only(stream: Stream) -> None:
    up = DELIVERY[stream].direction == "up"
    own, other = topic("node-a", stream), topic("node-b", stream)
    assert embedded.allowed("node-a", Action.PUBLISH, own) is up
    assert embedded.allowed("node-a", Action.RECEIVE, own) is not up
    assert embedded.allowed("node-a", Action.SUBSCRIBE, own) is not up
    for action in Action:
        assert not embedded.allowed("node-a", action, other)
        assert embedded.allowed("daemon", action, other)


@pytest.mark.parametrize(
    "topic_filter", ["#", "farm/#", "farm/v1/+/node-a/#", "farm/v1/dn/+/desired", "farm/v1/dn/node-ab/+", "$SYS/#"]
)
def test_a_filter_that_reaches_further_is_refused(topic_filter: str) -> None:
    assert not embedded.allowed("node-a", Action.SUBSCRIBE, topic_filter)


def test_the_subscriptions_of_the_contract_are_allowed() -> None:
    assert embedded.allowed("node-a", Action.SUBSCRIBE, node_subscription("node-a"))
    assert embedded.allowed("daemon", Action.SUBSCRIBE, DAEMON_SUBSCRIPTION)


@pytest.mark.parametrize(
    ("username", "name"), [(None, "farm/v1/dn/x/ack"), ("", "farm/v1/dn//ack"), ("node-a", None), ("daemon", "other")]
)
def test_nobody_and_nothing_are_refused(username: str | None, name: str | None) -> None:
    assert not embedded.allowed(username, Action.RECEIVE, name)


def test_passwords_are_read_as_mosquitto_does(tmp_path: Path) -> None:
    path = tmp_path / "passwords"
    stored = hash_password("secret")
    path.write_text(f"node-a:{stored}\n\nbroken\n:nobody\nnode-b:\n")
    assert embedded.read_passwords(path) == {"node-a": stored}


async def test_a_login_is_compared_with_the_file(tmp_path: Path) -> None:
    auth = object.__new__(embedded.PasswordFile)
    auth._path = tmp_path / "passwords"
    auth._path.write_text(f"node-a:{hash_password('secret')}\n")
    auth._read()
    for username, password, good in [
        ("node-a", "secret", True),
        ("node-a", "wrong", False),
        ("node-b", "secret", False),
        (None, None, False),
    ]:
        assert await auth.authenticate(session=SimpleNamespace(username=username, password=password)) is good
    auth._path.write_text("")
    auth._read()
    assert not await auth.authenticate(session=SimpleNamespace(username="node-a", password="secret"))


async def test_topics_of_an_unknown_session_are_refused() -> None:
    access = object.__new__(embedded.AccessList)
    assert not await access.topic_filtering(session=None, topic="farm/v1/up/a/report", action=Action.PUBLISH)
    session = SimpleNamespace(username="a")
    assert not await access.topic_filtering(session=session, topic="farm/v1/up/a/report", action=None)
    assert await access.topic_filtering(session=session, topic="farm/v1/up/a/report", action=Action.PUBLISH)


def test_it_listens_on_loopback_only(tmp_path: Path) -> None:
    told = embedded.configuration(2883, tmp_path / "passwords")
    assert [listener["bind"] for listener in told["listeners"].values()] == ["127.0.0.1:2883"]
    assert all(name.startswith("farm.bus.embedded.") for name in told["plugins"])
