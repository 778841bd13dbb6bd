"""Why something does not happen: the English sentence, which is also what a command's fact says, with its code and its French."""

from gcode.texts import Told, told
from scheduler import facts


class Refusal(Told):
    """Such a sentence, apart from what a machine says of an end (`Told`): it becomes the reason of a start that failed."""

    __slots__ = ()


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
ALL_STARTED = Refusal("all-started", "All its jobs were started.", "Toutes ses impressions ont été lancées.")
BEING_FETCHED = Refusal("program-missing", "Its program is being fetched.", "Son programme est en cours de téléchargement.")
NO_CONTACT = Refusal(
    "no-contact", "The farm has not acknowledged us for too long.", "La ferme n'a pas répondu depuis trop longtemps."
)
NOT_ON_BED_ANY_MORE = Refusal("job-gone", "The job is not on the bed any more.", "L'impression n'est plus sur le plateau.")
CANNOT_TELL = Refusal(
    "machine-cannot-tell", "The machine cannot tell what became of it.", "La machine ne sait pas dire ce qu'elle est devenue."
)
NOT_ASKED = Refusal("prompt-gone", "The printer does not ask that any more.", "L'imprimante ne pose plus cette question.")
NO_SUCH_CHOICE = Refusal("no-such-choice", "The question has no such choice.", "La question n'a pas ce choix.")
ANSWER_THERE = Refusal(
    "answer-at-the-printer",
    "This kind of printer is answered at its own screen.",
    "On répond à ce type d'imprimante sur son propre écran.",
)


def refusal_of(text: str, code: str = "refused") -> Refusal:
    """The text as a refusal; one of which nobody knows the French says the same in both."""
    known = told(text, code)
    return known if isinstance(known, Refusal) else Refusal(known.code, str(known), known.fr)


def too_many(has: int, said: int) -> Refusal:
    """More parts were counted than the job has."""
    return Refusal("too-many-parts", f"The job has {has} parts, not {said}.", f"L'impression a {has} pièces, pas {said}.")
