"""Why something does not happen: the English sentence, which is also what a command's fact says, with its code and its French."""

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

NO_SUCH_PRINTER = Refusal("no-such-printer", "There is no such printer at this node.", "Cette imprimante n'est pas sur ce nœud.")
TOO_LATE = Refusal("too-late", "It came too late.", "C'est arrivé trop tard.")
NOT_ASKED = Refusal("prompt-gone", "The printer does not ask that any more.", "L'imprimante ne pose plus cette question.")
NO_SUCH_CHOICE = Refusal("no-such-choice", "The question has no such choice.", "La question n'a pas ce choix.")
ANSWER_THERE = Refusal(
    "answer-at-the-printer",
    "This kind of printer is answered at its own screen.",
    "On répond à ce type d'imprimante sur son propre écran.",
)


def refusal_of(text: str, code: str = "refused") -> Refusal:
    """The text as a refusal; one of which nobody knows the French says the same in both."""
    return text if isinstance(text, Refusal) else Refusal(code, text, text)


def too_many(has: int, said: int) -> Refusal:
    """More parts were counted than the job has."""
    return Refusal("too-many-parts", f"The job has {has} parts, not {said}.", f"L'impression a {has} pièces, pas {said}.")
