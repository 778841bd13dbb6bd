"""When a report says that we must not act."""

from typing import Any

import pytest

from farm.bus.messages import JournalPosition, Report
from farm.daemon.fence import Fence, FenceWhy, fence_step, fence_text, find_fence
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
        (report(version=6), False, Fence(FenceWhy.PUT_BACK, "n1", 6, 5)),
        (report(acked=41), False, Fence(FenceWhy.PUT_BACK, "n1", 41, 40)),
    ],
)
def test_what_fences_and_what_people_are_told(shown: Report, listening: bool, fence: Fence) -> None:
    seen = found(shown, listening=listening)
    assert seen == fence
    text = fence_text(fence, "left bench")
    assert text.startswith("left bench") or "left bench" in text
    assert str(fence.heard) in text
    assert "farm take-over" in fence_step(fence)


def test_while_we_listen_an_older_generation_is_what_we_expect() -> None:
    assert found(report(generation=2), listening=True) is None


def test_a_node_that_we_have_never_heard_is_not_compared_by_its_journal() -> None:
    assert found(report(version=0, acked=60), record=NodeRecord("n1", "", 0.0, "")) is None
