"""Quiet hours: a machine in somebody's bedroom starts nothing that would be heard at night. A running print is never stopped.

A job is started only if it ends before quiet time begins, as far as its program's estimate says. Hours are seconds since the local
midnight of the node; on the two nights of a year on which the clocks change, the end of a long job may be one hour off.
"""

from collections.abc import Iterable
from typing import Final

from farm.bus.messages import ReasonNote
from farm.node.core.state import Moment, QuietHours

DAY_S: Final = 86_400.0
# June 2025: no release of this program is older, so a clock that shows an earlier time was never set (a Pi has no battery clock)
CLOCK_IS_SET_S: Final = 1_750_000_000.0
_CLOCK_NOT_SET: Final = ReasonNote(
    code="clock-not-set",
    en="Its quiet hours cannot be kept: the clock of its computer was never set.",
    fr="Ses heures de silence ne peuvent pas être respectées : l'horloge de son ordinateur n'a jamais été réglée.",
)


def _clock(day_s: float) -> str:
    hours, minutes = divmod(int(day_s) // 60, 60)
    return f"{hours:02d}:{minutes:02d}"


def _within(begin_s: float, end_s: float, day_s: float) -> bool:
    return begin_s <= day_s < end_s if begin_s < end_s else day_s >= begin_s or day_s < end_s


def _quiet_until(hours: QuietHours, day_s: float) -> float | None:
    """When the quiet time that it is now ends; None: it is not quiet."""
    ends = [end_s for begin_s, end_s in hours if _within(begin_s, end_s, day_s)]
    return max(ends, key=lambda end_s: (end_s - day_s) % DAY_S) if ends else None


def why_quiet(hours: QuietHours, takes_s: float, moment: Moment) -> ReasonNote | None:
    """Return why a job of `takes_s` seconds (0: any at all) is not started now on a printer with these quiet hours, or None."""
    if not hours:
        return None
    if moment.wall_s < CLOCK_IS_SET_S:
        return _CLOCK_NOT_SET
    now_s = moment.local_day_s
    until_s = _quiet_until(hours, now_s)
    if until_s is not None:
        until = _clock(until_s)
        return ReasonNote(code="quiet-hours", en=f"It is quiet time until {until}.", fr=f"Heures de silence jusqu'à {until}.")
    begins_s = min((begin_s for begin_s, _ in hours), key=lambda begin_s: (begin_s - now_s) % DAY_S)
    if takes_s <= (begins_s - now_s) % DAY_S:
        return None
    begins = _clock(begins_s)
    return ReasonNote(
        code="quiet-hours",
        en=f"The next job would not end before quiet time begins at {begins}.",
        fr=f"La prochaine impression ne finirait pas avant les heures de silence, à {begins}.",
    )


def why_all_quiet(hours: QuietHours, durations_s: Iterable[float], moment: Moment) -> ReasonNote | None:
    """Return why none of the jobs that wait may start, for the quiet hours alone; without any that wait, why none could."""
    reasons = [why_quiet(hours, takes_s, moment) for takes_s in durations_s] if hours else []
    if not reasons:
        return why_quiet(hours, 0.0, moment)
    return reasons[0] if all(reason is not None for reason in reasons) else None
