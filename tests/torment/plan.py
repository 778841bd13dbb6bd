"""What is done to the farm and when: the same seed makes the same plan. What comes of it depends on the machine's timing."""

import random
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

ROUND_S: Final = 8.0  # real time between the beginnings of two rounds; faults reach over it
PROCESSES: Final = ("daemon", "workshop", "home")
_ANY: Final = (
    "daemon",
    "workshop",
    "workshop",
    "home",
    "home",
)  # a daemon takes seconds to start: more often, and little is printed
PRINTERS: Final = 5


class Kind(StrEnum):
    """What may be done to a farm."""

    KILL = "kill"  # -9
    KILL_PAIR = "kill-pair"  # two at once, started again in any order
    KILL_AT_COMMIT = "kill-at-commit"  # as soon as its database was written
    KILL_BROKER = "kill-broker"  # it keeps nothing on disk: whatever it retained is gone
    END = "end"  # in good order
    SLEEP = "sleep"  # SIGSTOP, later SIGCONT: a laptop that slept
    SLEEP_BROKER = "sleep-broker"
    CUT = "cut"  # the cable of the node at home
    CUT_UP = "cut-up"  # nothing of it reaches the daemon
    CUT_DOWN = "cut-down"  # nothing reaches it
    FILL = "fill"  # its disk
    UNPLUG = "unplug"  # a printer's cable
    RESET = "reset"  # somebody presses the button of a printer
    CANCEL = "cancel"  # somebody cancels a running job on the page
    PAUSE = "pause"
    ORDER = "order"
    REDUCE = "reduce"
    CANCEL_ORDER = "cancel-order"
    NIGHT = "night"  # nobody takes anything off the beds
    STALE_CLICKS = "stale-clicks"  # on jobs that were collected long ago


# kind -> (weight, targets, shortest and longest real time until it is over)
_PLANS: Final[dict[Kind, tuple[int, tuple[str, ...], tuple[float, float]]]] = {
    Kind.KILL: (6, _ANY, (0.0, 6.0)),
    Kind.KILL_PAIR: (2, ("daemon+workshop", "daemon+home", "workshop+home"), (0.0, 5.0)),
    Kind.KILL_AT_COMMIT: (5, _ANY, (0.0, 3.0)),
    Kind.KILL_BROKER: (3, ("broker",), (0.0, 0.0)),
    Kind.END: (2, _ANY, (0.0, 4.0)),
    Kind.SLEEP: (4, PROCESSES, (0.5, 9.0)),
    Kind.SLEEP_BROKER: (1, ("broker",), (0.5, 6.0)),
    Kind.CUT: (3, ("home",), (1.0, 40.0)),  # long enough for the lease of the node to end
    Kind.CUT_UP: (2, ("home",), (1.0, 10.0)),
    Kind.CUT_DOWN: (2, ("home",), (1.0, 10.0)),
    Kind.FILL: (3, PROCESSES, (0.5, 8.0)),
    Kind.UNPLUG: (2, tuple(str(number) for number in range(1, PRINTERS + 1)), (0.2, 4.0)),
    Kind.RESET: (2, tuple(str(number) for number in range(1, PRINTERS + 1)), (0.0, 0.0)),
    Kind.CANCEL: (2, ("any",), (0.0, 0.0)),
    Kind.PAUSE: (1, ("any",), (0.5, 3.0)),
    Kind.REDUCE: (1, ("any",), (0.0, 0.0)),
    Kind.CANCEL_ORDER: (1, ("any",), (0.0, 0.0)),
    Kind.NIGHT: (2, ("hands",), (2.0, 40.0)),  # half an hour of farm time in 30 s: what lies there is written off
    Kind.STALE_CLICKS: (2, ("any",), (0.0, 0.0)),
}
_FAULTS_A_ROUND: Final = (2, 5)
_PARTS_AN_ORDER: Final = (4, 15)


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that is done, `at_s` after the beginning of the round and `for_s` long (real seconds); `pick` settles a choice."""

    kind: Kind
    target: str
    at_s: float
    for_s: float = 0.0
    pick: int = 0

    def __str__(self) -> str:
        over = f" for {self.for_s:.1f} s" if self.for_s else ""
        return f"{self.at_s:.1f} s {self.kind} {self.target}{over}"


def plan(seed: int, rounds: int) -> list[list[Act]]:
    """The acts of each round, in order. The first rounds of a longer plan are those of a shorter one."""
    return [_round(random.Random(f"torment {seed} {number}")) for number in range(1, rounds + 1)]


def _round(chance: random.Random) -> list[Act]:
    acts = [
        Act(Kind.ORDER, chance.choice(("square", "square", "plate")), chance.uniform(0, 2), pick=chance.randint(*_PARTS_AN_ORDER))
    ]
    kinds, weights = list(_PLANS), [weight for weight, _, _ in _PLANS.values()]
    for kind in chance.choices(kinds, weights, k=chance.randint(*_FAULTS_A_ROUND)):
        _, targets, (shortest_s, longest_s) = _PLANS[kind]
        at_s, for_s = chance.uniform(0, ROUND_S), chance.uniform(shortest_s, longest_s)
        acts.append(Act(kind, chance.choice(targets), round(at_s, 2), round(for_s, 2), chance.randrange(1_000)))
    return sorted(acts, key=lambda act: act.at_s)
