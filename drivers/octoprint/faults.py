"""What an error that OctoPrint reports means: the meanings are Marlin's (`drivers.marlin.faults`), the way out is OctoPrint's.

After an error line of the firmware OctoPrint 1.11.8 sends M112 and disconnects; it stays so until somebody presses Connect.
"""

from dataclasses import replace
from typing import Final

from drivers.base import Fault
from drivers.marlin.faults import fault, recognise
from drivers.octoprint.reading import MAX_TEXT

_CONNECT_EN: Final = "Then press Connect in OctoPrint."
_CONNECT_FR: Final = "Puis cliquez sur « Connect » dans OctoPrint."


def firmware_fault(text: str) -> Fault:
    """The fault behind an error line of the firmware; the line itself is kept."""
    rule = recognise(text)
    return _with_connect(rule.fault(text) if rule else _unknown(text))


def named_fault(text: str) -> Fault | None:
    """The fault of the firmware that a text certainly tells of, or None."""
    return firmware_fault(text) if recognise(text) else None


def stopped_fault(text: str = "M112") -> Fault:
    """Somebody, or this driver, gave the emergency stop."""
    return _with_connect(fault("emergency-stop", text))


def reset_fault() -> Fault:
    """The printer restarted while it printed. OctoPrint stays connected."""
    return fault("reset", "start")


def _unknown(text: str) -> Fault:
    return Fault(
        code="firmware-error",
        text=text[:MAX_TEXT],
        meaning_en="The printer's firmware reports an error and OctoPrint has disconnected from it.",
        meaning_fr="Le micrologiciel de l'imprimante signale une erreur ; OctoPrint s'en est déconnecté.",
        action_en="Read the line, look at the printer and remove the cause, then reset it.",
        action_fr="Lisez la ligne, regardez l'imprimante, supprimez la cause, puis réinitialisez-la.",
    )


def _with_connect(found: Fault) -> Fault:
    return replace(found, action_en=f"{found.action_en} {_CONNECT_EN}", action_fr=f"{found.action_fr} {_CONNECT_FR}")
