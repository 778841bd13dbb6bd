"""After a restore or a take-over: the nodes are the daemon's backup, and tell again what they did. Kept until they have.

What is remembered is one row of the store's `meta`, so that the state survives a restart of the daemon and ends by itself.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Final

from scheduler.draft import Draft
from scheduler.model import Job

META: Final = "healing"
LAST: Final = "healed"


class HealingWhy(StrEnum):
    """What happened to the database."""

    RESTORED = "restored"
    PUT_BACK = "put-back"
    TAKEN_OVER = "taken-over"


@dataclass(frozen=True, slots=True)
class Healing:
    """What is known of it. Times are unix seconds of farm time.

    `told`: the new generation has been published, so a node that shows it has it from us. `found`: good parts that nodes told
    again, or of which we hear for the first time, before they had told everything.
    """

    why: HealingWhy
    since_s: float
    backup_at_s: float | None = None
    told: bool = False
    found: int = 0

    def text(self) -> str:
        """As it is stored."""
        return json.dumps(asdict(self))


def read_healing(meta: Mapping[str, str]) -> Healing | None:
    """What the store remembers; None when all is well, or when it is written as no version of ours did."""
    try:
        values = json.loads(meta.get(META) or "null")
        return None if values is None else Healing(**{**values, "why": HealingWhy(values["why"])})
    except (ValueError, TypeError, KeyError):
        return None


@dataclass(frozen=True, slots=True)
class Healed:
    """How the last healing ended, kept until the next one has. Times are unix seconds of farm time.

    `missing`: names of nodes that were waited for no longer. `seen`: a person has read what could not come back.
    """

    why: HealingWhy
    since_s: float
    ended_s: float
    nodes: int
    missing: tuple[str, ...]
    found: int
    seen: bool = False

    @property
    def worries(self) -> bool:
        """Whether people must be told what no node could tell: nobody was there to read it when a database was put back by hand."""
        return self.why is HealingWhy.PUT_BACK and not self.seen

    def text(self) -> str:
        """As it is stored."""
        return json.dumps(asdict(self))


def read_healed(meta: Mapping[str, str]) -> Healed | None:
    """What the store remembers of the last healing; None when there was none, or when it is written as no version of ours did."""
    try:
        values = json.loads(meta.get(LAST) or "null")
        if values is None:
            return None
        return Healed(**{**values, "why": HealingWhy(values["why"]), "missing": tuple(values["missing"])})
    except (ValueError, TypeError, KeyError):
        return None


def found_again(draft: Draft, untold: Collection[str]) -> int:
    """Good parts that a draft counts, of the nodes that have not told everything yet."""
    return sum(
        change.good
        for change in draft.changes
        if isinstance(change, Job) and change.collected and change.node in untold and not _is_recalled(draft, change)
    )


def _is_recalled(draft: Draft, job: Job) -> bool:
    revision = draft.farm.revisions.get(job.revision)
    return revision is not None and revision.recalled
