"""Commands that only somebody who knows the machine may answer for. A profile may allow them, letter for letter."""

from typing import Final

from gcode.judges import bounds, lines
from gcode.judges.course import waits_for_ever, waits_hot
from gcode.judges.flavours import GRIFFIN, KLIPPER, LEGACY, MARLIN, REPRAP, Commands, commands, merged, only
from gcode.rules.kinds import AnyRule, CourseRule, LineJudge, LineRule, trust
from gcode.texts import Bilingual

_Row = tuple[str, Commands, str, str, LineJudge]

_ROWS: Final[tuple[_Row, ...]] = (
    (
        "machine-tuning",
        commands(
            "M12 M102 M145 M301 M414 M421 M422 M423 M425 M493 M494 M569 M592 M851 M871 M906 M907 M908 M910 M912 M913 M914 M915 "
            "M916 M917 M918 M919 M951",
            reprap="M301 M569 M571 M591 M592 M594 M595 M675 M906 M911 M913 M914 M915 M917 M918 M955 M956 M957 M958 M959",
            klipper=(
                "SET_TMC_CURRENT SET_TMC_FIELD INIT_TMC DUMP_TMC SET_STEPPER_ENABLE MANUAL_STEPPER SYNC_EXTRUDER_MOTION "
                "SET_DUAL_CARRIAGE SET_INPUT_SHAPER SET_IDLE_TIMEOUT SET_FILAMENT_SENSOR SET_SKEW SKEW_PROFILE SET_FAN_SPEED"
            ),
        ),
        "It tunes motors, drivers, probe or heaters.",
        "Elle règle moteurs, pilotes, palpeur ou éléments chauffants.",
        lines.with_parameters,
    ),
    (
        "limits-raised",
        commands("M201 M202 M203 M204 M205", reprap="M201 M203 M204 M205 M566"),
        "It moves the machine beyond its own limits.",
        "Elle pousse la machine au-delà de ses propres limites.",
        bounds.limits_raised,
    ),
    (
        "limits-too-low",
        commands("M201 M203 M204"),
        "It makes the machine so slow that it stands still, hot, for an unknown time.",
        "Elle rend la machine si lente qu'elle reste immobile et chaude, on ne sait combien de temps.",
        bounds.limits_too_low,
    ),
    (
        "absurd-advance",
        merged(
            only(MARLIN, LEGACY, KLIPPER, names="M572 M900"),
            only(REPRAP, names="M572"),
            only(KLIPPER, names="SET_PRESSURE_ADVANCE"),
        ),
        "It pushes the filament ahead of the moves by far more than any extruder needs.",
        "Elle pousse le filament en avance sur les déplacements bien plus qu'aucun extrudeur n'en a besoin.",
        bounds.advance_factor,
    ),
    (
        "velocity-raised",
        only(KLIPPER, names="SET_VELOCITY_LIMIT"),
        "It lets the machine move faster than it may.",
        "Elle fait aller la machine plus vite que permis.",
        bounds.named_limits_raised,
    ),
    (
        "waits-for-person",
        commands("M0 M1 M25 M125 M192 M600 M601", reprap="M0 M1 M2 M25 M226 M291 M600 M601", klipper="PAUSE"),
        "The print stops until somebody comes.",
        "L'impression s'arrête jusqu'à ce que quelqu'un vienne.",
        lines.present,
    ),
    (
        "long-wait",
        commands("G4 M300"),
        "It waits for more than an hour while everything is hot.",
        "Elle attend plus d'une heure pendant que tout est chaud.",
        lines.dwell,
    ),
    (
        "unknown-path",
        commands(
            "G5 G6 G18 G19 G26 G35 G38.2 G38.3 G38.4 G38.5 G42 G60 G61 M48 M605",
            reprap="G38.2 G38.3 G38.4 G38.5 G60 G61 M120 M121 M596 M597 M598 M606",
        ),
        "It moves the head along a way that the farm cannot follow.",
        "Elle déplace la tête sur un trajet que la ferme ne sait pas suivre.",
        lines.present,
    ),
    (
        "photographs-elsewhere",
        only(MARLIN, LEGACY, KLIPPER, names="M240"),
        "It moves the head to another place to take a picture.",
        "Elle déplace la tête ailleurs pour prendre une photo.",
        lines.photographs_elsewhere,
    ),
    (
        "goes-back",
        only(KLIPPER, names="RESTORE_GCODE_STATE"),
        "It moves the head back to where it was, along a way that the farm cannot follow.",
        "Elle ramène la tête où elle était, sur un trajet que la ferme ne sait pas suivre.",
        lines.restores_with_move,
    ),
    (
        "other-coordinates",
        commands("G53 G55 G56 G57 G58 G59 G59.1 G59.2 G59.3 G92.1"),
        "It uses coordinates that only the machine knows.",
        "Elle utilise des coordonnées que seule la machine connaît.",
        lines.present,
    ),
    (
        "offsets-changed",
        commands("G10"),
        "It changes the origins of coordinates that the machine keeps, or the place of a tool.",
        "Elle change les origines des coordonnées que la machine conserve, ou la place d'un outil.",
        lines.offset_changed,
    ),
    (
        "homing-elsewhere-unsure",
        only(MARLIN, GRIFFIN, names="G28"),
        "Older firmwares take the figure behind an axis for the place where it was homed: all moves after it would be shifted.",
        "D'anciens micrologiciels prennent le chiffre après un axe pour le lieu de l'origine : tout serait décalé ensuite.",
        lines.homes_elsewhere,
    ),
    (
        "probing-set",
        only(REPRAP, names="G30"),
        "It levels the bed by figures of the file, or changes what the printer knows of its probe.",
        "Elle nivelle le plateau avec des chiffres du fichier, ou change ce que l'imprimante sait de son palpeur.",
        lines.probing_set,
    ),
    (
        "probes-low",
        only(KLIPPER, names="BED_MESH_CALIBRATE QUAD_GANTRY_LEVEL Z_TILT_ADJUST"),
        "It moves the head from point to point of the bed at a height of the file's own.",
        "Elle déplace la tête d'un point du plateau à l'autre à une hauteur fixée par le fichier.",
        lines.probes_low,
    ),
    (
        "inches",
        commands("G20", reprap=""),
        "It counts in inches: firmwares that do not know them take them for millimetres.",
        "Elle compte en pouces : les micrologiciels qui ne les connaissent pas les prennent pour des millimètres.",
        lines.present,
    ),
    (
        "homing-left-out",
        commands("G28"),
        "It homes only if the printer thinks that it must: nobody knows where the head is then.",
        "Elle ne fait l'origine que si l'imprimante le juge utile : on ne sait pas alors où est la tête.",
        lines.homing_left_out,
    ),
    (
        "mesh-changed",
        commands("G29", reprap=""),
        "It writes heights into the printer's mesh of the bed, or stores it.",
        "Elle écrit des hauteurs dans le maillage du plateau, ou l'enregistre.",
        lines.mesh_changed,
    ),
    (
        "long-retraction",
        commands("M207 M208", reprap="M207", klipper="SET_RETRACTION"),
        "It makes the firmware draw back, push or lift far more than a retraction needs.",
        "Elle fait reculer, avancer ou lever bien plus que n'en demande une rétraction.",
        lines.long_retraction,
    ),
    (
        "long-load",
        only(MARLIN, LEGACY, KLIPPER, names="M701 M702"),
        "It loads or unloads more filament than the longest tube holds, or heats to a preset for it.",
        "Elle charge ou décharge plus de filament que n'en contient le plus long des tubes, ou chauffe selon un préréglage.",
        lines.long_load,
    ),
    (
        "hidden-target",
        commands("M104 M109 M140 M141 M190 M191", reprap="M140 M141 M190 M191"),
        "It heats to a temperature that is not in the file (a preset, or one that follows the speed), or another heater.",
        "Elle chauffe à une température absente du fichier (préréglage, ou selon la vitesse), ou un autre élément.",
        lines.hidden_target,
    ),
    (
        "nozzle-raised",
        commands("M290", klipper="SET_GCODE_OFFSET"),
        "It moves the nozzle up or down by more than adjusts a first layer.",
        "Elle déplace la buse de plus que n'en demande le réglage d'une première couche.",
        lines.nozzle_raised,
    ),
    (
        "safety-timer-off",
        commands("M85 M86 M87", reprap="M85"),
        "It switches off the timer that makes a forgotten printer safe.",
        "Elle désactive la minuterie qui met en sécurité une imprimante oubliée.",
        lines.timer_off,
    ),
    (
        "accessory",
        commands("M7 M8 M9 M10 M11 M81 M126 M127 M128 M129 M280 M281 M282 M380 M381", reprap="M7 M8 M9 M10 M81 M106.1"),
        "It switches something beside the print head: a probe's arm, a pump, a valve or the power.",
        "Elle commute autre chose que la tête : bras de palpeur, pompe, vanne ou alimentation.",
        lines.present,
    ),
    (
        "fan-configured",
        only(REPRAP, names="M106"),
        "It configures a fan instead of setting its speed: the one of the hot end may stand still.",
        "Elle configure un ventilateur au lieu de régler sa vitesse : celui de la buse peut s'arrêter.",
        lines.fan_configured,
    ),
    (
        "macro",
        only(REPRAP, names="M98"),
        "It runs a macro that is not in the file.",
        "Elle exécute une macro qui n'est pas dans le fichier.",
        lines.unknown_macro,
    ),
    (
        "settings-reloaded",
        commands("M501"),
        "It takes back the settings that the printer keeps, and with them what a person has adjusted since.",
        "Elle reprend les réglages conservés par l'imprimante, et annule ce qu'une personne a ajusté depuis.",
        lines.present,
    ),
    (
        "dry-run",
        commands("M111"),
        "It makes the printer go through the print without heating or plastic.",
        "Elle fait jouer l'impression sans chauffe ni plastique.",
        lines.debugging,
    ),
)

NEEDS_TRUST: Final[tuple[AnyRule, ...]] = tuple(
    LineRule(trust(name, english, french), judged, judge) for name, judged, english, french, judge in _ROWS
)

WAITS: Final[tuple[AnyRule, ...]] = (
    CourseRule(
        trust(
            "waits-for-ever",
            "It waits for a temperature that nothing in the file heats to: it may never end, with a heater on.",
            "Elle attend une température que rien dans le fichier n'atteint : elle peut ne jamais finir, la chauffe allumée.",
        ),
        only(KLIPPER, names="TEMPERATURE_WAIT"),
        waits_for_ever,
    ),
    CourseRule(
        trust(
            "waits-hot",
            "Its waits come to more than an hour in all, with a heater on.",
            "Ses attentes dépassent une heure en tout, la chauffe allumée.",
            Bilingual(
                "Remove the waits (G4), or have somebody who knows this printer release the file.",
                "Retirez les attentes (G4), ou faites valider le fichier par quelqu'un qui connaît cette imprimante.",
            ),
        ),
        commands("G4 M300"),
        waits_hot,
    ),
)
