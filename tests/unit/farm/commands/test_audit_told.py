from dataclasses import replace

import pytest

from farm.commands.audit_told import entry
from farm.daemon import rechecks, removal, requesters
from farm.daemon.audit import audit_view
from farm.library_views import AuditView, RequesterChange, SignedRequest
from scheduler.draft import Draft
from scheduler.model import Farm, Requester, Revision, Verdict
from tests.unit.farm.daemon.checked import TRUST, checked
from tests.unit.farm.daemon.harness import PROGRAM, SHA

RELEASE = AuditView(id="a", at=0.0, who="operator", action="revision.release", subject="r1", reason="uploaded", detail="")


def french(**fields: str) -> str:
    """Behind date and time."""
    return entry(RELEASE.model_copy(update={"who": "Eve", "subject": "X", "reason": "", **fields})).fr[18:]


def test_an_entry_in_english_is_as_it_is_stored() -> None:
    changed = RELEASE.model_copy(update={"action": "requester.change", "detail": "CHU: keeps approvals", "reason": "asked"})
    assert entry(changed).en[18:] == "operator: requester.change r1 (asked) (CHU: keeps approvals)"


def test_who_did_what_is_told_in_words_of_the_page() -> None:
    assert entry(RELEASE).fr[18:] == "Un opérateur a validé la révision r1 (avec son premier programme)"
    assert french(who="farm", action="moon.land", detail="x") == "La ferme : moon.land X (x)"
    assert french(action="revision.recall", reason="uploaded") == "Eve a rappelé la révision X (uploaded)", "a person's own word"


@pytest.mark.parametrize(
    ("action", "detail", "told"),
    [
        ("program.add", "clip-1 for generic-210", "clip-1 pour generic-210"),
        ("program.remove", "Box: lid: 4 x clip-1 for generic-210", "Box: lid : 4 x clip-1 pour generic-210"),
        ("program.release", "motor-current=2 long-pause=1", "pour : motor-current × 2, long-pause × 1"),
        ("program.withdraw", "motor-current=2", "pour : motor-current × 2"),
        ("requester.change", "CHU: keeps approvals", "CHU : ne prend que ce qu'il a approuvé"),
        ("requester.change", "Lyon -> CHU: Lyon: keeps no approvals", "Lyon -> CHU: Lyon : prend toute révision validée"),
        ("requester.add", "CHU for all", "CHU for all"),
        ("approval.add", "clip-1", "clip-1"),
        ("program.checked-again", "pass -> reject (worse); 8:ab; ", "avant : passe ; désormais : refusé ; 8:ab"),
        (
            "program.checked-again",
            "pass -> trusted-only (worse); 8:ab; long-pause=1",
            "avant : passe ; désormais : seulement si quelqu'un en répond ; 8:ab ; pour : long-pause × 1",
        ),
        (
            "program.checked-again",
            "trusted-only -> trusted-only (released for something else); 8:ab; long-pause=2",
            "une personne doit désormais répondre d'autre chose ; 8:ab ; pour : long-pause × 2",
        ),
    ],
)
def test_what_the_farm_wrote_down_with_it_is_french_too(action: str, detail: str, told: str) -> None:
    assert french(action=action, detail=detail).endswith(f" X ({told})")


@pytest.mark.parametrize("action", ["program.add", "program.remove", "program.checked-again", "requester.change"])
def test_a_form_that_nobody_knows_here_stays_as_it_is(action: str) -> None:
    assert french(action=action, detail="something of a newer daemon").endswith(" X (something of a newer daemon)")
    assert french(action=action).endswith(" X")


def test_who_answered_for_a_program_that_was_checked_again_is_said() -> None:
    assert french(action="program.checked-again", reason="Eve").endswith(" X (validé par Eve)")


def test_the_forms_are_those_that_the_daemon_writes() -> None:
    released = replace(PROGRAM, verdict=Verdict.TRUSTED_ONLY, trust=TRUST, released_by="Eve", released_for=TRUST, checked="2-old")
    revisions = {PROGRAM.revision: Revision(PROGRAM.revision, "d1", 0.0)}
    asking = {"q1": Requester("q1", "CHU", approves=True, created_at_s=1.0)}
    draft = Draft(Farm(1, 0.0, programs={SHA: released}, revisions=revisions, requesters=asking))
    requesters.change(draft, "q1", RequesterChange(name="CHU de Lyon", approves=False), 1.0)
    rechecks.apply(draft, SHA, checked(), "3-new", 2.0)
    removal.remove_program(draft, SHA, SignedRequest(), 3.0, used_before=False, profiles=[])
    told = sorted((row.at_s, entry(audit_view(row)).fr[18:]) for row in draft.farm.audit.values())
    again = "validé par Eve) (avant : seulement si quelqu'un en répond ; désormais : passe ; 3-new"
    removed = f"{PROGRAM.name} : {PROGRAM.parts} x {PROGRAM.revision} pour {PROGRAM.profile}"
    assert [text for _, text in told] == [
        "Un opérateur a modifié le demandeur q1 (CHU -> CHU de Lyon : prend toute révision validée)",
        f"La ferme a vérifié de nouveau le programme {SHA} ({again})",
        f"Un opérateur a supprimé le programme {SHA} ({removed})",
    ]
