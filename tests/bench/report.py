"""The one form in which every bench answers: medians of interleaved runs, ratios within one run, as a table or as JSON lines.

`ratio` says how many times better ours is than the peer's, whatever the unit; it is null where there is no peer.
"""

import json
import sys
from collections.abc import Sequence
from statistics import median
from typing import Any, Final

_HEADS: Final = f"{'ours':>12} {'unit':<10} {'peer':>12} {'ratio':>7}  case"


class Form:
    """How the lines are written. In a table the case comes last: it is long, and the numbers stand below each other."""

    def __init__(self) -> None:
        self.as_json = True
        self._bench = ""

    def write(self, line: dict[str, Any]) -> None:
        """Print one line, and before the first of a bench the heads of the table."""
        if self.as_json:
            text = json.dumps(line)
        else:
            text = _row(line) if line["bench"] == self._bench else f"{line['bench']}\n{_HEADS}\n{_row(line)}"
            self._bench = line["bench"]
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


FORM: Final = Form()


def _row(line: dict[str, Any]) -> str:
    peer = f" (peer: {line['peer']})" if line["peer"] is not None else ""
    numbers = f"{_number(line['ours']):>12} {line['unit']:<10} {_number(line['theirs']):>12} {_number(line['ratio']):>7}"
    return f"{numbers}  {line['case']}{peer}"


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:,.3f}".rstrip("0").rstrip(".")


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
    FORM.write(
        {
            "bench": bench,
            "case": case,
            "unit": unit,
            "ours": round(mine, 3),
            "peer": peer,
            "theirs": None if other is None else round(other, 3),
            "ratio": ratio,
        }
    )
