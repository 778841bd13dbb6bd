"""A hundred jobs on four virtual printers that break at random; and that the judge would notice if something were wrong.

`ESSAIM_SOAK_JOBS` and `ESSAIM_SOAK_SEED` make it longer and different; the long form is `python -m tests.integration.soak`.
"""

import os
import random
from pathlib import Path
from typing import Any

import pytest

from drivers.base import PrintEnd
from drivers.virtual.control import FAULTS
from tests.integration.small_program import small_program
from tests.integration.soak import Outcome, Result, commands, complaint, net_mm, plan_injuries, soak

JOBS = int(os.environ.get("ESSAIM_SOAK_JOBS", "100"))
SEED = int(os.environ.get("ESSAIM_SOAK_SEED", "5"))
PRINTERS = 4


@pytest.mark.real
@pytest.mark.slow
async def test_what_was_called_done_stands_on_the_bed(tmp_path: Path) -> None:
    result = await soak(SEED, jobs=JOBS, printers=PRINTERS, folder=tmp_path)
    assert len(result.outcomes) == JOBS, result.summary()
    assert result.wrong == [], result.summary()
    # The sum: as many whole parts were taken off beds for jobs called DONE as there are such jobs.
    assert sum(outcome.whole for outcome in result.outcomes if outcome.end == PrintEnd.DONE) == result.done
    assert result.done >= JOBS * 0.6, result.summary()  # and it is no soak of jobs that all fail
    assert any(outcome.end == PrintEnd.FAILED for outcome in result.outcomes), result.summary()


def test_the_plan_follows_from_the_seed_and_knows_every_kind_of_fault() -> None:
    first = [plan_injuries(random.Random(number)) for number in range(2000)]
    assert first == [plan_injuries(random.Random(number)) for number in range(2000)]
    assert 800 < sum(not injuries for injuries in first) < 1200
    used = {str(injury.order["fault"]) for injuries in first for injury in injuries}
    assert used <= set(FAULTS)
    assert len(used) == 25


PROGRAM = small_program(layers=2)


def truth(**changes: Any) -> dict[str, Any]:
    part = {"end": "motors-off", "resets": 0, "cut_moves": 0, "on_occupied_bed": False, "collected": False} | changes
    return {"net_mm": 10.0 + net_mm(PROGRAM), "parts": [part]}


BEFORE = {"net_mm": 10.0}
LINES = commands(PROGRAM)


def test_a_whole_part_is_no_reason_to_complain() -> None:
    assert complaint(PROGRAM, BEFORE, truth(), LINES) == ""
    assert complaint(PROGRAM, BEFORE, truth(), ["M220 S100", *LINES, "M105"]) == ""


@pytest.mark.parametrize(
    "executed",
    [
        [line for number, line in enumerate(LINES) if number != 12],
        [*LINES[:12], LINES[12], *LINES[12:]],
        [*LINES[:12], LINES[13], LINES[12], *LINES[14:]],
        [*LINES[:12], "G1 X1 Y1", *LINES[12:]],
        LINES[:-1],
    ],
)
def test_a_line_too_few_too_many_or_out_of_order_is_noticed(executed: list[str]) -> None:
    assert "was executed" in complaint(PROGRAM, BEFORE, truth(), executed)


def test_what_stands_there_is_noticed() -> None:
    assert "0 parts" in complaint(PROGRAM, BEFORE, {"net_mm": 0.0, "parts": []}, LINES)
    assert "0 parts" in complaint(PROGRAM, BEFORE, truth(collected=True), LINES)
    for changes in ({"end": "reset"}, {"end": ""}, {"resets": 1}, {"cut_moves": 1}, {"on_occupied_bed": True}):
        assert "the part is" in complaint(PROGRAM, BEFORE, truth(**changes), LINES)
    assert "mm of filament" in complaint(PROGRAM, {"net_mm": 10.01}, truth(), LINES)


def test_the_result_names_what_is_needed_to_repeat_it() -> None:
    injuries = plan_injuries(random.Random(3)) or plan_injuries(random.Random(4)) or plan_injuries(random.Random(6))
    wrong = Outcome(2, 17, injuries, end=PrintEnd.DONE, whole=False, why_not="nothing stands there")
    fine = [Outcome(1, 0, [], end=PrintEnd.DONE, whole=True), Outcome(1, 1, [], end=PrintEnd.FAILED, whole=False)]
    result = Result(seed=99, outcomes=[*fine, wrong, Outcome(3, 1, [], end="stuck")])
    assert [outcome.number for outcome in result.wrong] == [17, 1]
    assert result.done == 2
    text = result.summary()
    assert "seed 99" in text
    assert "WRONG printer 2 job 17" in text
    assert "nothing stands there" in text
    assert str(injuries[0].order) in text
