"""What a rule is: its texts and severity, and the kinds of rules by what they look at."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from gcode.facts import GcodeFacts
from gcode.judges.finding import Wrong
from gcode.judges.flavours import Commands
from gcode.judges.situation import Situation
from gcode.machine import Move
from gcode.profile import PrinterProfile
from gcode.reader import Defect, Line
from gcode.texts import Bilingual

LineJudge = Callable[[Line, PrinterProfile], Wrong | None]
CourseJudge = Callable[[Line, Situation, PrinterProfile], Wrong | None]
CommentJudge = Callable[[str], Wrong | None]
MoveJudge = Callable[[Move, Situation, PrinterProfile], Wrong | None]
FileJudge = Callable[[GcodeFacts, Situation, PrinterProfile], Wrong | None]


class Severity(StrEnum):
    """What a broken rule means for the file."""

    REJECT = "reject"
    TRUST = "trust"
    WARN = "warn"


@dataclass(frozen=True, slots=True)
class Rule:
    """Why a file is not simply good. Texts are for people; `id` is stable, and the anchor of the rule in docs/gcode-rules.md."""

    id: str
    severity: Severity
    explanation_en: str
    explanation_fr: str
    fix_en: str
    fix_fr: str


@dataclass(frozen=True, slots=True)
class LineRule:
    """A rule about single lines that are no plain moves: those with certain commands, by flavour.

    `commands` None: every command of a flavour that no list knows. The judge is a pure function of the line (not of its place) and
    the profile: an answer may be kept.
    """

    rule: Rule
    commands: Commands | None
    judge: LineJudge


@dataclass(frozen=True, slots=True)
class DefectRule:
    """A rule about lines that cannot be read, for one of these reasons."""

    rule: Rule
    defects: frozenset[Defect]
    judge: LineJudge


@dataclass(frozen=True, slots=True)
class TextRule:
    """A rule about the text of any command that is no plain move, whatever its code; `of_moves`: also of moves that are tight."""

    rule: Rule
    judge: LineJudge
    of_moves: bool = False


@dataclass(frozen=True, slots=True)
class CourseRule:
    """A rule about single lines and what the file did before them. Asked after the machine has obeyed the line."""

    rule: Rule
    commands: Commands
    judge: CourseJudge


@dataclass(frozen=True, slots=True)
class CommentRule:
    """A rule about comments, wherever they stand."""

    rule: Rule
    judge: CommentJudge


@dataclass(frozen=True, slots=True)
class MoveRule:
    """A rule about single moves. Of the situation it asks only what is the same between two lines that are no plain moves."""

    rule: Rule
    judge: MoveJudge


@dataclass(frozen=True, slots=True)
class FileRule:
    """A rule about the whole file, judged at its end."""

    rule: Rule
    judge: FileJudge


AnyRule = LineRule | DefectRule | TextRule | CourseRule | CommentRule | MoveRule | FileRule

REMOVE = Bilingual(
    "Remove the line from the start, end or custom G-code of the slicer and slice again.",
    "Retirez la ligne du G-code de début, de fin ou personnalisé du trancheur, puis tranchez à nouveau.",
)
SLICE = Bilingual("Slice again for this model of printer.", "Tranchez à nouveau pour ce modèle d'imprimante.")
TRUST = Bilingual(
    "Remove the line, or have somebody who knows this printer release the file.",
    "Retirez la ligne, ou faites valider le fichier par quelqu'un qui connaît cette imprimante.",
)
SPACES = Bilingual(
    "Export the file with a space between words; if a tool took the spaces out, use the file from before.",
    "Exportez le fichier avec un espace entre les mots ; si un outil les a enlevés, prenez le fichier d'avant.",
)
AGAIN = Bilingual("Export the file again and upload it whole.", "Exportez à nouveau le fichier et envoyez-le en entier.")
HEAT = Bilingual(
    "Choose the right material in the slicer, or raise the limit in the printer's profile if the machine allows it.",
    "Choisissez la bonne matière dans le trancheur, ou relevez la limite du profil si la machine le permet.",
)
LOOK = Bilingual(
    "Look at the start and end code in the slicer's printer settings.",
    "Regardez le code de début et de fin dans les réglages d'imprimante du trancheur.",
)


def reject(name: str, en: str, fr: str, fix: Bilingual = REMOVE) -> Rule:
    """A rule whose breach keeps the file from the printer."""
    return Rule(name, Severity.REJECT, en, fr, fix.en, fix.fr)


def trust(name: str, en: str, fr: str, fix: Bilingual = TRUST) -> Rule:
    """A rule whose breach somebody must answer for."""
    return Rule(name, Severity.TRUST, en, fr, fix.en, fix.fr)


def warn(name: str, en: str, fr: str, fix: Bilingual) -> Rule:
    """A rule whose breach is only said."""
    return Rule(name, Severity.WARN, en, fr, fix.en, fix.fr)
