"""Rules about the whole file, judged at its end."""

from typing import Final

from gcode.judges import files
from gcode.rules.kinds import AGAIN, HEAT, LOOK, SLICE, FileRule, reject, trust, warn
from gcode.texts import Bilingual

_FOR_THIS: Final = Bilingual(
    "Check that the file was made for this printer.", "Vérifiez que le fichier a été fait pour cette imprimante."
)

# Before all others: what is said of the lines of a file that is something else would only mislead.
WRONG_FILES: Final[tuple[FileRule, ...]] = (
    FileRule(
        reject(
            "not-gcode",
            "The file is no G-code.",
            "Le fichier n'est pas du G-code.",
            Bilingual(
                "Slice the model for this printer and upload the G-code file that the slicer exports.",
                "Tranchez le modèle pour cette imprimante et envoyez le fichier G-code que le trancheur exporte.",
            ),
        ),
        files.not_gcode,
    ),
)

BROKEN_FILES: Final[tuple[FileRule, ...]] = (
    FileRule(reject("nothing-printed", "The file prints nothing.", "Le fichier n'imprime rien.", AGAIN), files.nothing_printed),
    FileRule(
        reject(
            "heaters-left-on",
            "Heaters are still on when the file ends: the file seems cut off, or its end code is missing.",
            "La chauffe est encore allumée à la fin du fichier : il semble coupé, ou son code de fin manque.",
            Bilingual(
                "Export the file again and upload it whole; else add M104 S0 and M140 S0 to the slicer's end code.",
                "Exportez-le à nouveau et envoyez-le en entier ; sinon, ajoutez M104 S0 et M140 S0 au code de fin du trancheur.",
            ),
        ),
        files.heaters_left_on,
    ),
)

UNFIT_FILES: Final[tuple[FileRule, ...]] = (
    FileRule(
        reject(
            "header-too-hot",
            "The header of the file makes something hotter than this printer may be.",
            "L'en-tête du fichier fait chauffer un élément plus que cette imprimante ne le permet.",
            HEAT,
        ),
        files.header_too_hot,
    ),
    FileRule(
        reject(
            "other-nozzle-claimed",
            "The file was sliced for a nozzle that this kind of printer does not have.",
            "Le fichier a été tranché pour une buse que ce type d'imprimante n'a pas.",
            Bilingual(
                "Slice again for a nozzle of this printer, or add the nozzle to the printer's profile (nozzles_mm).",
                "Tranchez à nouveau pour une buse de cette imprimante, ou ajoutez la buse à son profil (nozzles_mm).",
            ),
        ),
        files.claimed_nozzle,
    ),
)

OWNERS_FILES: Final[tuple[FileRule, ...]] = (
    FileRule(
        reject(
            "forbidden-arcs",
            "This printer, or its owner, does not allow arcs (G2, G3).",
            "Cette imprimante, ou son propriétaire, ne permet pas les arcs (G2, G3).",
            Bilingual(
                "Switch arc fitting off in the slicer and slice again.",
                "Désactivez les arcs dans le trancheur et tranchez à nouveau.",
            ),
        ),
        files.forbidden_arcs,
    ),
)

FOREIGN_FILES: Final[tuple[FileRule, ...]] = (
    FileRule(
        trust(
            "other-flavour",
            "The file was written for firmware of another kind: some commands mean something else on this printer.",
            "Le fichier a été écrit pour un autre type de micrologiciel : certaines commandes ont un autre sens ici.",
            SLICE,
        ),
        files.other_flavour,
    ),
    FileRule(
        trust(
            "no-griffin-header",
            "The file lacks the header that this printer's firmware (Griffin) looks for: the printer may refuse it.",
            "Le fichier n'a pas l'en-tête que cherche le micrologiciel (Griffin) de cette imprimante : elle peut le refuser.",
            Bilingual(
                "Slice with Cura for this model of printer: it writes the header (;START_OF_HEADER, ;FLAVOR:Griffin).",
                "Tranchez avec Cura pour ce modèle d'imprimante : il écrit l'en-tête (;START_OF_HEADER, ;FLAVOR:Griffin).",
            ),
        ),
        files.no_griffin_header,
    ),
)

IDLE_FILES: Final[tuple[FileRule, ...]] = (
    FileRule(
        trust(
            "hardly-prints",
            "It keeps the printer busy for hours and lays hardly any plastic.",
            "Il occupe l'imprimante des heures et ne dépose presque pas de plastique.",
            LOOK,
        ),
        files.hardly_prints,
    ),
)

DOUBTFUL_FILES: Final[tuple[FileRule, ...]] = (
    FileRule(
        warn(
            "no-homing",
            "The file does not find the machine's origin first.",
            "Le fichier ne cherche pas d'abord l'origine de la machine.",
            Bilingual("Add G28 to the slicer's start code.", "Ajoutez G28 au code de début du trancheur."),
        ),
        files.no_homing,
    ),
    FileRule(
        warn(
            "extruder-mode",
            "Filament lengths look as if absolute and relative were mixed up (M82, M83).",
            "Les longueurs de filament semblent confondre absolu et relatif (M82, M83).",
            LOOK,
        ),
        files.extruder_mode,
    ),
    FileRule(
        warn(
            "time-differs",
            "Our estimate and the slicer's time differ by more than 15 %.",
            "Notre estimation et le temps du trancheur diffèrent de plus de 15 %.",
            _FOR_THIS,
        ),
        files.time_differs,
    ),
    FileRule(
        warn(
            "filament-differs",
            "It does not use as much filament as the slicer says: more than 5 % above it, or more than 15 % below.",
            "Sa consommation de filament n'est pas celle que le trancheur annonce : plus de 5 % au-dessus, ou de 15 % au-dessous.",
            Bilingual(
                "Check the file for added or missing lines, and that its filament has the diameter of this printer's.",
                "Cherchez des lignes ajoutées ou manquantes, et vérifiez que son filament a le diamètre de celui de l'imprimante.",
            ),
        ),
        files.filament_differs,
    ),
    FileRule(
        warn(
            "odd-density",
            "It lays more plastic than there is room for in the part, or hardly any.",
            "Il dépose plus de plastique que la pièce n'en peut contenir, ou presque rien.",
            Bilingual(
                "Check filament diameter and flow in the slicer, and slice again.",
                "Vérifiez le diamètre du filament et le débit dans le trancheur, puis tranchez à nouveau.",
            ),
        ),
        files.density,
    ),
    FileRule(
        warn(
            "thin-layer",
            "A layer lies at the bed's own height or has no thickness: nothing could come out of the nozzle.",
            "Une couche est au niveau même du plateau ou sans épaisseur : rien ne pourrait sortir de la buse.",
            SLICE,
        ),
        files.thin_layers,
    ),
    FileRule(
        warn(
            "thick-layer",
            "The layers are thicker than the nozzle is wide: they would not hold together.",
            "Les couches sont plus épaisses que la buse n'est large : elles ne tiendraient pas ensemble.",
            SLICE,
        ),
        files.thick_layers,
    ),
    FileRule(
        warn(
            "very-long",
            "The print takes more than three days.",
            "L'impression dure plus de trois jours.",
            Bilingual("Print fewer parts at a time.", "Imprimez moins de pièces à la fois."),
        ),
        files.very_long,
    ),
    FileRule(
        warn(
            "other-model-claimed",
            "The slicer was set to another model of printer.",
            "Le trancheur était réglé sur un autre modèle d'imprimante.",
            SLICE,
        ),
        files.claimed_model,
    ),
)
