"""What a finished driver of this repository has: the rules that each `quality.yaml` answers, with `done` or an exemption.

A driver that is a package has its `quality.yaml` inside; one that is a module has `NAME.quality.yaml` beside it. The file is one
mapping, `rules`: each rule is `done`, or `exempt:` with the reason. tests/unit/drivers/test_quality.py checks that every rule is
answered, and sees for itself what a program can see.
"""

from typing import Final

RULES: Final[dict[str, str]] = {
    "conformance": "its bench is in tests/unit/drivers/benches.py, and every check that applies passes",
    "one-url": "its URL is the whole configuration; what is unknown in it is a typed error",
    "lazy-libraries": "its libraries are an extra, and imported by nothing but it when a printer needs it",
    "bilingual-errors": "every error and fault that a person meets is in English and French",
    "typed-errors": "raises nothing but errors of drivers.errors",
    "fault-records": "faults of the machine are data with a stable code, meaning, action and recovery",
    "faults-listed": "docs/drivers/NAME.md lists every fault with what the farm does and the test that shows it",
    "reconnects": "finds a lost machine again by itself",
    "survives-restart": "a print goes on when the agent dies and comes back within seconds",
    "safe-close": "close takes at most 10 s and leaves no machine hot and unwatched",
    "verified-start": "a start is proven by the machine, not by the answer to a command",
    "foreign-prints": "tells prints of others from ours and leaves them alone",
    "prompts": "questions of the machine are shown and answered from afar",
    "console": "a technician can send a line",
    "snapshot": "has a camera's picture where there is a camera",
    "eject": "pushes parts off the bed where the machine can",
    "power": "switches the mains where that is possible",
    "transcript": "keeps the last minutes on the wire for support",
    "no-secrets": "no key or password is in a status, an error or a transcript",
    "bounded": "queues, sizes, retries and waits have limits; bad input of any size keeps memory bounded",
    "unit-tests": "each module has its tests under tests/unit/drivers/NAME",
    "real-machine": "tried against the unmodified real thing in tests/integration, or on hardware",
    "measured": "its speed is measured by ./farm.sh bench beside a peer",
}
DONE: Final = "done"
EXEMPT: Final = "exempt"
