"""What people see of the brokers: an alarm while one of them is away, and a line for /readyz."""

from collections.abc import Sequence
from typing import Final

from farm.bus.many import BrokerState
from farm.daemon.alarms import Alarms

LOST: Final = "broker-lost"
PARTLY: Final = "broker-partly-lost"
_LOST_STEP: Final = "It is started again by itself; nodes go on with what they hold. Look at its log when this lasts."
_ALL_STEP: Final = "Nodes go on with what they hold. Look at the brokers and the network when this lasts."
_PARTLY_STEP: Final = "Nodes use the others, if their list names them. Look at that broker and the network to it."


def show(alarms: Alarms, brokers: Sequence[BrokerState], now_s: float) -> None:
    """Begin and end the alarms that `brokers` call for. One that was not tried yet is no reason."""
    away = [one for one in brokers if one.problem]
    count = sum(one.connected for one in brokers)
    alarms.end(PARTLY)  # and begun anew with what holds now
    if count:
        alarms.end(LOST)
        if away:
            text = f"{count} of {len(brokers)} brokers is connected; not {_listed(away)}."
            alarms.begin(PARTLY, text.replace(" is ", " are ") if count > 1 else text, _PARTLY_STEP, now_s)
    elif away and len(brokers) == 1:
        alarms.begin(LOST, f"The connection to the broker was lost: {_sentence(away[0].problem)}.", _LOST_STEP, now_s)
    elif away:
        alarms.begin(LOST, f"None of {len(brokers)} brokers is connected: {_listed(away)}.", _ALL_STEP, now_s)


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
