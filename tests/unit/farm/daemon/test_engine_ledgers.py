"""A node's ledgers: another one withdraws what was not started and is told to people; a past one is only the past."""

from farm.bus import messages
from farm.bus.topics import Stream
from tests.unit.farm.daemon.harness import GENERATION, Farm, Mail, joined, printer_report


async def test_a_node_with_a_new_ledger_loses_what_it_had_not_started_and_is_heard_again(farm: Farm) -> None:
    await joined(farm)
    (held,) = farm.world.durable.allocations.values()
    fresh = messages.JournalPosition(epoch="e2", oldest=1, head=0)
    await farm.hear(farm.report(printer_report(), boot=0, report=1, journal=fresh))
    old = farm.world.durable.allocations[held.id]
    assert (old.jobs, old.unstarted, old.lost) == (0, 0, held.jobs)
    assert farm.world.durable.node_records["n1"].epoch == "e2"
    assert farm.world.links["n1"].alive == (0, 1)


async def test_an_image_that_is_written_back_twice_is_heard_again(farm: Farm) -> None:
    """The node shows a ledger that it left once: only an acknowledgement beyond its head makes it begin another."""

    def shown(epoch: str, head: int, boot: int) -> Mail:
        return farm.report(printer_report(), boot=boot, journal=messages.JournalPosition(epoch=epoch, oldest=1, head=head))

    facts = [messages.BedCleared(seq=number, printer="p1", occupation=f"x{number}") for number in range(1, 9)]
    await farm.hear(shown("eA", 0, 10), farm.journal(*facts, epoch="eA"))
    await farm.hear(shown("eB", 0, 11), farm.journal(facts[0], epoch="eB"))
    await farm.hear(shown("eA", 8, 9))  # the very state that was acknowledged: only what is beyond it tells the node
    ack = farm.bus.of(Stream.ACK)[-1]
    assert (ack.epoch, ack.boot, ack.generation) == ("eA", None, GENERATION)
    assert ack.seq > 1_000
    assert "ledger.old" in farm.alarms
    assert farm.world.durable.node_records["n1"].epoch == "eB"
    await farm.hear(shown("eC", 8, 9))
    assert farm.world.durable.node_records["n1"].epoch == "eC"
    assert farm.world.links["n1"].alive == (9, farm.count)


async def test_a_past_ledger_in_a_retained_report_is_only_the_past(farm: Farm) -> None:
    for epoch in ("eA", "eB"):
        await farm.hear(farm.report(printer_report(), journal=messages.JournalPosition(epoch=epoch, oldest=1, head=0)))
    said = len(farm.bus.of(Stream.ACK))
    old = messages.JournalPosition(epoch="eA", oldest=1, head=0)
    told = farm.engine.alarms.all()
    await farm.hear(farm.report(printer_report(), retained=True, journal=old))
    assert len(farm.bus.of(Stream.ACK)) == said
    assert farm.engine.alarms.all() == told


async def test_a_card_that_was_written_back_or_replaced_is_told_once_to_people(farm: Farm) -> None:
    def shown(epoch: str) -> Mail:
        return farm.report(printer_report(), journal=messages.JournalPosition(epoch=epoch, oldest=1, head=0))

    await farm.hear(shown("eA"), shown("eA"))
    assert farm.alarms == [], "first contact is no news"
    await farm.hear(shown("eB"))
    (alarm,) = farm.engine.alarms.all()
    assert (alarm.code, alarm.text) == (
        "ledger.old",
        "left bench: It comes with another ledger: its card was written back or replaced.",
    )
    assert alarm.text_fr.endswith("sa carte a été réécrite ou remplacée.")
    await farm.hear(shown("eB"), farm.journal(messages.BedCleared(seq=1, printer="p1", occupation="x"), epoch="eB"))
    assert farm.engine.alarms.all() == [alarm]


async def test_a_journal_may_be_the_first_that_tells_of_another_card(farm: Farm) -> None:
    cleared = messages.BedCleared(seq=1, printer="p1", occupation="x")
    await farm.hear(farm.journal(cleared, epoch="eA"))
    assert farm.alarms == []
    await farm.hear(farm.journal(cleared, epoch="eB"))
    assert farm.alarms == ["ledger.old"]
    assert farm.world.durable.node_records["n1"].seq == 1, "what it tells is taken"


async def test_a_take_over_is_no_news_of_a_card(farm: Farm) -> None:
    await joined(farm)
    await farm.engine.turn([])
    asked = farm.engine.healer.ask()
    await farm.engine.turn([])
    assert await asked == GENERATION + 1
    await farm.hear(farm.report(printer_report()))
    assert "ledger.old" not in farm.alarms


async def test_reports_are_numbered_afresh_also_when_a_journal_told_of_the_new_ledger_first(farm: Farm) -> None:
    await farm.hear(farm.report(printer_report(), boot=100))
    await farm.hear(farm.journal(messages.BedCleared(seq=1, printer="p1", occupation="x1"), epoch="e2"))
    place = messages.JournalPosition(epoch="e2", oldest=1, head=1)
    await farm.hear(farm.report(printer_report(), boot=50, journal=place))
    assert farm.world.links["n1"].alive == (50, farm.count)
    assert farm.bus.of(Stream.ACK)[-1].boot == 50
