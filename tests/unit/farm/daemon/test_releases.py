"""Who answers for a program, and who lets a revision out of its draft."""

from dataclasses import replace
from typing import Any

import pytest

from farm.daemon.releases import release_program, release_revision, withdraw_program
from farm.errors import ConflictError, NotFoundError
from farm.library_views import ReleaseRequest, SignedRequest
from scheduler.draft import Draft
from scheduler.model import Farm, Program, Revision, Verdict
from tests.unit.farm.daemon.harness import PROGRAM, SHA

EVE = ReleaseRequest(by="Eve Martin", reason="I know these motors.")
TRUSTED = replace(PROGRAM, verdict=Verdict.TRUSTED_ONLY, trust="motor-current=2", checked="2-abc", worse_since_s=3.0)


def draft_with(program: Program = TRUSTED, **revision: Any) -> Draft:
    return Draft(Farm(1, 0.0, programs={SHA: program}, revisions={"r1": Revision("r1", "d1", 0.0, **revision)}))


def entries(draft: Draft) -> list[tuple[str, str, str, str, str]]:
    return [(item.who, item.action, item.subject, item.reason, item.detail) for item in draft.farm.audit.values()]


def test_a_release_names_who_answers_for_what_and_why() -> None:
    draft = draft_with()
    release_program(draft, SHA, EVE, 9.0)
    program = draft.farm.programs[SHA]
    assert program.usable
    assert (program.released_by, program.released_at_s, program.released_for, program.release_reason) == (
        "Eve Martin",
        9.0,
        "motor-current=2",
        "I know these motors.",
    )
    assert program.worse_since_s is None
    assert entries(draft) == [("Eve Martin", "program.release", SHA, "I know these motors.", "motor-current=2")]


def test_a_withdrawal_takes_it_out_of_use_and_is_recorded() -> None:
    draft = draft_with()
    release_program(draft, SHA, EVE, 9.0)
    withdraw_program(draft, SHA, SignedRequest(by="Adam", reason="The motor was hot."), 10.0)
    program = draft.farm.programs[SHA]
    assert not program.usable
    assert (program.released_by, program.released_at_s, program.released_for, program.release_reason) == ("", None, "", "")
    assert entries(draft)[1] == ("Adam", "program.withdraw", SHA, "The motor was hot.", "motor-current=2")
    release_program(draft, SHA, EVE, 11.0)
    assert draft.farm.programs[SHA].usable


@pytest.mark.parametrize(
    ("program", "code", "french"),
    [
        (PROGRAM, "release-not-needed", "Le programme passe tou"),
        (replace(PROGRAM, verdict=Verdict.REJECT), "program-rejected", "Le programme ne passe pas "),
        (replace(TRUSTED, released_by="Adam", released_for=TRUSTED.trust), "released-already", "Adam a validé le programme."),
    ],
)
def test_nobody_releases_what_needs_no_release_or_cannot_have_one(program: Program, code: str, french: str) -> None:
    draft = draft_with(program)
    with pytest.raises(ConflictError) as refused:
        release_program(draft, SHA, EVE, 9.0)
    assert refused.value.code == code
    assert refused.value.detail_fr.startswith(french)
    assert draft.changes == []


def test_a_release_for_other_findings_is_none() -> None:
    stale = replace(TRUSTED, released_by="Adam", released_for="limits=1")
    assert not stale.usable
    draft = draft_with(stale)
    release_program(draft, SHA, EVE, 9.0)
    assert draft.farm.programs[SHA].released_by == "Eve Martin"


def test_what_nobody_released_cannot_be_withdrawn() -> None:
    with pytest.raises(ConflictError) as refused:
        withdraw_program(draft_with(), SHA, SignedRequest(), 9.0)
    assert refused.value.code == "not-released"


def test_unknown_programs_and_revisions() -> None:
    with pytest.raises(NotFoundError):
        release_program(draft_with(), "9" * 64, EVE, 9.0)
    with pytest.raises(NotFoundError):
        withdraw_program(draft_with(), "9" * 64, SignedRequest(), 9.0)
    with pytest.raises(NotFoundError):
        release_revision(draft_with(), "r9", SignedRequest(), 9.0)


def test_a_draft_is_released_once() -> None:
    draft = draft_with(draft=True)
    release_revision(draft, "r1", SignedRequest(by="Eve", reason="tested"), 9.0)
    revision = draft.farm.revisions["r1"]
    assert (revision.draft, revision.released_by, revision.released_at_s) == (False, "Eve", 9.0)
    release_revision(draft, "r1", SignedRequest(by="Adam"), 10.0)
    assert draft.farm.revisions["r1"] == revision
    assert entries(draft) == [("Eve", "revision.release", "r1", "tested", "")]


def test_a_recalled_revision_is_not_released() -> None:
    with pytest.raises(ConflictError) as refused:
        release_revision(draft_with(draft=True, recalled=True), "r1", SignedRequest(), 9.0)
    assert refused.value.code == "recalled"


@pytest.mark.parametrize("rules", [[], ["unknown-command"]])
def test_nobody_answers_for_what_was_found_after_they_had_looked(rules: list[str]) -> None:
    """A check of old programs ended between the page and the click."""
    draft = draft_with()
    with pytest.raises(ConflictError) as refused:
        release_program(draft, SHA, EVE.model_copy(update={"rules": rules}), 9.0)
    assert refused.value.code == "findings-changed"
    assert refused.value.detail_fr != refused.value.detail
    assert not draft.farm.programs[SHA].usable
    assert entries(draft) == []


@pytest.mark.parametrize("rules", [["motor-current"], ["motor-current", "unknown-command"], None])
def test_who_was_shown_all_of_it_may_answer(rules: list[str] | None) -> None:
    draft = draft_with()
    release_program(draft, SHA, EVE.model_copy(update={"rules": rules}), 9.0)
    assert draft.farm.programs[SHA].usable
