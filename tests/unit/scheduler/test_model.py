"""The few things that entities work out for themselves."""

from typing import Any

import pytest

from gcode import checks
from scheduler.model import DesiredVersion, Order, Verdict, approval_key, report_key
from tests.unit.scheduler.farms import allocation, job, order, program


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


def test_verdicts_have_the_words_of_the_checks() -> None:
    assert [verdict.value for verdict in Verdict] == [verdict.value for verdict in checks.Verdict]


@pytest.mark.parametrize(
    ("fields", "usable"),
    [
        ({}, True),
        ({"verdict": Verdict.REJECT}, False),
        ({"verdict": Verdict.REJECT, "released_by": "Eve"}, False),
        ({"verdict": Verdict.TRUSTED_ONLY, "trust": "a=1"}, False),
        ({"verdict": Verdict.TRUSTED_ONLY, "trust": "a=1", "released_by": "Eve", "released_for": "a=1"}, True),
        ({"verdict": Verdict.TRUSTED_ONLY, "trust": "a=1 b=1", "released_by": "Eve", "released_for": "a=1"}, False),
    ],
)
def test_a_program_may_be_allocated_when_it_passed_or_somebody_answers_for_all_of_it(fields: dict[str, Any], usable: bool) -> None:
    assert program(**fields).usable is usable


def test_keys_of_two_things_are_two() -> None:
    assert approval_key("q1", "r1") != approval_key("q1", "r2")
    assert report_key("a" * 64, "generic-210") != report_key("b" * 64, "generic-210")
