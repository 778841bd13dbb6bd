"""What a firmware error that OctoPrint reports means, for a person, in both languages.

OctoPrint names the common ones (`faq` of its `Error` event, 1.11.8); everything else is known by words of Marlin's own line.
"""

from dataclasses import dataclass
from typing import Final

from drivers.base import Fault
from drivers.octoprint.reading import MAX_TEXT


@dataclass(frozen=True, slots=True)
class _Meaning:
    code: str
    words: tuple[str, ...]
    meaning_en: str
    meaning_fr: str
    action_en: str
    action_fr: str


_RESET_EN: Final = "Then switch the printer off and on and press Connect in OctoPrint."
_RESET_FR: Final = "Puis éteignez et rallumez l'imprimante et cliquez sur « Connect » dans OctoPrint."

_MEANINGS: Final[tuple[_Meaning, ...]] = (
    _Meaning(
        "thermal-runaway",
        ("runaway",),
        "A heater did not hold its temperature; the printer has stopped itself.",
        "Un élément chauffant n'a pas tenu sa température ; l'imprimante s'est arrêtée d'elle-même.",
        f"Check that the sensor sits firmly and that no wire is loose. {_RESET_EN}",
        f"Vérifiez que la sonde est bien en place et qu'aucun fil n'est desserré. {_RESET_FR}",
    ),
    _Meaning(
        "heating-failed",
        ("heating failed",),
        "A heater does not get warm.",
        "Un élément chauffant ne chauffe pas.",
        f"Check the heater cartridge, the bed's cable and the power supply. {_RESET_EN}",
        f"Vérifiez la cartouche chauffante, le câble du plateau et l'alimentation. {_RESET_FR}",
    ),
    _Meaning(
        "mintemp",
        ("mintemp",),
        "A temperature sensor is broken or not connected.",
        "Une sonde de température est cassée ou débranchée.",
        f"Check the sensor and its plug. {_RESET_EN}",
        f"Vérifiez la sonde et sa fiche. {_RESET_FR}",
    ),
    _Meaning(
        "maxtemp",
        ("maxtemp",),
        "A heater is too hot, or its sensor is short-circuited.",
        "Un élément chauffe trop, ou sa sonde est en court-circuit.",
        f"Let it cool down and check the sensor. {_RESET_EN}",
        f"Laissez refroidir et vérifiez la sonde. {_RESET_FR}",
    ),
    _Meaning(
        "probing-failed",
        ("probing failed", "bed leveling", "reference point", "bltouch", "homing failed"),
        "The printer could not find its bed or its home position.",
        "L'imprimante n'a pas trouvé son plateau ou son origine.",
        f"Clean the nozzle and the bed, check probe and end stops. {_RESET_EN}",
        f"Nettoyez la buse et le plateau, vérifiez le palpeur et les fins de course. {_RESET_FR}",
    ),
)
_OTHER: Final = _Meaning(
    "firmware-error",
    (),
    "The printer's firmware reports an error and OctoPrint has disconnected from it.",
    "Le micrologiciel de l'imprimante signale une erreur ; OctoPrint s'en est déconnecté.",
    f"Read the line, look at the printer and remove the cause. {_RESET_EN}",
    f"Lisez la ligne, regardez l'imprimante et supprimez la cause. {_RESET_FR}",
)
_RESET: Final = _Meaning(
    "printer-reset",
    (),
    "The printer restarted in the middle of a print.",
    "L'imprimante a redémarré en pleine impression.",
    "Check the power supply and the cables, then clear the bed.",
    "Vérifiez l'alimentation et les câbles, puis débarrassez le plateau.",
)
_STOPPED: Final = _Meaning(
    "emergency-stop",
    (),
    "The printer was stopped at once (emergency stop). Its heaters are off.",
    "L'imprimante a été arrêtée net (arrêt d'urgence). Elle ne chauffe plus.",
    f"Make sure that it is safe. {_RESET_EN}",
    f"Assurez-vous qu'il n'y a pas de danger. {_RESET_FR}",
)


def _fault(meaning: _Meaning, text: str) -> Fault:
    return Fault(
        code=meaning.code,
        text=text[:MAX_TEXT],
        meaning_en=meaning.meaning_en,
        meaning_fr=meaning.meaning_fr,
        action_en=meaning.action_en,
        action_fr=meaning.action_fr,
    )


def firmware_fault(text: str) -> Fault:
    """The fault behind an error line of the firmware."""
    lower = text.lower()
    found = next((meaning for meaning in _MEANINGS if any(word in lower for word in meaning.words)), _OTHER)
    return _fault(found, text)


def stopped_fault(text: str = "M112") -> Fault:
    """Somebody, or this driver, gave the emergency stop."""
    return _fault(_STOPPED, text)


def reset_fault(text: str = "start") -> Fault:
    """The printer restarted while it printed."""
    return _fault(_RESET, text)
