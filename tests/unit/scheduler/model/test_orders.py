"""What orders, allocations and jobs work out for themselves."""

import pytest

from scheduler.model import DesiredVersion, Order
from tests.unit.scheduler.farms import allocation, job, order


@pytest.mark.parametrize(
    ("one", "is_open", "owed"),
    [(order(), True, 12), (order(good=12), False, 0), (order(cancelled=True), False, 0), (order(quantity=2, good=5), False, 0)],
)
def test_what_an_order_owes(one: Order, is_open: bool, owed: int) -> None:
    assert (one.open, one.owed) == (is_open, owed)


def test_unstarted_jobs_are_never_negative() -> None:
    assert allocation(jobs=1, held=1, started=3).unstarted == 0


def test_versions_are_compared_as_a_pair() -> None:
    assert DesiredVersion(2, 1) > DesiredVersion(1, 99)
    assert DesiredVersion(2, 1) < DesiredVersion(2, 2)


def test_a_collected_job_brings_nothing_more() -> None:
    assert job().expected_parts == 1
    assert job(collected_at_s=0.0).expected_parts == 0
