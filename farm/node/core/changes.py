"""What a step altered of the durable half: exactly this is written, in one transaction. Nothing altered, nothing written."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from farm.bus.messages import AllocationOrder, Fact, Settings
from farm.node.core.state import JournalPlace, NodeState, Occupied


@dataclass(frozen=True, slots=True)
class DesiredNow:
    """The newest desired state, as it is kept."""

    generation: int
    version: int
    allocations: Mapping[str, tuple[AllocationOrder, ...]]
    settings: Settings


@dataclass(frozen=True, slots=True)
class Changes:
    """One transaction of the ledger. None: as before.

    `at_s` is what the wall clock said: for people only. `lived_s` is the ledger's age (`farm.node.ledger.Ledger.lived_s`); a
    smaller one than the ledger's own counts as that.
    """

    place: JournalPlace
    at_s: float = 0.0
    facts: tuple[Fact, ...] = ()
    boot: tuple[int, str] | None = None
    desired: DesiredNow | None = None
    occupations: Mapping[str, Occupied | None] = field(default_factory=dict)
    started: Mapping[str, int] = field(default_factory=dict)
    commands: tuple[str, ...] = ()
    forgotten: tuple[str, ...] = ()  # allocations whose start counters go
    epoch: bool = False  # the journal was renumbered, or begins later
    owner: str = ""  # whose ledger this is from now on; what another node wrote goes
    lived_s: float = 0.0

    @property
    def empty(self) -> bool:
        """Nothing must reach the disk. An acknowledgement alone does not: it is told again, and costs a write."""
        written = (self.facts, self.boot, self.desired, self.occupations, self.started, self.commands, self.forgotten, self.epoch)
        return not any(written)


def _altered(before: Mapping[str, Occupied], after: Mapping[str, Occupied]) -> dict[str, Occupied | None]:
    keys = before.keys() | after.keys()
    return {key: after.get(key) for key in sorted(keys) if before.get(key) != after.get(key)}


def between(before: NodeState | None, after: NodeState, facts: tuple[Fact, ...], at_s: float, lived_s: float = 0.0) -> Changes:
    """Return what must be written so that the ledger holds `after`. `before` None: a process starts."""
    if before is None:
        boot = (after.boot, after.machine)
        return Changes(
            after.journal, at_s, facts, boot=boot, occupations=after.occupations, epoch=True, lived_s=lived_s, owner=after.owner
        )
    desired = None
    if (before.generation, before.version) != (after.generation, after.version):
        desired = DesiredNow(after.generation, after.version, after.allocations, after.settings)
    known = set(before.commands)
    return Changes(
        after.journal,
        at_s,
        facts,
        desired=desired,
        occupations={} if before.occupations is after.occupations else _altered(before.occupations, after.occupations),
        started={}
        if before.started is after.started
        else {key: jobs for key, jobs in after.started.items() if before.started.get(key) != jobs},
        commands=() if before.commands is after.commands else tuple(key for key in after.commands if key not in known),
        forgotten=() if before.started is after.started else tuple(sorted(before.started.keys() - after.started.keys())),
        epoch=(before.journal.epoch, before.journal.oldest) != (after.journal.epoch, after.journal.oldest),
        lived_s=lived_s,
    )
