import pytest
import structlog.testing

from farm.bus.client import Received
from farm.bus.messages import Ack, Command, Desired, Envelope, StopAction
from farm.bus.topics import Stream, topic
from farm.node.inbox import Inbox

ACK = Ack(generation=1, epoch="epoch-1", seq=3)
DESIRED = Desired(generation=1, version=1)
COMMAND = Command(generation=1, id="command-1", action=StopAction(printer="printer-1"))


def received(message: Envelope | bytes, stream: Stream, *, node: str = "node-1", retained: bool = False) -> Received:
    payload = message if isinstance(message, bytes) else message.model_dump_json().encode()
    return Received(topic(node, stream), payload, retained, lambda: None)


@pytest.mark.parametrize(("message", "stream"), [(ACK, Stream.ACK), (DESIRED, Stream.DESIRED), (COMMAND, Stream.COMMAND)])
def test_what_the_farm_says_is_understood(message: Envelope, stream: Stream) -> None:
    inbox = Inbox("node-1")
    assert inbox.understand(received(message, stream)) == message
    assert inbox.rejected == 0


@pytest.mark.parametrize("stream", [Stream.ACK, Stream.COMMAND])
def test_only_a_desired_state_may_be_kept_by_a_broker(stream: Stream) -> None:
    inbox = Inbox("node-1")
    assert inbox.understand(received(ACK, stream, retained=True)) is None
    assert inbox.understand(received(DESIRED, Stream.DESIRED, retained=True)) == DESIRED
    assert inbox.rejected == 1


def test_what_is_not_for_this_node_or_no_stream_of_it_is_left_out() -> None:
    inbox = Inbox("node-1")
    assert inbox.understand(received(ACK, Stream.ACK, node="node-2")) is None
    assert inbox.understand(received(ACK, Stream.REPORT)) is None
    assert inbox.understand(Received("farm/v1", b"{}", False, lambda: None)) is None
    assert inbox.rejected == 3


def test_a_stream_that_fails_is_logged_once_until_it_is_well_again() -> None:
    inbox = Inbox("node-1")
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            assert inbox.understand(received(b"rubbish", Stream.ACK)) is None
        inbox.understand(received(b'{"v": 2}', Stream.DESIRED))
        inbox.understand(received(ACK, Stream.ACK))
        inbox.understand(received(b"rubbish", Stream.ACK))
    assert [(line["event"], line["stream"]) for line in logs] == [
        ("message.rejected", "ack"),
        ("message.rejected", "desired"),
        ("message.rejected", "ack"),
    ]
    assert inbox.rejected == 5


def test_what_is_not_ours_is_logged_once_too() -> None:
    inbox = Inbox("node-1")
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            inbox.understand(received(ACK, Stream.ACK, node="node-2"))
            inbox.understand(received(ACK, Stream.ACK, retained=True))
        inbox.understand(Received("x" * 5_000, b"{}", False, lambda: None))
    assert [line["stream"] for line in logs] == ["other", "retained ack"]
    assert all(len(line["where"]) <= 300 for line in logs)
    assert inbox.rejected == 7
