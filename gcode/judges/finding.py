"""What a judge answers: nothing, or what is wrong in numbers and units, which read the same in every language."""

from typing import NamedTuple

MAX_TEXT = 80


class Wrong(NamedTuple):
    """What is wrong at one place. `value` and `limit` have the unit that `text` names; None where there is no figure."""

    text: str
    value: float | None = None
    limit: float | None = None


def above(value: float, limit: float, unit: str = "") -> Wrong:
    """A figure above what is allowed."""
    return Wrong(f"{value:g} > {limit:g} {unit}".rstrip(), value, limit)


def below(value: float, limit: float, unit: str = "") -> Wrong:
    """A figure below what is allowed."""
    return Wrong(f"{value:g} < {limit:g} {unit}".rstrip(), value, limit)


def unlike(found: str, wanted: str) -> Wrong:
    """One name where another was expected. The first is untrusted text."""
    return Wrong(f"{found[:40]} ≠ {wanted[:40]}")


def outside(value: float, least: float, most: float, unit: str = "") -> Wrong | None:
    """A figure that leaves a range, or nothing when it lies within."""
    if value < least:
        return below(value, least, unit)
    return above(value, most, unit) if value > most else None
