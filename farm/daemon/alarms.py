"""What a person of the farm must see. In memory: what matters is found again after a restart, by the same rules."""

from collections import OrderedDict
from typing import Final

from farm.views import AlarmView
from scheduler.facts import Notice

_MAX_NOTICES: Final = 50
_QUIET: Final = frozenset(
    {
        "journal.hole",  # heals by itself: the node repeats
        "fact.set-aside",  # a condition, until somebody has looked (farm.daemon.set_aside)
    }
)

NEXT_STEPS: Final[dict[str, str]] = {
    "journal.skipped": "The node's journal was pruned before it was heard: count the parts at that place by hand.",
    "ledger.old": "Its card was probably written back from an image: look at its beds before it goes on.",
    "collect.refused": "Look at the bed of that printer, and collect again what is on it.",
    "collect.by-word": "Nothing, if the parts are there. Its node begins a new ledger: check its memory card.",
    "allocation.exceeded": "A job was started that the farm had given to somebody else: there may be some parts too many.",
    "revision.recalled": "Set these parts aside: their revision was recalled.",
}


class Alarms:
    """Conditions that hold until they are over, and notices of what happened."""

    def __init__(self) -> None:
        self._conditions: dict[str, AlarmView] = {}
        self._notices: OrderedDict[tuple[str, str], AlarmView] = OrderedDict()

    def begin(self, code: str, text: str, next_step: str, now_s: float) -> bool:
        """A condition holds; tell whether that is new."""
        if code in self._conditions:
            return False
        self._conditions[code] = AlarmView(code=code, text=text, next_step=next_step, since=now_s)
        return True

    def hold(self, code: str, text: str, next_step: str, now_s: float) -> None:
        """A condition holds, and its text may be another than before."""
        self._conditions[code] = AlarmView(code=code, text=text, next_step=next_step, since=now_s)

    def end(self, code: str) -> bool:
        """A condition is over; tell whether it held."""
        return self._conditions.pop(code, None) is not None

    def notice(self, notice: Notice, node_name: str, now_s: float) -> None:
        """Something happened at a node; the newest of a kind stands for all."""
        if notice.code in _QUIET:
            return
        key = (notice.code, notice.node)
        self._notices.pop(key, None)
        text = f"{node_name}: {notice.text}"
        step = NEXT_STEPS.get(notice.code, "Look at the node.")
        self._notices[key] = AlarmView(code=notice.code, text=text, next_step=step, since=now_s)
        while len(self._notices) > _MAX_NOTICES:
            self._notices.popitem(last=False)

    def all(self) -> list[AlarmView]:
        """Conditions first, then the newest notices."""
        return [*self._conditions.values(), *reversed(self._notices.values())]
