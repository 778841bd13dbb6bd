"""What is remembered of a farm that heals."""

from dataclasses import replace

import pytest

from farm.daemon.healing import LAST, META, Healed, Healing, HealingWhy, found_again, read_healed, read_healing
from scheduler.draft import Draft
from scheduler.model import Farm, Job, Revision

JOB = Job("j1", "n1", "p1", "a1", "o1", "r1", "f", 3, 60.0, 0.0, 100.0)


def test_it_survives_the_store() -> None:
    healing = Healing(HealingWhy.RESTORED, 5.0, backup_at_s=4.0, told=True, found=2)
    assert read_healing({META: healing.text()}) == healing


@pytest.mark.parametrize("meta", [{}, {META: ""}, {META: "null"}, {META: "{"}, {META: "{}"}, {META: '{"why": "x"}'}, {META: "[1]"}])
def test_anything_else_is_no_healing(meta: dict[str, str]) -> None:
    assert read_healing(meta) is None


def test_how_it_ended_survives_the_store() -> None:
    healed = Healed(HealingWhy.RESTORED, 5.0, 9.0, 3, ("garage",), 8)
    assert read_healed({LAST: healed.text()}) == healed


@pytest.mark.parametrize("meta", [{}, {LAST: ""}, {LAST: "null"}, {LAST: "{"}, {LAST: '{"why": "x"}'}, {LAST: "[1]"}])
def test_anything_else_is_no_end(meta: dict[str, str]) -> None:
    assert read_healed(meta) is None


def test_only_a_database_put_back_by_hand_worries_and_only_until_somebody_has_looked() -> None:
    healed = Healed(HealingWhy.PUT_BACK, 5.0, 9.0, 3, (), 8)
    assert healed.worries
    assert not replace(healed, seen=True).worries
    assert not replace(healed, why=HealingWhy.RESTORED).worries, "who restores is told before"


def test_parts_count_as_found_while_their_node_has_not_told_everything() -> None:
    draft = Draft(Farm(1, 0.0, revisions={"r1": Revision("r1", "d", 0.0)}))
    draft.put(JOB)  # it only started
    draft.put(replace(JOB, id="j2", collected_at_s=9.0, good=2))
    draft.put(replace(JOB, id="j3", node="n2", collected_at_s=9.0, good=3))
    assert found_again(draft, {"n1"}) == 2
    assert found_again(draft, {"n1", "n2"}) == 5
    assert found_again(draft, set()) == 0


def test_parts_of_a_recalled_revision_are_not_found() -> None:
    draft = Draft(Farm(1, 0.0, revisions={"r1": Revision("r1", "d", 0.0, recalled=True)}))
    draft.put(replace(JOB, collected_at_s=9.0, good=2))
    assert found_again(draft, {"n1"}) == 0
