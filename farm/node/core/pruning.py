"""What a node may forget: facts that were told long ago, and the start counters that no fact and no wish refers to any more."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from farm.node.core.state import JournalPlace, NodeState, Step

# protocol.md: journals are kept at least 90 days, because nodes are the daemon's backup
KEEP_S: Final = 90 * 86_400.0
# a fact from before this moment of 2023 was written by a clock that was not set yet: it is as old as the next that was
_CLOCK_IS_SET_S: Final = 1_700_000_000.0


def too_old(written_s: Sequence[float], place: JournalPlace, now_wall_s: float) -> int:
    """How many of the oldest facts may go: acknowledged, and older than `KEEP_S`. `written_s`: when they were written, in order."""
    count = 0
    acknowledged = max(0, place.acked - place.oldest + 1)
    for number, at_s in enumerate(written_s[:acknowledged], 1):
        if now_wall_s - at_s <= KEEP_S:
            break
        if at_s >= _CLOCK_IS_SET_S:
            count = number
    return count


def unwanted(state: NodeState, allocations: Iterable[str]) -> frozenset[str]:
    """Those of `allocations` which are not in the desired state and have no job on a bed."""
    wanted = {one.id for some in state.allocations.values() for one in some}
    on_beds = {one.job.allocation for one in state.occupations.values() if one.job is not None}
    return frozenset(allocations) - wanted - on_beds


def prune(state: NodeState, facts: int, counters: frozenset[str]) -> Step:
    """Forget the oldest `facts` of the journal, and the start counters of `counters`."""
    started = {key: jobs for key, jobs in state.started.items() if key not in counters} if counters else state.started
    return Step(replace(state, journal=replace(state.journal, oldest=state.journal.oldest + facts), started=started))
