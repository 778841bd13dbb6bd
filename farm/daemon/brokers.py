"""What people see of the brokers: an alarm while one of them is away, and a line for /readyz."""

from collections.abc import Sequence
from typing import Final

from farm.bus.many import BrokerState
from farm.daemon.alarms import Alarms
from farm.daemon.sayings import Saying

LOST: Final = "broker-lost"
PARTLY: Final = "broker-partly-lost"
_LOST_STEP: Final = Saying(
    "It is started again by itself; nodes go on with what they hold. Look at its log when this lasts.",
    "Il est relancé tout seul ; les nœuds continuent avec ce qu'ils ont. Regardez son journal si cela dure.",
)
_ALL_STEP: Final = Saying(
    "Nodes go on with what they hold. Look at the brokers and the network when this lasts.",
    "Les nœuds continuent avec ce qu'ils ont. Regardez les courtiers et le réseau si cela dure.",
)
_PARTLY_STEP: Final = Saying(
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
        lost = Saying(f"The connection to the broker was lost: {problem}.", f"La connexion au courtier est perdue : {problem}.")
        alarms.begin(LOST, lost, _LOST_STEP, now_s)
    elif away:
        listed = _listed(away)
        none = Saying(
            f"None of {len(brokers)} brokers is connected: {listed}.",
            f"Aucun des {len(brokers)} courtiers n'est connecté : {listed}.",
        )
        alarms.begin(LOST, none, _ALL_STEP, now_s)


def _partly(count: int, total: int, away: str) -> Saying:
    if count == 1:
        return Saying(f"1 of {total} brokers is connected; not {away}.", f"1 courtier sur {total} est connecté ; il manque {away}.")
    return Saying(
        f"{count} of {total} brokers are connected; not {away}.",
        f"{count} courtiers sur {total} sont connectés ; il manque {away}.",
    )


def check(brokers: Sequence[BrokerState]) -> str:
    """`ok` when all are connected, `ok, 1 of 2 connected` when the farm works with some, else what is wrong."""
    count = sum(one.connected for one in brokers)
    if not count:
        return "not connected"
    return "ok" if count == len(brokers) else f"ok, {count} of {len(brokers)} connected"


def _listed(away: Sequence[BrokerState]) -> str:
    return "; ".join(f"{one.broker} ({_sentence(one.problem)})" for one in away)


def _sentence(problem: str) -> str:
    return problem.rstrip(".")
