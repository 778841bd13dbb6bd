"""Parsing and judging of messages; what they do to the farm is shown in test_engine."""

from farm.bus import messages
from farm.bus.client import Received
from farm.bus.topics import Stream
from farm.daemon.receive import Rejections
from scheduler.facts import Batch
from tests.unit.farm.daemon.harness import Farm, Mail, reference


def telemetry(count: int, boot: int = 1, progress: float = 0.5) -> bytes:
    figures = {"p1": messages.PrinterTelemetry(state="printing", progress=progress)}
    return messages.Telemetry(boot=boot, count=count, printers=figures).model_dump_json().encode()


async def test_a_topic_that_is_not_ours_is_rejected(farm: Farm) -> None:
    assert farm.engine.receiver.parse(Received("farm/v2/up/n1/report", b"{}", False, lambda: None)) is None
    assert farm.engine.receiver.rejections.counts == {("", "topic"): 1}


async def test_a_journal_becomes_plain_facts(farm: Farm) -> None:
    mail = farm.journal(messages.JobStarted(seq=1, printer="p1", reference=reference()))
    parsed = farm.engine.receiver.parse(mail.received)
    assert parsed is not None
    assert isinstance(parsed.message, Batch)
    assert parsed.message.facts[0].seq == 1


async def test_only_what_memory_does_not_hold_is_looked_up(farm: Farm) -> None:
    mail = farm.journal(messages.JobStarted(seq=1, printer="p1", reference=reference("j1")))
    parsed = farm.engine.receiver.parse(mail.received)
    assert parsed is not None
    assert farm.engine.receiver.wanted([parsed]) == ({"j1"}, {"a1"})
    await farm.hear(mail)
    assert farm.engine.receiver.wanted([parsed]) == (set(), {"a1"})


async def test_the_newest_telemetry_wins(farm: Farm) -> None:
    receiver = farm.engine.receiver
    assert receiver.telemetry("n1", telemetry(2, progress=0.2), 0.0)
    assert not receiver.telemetry("n1", telemetry(1, progress=0.1), 0.0)
    assert farm.world.links["n1"].telemetry["p1"].progress == 0.2
    assert receiver.telemetry("n1", telemetry(1, boot=2, progress=0.0), 0.0)


async def test_bad_telemetry_and_strangers_are_counted(farm: Farm) -> None:
    assert not farm.engine.receiver.telemetry("n1", b"{", 0.0)
    assert not farm.engine.receiver.telemetry("stranger", telemetry(1), 0.0)
    assert farm.engine.receiver.rejections.counts == {("n1", "unreadable-telemetry"): 1, ("stranger", "unknown-node"): 1}


async def test_retained_telemetry_is_of_the_past(farm: Farm) -> None:
    farm.engine.on_message(Mail("n1", Stream.TELEMETRY, telemetry(1), retained=True).received)
    assert farm.world.links["n1"].telemetry == {}


def test_names_from_outside_do_not_fill_the_memory() -> None:
    rejections = Rejections()
    for number in range(3_000):
        rejections.add(f"stranger{number}", "unknown-node")
    assert rejections.total == 3_000
    assert len(rejections.counts) <= 1_001
