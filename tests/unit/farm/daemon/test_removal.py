"""Nodes, printers and revisions that are gone, on drafts and on the whole loop."""

from dataclasses import replace
from typing import Any

import pytest

from farm.bus.topics import Stream
from farm.daemon import orders
from farm.daemon.removal import find_node, is_recalled, recall, remove_node, remove_printer, remove_program
from farm.errors import ConflictError, NotFoundError
from farm.library_views import SignedRequest
from farm.request_bodies import OrderRequest
from scheduler.draft import Draft, Forgotten
from scheduler.model import (
    Allocation,
    Approval,
    Design,
    Job,
    JobOutcome,
    NodeRecord,
    Order,
    PendingCollect,
    PrinterRecord,
    ProgramFacts,
    ProgramReport,
    Revision,
    Rules,
    Stock,
    report_key,
)
from scheduler.model import Farm as Snapshot
from tests.unit.farm.daemon.harness import PROGRAM, SHA, Farm, collected, ended, joined, occupied, printer_report, started

NODES = {key: NodeRecord(key, name, 0.0, "") for key, name in (("people", "People"), ("n1", "left"), ("n2", "right"))}
JOB = Job("j1", "n1", "p1", "a1", "o1", "r1", "f", 3, 60.0, 0.0, 100.0, outcome=JobOutcome.PRINTED, ended_at_s=60.0)
FARM = Snapshot(
    3,
    0.0,
    revisions={"r1": Revision("r1", "d1", 0.0)},
    orders={"o1": Order("o1", "r1", 9, 0, "", 0.0)},
    allocations={"a1": Allocation("a1", "n1", "p1", "o1", "r1", "f", 3, 60.0, 4, 4, 3600.0, 0.0, started=1)},
    jobs={"j1": JOB},
    node_records=NODES,
    printer_records={"p1": PrinterRecord("p1", "n1", "one", "virtual", "small", "PLA", 0.4)},
)


EVE = SignedRequest(by="Eve", reason="brittle")


def removed(farm: Snapshot, node: str = "n1", *, also_last: bool = False) -> Snapshot:
    draft = Draft(farm)
    remove_node(draft, node, "people", Rules(), 99.0, also_last=also_last)
    return draft.farm


def test_a_removed_node_is_out_with_its_printers_and_its_jobs_stay_expected() -> None:
    after = removed(FARM)
    assert after.node_records["n1"].revoked
    assert after.node_records["n1"].version == 1  # it would be told, if it heard us
    assert after.printer_records == {}
    assert after.jobs["j1"].expected_parts == 3
    with pytest.raises(NotFoundError):
        find_node(after, "n1")
    with pytest.raises(NotFoundError):
        removed(after)


def test_what_a_hand_has_collected_there_is_counted_now() -> None:
    word = PendingCollect("c1", "n1", "p1", "j1", 2, 1, "Eve", clear_only=False, created_at_s=0.0)
    elsewhere = replace(word, id="c2", node="n2", job="j9")
    cleared = replace(word, id="c3", job="x", clear_only=True)
    after = removed(replace(FARM, pending_collects={"c1": word, "c2": elsewhere, "c3": cleared}))
    assert (after.orders["o1"].good, after.orders["o1"].scrap) == (2, 1)
    assert after.jobs["j1"].collected_by == "Eve"
    assert set(after.pending_collects) == {"c2"}


def test_the_peoples_node_and_the_last_one_are_not_removed_by_accident() -> None:
    with pytest.raises(ConflictError) as refused:
        removed(FARM, "people")
    assert refused.value.code == "people-node"
    left = removed(FARM)
    with pytest.raises(ConflictError) as refused:
        removed(left, "n2")
    assert refused.value.code == "last-node"
    assert refused.value.detail_fr.endswith(" est le dernier nœud : plus rien n'imprimerait.")
    assert removed(left, "n2", also_last=True).node_records["n2"].revoked


def test_a_printer_that_is_gone_leaves_nothing_that_is_waited_for() -> None:
    draft = Draft(FARM)
    remove_printer(draft, "p1", reported=set())
    after = draft.farm
    assert after.printer_records == {}
    assert after.jobs["j1"].expected_parts == 0
    allocation = after.allocations["a1"]
    assert (allocation.jobs, allocation.held) == (1, 4)  # withdrawn; freed when the node confirms or its lease ends
    assert allocation.withdrawn is not None
    with pytest.raises(NotFoundError):
        remove_printer(Draft(after), "p1", reported=set())


def test_a_printer_that_its_node_reports_stays() -> None:
    with pytest.raises(ConflictError, match=r"one is reported by its node\. Take it out of node.toml"):
        remove_printer(Draft(FARM), "p1", reported={"p1"})


def test_a_recall_is_for_good_and_can_be_said_twice() -> None:
    draft = Draft(FARM)
    recall(draft, "r1", EVE, 9.0)
    recall(draft, "r1", EVE, 9.0)
    assert is_recalled(draft.farm, "r1")
    assert [(entry.who, entry.action, entry.reason) for entry in draft.farm.audit.values()] == [
        ("Eve", "revision.recall", "brittle")
    ]
    assert not is_recalled(FARM, "r1")
    assert not is_recalled(FARM, "r9")
    with pytest.raises(NotFoundError):
        recall(Draft(FARM), "r9", EVE, 9.0)


# --- with the rules, on the loop


async def test_after_a_recall_nothing_is_started_counted_or_given_out(farm: Farm) -> None:
    await joined(farm)
    (held,) = farm.desired.printers["p1"]
    await farm.hear(farm.journal(started(allocation=held.id)))
    await farm.ask(lambda draft: draft.put(Stock("r1", 2)))
    assert farm.world.durable.orders["o1"].good == 2
    await farm.ask(lambda draft: recall(draft, "r1", EVE, 9.0))
    await farm.ask(lambda draft: draft.put(Stock("r1", 5)))

    allocation = farm.world.durable.allocations.get(held.id)
    assert allocation is None or allocation.jobs == allocation.started
    await farm.hear(farm.journal(ended(allocation=held.id), collected(allocation=held.id)))
    now = farm.world.durable
    assert (now.orders["o1"].good, now.stock["r1"].parts) == (2, 5), "late parts are recorded, never counted, never stock"
    job = (await farm.store.jobs())[0]
    assert (job.collected, job.good) == (True, 1)
    assert "revision.recalled" in farm.alarms
    with pytest.raises(ConflictError, match="was recalled"):
        orders.place(Draft(now), OrderRequest(revision="r1", quantity=1), 0.0)


async def test_what_a_removed_node_held_is_withdrawn_and_its_messages_are_refused(farm: Farm) -> None:
    await joined(farm)
    (held,) = farm.desired.printers["p1"]
    await farm.ask(lambda draft: remove_node(draft, "n1", "people", Rules(), 0.0, also_last=False))
    await farm.turn()
    allocation = farm.world.durable.allocations[held.id]
    assert (allocation.jobs, allocation.held) == (0, held.jobs)
    await farm.hear(farm.report(occupied(allocation=held.id)))
    assert farm.engine.receiver.rejections.counts["n1", "unknown-node"] == 1
    farm.clock.advance(held.autonomy_s + 1_000)
    await farm.turn()
    assert farm.world.durable.allocations[held.id].unstarted == 0, "its lease has ended: it is made elsewhere"
    assert not [message for message in farm.bus.of(Stream.DESIRED, "n2") if message.printers]
    await farm.hear(farm.report(printer_report("p2"), node="n2", generation=0, desired_version=0))
    await farm.hear(farm.report(printer_report("p2"), node="n2"))
    assert farm.bus.of(Stream.DESIRED, "n2")[-1].printers["p2"][0].order == "o1"


# --- programs ---------------------------------------------------------------------------------------------------------------------

MISTAKE = replace(PROGRAM, sha256="e" * 64, revision="r9", profile="small", parts=4, name="visor")
LIBRARY = replace(
    FARM,
    designs={"d1": Design("d1", "frame", 0.0), "d9": Design("d9", "visor", 0.0)},
    revisions={"r1": Revision("r1", "d1", 0.0), "r9": Revision("r9", "d9", 0.0)},
    programs={SHA: replace(PROGRAM, revision="r1"), MISTAKE.sha256: MISTAKE},
)


def without(farm: Snapshot, sha256: str = MISTAKE.sha256, *, used_before: bool = False) -> Draft:
    draft = Draft(farm)
    remove_program(draft, sha256, EVE, 9.0, used_before=used_before, profiles=["large"])
    return draft


def test_a_program_by_mistake_is_forgotten_with_its_reports_and_what_only_it_named() -> None:
    draft = without(LIBRARY)
    assert list(draft.farm.programs) == [SHA]
    assert (list(draft.farm.revisions), list(draft.farm.designs)) == (["r1"], ["d1"])
    (entry,) = draft.farm.audit.values()
    assert (entry.who, entry.action, entry.subject, entry.reason) == ("Eve", "program.remove", MISTAKE.sha256, "brittle")
    assert entry.detail == "visor: 4 x r9 for small"
    gone = {(change.kind, change.key) for change in draft.changes if isinstance(change, Forgotten)}
    assert {(ProgramFacts, MISTAKE.sha256), (ProgramReport, report_key(MISTAKE.sha256, "large"))} <= gone
    assert (ProgramReport, report_key(MISTAKE.sha256, "small")) in gone


@pytest.mark.parametrize(
    "change",
    [
        {"orders": {"o9": Order("o9", "r9", 1, 0, "", 0.0)}},
        {"stock": {"r9": Stock("r9", 1)}},
        {"approvals": {"x": Approval("x", "q1", "r9", "Eve", 0.0, "")}},
        {"programs": {MISTAKE.sha256: MISTAKE, SHA: replace(PROGRAM, revision="r9")}},
        {"revisions": {"r9": Revision("r9", "d9", 0.0, recalled=True)}},
    ],
)
def test_a_revision_that_something_names_stays(change: dict[str, Any]) -> None:
    after = without(replace(LIBRARY, **change)).farm
    assert "r9" in after.revisions
    assert "d9" in after.designs
    assert MISTAKE.sha256 not in after.programs


@pytest.mark.parametrize("where", ["allocations", "jobs", "the store"])
def test_what_was_ever_given_to_a_printer_stays_known(where: str) -> None:
    used: dict[str, dict[str, Any]] = {
        "allocations": {"allocations": {"a1": replace(FARM.allocations["a1"], program=MISTAKE.sha256)}},
        "jobs": {"jobs": {"j1": replace(JOB, program=MISTAKE.sha256)}},
    }
    changes = used.get(where, {})
    with pytest.raises(ConflictError) as refused:
        without(replace(LIBRARY, **changes), used_before=where == "the store")
    assert refused.value.code == "program-used"
    assert "farm recall r9" in refused.value.next_step
    with pytest.raises(NotFoundError):
        without(LIBRARY, "9" * 64)
