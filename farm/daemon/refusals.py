"""What nodes refuse to print: as their reports tell it, and as it is kept beyond what one report has room for.

A report names at most 16 programs of a printer, those that are allocated to it first. What it once named stands for as long as it
rests on the same (`farm.bus.messages.PrinterReport.checks`): a program that is not named any more is not allocated again, only to
be refused again. In memory: after a start the reports tell it anew.
"""

from collections.abc import Collection, Iterator
from dataclasses import replace
from itertools import chain, islice
from typing import Final

from farm.bus.messages import PrinterReport, ProgramRefusal
from gcode.rules import RULE_SET_VERSION
from scheduler.model import PrinterNow
from scheduler.refused import Refused

MAX_KEPT: Final = 1_024  # of a printer; the oldest is forgotten first, and tried again
_WITH_WORDS: Final = 64  # of those; the others need some dozens of bytes
_EN: Final = "Its node does not print this program: the node's own page says why."
_FR: Final = "Son nœud n'imprime pas ce programme : la page du nœud dit pourquoi."


def refused_by(report: PrinterReport) -> tuple[Refused, ...]:
    """What a report says of a printer's refusals."""
    return tuple(_refused(one) for one in report.refusals)


def _refused(told: ProgramRefusal) -> Refused:
    en, fr = told.reason.en or _EN, told.reason.fr or _FR
    if told.rule_set and told.rule_set != RULE_SET_VERSION:
        older, older_fr = ("this node", "ce nœud") if told.rule_set < RULE_SET_VERSION else ("the farm", "la ferme")
        en += f" It judges by rules {told.rule_set}, the farm by {RULE_SET_VERSION}: update Essaim on {older}."
        fr += f" Il juge selon les règles {told.rule_set}, la ferme selon {RULE_SET_VERSION} : mettez Essaim à jour sur {older_fr}."
    return Refused(told.program, told.reason.code, en, fr, needs=frozenset(told.needs), rule_set=told.rule_set)


def with_earlier(now: PrinterNow, before: PrinterNow | None, programs: Collection[str]) -> PrinterNow:
    """The printer with what its node refused before and has not room to repeat. `programs`: those that the farm has."""
    if before is None or not now.checks or (before.node, before.checks) != (now.node, now.checks):
        return now
    named = {one.program for one in now.refused}
    earlier = (one for one in before.refused if one.program not in named and one.program in programs)
    kept = tuple(islice(chain(_worded(now, before), earlier), MAX_KEPT))
    worded, rest = kept[:_WITH_WORDS], kept[_WITH_WORDS:]
    return replace(now, refused=(*worded, *(_brief(one) for one in rest)))


def _worded(now: PrinterNow, before: PrinterNow) -> Iterator[Refused]:
    """What is told now; in the words of before where a crowded report has none."""
    words = {one.program: one for one in before.refused if one.en != _EN}
    for one in now.refused:
        said = words.get(one.program)
        yield one if said is None or one.en != _EN else replace(one, en=said.en, fr=said.fr)


def _brief(one: Refused) -> Refused:
    return one if one.en == _EN else replace(one, en=_EN, fr=_FR)
