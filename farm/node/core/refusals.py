"""Why a hand is refused: the English sentence, which is also what a command's fact says, with its code and its French."""

from typing import Self

from scheduler import facts


class Refusal(str):
    """A sentence in English that knows its stable code and its French (docs/decisions/0009)."""

    __slots__ = ("code", "fr")
    code: str
    fr: str

    def __new__(cls, code: str, en: str, fr: str) -> Self:
        """The sentence `en`, under a code that stays, with its French."""
        made = super().__new__(cls, en)
        made.code = code
        made.fr = fr
        return made


NOT_ON_THIS_BED = Refusal("not-on-this-bed", facts.NOT_ON_THIS_BED, "Ce n'est plus sur ce plateau.")
NOT_ENDED = Refusal("job-not-ended", "The job has not ended.", "L'impression n'est pas terminée.")
STILL_PRINTING = Refusal("still-printing", "The printer is still printing it.", "L'imprimante l'imprime encore.")
NOT_RUNNING = Refusal(
    "job-not-running", "The job does not run on this printer.", "Cette impression n'est pas en cours sur cette imprimante."
)
NOTHING_TO_START = Refusal(
    "nothing-to-start",
    "The farm left nothing to start here: there is nothing to go on with.",
    "La ferme n'a rien laissé à lancer ici : il n'y a rien à continuer.",
)


def too_many(has: int, said: int) -> Refusal:
    """More parts were counted than the job has."""
    return Refusal("too-many-parts", f"The job has {has} parts, not {said}.", f"L'impression a {has} pièces, pas {said}.")
