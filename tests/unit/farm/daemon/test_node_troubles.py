"""A node that starts nothing for a reason of its own is an alarm as long as it says so."""

import pytest

from farm.bus.messages import PrinterReport, ReasonNote
from farm.daemon.alarms import Alarms
from farm.daemon.node_troubles import NodeTroubles
from scheduler.model import Farm as Known
from scheduler.model import NodeRecord
from tests.unit.farm.daemon.harness import Farm, joined, printer_report

NAMES = {f"n{number}": f"Atelier {number}" for number in range(1, 8)}
KNOWN = Known(1, 0.0, node_records={key: NodeRecord(key, name, 0.0, "") for key, name in NAMES.items()})


def stopped(code: str, key: str = "p1") -> PrinterReport:
    return printer_report(key, ready=False, reason=ReasonNote(code=code, en="Why.", fr="Pourquoi."))


def shown(alarms: Alarms) -> list[tuple[str, str, float]]:
    return [(alarm.code, alarm.text, alarm.since) for alarm in alarms.all()]


@pytest.mark.parametrize(
    ("reason", "code", "text"),
    [
        ("disk-nearly-full", "node-disk-full", "Atelier 1: its disk is full: it starts nothing until there is room."),
        ("ledger-not-writable", "node-disk-full", "Atelier 1: its disk is full: it starts nothing until there is room."),
        (
            "clock-not-set",
            "node-clock-not-set",
            "Atelier 1: its clock was never set, so it cannot keep its quiet hours and starts nothing.",
        ),
        (
            "limits-unreadable",
            "node-limits-unusable",
            "Atelier 1: its owner's limits.toml cannot be used: it starts nothing until it can.",
        ),
    ],
)
def test_one_printer_that_says_so_is_enough_and_the_last_one_ends_it(reason: str, code: str, text: str) -> None:
    alarms = Alarms()
    troubles = NodeTroubles(alarms)
    troubles.take(KNOWN, "n1", [printer_report("p1"), stopped(reason, "p2")], 5.0)
    assert shown(alarms) == [(code, text, 5.0)]
    troubles.take(KNOWN, "n1", [stopped(reason, "p1"), stopped(reason, "p2")], 6.0)
    assert shown(alarms) == [(code, text, 5.0)]
    troubles.take(KNOWN, "n1", [printer_report("p1"), stopped("bed-unknown", "p2")], 7.0)
    assert shown(alarms) == []


def test_it_says_in_both_languages_what_to_do() -> None:
    alarms = Alarms()
    NodeTroubles(alarms).take(KNOWN, "n1", [stopped("disk-nearly-full")], 5.0)
    (alarm,) = alarms.all()
    assert alarm.text_fr == "Atelier 1 : son disque est plein : il ne lance rien tant qu'il n'y a pas de place."
    assert alarm.next_step.startswith("Free some space")
    assert alarm.next_step_fr.startswith("Libérez de la place")


def test_several_nodes_are_one_alarm_that_names_them() -> None:
    alarms = Alarms()
    troubles = NodeTroubles(alarms)
    for number in (2, 1):
        troubles.take(KNOWN, f"n{number}", [stopped("disk-nearly-full")], 10.0 - number)
    assert shown(alarms) == [
        ("node-disk-full", "Atelier 1, Atelier 2: their disks are full: they start nothing until there is room.", 8.0)
    ]
    troubles.take(KNOWN, "n2", [], 12.0)
    assert shown(alarms) == [("node-disk-full", "Atelier 1: its disk is full: it starts nothing until there is room.", 9.0)]


def test_of_many_only_some_are_named() -> None:
    alarms = Alarms()
    troubles = NodeTroubles(alarms)
    for node in NAMES:
        troubles.take(KNOWN, node, [stopped("disk-nearly-full")], 5.0)
    assert shown(alarms)[0][1].startswith("Atelier 1, Atelier 2, Atelier 3, Atelier 4, Atelier 5, ...: their disks")


async def test_the_farm_shows_it_as_long_as_the_node_reports_it(farm: Farm) -> None:
    await joined(farm)
    await farm.hear(farm.report(stopped("disk-nearly-full")))
    assert farm.alarms == ["node-disk-full"]
    await farm.hear(farm.report(printer_report("p1")))
    assert farm.alarms == []


async def test_limits_for_a_printer_that_is_not_there_are_seen_at_the_farm(farm: Farm) -> None:
    """As a node's core reports them, also while a printer prints."""
    from farm.node import core  # noqa: PLC0415
    from gcode.limits import limits_of_nobody, parse_limits  # noqa: PLC0415
    from tests.unit.farm.node.bench import A, Bench  # noqa: PLC0415

    await joined(farm)
    trouble = limits_of_nobody(parse_limits(b'[printers."Adda"]\nmax_nozzle_c = 200\n'), ["Ada"])
    assert trouble is not None
    bench = Bench()
    bench.start()
    bench.do(core.on_limits, "x", {}, core.limits_note(*trouble.bilingual), timed=False)
    shown = bench.report().printers
    await farm.hear(farm.report(*shown))
    assert farm.alarms == ["node-limits-unusable"]
    (alarm,) = farm.engine.alarms.all()
    assert "`farm node limits`" in alarm.next_step
    printer = farm.world.printers[A]
    assert printer.why_not_ready is not None
    assert (printer.why_not_ready[0], "Adda" in printer.why_not_ready[1]) == ("limits-unreadable", True)
    bench.do(core.on_limits, "x", {}, timed=False)
    await farm.hear(farm.report(*bench.report().printers))
    assert farm.alarms == []
