"""The rules that a program must keep on a class of printers: an ordered table, each with reason and remedy in two languages.

A flat list of forbidden commands is wrong: of 25 genuine files 8 set motor currents (M907) and 3 say `M302 S160`. So what breaks a
machine or changes it for good is rejected, what only somebody who knows the machine may do needs trust, the rest is a warning.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gcode import judges
from gcode.judges import FileJudge, LineJudge, MoveJudge, codes
from gcode.reader import Defect

RULE_SET_VERSION: Final = 2


class Severity(StrEnum):
    """What a broken rule means for the file."""

    REJECT = "reject"
    TRUST = "trust"
    WARN = "warn"


@dataclass(frozen=True, slots=True)
class Rule:
    """Why a file is not simply good. Texts are for people; `id` is stable."""

    id: str
    severity: Severity
    explanation_en: str
    explanation_fr: str
    fix_en: str
    fix_fr: str


@dataclass(frozen=True, slots=True)
class LineRule:
    """A rule about single lines; `codes` None: every line."""

    rule: Rule
    codes: frozenset[str] | None
    judge: LineJudge


@dataclass(frozen=True, slots=True)
class MoveRule:
    """A rule about single moves, with the state of the machine."""

    rule: Rule
    judge: MoveJudge


@dataclass(frozen=True, slots=True)
class FileRule:
    """A rule about the whole file, judged at its end."""

    rule: Rule
    judge: FileJudge


_REMOVE_EN: Final = "Remove the line from the start, end or custom G-code of the slicer and slice again."
_REMOVE_FR: Final = "Retirez la ligne du G-code de début, de fin ou personnalisé du trancheur, puis tranchez à nouveau."
_SLICE_EN: Final = "Slice again for this model of printer."
_SLICE_FR: Final = "Tranchez à nouveau pour ce modèle d'imprimante."
_TRUST_EN: Final = "Remove the line, or have somebody who knows this printer release the file."
_TRUST_FR: Final = "Retirez la ligne, ou faites valider le fichier par quelqu'un qui connaît cette imprimante."
_AGAIN_EN: Final = "Export the file again and upload it whole."
_AGAIN_FR: Final = "Exportez à nouveau le fichier et envoyez-le en entier."
_HEAT_EN: Final = "Choose the right material in the slicer, or raise the limit in the printer's profile if the machine allows it."
_HEAT_FR: Final = "Choisissez la bonne matière dans le trancheur, ou relevez la limite du profil si la machine le permet."


def _reject(name: str, explanation: tuple[str, str], fix: tuple[str, str] = (_REMOVE_EN, _REMOVE_FR)) -> Rule:
    return Rule(name, Severity.REJECT, *explanation, *fix)


def _trust(name: str, explanation: tuple[str, str]) -> Rule:
    return Rule(name, Severity.TRUST, *explanation, _TRUST_EN, _TRUST_FR)


def _warn(name: str, explanation: tuple[str, str], fix: tuple[str, str]) -> Rule:
    return Rule(name, Severity.WARN, *explanation, *fix)


_DEFECTS: Final = (
    LineRule(
        _reject(
            "not-text",
            ("The file holds bytes that are not text.", "Le fichier contient des octets qui ne sont pas du texte."),
            (_AGAIN_EN, _AGAIN_FR),
        ),
        None,
        judges.defect(Defect.BINARY, Defect.NOT_TEXT),
    ),
    LineRule(
        _reject(
            "line-too-long",
            ("A command is longer than 256 bytes.", "Une commande dépasse 256 octets."),
            (_AGAIN_EN, _AGAIN_FR),
        ),
        None,
        judges.defect(Defect.TOO_LONG),
    ),
    LineRule(
        _reject(
            "bad-checksum",
            ("The checksum of a line is wrong: it was damaged.", "La somme de contrôle d'une ligne est fausse : elle est abîmée."),
            (_AGAIN_EN, _AGAIN_FR),
        ),
        None,
        judges.defect(Defect.BAD_CHECKSUM),
    ),
    LineRule(
        _reject(
            "absurd-number",
            ("A number is beyond anything a printer can do.", "Un nombre dépasse tout ce qu'une imprimante peut faire."),
            (_AGAIN_EN, _AGAIN_FR),
        ),
        None,
        judges.defect(Defect.ABSURD_NUMBER),
    ),
    LineRule(
        _reject(
            "placeholder",
            (
                "A setting of the slicer was not filled in: the command would be obeyed without its value.",
                "Un réglage du trancheur n'a pas été remplacé : la commande serait exécutée sans sa valeur.",
            ),
            (
                "Correct the custom G-code of the slicer's printer settings and slice again.",
                "Corrigez le G-code personnalisé dans les réglages d'imprimante du trancheur, puis tranchez à nouveau.",
            ),
        ),
        None,
        judges.placeholder,
    ),
)

_FORBIDDEN: Final = tuple(
    LineRule(_reject(name, explanation), codes(numbers), judges.present)
    for name, numbers, explanation in (
        ("firmware-update", "M997", ("It replaces the printer's firmware.", "Elle remplace le micrologiciel de l'imprimante.")),
        (
            "stored-settings",
            "M500 M501 M502 M504",
            ("It changes the settings that the printer keeps.", "Elle change les réglages que l'imprimante conserve."),
        ),
        (
            "heater-tuning",
            "M303 M304",
            ("It changes how the printer controls its heaters.", "Elle change la régulation des éléments chauffants."),
        ),
        ("emergency", "M112 M999", ("It stops or restarts the machine.", "Elle arrête ou redémarre la machine.")),
        (
            "calibration",
            "M92 M206 M428 M665 M666",
            ("It changes the printer's calibration.", "Elle change l'étalonnage de l'imprimante."),
        ),
        (
            "memory-card",
            "M23 M24 M28 M29 M30 M32 M928",
            ("It writes or starts files on the printer's memory card.", "Elle écrit ou lance des fichiers sur la carte mémoire."),
        ),
        ("raw-bus", "M260 M261", ("It talks to the electronics directly.", "Elle parle directement à l'électronique.")),
        ("pin-control", "M42 M43 M226", ("It switches pins of the electronics.", "Elle commute des broches de l'électronique.")),
    )
)

_BOUNDS: Final = (
    LineRule(
        _reject(
            "endstops-off",
            ("It switches off the limits that keep the head inside.", "Elle désactive les limites qui retiennent la tête."),
        ),
        codes("M121 M211"),
        judges.endstops_off,
    ),
    LineRule(
        _reject(
            "cold-extrusion-allowed",
            ("It lets the extruder push cold filament.", "Elle autorise l'extrudeur à pousser du filament froid."),
        ),
        codes("M302"),
        judges.cold_extrusion_allowed,
    ),
    LineRule(
        _reject(
            "nozzle-too-hot",
            (
                "The nozzle would be hotter than this printer may be.",
                "La buse serait plus chaude que cette imprimante ne le permet.",
            ),
            (_HEAT_EN, _HEAT_FR),
        ),
        codes("M104 M109"),
        judges.nozzle_too_hot,
    ),
    LineRule(
        _reject(
            "bed-too-hot",
            (
                "The bed would be hotter than this printer may be.",
                "Le plateau serait plus chaud que cette imprimante ne le permet.",
            ),
            (_HEAT_EN, _HEAT_FR),
        ),
        codes("M140 M190"),
        judges.bed_too_hot,
    ),
    LineRule(
        _reject(
            "missing-heater",
            ("It heats something that this printer does not have.", "Elle chauffe un élément que cette imprimante n'a pas."),
            (_SLICE_EN, _SLICE_FR),
        ),
        codes("M104 M109 M141 M191"),
        judges.missing_heater,
    ),
    LineRule(
        _reject(
            "missing-tool",
            ("It selects a tool that this printer does not have.", "Elle choisit un outil que cette imprimante n'a pas."),
            (_SLICE_EN, _SLICE_FR),
        ),
        None,
        judges.missing_tool,
    ),
    LineRule(
        _reject(
            "other-model",
            ("The file was made for another model of printer.", "Le fichier a été fait pour un autre modèle d'imprimante."),
            (_SLICE_EN, _SLICE_FR),
        ),
        codes("M862.3"),
        judges.other_model,
    ),
    LineRule(
        _reject(
            "other-nozzle",
            ("The file was made for another nozzle.", "Le fichier a été fait pour une autre buse."),
            (_SLICE_EN, _SLICE_FR),
        ),
        codes("M862.1"),
        judges.other_nozzle,
    ),
)

_NEEDS_TRUST: Final = (
    LineRule(
        _trust(
            "not-a-command",
            ("A line is no command of this firmware.", "Une ligne n'est pas une commande de ce micrologiciel."),
        ),
        None,
        judges.defect(Defect.NOT_A_COMMAND),
    ),
    LineRule(
        _trust(
            "unknown-command",
            (
                "This command is not among those that prints need.",
                "Cette commande n'est pas de celles dont une impression a besoin.",
            ),
        ),
        None,
        judges.unknown,
    ),
    LineRule(
        _trust(
            "machine-tuning",
            ("It tunes motors, drivers, probe or heaters.", "Elle règle moteurs, pilotes, palpeur ou éléments chauffants."),
        ),
        codes("M301 M569 M851 M906 M907 M913 M914"),
        judges.present,
    ),
    LineRule(
        _trust(
            "limits-raised",
            ("It moves the machine beyond its own limits.", "Elle pousse la machine au-delà de ses propres limites."),
        ),
        codes("M201 M203 M204 M205"),
        judges.limits_raised,
    ),
    LineRule(
        _trust(
            "waits-for-person",
            ("The print stops until somebody comes.", "L'impression s'arrête jusqu'à ce que quelqu'un vienne."),
        ),
        codes("M0 M1 M25 M125 M600 M601"),
        judges.present,
    ),
)

_MOVES: Final = (
    MoveRule(
        _reject(
            "outside-volume",
            ("Plastic would be laid outside the bed.", "Du plastique serait déposé hors du plateau."),
            (_SLICE_EN, _SLICE_FR),
        ),
        judges.extrudes_outside,
    ),
    MoveRule(
        _reject(
            "below-bed",
            ("The nozzle would be driven into the bed.", "La buse s'enfoncerait dans le plateau."),
            (_SLICE_EN, _SLICE_FR),
        ),
        judges.below_bed,
    ),
    MoveRule(
        _warn(
            "travel-outside",
            ("The head moves outside the bed without printing.", "La tête sort du plateau sans imprimer."),
            ("Look at the file's start and end code.", "Regardez le code de début et de fin du fichier."),
        ),
        judges.travels_outside,
    ),
    MoveRule(
        _warn(
            "cold-extrusion",
            (
                "Filament is pushed before the nozzle was heated: the firmware will refuse it.",
                "Du filament est poussé avant la chauffe de la buse : le micrologiciel refusera.",
            ),
            ("Look at the file's start code.", "Regardez le code de début du fichier."),
        ),
        judges.extrudes_cold,
    ),
)

# Before all others: what is said of the lines of a file that is something else would only mislead.
_WRONG_FILES: Final = (
    FileRule(
        _reject(
            "not-gcode",
            ("The file is no G-code.", "Le fichier n'est pas du G-code."),
            (
                "Slice the model for this printer and upload the G-code file that the slicer exports.",
                "Tranchez le modèle pour cette imprimante et envoyez le fichier G-code que le trancheur exporte.",
            ),
        ),
        judges.not_gcode,
    ),
)

_BROKEN_FILES: Final = (
    FileRule(
        _reject(
            "nothing-printed",
            ("The file prints nothing.", "Le fichier n'imprime rien."),
            (_AGAIN_EN, _AGAIN_FR),
        ),
        judges.nothing_printed,
    ),
    FileRule(
        _reject(
            "heaters-left-on",
            (
                "Heaters are still on when the file ends: the file seems cut off, or its end code is missing.",
                "La chauffe est encore allumée à la fin du fichier : il semble coupé, ou son code de fin manque.",
            ),
            (
                "Export the file again and upload it whole; else add M104 S0 and M140 S0 to the slicer's end code.",
                "Exportez-le à nouveau et envoyez-le en entier ; sinon, ajoutez M104 S0 et M140 S0 au code de fin du trancheur.",
            ),
        ),
        judges.heaters_left_on,
    ),
)

_DOUBTFUL_FILES: Final = (
    FileRule(
        _warn(
            "no-homing",
            ("The file does not find the machine's origin first.", "Le fichier ne cherche pas d'abord l'origine de la machine."),
            ("Add G28 to the slicer's start code.", "Ajoutez G28 au code de début du trancheur."),
        ),
        judges.no_homing,
    ),
    FileRule(
        _warn(
            "time-differs",
            (
                "Our estimate and the slicer's time differ by more than 15 %.",
                "Notre estimation et le temps du trancheur diffèrent de plus de 15 %.",
            ),
            ("Check that the file was made for this printer.", "Vérifiez que le fichier a été fait pour cette imprimante."),
        ),
        judges.time_differs,
    ),
    FileRule(
        _warn(
            "filament-differs",
            ("It uses more filament than the slicer says.", "Il consomme plus de filament que le trancheur ne l'annonce."),
            ("Check the file for added lines.", "Cherchez des lignes ajoutées au fichier."),
        ),
        judges.filament_differs,
    ),
)

RULES: Final[tuple[LineRule | MoveRule | FileRule, ...]] = (
    *_WRONG_FILES,
    *_DEFECTS,
    *_FORBIDDEN,
    *_BOUNDS,
    *_MOVES,
    *_BROKEN_FILES,
    *_NEEDS_TRUST,
    *_DOUBTFUL_FILES,
)
