"""Changes to a farm that are not committed yet, seen as if they were.

The daemon fills a draft, commits its `changes` in one transaction, and takes `draft.farm` for the truth; when the commit fails it
forgets the draft, and nothing has happened. Mappings are copied before the first write: the farm that it began with never changes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from scheduler.model import (
    Allocation,
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
    Revision,
    SetAside,
    Stock,
)

_Entity = TypeVar("_Entity", bound=Durable)

# kind -> (mapping of Farm, field that is the key)
TABLES: Final[Mapping[type[Any], tuple[str, str]]] = {
    Design: ("designs", "id"),
    Revision: ("revisions", "id"),
    Program: ("programs", "sha256"),
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

    def _table(self, kind: type[Durable]) -> dict[str, Any]:
        name = TABLES[kind][0]
        if name not in self._own:
            self._own[name] = dict(getattr(self.farm, name))
            mine: dict[str, Any] = {name: self._own[name]}
            self.farm = replace(self.farm, **mine)
        return self._own[name]
