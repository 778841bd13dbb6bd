"""What the library holds, for people: a program with all that was found in it, and revisions with their variants."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from farm.daemon.presenter import program_view
from farm.daemon.releases import find_revision
from farm.library_views import FindingView, ProgramDetail, ReportView, RevisionView
from farm.views import RevisionState
from scheduler.model import Farm, Program, ProgramFacts, ProgramReport, Revision

_FINDINGS: Final = TypeAdapter(list[FindingView])
_FACTS: Final = TypeAdapter(dict[str, Any])


def state_of(revision: Revision) -> RevisionState:
    """Where a revision stands."""
    return "recalled" if revision.recalled else "draft" if revision.draft else "released"


def revision_view(farm: Farm, key: str) -> RevisionView:
    """A revision with its programs, by profile. NotFoundError."""
    revision = find_revision(farm, key)
    variants = [program for program in farm.programs.values() if program.revision == key]
    return RevisionView(
        id=key,
        design=revision.design,
        state=state_of(revision),
        created_at=revision.created_at_s,
        released_by=revision.released_by,
        released_at=revision.released_at_s,
        programs=[program_view(farm, item) for item in sorted(variants, key=lambda item: (item.profile, -item.parts, item.sha256))],
        approved_by=sorted(item.requester for item in farm.approvals.values() if item.revision == key),
    )


def _report_view(report: ProgramReport) -> ReportView:
    try:
        findings = _FINDINGS.validate_json(report.report)
    except ValidationError:
        findings = []  # of another version: the verdict still counts, and what was found is found again by the next check
    return ReportView(
        profile=report.profile,
        profile_revision=report.profile_revision,
        rule_set=report.rule_set,
        verdict=report.verdict,
        findings=findings,
    )


def program_detail(
    farm: Farm, program: Program, facts: ProgramFacts | None, reports: Mapping[str, ProgramReport], pictures: frozenset[str]
) -> ProgramDetail:
    """A program with facts, the reports of all profiles (its own first), and which `pictures` there are."""
    ordered = sorted(reports.values(), key=lambda report: (report.profile != program.profile, report.profile))
    return ProgramDetail(
        **program_view(farm, program).model_dump(),
        facts=_FACTS.validate_json(facts.facts) if facts is not None else {},
        reports=[_report_view(report) for report in ordered],
        has_preview="preview" in pictures,
        has_thumbnail="thumbnail" in pictures,
    )
