"""The broker and the lines to it: messages are lost, copied, late and out of order, in one direction only too."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from math import exp, log
from typing import Final

from farm.bus.client import Received, encoded
from farm.bus.messages import Envelope
from farm.bus.topics import DELIVERY, Stream, topic
from tests.simulation.world import World

DAEMON: Final = "daemon"
_LATEST_S: Final = 3 * 3600.0
_KEPT: Final = 4  # desired states that some broker of the list may still retain

Hearer = Callable[[Received], None]


@dataclass
class Weather:
    """How bad the lines are: probabilities a message."""

    loss: float = 0.0
    copy: float = 0.0
    slow: float = 0.0


@dataclass
class Network:
    """Who hears what."""

    world: World
    weather: Weather = field(default_factory=Weather)
    mute: set[str] = field(default_factory=set)  # what they say arrives nowhere
    deaf: set[str] = field(default_factory=set)  # they hear nothing
    retained: dict[tuple[str, Stream], deque[bytes]] = field(default_factory=dict)
    daemons: list[Hearer] = field(default_factory=list)
    nodes: dict[str, Hearer] = field(default_factory=dict)

    def say(self, node: str, stream: Stream, message: Envelope) -> None:
        """Publish on a node's stream, upwards or downwards as the stream goes."""
        up = DELIVERY[stream].direction == "up"
        speaker = node if up else DAEMON
        if speaker in self.mute:
            return
        payload = encoded(message)
        if DELIVERY[stream].retain:
            self.retained.setdefault((node, stream), deque(maxlen=_KEPT)).append(payload)
        if self.world.chance(self.weather.loss):
            return
        for _ in range(2 if self.world.chance(self.weather.copy) else 1):
            self.world.at(self._delay_s(), lambda: self._deliver(node, stream, payload, retained=False))

    def redeliver(self, node: str) -> None:
        """A node connects: it is told what some broker of its list retained, not always the newest."""
        kept = self.retained.get((node, Stream.DESIRED))
        if kept and node not in self.deaf:
            payload = kept[-1] if self.world.chance(0.5) else self.world.random.choice(list(kept))
            self._deliver(node, Stream.DESIRED, payload, retained=True)

    def redeliver_reports(self, hear: Hearer) -> None:
        """A daemon connects: it is told the retained reports and links."""
        for (node, stream), kept in sorted(self.retained.items()):
            if stream in {Stream.REPORT, Stream.LINK} and DAEMON not in self.deaf:
                hear(Received(topic(node, stream), kept[-1], True, _nothing))

    def forget(self) -> None:
        """The broker loses all it had."""
        self.retained.clear()

    def _delay_s(self) -> float:
        if not self.world.chance(self.weather.slow):
            return self.world.random.uniform(0.02, 1.5)
        return exp(self.world.random.uniform(0.0, log(_LATEST_S)))

    def _deliver(self, node: str, stream: Stream, payload: bytes, *, retained: bool) -> None:
        message = Received(topic(node, stream), payload, retained, _nothing)
        if DELIVERY[stream].direction == "up":
            for hear in list(self.daemons) if DAEMON not in self.deaf else ():
                hear(message)
        elif node not in self.deaf and (hearer := self.nodes.get(node)) is not None:
            hearer(message)


def _nothing() -> None:
    pass
