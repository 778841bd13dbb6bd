"""Reads what the farm says: everything that is not for this node, kept by a broker or not understood is counted and left out."""

from typing import Final

from pydantic import ValidationError

from farm.bus.client import Received
from farm.bus.messages import Ack, Command, Desired, Envelope
from farm.bus.topics import Stream, parse
from farm.log import get_logger

_log = get_logger(__name__)
_READERS: Final[dict[Stream, type[Envelope]]] = {Stream.DESIRED: Desired, Stream.ACK: Ack, Stream.COMMAND: Command}
_MAX_SHOWN: Final = 300  # characters of what comes from outside


class Inbox:
    """What arrives for one node. `rejected` counts what was left out; a stream that fails is logged once until it is well again."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._poisoned: set[str] = set()
        self.rejected = 0

    def understand(self, message: Received) -> Envelope | None:
        """The message, or None when it is left out."""
        address = parse(message.topic)
        if address is None or address[0] != self._node or address[1] not in _READERS:
            self._reject("other", message.topic, "not a topic of this node")
            return None
        stream = address[1]
        if message.retained and stream is not Stream.DESIRED:
            self._reject(f"retained {stream}", message.topic, "what a broker kept is no sign of life")
            return None
        try:
            content = _READERS[stream].model_validate_json(message.payload)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            self._reject(stream, str(first["loc"]), first["msg"])
            return None
        self._poisoned.discard(stream)
        return content

    def _reject(self, what: str, where: str, why: str) -> None:
        self.rejected += 1
        if what not in self._poisoned:
            self._poisoned.add(what)
            _log.warning("message.rejected", stream=what, where=where[:_MAX_SHOWN], why=why)
