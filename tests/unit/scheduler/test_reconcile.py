"""Every rule of the table; each test fails without its rule."""

from dataclasses import replace
from itertools import count

import pytest

from scheduler.decisions import Allocate, Confirm, Free, UseStock, Why, Withdraw, WriteOff, carry_out
from scheduler.draft import Draft
from scheduler.facts import Batch
from scheduler.lifecycle import take_batch
from scheduler.model import Allocation, BedState, DesiredVersion, Farm, JobOutcome, Revision, Rules, Stock
from scheduler.reconcile import TABLE, reconcile
from scheduler.refused import Refused
from tests.unit.scheduler.farms import (
    GENERATION,
    NOW_S,
    RULES,
    allocation,
    farm,
    job,
    node,
    order,
    printer,
    program,
    record,
    running,
    started,
)


def decide(world: Farm, rules: Rules = RULES, now_s: float = NOW_S) -> list[object]:
    return list(reconcile(world, rules, now_s))


def test_a_quiet_farm_decides_nothing() -> None:
    assert decide(farm(printers=[printer()])) == []


def test_the_table_runs_stock_first_and_allocates_last() -> None:
    names = [rule.__name__ for rule in TABLE]
    assert names[0] == "stock_to_orders"
    assert names[-1] == "new_allocations"
    assert len(set(names)) == len(names)


# --- stock ------------------------------------------------------------------------------------------------------------------------


def test_stock_goes_to_the_order_that_is_served_first() -> None:
    world = farm(orders=[order("low", 5), order("high", 5, priority=9)], stock=[Stock("r1", 7)])
    assert decide(world) == [UseStock("high", 5), UseStock("low", 2)]


def test_stock_is_used_before_unstarted_jobs_which_then_go_back() -> None:
    world = farm(orders=[order(quantity=4)], stock=[Stock("r1", 3)], allocations=[allocation(jobs=4)])
    assert decide(world) == [UseStock("o1", 3), Withdraw("a1", 1, Why.NOT_NEEDED)]


@pytest.mark.parametrize("closed", [order(cancelled=True), order(quantity=2, good=2)])
def test_stock_is_not_wasted_on_closed_orders(closed: object) -> None:
    assert decide(farm(orders=[closed], stock=[Stock("r1", 3)])) == []


def test_stock_of_a_recalled_revision_stays_where_it_is() -> None:
    world = farm(orders=[order()], stock=[Stock("r1", 3)], revisions=[Revision("r1", "d1", 0.0, recalled=True)])
    assert decide(world) == []


# --- not allowed ------------------------------------------------------------------------------------------------------------------


def test_a_revoked_node_may_start_nothing_more() -> None:
    world = farm(orders=[order()], allocations=[allocation(started=1)], node_records=[record(revoked=True)])
    assert decide(world) == [Withdraw("a1", 1, Why.NOT_ALLOWED)]


@pytest.mark.parametrize(
    "changed", [printer(node="n2"), printer(material="PETG"), printer(nozzle_mm=0.6), printer(profile="other")]
)
def test_a_printer_that_moved_or_changed_may_start_nothing_more(changed: object) -> None:
    world = farm(orders=[order(quantity=4)], allocations=[allocation()], printers=[changed])
    assert Withdraw("a1", 0, Why.NOT_ALLOWED) in decide(world)


def test_a_printer_that_was_not_reported_yet_keeps_its_allocation() -> None:
    assert decide(farm(orders=[order(quantity=4)], allocations=[allocation()])) == []


# --- over-allocation --------------------------------------------------------------------------------------------------------------


def test_what_a_reduced_order_does_not_need_is_taken_back_from_the_newest_allocation() -> None:
    allocations = [allocation("old", created_at_s=NOW_S - 9), allocation("new", printer="p2")]
    assert decide(farm(orders=[order(quantity=6)], allocations=allocations)) == [Withdraw("new", 2, Why.NOT_NEEDED)]


def test_taking_back_twice_waits_for_the_node() -> None:
    leaving = allocation(jobs=2, held=4, withdrawn=DesiredVersion(GENERATION, 9))
    assert decide(farm(orders=[order(quantity=2)], allocations=[leaving])) == []


def test_a_job_of_many_parts_is_kept_when_some_of_them_are_needed() -> None:
    world = farm(orders=[order(quantity=4)], allocations=[allocation(jobs=2, parts=3)])
    assert decide(world) == []


@pytest.mark.parametrize(
    "world",
    [
        farm(orders=[order(quantity=50, cancelled=True)], allocations=[allocation(started=1)]),
        farm(orders=[order()], allocations=[allocation(started=1)], revisions=[Revision("r1", "d1", 0.0, recalled=True)]),
        farm(orders=[order(good=12)], allocations=[allocation(started=1)]),
    ],
)
def test_closed_orders_keep_no_unstarted_job_and_running_ones_are_left_alone(world: Farm) -> None:
    assert decide(world) == [Withdraw("a1", 1, Why.NOT_NEEDED)]


# --- confirmed --------------------------------------------------------------------------------------------------------------------


def withdrawn(**fields: object) -> Farm:
    lowered = allocation(jobs=1, held=4, started=1, withdrawn=DesiredVersion(GENERATION, 7))
    tables: dict[str, object] = {"orders": [order(quantity=4)], "allocations": [lowered], "jobs": [job()], **fields}
    return farm(**tables)


def test_a_withdrawal_is_confirmed_by_the_report_and_the_journal() -> None:
    assert Confirm("a1") in decide(withdrawn())


@pytest.mark.parametrize(
    "missing",
    [
        {"nodes": [node(reported=DesiredVersion(GENERATION, 6))]},
        {"nodes": [node(reported=DesiredVersion(GENERATION - 1, 99))]},
        {"nodes": [node(reported=None)]},
        {"nodes": [node(reported_head=5)], "node_records": [record(seq=4)]},
        {"nodes": [node(reported_epoch="e2")]},
        {"uptime_s": 89.0},
    ],
)
def test_without_one_of_them_nothing_is_freed(missing: dict[str, object]) -> None:
    assert Confirm("a1") not in decide(withdrawn(**missing))


@pytest.mark.parametrize(("head", "lost"), [(4, 0), (5, 2)])
def test_what_was_lost_comes_no_more_once_the_node_has_told_everything(head: int, lost: int) -> None:
    lapsed = allocation(jobs=0, held=0, lost=2, withdrawn=DesiredVersion(GENERATION, 7))
    world = farm(orders=[], allocations=[lapsed], nodes=[node(reported_head=head)], node_records=[record(seq=4)])
    draft = Draft(world)
    for decision in reconcile(world, RULES, NOW_S):
        carry_out(draft, decision, NOW_S, str)
    assert draft.farm.allocations["a1"].lost == lost


def test_what_was_confirmed_is_given_to_another_printer_at_once() -> None:
    decisions = decide(withdrawn(printers=[printer("p2", "n2")]))
    assert [type(decision) for decision in decisions] == [Confirm, Allocate]


# --- lapsed -----------------------------------------------------------------------------------------------------------------------


def test_a_lease_that_ended_frees_what_was_not_started() -> None:
    world = farm(orders=[order()], allocations=[allocation(started=1)], nodes=[node(silent_s=43_261.0)])
    assert decide(world) == [Free("a1", 1, Why.LAPSED)]


@pytest.mark.parametrize("fields", [{"nodes": [node(silent_s=43_259.0)]}, {"nodes": [node(silent_s=1e9)], "uptime_s": 10.0}])
def test_a_lease_is_kept_until_its_margin_is_over_and_the_daemon_has_listened(fields: dict[str, object]) -> None:
    assert decide(farm(orders=[order()], allocations=[allocation()], **fields)) == []


# --- overdue ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("silent_s", [5.0, 500.0])
def test_a_job_long_past_its_end_is_written_off_its_node_silent_or_not(silent_s: float) -> None:
    world = farm(orders=[order(quantity=1)], jobs=[job()], nodes=[node(silent_s=silent_s)])
    assert decide(world, now_s=NOW_S + 10_001) == [WriteOff("j1", Why.OVERDUE)]
    assert decide(world, now_s=NOW_S + 9_999) == []


def test_nothing_is_written_off_before_one_heartbeat_round() -> None:
    assert decide(farm(orders=[order(quantity=1)], jobs=[job()], uptime_s=60.0), now_s=NOW_S + 1e6) == []


@pytest.mark.parametrize("done", [job(written_off=True), job(collected_at_s=NOW_S)])
def test_a_job_is_written_off_once(done: object) -> None:
    assert decide(farm(orders=[order(quantity=1, good=1)], jobs=[done]), now_s=NOW_S + 1e6) == []


# --- taking back from the living --------------------------------------------------------------------------------------------------


def tail(holder: object, **fields: object) -> Farm:
    tables: dict[str, object] = {
        "orders": [order(quantity=3)],
        "allocations": [allocation(jobs=3, started=1)],
        "jobs": [job()],
        "printers": [holder, printer("p2", "n2")],
        **fields,
    }
    return farm(**tables)


BLOCKED = printer(bed=BedState.OCCUPIED, ready=False, job="j1", occupation="j1")


@pytest.mark.parametrize("holder", [running(), BLOCKED])
def test_a_busy_or_blocked_printer_gives_one_unit_to_each_idle_one(holder: object) -> None:
    assert decide(tail(holder)) == [Withdraw("a1", 2, Why.TAKEN_BACK)]


def test_a_printer_that_could_start_is_given_a_few_minutes() -> None:
    world = tail(printer())
    assert decide(world, now_s=NOW_S + 299) == []
    assert decide(world, now_s=NOW_S + 301) == [Withdraw("a1", 2, Why.TAKEN_BACK)]


class Pair:
    """p1 answers and starts nothing (its node cannot fetch the file); p2 prints a part in ten minutes."""

    def __init__(self, quantity: int) -> None:
        self.now_s = NOW_S
        self.world = farm(orders=[order(quantity=quantity)], printers=[printer(), printer("p2", "n2")])
        self.given: list[str] = []
        self._busy_until_s = 0.0
        self._numbers = count()

    @property
    def good(self) -> int:
        return self.world.orders["o1"].good

    def run(self, rounds: int) -> None:
        for _ in range(rounds):
            self.now_s += 30
            self._show()
            self._decide()
            self._print()

    def _show(self) -> None:
        world = self.world
        nodes = {
            key: node(key, reported=DesiredVersion(world.generation, record.version)) for key, record in world.node_records.items()
        }
        second = printer("p2", "n2") if self.now_s >= self._busy_until_s else running("p2", "n2")
        self.world = replace(world, uptime_s=world.uptime_s + 30, nodes=nodes, printers={"p1": printer(), "p2": second})

    def _decide(self) -> None:
        draft = Draft(self.world)
        for decision in reconcile(self.world, RULES, self.now_s):
            carry_out(draft, decision, self.now_s, lambda: f"new-{next(self._numbers)}")
            self.given += [decision.printer] if isinstance(decision, Allocate) else []
        for spent in [item for item in draft.farm.allocations.values() if not item.unstarted and item.started >= item.jobs]:
            draft.release(Allocation, spent.id)  # as the daemon does: nothing may depend on it
        self.world = draft.farm

    def _print(self) -> None:
        mine = [item for item in self.world.allocations.values() if item.printer == "p2" and item.jobs > item.started]
        if self.now_s < self._busy_until_s or not mine:
            return
        self._busy_until_s = self.now_s + 600
        draft = Draft(self.world)
        draft.put(replace(mine[0], started=mine[0].started + 1))
        draft.put(replace(self.world.orders["o1"], good=self.good + 1))
        self.world = draft.farm


@pytest.mark.parametrize(("quantity", "hours"), [(1, 0.5), (12, 3.0)])
def test_a_printer_that_never_starts_does_not_hold_up_the_tail(quantity: int, hours: float) -> None:
    pair = Pair(quantity)
    pair.run(round(hours * 120))
    assert pair.good == quantity


def test_a_printer_that_did_not_start_is_tried_again_less_and_less_often() -> None:
    world = farm(printers=[printer(), printer("p2", "n2")], orders=[order(quantity=1)])
    waits = []
    for _ in range(9):
        draft = Draft(world)
        draft.decline("p1", "a" * 64)
        world = draft.farm
        assert [item.printer for item in decide(world) if isinstance(item, Allocate)] == ["p2"]
        until_s = world.declined["p1", "a" * 64].until_s
        waits.append(until_s - world.uptime_s)
        world = replace(world, uptime_s=until_s)
        assert [item.printer for item in decide(world) if isinstance(item, Allocate)] == ["p1"]
    assert waits == [900, 1800, 3600, 7200, 14_400, 28_800, 57_600, 86_400, 86_400]


def test_a_printer_that_started_is_trusted_again_and_what_is_long_ago_is_forgotten() -> None:
    draft = Draft(farm(printers=[printer()], orders=[order()]))
    draft.decline("p1", "a" * 64)
    take_batch(draft, Batch("n1", "e1", 1, (started(),)), NOW_S, RULES)
    assert draft.farm.declined == {}
    draft.decline("p1", "a" * 64)
    later = Draft(replace(draft.farm, uptime_s=1e6))
    later.decline("p2", "a" * 64)
    assert set(later.farm.declined) == {("p2", "a" * 64)}


def test_a_printer_that_was_busy_has_declined_nothing() -> None:
    draft = Draft(tail(running()))
    carry_out(draft, Withdraw("a1", 2, Why.TAKEN_BACK), NOW_S, str)
    assert draft.farm.declined == {}


def test_what_is_on_its_way_back_is_not_taken_twice() -> None:
    leaving = allocation(jobs=2, held=3, started=1, withdrawn=DesiredVersion(GENERATION, 9))
    assert decide(tail(running(), allocations=[leaving])) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"printers": [running(), printer("p2", "n2", material="PETG")]},
        {"printers": [running(), printer("p2", "n2", bed=BedState.UNKNOWN)]},
        {"nodes": [node(silent_s=200.0)]},
    ],
)
def test_nothing_is_taken_for_nobody_or_from_the_silent(fields: dict[str, object]) -> None:
    assert decide(tail(running(), **fields)) == []


def test_nothing_is_taken_back_while_there_is_more_to_allocate() -> None:
    decisions = decide(tail(running(), orders=[order(quantity=9)]))
    assert [type(decision) for decision in decisions] == [Allocate]


# --- hedged -----------------------------------------------------------------------------------------------------------------------

LONG_SILENT = [node(silent_s=991.0)]  # suspect after 90 s, hedged 900 s later


def test_after_a_quarter_of_an_hour_of_silence_one_unit_for_each_idle_printer_is_made_again() -> None:
    decisions = decide(tail(running(), nodes=LONG_SILENT))
    assert decisions[0] == Free("a1", 2, Why.HEDGED)
    assert [(type(decision), getattr(decision, "printer", None)) for decision in decisions[1:]] == [(Allocate, "p2")]


def test_a_started_job_of_a_silent_node_is_hedged_when_nothing_unstarted_is_left() -> None:
    world = tail(running(), orders=[order(quantity=1)], allocations=[], nodes=LONG_SILENT)
    assert decide(world)[0] == WriteOff("j1", Why.HEDGED)


@pytest.mark.parametrize(
    "fields",
    [{"nodes": [node(silent_s=989.0)]}, {"nodes": LONG_SILENT, "uptime_s": 80.0}, {"nodes": LONG_SILENT, "printers": [running()]}],
)
def test_nothing_is_hedged_too_early_or_for_nobody(fields: dict[str, object]) -> None:
    assert decide(tail(running(), **fields)) == []


# --- new allocations --------------------------------------------------------------------------------------------------------------


def test_an_idle_printer_gets_an_allocation() -> None:
    assert decide(farm(orders=[order()], printers=[printer()])) == [Allocate("n1", "p1", "o1", "a" * 64, 6, 43_200.0)]


@pytest.mark.parametrize(("uptime_s", "allocated"), [(0.0, 0), (89.0, 0), (90.0, 1)])
def test_after_a_restore_nothing_is_allocated_for_one_heartbeat_round(uptime_s: float, allocated: int) -> None:
    restored = farm(orders=[order()], printers=[printer()], uptime_s=uptime_s, restored=True)
    assert len(decide(restored)) == allocated
    assert len(decide(replace(restored, restored=False))) == 1, "an ordinary start needs no patience for that"


def test_failed_jobs_are_made_again_and_ended_ones_are_not() -> None:
    ended = job(outcome=JobOutcome.PRINTED, ended_at_s=NOW_S)
    failed = replace(ended, outcome=JobOutcome.FAILED, written_off=True)
    blocked, idle = printer(bed=BedState.OCCUPIED, ready=False, job="j1"), printer("p2", "n2")
    assert decide(farm(orders=[order(quantity=1)], jobs=[ended], printers=[blocked, idle])) == []
    (made,) = decide(farm(orders=[order(quantity=1)], jobs=[failed], printers=[blocked, idle]))
    assert isinstance(made, Allocate)
    assert made.printer == "p2"


def test_decisions_are_at_rest_once_carried_out() -> None:
    world = farm(orders=[order(quantity=2)], printers=[printer(), printer("p2")], programs=[program(parts=1)])
    first = decide(world)
    assert len(first) == 2
    held = [allocation("x", jobs=1), allocation("y", jobs=1, printer="p2")]
    assert decide(replace(world, allocations={item.id: item for item in held})) == []


def test_what_a_node_refuses_is_taken_back_and_goes_to_a_printer_that_prints_it() -> None:
    refusal = Refused("a" * 64, "gcode-refused", "The nozzle would be too hot.", "La buse serait trop chaude.")
    careful, other = printer("p1", refused=(refusal,)), printer("p2", "n2")
    world = farm(
        orders=[order(quantity=2)],
        printers=[careful, other],
        nodes=[node(), node("n2")],
        node_records=[record(), record("n2")],
        allocations=[allocation(jobs=2, held=2)],
    )
    assert Withdraw("a1", 0, Why.NOT_ALLOWED) in decide(world)
    freed = replace(world, allocations={})
    assert {one.printer for one in decide(freed) if isinstance(one, Allocate)} == {"p2"}
