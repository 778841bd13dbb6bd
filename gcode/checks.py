"""Checks a program against classes of printers, in the same single pass that gathers its facts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import BinaryIO, Final

from gcode.facts import GcodeFacts
from gcode.interpreter import PLA_DENSITY_G_CM3, CountingStream, FactsCollector, make_collector
from gcode.machine import Move
from gcode.profile import PrinterProfile
from gcode.reader import Line, read_lines
from gcode.rules import RULE_SET_VERSION, RULES, FileRule, LineRule, MoveRule, Rule, Severity

MAX_HITS: Final = 5
_MAX_TEXT: Final = 80


class Verdict(StrEnum):
    """What may be done with a file on this class of printers."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    TRUSTED_ONLY = "trusted-only"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Hit:
    """One place: line number (from 1), byte offset, the line itself and what is wrong with it. Both texts are untrusted."""

    line: int
    offset: int
    text: str
    detail: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A broken rule: how often, and where at first (at most five places; a rule about the whole file has line 0)."""

    rule: Rule
    count: int
    hits: tuple[Hit, ...]

    @property
    def severity(self) -> Severity:
        """What it means for the file."""
        return self.rule.severity


@dataclass(frozen=True, slots=True)
class CheckReport:
    """The findings in the order of the rule table, for one revision of a profile and one set of rules."""

    profile: str
    rule_set: int
    findings: tuple[Finding, ...]
    profile_revision: str = ""

    @property
    def verdict(self) -> Verdict:
        """The worst finding decides; warnings alone pass."""
        severities = {finding.severity for finding in self.findings}
        if Severity.REJECT in severities:
            return Verdict.REJECT
        return Verdict.TRUSTED_ONLY if Severity.TRUST in severities else Verdict.PASS

    @property
    def printable(self) -> bool:
        """Not rejected. A file that needs trust is printable once somebody answers for it."""
        return self.verdict is not Verdict.REJECT


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a file does, and what is wrong with it on each profile, in the order in which they were asked for."""

    facts: GcodeFacts
    reports: tuple[CheckReport, ...]


@dataclass(slots=True)
class _Tally:
    count: int = 0
    hits: list[Hit] = field(default_factory=list)


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "�" for character in text[:_MAX_TEXT])


@lru_cache(maxsize=512)
def _line_rules(code: str) -> tuple[LineRule, ...]:
    return tuple(rule for rule in RULES if isinstance(rule, LineRule) and rule.codes is not None and code in rule.codes)


_EVERY_LINE: Final = tuple(rule for rule in RULES if isinstance(rule, LineRule) and rule.codes is None)
_EVERY_MOVE: Final = tuple(rule for rule in RULES if isinstance(rule, MoveRule))
_WHOLE_FILE: Final = tuple(rule for rule in RULES if isinstance(rule, FileRule))


class _Judge:
    """Applies every rule and keeps the first hits of each."""

    def __init__(self, profile: PrinterProfile) -> None:
        self._profile = profile
        self._tallies: dict[str, _Tally] = {}

    def line(self, line: Line, moves: Iterable[Move], collector: FactsCollector) -> None:
        for rule in (*_EVERY_LINE, *_line_rules(line.code)):
            self._note(rule.rule, rule.judge(line, self._profile), line)
        for move in moves:
            for move_rule in _EVERY_MOVE:
                self._note(move_rule.rule, move_rule.judge(move, collector.machine, self._profile), line)

    def _note(self, rule: Rule, detail: str | None, line: Line | None) -> None:
        if detail is None:
            return
        tally = self._tallies.setdefault(rule.id, _Tally())
        tally.count += 1
        if len(tally.hits) < MAX_HITS:
            text = "" if line is None else f"{line.code} {line.text}".strip()
            number, offset = (0, 0) if line is None else (line.number, line.offset)
            tally.hits.append(Hit(number, offset, _printable(text), _printable(detail)))

    def report(self, facts: GcodeFacts) -> CheckReport:
        for rule in _WHOLE_FILE:
            self._note(rule.rule, rule.judge(facts, self._profile), None)
        found = (
            Finding(row.rule, tally.count, tuple(tally.hits))
            for row in RULES
            if (tally := self._tallies.get(row.rule.id)) is not None
        )
        return CheckReport(self._profile.id, RULE_SET_VERSION, tuple(found), self._profile.revision)


def inspect(stream: BinaryIO, profiles: Sequence[PrinterProfile], *, density_g_cm3: float = PLA_DENSITY_G_CM3) -> Inspection:
    """Read a program once, for facts and checks. Bounded memory; never raises on content.

    The first of `profiles` (at least one) gives the motion limits where the file names none, and the filament's diameter.
    """
    counting = CountingStream(stream)
    collector = make_collector(stream, profiles[0], density_g_cm3)
    judges = [_Judge(profile) for profile in profiles]
    for line in read_lines(counting):
        moves = collector.feed(line)
        for judge in judges:
            judge.line(line, moves, collector)
    facts = collector.finish(counting.size_bytes)
    return Inspection(facts, tuple(judge.report(facts) for judge in judges))


def check(stream: BinaryIO, profile: PrinterProfile) -> CheckReport:
    """Only the report of `inspect`, for one profile."""
    return inspect(stream, (profile,)).reports[0]
