"""Rules about parameters that must fit the printer."""

from typing import Final

from gcode.judges import bounds, lines
from gcode.judges.course import heats_again
from gcode.judges.flavours import ANY_TOOL, KLIPPER, commands, only
from gcode.rules.kinds import HEAT, LOOK, REMOVE, SLICE, AnyRule, CourseRule, LineRule, TextRule, reject, warn
from gcode.texts import Bilingual

_NOZZLE_HOT: Final = (
    "The nozzle would be hotter than this printer may be.",
    "La buse serait plus chaude que cette imprimante ne le permet.",
)
_MISSING: Final = (
    "It heats something that this printer does not have.",
    "Elle chauffe un élément que cette imprimante n'a pas.",
)

BOUNDS: Final[tuple[AnyRule, ...]] = (
    LineRule(
        reject(
            "cold-extrusion-allowed",
            "It lets the extruder push cold filament.",
            "Elle autorise l'extrudeur à pousser du filament froid.",
        ),
        commands("M302"),
        bounds.cold_extrusion_allowed,
    ),
    LineRule(
        reject("nozzle-too-hot", *_NOZZLE_HOT, HEAT), commands("M104 M109", reprap="M104 M109 M568 G10"), bounds.nozzle_too_hot
    ),
    LineRule(
        reject(
            "bed-too-hot",
            "The bed would be hotter than this printer may be.",
            "Le plateau serait plus chaud que cette imprimante ne le permet.",
            HEAT,
        ),
        commands("M140 M190", reprap="M140 M144 M190"),
        bounds.bed_too_hot,
    ),
    LineRule(
        reject(
            "chamber-too-hot",
            "The chamber would be hotter than this printer may be.",
            "L'enceinte serait plus chaude que cette imprimante ne le permet.",
            HEAT,
        ),
        commands("M141 M191"),
        bounds.chamber_too_hot,
    ),
    LineRule(
        reject(
            "heater-too-hot",
            "A heater would be hotter than this printer may be, or the printer's profile does not know it.",
            "Un élément serait plus chaud que cette imprimante ne le permet, ou son profil ne le connaît pas.",
            HEAT,
        ),
        only(KLIPPER, names="SET_HEATER_TEMPERATURE TEMPERATURE_WAIT"),
        bounds.named_heater_too_hot,
    ),
    TextRule(
        reject(
            "macro-too-hot",
            "A macro of this printer is called with a temperature that is too high for it.",
            "Une macro de cette imprimante est appelée avec une température trop haute pour elle.",
            HEAT,
        ),
        bounds.macro_too_hot,
    ),
    LineRule(reject("missing-heater", *_MISSING, SLICE), commands("M104 M109", reprap="M104 M109 M568 G10"), bounds.missing_heater),
    LineRule(
        reject(
            "missing-chamber",
            "It heats a chamber, and this printer has no heated one.",
            "Elle chauffe une enceinte, et cette imprimante n'en a pas de chauffée.",
            SLICE,
        ),
        commands("M141 M191"),
        bounds.chamber_missing,
    ),
    LineRule(
        reject(
            "missing-tool",
            "It selects a tool that this printer does not have.",
            "Elle choisit un outil que cette imprimante n'a pas.",
            SLICE,
        ),
        commands(ANY_TOOL),
        bounds.missing_tool,
    ),
    LineRule(
        reject(
            "other-model",
            "The file was made for another model of printer.",
            "Le fichier a été fait pour un autre modèle d'imprimante.",
            SLICE,
        ),
        commands("M862.3"),
        bounds.other_model,
    ),
    LineRule(
        reject(
            "other-model-code",
            "The file was made for another model of printer, which it names by number.",
            "Le fichier a été fait pour un autre modèle d'imprimante, désigné par son numéro.",
            SLICE,
        ),
        commands("M862.2"),
        bounds.other_model_code,
    ),
    LineRule(
        reject("other-nozzle", "The file was made for another nozzle.", "Le fichier a été fait pour une autre buse.", SLICE),
        commands("M862.1"),
        bounds.other_nozzle,
    ),
    LineRule(
        reject(
            "other-firmware",
            "The file asks for something that this printer's firmware does not have.",
            "Le fichier demande quelque chose que le micrologiciel de cette imprimante n'a pas.",
            SLICE,
        ),
        commands("M862.5 M862.6"),
        bounds.other_firmware,
    ),
    LineRule(
        reject(
            "other-filament",
            "It counts plastic for another diameter of filament: far too much or too little would come out.",
            "Elle compte le plastique pour un autre diamètre de filament : il en sortirait bien trop ou trop peu.",
            SLICE,
        ),
        commands("M200"),
        bounds.filament_diameter,
    ),
)

ODD_PARAMETERS: Final[tuple[AnyRule, ...]] = (
    LineRule(
        warn("fan-range", "A fan speed is not between 0 and 255.", "Une vitesse de ventilateur n'est pas entre 0 et 255.", REMOVE),
        commands("M106"),
        lines.fan,
    ),
    LineRule(
        warn(
            "odd-factor",
            "It makes the whole print much faster or slower, or lets much more or less plastic flow.",
            "Elle accélère ou ralentit beaucoup toute l'impression, ou change beaucoup le débit de plastique.",
            LOOK,
        ),
        commands("M220 M221"),
        lines.factor,
    ),
    LineRule(
        warn(
            "waits-to-cool",
            "It waits until something is nearly as cold as the room: on a warm day for ever.",
            "Elle attend qu'un élément soit presque aussi froid que la pièce : un jour chaud, sans fin.",
            Bilingual(
                "Wait with S instead of R, or for a higher temperature.",
                "Attendez avec S au lieu de R, ou une température plus haute.",
            ),
        ),
        commands("M109 M190 M191"),
        lines.cools_down,
    ),
    LineRule(
        warn(
            "origin-shifted",
            "It calls the place where the head is something else: a mistake in it moves the whole print.",
            "Elle renomme l'endroit où se trouve la tête : une erreur y déplace toute l'impression.",
            LOOK,
        ),
        commands("G92"),
        lines.origin_shifted,
    ),
    LineRule(
        warn(
            "host-message",
            "It writes a message in the form of an order to the print server.",
            "Elle écrit un message qui a la forme d'un ordre au serveur d'impression.",
            REMOVE,
        ),
        commands("M118"),
        lines.host_message,
    ),
    CourseRule(
        warn(
            "heats-again",
            "It heats again after everything was switched off at the end: the file seems to go on after its end.",
            "Elle rechauffe après l'arrêt de toute chauffe à la fin : le fichier semble continuer après sa fin.",
            Bilingual("Look whether two files were put together.", "Regardez si deux fichiers ont été mis bout à bout."),
        ),
        commands("M104 M109 M140 M190 M141 M191", reprap="M104 M109 M140 M190 M141 M191 M568 G10"),
        heats_again,
    ),
)
