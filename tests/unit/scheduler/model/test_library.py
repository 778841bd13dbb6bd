"""What programs and their keys work out for themselves."""

from typing import Any

import pytest

from gcode import checks
from scheduler.model import Verdict, approval_key, report_key
from tests.unit.scheduler.farms import program


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
