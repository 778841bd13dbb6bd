"""Small farms for the tests of the scheduler: one revision, one class of printers, everything overridable."""

from dataclasses import replace
from typing import Any

from scheduler.facts import JobCollected, JobEnded, JobReference, JobStarted
from scheduler.model import (
    Allocation,
    BedState,
    BuildSpace,
    DesiredVersion,
    Farm,
    Job,
    JobOutcome,
    NodeNow,
    NodeRecord,
    Order,
    PrinterNow,
    Program,
    Revision,
    Rules,
)

RULES = Rules()
NOW_S = 1_000_000.0
GENERATION = 3


def order(key: str = "o1", quantity: int = 12, **fields: Any) -> Order:
    values: dict[str, Any] = {"revision": "r1", "priority": 0, "destination": "", "created_at_s": 1.0, **fields}
    return Order(id=key, quantity=quantity, **values)


def program(key: str = "a" * 64, **fields: Any) -> Program:
    values: dict[str, Any] = {
        "name": "frame",
        "revision": "r1",
        "profile": "small",
        "parts": 1,
        "material": "PLA",
        "nozzle_mm": 0.4,
        "size_bytes": 1000,
        "estimated_s": 3600.0,
        "filament_mm": 1.0,
        "filament_g": 1.0,
        "layers": 10,
        "width_mm": 150.0,
        "depth_mm": 150.0,
        "height_mm": 5.0,
        "created_at_s": 0.0,
        **fields,
    }
    return Program(sha256=key, **values)


def printer(key: str = "p1", node: str = "n1", **fields: Any) -> PrinterNow:
    values: dict[str, Any] = {
        "name": key,
        "profile": "small",
        "material": "PLA",
        "nozzle_mm": 0.4,
        "bed": BedState.CLEAR,
        "ready": True,
        "running": False,
        **fields,
    }
    return PrinterNow(id=key, node=node, **values)


def running(key: str = "p1", node: str = "n1", job: str = "j1", **fields: Any) -> PrinterNow:
    return printer(key, node, bed=BedState.OCCUPIED, ready=False, running=True, job=job, occupation=job, **fields)


def allocation(key: str = "a1", **fields: Any) -> Allocation:
    values: dict[str, Any] = {
        "node": "n1",
        "printer": "p1",
        "order": "o1",
        "revision": "r1",
        "program": "a" * 64,
        "parts": 1,
        "estimated_s": 3600.0,
        "jobs": 4,
        "autonomy_s": 43_200.0,
        "created_at_s": NOW_S,
        **fields,
    }
    values.setdefault("held", values["jobs"])
    return Allocation(id=key, **values)


def job(key: str = "j1", **fields: Any) -> Job:
    values: dict[str, Any] = {
        "node": "n1",
        "printer": "p1",
        "allocation": "a1",
        "order": "o1",
        "revision": "r1",
        "program": "a" * 64,
        "parts": 1,
        "estimated_s": 3600.0,
        "started_at_s": NOW_S,
        "due_at_s": NOW_S + 10_000,
        **fields,
    }
    return Job(id=key, **values)


def node(key: str = "n1", **fields: Any) -> NodeNow:
    values: dict[str, Any] = {"silent_s": 5.0, "reported": DesiredVersion(GENERATION, 7), "reported_epoch": "e1", **fields}
    return NodeNow(id=key, **values)


def record(key: str = "n1", **fields: Any) -> NodeRecord:
    values: dict[str, Any] = {"name": key, "joined_at_s": 0.0, "password_hash": "", "version": 7, "epoch": "e1", **fields}
    return NodeRecord(id=key, **values)


def farm(**tables: Any) -> Farm:
    """A farm; tables are given as lists of entities. Nodes of the printers are added when they are not given."""
    named: dict[str, Any] = {
        name: {getattr(item, _key(name)): item for item in items} for name, items in tables.items() if isinstance(items, list)
    }
    plain = {name: value for name, value in tables.items() if not isinstance(value, list)}
    base = Farm(
        generation=GENERATION,
        uptime_s=10_000.0,
        revisions={"r1": Revision("r1", "d1", 0.0)},
        programs={"a" * 64: program()},
        build_spaces={"small": BuildSpace(210, 210, 200)},
    )
    result = replace(base, **named, **plain)
    names = {item.node for item in result.printers.values()} | {item.node for item in result.allocations.values()}
    names |= {item.node for item in result.jobs.values()} or {"n1"}
    records = {name: record(name) for name in names} | dict(result.node_records)
    nodes = {name: node(name) for name in names} | dict(result.nodes)
    return replace(result, node_records=records, nodes=nodes)


def _key(table: str) -> str:
    return {"programs": "sha256", "stock": "revision"}.get(table, "id")


def reference(key: str = "j1", **fields: Any) -> JobReference:
    values: dict[str, Any] = {
        "allocation": "a1",
        "order": "o1",
        "revision": "r1",
        "program": "a" * 64,
        "parts": 1,
        "estimated_s": 3600.0,
        **fields,
    }
    return JobReference(job=key, **values)


def started(seq: int = 1, key: str = "j1", at: str = "p1", **fields: Any) -> JobStarted:
    return JobStarted(seq, at, reference(key, **fields))


def ended(seq: int = 2, key: str = "j1", outcome: JobOutcome = JobOutcome.PRINTED, **fields: Any) -> JobEnded:
    return JobEnded(seq, "p1", reference(key, **fields), outcome)


def collected(seq: int = 3, key: str = "j1", good: int = 1, scrap: int = 0, **fields: Any) -> JobCollected:
    return JobCollected(seq, "p1", reference(key, **fields), good, scrap, "hand")
