"""Commands that no print may hold: they change the machine for good, or what they do cannot be known."""

from typing import Final

from gcode.judges import lines
from gcode.judges.flavours import LEGACY, Commands, commands, only
from gcode.rules.kinds import AnyRule, LineJudge, LineRule, reject

_Row = tuple[str, Commands, str, str, LineJudge]

_ROWS: Final[tuple[_Row, ...]] = (
    (
        "firmware-update",
        commands("M936 M993 M994 M995 M997", reprap="M559 M560 M997"),
        "It replaces the printer's firmware or its memory.",
        "Elle remplace le micrologiciel de l'imprimante ou sa mémoire.",
        lines.present,
    ),
    (
        "stored-settings",
        commands(
            "M500 M502 M504",
            reprap="M500 M502 M505",
            klipper="SAVE_CONFIG SAVE_VARIABLE Z_OFFSET_APPLY_PROBE Z_OFFSET_APPLY_ENDSTOP",
        ),
        "It changes the settings that the printer keeps.",
        "Elle change les réglages que l'imprimante conserve.",
        lines.present,
    ),
    (
        "heater-tuning",
        commands(
            "M303 M304 M305 M306 M309 M310",
            reprap="M143 M303 M304 M305 M307 M308 M309 M570 M950",
            klipper="PID_CALIBRATE MPC_CALIBRATE SET_HEATER_PID",
        ),
        "It changes how the printer controls its heaters or watches over them.",
        "Elle change la régulation des éléments chauffants ou leur surveillance.",
        lines.present,
    ),
    (
        "emergency",
        commands(
            "M112 M999",
            reprap="M112 M999",
            klipper="RESTART FIRMWARE_RESTART CANCEL_PRINT CLEAR_PAUSE HOST_REBOOT HOST_SHUTDOWN",
            legacy="M603",
        ),
        "It stops or restarts the machine in the middle of the print.",
        "Elle arrête ou redémarre la machine en pleine impression.",
        lines.present,
    ),
    (
        "calibration",
        commands(
            "G33 G425 M92 M206 M350 M351 M428 M665 M666 M672 M852",
            reprap="M92 M206 M208 M350 M425 M556 M557 M558 M563 M574 M579 M584 M585 M665 M666 M667 M669 M671 M672 M673 M674 "
            "M851 G31",
            klipper=(
                "PROBE_CALIBRATE Z_ENDSTOP_CALIBRATE MANUAL_PROBE DELTA_CALIBRATE DELTA_ANALYZE SET_KINEMATIC_POSITION FORCE_MOVE "
                "SET_EXTRUDER_ROTATION_DISTANCE SET_EXTRUDER_STEP_DISTANCE SHAPER_CALIBRATE TEST_RESONANCES "
                "AXIS_TWIST_COMPENSATION_CALIBRATE"
            ),
            legacy="M850",
        ),
        "It changes the printer's calibration.",
        "Elle change l'étalonnage de l'imprimante.",
        lines.with_parameters,
    ),
    (
        "homing-elsewhere",
        only(LEGACY, names="G28"),
        "This firmware takes the figure behind an axis for the place where it homed (or stores it): all moves would be shifted.",
        "Ce micrologiciel prend le chiffre après un axe pour le lieu de l'origine (ou l'enregistre) : tout serait décalé.",
        lines.homes_elsewhere,
    ),
    (
        "calibration-run",
        commands(
            "M360 M361 M362 M363 M364 M863 M864",
            reprap="M561 M374 M376",
            klipper="BED_SCREWS_ADJUST SCREWS_TILT_CALCULATE STEPPER_BUZZ",
            legacy="G75 G76 M44 M45 M47 M861",
        ),
        "It starts a calibration of the printer.",
        "Elle lance un étalonnage de l'imprimante.",
        lines.present,
    ),
    (
        "memory-card",
        commands(
            "M22 M23 M24 M26 M28 M29 M30 M32 M33 M34 M524 M540 M928",
            reprap="M22 M23 M24 M26 M28 M29 M30 M32 M36 M37 M38 M39 M470 M471 M472 M929",
            klipper="SDCARD_PRINT_FILE SDCARD_RESET_FILE SDCARD_LOOP_BEGIN SDCARD_LOOP_END SDCARD_LOOP_DESIST",
        ),
        "It writes, starts or ends files on the printer's memory card.",
        "Elle écrit, lance ou termine des fichiers sur la carte mémoire.",
        lines.present,
    ),
    (
        "raw-bus",
        commands("M260 M261 M485 M707 M708 M860 M865 M866 M867 M868 M869 M3426", reprap="M260 M261 M585"),
        "It talks to the electronics directly.",
        "Elle parle directement à l'électronique.",
        lines.present,
    ),
    (
        "pin-control",
        commands("M42 M43 M226", reprap="M42 M280 M577 M578 M581 M582", klipper="SET_PIN SET_SERVO"),
        "It switches pins of the electronics.",
        "Elle commute des broches de l'électronique.",
        lines.present,
    ),
    (
        "spindle-or-laser",
        commands("M3 M4"),
        "It switches on a spindle or a laser.",
        "Elle met en marche une broche de fraisage ou un laser.",
        lines.present,
    ),
    (
        "hidden-commands",
        commands(
            "M808 M810 M811 M812 M813 M814 M815 M816 M817 M818 M819",
            reprap="M99 M808",
            klipper="RUN_SHELL_COMMAND UPDATE_DELAYED_GCODE SET_GCODE_VARIABLE",
        ),
        "It repeats the print or runs commands that the file does not show.",
        "Elle répète l'impression ou exécute des commandes que le fichier ne montre pas.",
        lines.present,
    ),
    (
        "network",
        commands("M552 M553 M554", reprap="M540 M550 M551 M552 M553 M554 M586 M587 M588 M589"),
        "It changes the printer's network settings.",
        "Elle change les réglages réseau de l'imprimante.",
        lines.present,
    ),
    (
        "machine-lock",
        commands("M510 M511 M512"),
        "It locks the printer or changes its password.",
        "Elle verrouille l'imprimante ou change son mot de passe.",
        lines.present,
    ),
    (
        "link-changed",
        commands("M110 M575", reprap="M110 M555 M575"),
        "It disturbs the conversation between the farm and the printer.",
        "Elle perturbe la conversation entre la ferme et l'imprimante.",
        lines.present,
    ),
    (
        "temperature-unit",
        commands("M149"),
        "It changes the unit of temperatures: what follows would be too hot or too cold.",
        "Elle change l'unité des températures : la suite serait trop chaude ou trop froide.",
        lines.fahrenheit,
    ),
    (
        "endstops-off",
        commands("M121 M211", reprap="M211 M564"),
        "It switches off the limits that keep the head inside.",
        "Elle désactive les limites qui retiennent la tête.",
        lines.endstops_off,
    ),
    (
        "host-action",
        commands("M118", reprap="M118", klipper="RESPOND"),
        "It makes the printer give orders to its print server.",
        "Elle fait donner par l'imprimante des ordres à son serveur d'impression.",
        lines.host_action,
    ),
)

FORBIDDEN: Final[tuple[AnyRule, ...]] = tuple(
    LineRule(reject(name, english, french), judged, judge) for name, judged, english, french, judge in _ROWS
)
