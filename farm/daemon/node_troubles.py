"""What keeps a whole node from starting anything, as its printers report it: an alarm for as long as they do."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from farm.bus.messages import PrinterReport
from farm.daemon.alarms import Alarms
from gcode.texts import Bilingual
from scheduler.model import Farm

_SHOWN: Final = 5  # names of nodes in the alarm


@dataclass(frozen=True, slots=True)
class Trouble:
    """One alarm: the codes of reasons (farm.node.core.starts, .quiet) that call for it, and what is said of one node or many."""

    alarm: str
    reasons: frozenset[str]
    of_one: Bilingual
    of_many: Bilingual
    step: Bilingual


_TROUBLES: Final = (
    Trouble(
        "node-disk-full",
        frozenset({"ledger-not-writable", "disk-nearly-full"}),
        Bilingual(
            "its disk is full: it starts nothing until there is room.",
            "son disque est plein : il ne lance rien tant qu'il n'y a pas de place.",
        ),
        Bilingual(
            "their disks are full: they start nothing until there is room.",
            "leurs disques sont pleins : ils ne lancent rien tant qu'il n'y a pas de place.",
        ),
        Bilingual(
            "Free some space on the computer beside its printers. It goes on by itself then; what prints there is not lost.",
            "Libérez de la place sur l'ordinateur à côté de ses imprimantes. Il repart alors tout seul ; ce qui s'y imprime n'est "
            "pas perdu.",
        ),
    ),
    Trouble(
        "node-clock-not-set",
        frozenset({"clock-not-set"}),
        Bilingual(
            "its clock was never set, so it cannot keep its quiet hours and starts nothing.",
            "son horloge n'a jamais été réglée ; il ne peut pas respecter ses heures de silence et ne lance rien.",
        ),
        Bilingual(
            "their clocks were never set, so they cannot keep their quiet hours and start nothing.",
            "leurs horloges n'ont jamais été réglées ; ils ne peuvent pas respecter leurs heures de silence et ne lancent rien.",
        ),
        Bilingual(
            "Give that computer the network, so that it gets the time, or set its clock. It goes on by itself then.",
            "Donnez le réseau à cet ordinateur, pour qu'il reçoive l'heure, ou réglez son horloge. Il repart alors tout seul.",
        ),
    ),
    Trouble(
        "node-limits-unusable",
        frozenset({"limits-unreadable"}),
        Bilingual(
            "its owner's limits.toml cannot be used: it starts nothing until it can.",
            "le limits.toml de son propriétaire est inutilisable : il ne lance rien jusque-là.",
        ),
        Bilingual(
            "their owners' limits.toml cannot be used: they start nothing until they can.",
            "les limits.toml de leurs propriétaires sont inutilisables : ils ne lancent rien jusque-là.",
        ),
        Bilingual(
            "Its printers say what is wrong, and so does `farm node limits` on that computer. Correct the file there: it goes on "
            "by itself then; what prints is not lost.",
            "Ses imprimantes disent ce qui ne va pas, `farm node limits` aussi sur cet ordinateur. Corrigez-y le fichier : il "
            "repart alors tout seul ; ce qui s'y imprime n'est pas perdu.",
        ),
    ),
)
REASONS: Final = frozenset(code for trouble in _TROUBLES for code in trouble.reasons)


class NodeTroubles:
    """Begins and ends these alarms, one for all nodes with the same trouble."""

    def __init__(self, alarms: Alarms) -> None:
        self._alarms = alarms
        self._since_s: dict[str, dict[str, float]] = {trouble.alarm: {} for trouble in _TROUBLES}  # alarm -> node

    def take(self, farm: Farm, node: str, reports: Iterable[PrinterReport], now_s: float) -> None:
        """A node reports these printers; none: it is gone. `now_s` is wall time."""
        codes = {report.reason.code for report in reports if report.reason is not None}
        for trouble in _TROUBLES:
            since_s, tells = self._since_s[trouble.alarm], not codes.isdisjoint(trouble.reasons)
            if tells == (node in since_s):
                continue
            if tells:
                since_s[node] = now_s
            else:
                del since_s[node]
            self._show(trouble, farm)

    def _show(self, trouble: Trouble, farm: Farm) -> None:
        since_s = self._since_s[trouble.alarm]
        if since_s:
            self._alarms.hold(trouble.alarm, _text(trouble, _names(farm, since_s)), trouble.step, min(since_s.values()))
        else:
            self._alarms.end(trouble.alarm)


def _names(farm: Farm, nodes: Iterable[str]) -> list[str]:
    records = {node: farm.node_records.get(node) for node in nodes}
    return sorted(record.name or node if record is not None else node for node, record in records.items())


def _text(trouble: Trouble, names: Sequence[str]) -> Bilingual:
    listed = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
    what = trouble.of_one if len(names) == 1 else trouble.of_many
    return Bilingual(f"{listed}: {what.en}", f"{listed} : {what.fr}")
