"""What can go wrong with a Marlin printer, as data: the words of its line, our code, the meaning and what a person does.

Sources: the messages that Marlin bugfix-2.1.x sends (recorded from the real firmware), and for faults without a line of the
machine, what the driver itself found out. Codes never change; texts may.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from drivers.base import Fault, Recovery
from gcode.texts import Told

_MAX_TEXT: Final = 200


class Severity(Enum):
    """What a fault does to the printer."""

    KILLED = "killed"  # the firmware is deaf, or refuses everything: a person resets it
    JOB = "job"  # the job fails; the machine still obeys
    LINK = "link"  # contact is lost; the driver tries again


@dataclass(frozen=True, slots=True)
class FaultRule:
    """One row: `words` is looked for in the machine's line without regard to case; None for what we find out ourselves."""

    code: str
    severity: Severity
    words: str | None
    meaning_en: str
    meaning_fr: str
    action_en: str
    action_fr: str
    recovery: Recovery = Recovery.BY_HAND

    def fault(self, text: str) -> Fault:
        """The record for pages and journal; `text` is the machine's line, or ours as `Told`, cut to 200 characters."""
        return Fault(self.code, _cut(text), self.meaning_en, self.meaning_fr, self.action_en, self.action_fr, self.recovery)


def _cut(text: str) -> str:
    return Told(text.code, text[:_MAX_TEXT], text.fr[:_MAX_TEXT]) if isinstance(text, Told) else text[:_MAX_TEXT]


# The first row whose words are in the line wins: special before general.
RULES: Final = (
    FaultRule(
        "thermal-runaway",
        Severity.KILLED,
        "thermal runaway",
        "The temperature left its target although the heater was regulated: the firmware stopped everything.",
        "La température s'est écartée de sa consigne malgré la régulation : le micrologiciel a tout arrêté.",
        "Switch the printer off. Check that thermistor and heater sit firmly, then reset it.",
        "Éteignez l'imprimante. Vérifiez la fixation de la sonde et de la cartouche chauffante, puis réinitialisez-la.",
    ),
    FaultRule(
        "heating-failed",
        Severity.KILLED,
        "heating failed",
        "A heater does not warm up: the firmware stopped everything.",
        "Un élément chauffant ne chauffe pas : le micrologiciel a tout arrêté.",
        "Check the heater, its wires and the power supply, then reset the printer.",
        "Vérifiez l'élément chauffant, ses fils et l'alimentation, puis réinitialisez l'imprimante.",
        Recovery.NEVER,
    ),
    FaultRule(
        "max-temperature",
        Severity.KILLED,
        "maxtemp",
        "A sensor reports more than the allowed maximum: too hot, or the sensor is short-circuited.",
        "Une sonde dépasse le maximum autorisé : trop chaud, ou la sonde est en court-circuit.",
        "Switch the printer off and check the sensor's wires. Do not print before it reads room temperature when cold.",
        "Éteignez l'imprimante et vérifiez les fils de la sonde. N'imprimez qu'une fois la température ambiante lue à froid.",
        Recovery.NEVER,
    ),
    FaultRule(
        "min-temperature",
        Severity.KILLED,
        "mintemp",
        "A sensor reports less than the allowed minimum: its wire is broken or unplugged, or the room is very cold.",
        "Une sonde est sous le minimum autorisé : fil coupé ou débranché, ou pièce très froide.",
        "Check the sensor's plug and wires, then reset the printer.",
        "Vérifiez la prise et les fils de la sonde, puis réinitialisez l'imprimante.",
        Recovery.NEVER,
    ),
    FaultRule(
        "inactivity-kill",
        Severity.KILLED,
        "kill caused by too much inactive time",
        "The firmware heard nothing for its time limit (M85) and stopped everything.",
        "Le micrologiciel n'a rien reçu pendant sa limite de temps (M85) et a tout arrêté.",
        "Reset the printer; check the computer beside it.",
        "Réinitialisez l'imprimante ; vérifiez l'ordinateur à côté d'elle.",
    ),
    FaultRule(
        "emergency-stop",
        Severity.KILLED,
        "m112 shutdown",
        "The emergency stop was used: heat and motors are off.",
        "L'arrêt d'urgence a été utilisé : chauffe et moteurs sont coupés.",
        "When it is safe, reset the printer and clear the bed.",
        "Quand tout est sûr, réinitialisez l'imprimante et dégagez le plateau.",
    ),
    FaultRule(
        "killed",
        Severity.KILLED,
        "printer halted",
        "The firmware stopped itself and hears nothing any more; heaters are off.",
        "Le micrologiciel s'est arrêté et n'écoute plus ; la chauffe est coupée.",
        "Look for the cause on its display, then reset the printer.",
        "Cherchez la cause sur son écran, puis réinitialisez l'imprimante.",
    ),
    FaultRule(
        "stopped",
        Severity.KILLED,
        "printer stopped",
        "The firmware stopped because of an error and ignores moves until a person allows them; heaters are off.",
        "Le micrologiciel s'est arrêté sur une erreur et ignore les mouvements ; la chauffe est coupée.",
        "Find the cause, then reset the printer.",
        "Trouvez la cause, puis réinitialisez l'imprimante.",
    ),
    FaultRule(
        "cold-extrusion",
        Severity.JOB,
        "cold extrusion prevented",
        "Plastic was asked for while the nozzle was cold: nothing comes out.",
        "De la matière a été demandée avec une buse froide : rien ne sort.",
        "Check that the file heats the nozzle before it prints (M109), and that nobody switched the heater off.",
        "Vérifiez que le fichier chauffe la buse avant d'imprimer (M109) et que personne n'a coupé la chauffe.",
        Recovery.BY_ITSELF,
    ),
    FaultRule(
        "long-extrusion",
        Severity.JOB,
        "too long extrusion prevented",
        "The file asks for more filament in one move than the firmware allows.",
        "Le fichier demande plus de filament en un mouvement que le micrologiciel ne permet.",
        "Slice the file again for this printer; look for a missing G92 E0.",
        "Tranchez de nouveau le fichier pour cette imprimante ; cherchez un G92 E0 manquant.",
        Recovery.BY_ITSELF,
    ),
    FaultRule(
        "homing-failed",
        Severity.KILLED,
        "homing failed",
        "An axis did not find its end switch.",
        "Un axe n'a pas trouvé sa fin de course.",
        "Look for something in the way and check the end switches, then reset the printer.",
        "Cherchez un obstacle et vérifiez les fins de course, puis réinitialisez l'imprimante.",
    ),
    FaultRule(
        "probing-failed",
        Severity.JOB,
        "probing failed",
        "The bed probe found no bed.",
        "Le palpeur n'a pas trouvé le plateau.",
        "Clean nozzle and bed, check the probe, then home from the panel.",
        "Nettoyez la buse et le plateau, vérifiez le palpeur, puis prenez l'origine depuis l'écran.",
    ),
    FaultRule(
        "reset",
        Severity.JOB,
        None,
        "The printer was reset or lost power in the middle of the print; it no longer knows where it is.",
        "L'imprimante a été réinitialisée ou a perdu l'alimentation pendant l'impression ; elle ne sait plus où elle est.",
        "Clear the bed. If nobody pressed reset, check the mains plug, the USB cable and the power supply.",
        "Dégagez le plateau. Si personne n'a appuyé sur reset, vérifiez la prise, le câble USB et l'alimentation.",
        Recovery.BY_ITSELF,
    ),
    FaultRule(
        "unplugged",
        Severity.LINK,
        None,
        "The serial port disappeared: the USB cable was pulled or the printer switched off.",
        "Le port série a disparu : câble USB débranché ou imprimante éteinte.",
        "Plug the cable in again and switch the printer on; the driver finds it by itself.",
        "Rebranchez le câble et allumez l'imprimante ; le pilote la retrouvera seul.",
        Recovery.BY_ITSELF,
    ),
    FaultRule(
        "no-answer",
        Severity.LINK,
        None,
        "The port is there but the printer answers nothing.",
        "Le port existe mais l'imprimante ne répond plus.",
        "Make the printer safe: look at it, switch it off and on again, check the USB cable.",
        "Mettez l'imprimante en sécurité : regardez-la, éteignez-la et rallumez-la, vérifiez le câble USB.",
        Recovery.BY_ITSELF,
    ),
    FaultRule(
        "line-doubtful",
        Severity.JOB,
        None,
        "A line was confirmed that the printer did not count: noise on the cable, and the part may have a flaw.",
        "Une ligne a été confirmée sans être comptée : parasites sur le câble, la pièce peut avoir un défaut.",
        "Use a short shielded USB cable away from motor wires, then print again.",
        "Utilisez un câble USB court et blindé, loin des fils des moteurs, puis relancez l'impression.",
        Recovery.BY_ITSELF,
    ),
    FaultRule(
        "position-lost",
        Severity.JOB,
        None,
        "Printer and computer no longer agree about which line comes next.",
        "L'imprimante et l'ordinateur ne sont plus d'accord sur la ligne suivante.",
        "Check that no other program talks to this printer and that the cable is sound.",
        "Vérifiez qu'aucun autre programme ne parle à cette imprimante et que le câble est en bon état.",
        Recovery.BY_ITSELF,
    ),
    FaultRule(
        "line-refused",
        Severity.JOB,
        None,
        "The printer refuses the same line again and again.",
        "L'imprimante refuse sans cesse la même ligne.",
        "Check cable and baud rate; if it is always the same line of the file, slice the file again.",
        "Vérifiez le câble et la vitesse ; si c'est toujours la même ligne du fichier, tranchez-le de nouveau.",
        Recovery.BY_ITSELF,
    ),
    FaultRule(
        "file-unreadable",
        Severity.JOB,
        None,
        "The file could not be read to its end.",
        "Le fichier n'a pas pu être lu jusqu'au bout.",
        "Check the disk of the computer beside the printer.",
        "Vérifiez le disque de l'ordinateur à côté de l'imprimante.",
        Recovery.BY_ITSELF,
    ),
    FaultRule(
        "file-changed",
        Severity.JOB,
        None,
        "The file was changed while it was printed.",
        "Le fichier a été modifié pendant l'impression.",
        "Leave the file alone while it is printed; clear the bed and print it again.",
        "Ne touchez pas au fichier pendant l'impression ; dégagez le plateau et relancez.",
    ),
    FaultRule(
        "unanswered",
        Severity.KILLED,
        None,
        "The printer asked and nobody answered before its time limit (M85): it stopped itself, heat and motors are off.",
        "Personne n'a répondu à l'imprimante avant sa limite de temps (M85) : elle s'est arrêtée, tout est coupé.",
        "Reset the printer, clear the bed. If answers take longer here, raise deadman_s in its address (at most 3600, 0: off).",
        "Réinitialisez l'imprimante, dégagez le plateau. S'il faut plus de temps, augmentez deadman_s (au plus 3600, 0 : sans).",
    ),
    FaultRule(
        "heater-lost",
        Severity.JOB,
        None,
        "The nozzle was hot and went cold in mid-print although it should be hot: its heater fails.",
        "La buse était chaude et a refroidi en pleine impression malgré sa consigne : sa chauffe est en panne.",
        "Switch the printer off and check the heater cartridge, its wires and the power supply before it prints again.",
        "Éteignez l'imprimante et vérifiez la cartouche chauffante, ses fils et l'alimentation avant de réimprimer.",
    ),
    FaultRule(
        "other-machine",
        Severity.KILLED,
        None,
        "Another printer is connected to this port than before. Nothing was sent to it.",
        "Une autre imprimante est branchée sur ce port. Rien ne lui a été envoyé.",
        "Connect the printer that belongs here and look whether it is still hot; or give the new one an entry of its own.",
        "Rebranchez l'imprimante prévue et vérifiez si elle chauffe encore ; ou déclarez la nouvelle séparément.",
    ),
    FaultRule(
        "chatter",
        Severity.LINK,
        None,
        "What is at the port talks without end and makes no sense: nobody can print so.",
        "Ce qui est branché parle sans fin et sans sens : impossible d'imprimer ainsi.",
        "Check the baud rate, the cable and what is connected there; the driver tries again by itself.",
        "Vérifiez la vitesse, le câble et l'appareil branché ; le pilote réessaie seul.",
        Recovery.BY_ITSELF,
    ),
    FaultRule(
        "stop-unconfirmed",
        Severity.KILLED,
        None,
        "The emergency stop was sent, but the printer did not confirm it.",
        "L'arrêt d'urgence a été envoyé, mais l'imprimante ne l'a pas confirmé.",
        "Switch the printer off at the mains now.",
        "Coupez tout de suite l'imprimante au secteur.",
    ),
)

BY_CODE: Final = {rule.code: rule for rule in RULES}


def recognise(line: str) -> FaultRule | None:
    """The fault that a line of the machine reports, or None. An unknown command may quote any words: it is no fault."""
    lowered = line.lower()
    if "unknown command" in lowered:
        return None
    return next((rule for rule in RULES if rule.words and rule.words in lowered), None)


def fault(code: str, text: str) -> Fault:
    """The record of one of our own findings."""
    return BY_CODE[code].fault(text)
