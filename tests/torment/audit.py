"""Every invariant of docs/protocol.md that can be seen from outside, at rest: what was written, taken and made is compared.

Each check returns sentences that say what is wrong; none is good.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tests.torment.hands import Record
from tests.torment.ledgers import Books, Row
from tests.torment.watch import Seen

_FACTS_A_JOB: Final = 3  # started, ended, collected
_LEDGER_BYTES: Final = 4_000_000
_BYTES_A_JOB: Final = 4_000
_COMMANDS: Final = 512
# notices that faults and stale clicks explain; any other is a violation
_EXPECTED_ALARMS: Final = frozenset({"collect.refused", "collect.by-word"})


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is compared. `truth` are the printers' own counts, `farm` and `ready` what the API says."""

    books: Books
    record: Record
    seen: Seen
    truth: Mapping[str, Mapping[str, Any]]  # printer's name -> snapshot
    farm: Mapping[str, Any]
    ready: bool
    unexpected: list[str]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the audit found. `lost` and `doubled` are good parts."""

    violations: list[str]
    lost: int
    doubled: int
    good: int
    scrap: int
    surplus: int
    jobs: int


def audit(evidence: Evidence) -> Verdict:
    """Compare everything with everything."""
    violations = [*evidence.record.wrong, *evidence.seen.wrong]
    for check in CHECKS:
        violations += check(evidence)
    lost, doubled = differences(evidence)
    books = evidence.books
    return Verdict(
        violations=violations,
        lost=lost,
        doubled=doubled,
        good=sum(job["good"] for job in books.jobs),
        scrap=sum(job["scrap"] for job in books.jobs),
        surplus=sum(books.stock.values()),
        jobs=len(books.jobs),
    )


def differences(evidence: Evidence) -> tuple[int, int]:
    """Good parts that were taken and not counted, and parts that were counted and not taken; by jobs, and by orders and stock."""
    counted = {job["id"]: job["good"] for job in evidence.books.jobs if job["collected_at_s"] is not None}
    taken = {claim.job: claim.good for claim in evidence.record.claims.values()}
    lost = sum(max(0, good - counted.get(job, 0)) for job, good in taken.items())
    doubled = sum(max(0, good - taken.get(job, 0)) for job, good in counted.items())
    more = [counted - made for made, counted in _by_revision(evidence).values()]
    return lost + sum(max(0, -parts) for parts in more), doubled + sum(max(0, parts) for parts in more)


# --- what hands took and what was counted ------------------------------------------------------------------------------------


def counts_agree(evidence: Evidence) -> Iterator[str]:
    """3 and 5: every part that was taken is counted once, as it was said, and nothing else is."""
    jobs = {job["id"]: job for job in evidence.books.jobs}
    for claim in evidence.record.claims.values():
        job = jobs.get(claim.job)
        if job is None or job["collected_at_s"] is None:
            yield f"lost: {claim.good} good of {claim.job} on {claim.printer} were taken off and never counted"
        elif (job["good"], job["scrap"]) != (claim.good, claim.scrap):
            yield f"{claim.job}: {claim.good} good and {claim.scrap} scrap were taken, {job['good']} and {job['scrap']} counted"
    for key, job in jobs.items():
        if job["good"] and key not in evidence.record.claims:
            yield f"doubled: {job['good']} good of {key} are counted, and no hand took them"


def sums_agree(evidence: Evidence) -> Iterator[str]:
    """What was collected of a revision is what its orders and its stock have."""
    for revision, (made, counted) in _by_revision(evidence).items():
        if made != counted:
            yield f"{revision}: {made} good collected, {counted} in orders and stock"


def _by_revision(evidence: Evidence) -> dict[str, tuple[int, int]]:
    made: Counter[str] = Counter()
    counted: Counter[str] = Counter(evidence.books.stock)
    for job in evidence.books.jobs:
        made[job["revision"]] += job["good"]
    for order in evidence.books.orders:
        counted[order["revision"]] += order["good"]
    return {revision: (made[revision], counted[revision]) for revision in sorted({*made, *counted})}


# --- what the printers really did --------------------------------------------------------------------------------------------


def beds_were_clear(evidence: Evidence) -> Iterator[str]:
    """1 and 2: no print onto anything."""
    for name, truth in evidence.truth.items():
        if truth["collisions"]:
            yield f"{name}: {truth['collisions']} prints began on a bed that was not clear"


def prints_are_jobs(evidence: Evidence) -> Iterator[str]:
    """Every print on a printer belongs to one job, and every job to one print at most."""
    owners: dict[tuple[str, int], list[str]] = defaultdict(list)
    for claim in evidence.record.claims.values():
        for number in claim.prints:
            owners[claim.printer, number].append(claim.job)
    for (name, number), jobs in owners.items():
        if len(jobs) > 1:
            yield f"{name}: print {number} was taken off for several jobs: {jobs}"
    taken = {name: {number for who, number in owners if who == name} for name in evidence.truth}
    for name, truth in evidence.truth.items():
        standing = [part["number"] for part in truth["parts"] if part["finished"] and not part["collected"]]
        if standing:
            yield f"{name}: whole prints {standing} stand there at rest, and nobody was asked to take them off"
        unknown = [part["number"] for part in truth["parts"] if part["finished"] and part["number"] not in taken[name]]
        if set(unknown) - set(standing):
            yield f"{name}: whole prints {unknown} belong to no job"


def wholes_agree(evidence: Evidence) -> Iterator[str]:
    """As many whole prints as the printers made were taken off."""
    made = sum(int(truth["parts_finished"]) for truth in evidence.truth.values())
    taken = sum(claim.whole for claim in evidence.record.claims.values())
    if made != taken:
        yield f"the printers made {made} whole prints, {taken} were taken off for jobs"


# --- what was written --------------------------------------------------------------------------------------------------------


def ceilings_hold(evidence: Evidence) -> Iterator[str]:
    """7 and 9: no allocation was started more often than it ever allowed."""
    starts = Counter(job["allocation"] for job in evidence.books.jobs)
    for allocation, most in evidence.seen.ceilings.items():
        if starts[allocation] > most:
            yield f"{allocation}: {starts[allocation]} jobs were started, {most} were allowed"


def journals_are_told(evidence: Evidence) -> Iterator[str]:
    """All that nodes wrote has arrived. How far they know it they write with their next fact only, to spare the card."""
    for node, ledger in evidence.books.ledgers.items():
        record = evidence.books.nodes[node]
        if (record["epoch"], record["seq"]) != (ledger.epoch, ledger.head):
            yield f"{node}: its journal is at {ledger.epoch} {ledger.head}, committed are {record['epoch']} {record['seq']}"
        if ledger.acked > ledger.head:
            yield f"{node}: acknowledged up to {ledger.acked}, its journal ends at {ledger.head}"
    if evidence.books.pending:
        yield f"words of hands never arrived: {evidence.books.pending}"
    if evidence.books.set_aside:
        yield f"facts were set aside: {evidence.books.set_aside}"


def journals_make_sense(evidence: Evidence) -> Iterator[str]:
    """1, 2, 3 and 5 in the nodes' own words: on each printer a job begins, ends and is collected before the next one begins."""
    for node, ledger in evidence.books.ledgers.items():
        on_bed: dict[str, tuple[str, str]] = {}
        known: set[str] = set()
        for fact in ledger.facts:
            wrong = _next_fact(fact, on_bed, known)
            if wrong:
                yield f"{node}: fact {fact['seq']}: {wrong}"
        told = {job["id"] for job in evidence.books.jobs if job["node"] == node}
        if ledger.oldest == 1 and known != told:
            yield f"{node}: jobs in its ledger and in the database differ: {sorted(known ^ told)}"


_ORDER: Final = {"job-ended": "job-started", "job-collected": "job-ended"}


def _next_fact(fact: Row, on_bed: dict[str, tuple[str, str]], known: set[str]) -> str:
    kind, printer = str(fact["kind"]), str(fact["printer"])
    if not kind.startswith("job-"):
        return ""
    job = str(fact["reference"]["job"])
    before = on_bed.get(printer)
    if kind == "job-started":
        on_bed[printer] = (job, kind)
        again = job in known
        known.add(job)
        return f"{job} began while {before} was on the bed" if before else f"{job} began twice" if again else ""
    if before != (job, _ORDER[kind]):
        return f"{kind} of {job}, but the bed had {before}"
    if kind == "job-collected":
        del on_bed[printer]
    else:
        on_bed[printer] = (job, kind)
    return ""


def ledgers_are_bounded(evidence: Evidence) -> Iterator[str]:
    """15: what is kept grows with the work and with nothing else."""
    for node, ledger in evidence.books.ledgers.items():
        jobs = sum(job["node"] == node for job in evidence.books.jobs)
        if ledger.commands > _COMMANDS:
            yield f"{node}: {ledger.commands} commands are kept"
        if ledger.bytes_on_disk > _LEDGER_BYTES + _BYTES_A_JOB * jobs:
            yield f"{node}: its ledger has {ledger.bytes_on_disk} bytes after {jobs} jobs"
        if sum(fact["kind"].startswith("job-") for fact in ledger.facts) > _FACTS_A_JOB * jobs:
            yield f"{node}: more facts of jobs than jobs can have"


# --- is all well? ------------------------------------------------------------------------------------------------------------


def everything_is_met(evidence: Evidence) -> Iterator[str]:
    """6: every order that can be met is met, and no bed waits."""
    for order in evidence.farm["orders"]:
        if order["state"] == "open":
            reasons = [reason["en"] for reason in order["why_waiting"]]
            yield f"order {order['id']} is still open: {order['good']} of {order['quantity']} good, because {reasons}"
    for ledger in evidence.books.ledgers.values():
        for occupied in ledger.occupations:
            yield f"{occupied['id']} is still on the bed of {occupied['printer']}"


def surplus_is_explained(evidence: Evidence) -> Iterator[str]:
    """8: no more is left over than was written off, freed, reduced or cancelled, and what single jobs make too many."""
    largest = max((job["parts"] for job in evidence.books.jobs), default=1)
    excuse = sum(evidence.seen.lost_parts.values()) + sum(evidence.seen.written_off.values())
    for order in evidence.books.orders:
        given_up = evidence.seen.quantity.get(order["id"], order["quantity"]) - order["good"]
        excuse += largest - 1 + max(0, given_up)
    surplus = sum(evidence.books.stock.values())
    if surplus > excuse:
        yield f"{surplus} parts are left over, at most {excuse} are explained"


def nothing_alarms(evidence: Evidence) -> Iterator[str]:
    """Ready, and no alarm that a fault of ours does not explain."""
    if not evidence.ready:
        yield "/readyz does not say ready"
    for alarm in evidence.farm["alarms"]:
        if alarm["code"] not in _EXPECTED_ALARMS:
            yield f"alarm at rest: {alarm['code']}: {alarm['text']}"
    for name in evidence.unexpected:
        yield f"{name} ended by itself although nobody had touched it"


Check = Callable[[Evidence], Iterator[str]]
CHECKS: Final[tuple[Check, ...]] = (
    counts_agree,
    sums_agree,
    beds_were_clear,
    prints_are_jobs,
    wholes_agree,
    ceilings_hold,
    journals_are_told,
    journals_make_sense,
    ledgers_are_bounded,
    everything_is_met,
    surplus_is_explained,
    nothing_alarms,
)
