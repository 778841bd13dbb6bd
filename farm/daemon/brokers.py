"""What people see of the brokers: an alarm while one of them is away, and a line for /readyz."""

from collections.abc import Sequence
from typing import Final

from farm.bus.many import BrokerState
from farm.daemon.alarms import Alarms
from gcode.texts import Bilingual, Told, both

LOST: Final = "broker-lost"
PARTLY: Final = "broker-partly-lost"
_LOST_STEP: Final = Bilingual(
    "It is started again by itself; nodes go on with what they hold. Look at its log when this lasts.",
    "Il est relancé tout seul ; les nœuds continuent avec ce qu'ils ont. Regardez son journal si cela dure.",
)
_ALL_STEP: Final = Bilingual(
    "Nodes go on with what they hold. Look at the brokers and the network when this lasts.",
    "Les nœuds continuent avec ce qu'ils ont. Regardez les courtiers et le réseau si cela dure.",
)
_PARTLY_STEP: Final = Bilingual(
    "Nodes use the others, if their list names them. Look at that broker and the network to it.",
    "Les nœuds se servent des autres, si leur liste les nomme. Regardez ce courtier et le réseau qui y mène.",
)


def show(alarms: Alarms, brokers: Sequence[BrokerState], now_s: float) -> None:
    """Begin and end the alarms that `brokers` call for. One that was not tried yet is no reason."""
    away = [one for one in brokers if one.problem]
    count = sum(one.connected for one in brokers)
    alarms.end(PARTLY)  # and begun anew with what holds now
    if count:
        alarms.end(LOST)
        if away:
            alarms.begin(PARTLY, _partly(count, len(brokers), _listed(away)), _PARTLY_STEP, now_s)
    elif away and len(brokers) == 1:
        problem = _sentence(away[0].problem)
        lost = Bilingual(
            f"The connection to the broker was lost: {problem.en}.", f"La connexion au courtier est perdue : {problem.fr}."
        )
        alarms.begin(LOST, lost, _LOST_STEP, now_s)
    elif away:
        listed = _listed(away)
        none = Bilingual(
            f"None of {len(brokers)} brokers is connected: {listed.en}.",
            f"Aucun des {len(brokers)} courtiers n'est connecté : {listed.fr}.",
        )
        alarms.begin(LOST, none, _ALL_STEP, now_s)


def _partly(count: int, total: int, away: Bilingual) -> Bilingual:
    if count == 1:
        return Bilingual(
            f"1 of {total} brokers is connected; not {away.en}.", f"1 courtier sur {total} est connecté ; il manque {away.fr}."
        )
    return Bilingual(
        f"{count} of {total} brokers are connected; not {away.en}.",
        f"{count} courtiers sur {total} sont connectés ; il manque {away.fr}.",
    )


def check(brokers: Sequence[BrokerState]) -> Told:
    """`ok` when all are connected, `ok, 1 of 2 connected` when the farm works with some, else what is wrong."""
    count = sum(one.connected for one in brokers)
    if not count:
        return Told("broker", "not connected", "non connecté")
    total = len(brokers)
    if count == total:
        return Told("broker", "ok", "ok")
    connected_fr = "connecté" if count == 1 else "connectés"
    return Told("broker", f"ok, {count} of {total} connected", f"ok, {count} sur {total} {connected_fr}")


def _listed(away: Sequence[BrokerState]) -> Bilingual:
    told = [(one.broker, _sentence(one.problem)) for one in away]
    return Bilingual(
        "; ".join(f"{broker} ({problem.en})" for broker, problem in told),
        " ; ".join(f"{broker} ({problem.fr})" for broker, problem in told),
    )


def _sentence(problem: str) -> Bilingual:
    en, fr = both(problem)
    return Bilingual(en.rstrip("."), fr.rstrip("."))
