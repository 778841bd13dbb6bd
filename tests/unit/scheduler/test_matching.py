"""Who makes what, how much at once, and why somebody got nothing."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler import eligibility
from scheduler.decisions import Allocate
from scheduler.matching import (
    Explainer,
    allocations,
    autonomy_s,
    best_program,
    board,
    eligible_count,
    explain,
    explain_order,
    in_turn,
    is_idle,
    jobs_for,
)
from scheduler.model import BedState, BuildSpace, Farm, PrinterNow, Program, Rules
from scheduler.reconcile import reconcile
from tests.unit.scheduler.farms import NOW_S, RULES, allocation, farm, node, order, printer, program, running


def made(world: Farm, rules: Rules = RULES) -> list[Allocate]:
    return allocations(world, rules)


# --- whose turn -------------------------------------------------------------------------------------------------------------------


def test_priority_goes_before_age() -> None:
    first, second, third = order("a", created_at_s=2.0), order("b", priority=5, created_at_s=3.0), order("c", created_at_s=1.0)
    assert [item.id for item in in_turn([first, second, third])] == ["b", "c", "a"]


def test_one_printer_works_for_the_order_that_is_served_first() -> None:
    (decision,) = made(farm(orders=[order("low"), order("high", priority=1)], printers=[printer()]))
    assert decision.order == "high"


def test_an_order_that_nobody_can_make_holds_up_no_other() -> None:
    stuck = replace(order("stuck", priority=9), revision="r9")
    (decision,) = made(farm(orders=[stuck, order("other")], printers=[printer()]))
    assert decision.order == "other"


def test_idle_printers_come_before_running_ones() -> None:
    (decision,) = made(farm(orders=[order(quantity=1)], printers=[running("a"), printer("b")]))
    assert decision.printer == "b"


def test_a_running_printer_gets_its_next_job_ahead() -> None:
    (decision,) = made(farm(orders=[order(quantity=1)], printers=[running("a")]))
    assert decision.printer == "a"


def test_a_printer_that_holds_jobs_gets_no_second_allocation() -> None:
    assert made(farm(orders=[order(quantity=99)], printers=[printer()], allocations=[allocation(jobs=1)])) == []


@pytest.mark.parametrize("one", [printer(bed=BedState.UNKNOWN, ready=False), printer(ready=False)])
def test_printers_that_cannot_start_get_nothing(one: object) -> None:
    assert made(farm(orders=[order()], printers=[one])) == []


def test_an_idle_printer_is_clear_ready_and_quiet() -> None:
    assert is_idle(printer())
    assert not is_idle(printer(ready=False))
    assert not is_idle(running())


# --- how much ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("remaining", "printers", "horizon_s", "jobs"),
    [
        (1000, 1, 43_200.0, 12),  # twelve hours of one-hour jobs
        (12, 4, 43_200.0, 1),  # a share at the tail
        (16, 2, 43_200.0, 4),
        (3, 1, 43_200.0, 1),
        (1, 50, 43_200.0, 1),  # at least one
        (1000, 1, 60.0, 1),  # a job longer than the horizon
    ],
)
def test_jobs_at_once(remaining: int, printers: int, horizon_s: float, jobs: int) -> None:
    assert jobs_for(program(), remaining, printers, horizon_s, RULES) == jobs


@given(
    remaining=st.integers(1, 10_000),
    printers=st.integers(1, 500),
    parts=st.integers(1, 50),
    estimated_s=st.floats(0, 1e6),
    horizon_s=st.floats(60, 1e6),
)
def test_never_more_than_needed_or_than_the_horizon_holds(
    remaining: int, printers: int, parts: int, estimated_s: float, horizon_s: float
) -> None:
    jobs = jobs_for(program(parts=parts, estimated_s=estimated_s), remaining, printers, horizon_s, RULES)
    assert jobs >= 1
    assert (jobs - 1) * parts < remaining
    assert jobs == 1 or jobs * estimated_s <= horizon_s
    assert jobs == 1 or jobs * parts * printers * RULES.guide <= remaining


def test_eligible_printers_are_counted_busy_or_not_but_not_the_silent() -> None:
    printers = [printer("a"), running("b"), printer("c", "n2"), printer("d", material="PETG")]
    world = farm(orders=[order()], printers=printers, nodes=[node("n2", silent_s=999.0)])
    assert eligible_count(world.orders["o1"], board(world, RULES)) == 2
    assert eligible_count(order(), board(farm(), RULES)) == 1


def test_autonomy_is_what_the_farm_gives_and_no_more_than_the_owner_allows() -> None:
    assert autonomy_s(printer(), RULES) == RULES.autonomy_s
    assert autonomy_s(printer(autonomy_s=600.0), RULES) == 600.0
    assert autonomy_s(printer(autonomy_s=1e9), RULES) == RULES.autonomy_s
    assert autonomy_s(printer(by_hand=True), RULES) == RULES.manual_autonomy_s


# --- which program ----------------------------------------------------------------------------------------------------------------

ONE, THREE = program("1" * 64), program("3" * 64, parts=3, estimated_s=6000.0)


@pytest.mark.parametrize(("remaining", "chosen"), [(1, ONE), (2, ONE), (3, THREE), (100, THREE)])
def test_the_fastest_by_part_unless_it_makes_too_many(remaining: int, chosen: object) -> None:
    assert best_program([ONE, THREE], remaining) == chosen


def test_at_the_tail_the_printer_with_the_least_overshoot_is_chosen() -> None:
    world = farm(
        orders=[order(quantity=1)],
        printers=[printer("a", profile="large"), printer("b")],
        programs=[program(), program("b" * 64, profile="large", parts=3, estimated_s=60.0)],
        build_spaces={"small": BuildSpace(210, 210, 200), "large": BuildSpace(300, 300, 300)},
    )
    assert [decision.printer for decision in made(world)] == ["b"]


@given(quantity=st.integers(1, 200), small=st.integers(0, 6), large=st.integers(0, 6))
def test_allocations_cover_no_more_than_is_wanted_plus_one_job(quantity: int, small: int, large: int) -> None:
    printers = [printer(f"s{number}") for number in range(small)] + [
        printer(f"l{number}", profile="large") for number in range(large)
    ]
    world = farm(
        orders=[order(quantity=quantity)],
        printers=printers,
        programs=[program(), program("b" * 64, profile="large", parts=3)],
        build_spaces={"small": BuildSpace(210, 210, 200), "large": BuildSpace(300, 300, 300)},
    )
    decisions = made(world)
    parts = {item.sha256: item.parts for item in world.programs.values()}
    assert sum(item.jobs * parts[item.program] for item in decisions) < quantity + 3
    assert len({item.printer for item in decisions}) == len(decisions)


# --- why not ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "tables"),
    [
        ("nothing-to-do", {}),
        ("nothing-to-do", {"orders": [order(good=12)]}),
        ("material", {"orders": [order()], "printers": [printer(material="PETG")]}),
        ("bed-not-collected", {"orders": [order()], "printers": [printer(bed=BedState.OCCUPIED, ready=False, job="j1")]}),
        ("printing", {"orders": [order()], "printers": [running()]}),
        ("node-silent", {"orders": [order()], "nodes": [node(silent_s=999.0)]}),
    ],
)
def test_a_printer_says_why_it_does_not_start(code: str, tables: dict[str, object]) -> None:
    world = farm(**{"printers": [printer()], **tables})
    assert [reason.code for reason in explain(world, world.printers["p1"], RULES)] == [code]


@pytest.mark.parametrize("tables", [{"orders": [order()]}, {"orders": [order(quantity=4)], "allocations": [allocation()]}])
def test_a_printer_that_will_start_says_nothing(tables: dict[str, object]) -> None:
    world = farm(printers=[printer()], **tables)
    assert explain(world, world.printers["p1"], RULES) == []


@pytest.mark.parametrize(
    ("code", "tables"),
    [
        ("no-printer", {}),
        ("no-program", {"programs": []}),
        ("material", {"printers": [printer(material="PETG"), printer("p2", material="PETG")]}),
        ("has-allocation", {"printers": [printer()], "allocations": [allocation(jobs=1)]}),
        ("bed-unknown", {"printers": [printer(bed=BedState.UNKNOWN)]}),
    ],
)
def test_an_order_says_why_it_waits(code: str, tables: dict[str, object]) -> None:
    world = farm(**{"orders": [order(quantity=99)], **tables})
    assert [reason.code for reason in explain_order(world, world.orders["o1"], RULES)] == [code]


def test_reasons_of_an_order_are_counted_the_commonest_first() -> None:
    printers = [printer("a", material="PETG"), printer("b", bed=BedState.UNKNOWN), printer("c", bed=BedState.UNKNOWN)]
    world = farm(orders=[order()], printers=printers)
    texts = [reason.en for reason in explain_order(world, world.orders["o1"], RULES)]
    assert texts[0].startswith("2 printers: Nobody knows")
    assert texts[1].startswith("1 printer: It needs PLA")


@pytest.mark.parametrize("one", [order(good=12), order(cancelled=True), order(quantity=4)])
def test_an_order_that_waits_for_nobody_says_nothing(one: object) -> None:
    world = farm(orders=[one], allocations=[allocation()])
    assert explain_order(world, world.orders["o1"], RULES) == []


# --- how much work it is ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every look at whether a program suits a printer."""
    found: list[str] = []
    look = eligibility.program_reasons

    def counted(world: Farm, one: PrinterNow, sliced: Program) -> list[eligibility.Reason]:
        found.append(one.id)
        return look(world, one, sliced)

    monkeypatch.setattr(eligibility, "program_reasons", counted)
    return found


def backlog() -> Farm:
    """A hundred orders wait; forty printers print, forty idle with the wrong material."""
    idle = [printer(f"p{number}", f"n{number}", material="PETG") for number in range(40)]
    busy = [running(f"q{number}", f"n{number}", f"j{number}") for number in range(40)]
    held = [allocation(f"a{number}", printer=f"q{number}", node=f"n{number}", order=f"o{number}") for number in range(40)]
    return farm(orders=[order(f"o{number}") for number in range(100)], printers=[*idle, *busy], allocations=held)


def test_deciding_looks_at_a_kind_of_printers_once_not_at_every_order_and_printer(looks: list[str]) -> None:
    assert allocations(backlog(), RULES) == []
    assert len(looks) == 1


def test_the_tail_looks_at_a_kind_of_printers_once_too(looks: list[str]) -> None:
    reconcile(backlog(), RULES, NOW_S)
    assert len(looks) <= 10  # a few for every rule that looks


def test_explaining_looks_at_a_kind_of_printers_once(looks: list[str]) -> None:
    world = backlog()
    explainer = Explainer(world, RULES)
    told = [explainer.printer(one) for one in world.printers.values()] + [explainer.order(one) for one in world.orders.values()]
    assert "It needs PLA" in told[0][0].en
    assert told[-1][0].en.startswith("40 printers: ")
    assert len(looks) == 2


def test_a_large_order_goes_to_the_idle_first_whatever_their_number() -> None:
    printers = [running(f"b{number}", f"n{number}", f"j{number}") for number in range(5)]
    printers += [printer(f"p{number}", f"n{number}") for number in range(5)]
    printers += [printer(f"s{number}", f"n{number}", nozzle_mm=0.6) for number in range(5)]
    variants = [program(), program("b" * 64, nozzle_mm=0.6, estimated_s=1800.0)]
    decided = allocations(farm(orders=[order(quantity=1000)], printers=printers, programs=variants), RULES)
    assert [item.printer for item in decided] == [f"{row}{number}" for row in "spb" for number in range(5)]
