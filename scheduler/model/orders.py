"""What is wanted and what becomes of it: orders, allocations, jobs, stock."""

from dataclasses import dataclass
from enum import StrEnum


class JobOutcome(StrEnum):
    """How a job ended on the machine. It says nothing about good parts: a hand says that when it collects."""

    PRINTED = "printed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"  # nobody knows how far it came: a person decides


@dataclass(frozen=True, slots=True, order=True)
class DesiredVersion:
    """The pair that every comparison of desired states uses (docs/protocol.md: `genpair`)."""

    generation: int
    version: int


@dataclass(frozen=True, slots=True)
class Order:
    """A demand: `quantity` parts of a revision. `good` counts collected parts only, own and from stock, and never falls."""

    id: str
    revision: str
    quantity: int
    priority: int
    destination: str
    created_at_s: float
    good: int = 0
    scrap: int = 0
    cancelled: bool = False
    met_at_s: float | None = None
    requester: str = ""  # empty: nobody in particular

    @property
    def open(self) -> bool:
        """Whether the order still owes parts and nobody took it back."""
        return not self.cancelled and self.good < self.quantity

    @property
    def owed(self) -> int:
        """Parts that are still to be collected."""
        return 0 if self.cancelled else max(0, self.quantity - self.good)


@dataclass(frozen=True, slots=True)
class Allocation:
    """`printer` may start up to `jobs` jobs of `program` for `order`. Bound to one node and printer.

    `jobs` is the ceiling that is published and only falls. `held` is what the daemon still counts on and falls only when freed
    (confirmed, lapsed or hedged). `started` comes from journal facts alone. `lost` counts jobs freed without a confirmation: what
    of them is started all the same returns as late parts. `withdrawn` is the desired version that told the node of a lower ceiling.
    """

    id: str
    node: str
    printer: str
    order: str
    revision: str
    program: str
    parts: int
    estimated_s: float
    jobs: int
    held: int
    autonomy_s: float
    created_at_s: float
    started: int = 0
    lost: int = 0
    withdrawn: DesiredVersion | None = None

    @property
    def unstarted(self) -> int:
        """Jobs that are still expected of this allocation and have not begun."""
        return max(0, self.held - self.started)


@dataclass(frozen=True, slots=True)
class Job:
    """One print of a program on one printer. It ends only by being collected; the machine's `outcome` comes before that."""

    id: str
    node: str
    printer: str
    allocation: str
    order: str
    revision: str
    program: str
    parts: int
    estimated_s: float
    started_at_s: float
    due_at_s: float  # written off after that
    outcome: JobOutcome | None = None
    detail: str = ""
    detail_fr: str = ""  # empty: it ended under an Essaim that kept it in English only
    detail_code: str = ""
    by_person: bool = False
    ended_at_s: float | None = None
    collected_at_s: float | None = None
    collected_by: str | None = None
    good: int = 0
    scrap: int = 0
    written_off: bool = False

    @property
    def collected(self) -> bool:
        """Whether a hand has said what came of it."""
        return self.collected_at_s is not None

    @property
    def expected_parts(self) -> int:
        """Parts that this job is still expected to bring."""
        return 0 if self.collected or self.written_off else self.parts


@dataclass(frozen=True, slots=True)
class Stock:
    """Good parts of a revision that no order has taken yet."""

    revision: str
    parts: int
