"""What a farm says when it refuses what `farm.control` asks for: the daemon, and the small farm in memory of `api.testing`."""

from collections.abc import Iterable
from typing import Final

from farm.errors import ConflictError, InvalidError, NotFoundError
from gcode.texts import Bilingual

LOOK: Final = Bilingual(
    "Look again: the farm shows what is on every bed.", "Regardez de nouveau : la ferme montre ce qu'il y a sur chaque plateau."
)
CANCEL_OR_WAIT: Final = Bilingual("Cancel it first, or wait.", "Annulez-la d'abord, ou attendez.")
COUNT_AGAIN: Final = Bilingual("Count again.", "Comptez de nouveau.")
UPLOAD: Final = Bilingual(
    "Upload its G-code first: farm program add FILE --design NAME --revision ID --profile PROFILE.",
    "Envoyez d'abord son G-code : farm program add FILE --design NAME --revision ID --profile PROFILE.",
)
ALL_DESIGNS: Final = Bilingual(
    "`farm program list` shows them, GET /api/v1/designs has all.",
    "`farm program list` les montre, GET /api/v1/designs les a toutes.",
)

_MOST_NAMED: Final = 10

# noun -> (what is missing, what to do); {key}: what was asked for
_MISSING: Final = {
    "printer": (
        Bilingual(
            "There is no printer {key}, or it has not been heard of yet.",
            "Il n'y a pas d'imprimante {key}, ou on n'en a pas encore entendu parler.",
        ),
        Bilingual("`farm status` lists them.", "`farm status` en donne la liste."),
    ),
    "known printer": (
        Bilingual("There is no printer {key}.", "Il n'y a pas d'imprimante {key}."),
        Bilingual("`farm status` lists them.", "`farm status` en donne la liste."),
    ),
    "order": (
        Bilingual("There is no order {key}.", "Il n'y a pas de commande {key}."),
        Bilingual("`farm status` lists the orders.", "`farm status` donne la liste des commandes."),
    ),
    "job": (
        Bilingual("There is no job {key}.", "Il n'y a pas d'impression {key}."),
        Bilingual("GET /api/v1/jobs lists them.", "GET /api/v1/jobs en donne la liste."),
    ),
    "node": (
        Bilingual("There is no node {key}.", "Il n'y a pas de nœud {key}."),
        Bilingual("`farm nodes list` names them.", "`farm nodes list` en donne les noms."),
    ),
    "program": (
        Bilingual("There is no such program.", "Il n'y a pas de tel programme."),
        Bilingual("GET /api/v1/programs lists them all.", "GET /api/v1/programs les donne tous."),
    ),
    "upload": (
        Bilingual("There is no upload {key}.", "Il n'y a pas d'envoi {key}."),
        Bilingual("GET /api/v1/programs lists what the farm has.", "GET /api/v1/programs donne la liste de ce qu'a la ferme."),
    ),
    "requester": (
        Bilingual("There is no requester {key!r}.", "Il n'y a pas de demandeur {key!r}."),
        Bilingual(
            "`farm requester list` names them; `farm requester add NAME` adds one.",
            "`farm requester list` en donne les noms ; `farm requester add NAME` en ajoute un.",
        ),
    ),
    "maker": (
        Bilingual("There is no maker {key}.", "Il n'y a pas de maker {key}."),
        Bilingual("Look at the list of makers.", "Regardez la liste des makers."),
    ),
}


def missing(noun: str, key: str) -> NotFoundError:
    """There is none of this id."""
    detail, next_step = _MISSING[noun]
    return NotFoundError(Bilingual(detail.en.format(key=key), detail.fr.format(key=key)), next_step=next_step)


def no_revision(key: str) -> NotFoundError:
    """There is no revision of this id."""
    return NotFoundError(Bilingual(f"There is no revision {key}.", f"Il n'y a pas de révision {key}."), next_step=ALL_DESIGNS)


def recalled(key: str) -> Bilingual:
    """That a revision was recalled."""
    return Bilingual(f"Revision {key} was recalled.", f"La révision {key} a été rappelée.")


def revision_draft(key: str) -> ConflictError:
    """A draft is not ordered."""
    return ConflictError(
        Bilingual(f"Revision {key} is a draft.", f"La révision {key} est un brouillon."),
        next_step=Bilingual(
            f"Release it first: farm revision release {key}.", f"Validez-la d'abord : farm revision release {key}."
        ),
        code="revision-draft",
    )


def no_revision_to_order(key: str) -> NotFoundError:
    """An order names a revision that is not there, or not one of its design."""
    return NotFoundError(Bilingual(f"There is no revision {key!r}.", f"Il n'y a pas de révision {key!r}."), next_step=UPLOAD)


def no_design(name: str, known: Iterable[str]) -> NotFoundError:
    """There is no design of this name; some of those that there are."""
    names = ", ".join(sorted(known)[:_MOST_NAMED])
    return NotFoundError(
        Bilingual(f"There is no design {name!r}.", f"Il n'y a pas de modèle {name!r}."),
        next_step=Bilingual(
            f"Known designs: {names or 'none yet'}. {UPLOAD.en}", f"Modèles connus : {names or 'aucun'}. {UPLOAD.fr}"
        ),
    )


def not_approved(requester: str, approved: Iterable[str], what: str) -> ConflictError:
    """A requester of this name gets only what it has approved."""
    known = ", ".join(sorted(approved)[:_MOST_NAMED])
    return ConflictError(
        Bilingual(
            f"{requester} has not approved {what}. It has approved: {known or 'none yet'}.",
            f"{requester} n'a pas approuvé {what}. Révisions approuvées : {known or 'aucune'}.",
        ),
        next_step=Bilingual(
            "Order one of those, or record its approval: farm requester approve.",
            "Commandez l'une d'elles, ou notez son approbation : farm requester approve.",
        ),
        code="not-approved",
    )


def no_approval(name: str, revision: str) -> NotFoundError:
    """What was not approved cannot be withdrawn."""
    return NotFoundError(
        Bilingual(f"{name} has not approved {revision}.", f"{name} n'a pas approuvé {revision}."),
        next_step=Bilingual("`farm requester list` shows what it has.", "`farm requester list` montre ce qui est approuvé."),
    )


def requester_in_use(name: str) -> ConflictError:
    """A requester with open orders stays."""
    return ConflictError(
        Bilingual(f"{name} has open orders.", f"{name} a des commandes ouvertes."),
        next_step=Bilingual("Wait until they are met, or cancel them.", "Attendez qu'elles soient honorées, ou annulez-les."),
        code="requester-in-use",
    )


def program_used(revision: str) -> ConflictError:
    """A program of which something was printed stays known."""
    return ConflictError(
        Bilingual(
            "Something was printed of this program, or is about to be: it stays known.",
            "Quelque chose a été imprimé de ce programme, ou va l'être : il reste connu.",
        ),
        next_step=Bilingual(
            f"Recall its revision: farm recall {revision}; or withdraw its release: farm program withdraw.",
            f"Rappelez sa révision : farm recall {revision} ; ou retirez sa validation : farm program withdraw.",
        ),
        code="program-used",
    )


def other_hash(sha256: str, promised: str | None) -> InvalidError:
    """An upload that is not what its sender says."""
    return InvalidError(
        Bilingual(
            f"The upload has the SHA-256 {sha256}, but {promised} was promised.",
            f"Le fichier reçu a le SHA-256 {sha256}, mais {promised} était annoncé.",
        ),
        next_step=Bilingual(
            "The transfer was damaged or cut: send the file again.",
            "Le transfert a été abîmé ou coupé : envoyez de nouveau le fichier.",
        ),
        code="hash-mismatch",
    )


def people_node() -> ConflictError:
    """The farm's own node stays."""
    return ConflictError(
        Bilingual(
            "The people's node belongs to the farm: makers who print by hand need it.",
            "Le nœud des makers fait partie de la ferme : les makers qui impriment à la main en ont besoin.",
        ),
        next_step=Bilingual(
            "Remove single makers: DELETE /api/v1/makers/{printer}.",
            "Retirez les makers un par un : DELETE /api/v1/makers/{printer}.",
        ),
        code="people-node",
    )


def last_node(name: str) -> ConflictError:
    """The last node that prints is removed only by who means it."""
    return ConflictError(
        Bilingual(
            f"{name} is the last node: nothing would print any more.", f"{name} est le dernier nœud : plus rien n'imprimerait."
        ),
        next_step=Bilingual(
            "Invite another one first, or say that you mean it: farm nodes remove NAME --last.",
            "Invitez-en d'abord un autre, ou confirmez-le : farm nodes remove NAME --last.",
        ),
        code="last-node",
    )


def printer_in_use(name: str) -> ConflictError:
    """A printer that its node reports is not forgotten."""
    return ConflictError(
        Bilingual(f"{name} is reported by its node.", f"{name} est annoncée par son nœud."),
        next_step=Bilingual(
            "Take it out of node.toml there and start that node again; or remove the whole node: farm nodes remove.",
            "Enlevez-la de node.toml là-bas et relancez ce nœud ; ou retirez tout le nœud : farm nodes remove.",
        ),
        code="printer-in-use",
    )
