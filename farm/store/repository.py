"""Rows to entities and back, and the few queries. Works on a connection that `farm.store.writer` opened."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from enum import Enum
from functools import cache
from typing import Any, Final, TypeVar, get_args, get_type_hints

from sqlalchemy import Connection, Table, delete, select

from farm.store.schema import NEVER_CHANGED, TABLES, allocations, audit, jobs, meta, orders
from scheduler.model import (
    Allocation,
    Approval,
    AuditEntry,
    Design,
    DesiredVersion,
    Durable,
    Invite,
    Job,
    NodeRecord,
    Order,
    PendingCollect,
    PrinterRecord,
    Program,
    Requester,
    Revision,
    SetAside,
    Stock,
)

_Entity = TypeVar("_Entity", bound=Durable)
_QUERY_IDS: Final = 500  # SQLite's default limit of bound values is 32,766, of old builds 999


@dataclass(frozen=True, slots=True)
class Put:
    """Insert the entity, or replace the one with its key."""

    entity: Durable


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove the entity of `kind` with this key, if it is there."""

    kind: type[Durable]
    key: str


@dataclass(frozen=True, slots=True)
class SetMeta:
    """Set what is one of a kind, such as the generation."""

    key: str
    value: str


Change = Put | Delete | SetMeta


@dataclass(frozen=True, slots=True)
class StoredFarm:
    """What the daemon keeps in memory.

    Everything but jobs that were collected, the orders' closed allocations, what was found in programs, and the audit.
    """

    meta: dict[str, str] = field(default_factory=dict)
    designs: dict[str, Design] = field(default_factory=dict)
    revisions: dict[str, Revision] = field(default_factory=dict)
    programs: dict[str, Program] = field(default_factory=dict)
    requesters: dict[str, Requester] = field(default_factory=dict)
    approvals: dict[str, Approval] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    allocations: dict[str, Allocation] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    stock: dict[str, Stock] = field(default_factory=dict)
    nodes: dict[str, NodeRecord] = field(default_factory=dict)
    printers: dict[str, PrinterRecord] = field(default_factory=dict)
    pending_collects: dict[str, PendingCollect] = field(default_factory=dict)
    invites: dict[str, Invite] = field(default_factory=dict)
    set_aside: dict[str, SetAside] = field(default_factory=dict)

    @property
    def generation(self) -> int:
        """The fencing token; 0 before the first start."""
        return int(self.meta.get("generation", "0"))


def key_name(kind: type[Any]) -> str:
    """The field that identifies an entity of this kind."""
    (column,) = TABLES[kind].primary_key.columns
    return column.name


_KEYS: Final = {kind: key_name(kind) for kind in TABLES}


def _enums(kind: type) -> dict[str, type[Enum]]:
    """Fields of `kind` that hold an enum (or None): their text in a row becomes that enum again."""
    found: dict[str, type[Enum]] = {}
    for name, hint in get_type_hints(kind).items():
        for candidate in (hint, *get_args(hint)):
            if isinstance(candidate, type) and issubclass(candidate, Enum):
                found[name] = candidate
    return found


_ENUMS: Final = {kind: _enums(kind) for kind in TABLES}
_FIELDS: Final = {kind: [item.name for item in fields(kind)] for kind in TABLES}


def to_row(entity: Durable) -> dict[str, Any]:
    """The columns of an entity."""
    kind = type(entity)
    row = {name: getattr(entity, name) for name in _FIELDS[kind]}
    if isinstance(entity, Allocation):
        version = row.pop("withdrawn")
        row["withdrawn_generation"] = version and version.generation
        row["withdrawn_version"] = version and version.version
    for name in _ENUMS[kind]:
        row[name] = row[name] and row[name].value
    return row


def from_row(kind: type[_Entity], row: Any) -> _Entity:
    """The entity of a row."""
    values = dict(row)
    if kind is Allocation:
        generation, version = values.pop("withdrawn_generation"), values.pop("withdrawn_version")
        values["withdrawn"] = None if generation is None else DesiredVersion(generation, version)
    for name, enum in _ENUMS[kind].items():
        if values[name] is not None:
            values[name] = enum(values[name])
    return kind(**values)


@dataclass(frozen=True, slots=True)
class _Statement:
    """SQL that was compiled once: SQLAlchemy would spend more time on every row than SQLite does."""

    text: str
    columns: Sequence[str]

    def execute(self, connection: Connection, rows: Iterable[dict[str, Any]]) -> None:
        columns = self.columns
        connection.exec_driver_sql(self.text, [tuple([row[name] for name in columns]) for row in rows])


def _dialect(name: str) -> Any:  # their constructors have no types
    """Only the one that is used is loaded: that of PostgreSQL would take some per cent of a daemon's start."""
    if name == "postgresql":
        from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - as said above

        return postgresql
    from sqlalchemy.dialects import sqlite  # noqa: PLC0415 - as above

    return sqlite


@cache
def _upsert(table: Table, dialect_name: str) -> _Statement:
    dialect = _dialect(dialect_name)
    statement = dialect.insert(table)
    others = {
        column.name: statement.excluded[column.name]
        for column in table.columns
        if not column.primary_key and column.name not in NEVER_CHANGED.get(table, frozenset())
    }
    whole = statement.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=others)
    paramstyle = "format" if dialect_name == "postgresql" else "qmark"
    compiled: Any = whole.compile(dialect=dialect.dialect(paramstyle=paramstyle))
    return _Statement(str(compiled), compiled.positiontup)


def _place(change: Change) -> tuple[Table, str]:
    if isinstance(change, SetMeta):
        return meta, change.key
    if isinstance(change, Delete):
        return TABLES[change.kind], change.key
    kind = type(change.entity)
    return TABLES[kind], getattr(change.entity, _KEYS[kind])


def apply(connection: Connection, changes: Sequence[Change]) -> None:
    """Write `changes`; of several about one entity the last one counts. The caller owns the transaction.

    A table's rows go as one statement: facts change jobs, allocations and orders in turn, and one by one they take ten times as
    long.
    """
    newest = {_place(change): change for change in changes}
    rows: dict[Table, list[dict[str, Any]]] = {}
    gone: dict[Table, list[str]] = {}
    for (table, key), change in newest.items():
        if isinstance(change, Put):
            rows.setdefault(table, []).append(to_row(change.entity))
        elif isinstance(change, SetMeta):
            rows.setdefault(table, []).append({"key": key, "value": change.value})
        else:
            gone.setdefault(table, []).append(key)
    for table, keys in gone.items():
        (column,) = table.primary_key.columns
        for start in range(0, len(keys), _QUERY_IDS):
            connection.execute(delete(table).where(column.in_(keys[start : start + _QUERY_IDS])))
    for table, found in rows.items():
        _upsert(table, connection.dialect.name).execute(connection, found)


def _all(connection: Connection, kind: type[_Entity], *conditions: Any) -> dict[str, _Entity]:
    name = _KEYS[kind]
    rows = connection.execute(select(TABLES[kind]).where(*conditions)).mappings()
    return {getattr(entity, name): entity for entity in (from_row(kind, row) for row in rows)}


def load(connection: Connection) -> StoredFarm:
    """Read what the daemon keeps in memory."""
    open_orders = select(orders.c.id).where(orders.c.cancelled.is_(False), orders.c.met_at_s.is_(None))
    live = (allocations.c.held > allocations.c.started) | (allocations.c.lost > 0) | allocations.c.order.in_(open_orders)
    return StoredFarm(
        meta={row.key: row.value for row in connection.execute(select(meta))},
        designs=_all(connection, Design),
        revisions=_all(connection, Revision),
        programs=_all(connection, Program),
        requesters=_all(connection, Requester),
        approvals=_all(connection, Approval),
        orders=_all(connection, Order),
        allocations=_all(connection, Allocation, live),
        jobs=_all(connection, Job, jobs.c.collected_at_s.is_(None)),
        stock=_all(connection, Stock),
        nodes=_all(connection, NodeRecord),
        printers=_all(connection, PrinterRecord),
        pending_collects=_all(connection, PendingCollect),
        invites=_all(connection, Invite),
        set_aside=_all(connection, SetAside),
    )


def find(connection: Connection, kind: type[_Entity], keys: Iterable[str]) -> dict[str, _Entity]:
    """The entities of `kind` with these keys, whether or not they are kept in memory; missing ones are left out."""
    wanted = sorted(set(keys))
    found: dict[str, _Entity] = {}
    (column,) = TABLES[kind].primary_key.columns
    for start in range(0, len(wanted), _QUERY_IDS):
        found |= _all(connection, kind, column.in_(wanted[start : start + _QUERY_IDS]))
    return found


def list_jobs(connection: Connection, *, order: str | None, limit: int, offset: int) -> list[Job]:
    """Jobs, newest first, of one order or of all."""
    query = select(jobs).order_by(jobs.c.started_at_s.desc(), jobs.c.id).limit(limit).offset(offset)
    if order is not None:
        query = query.where(jobs.c.order == order)
    return [from_row(Job, row) for row in connection.execute(query).mappings()]


def is_used(connection: Connection, program: str) -> bool:
    """Whether there ever was a job or an allocation of a program. Reads all of them: it is asked when somebody removes one."""
    return any(
        connection.execute(select(table.c.id).where(table.c.program == program).limit(1)).first() is not None
        for table in (allocations, jobs)
    )


def list_audit(connection: Connection, *, subject: str | None, limit: int, offset: int) -> list[AuditEntry]:
    """Entries of the audit, newest first, about one thing or about all."""
    query = select(audit).order_by(audit.c.at_s.desc(), audit.c.id).limit(limit).offset(offset)
    if subject is not None:
        query = query.where(audit.c.subject == subject)
    return [from_row(AuditEntry, row) for row in connection.execute(query).mappings()]
