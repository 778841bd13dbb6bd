"""The one form in which every bench answers: JSON lines, medians of interleaved runs, ratios within one run.

`ratio` says how many times better ours is than the peer's, whatever the unit; it is null where there is no peer.
"""

import json
import sys
from collections.abc import Sequence
from statistics import median


def report(
    bench: str, case: str, unit: str, ours: Sequence[float], *, peer: str | None = None, theirs: Sequence[float] = ()
) -> None:
    """Print one line. Units in which more is better end in "/s" and are not bytes."""
    mine = median(ours)
    other = median(theirs) if theirs else None
    more_is_better = unit.endswith("/s") and not unit.startswith(("B", "kB", "MB"))
    ratio = None
    if other is not None and mine and other:
        ratio = round(mine / other if more_is_better else other / mine, 2)
    line = {
        "bench": bench,
        "case": case,
        "unit": unit,
        "ours": round(mine, 3),
        "peer": peer,
        "theirs": None if other is None else round(other, 3),
        "ratio": ratio,
    }
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
