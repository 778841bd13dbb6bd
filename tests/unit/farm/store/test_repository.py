"""Rows and statements: many changes of many kinds at once end as if they had been written one by one."""

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, event, select

from farm.store import repository
from farm.store.repository import Change, Delete, Put, SetMeta
from farm.store.schema import NEVER_CHANGED, jobs, metadata
from scheduler.draft import Draft
from scheduler.facts import Batch, Fact, JobCollected, JobEnded, JobReference, JobStarted
from scheduler.lifecycle import take_batch
from scheduler.model import Allocation, DesiredVersion, Farm, Job, JobOutcome, NodeRecord, Order, Rules
from tests.unit.farm.store.test_writer import ALLOCATION, JOB, ORDER


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.begin() as opened:
        yield opened
    engine.dispose()


def loaded(connection: Connection) -> tuple[dict[str, Order], dict[str, Allocation], dict[str, Job]]:
    farm = repository.load(connection)
    return farm.orders, farm.allocations, farm.jobs


def interleaved() -> list[Change]:
    """As facts make them: a job, its allocation, its order, and the next job."""
    changes: list[Change] = []
    for number in range(30):
        changes += [
            Put(replace(JOB, id=f"j{number}")),
            Put(replace(ALLOCATION, started=number)),
            Put(replace(ORDER, good=number % 5, destination=f"to {number}")),
        ]
    return changes


def test_a_mixture_of_kinds_ends_like_one_change_after_the_other(connection: Connection) -> None:
    repository.apply(connection, interleaved())
    together = loaded(connection)
    for table in reversed(metadata.sorted_tables):
        connection.execute(table.delete())
    for change in interleaved():
        repository.apply(connection, [change])
    assert together == loaded(connection)
    assert len(together[2]) == 30


def test_every_table_is_written_by_one_statement(connection: Connection) -> None:
    statements: list[str] = []

    @event.listens_for(connection, "before_cursor_execute")
    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement.split("(", maxsplit=1)[0].strip())

    repository.apply(connection, interleaved())
    assert sorted(statements) == ["INSERT INTO allocations", "INSERT INTO jobs", "INSERT INTO orders"]


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        ([Put(ORDER), Delete(Order, ORDER.id)], []),
        ([Put(ORDER), Delete(Order, ORDER.id), Put(replace(ORDER, good=2))], [2]),
        ([Delete(Order, ORDER.id), Put(ORDER)], [0]),
        ([Put(replace(ORDER, good=1)), Put(ORDER)], [0]),
        ([Delete(Order, "never there")], []),
    ],
)
def test_the_last_word_about_an_entity_counts(connection: Connection, changes: list[Change], left: list[int]) -> None:
    repository.apply(connection, changes)
    assert [order.good for order in loaded(connection)[0].values()] == left


def test_the_same_key_in_another_table_is_another_entity(connection: Connection) -> None:
    repository.apply(connection, [Put(replace(ORDER, id="x")), Put(replace(JOB, id="x")), SetMeta("x", "1"), Delete(Job, "x")])
    orders, _, found = loaded(connection)
    assert (list(orders), list(found), repository.load(connection).meta) == (["x"], [], {"x": "1"})


def test_more_deletions_than_one_statement_may_bind(connection: Connection) -> None:
    keys = [f"o{number}" for number in range(1_100)]
    repository.apply(connection, [Put(replace(ORDER, id=key)) for key in keys])
    repository.apply(connection, [Delete(Order, key) for key in keys])
    assert loaded(connection)[0] == {}


def test_every_field_that_may_change_is_written_again(connection: Connection) -> None:
    later = replace(
        JOB, due_at_s=1.0, outcome=JobOutcome.PRINTED, detail="d", by_person=True, ended_at_s=5.0, good=1, scrap=1, written_off=True
    )
    withdrawn = replace(ALLOCATION, jobs=1, held=2, started=1, lost=1, withdrawn=DesiredVersion(3, 4))
    repository.apply(connection, [Put(JOB), Put(ALLOCATION)])
    repository.apply(connection, [Put(later), Put(withdrawn)])
    assert loaded(connection)[1:] == ({"a1": withdrawn}, {"j1": later})
    repository.apply(connection, [Put(replace(later, collected_at_s=9.0, collected_by="eve"))])
    assert repository.find(connection, Job, ["j1"])["j1"].collected_by == "eve"


def test_an_enum_is_stored_as_its_plain_word(connection: Connection) -> None:
    repository.apply(connection, [Put(replace(JOB, outcome=JobOutcome.FAILED))])
    (word,) = connection.execute(select(jobs.c.outcome)).scalars()
    assert (word, type(word)) == ("failed", str)


def test_nothing_in_the_life_of_a_job_changes_what_is_written_once() -> None:
    """An update leaves these columns out: a life that changed one of them would be lost at a restart."""
    reference = JobReference("j1", "a1", "order-1", "r1", "00", 2, 9.0)
    draft = Draft(
        Farm(1, 0.0, orders={"order-1": ORDER}, allocations={"a1": ALLOCATION}, node_records={"n1": NodeRecord("n1", "", 0.0, "")})
    )
    seen: list[Job] = []
    facts: tuple[Fact, ...] = (
        JobStarted(1, "p1", reference),
        JobEnded(2, "p1", reference, JobOutcome.FAILED, detail="cold"),
        JobCollected(3, "p1", reference, good=1, scrap=1, by="eve"),
    )
    for now_s, fact in enumerate(facts, 10):
        take_batch(draft, Batch("n1", "e1", 1, (fact,)), float(now_s), Rules())
        seen.append(draft.farm.jobs["j1"])
    changed = {item.name for item in fields(Job) for job in seen if getattr(job, item.name) != getattr(seen[0], item.name)}
    assert {"due_at_s", "outcome", "collected_at_s", "good"} <= changed
    assert not changed & NEVER_CHANGED[jobs]


def test_only_columns_of_the_table_are_said_to_stay() -> None:
    for table, names in NEVER_CHANGED.items():
        assert names < set(table.columns.keys())
