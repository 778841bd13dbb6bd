"""A program with all that was found in it, and a revision with its variants."""

import json
from dataclasses import replace
from typing import Any

import pytest

from farm.daemon.catalogue import program_detail, revision_view
from farm.errors import NotFoundError
from scheduler.model import (
    Approval,
    Farm,
    ProgramFacts,
    ProgramReport,
    Revision,
    Verdict,
    approval_key,
    report_key,
)
from tests.unit.farm.daemon.checked import finding
from tests.unit.farm.daemon.harness import PROGRAM, SHA


def stored(profile: str, verdict: Verdict, report: str) -> ProgramReport:
    return ProgramReport(report_key(SHA, profile), SHA, profile, "rev-1", 2, verdict, report)


def farm(**tables: Any) -> Farm:
    return Farm(1, 0.0, programs={SHA: PROGRAM}, revisions={"r1": Revision("r1", "d1", 4.0)}, **tables)


def test_its_own_profile_comes_first_and_findings_are_read() -> None:
    reports = [
        stored("a-class", Verdict.PASS, "[]"),
        stored("small", Verdict.TRUSTED_ONLY, json.dumps([finding()])),
    ]
    found = {report.id: report for report in reports}
    detail = program_detail(farm(), PROGRAM, ProgramFacts(SHA, '{"layers": 4}'), found, frozenset({"preview"}))
    assert [report.profile for report in detail.reports] == ["small", "a-class"]
    assert detail.reports[0].findings[0].hits[0].line == 7
    assert detail.facts == {"layers": 4}
    assert (detail.has_preview, detail.has_thumbnail) == (True, False)
    assert detail.sha256 == SHA


def test_one_that_was_never_checked_here_has_no_facts() -> None:
    detail = program_detail(farm(), PROGRAM, None, {}, frozenset())
    assert (detail.facts, detail.reports, detail.checked) == ({}, [], False)


def test_findings_of_another_version_do_not_hide_the_verdict() -> None:
    report = stored("small", Verdict.REJECT, json.dumps([{"rule": "of the future"}]))
    (shown,) = program_detail(farm(), PROGRAM, None, {"x": report}, frozenset()).reports
    assert (shown.verdict, shown.findings) == (Verdict.REJECT, [])


def test_a_revision_shows_its_variants_by_profile_and_who_has_approved_it() -> None:
    variants = {
        key * 64: replace(PROGRAM, sha256=key * 64, profile=profile, parts=parts)
        for key, profile, parts in (("1", "small", 1), ("2", "large", 2), ("3", "large", 4), ("4", "other", 1))
    }
    variants["4" * 64] = replace(variants["4" * 64], revision="r2")
    approvals = {approval_key(q, "r1"): Approval(approval_key(q, "r1"), q, "r1", "x", 0.0) for q in ("q2", "q1")}
    world = replace(farm(approvals=approvals), programs=variants)
    view = revision_view(world, "r1")
    assert [(item.profile, item.parts) for item in view.programs] == [("large", 4), ("large", 2), ("small", 1)]
    assert view.approved_by == ["q1", "q2"]
    with pytest.raises(NotFoundError):
        revision_view(world, "r9")


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({}, "released"),
        ({"draft": True}, "draft"),
        ({"recalled": True}, "recalled"),
        ({"draft": True, "recalled": True}, "recalled"),
    ],
)
def test_the_states_of_a_revision(fields: dict[str, bool], state: str) -> None:
    world = Farm(1, 0.0, revisions={"r1": Revision("r1", "d1", 4.0, released_by="Eve", released_at_s=5.0, **fields)})
    view = revision_view(world, "r1")
    assert (view.state, view.released_by, view.released_at) == (state, "Eve", 5.0)
