"""Parsing and judging of messages; what they do to the farm is shown in test_engine."""

from structlog.testing import capture_logs

from farm.bus import messages
from farm.bus.client import Received
from farm.bus.topics import Stream
from farm.daemon.receive import Effects, Now, Rejections
from farm.daemon.world import NodeLink
from scheduler.draft import Draft
from scheduler.facts import Batch
from tests.unit.farm.daemon.harness import Farm, Mail, draft_of, printer_report, reference


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


def test_strangers_leave_room_for_the_nodes_of_the_farm() -> None:
    rejections = Rejections({"n1": "left bench"}.get)
    for number in range(3_000):
        rejections.add(f"stranger{number}", "unknown-node")
    rejections.add("n1", "topic")
    assert rejections.of_nodes()["n1"] == {"topic": 1}
    assert rejections.total == 3_001


def test_the_first_of_a_node_and_reason_is_logged_with_its_name() -> None:
    rejections = Rejections({"n1": "left bench"}.get)
    with capture_logs() as logs:
        for _ in range(5):
            rejections.add("n1", "unreadable-report", "v: not 1")
        rejections.add("n1", "topic", "x" * 1_000)
        rejections.add("x" * 1_000, "unknown-node")
    assert [(entry["name"], entry["reason"]) for entry in logs] == [
        ("left bench", "unreadable-report"),
        ("left bench", "topic"),
        ("", "unknown-node"),
    ]
    assert all(len(str(entry)) < 700 for entry in logs)
    assert rejections.of_nodes()["n1"] == {"unreadable-report": 5, "topic": 1}


async def test_who_spoke_on_an_unknown_topic_or_too_much_is_named(farm: Farm) -> None:
    farm.engine.receiver.parse(Received("farm/v1/up/n1/gossip", b"{}", False, lambda: None))
    farm.bus.callbacks.on_too_large("farm/v1/up/n1/report", 300_000)
    assert farm.engine.receiver.rejections.of_nodes() == {"n1": {"topic": 1, "too-large": 1}}


def taken(farm: Farm, *mail: Mail) -> tuple[Draft, Effects]:
    """Messages of one batch, taken in and not committed."""
    draft, effects = draft_of(farm), Effects()
    for item in mail:
        parsed = farm.engine.receiver.parse(item.received)
        assert parsed is not None
        farm.engine.receiver.take(draft, parsed, effects, Now(farm.clock.boot_s(), farm.clock.wall_s(), 0.0))
    return draft, effects


async def test_nothing_volatile_changes_before_the_batch_is_committed(farm: Farm) -> None:
    will = Mail("n1", Stream.LINK, messages.Link(connection=5, online=False))
    _draft, effects = taken(farm, will, farm.report(printer_report()))
    assert farm.world.links["n1"] == NodeLink(heard_s=farm.clock.boot_s())
    assert farm.world.printers == {}
    effects.show(farm.world, farm.clock.boot_s())
    link = farm.world.links["n1"]
    assert (link.seen, link.alive, link.alive_s, link.connection) == ((1, 1), (1, 1), farm.clock.boot_s(), 5)
    assert (link.epoch, link.online) == ("e1", True)
    assert set(farm.world.printers) == {"p1"}


async def test_the_rest_of_a_batch_sees_what_its_earlier_reports_told(farm: Farm) -> None:
    older = farm.report(printer_report(material="PETG"), report=1)
    draft, effects = taken(farm, farm.report(printer_report("p1"), printer_report("p2"), report=9), older)
    assert effects.links["n1"].alive == (1, 9)
    assert {key: printer.material for key, printer in draft.farm.printers.items()} == {"p1": "PLA", "p2": "PLA"}
    assert effects.told == {"n1"}, "the older one is no news: it is told only how far the journal is"
    taken(farm, older)
    assert farm.world.printers == {}, "and the farm that the draft began with has not changed"


async def test_the_last_report_of_a_batch_is_what_is_shown(farm: Farm) -> None:
    first, last = farm.report(printer_report("p1"), printer_report("p2")), farm.report(printer_report("p1", material="PETG"))
    _draft, effects = taken(farm, first, last)
    effects.show(farm.world, farm.clock.boot_s())
    assert {key: printer.material for key, printer in farm.world.printers.items()} == {"p1": "PETG"}


async def test_a_node_is_called_what_its_owner_calls_it_now(farm: Farm) -> None:
    joined_as = farm.world.durable.node_records["n1"].name
    await farm.hear(farm.report(printer_report(), name="Atelier"))
    assert farm.world.durable.node_records["n1"].name == "Atelier" != joined_as
    await farm.hear(farm.report(printer_report(material="PETG")))
    assert farm.world.durable.node_records["n1"].name == "Atelier", "an older node does not say its name"
