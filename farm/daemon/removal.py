"""Nodes and printers that are gone, and revisions that must not be used: people's decisions, as actions on a draft."""

from collections.abc import Collection
from dataclasses import replace

from farm.daemon import audit
from farm.daemon.releases import find_revision
from farm.errors import ConflictError, NotFoundError
from farm.library_views import SignedRequest
from scheduler.draft import Draft
from scheduler.lifecycle import Intake, count_by_word
from scheduler.model import Allocation, Farm, NodeRecord, PendingCollect, PrinterRecord, Revision, Rules


def find_node(farm: Farm, key: str) -> NodeRecord:
    """A node that joined and was not removed. NotFoundError."""
    record = farm.node_records.get(key)
    if record is None or record.revoked:
        raise NotFoundError(f"There is no node {key}.", next_step="`farm nodes list` names them.")
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
        raise ConflictError(
            "The people's node belongs to the farm: makers who print by hand need it.",
            next_step="Remove single makers: DELETE /api/v1/makers/{printer}.",
            code="people-node",
        )
    others = [node for node in draft.farm.node_records.values() if not node.revoked and node.id not in {key, people}]
    if not others and not also_last:
        raise ConflictError(
            f"{record.name or key} is the last node: nothing would print any more.",
            next_step="Invite another one first, or say that you mean it: farm nodes remove NAME --last.",
            code="last-node",
        )
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
        raise NotFoundError(f"There is no printer {key}.", next_step="`farm status` lists them.")
    if key in reported:
        raise ConflictError(
            f"{known.name} is reported by its node.",
            next_step="Take it out of node.toml there and start that node again; or remove the whole node: farm nodes remove.",
            code="printer-in-use",
        )
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


def is_recalled(farm: Farm, revision: str) -> bool:
    """Whether a revision was recalled."""
    known: Revision | None = farm.revisions.get(revision)
    return known is not None and known.recalled
