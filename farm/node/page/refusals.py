"""Why a hand is refused, in French: the core says it in English, and the people here may not read that."""

import re
from typing import Final

_SENTENCES: Final = (
    (r"That is not on this bed\.", "Ce n'est plus sur ce plateau."),
    (r"The job has not ended\.", "Le travail n'est pas terminé."),
    (r"The job has (\d+) parts, not (\d+)\.", r"Le travail a \1 pièces, pas \2."),
    (r"The printer is still printing it\.", "L'imprimante l'imprime encore."),
    (r"The job does not run on this printer\.", "Ce travail n'est pas en cours sur cette imprimante."),
    (
        r"The farm left nothing to start here: there is nothing to go on with\.",
        "La ferme n'a rien laissé à lancer ici : il n'y a rien à continuer.",
    ),
    (r"There is no printer .* at this node\.", "Cette imprimante n'est pas ici."),
    (
        r"The ledger .* could not be written: .*full.*",
        "Le disque est plein : rien n'a été noté. Libérez de la place et recommencez.",
    ),
    (r"The ledger .* could not be written: .*", "Le registre ne peut pas être écrit : rien n'a été noté."),
)


def in_french(detail: str) -> str:
    """The sentence in French; what a driver says in its own words stays as it is."""
    for pattern, french in _SENTENCES:
        found = re.fullmatch(pattern, detail)
        if found is not None:
            return found.expand(french)
    return detail
