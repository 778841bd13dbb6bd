"""A program that the node of a printer does not print on it, although the farm would."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refused:
    """Which program, and why: a code, and a sentence in English and in French.

    With `needs` it is printed once somebody answers for these rules. `rule_set`: by which the node judged it; 0: nobody knows.
    """

    program: str
    code: str
    en: str
    fr: str
    needs: frozenset[str] = frozenset()
    rule_set: int = 0
