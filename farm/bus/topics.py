"""MQTT topics of the contract (docs/protocol.md, "Streams of a node"). Everything that names a topic uses these functions.

`up` is written by a node and read by the daemon, `dn` the other way round; the broker's access list rests on that
(`pattern write farm/v1/up/%u/#`, `pattern read farm/v1/dn/%u/#`).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

ROOT: Final = "farm/v1"


class Stream(StrEnum):
    """The streams of one node, by the last level of their topic."""

    DESIRED = "desired"
    ACK = "ack"
    COMMAND = "command"
    REPORT = "report"
    JOURNAL = "journal"
    LINK = "link"
    TELEMETRY = "telemetry"


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a stream is published."""

    direction: str
    qos: int
    retain: bool


DELIVERY: Final[dict[Stream, Delivery]] = {
    Stream.DESIRED: Delivery("dn", qos=1, retain=True),
    Stream.ACK: Delivery("dn", qos=0, retain=False),
    Stream.COMMAND: Delivery("dn", qos=1, retain=False),
    Stream.REPORT: Delivery("up", qos=1, retain=True),
    Stream.JOURNAL: Delivery("up", qos=1, retain=False),
    Stream.LINK: Delivery("up", qos=1, retain=True),
    Stream.TELEMETRY: Delivery("up", qos=0, retain=False),
}

DAEMON_SUBSCRIPTION: Final = f"{ROOT}/up/+/+"


def topic(node: str, stream: Stream) -> str:
    """The topic of one stream of one node."""
    return f"{ROOT}/{DELIVERY[stream].direction}/{node}/{stream}"


def node_subscription(node: str) -> str:
    """What a node subscribes to: everything that is said to it."""
    return f"{ROOT}/dn/{node}/+"


def speaker(name: str) -> str:
    """The node whose topic this is, also one that `parse` does not know: the broker's access list proves who wrote it. Or empty."""
    levels = name.split("/")
    return levels[3] if len(levels) > 3 and "/".join(levels[:3]) == f"{ROOT}/up" else ""


def parse(name: str) -> tuple[str, Stream] | None:
    """Return (node, stream) of a topic of ours, or None."""
    levels = name.split("/")
    if len(levels) != 5 or "/".join(levels[:2]) != ROOT:
        return None
    direction, node, last = levels[2:]
    try:
        stream = Stream(last)
    except ValueError:
        return None
    return (node, stream) if DELIVERY[stream].direction == direction and node else None
