from importlib.resources import files

import pytest

from farm.bus.connection import topic_pattern
from farm.bus.topics import DAEMON_SUBSCRIPTION, DELIVERY, Stream, node_subscription, parse, speaker, topic


@pytest.mark.parametrize("stream", list(Stream))
def test_a_topic_is_read_as_it_was_made(stream: Stream) -> None:
    assert parse(topic("node-7", stream)) == ("node-7", stream)


@pytest.mark.parametrize(
    ("stream", "name", "qos", "retain"),
    [
        (Stream.DESIRED, "farm/v1/dn/n/desired", 1, True),
        (Stream.ACK, "farm/v1/dn/n/ack", 0, False),
        (Stream.COMMAND, "farm/v1/dn/n/command", 1, False),
        (Stream.REPORT, "farm/v1/up/n/report", 1, True),
        (Stream.JOURNAL, "farm/v1/up/n/journal", 1, False),
        (Stream.LINK, "farm/v1/up/n/link", 1, True),
        (Stream.TELEMETRY, "farm/v1/up/n/telemetry", 0, False),
    ],
)
def test_streams_are_delivered_as_the_contract_says(stream: Stream, name: str, qos: int, retain: bool) -> None:
    assert topic("n", stream) == name
    assert (DELIVERY[stream].qos, DELIVERY[stream].retain) == (qos, retain)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "farm/v1/up/n",
        "farm/v1/up/n/report/x",
        "farm/v1/up//report",
        "farm/v1/up/n/desired",  # the wrong direction
        "farm/v1/dn/n/report",
        "farm/v1/sideways/n/report",
        "farm/v1/up/n/gossip",
        "farm/v2/up/n/report",
        "other/v1/up/n/report",
    ],
)
def test_what_is_no_topic_of_ours(name: str) -> None:
    assert parse(name) is None


def test_the_daemon_hears_what_nodes_say_and_a_node_what_is_said_to_it() -> None:
    daemon, node = topic_pattern(DAEMON_SUBSCRIPTION), topic_pattern(node_subscription("n"))
    for stream, delivery in DELIVERY.items():
        assert bool(daemon.fullmatch(topic("n", stream))) is (delivery.direction == "up")
        assert bool(node.fullmatch(topic("n", stream))) is (delivery.direction == "dn")
    assert not node.fullmatch(topic("m", Stream.DESIRED))


def test_the_access_list_is_that_of_the_topics() -> None:
    lines = files("configs").joinpath("mosquitto", "acl").read_text("utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules == ["user daemon", "topic readwrite farm/v1/#", "pattern write farm/v1/up/%u/#", "pattern read farm/v1/dn/%u/#"]


@pytest.mark.parametrize(
    ("name", "node"),
    [
        ("farm/v1/up/node-7/report", "node-7"),
        ("farm/v1/up/node-7/gossip", "node-7"),
        ("farm/v1/up/node-7/a/b", "node-7"),
        ("farm/v1/dn/node-7/desired", ""),
        ("farm/v2/up/node-7/report", ""),
        ("farm/v1/up", ""),
        ("", ""),
    ],
)
def test_who_spoke_is_known_by_the_topic_also_of_an_unknown_stream(name: str, node: str) -> None:
    assert speaker(name) == node
