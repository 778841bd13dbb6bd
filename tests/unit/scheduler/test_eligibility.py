"""Hard constraints: each refuses what it must, and nothing else."""

from dataclasses import replace
from typing import Any

import pytest

from scheduler import eligibility
from scheduler.eligibility import (
    FREE,
    STANDING,
    SUITS,
    Reason,
    Suitability,
    index_programs,
    is_suspect,
    kind_of,
    order_reason,
    order_reasons,
    printer_reasons,
    program_reasons,
    suitable,
)
from scheduler.model import (
    Approval,
    BedState,
    BuildSpace,
    Farm,
    PrinterNow,
    Requester,
    Revision,
    Verdict,
    approval_key,
)
from scheduler.refused import Refused
from tests.unit.scheduler.farms import RULES, allocation, farm, job, node, order, printer, program, record, running


def codes(reasons: list[Reason]) -> list[str]:
    return [reason.code for reason in reasons]


def test_a_good_printer_has_no_reason() -> None:
    world = farm(printers=[printer()])
    assert printer_reasons(world, world.printers["p1"], RULES) == []


HOSPITALS = Requester("q1", "Hospitals", approves=True, created_at_s=0.0)


def approval(revision: str) -> Approval:
    return Approval(approval_key("q1", revision), "q1", revision, "Dr. House", 0.0)


@pytest.mark.parametrize(
    ("code", "tables"),
    [
        ("node-revoked", {"node_records": [record(revoked=True)]}),
        ("node-not-replayed", {"nodes": [node(replayed=False)]}),
        ("node-silent", {"nodes": [node(silent_s=90.5)]}),
        ("node-silent", {"nodes": [node(online=False)]}),
        ("has-allocation", {"allocations": [allocation()]}),
        ("has-allocation", {"allocations": [allocation(jobs=0, held=1)]}),
    ],
)
def test_reasons_of_the_node_and_of_what_it_holds(code: str, tables: dict[str, object]) -> None:
    world = farm(printers=[printer()], **tables)
    assert codes(printer_reasons(world, world.printers["p1"], RULES)) == [code]


@pytest.mark.parametrize(
    ("code", "one"),
    [
        ("printer-not-ready", printer(ready=False)),
        ("bed-unknown", printer(bed=BedState.UNKNOWN, ready=False)),
        ("bed-not-collected", printer(bed=BedState.OCCUPIED, ready=False, job="j1")),
        ("bed-occupied", printer(bed=BedState.OCCUPIED, ready=False)),
        ("bed-unknown", printer(bed=BedState.UNKNOWN, ready=False, running=True)),  # somebody prints from the panel
    ],
)
def test_reasons_of_the_printer(code: str, one: PrinterNow) -> None:
    assert codes(printer_reasons(farm(printers=[one]), one, RULES)) == [code]


def test_the_nodes_own_reason_is_told_when_there_is_one() -> None:
    one = printer(ready=False, why_not_ready=("disk-nearly-full", "The disk is nearly full.", "Le disque est presque plein."))
    (reason,) = printer_reasons(farm(printers=[one]), one, RULES)
    assert (reason.code, reason.en, reason.fr) == one.why_not_ready


def test_the_next_job_may_be_allocated_while_one_of_ours_runs() -> None:
    one = running()
    assert printer_reasons(farm(printers=[one]), one, RULES) == []


def test_a_printer_whose_job_is_overdue_gets_nothing_more() -> None:
    one = running()
    assert codes(printer_reasons(farm(printers=[one], jobs=[job(written_off=True)]), one, RULES)) == ["job-overdue"]


def test_a_node_that_nobody_knows_stands_for_nothing() -> None:
    world = Farm(generation=1, uptime_s=0.0)
    assert codes(printer_reasons(world, printer(), RULES)) == ["node-revoked", "node-not-replayed", "node-silent"]


@pytest.mark.parametrize(("silent_s", "suspect"), [(90.0, False), (90.1, True)])
def test_three_missed_reports_make_a_node_suspect(silent_s: float, suspect: bool) -> None:
    assert is_suspect(node(silent_s=silent_s), RULES) is suspect


@pytest.mark.parametrize(
    ("code", "fields"),
    [
        ("too-large", {"width_mm": 210.6}),
        ("too-large", {"depth_mm": 300.0}),
        ("too-large", {"height_mm": 201.0}),
        ("nozzle", {"nozzle_mm": 0.6}),
        ("material", {"material": "PETG"}),
        ("program-rejected", {"verdict": Verdict.REJECT}),
        ("program-rejected", {"verdict": Verdict.REJECT, "released_by": "Eve"}),
        ("program-not-released", {"verdict": Verdict.TRUSTED_ONLY, "trust": "m907=1"}),
        (
            "program-not-released",
            {"verdict": Verdict.TRUSTED_ONLY, "trust": "m907=2", "released_by": "Eve", "released_for": "m907=1"},
        ),
    ],
)
def test_a_program_that_does_not_suit(code: str, fields: dict[str, Any]) -> None:
    world = farm(printers=[printer()], orders=[order()], programs=[program(**fields)])
    index = index_programs(world.programs.values())
    assert codes(order_reasons(world, world.printers["p1"], world.orders["o1"], index)) == [code]
    assert suitable(world, world.printers["p1"], world.orders["o1"], index) == []


def test_an_unknown_profile_has_no_bed_to_measure() -> None:
    world = farm(printers=[printer()], build_spaces={"other": BuildSpace(1, 1, 1)})
    assert eligibility.fits_bed(world, printer(), program()) is not None


def test_material_is_compared_as_people_write_it() -> None:
    assert eligibility.material_matches(farm(), printer(material=" pla "), program()) is None


def test_a_profile_without_a_program_of_the_revision() -> None:
    world = farm(orders=[order()])
    one = printer(profile="other")
    assert codes(order_reasons(world, one, world.orders["o1"], index_programs(world.programs.values()))) == ["no-program"]


def test_one_suitable_program_among_several_is_enough() -> None:
    world = farm(orders=[order()], programs=[program(material="PETG"), program("b" * 64)])
    index = index_programs(world.programs.values())
    assert order_reasons(world, printer(), world.orders["o1"], index) == []
    assert [item.sha256 for item in suitable(world, printer(), world.orders["o1"], index)] == ["b" * 64]


@pytest.mark.parametrize(
    ("code", "tables"),
    [
        ("revision-recalled", {"orders": [order()], "revisions": [Revision("r1", "d1", 0.0, recalled=True)]}),
        ("order-closed", {"orders": [order(cancelled=True)]}),
        ("order-closed", {"orders": [order(good=12)]}),
        ("revision-draft", {"orders": [order()], "revisions": [Revision("r1", "d1", 0.0, draft=True)]}),
        ("revision-recalled", {"orders": [order()], "revisions": [Revision("r1", "d1", 0.0, draft=True, recalled=True)]}),
        ("not-approved", {"orders": [order(requester="q1")], "requesters": [HOSPITALS]}),
        ("not-approved", {"orders": [order(requester="q1")], "requesters": [HOSPITALS], "approvals": [approval("r2")]}),
    ],
)
def test_orders_for_which_nothing_may_be_made(code: str, tables: dict[str, object]) -> None:
    world = farm(**tables)
    assert codes(order_reasons(world, printer(), world.orders["o1"], {})) == [code]


@pytest.mark.parametrize(
    "tables",
    [
        {"orders": [order(requester="q1")], "requesters": [HOSPITALS], "approvals": [approval("r1")]},
        {"orders": [order(requester="q1")], "requesters": [replace(HOSPITALS, approves=False)]},
        {"orders": [order(requester="nobody knows")]},
        {"orders": [order()], "requesters": [HOSPITALS]},
    ],
    ids=["approved", "keeps-no-approvals", "unknown", "nobody"],
)
def test_orders_whose_requester_takes_the_revision(tables: dict[str, Any]) -> None:
    world = farm(**tables)
    assert order_reason(world, world.orders["o1"]) is None


def test_a_released_program_is_as_good_as_one_that_passed() -> None:
    trusted = program(verdict=Verdict.TRUSTED_ONLY, trust="m907=1", released_by="Eve", released_for="m907=1")
    world = farm(printers=[printer()], orders=[order()], programs=[trusted])
    assert suitable(world, world.printers["p1"], world.orders["o1"], index_programs([trusted])) == [trusted]


def test_every_reason_speaks_both_languages() -> None:
    world = farm(printers=[printer(ready=False)], nodes=[node(online=False, replayed=False)], allocations=[allocation()])
    reasons = printer_reasons(world, world.printers["p1"], RULES, (*STANDING, *FREE))
    reasons += [found for constraint in SUITS if (found := constraint(world, printer("x", nozzle_mm=1, material=""), program()))]
    assert len(reasons) >= 5
    assert all(reason.en and reason.fr and reason.en != reason.fr for reason in reasons)


REFUSAL = Refused("a" * 64, "gcode-refused", "The nozzle would be too hot.", "La buse serait trop chaude.")


def test_a_program_that_the_printers_own_node_refuses_does_not_suit_it() -> None:
    careful, other = printer("p1", refused=(REFUSAL,)), printer("p2")
    world = farm(printers=[careful, other], programs=[program(), program("b" * 64)])
    (reason,) = program_reasons(world, careful, program())
    assert (reason.code, reason.en, reason.fr) == (REFUSAL.code, REFUSAL.en, REFUSAL.fr)
    assert program_reasons(world, careful, program("b" * 64)) == []
    assert program_reasons(world, other, program()) == []


def test_printers_of_one_class_are_told_apart_by_what_they_refuse() -> None:
    careful, other = printer("p1", refused=(REFUSAL,)), printer("p2")
    world = farm(printers=[careful, other], programs=[program()], orders=[order()])
    suitability = Suitability(world)
    assert suitability.programs(other, order()) == [program()]
    assert suitability.programs(careful, order()) == []
    assert codes(suitability.reasons(careful, order())) == ["gcode-refused"]
    assert suitability.reasons(other, order()) == []


@pytest.mark.parametrize(
    ("released_for", "rule_set", "stands"),
    [
        ("", 5, True),  # nobody has released it
        ("motor-current=2", 5, False),  # judged alike: whoever released it was shown all of it
        ("motor-current=2", 4, True),  # the farm knows fewer rules than the node, and showed fewer
        ("motor-current=2 unknown-command=1", 4, False),
        ("unknown-command=1", 6, True),
    ],
)
def test_a_refusal_that_needs_a_word_stands_until_somebody_answers_for_all_of_it(
    released_for: str, rule_set: int, stands: bool
) -> None:
    needs = frozenset({"motor-current", "unknown-command"})
    careful = printer("p1", refused=(replace(REFUSAL, needs=needs, rule_set=5),))
    judged = replace(
        program(),
        verdict=Verdict.TRUSTED_ONLY,
        trust=released_for,
        released_by="Ana" if released_for else "",
        released_for=released_for,
        rule_set=rule_set,
    )
    world = farm(printers=[careful], programs=[judged])
    assert ("gcode-refused" in codes(program_reasons(world, careful, judged))) is stands


def test_printers_that_need_another_word_are_of_another_kind() -> None:
    plain, asking = printer("p1", refused=(REFUSAL,)), printer("p2", refused=(replace(REFUSAL, needs=frozenset({"a"})),))
    assert kind_of(plain) != kind_of(asking)
    assert kind_of(plain) == kind_of(printer("p3", refused=(replace(REFUSAL, rule_set=7),)))
