"""People who answer: for a program that needs trust, and for a revision that leaves its draft. Actions on a draft."""

from dataclasses import replace

from farm.control_errors import missing, no_revision
from farm.daemon import audit
from farm.errors import ConflictError
from farm.library_views import ReleaseRequest, SignedRequest
from gcode.texts import Bilingual
from scheduler.draft import Draft
from scheduler.model import Farm, Program, Revision, Verdict


def find_program(farm: Farm, sha256: str) -> Program:
    """A program. NotFoundError."""
    program = farm.programs.get(sha256)
    if program is None:
        raise missing("program", sha256)
    return program


def find_revision(farm: Farm, key: str) -> Revision:
    """A revision. NotFoundError."""
    revision = farm.revisions.get(key)
    if revision is None:
        raise no_revision(key)
    return revision


def release_program(draft: Draft, sha256: str, request: ReleaseRequest, now_s: float) -> None:
    """A named person answers for all that makes a program trusted-only.

    Raises:
        NotFoundError: no such program.
        ConflictError: it needs nobody, nobody can answer for it, somebody does already, or it needs more than the person was shown.

    """
    program = find_program(draft.farm, sha256)
    if program.verdict is Verdict.REJECT:
        raise ConflictError(
            Bilingual(
                "The program does not pass the checks of its profile: nobody can release it.",
                "Le programme ne passe pas les vérifications de son profil : personne ne peut le valider.",
            ),
            next_step=Bilingual(
                "Upload a corrected file; GET /api/v1/programs/{sha256} says what is wrong with this one.",
                "Envoyez un fichier corrigé ; GET /api/v1/programs/{sha256} dit ce qui ne va pas dans celui-ci.",
            ),
            code="program-rejected",
        )
    if program.verdict is Verdict.PASS:
        raise ConflictError(
            Bilingual("The program passes all checks.", "Le programme passe toutes les vérifications."),
            next_step=Bilingual("It needs no release.", "Il n'a pas besoin d'être validé."),
            code="release-not-needed",
        )
    if program.released:
        raise ConflictError(
            Bilingual(f"{program.released_by} has released the program.", f"{program.released_by} a validé le programme."),
            next_step=Bilingual("Withdraw that release first.", "Retirez d'abord cette validation."),
            code="released-already",
        )
    _require_shown(program, request)
    released = replace(
        program,
        released_by=request.by,
        released_at_s=now_s,
        released_for=program.trust,
        release_reason=request.reason,
        worse_since_s=None,
    )
    draft.put(released)
    audit.note(draft, request.by, "program.release", sha256, now_s, reason=request.reason, detail=program.trust)


def _require_shown(program: Program, request: ReleaseRequest) -> None:
    """Raise ConflictError when the program was checked again since, and more was found."""
    if request.rules is None or {word.partition("=")[0] for word in program.trust.split()} <= set(request.rules):
        return
    raise ConflictError(
        Bilingual(
            "The program was checked again, and more was found than you were shown.",
            "Le programme a été vérifié de nouveau, et on y a trouvé plus que ce qui vous a été montré.",
        ),
        next_step=Bilingual("Look at what was found, then decide again.", "Regardez ce qui a été trouvé, puis décidez de nouveau."),
        code="findings-changed",
    )


def without_release(program: Program) -> Program:
    """The same program, for which nobody answers."""
    return replace(program, released_by="", released_at_s=None, released_for="", release_reason="")


def withdraw_program(draft: Draft, sha256: str, request: SignedRequest, now_s: float) -> None:
    """Nobody answers for a program any more: what was not started of it is taken back by the rules.

    Raises:
        NotFoundError: no such program.
        ConflictError: nobody has released it.

    """
    program = find_program(draft.farm, sha256)
    if not program.released_by:
        raise ConflictError(
            Bilingual("Nobody has released the program.", "Personne n'a validé le programme."),
            next_step=Bilingual("There is nothing to withdraw.", "Il n'y a rien à retirer."),
            code="not-released",
        )
    draft.put(without_release(program))
    audit.note(draft, request.by, "program.withdraw", sha256, now_s, reason=request.reason, detail=program.released_for)


def release_revision(draft: Draft, key: str, request: SignedRequest, now_s: float) -> None:
    """A draft may be printed from now on; a second time changes nothing.

    Raises:
        NotFoundError: no such revision.
        ConflictError: it was recalled.

    """
    revision = find_revision(draft.farm, key)
    if revision.recalled:
        raise ConflictError(
            Bilingual(f"Revision {key} was recalled.", f"La révision {key} a été rappelée."),
            next_step=Bilingual("Give the new revision another name.", "Donnez un autre nom à la nouvelle révision."),
            code="recalled",
        )
    if revision.draft:
        draft.put(replace(revision, draft=False, released_by=request.by, released_at_s=now_s))
        audit.note(draft, request.by, "revision.release", key, now_s, reason=request.reason)
