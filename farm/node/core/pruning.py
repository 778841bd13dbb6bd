"""What a node may forget: facts that were told long ago, and the start counters that no fact and no wish refers to any more."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Final

from farm.node.core.state import JournalPlace, NodeState, Step

# protocol.md: journals are kept at least 90 days of running time, because nodes are the daemon's backup
KEEP_S: Final = 90 * 86_400.0


def too_old(written_s: Sequence[float], place: JournalPlace, lived_s: float) -> int:
    """How many of the oldest facts may go: acknowledged, and older than `KEEP_S`.

    `written_s`: when they were written, in order; `lived_s`: now. Both on the axis that only running time moves
    (`farm.node.ledger.Ledger.lived_s`): a clock that is wrong never deletes anything.
    """
    acknowledged = max(0, place.acked - place.oldest + 1)
    old = takewhile(lambda at_s: lived_s - at_s > KEEP_S, written_s[:acknowledged])
    return sum(1 for _ in old)


def unwanted(state: NodeState, allocations: Iterable[str]) -> frozenset[str]:
    """Those of `allocations` which are not in the desired state and have no job on a bed."""
    wanted = {one.id for some in state.allocations.values() for one in some}
    on_beds = {one.job.allocation for one in state.occupations.values() if one.job is not None}
    return frozenset(allocations) - wanted - on_beds


def prune(state: NodeState, facts: int, counters: frozenset[str]) -> Step:
    """Forget the oldest `facts` of the journal, and the start counters of `counters`."""
    started = {key: jobs for key, jobs in state.started.items() if key not in counters} if counters else state.started
    return Step(replace(state, journal=replace(state.journal, oldest=state.journal.oldest + facts), started=started))
