"""Rules about single moves."""

from typing import Final

from gcode.judges import moves
from gcode.rules.kinds import LOOK, SLICE, MoveRule, reject, trust, warn
from gcode.texts import Bilingual

MOVES: Final[tuple[MoveRule, ...]] = (
    MoveRule(
        reject("outside-volume", "Plastic would be laid outside the bed.", "Du plastique serait déposé hors du plateau.", SLICE),
        moves.extrudes_outside,
    ),
    MoveRule(
        reject("below-bed", "The nozzle would be driven into the bed.", "La buse s'enfoncerait dans le plateau.", SLICE),
        moves.below_bed,
    ),
    MoveRule(
        reject(
            "keep-out",
            "Plastic would be laid where a clip or something else is on the bed.",
            "Du plastique serait déposé là où se trouve une pince ou autre chose sur le plateau.",
            Bilingual(
                "Move the parts away from that place and slice again.", "Éloignez les pièces de cet endroit et tranchez à nouveau."
            ),
        ),
        moves.lays_on_clip,
    ),
    MoveRule(
        reject(
            "travel-keep-out",
            "The head would run into a clip or something else that stands on the bed.",
            "La tête heurterait une pince ou autre chose qui se trouve sur le plateau.",
            Bilingual(
                "Move the parts away from that place, or lift the head in the slicer's start and end code.",
                "Éloignez les pièces de cet endroit, ou levez la tête dans le code de début et de fin du trancheur.",
            ),
        ),
        moves.travels_into_clip,
    ),
)

UNSURE_MOVES: Final[tuple[MoveRule, ...]] = (
    MoveRule(
        trust(
            "travel-keep-out-unsure",
            "The head goes low over a place that is kept free: if a clip stands there, it may run into it.",
            "La tête passe bas au-dessus d'une zone à laisser libre : s'il y a une pince, elle peut la heurter.",
            Bilingual(
                "Lift the head there, or write the clip's height into the printer's profile (keep_out, max).",
                "Relevez la tête à cet endroit, ou notez la hauteur de la pince dans le profil (keep_out, max).",
            ),
        ),
        moves.may_travel_into_clip,
    ),
)

DOUBTFUL_MOVES: Final[tuple[MoveRule, ...]] = (
    MoveRule(
        warn(
            "travel-outside",
            "The head moves outside the bed without printing.",
            "La tête sort du plateau sans imprimer.",
            Bilingual("Look at the file's start and end code.", "Regardez le code de début et de fin du fichier."),
        ),
        moves.travels_outside,
    ),
    MoveRule(
        warn(
            "cold-extrusion",
            "Filament is pushed while the nozzle is too cold to melt it: the firmware will refuse it and print air.",
            "Du filament est poussé avec une buse trop froide pour le fondre : le micrologiciel refusera et n'imprimera rien.",
            Bilingual("Look at the file's start code.", "Regardez le code de début du fichier."),
        ),
        moves.extrudes_cold,
    ),
    MoveRule(
        warn(
            "absurd-speed",
            "A speed is far from what a printer does: a unit may be wrong.",
            "Une vitesse est loin de ce que fait une imprimante : une unité est peut-être fausse.",
            LOOK,
        ),
        moves.absurd_speed,
    ),
    MoveRule(
        warn(
            "motors-off",
            "The head moves after its motors were switched off: nobody knows from where.",
            "La tête bouge après l'arrêt de ses moteurs : personne ne sait d'où elle part.",
            Bilingual("Home (G28) after M84, or move M84 to the end.", "Faites l'origine (G28) après M84, ou placez M84 à la fin."),
        ),
        moves.moves_unpowered,
    ),
)
