"""What a fact does to a job, an order and the stock: one table, (phase of the job, fact) -> steps.

    unknown --started--> running --ended--> ended --collected--> collected

A fact that the table does not name changes nothing: it was told before, or something later is known already. That is the second
dedupe, by (job, kind); the first is the journal's own numbering, by (node, epoch, seq).
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import StrEnum
from hashlib import sha256
from typing import Final

from scheduler.arithmetic import due_at_s
from scheduler.draft import Draft
from scheduler.eligibility import is_approved
from scheduler.facts import (
    NOT_ON_THIS_BED,
    Batch,
    BedCleared,
    CommandDone,
    Fact,
    JobCollected,
    JobEnded,
    JobFact,
    JobReference,
    JobStarted,
    Notice,
    Unreadable,
)
from scheduler.model import Farm, Job, JobOutcome, NodeRecord, Order, PendingCollect, Rules, SetAside, Stock

MAX_PAST_EPOCHS: Final = 20  # a node whose SD card was written back that often has another problem
OLD_LEDGER: Final = "Its ledger is an older copy of itself: it is told to tell all."
NEW_LEDGER: Final = "It comes with another ledger: its card was written back or replaced."
_NEW_LEDGER_FR: Final = "Il revient avec un autre registre : sa carte a été réécrite ou remplacée."
OLD_LEDGER_FR: Final = "Son registre est une ancienne copie de lui-même : on lui demande de tout raconter."
MAX_SET_ASIDE: Final = 200  # a node; beyond it facts are still passed over, but no longer kept


class Phase(StrEnum):
    """Where a job stands, as far as the daemon has heard."""

    UNKNOWN = "unknown"
    RUNNING = "running"
    ENDED = "ended"
    COLLECTED = "collected"


def phase(job: Job | None) -> Phase:
    """The phase of a job that may not be known."""
    if job is None:
        return Phase.UNKNOWN
    if job.collected:
        return Phase.COLLECTED
    return Phase.RUNNING if job.outcome is None else Phase.ENDED


class Intake:
    """Takes facts of one node into a draft. `now_s` is the daemon's wall clock; `steady_s` never jumps: for what is due."""

    def __init__(self, draft: Draft, node: str, now_s: float, rules: Rules, *, steady_s: float | None = None) -> None:
        self.draft = draft
        self.node = node
        self.now_s = now_s
        self.steady_s = now_s if steady_s is None else steady_s
        self.rules = rules
        self.notices: list[Notice] = []
        self.pending = [word for word in draft.farm.pending_collects.values() if word.node == node]

    def notice(self, code: str, text: str, fr: str = "") -> None:
        """Tell people, in both languages; a log, in English only."""
        self.notices.append(Notice(code, self.node, text, fr))

    # --- steps of the table ----------------------------------------------------------------------------------------------------

    def begin(self, fact: JobFact) -> None:
        """A job that was not known: it counts against its allocation, or is adopted."""
        farm, reference = self.draft.farm, fact.reference
        self.draft.put(
            Job(
                id=reference.job,
                node=self.node,
                printer=fact.printer,
                allocation=reference.allocation,
                order=reference.order,
                revision=reference.revision,
                program=reference.program,
                parts=reference.parts,
                estimated_s=reference.estimated_s,
                started_at_s=self.now_s,
                due_at_s=due_at_s(farm, fact.printer, reference.estimated_s, self.steady_s, self.rules),
            )
        )
        self.draft.trust_again(fact.printer, reference.program)
        allocation = farm.allocations.get(reference.allocation)
        if allocation is None:
            return
        started = allocation.started + 1
        over = started > allocation.held
        if over and not allocation.lost:
            self.notice(
                "allocation.exceeded",
                f"Job {reference.job} was started beyond allocation {allocation.id}.",
                f"L'impression {reference.job} a été lancée au-delà de l'attribution {allocation.id}.",
            )
        self.draft.put(
            replace(
                allocation,
                started=started,
                held=max(allocation.held, started),
                lost=max(0, allocation.lost - 1) if over else allocation.lost,
            )
        )

    def end(self, fact: JobFact) -> None:
        """Its parts are on the bed: expected until a hand collects them, unless the print failed."""
        if not isinstance(fact, JobEnded):
            return
        job = self.draft.farm.jobs[fact.reference.job]
        self.draft.put(
            replace(
                job,
                outcome=fact.outcome,
                detail=fact.detail,
                detail_fr=fact.detail_fr,
                detail_code=fact.code,
                by_person=fact.by_person,
                ended_at_s=self.now_s,
                due_at_s=due_at_s(self.draft.farm, job.printer, 0.0, self.steady_s, self.rules),
                written_off=fact.outcome is not JobOutcome.PRINTED,
            )
        )

    def collect(self, fact: JobFact) -> None:
        """Its good parts count: for its order first, then as stock; never those of a recalled revision.

        A requester that has taken its approval back gets none: they are stock.
        """
        if not isinstance(fact, JobCollected):
            return
        job = self.draft.farm.jobs[fact.reference.job]
        self.draft.put(replace(job, collected_at_s=self.now_s, collected_by=fact.by, good=fact.good, scrap=fact.scrap))
        order = self.draft.farm.orders.get(job.order)
        if order is not None and fact.scrap:
            order = replace(order, scrap=order.scrap + fact.scrap)
            self.draft.put(order)
        revision = self.draft.farm.revisions.get(job.revision)
        if revision is not None and revision.recalled:
            if fact.good > 1:
                self.notice(
                    "revision.recalled",
                    f"{fact.good} parts of the recalled revision {job.revision} were collected.",
                    f"{fact.good} pièces de la révision rappelée {job.revision} ont été collectées.",
                )
            elif fact.good:  # none: whoever collected knew it
                self.notice(
                    "revision.recalled",
                    f"1 part of the recalled revision {job.revision} was collected.",
                    f"1 pièce de la révision rappelée {job.revision} a été collectée.",
                )
            return
        taken = 0
        if order is not None and order.revision == job.revision and is_approved(self.draft.farm, order.requester, job.revision):
            taken = min(fact.good, order.owed)
            credit(self.draft, order, taken, self.now_s)
        add_stock(self.draft, job.revision, fact.good - taken)


def credit(draft: Draft, order: Order, parts: int, now_s: float) -> None:
    """Count good parts for an order."""
    if parts <= 0:
        return
    good = order.good + parts
    draft.put(replace(order, good=good, met_at_s=now_s if good >= order.quantity else order.met_at_s))


def add_stock(draft: Draft, revision: str, parts: int) -> None:
    """Add good parts to the stock of a revision; negative takes some out."""
    if parts:
        before = draft.farm.stock.get(revision)
        draft.put(Stock(revision, (before.parts if before else 0) + parts))


Step = Callable[[Intake, JobFact], None]

TABLE: Final[Mapping[tuple[Phase, type[JobFact]], tuple[Step, ...]]] = {
    (Phase.UNKNOWN, JobStarted): (Intake.begin,),
    (Phase.UNKNOWN, JobEnded): (Intake.begin, Intake.end),
    (Phase.UNKNOWN, JobCollected): (Intake.begin, Intake.collect),
    (Phase.RUNNING, JobEnded): (Intake.end,),
    (Phase.RUNNING, JobCollected): (Intake.collect,),
    (Phase.ENDED, JobCollected): (Intake.collect,),
}


# --- what a fact must not say ----------------------------------------------------------------------------------------------------


def objection(draft: Draft, node: str, fact: JobFact) -> str | None:
    """Why a job's fact cannot be believed; None when it can."""
    farm, reference = draft.farm, fact.reference
    job = farm.jobs.get(reference.job)
    allocation = farm.allocations.get(reference.allocation)
    if job is not None and job.node != node:
        return f"job {job.id} is one of node {job.node}"
    if allocation is not None and (allocation.node, allocation.printer) != (node, fact.printer):
        return f"allocation {allocation.id} was given to printer {allocation.printer} of node {allocation.node}"
    if job is None and allocation is not None and not _agrees(reference, allocation.order, allocation.revision, allocation.parts):
        return f"job {reference.job} contradicts its allocation {allocation.id}"
    if job is not None and not _agrees(reference, job.order, job.revision, job.parts):
        return f"job {job.id} was told of differently before"
    if isinstance(fact, JobCollected) and fact.good + fact.scrap > reference.parts:
        return f"good and scrap are more than the {reference.parts} parts of job {reference.job}"
    return None


def _agrees(reference: JobReference, order: str, revision: str, parts: int) -> bool:
    return (reference.order, reference.revision, reference.parts) == (order, revision, parts)


def owner_of(farm: Farm, printer: str) -> str | None:
    """The node that a printer belongs to: the one that first reported it, until that node is removed from the farm."""
    known = farm.printer_records.get(printer) or farm.printers.get(printer)
    if known is None:
        return None
    owner = farm.node_records.get(known.node)
    return None if owner is not None and owner.revoked else known.node


def _foreign_printer(draft: Draft, node: str, printer: str) -> str | None:
    owner = owner_of(draft.farm, printer)
    return f"printer {printer} is one of node {owner}" if owner not in {None, node} else None


# --- the journal -----------------------------------------------------------------------------------------------------------------


def take_fact(intake: Intake, fact: Fact, epoch: str) -> None:
    """Take one fact that is next in its journal; one that cannot be believed is set aside."""
    draft, node = intake.draft, intake.node
    if isinstance(fact, Unreadable):
        _set_aside(intake, fact, epoch)
        return
    reason = _foreign_printer(draft, node, fact.printer)
    if reason is None and isinstance(fact, JobStarted | JobEnded | JobCollected):
        reason = objection(draft, node, fact)
    if reason is not None:
        _set_aside(intake, Unreadable(fact.seq, repr(fact), reason), epoch)
        return
    if isinstance(fact, JobStarted | JobEnded | JobCollected):
        for step in TABLE.get((phase(draft.farm.jobs.get(fact.reference.job)), type(fact)), ()):
            step(intake, fact)
    _settle_pending(intake, fact)


def _settle_pending(intake: Intake, fact: Fact) -> None:
    """A hand's word that was waiting has arrived at the node, or was refused by it."""
    for pending in [word for word in intake.pending if _answers(fact, word)]:
        intake.pending.remove(pending)
        intake.draft.forget(PendingCollect, pending.id)
        if not isinstance(fact, CommandDone) or fact.ok:
            continue
        if _is_lost(intake, fact, pending) and count_by_word(intake, pending):
            intake.notice(
                "collect.by-word",
                f"The node's new ledger does not know {pending.job}: counted as {pending.by} said.",
                f"Le nouveau registre du nœud ignore {pending.job} : compté comme {pending.by} l'a dit.",
            )
        else:
            intake.notice(
                "collect.refused",
                f"The node refused to collect {pending.job}: {fact.detail}",
                f"Le nœud a refusé de collecter {pending.job} : {fact.detail_fr or fact.detail}",
            )


def _is_lost(intake: Intake, fact: CommandDone, word: PendingCollect) -> bool:
    """Whether a node refused a word because it has lost the job: it printed it, has another ledger, and that one holds nothing.

    Facts are taken in order: had the present ledger told that the job was collected, that would have been taken before. While the
    node has had one ledger only nothing can be lost in this way, and what it refuses stays refused.
    """
    job = intake.draft.farm.jobs.get(word.job)
    if fact.detail != NOT_ON_THIS_BED or phase(job) is not Phase.ENDED or job is None:
        return False
    theirs = (job.node, job.printer) == (word.node, word.printer)
    return theirs and bool(intake.draft.farm.node_records[intake.node].past_epochs)


def count_by_word(intake: Intake, word: PendingCollect) -> bool:
    """Count a job as a hand has said, because its node will not tell; tell whether there was one. Its fact does not count again."""
    job = intake.draft.farm.jobs.get(word.job)
    if word.clear_only or job is None or job.collected:
        return False
    reference = JobReference(job.id, job.allocation, job.order, job.revision, job.program, job.parts, job.estimated_s)
    intake.collect(JobCollected(0, word.printer, reference, word.good, word.scrap, word.by))
    return True


def _answers(fact: Fact, pending: PendingCollect) -> bool:
    match fact:
        case JobCollected():
            return fact.reference.job == pending.job
        case BedCleared():
            return fact.occupation == pending.job
        case CommandDone():
            return fact.command == pending.id
        case _:
            return False


def _set_aside(intake: Intake, fact: Unreadable, epoch: str) -> None:
    intake.notice("fact.set-aside", f"Fact {fact.seq} was set aside: {fact.reason}.")
    mine = sum(1 for kept in intake.draft.farm.set_aside.values() if kept.node == intake.node)
    if mine < MAX_SET_ASIDE:
        key = sha256(f"{intake.node} {epoch} {fact.seq}".encode()).hexdigest()[:32]
        intake.draft.put(SetAside(key, intake.node, epoch, fact.seq, fact.content[:4_000], fact.reason[:500], intake.now_s))


def enter_epoch(draft: Draft, node: str, epoch: str, notices: list[Notice] | None = None) -> bool:
    """Follow a node into the ledger `epoch`; False when that is one of its past ledgers, whose facts are no news.

    A new ledger knows nothing of what was allocated, or an old image of it: everything that was not started is withdrawn, and
    `notices` gets one for people. The first ledger of a node is none.
    """
    record = draft.farm.node_records[node]
    if record.epoch == epoch:
        return True
    past = record.past_epochs.split()
    if epoch in past:
        return False
    if not record.epoch:
        draft.put(replace(record, epoch=epoch, seq=0, tag=""))
        return True
    kept = " ".join([record.epoch, *past][:MAX_PAST_EPOCHS])
    draft.put(replace(record, epoch=epoch, seq=0, tag="", past_epochs=kept))
    for allocation in list(draft.farm.allocations.values()):
        if allocation.node == node and (allocation.jobs > allocation.started or allocation.unstarted):
            free(draft, allocation.id, allocation.started)
    draft.raise_version(node)
    if notices is not None:
        notices.append(Notice("ledger.old", node, NEW_LEDGER, _NEW_LEDGER_FR))
    return True


def free(draft: Draft, allocation: str, held: int) -> None:
    """Count on `held` jobs only, without a confirmation: what is started beyond them returns as late parts."""
    before = draft.farm.allocations[allocation]
    kept = max(held, before.started)
    changed = replace(before, held=kept, lost=before.lost + before.held - kept)
    if before.jobs > kept:
        changed = replace(changed, jobs=kept, withdrawn=draft.raise_version(before.node))
    draft.put(changed)


def take_batch(draft: Draft, batch: Batch, now_s: float, rules: Rules, *, steady_s: float | None = None) -> list[Notice]:
    """Take a piece of a node's journal into `draft`; facts after a hole wait until the node repeats what is missing.

    Nothing is taken of a ledger that is an old copy of itself: the notice `ledger.old` says so, and the node must be told.
    """
    intake = Intake(draft, batch.node, now_s, rules, steady_s=steady_s)
    if not enter_epoch(draft, batch.node, batch.epoch, intake.notices):
        return []
    committed = draft.farm.node_records[batch.node]
    pointer = committed.seq
    if batch.oldest > pointer + 1:
        intake.notice(
            "journal.skipped",
            f"Facts {pointer + 1} to {batch.oldest - 1} are no longer in the node's journal.",
            f"Les faits {pointer + 1} à {batch.oldest - 1} ne sont plus dans le journal du nœud.",
        )
        pointer = batch.oldest - 1
    for fact in batch.facts:
        if fact.seq <= pointer:
            if fact.seq == committed.seq and _is_another(committed, batch):
                return [Notice("ledger.old", batch.node, OLD_LEDGER, OLD_LEDGER_FR)]
            continue
        if fact.seq != pointer + 1:
            intake.notice("journal.hole", f"Fact {fact.seq} came, but {pointer + 1} is next.")
            break
        take_fact(intake, fact, batch.epoch)
        pointer = fact.seq
    record: NodeRecord = draft.farm.node_records[batch.node]
    if pointer != record.seq:
        draft.put(replace(record, seq=pointer, tag=batch.tag_of(pointer)))
    return intake.notices


def _is_another(record: NodeRecord, batch: Batch) -> bool:
    """Whether the fact at the pointer is not the one that was committed under its number.

    Then what comes before it is no repetition either: the node's card was written back from an image, and it wrote on.
    """
    tag = batch.tag_of(record.seq)
    return bool(record.tag) and bool(tag) and tag != record.tag


def seen_running(draft: Draft, job: str, now_s: float, rules: Rules, *, was_silent: bool) -> None:
    """A report shows a job that was written off, and it runs: it is expected again, for as long as it may still take.

    Only when it was written off because its node was silent: one that is overdue under our eyes does not become less so by being
    seen, and what it was to bring is made elsewhere. Its parts count all the same when they come.
    """
    known = draft.farm.jobs.get(job)
    if known is None or not known.written_off or known.outcome is not None or known.collected:
        return
    if was_silent or now_s <= known.due_at_s:
        due = due_at_s(draft.farm, known.printer, known.estimated_s, now_s, rules)
        draft.put(replace(known, written_off=False, due_at_s=due))


def anchor_running(draft: Draft, job: str, age_s: float, now_s: float, rules: Rules) -> None:
    """A report shows a job that runs for `age_s` by its node's own clock: it is not due before it can be over.

    For the first report after a start of the daemon on a machine that was off nobody knows how long, perhaps with a wrong clock:
    what was due by the old clock says nothing then. A job is never given less time, and one that was written off is not touched.
    """
    known = draft.farm.jobs.get(job)
    if known is None or known.written_off or known.outcome is not None or known.collected:
        return
    due = due_at_s(draft.farm, known.printer, max(0.0, known.estimated_s - age_s), now_s, rules)
    if due > known.due_at_s:
        draft.put(replace(known, due_at_s=due))
