"""The rules that a program must keep on a class of printers: an ordered table, each with reason and remedy in two languages.

A flat list of forbidden commands is wrong: of 25 genuine files 8 set motor currents (M907) and 3 say `M302 S160`. So what breaks a
machine or changes it for good is rejected, what only somebody who knows the machine may do needs trust, the rest is a warning. What
no list of the firmware's flavour knows needs trust too. docs/gcode-rules.md shows every rule with an example.

    kinds.py      what a rule is              defects.py    unreadable lines, comments
    forbidden.py  never                       bounds.py     parameters against the profile
    trusted.py    with somebody's word        moves.py, files.py
"""

from enum import StrEnum
from functools import cache
from typing import Final

from gcode.judges import lines
from gcode.judges.flavours import ALL_FLAVOURS, ALLOWED, ANY_TOOL
from gcode.rules.bounds import BOUNDS, ODD_PARAMETERS
from gcode.rules.defects import COMMENTS, DEFECTS, OWNERS, UNCLEAR
from gcode.rules.files import (
    BROKEN_FILES,
    DOUBTFUL_FILES,
    FOREIGN_FILES,
    IDLE_FILES,
    OWNERS_FILES,
    UNFIT_FILES,
    WRONG_FILES,
)
from gcode.rules.forbidden import FORBIDDEN
from gcode.rules.kinds import (
    AnyRule,
    CommentRule,
    CourseRule,
    DefectRule,
    FileRule,
    LineRule,
    MoveRule,
    Rule,
    Severity,
    TextRule,
    trust,
)
from gcode.rules.moves import DOUBTFUL_MOVES, MOVES, UNSURE_MOVES
from gcode.rules.trusted import NEEDS_TRUST, WAITS

__all__ = [
    "RULES",
    "RULE_SET_VERSION",
    "AnyRule",
    "CommentRule",
    "CourseRule",
    "DefectRule",
    "FileRule",
    "LineRule",
    "MoveRule",
    "Rule",
    "Severity",
    "TextRule",
    "Treatment",
    "is_cut",
    "is_known",
    "listed_as",
    "treatment",
]

# Raise it with every change of a rule, a list or a judge: kept verdicts are void then. A test compares the table with its number.
RULE_SET_VERSION: Final = 9

_UNKNOWN: Final[tuple[AnyRule, ...]] = (
    LineRule(
        trust(
            "unknown-command",
            "This command is not among those that prints on this kind of firmware need.",
            "Cette commande n'est pas de celles dont une impression a besoin avec ce type de micrologiciel.",
        ),
        None,
        lines.present,
    ),
)

RULES: Final[tuple[AnyRule, ...]] = (
    *WRONG_FILES,
    *DEFECTS,
    *FORBIDDEN,
    *BOUNDS,
    *MOVES,
    *UNFIT_FILES,
    *BROKEN_FILES,
    *OWNERS,
    *OWNERS_FILES,
    *UNCLEAR,
    *_UNKNOWN,
    *NEEDS_TRUST,
    *WAITS,
    *UNSURE_MOVES,
    *FOREIGN_FILES,
    *IDLE_FILES,
    *DOUBTFUL_MOVES,
    *ODD_PARAMETERS,
    *COMMENTS,
    *DOUBTFUL_FILES,
)

_JUDGED: Final = {
    flavour: frozenset[str]().union(
        *(row.commands[flavour] for row in RULES if isinstance(row, LineRule | CourseRule) and row.commands is not None)
    )
    for flavour in ALL_FLAVOURS
}


class Treatment(StrEnum):
    """What becomes of a command on a flavour of firmware, before a profile allows more."""

    ALLOWED = "allowed"
    BOUNDED = "bounded"  # its parameters decide
    TRUST = "trust"
    REJECT = "reject"


def listed_as(code: str) -> str:
    """How a list names a command: every T0, T1... is ANY_TOOL."""
    return ANY_TOOL if code[:1] == ANY_TOOL and code[1:].lstrip("-").isdigit() else code


def is_known(flavour: str, code: str) -> bool:
    """Whether a list of the flavour has the command, or a rule judges it there."""
    name = listed_as(code)
    return name in ALLOWED[flavour] or name in _JUDGED[flavour]


def is_cut(flavour: str, code: str) -> bool:
    """Whether a command that no list has is the beginning of one that a list has: what is left of it where a file was cut off."""
    return code in _beginnings(flavour)


@cache
def _beginnings(flavour: str) -> frozenset[str]:
    return frozenset(name[:length] for name in ALLOWED[flavour] | _JUDGED[flavour] for length in range(1, len(name)))


def treatment(flavour: str, code: str) -> Treatment:
    """What the rules make of a command on a flavour of firmware."""
    if not is_known(flavour, code):
        return Treatment.TRUST
    name = listed_as(code)
    asked = [row for row in RULES if isinstance(row, LineRule) and row.commands is not None and name in row.commands[flavour]]
    always = {row.rule.severity for row in asked if row.judge in {lines.present, lines.with_parameters}}
    if Severity.REJECT in always:
        return Treatment.REJECT
    if Severity.TRUST in always:
        return Treatment.TRUST
    return Treatment.BOUNDED if asked else Treatment.ALLOWED
