"""What nodes refuse is kept beyond what one report names, as long as it rests on the same, and bounded."""

from dataclasses import replace
from typing import Any

import pytest

from farm.bus.messages import PrinterReport, ProgramRefusal, ReasonNote
from farm.daemon.refusals import MAX_KEPT, refused_by, with_earlier
from farm.daemon.translate import printer_now
from gcode.rules import RULE_SET_VERSION
from scheduler.model import PrinterNow
from tests.unit.farm.daemon.harness import Farm, printer_report


def sha(number: int) -> str:
    return f"{number:064x}"


ALL = frozenset(sha(number) for number in range(3_000))


def told(number: int, en: str = "Too hot.", fr: str = "Trop chaud.", **fields: Any) -> ProgramRefusal:
    return ProgramRefusal(program=sha(number), reason=ReasonNote(code="gcode-refused", en=en, fr=fr), **fields)


def report(*numbers: int, checks: str = "1-abc") -> PrinterReport:
    return printer_report(checks=checks, refusals=[told(number) for number in numbers])


def now(*numbers: int, **fields: Any) -> PrinterNow:
    return printer_now("n1", report(*numbers, **fields))


def names(printer: PrinterNow) -> list[int]:
    return [int(one.program, 16) for one in printer.refused]


def test_what_a_report_has_no_room_for_stands() -> None:
    first = now(*range(16))
    second = with_earlier(now(16, 17), first, ALL)
    assert names(second) == [16, 17, *range(16)]
    assert names(with_earlier(now(3), second, ALL)) == [3, 16, 17, 0, 1, 2, *range(4, 16)]


@pytest.mark.parametrize(
    "later",
    [
        now(9, checks="1-other limits"),
        now(9, checks="2-abc"),
        now(9, checks=""),  # an older node repeats all that it refuses
        replace(now(9), node="n2"),
    ],
)
def test_it_is_forgotten_when_it_rests_on_something_else(later: PrinterNow) -> None:
    assert names(with_earlier(later, now(1, 2), ALL)) == [9]


def test_a_printer_that_nobody_saw_before_has_no_past() -> None:
    assert names(with_earlier(now(1), None, ALL)) == [1]


def test_programs_that_the_farm_does_not_have_are_forgotten() -> None:
    assert names(with_earlier(now(1), now(2, 3), frozenset({sha(3)}))) == [1, 3]


def test_what_is_kept_is_bounded_and_most_of_it_without_words() -> None:
    kept = now()
    for number in range(0, 2_000, 16):
        kept = with_earlier(now(*range(number, number + 16)), kept, ALL)
    assert len(kept.refused) == MAX_KEPT
    assert names(kept)[:16] == list(range(1_984, 2_000))
    worded = [one for one in kept.refused if one.en == "Too hot."]
    assert len(worded) == 64
    assert len({id(one.en) for one in kept.refused[64:]}) == 1, "the same text for all"
    assert kept.refused[-1].fr.startswith("Son nœud n'imprime pas")


def test_a_crowded_report_without_words_leaves_those_of_before() -> None:
    silent = printer_report(checks="1-abc", refusals=[told(1, "", ""), told(2, "", "")])
    found = with_earlier(printer_now("n1", silent), now(1), ALL)
    assert [one.en for one in found.refused] == ["Too hot.", "Its node does not print this program: the node's own page says why."]
    assert found.refused[0].fr == "Trop chaud."
    assert all(one.fr for one in found.refused)


@pytest.mark.parametrize(
    ("rule_set", "en", "fr"),
    [
        (RULE_SET_VERSION + 1, "update Essaim on the farm.", "mettez Essaim à jour sur la ferme."),
        (RULE_SET_VERSION - 1, "update Essaim on this node.", "mettez Essaim à jour sur ce nœud."),
    ],
)
def test_another_rule_set_is_told_with_what_to_do(rule_set: int, en: str, fr: str) -> None:
    (found,) = refused_by(printer_report(refusals=[told(1, rule_set=rule_set, needs=["motor-current"])]))
    assert found.en == f"Too hot. It judges by rules {rule_set}, the farm by {RULE_SET_VERSION}: {en}"
    assert found.fr == f"Trop chaud. Il juge selon les règles {rule_set}, la ferme selon {RULE_SET_VERSION} : {fr}"
    assert (found.needs, found.rule_set) == (frozenset({"motor-current"}), rule_set)


@pytest.mark.parametrize("rule_set", [0, RULE_SET_VERSION])
def test_the_same_rules_and_those_that_nobody_named_are_not_spoken_of(rule_set: int) -> None:
    (found,) = refused_by(printer_report(refusals=[told(1, rule_set=rule_set)]))
    assert found.en == "Too hot."


async def test_a_daemon_remembers_from_report_to_report(farm: Farm) -> None:
    """Only programs that it has: the farm of this harness has one."""
    own = next(iter(farm.world.durable.programs))
    refusal = told(1).model_copy(update={"program": own})
    await farm.hear(farm.report(printer_report(checks="1-a", refusals=[refusal]), report=1))
    await farm.hear(farm.report(printer_report(checks="1-a"), report=2))
    assert [one.program for one in farm.world.printers["p1"].refused] == [own]
    assert farm.world.durable.allocations == {}
    await farm.hear(farm.report(printer_report(checks="1-b"), report=3))
    assert farm.world.printers["p1"].refused == ()
