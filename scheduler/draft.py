"""Changes to a farm that are not committed yet, seen as if they were.

The daemon fills a draft, commits its `changes` in one transaction, and takes `draft.farm` for the truth; when the commit fails it
forgets the draft, and nothing has happened. Mappings are copied before the first write: the farm that it began with never changes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from scheduler.model import (
    Allocation,
    Approval,
    AuditEntry,
    Declined,
    Design,
    DesiredVersion,
    Durable,
    Farm,
    Invite,
    Job,
    NodeRecord,
    Order,
    PendingCollect,
    PrinterRecord,
    Program,
    ProgramFacts,
    ProgramReport,
    Requester,
    Revision,
    SetAside,
    Stock,
)

_Entity = TypeVar("_Entity", bound=Durable)

_PUT_OFF_FIRST_S: Final = 900.0
_PUT_OFF_MOST_S: Final = 86_400.0

# kind -> (mapping of Farm, field that is the key)
TABLES: Final[Mapping[type[Any], tuple[str, str]]] = {
    Design: ("designs", "id"),
    Revision: ("revisions", "id"),
    Program: ("programs", "sha256"),
    ProgramFacts: ("program_facts", "sha256"),
    ProgramReport: ("program_reports", "id"),
    Requester: ("requesters", "id"),
    Approval: ("approvals", "id"),
    AuditEntry: ("audit", "id"),
    Order: ("orders", "id"),
    Allocation: ("allocations", "id"),
    Job: ("jobs", "id"),
    Stock: ("stock", "revision"),
    NodeRecord: ("node_records", "id"),
    PrinterRecord: ("printer_records", "id"),
    PendingCollect: ("pending_collects", "id"),
    Invite: ("invites", "id"),
    SetAside: ("set_aside", "id"),
}


@dataclass(frozen=True, slots=True)
class Forgotten:
    """An entity that is no more."""

    kind: type[Durable]
    key: str


def key_of(entity: Durable) -> str:
    """What identifies an entity among those of its kind."""
    key: str = getattr(entity, TABLES[type(entity)][1])
    return key


class Draft:
    """A farm in the making."""

    def __init__(self, farm: Farm) -> None:
        self.farm = farm
        self._changes: dict[tuple[type[Durable], str], Durable | Forgotten] = {}
        self._own: dict[str, dict[str, Any]] = {}
        self._raised: set[str] = set()

    @property
    def changes(self) -> list[Durable | Forgotten]:
        """What must be committed: the newest of every entity, in the order in which they were first touched."""
        return list(self._changes.values())

    def put(self, entity: Durable) -> None:
        """Add an entity, or replace the one with its key."""
        self.remember(entity)
        self._changes[type(entity), key_of(entity)] = entity

    def remember(self, entity: Durable) -> None:
        """Let the farm know an entity that is stored already."""
        self._table(type(entity))[key_of(entity)] = entity

    def forget(self, kind: type[Durable], key: str) -> None:
        """Remove an entity."""
        self._table(kind).pop(key, None)
        self._changes[kind, key] = Forgotten(kind, key)

    def release(self, kind: type[Durable], key: str) -> None:
        """Drop an entity from memory; it stays stored."""
        self._table(kind).pop(key, None)

    def raise_version(self, node: str) -> DesiredVersion:
        """Give the node a newer desired state; all that happens in one draft is published together, under one version."""
        record = self.farm.node_records[node]
        if node not in self._raised:
            self._raised.add(node)
            record = replace(record, version=record.version + 1)
            self.put(record)
        return DesiredVersion(self.farm.generation, record.version)

    def decline(self, printer: str, program: str) -> None:
        """A printer did not start what it was given: others come first for a while, for longer each time. In memory only."""
        now_s, before = self.farm.uptime_s, self.farm.declined.get((printer, program))
        times = 1 + (before.times if before is not None else 0)
        put_off_s = min(_PUT_OFF_MOST_S, _PUT_OFF_FIRST_S * 2 ** min(times - 1, 10))
        recent = {key: found for key, found in self.farm.declined.items() if now_s - found.until_s < _PUT_OFF_MOST_S}
        self.farm = replace(self.farm, declined={**recent, (printer, program): Declined(times, now_s + put_off_s)})

    def trust_again(self, printer: str, program: str) -> None:
        """The printer has started that program."""
        if (printer, program) in self.farm.declined:
            rest = {key: found for key, found in self.farm.declined.items() if key != (printer, program)}
            self.farm = replace(self.farm, declined=rest)

    def _table(self, kind: type[Durable]) -> dict[str, Any]:
        name = TABLES[kind][0]
        if name not in self._own:
            self._own[name] = dict(getattr(self.farm, name))
            mine: dict[str, Any] = {name: self._own[name]}
            self.farm = replace(self.farm, **mine)
        return self._own[name]
