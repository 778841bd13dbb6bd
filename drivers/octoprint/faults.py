"""What an error that OctoPrint reports means: the meanings are Marlin's (`drivers.marlin.faults`), the way out is OctoPrint's.

After an error line of the firmware OctoPrint 1.11.8 sends M112 and disconnects; it stays so until somebody presses Connect.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from drivers.base import Fault, Recovery
from drivers.errors import Bilingual
from drivers.marlin.faults import fault, recognise
from drivers.octoprint.reading import MAX_TEXT
from gcode.texts import Told

_CONNECT_EN: Final = "Then press Connect in OctoPrint."
_CONNECT_FR: Final = "Puis cliquez sur « Connect » dans OctoPrint."


def firmware_fault(text: str, lines: Sequence[str] = ()) -> Fault:
    """The fault behind an error line of the firmware; the line itself is kept, with the last `lines` of the terminal."""
    rule = recognise(text)
    found = _with_connect(rule.fault(text) if rule else _unknown(text))
    return replace(found, text=f"{found.text} [{' | '.join(lines)}]"[:MAX_TEXT]) if lines else found


def named_fault(text: str) -> Fault | None:
    """The fault of the firmware that a text certainly tells of, or None."""
    return firmware_fault(text) if recognise(text) else None


def stopped_fault(text: str = "M112") -> Fault:
    """Somebody, or this driver, gave the emergency stop."""
    return _with_connect(fault("emergency-stop", text))


def reset_fault() -> Fault:
    """The printer restarted while it printed. OctoPrint stays connected."""
    return fault("reset", "start")


def stalled_fault(still_s: float) -> Fault:
    """OctoPrint says that it prints, but sends nothing. The job is still open: the fault goes when the print moves on."""
    minutes = round(still_s / 60)
    return Fault(
        code="no-progress",
        text=Told(
            "no-progress",
            f"No line of the file was sent for {minutes} minutes: look at the printer.",
            f"Aucune ligne du fichier n'est partie depuis {minutes} minutes : regardez l'imprimante.",
        ),
        meaning_en="OctoPrint says that it prints, but no line of the file went out for a long time.",
        meaning_fr="OctoPrint dit qu'il imprime, mais aucune ligne du fichier n'est partie depuis longtemps.",
        action_en="Look at the printer: it waits for somebody, or its firmware hangs. Answer it, or cancel the print.",
        action_fr="Regardez l'imprimante : elle attend quelqu'un, ou son micrologiciel est bloqué. Répondez-lui ou annulez.",
        recovery=Recovery.BY_HAND,
    )


def _unknown(text: str) -> Fault:
    return Fault(
        code="firmware-error",
        text=text[:MAX_TEXT],
        meaning_en="The printer's firmware reports an error and OctoPrint has disconnected from it.",
        meaning_fr="Le micrologiciel de l'imprimante signale une erreur ; OctoPrint s'en est déconnecté.",
        action_en="Read the line, look at the printer and remove the cause, then reset it.",
        action_fr="Lisez la ligne, regardez l'imprimante, supprimez la cause, puis réinitialisez-la.",
        recovery=Recovery.BY_HAND,
    )


def _with_connect(found: Fault) -> Fault:
    """The same fault by way of OctoPrint: after it, it stays apart from its printer until somebody presses Connect.

    Whatever the firmware could do by itself on a serial line, here a hand is needed; what has to be repaired stays so.
    """
    recovery = Recovery.NEVER if found.recovery is Recovery.NEVER else Recovery.BY_HAND
    action = Bilingual(f"{found.action_en} {_CONNECT_EN}", f"{found.action_fr} {_CONNECT_FR}")
    return replace(found, action_en=action.en, action_fr=action.fr, recovery=recovery)
