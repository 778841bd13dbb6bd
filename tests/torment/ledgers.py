"""Reads what the daemon and the nodes have written, without touching it."""

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ledger:
    """One node's."""

    epoch: str
    oldest: int
    head: int
    acked: int
    facts: list[Row]  # the whole journal, in order
    occupations: list[Row]
    started: dict[str, int]
    commands: int
    bytes_on_disk: int


@dataclass(frozen=True, slots=True)
class Books:
    """Everything that is written, at one moment."""

    jobs: list[Row]
    orders: list[Row]
    allocations: list[Row]
    stock: dict[str, int]
    nodes: dict[str, Row]
    pending: list[Row]
    set_aside: list[Row]
    bytes_on_disk: int
    ledgers: dict[str, Ledger] = field(default_factory=dict)  # by the node's id


def _rows(database: sqlite3.Connection, table: str) -> list[Row]:
    with closing(database.execute(f"SELECT * FROM {table}")) as cursor:
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]


def _open(path: Path) -> "closing[sqlite3.Connection]":
    return closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10.0))


def _bytes_on_disk(path: Path) -> int:
    return sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))


def read_ledger(path: Path) -> Ledger:
    """One node's ledger."""
    with _open(path) as database:
        database.execute("BEGIN").close()
        meta = {row["name"]: row["value"] for row in _rows(database, "meta")}
        base, oldest = int(meta.get("base", 0)), int(meta.get("oldest", 1))
        facts = [
            {**json.loads(row["body"]), "seq": row["position"] - base}
            for row in sorted(_rows(database, "journal"), key=lambda row: int(row["position"]))
        ]
        return Ledger(
            epoch=meta.get("epoch", ""),
            oldest=oldest,
            head=facts[-1]["seq"] if facts else oldest - 1,
            acked=int(meta.get("acked", 0)),
            facts=facts,
            occupations=_rows(database, "occupations"),
            started={row["allocation"]: row["jobs"] for row in _rows(database, "started")},
            commands=len(_rows(database, "commands")),
            bytes_on_disk=_bytes_on_disk(path),
        )


def read_books(database_file: Path, ledgers: Mapping[str, Path]) -> Books:
    """The daemon's database, and the ledgers of the nodes by their names."""
    with _open(database_file) as database:
        database.execute("BEGIN").close()
        nodes = {row["id"]: row for row in _rows(database, "nodes")}
        ids = {row["name"]: key for key, row in nodes.items()}
        return Books(
            jobs=_rows(database, "jobs"),
            orders=_rows(database, "orders"),
            allocations=_rows(database, "allocations"),
            stock={row["revision"]: row["parts"] for row in _rows(database, "stock")},
            nodes=nodes,
            pending=_rows(database, "pending_collects"),
            set_aside=_rows(database, "set_aside"),
            bytes_on_disk=_bytes_on_disk(database_file),
            ledgers={ids[name]: read_ledger(path) for name, path in ledgers.items()},
        )
