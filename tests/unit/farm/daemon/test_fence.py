"""When a report says that we must not act."""

from typing import Any

import pytest

from farm.bus.messages import JournalPosition, Report
from farm.daemon.fence import Counted, Fence, FenceWhy, fence_step, fence_text, find_fence, speaks_for_another
from scheduler.model import NodeRecord

RECORD = NodeRecord("n1", "left bench", 0.0, "", version=5, epoch="e1", seq=40)


def report(*, generation: int = 3, version: int = 5, **journal: Any) -> Report:
    place = JournalPosition(**{"epoch": "e1", "oldest": 1, "head": 60, "acked": 40, **journal})
    return Report(generation=generation, desired_version=version, boot=1, report=1, journal=place)


def found(shown: Report, *, listening: bool = False, record: NodeRecord = RECORD) -> Fence | None:
    return find_fence(shown, record, 3, listening=listening)


@pytest.mark.parametrize(
    "shown",
    [
        report(),
        report(version=4, acked=12),  # behind: it is told again
        report(generation=2, version=90, acked=90),  # of an older generation: nothing can be compared
        report(epoch="e2", acked=41),  # another ledger counts for itself
        report(acked=None),  # an agent that does not tell
        report(oldest=60, acked=59),  # a new generation: the node has gone back to before its oldest fact
    ],
)
def test_an_ordinary_node_fences_nobody(shown: Report) -> None:
    assert found(shown) is None


@pytest.mark.parametrize(
    ("shown", "listening", "fence"),
    [
        (report(generation=4), False, Fence(FenceWhy.TAKEN_OVER, "n1", 4, 3)),
        (report(generation=4), True, Fence(FenceWhy.TAKEN_OVER, "n1", 4, 3)),
        (report(), True, Fence(FenceWhy.SAME_GENERATION, "n1", 3, 3)),
        (report(version=6), False, Fence(FenceWhy.PUT_BACK, "n1", 6, 5, Counted.PLAN)),
        (report(acked=41), False, Fence(FenceWhy.PUT_BACK, "n1", 41, 40, Counted.FACTS)),
    ],
)
def test_what_fences_and_what_people_are_told(shown: Report, listening: bool, fence: Fence) -> None:
    seen = found(shown, listening=listening)
    assert seen == fence
    text = fence_text(fence, "left bench")
    for told in (text.en, text.fr):
        assert "left bench" in told
        assert str(fence.heard) in told
    assert all("farm take-over" in step for step in (fence_step(fence).en, fence_step(fence).fr))


def test_what_is_compared_is_said() -> None:
    def said(fence: Fence) -> tuple[str, str]:
        text = fence_text(fence, "left bench")
        return text.en, text.fr

    en, fr = said(Fence(FenceWhy.PUT_BACK, "n1", 6, 5, Counted.PLAN))
    assert "(version 5 of its plan here, 6 there)" in en
    assert "(version 5 de son plan ici, 6 là-bas)" in fr
    en, fr = said(Fence(FenceWhy.PUT_BACK, "n1", 41, 40, Counted.FACTS))
    assert "(40 of its facts here, 41 there)" in en
    assert "(40 de ses faits ici, 41 là-bas)" in fr


def test_while_we_listen_an_older_generation_is_what_we_expect() -> None:
    assert found(report(generation=2), listening=True) is None


FRESH = NodeRecord("n9", "left bench", 0.0, "")


@pytest.mark.parametrize("shown", [report(generation=4), report(version=1), report(version=0, acked=60)])
def test_a_node_that_has_only_just_joined_fences_nobody_and_is_not_taken_at_its_word(shown: Report) -> None:
    assert speaks_for_another(shown, FRESH, 3, listening=False)
    assert not speaks_for_another(shown, RECORD, 3, listening=False), "one that we know may fence"
    assert not speaks_for_another(shown, FRESH, 3, listening=True), "another daemon may have been restored like us"


@pytest.mark.parametrize("values", [{"generation": 0, "acked": 0}, {"acked": 0}, {"acked": None}])
def test_a_node_that_has_only_just_joined_and_obeys_nobody_or_us_is_heard(values: dict[str, Any]) -> None:
    assert not speaks_for_another(report(version=0, **values), FRESH, 3, listening=False)
