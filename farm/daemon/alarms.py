"""What a person of the farm must see. In memory: what matters is found again after a restart, by the same rules."""

from collections import OrderedDict
from typing import Final

from farm.daemon.sayings import Saying, alarm_view
from farm.errors import FarmError, StoreFullError
from farm.views import AlarmView
from scheduler.facts import Notice

_MAX_NOTICES: Final = 50
QUIET: Final = frozenset(
    {
        "journal.hole",  # heals by itself: the node repeats
        "fact.set-aside",  # a condition, until somebody has looked (farm.daemon.set_aside)
    }
)

NEXT_STEPS: Final[dict[str, Saying]] = {
    "journal.skipped": Saying(
        "The node's journal was pruned before it was heard: count the parts at that place by hand.",
        "Le journal du nœud a été élagué avant d'être entendu : comptez à la main les pièces à cet endroit.",
    ),
    "ledger.old": Saying(
        "Look at its beds before it goes on; its jobs since are told anew.",
        "Regardez ses plateaux avant qu'il continue ; ses travaux depuis sont racontés de nouveau.",
    ),
    "collect.refused": Saying(
        "Look at the bed of that printer, and collect again what is on it.",
        "Regardez le plateau de cette imprimante, et collectez de nouveau ce qui s'y trouve.",
    ),
    "collect.by-word": Saying(
        "Nothing, if the parts are there. Its node begins a new ledger: check its memory card.",
        "Rien, si les pièces sont là. Son nœud commence un nouveau registre : vérifiez sa carte mémoire.",
    ),
    "allocation.exceeded": Saying(
        "A job was started that the farm had given to somebody else: there may be some parts too many.",
        "Un travail a été lancé que la ferme avait donné à quelqu'un d'autre : il y aura peut-être quelques pièces de trop.",
    ),
    "revision.recalled": Saying(
        "Set these parts aside: their revision was recalled.", "Mettez ces pièces de côté : leur révision a été rappelée."
    ),
}
_OTHER_STEP: Final = Saying("Look at the node.", "Regardez le nœud.")


def store_trouble(error: FarmError) -> tuple[Saying, Saying]:
    """What is wrong with the store, and what to do."""
    if isinstance(error, StoreFullError):
        text = "Le disque de la ferme est plein : rien n'est écrit, ni ce que disent les nœuds."
        step = "Faites de la place. La ferme repart alors toute seule ; d'ici là, les nœuds gardent leurs faits."
    else:
        text = f"La base de la ferme ne peut pas être écrite : {error.detail}"
        step = "Vérifiez le disque (`dmesg`) et que cet utilisateur peut y écrire. La ferme repart toute seule quand il remarche."
    return Saying(error.detail, text), Saying(error.next_step, step)


class Alarms:
    """Conditions that hold until they are over, and notices of what happened."""

    def __init__(self) -> None:
        self._conditions: dict[str, AlarmView] = {}
        self._notices: OrderedDict[tuple[str, str], AlarmView] = OrderedDict()

    def begin(self, code: str, text: Saying, next_step: Saying, now_s: float) -> bool:
        """A condition holds; tell whether that is new."""
        return self.add(alarm_view(code, text, next_step, now_s))

    def add(self, alarm: AlarmView) -> bool:
        """A condition holds; tell whether that is new."""
        if alarm.code in self._conditions:
            return False
        self._conditions[alarm.code] = alarm
        return True

    def hold(self, code: str, text: Saying, next_step: Saying, now_s: float) -> None:
        """A condition holds, and its text may be another than before."""
        self._conditions[code] = alarm_view(code, text, next_step, now_s)

    def end(self, code: str) -> bool:
        """A condition is over; tell whether it held."""
        return self._conditions.pop(code, None) is not None

    def notice(self, notice: Notice, node_name: str, now_s: float) -> None:
        """Something happened at a node; the newest of a kind stands for all."""
        if notice.code in QUIET:
            return
        key = (notice.code, notice.node)
        self._notices.pop(key, None)
        text = Saying(f"{node_name}: {notice.text}", f"{node_name} : {notice.fr or notice.text}")
        self._notices[key] = alarm_view(notice.code, text, NEXT_STEPS.get(notice.code, _OTHER_STEP), now_s)
        while len(self._notices) > _MAX_NOTICES:
            self._notices.popitem(last=False)

    def all(self) -> list[AlarmView]:
        """Conditions first, then the newest notices."""
        return [*self._conditions.values(), *reversed(self._notices.values())]
