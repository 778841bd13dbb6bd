"""Printers whose node is not there to speak for them: shown from what was kept, as offline and with a bed that nobody vouches for.

Ids of what is on the bed come from jobs that nobody has collected, so that a hand can collect before the node is back.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from drivers.base import PrinterState
from farm.bus.messages import JobReference, Occupation, PrinterReport, ReasonNote
from scheduler.model import BedState, Job, OccupationKind, PrinterRecord

NOT_HEARD: Final = ReasonNote(
    code="not-heard",
    en="Its node has not been heard since the daemon started.",
    fr="Son nœud n'a pas donné de nouvelles depuis le démarrage de la ferme.",
)
NOT_REPORTED: Final = ReasonNote(
    code="not-reported",
    en="Its node does not report it any more; a job on it was not collected.",
    fr="Son nœud ne l'annonce plus ; une impression n'y a pas été collectée.",
)
ONLY_WATCHES: Final = ReasonNote(
    code="only-watches",
    en="Not known: this daemon only watches.",
    fr="Inconnu : ce démon ne fait que regarder.",
)
NOT_TAKEN_IN: Final = ReasonNote(
    code="not-taken-in",
    en="Not known while the disk of the farm is full.",
    fr="Inconnu tant que le disque de la ferme est plein.",
)
REASONS: Final = frozenset({NOT_HEARD.code, NOT_REPORTED.code})


@dataclass(frozen=True, slots=True)
class Blind:
    """Nothing that nodes say is taken in, for this reason, since this moment of the boot clock: what was known then is shown."""

    reason: ReasonNote
    since_s: float


def record_of(node: str, report: PrinterReport) -> PrinterRecord:
    """What is kept of a printer: what does not change from report to report."""
    return PrinterRecord(
        id=report.id,
        node=node,
        name=report.name,
        driver=report.driver,
        profile=report.profile,
        material=report.material,
        nozzle_mm=report.nozzle_mm,
        capabilities=" ".join(sorted(report.capabilities)),
    )


def waiting_job(printer: str, jobs: Iterable[Job]) -> Job | None:
    """The newest job of a printer that nobody has collected."""
    mine = [job for job in jobs if job.printer == printer and not job.collected]
    return max(mine, key=lambda job: (job.started_at_s, job.id), default=None)


def waiting_jobs(jobs: Iterable[Job]) -> dict[str, Job]:
    """As `waiting_job`, for all printers in one pass."""
    newest: dict[str, Job] = {}
    for job in sorted(jobs, key=lambda job: (job.started_at_s, job.id)):
        if not job.collected:
            newest[job.printer] = job
    return newest


def report_of(record: PrinterRecord, job: Job | None, reason: ReasonNote) -> PrinterReport:
    """What can be said of a printer in the place of its node."""
    return PrinterReport(
        id=record.id,
        name=record.name,
        driver=record.driver,
        profile=record.profile,
        material=record.material,
        nozzle_mm=record.nozzle_mm,
        state=PrinterState.OFFLINE,
        bed=BedState.UNKNOWN,
        occupation=None if job is None else _occupation(job),
        ready=False,
        reason=reason,
        capabilities=record.capabilities.split(),
    )


def _occupation(job: Job) -> Occupation:
    reference = JobReference(
        job=job.id,
        allocation=job.allocation,
        order=job.order,
        revision=job.revision,
        program=job.program,
        parts=job.parts,
        estimated_s=job.estimated_s,
    )
    return Occupation(id=job.id, kind=OccupationKind.JOB, job=reference, outcome=job.outcome)
