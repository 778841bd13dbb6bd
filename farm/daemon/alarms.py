"""What a person of the farm must see. In memory: what matters is found again after a restart, by the same rules."""

from collections import OrderedDict
from typing import Final

from farm.daemon.sayings import alarm_view
from farm.errors import FarmError
from farm.views import AlarmView
from gcode.texts import Bilingual
from scheduler.facts import Notice

_MAX_NOTICES: Final = 50
QUIET: Final = frozenset(
    {
        "journal.hole",  # heals by itself: the node repeats
        "fact.set-aside",  # a condition, until somebody has looked (farm.daemon.set_aside)
    }
)

NEXT_STEPS: Final[dict[str, Bilingual]] = {
    "journal.skipped": Bilingual(
        "The node's journal was pruned before it was heard: count the parts at that place by hand.",
        "Le journal du nœud a été élagué avant d'être entendu : comptez à la main les pièces à cet endroit.",
    ),
    "ledger.old": Bilingual(
        "Look at its beds before it goes on; its jobs since are told anew.",
        "Regardez ses plateaux avant qu'il continue ; ses impressions depuis sont racontées de nouveau.",
    ),
    "collect.refused": Bilingual(
        "Look at the bed of that printer, and collect again what is on it.",
        "Regardez le plateau de cette imprimante, et collectez de nouveau ce qui s'y trouve.",
    ),
    "collect.by-word": Bilingual(
        "Nothing, if the parts are there. Its node begins a new ledger: check its memory card.",
        "Rien, si les pièces sont là. Son nœud commence un nouveau registre : vérifiez sa carte mémoire.",
    ),
    "allocation.exceeded": Bilingual(
        "A job was started that the farm had given to somebody else: there may be some parts too many.",
        "Une impression a été lancée que la ferme avait donnée à quelqu'un d'autre : il y aura peut-être quelques pièces de trop.",
    ),
    "revision.recalled": Bilingual(
        "Set these parts aside: their revision was recalled.", "Mettez ces pièces de côté : leur révision a été rappelée."
    ),
}
_OTHER_STEP: Final = Bilingual("Look at the node.", "Regardez le nœud.")


def store_trouble(error: FarmError) -> tuple[Bilingual, Bilingual]:
    """What is wrong with the store, and what to do."""
    return Bilingual(error.detail, error.detail_fr), Bilingual(error.next_step, error.next_step_fr)


class Alarms:
    """Conditions that hold until they are over, and notices of what happened."""

    def __init__(self) -> None:
        self._conditions: dict[str, AlarmView] = {}
        self._notices: OrderedDict[tuple[str, str], AlarmView] = OrderedDict()

    def begin(self, code: str, text: Bilingual, next_step: Bilingual, now_s: float) -> bool:
        """A condition holds; tell whether that is new."""
        return self.add(alarm_view(code, text, next_step, now_s))

    def add(self, alarm: AlarmView) -> bool:
        """A condition holds; tell whether that is new."""
        if alarm.code in self._conditions:
            return False
        self._conditions[alarm.code] = alarm
        return True

    def hold(self, code: str, text: Bilingual, next_step: Bilingual, now_s: float) -> None:
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
        text = Bilingual(f"{node_name}: {notice.text}", f"{node_name} : {notice.fr or notice.text}")
        self._notices[key] = alarm_view(notice.code, text, NEXT_STEPS.get(notice.code, _OTHER_STEP), now_s)
        while len(self._notices) > _MAX_NOTICES:
            self._notices.popitem(last=False)

    def all(self) -> list[AlarmView]:
        """Conditions first, then the newest notices."""
        return [*self._conditions.values(), *reversed(self._notices.values())]
