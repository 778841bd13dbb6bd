"""What nodes tell, as plain values: `farm.daemon` translates the journal's messages into these.

A fact names its place in the node's journal (`seq`) and the printer. A job's fact carries the whole reference, so that a daemon
that has never heard of its allocation can adopt it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from scheduler.model import JobOutcome

# the detail of a `CommandDone` with which a node says that its ledger has nothing of the kind on that bed
NOT_ON_THIS_BED: Final = "That is not on this bed."


@dataclass(frozen=True, slots=True)
class JobReference:
    """What a job is."""

    job: str
    allocation: str
    order: str
    revision: str
    program: str
    parts: int
    estimated_s: float


@dataclass(frozen=True, slots=True)
class JobStarted:
    """The node has written down that it starts this job."""

    seq: int
    printer: str
    reference: JobReference


@dataclass(frozen=True, slots=True)
class JobEnded:
    """The machine is done with the job; its parts are still on the bed."""

    seq: int
    printer: str
    reference: JobReference
    outcome: JobOutcome
    detail: str = ""
    detail_fr: str = ""
    code: str = ""
    by_person: bool = False


@dataclass(frozen=True, slots=True)
class JobCollected:
    """A hand took the parts off and said how many are good."""

    seq: int
    printer: str
    reference: JobReference
    good: int
    scrap: int
    by: str = ""


@dataclass(frozen=True, slots=True)
class BedCleared:
    """An occupation that was no job of ours is gone."""

    seq: int
    printer: str
    occupation: str


@dataclass(frozen=True, slots=True)
class CommandDone:
    """What came of a command."""

    seq: int
    printer: str
    command: str
    ok: bool
    detail: str = ""
    detail_fr: str = ""


@dataclass(frozen=True, slots=True)
class FaultSeen:
    """A printer reported a fault: for people, nothing is decided by it."""

    seq: int
    printer: str
    text: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A fact that could not be understood: it is set aside, and the stream goes on."""

    seq: int
    content: str
    reason: str


JobFact = JobStarted | JobEnded | JobCollected
Fact = JobFact | BedCleared | CommandDone | FaultSeen | Unreadable


def no_tag(_seq: int) -> str:
    """Nothing is known of any tag."""
    return ""


@dataclass(frozen=True, slots=True)
class Batch:
    """A piece of a node's journal, in order. `oldest` is the first number that the node still holds.

    `tag_of` finds the tag of one of these facts by its number (`farm.bus.messages.fact_tag`), or an empty text: making a tag takes
    longer than reading a fact, and hardly any is looked at.
    """

    node: str
    epoch: str
    oldest: int
    facts: tuple[Fact, ...]
    tag_of: Callable[[int], str] = field(default=no_tag, compare=False)


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that a person should see, or a log should keep. `code` is the action key.

    `text` is in English; `fr` says the same in French, and is empty where only a log keeps it.
    """

    code: str
    node: str
    text: str
    fr: str = ""
