"""Nodes and printers that are gone, and revisions that must not be used: people's decisions, as actions on a draft."""

from collections.abc import Collection
from dataclasses import replace

from farm.control_errors import last_node, missing, people_node, printer_in_use, program_used
from farm.daemon import audit
from farm.daemon.releases import find_program, find_revision
from farm.library_views import SignedRequest
from scheduler.draft import Draft
from scheduler.lifecycle import Intake, count_by_word
from scheduler.model import (
    Allocation,
    Design,
    Farm,
    NodeRecord,
    PendingCollect,
    PrinterRecord,
    Program,
    ProgramFacts,
    ProgramReport,
    Revision,
    Rules,
    report_key,
)


def find_node(farm: Farm, key: str) -> NodeRecord:
    """A node that joined and was not removed. NotFoundError."""
    record = farm.node_records.get(key)
    if record is None or record.revoked:
        raise missing("node", key)
    return record


def remove_node(draft: Draft, key: str, people: str, rules: Rules, now_s: float, *, also_last: bool) -> None:
    """Shut a node out for good. What it holds is withdrawn by the rules; jobs that it started are expected until written off.

    Parts that a hand has taken off and of which the node has not told yet are counted now: it will not be heard again.

    Raises:
        NotFoundError: no such node.
        ConflictError: it is the people's node, or the last one that prints.

    """
    record = find_node(draft.farm, key)
    if key == people:
        raise people_node()
    others = [node for node in draft.farm.node_records.values() if not node.revoked and node.id not in {key, people}]
    if not others and not also_last:
        raise last_node(record.name or key)
    for word in [word for word in draft.farm.pending_collects.values() if word.node == key]:
        draft.forget(PendingCollect, word.id)
        count_by_word(Intake(draft, word.node, now_s, rules), word)
    for printer in [printer for printer in draft.farm.printer_records.values() if printer.node == key]:
        draft.forget(PrinterRecord, printer.id)
    draft.raise_version(key)
    draft.put(replace(draft.farm.node_records[key], revoked=True))


def remove_printer(draft: Draft, key: str, reported: Collection[str]) -> None:
    """Forget a printer that is gone: what it was to start is withdrawn, what lies on it is not expected any more.

    If it comes back its node reports it, and its parts count. `reported` are the printers that live nodes report.

    Raises:
        NotFoundError: no such printer.
        ConflictError: its node reports it now.

    """
    farm = draft.farm
    known = farm.printer_records.get(key)
    if known is None:
        raise missing("known printer", key)
    if key in reported:
        raise printer_in_use(known.name)
    for allocation in [item for item in farm.allocations.values() if item.printer == key and item.jobs > item.started]:
        _withdraw(draft, allocation)
    for job in [job for job in farm.jobs.values() if job.printer == key and not job.collected]:
        draft.put(replace(job, written_off=True))
    draft.forget(PrinterRecord, key)


def _withdraw(draft: Draft, allocation: Allocation) -> None:
    version = draft.raise_version(allocation.node)
    draft.put(replace(allocation, jobs=allocation.started, withdrawn=version))


def recall(draft: Draft, key: str, request: SignedRequest, now_s: float) -> None:
    """Nothing more of a revision is started, counted or given out (the rules see to it); a second time changes nothing.

    Raises:
        NotFoundError: no such revision.

    """
    revision = find_revision(draft.farm, key)
    if not revision.recalled:
        draft.put(replace(revision, recalled=True))
        audit.note(draft, request.by, "revision.recall", key, now_s, reason=request.reason)


def remove_program(
    draft: Draft, sha256: str, request: SignedRequest, now_s: float, *, used_before: bool, profiles: Collection[str]
) -> None:
    """Forget a program that was uploaded by mistake, and its revision and design when nothing else names them.

    `used_before`: the store knows a job or an allocation of it. `profiles` are those that it may have a report for.

    Raises:
        NotFoundError: no such program.
        ConflictError: something was or is printed of it: what became of those parts must stay known.

    """
    farm = draft.farm
    program = find_program(farm, sha256)
    used = {item.program for item in farm.allocations.values()} | {item.program for item in farm.jobs.values()}
    if used_before or sha256 in used:
        raise program_used(program.revision)
    draft.forget(Program, sha256)
    draft.forget(ProgramFacts, sha256)
    for profile in {*profiles, program.profile}:
        draft.forget(ProgramReport, report_key(sha256, profile))
    what = f"{program.name}: {program.parts} x {program.revision} for {program.profile}"
    audit.note(draft, request.by, "program.remove", sha256, now_s, reason=request.reason, detail=what)
    _forget_revision(draft, program.revision)


def _forget_revision(draft: Draft, key: str) -> None:
    """An empty revision would be the newest of its design, and every order of that would wait for nothing."""
    farm = draft.farm
    revision = farm.revisions.get(key)
    named = {item.revision for item in farm.programs.values()} | {item.revision for item in farm.orders.values()}
    named |= {item.revision for item in farm.approvals.values()} | farm.stock.keys()
    if revision is None or revision.recalled or key in named:
        return
    draft.forget(Revision, key)
    if all(other.design != revision.design for other in draft.farm.revisions.values()):
        draft.forget(Design, revision.design)


def is_recalled(farm: Farm, revision: str) -> bool:
    """Whether a revision was recalled."""
    known: Revision | None = farm.revisions.get(revision)
    return known is not None and known.recalled
