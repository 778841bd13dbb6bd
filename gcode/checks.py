"""Checks a program against classes of printers, in the same single pass that gathers its facts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import BinaryIO, Final

from gcode.facts import GcodeFacts
from gcode.interpreter import PLA_DENSITY_G_CM3, CountingStream, make_collector
from gcode.judges.finding import Wrong
from gcode.judges.flavours import KLIPPER, REPRAP
from gcode.judges.situation import TELLING_CODES, Heaters, Situation
from gcode.judges.words import whole
from gcode.machine import Move
from gcode.profile import PrinterProfile
from gcode.reader import MOVES, Line, read_lines
from gcode.rules import (
    RULE_SET_VERSION,
    RULES,
    CommentRule,
    CourseRule,
    DefectRule,
    FileRule,
    LineRule,
    MoveRule,
    Rule,
    Severity,
    TextRule,
    is_cut,
    is_known,
    listed_as,
)
from gcode.texts import printable

MAX_HITS: Final = 5
_MAX_TEXT: Final = 80
_MAX_KEPT: Final = 4096  # answers about lines that occur again and again (M204 S800)


class Verdict(StrEnum):
    """What may be done with a file on this class of printers."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    TRUSTED_ONLY = "trusted-only"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Hit:
    """One place: line number (from 1), byte offset, the line itself and what is wrong with it. Both texts are untrusted.

    `detail` is numbers, units and words of the file, the same in every language; `value` and `limit` are its figures, where there
    are any.
    """

    line: int
    offset: int
    text: str
    detail: str
    value: float | None = None
    limit: float | None = None


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


def hit_of(wrong: Wrong, line: Line | None) -> Hit:
    """A place, ready for people; None: the whole file."""
    detail = printable(wrong.text, _MAX_TEXT, "�")
    if line is None:
        return Hit(0, 0, "", detail, wrong.value, wrong.limit)
    return Hit(line.number, line.offset, printable(whole(line), _MAX_TEXT, "�"), detail, wrong.value, wrong.limit)


_Found = tuple[tuple[Rule, Wrong], ...]
_LINE_RULES: Final = tuple(row for row in RULES if isinstance(row, LineRule))
_COURSE_RULES: Final = tuple(row for row in RULES if isinstance(row, CourseRule))
_DEFECT_RULES: Final = tuple(row for row in RULES if isinstance(row, DefectRule))
_TEXT_RULES: Final = tuple(row for row in RULES if isinstance(row, TextRule))
_SPELLING_RULES: Final = tuple(row for row in _TEXT_RULES if row.of_moves)
_COMMENT_RULES: Final = tuple(row for row in RULES if isinstance(row, CommentRule))
_FILE_RULES: Final = tuple(row for row in RULES if isinstance(row, FileRule))
MOVE_RULES: Final = tuple(row for row in RULES if isinstance(row, MoveRule))


def is_clean(comment: str) -> bool:
    """Whether no rule says anything of a comment."""
    return all(row.judge(comment) is None for row in _COMMENT_RULES)


class Judge:
    """Applies every rule for one profile and keeps the first hits of each.

    Two engines feed it, in the order of the file: `line` with every line that is no plain move (`G0` to `G3` with no defect),
    after the machine has obeyed it; `comment` with what stands behind a plain move, and `misspelt` with what is wrong with the
    words of one that is tight (`beside` asks all judges for both); and either `moves`, or `add` with what they found themselves.

    Args:
        profile: the class of printers.
        heaters: the machine that obeys the lines.

    """

    def __init__(self, profile: PrinterProfile, heaters: Heaters) -> None:
        self.profile = profile
        self._allowed = profile.allowed_codes.union(line.split()[0] for line in profile.allowed_lines if line.strip())
        self.situation = Situation.of(heaters, profile, self._may_be_macro)
        self._tallies: dict[str, _Tally] = {}
        self._rules: dict[str, tuple[LineRule, ...]] = {}
        self._kept: dict[tuple[str, str, str | None, str], _Found] = {}

    def line(self, line: Line) -> None:
        """Judge a line that is no plain move."""
        self.comment(line)
        if not (line.code or line.defect):
            return
        self.situation.take(line)
        for rule, wrong in self._findings(line):
            self._note(rule, wrong, line)
        for row in _COURSE_RULES:
            if line.code in row.commands[self.profile.flavour]:
                self._note(row.rule, row.judge(line, self.situation, self.profile), line)

    def misspelt(self, line: Line, found: _Found) -> None:
        """Take what `beside` found in the spelling of a plain move."""
        for rule, wrong in found:
            if not (rule.severity is Severity.TRUST and self._is_allowed(line)):
                self._note(rule, wrong, line)

    def remembers(self, code: str) -> bool:
        """Whether lines with this command may change what is said of later ones, or depend on what came before."""
        flavour = self.profile.flavour
        may_be_macro = self.situation.is_macro(Line(0, 0, code, {}, "?", ""))  # with some words or others
        return code in TELLING_CODES or may_be_macro or any(code in row.commands[flavour] for row in _COURSE_RULES)

    def finds(self, line: Line) -> bool:
        """Whether anything is wrong with the line itself, its comment apart."""
        return bool(line.code or line.defect) and any(True for _ in self._judge(line))

    def again(self, line: Line, count: int) -> None:
        """The same line stands there `count` times more: its first places are known by now."""
        for rule, _ in self._findings(line):
            self._tallies[rule.id].count += count

    def comment(self, line: Line) -> None:
        """Judge the comment of a line, if it has one."""
        if not line.comment:
            return
        for row in _COMMENT_RULES:
            wrong = row.judge(line.comment)
            if wrong is not None:  # the comment itself may hold the secret
                self._note(row.rule, wrong, line._replace(code="", text=""))

    def moves(self, line: Line, moves: Iterable[Move]) -> None:
        """Judge the moves that a line makes."""
        for move in moves:
            if move.extrudes:
                self.situation.printed = True
            for row in MOVE_RULES:
                wrong = row.judge(move, self.situation, self.profile)
                if wrong is not None:
                    self._note(row.rule, wrong, line)

    def add(self, rule: Rule, count: int, hits: Iterable[Hit]) -> None:
        """Add places that were found in another way than by `moves`; the first ones are enough."""
        tally = self._tallies.setdefault(rule.id, _Tally())
        tally.count += count
        tally.hits += list(hits)[: MAX_HITS - len(tally.hits)]

    def report(self, facts: GcodeFacts) -> CheckReport:
        """What was found, with what the facts of the whole file say."""
        for row in _FILE_RULES:
            self._note(row.rule, row.judge(facts, self.situation, self.profile), None)
        found = (
            Finding(row.rule, tally.count, tuple(tally.hits))
            for row in RULES
            if (tally := self._tallies.get(row.rule.id)) is not None
        )
        return CheckReport(self.profile.id, RULE_SET_VERSION, tuple(found), self.profile.revision)

    def _note(self, rule: Rule, wrong: Wrong | None, line: Line | None) -> None:
        if wrong is None:
            return
        tally = self._tallies.setdefault(rule.id, _Tally())
        tally.count += 1
        if len(tally.hits) < MAX_HITS:
            tally.hits.append(hit_of(wrong, line))

    def _findings(self, line: Line) -> _Found:
        """What is wrong with the line itself; the same words are the same answer."""
        key = (line.code, line.text, line.defect, line.tight)
        found = self._kept.get(key)
        if found is None:
            if len(self._kept) >= _MAX_KEPT:
                self._kept.clear()
            found = self._kept[key] = tuple(self._judge(line))
        return found

    def _judge(self, line: Line) -> Iterable[tuple[Rule, Wrong]]:
        asked: list[LineRule | DefectRule | TextRule] = [*_TEXT_RULES]
        if line.defect is not None:
            asked += [row for row in _DEFECT_RULES if line.defect in row.defects]
        if line.code:
            asked += self._rules_of(line.code)
        allowed = self._is_allowed(line)
        for row in asked:
            wrong = None if allowed and row.rule.severity is Severity.TRUST else row.judge(line, self.profile)
            if wrong is not None:
                yield row.rule, wrong

    def _may_be_macro(self, line: Line) -> bool:
        """Whether a command needs trust because nobody knows what it runs, on a firmware whose owners write their own macros.

        One that the profile allows needs none: it excuses nothing, or what is rejected would become good by it. Nor does the
        beginning of a command of the firmware: a file that was cut in its midst ends so.
        """
        flavour, code = self.profile.flavour, line.code
        if flavour == REPRAP:
            return code == "M98" and not self._is_allowed(line)
        if flavour != KLIPPER or not code or code in self._allowed or is_known(flavour, code):
            return False
        return bool(line.text) or not is_cut(flavour, code)

    def _is_allowed(self, line: Line) -> bool:
        """Whether the profile answers for this very line, or for all with its command: nothing rejected becomes good by it."""
        profile, code = self.profile, line.code
        if code in profile.allowed_codes or code in self.situation.macros:
            return True
        return bool(profile.allowed_lines) and whole(line) in profile.allowed_lines

    def _rules_of(self, code: str) -> tuple[LineRule, ...]:
        rules = self._rules.get(code)
        if rules is None:
            flavour = self.profile.flavour
            if is_known(flavour, code):
                name = listed_as(code)
                rules = tuple(row for row in _LINE_RULES if row.commands is not None and name in row.commands[flavour])
            else:
                rules = tuple(row for row in _LINE_RULES if row.commands is None)
            if len(self._rules) < _MAX_KEPT:
                self._rules[code] = rules
        return rules


def beside(judges: Sequence[Judge], line: Line) -> None:
    """Judge what a plain move has besides its moves: a comment, and a spelling that not all firmwares read alike.

    The spelling is judged once for each flavour: of a printer those rules ask nothing more.
    """
    if line.comment:
        for judge in judges:
            judge.comment(line)
    if not line.tight:
        return
    spelt: dict[str, _Found] = {}
    for judge in judges:
        profile = judge.profile
        found = spelt.get(profile.flavour)
        if found is None:
            asked = [(row.rule, row.judge(line, profile)) for row in _SPELLING_RULES]
            found = spelt[profile.flavour] = tuple((rule, wrong) for rule, wrong in asked if wrong is not None)
        if found:
            judge.misspelt(line, found)


def inspect(
    stream: BinaryIO, profiles: Sequence[PrinterProfile], *, density_g_cm3: float = PLA_DENSITY_G_CM3, capped: bool = False
) -> Inspection:
    """Read a program once, for facts and checks. Bounded memory; never raises on content.

    The first of `profiles` (at least one) gives the motion limits where the file names none, and the filament's diameter. `capped`:
    where the file names faster ones, too: the time that nobody can make look shorter (`gcode.limits.length_refused`).
    """
    counting = CountingStream(stream)
    collector = make_collector(stream, profiles[0], density_g_cm3, capped=capped)
    judges = [Judge(profile, collector.machine) for profile in profiles]
    for raw_line in read_lines(counting):
        line = collector.machine.doubted(raw_line)
        moves = collector.feed(line)
        plain = line.code in MOVES and line.defect is None
        if plain:
            beside(judges, line)
        for judge in judges:
            if not plain:
                judge.line(line)
            if moves:
                judge.moves(line, moves)
    facts = collector.finish(counting.size_bytes)
    return Inspection(facts, tuple(judge.report(facts) for judge in judges))


def check(stream: BinaryIO, profile: PrinterProfile) -> CheckReport:
    """Only the report of `inspect`, for one profile."""
    return inspect(stream, (profile,)).reports[0]
