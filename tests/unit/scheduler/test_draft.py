"""A draft never changes the farm that it began with, and knows exactly what must be committed."""

from scheduler.draft import TABLES, Draft, Forgotten, key_of
from scheduler.model import DesiredVersion, Durable, Job, Order, Stock
from tests.unit.scheduler.farms import GENERATION, farm, job, order, program, record


def test_every_durable_kind_has_a_table() -> None:
    assert set(TABLES) == set(Durable.__args__)


def test_the_farm_it_began_with_stays_as_it_was() -> None:
    before = farm(orders=[order()])
    draft = Draft(before)
    draft.put(order("o2"))
    draft.forget(Order, "o1")
    assert list(before.orders) == ["o1"]
    assert list(draft.farm.orders) == ["o2"]


def test_changes_hold_the_newest_of_each_entity_once() -> None:
    draft = Draft(farm())
    draft.put(order(quantity=1))
    draft.put(job())
    draft.put(order(quantity=2))
    draft.put(Stock("r1", 3))
    draft.forget(Job, "j1")
    assert draft.changes == [order(quantity=2), Forgotten(Job, "j1"), Stock("r1", 3)]


def test_what_is_remembered_or_released_is_not_committed() -> None:
    draft = Draft(farm(orders=[order()]))
    draft.remember(job())
    draft.release(Order, "o1")
    assert draft.changes == []
    assert "j1" in draft.farm.jobs
    assert draft.farm.orders == {}


def test_all_that_happens_to_a_node_in_one_draft_is_one_version() -> None:
    draft = Draft(farm(node_records=[record(version=7)]))
    assert draft.raise_version("n1") == DesiredVersion(GENERATION, 8)
    assert draft.raise_version("n1") == DesiredVersion(GENERATION, 8)
    assert Draft(draft.farm).raise_version("n1") == DesiredVersion(GENERATION, 9)


def test_keys_of_entities_without_an_id() -> None:
    assert key_of(program("b" * 64)) == "b" * 64
    assert key_of(Stock("r1", 1)) == "r1"
