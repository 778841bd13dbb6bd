"""What kinds of firmware do differently, as data: the first row whose pattern fits the name in the answer to M115. Pure.

A row says only what its source says. What is not known of a firmware stays at the careful default: one line at a time, no M85, and
reports only where it tells the capability.
"""

import re
from dataclasses import dataclass
from typing import Final

from drivers.errors import Bilingual

_OVER_NETWORK: Final = Bilingual(
    "Put OctoPrint (or Moonraker's OctoPrint interface) in front of it and use octoprint+http://...",
    "Mettez OctoPrint (ou l'interface OctoPrint de Moonraker) devant elle et utilisez octoprint+http://...",
)


@dataclass(frozen=True, slots=True)
class Quirk:
    """One kind of firmware. `pattern` is searched in its name; `source` says where the row comes from.

    `wide`: more than one move at a time was measured to be safe. `deadman`: M85 kills when nothing comes. `factors`: M220 and M221
    take a percentage. `refusal`: why it is not driven by serial lines at all; `advice`: what to do if it does not number lines.
    """

    code: str
    pattern: str
    source: str
    wide: bool = False
    deadman: bool = False
    factors: bool = True
    refusal: Bilingual | None = None
    advice: Bilingual = _OVER_NETWORK


QUIRKS: Final = (
    Quirk(
        "klipper",
        r"^Klipper\b",
        "klipper3d.org, G-Codes: it reads over line numbers and checksums, and never asks for a line again",
        factors=False,
        refusal=Bilingual(
            "It is Klipper, which never asks again for a line that was damaged on its way: a print could be silently wrong.",
            "C'est Klipper, qui ne redemande pas une ligne abîmée en route : une impression série pourrait être fausse sans signe.",
        ),
    ),
    Quirk(
        "reprapfirmware",
        r"^RepRapFirmware\b",
        "docs.duet3d.com, M115: `FIRMWARE_NAME: RepRapFirmware for Duet ...`; its resend dialogue was not verified here",
    ),
    Quirk(
        "repetier",
        r"^Repetier_",
        "Repetier-Firmware, M115: `FIRMWARE_NAME:Repetier_<version>`; issues 148, 637: `wait` when idle, `ok <line>`",
    ),
    Quirk(
        "prusa-buddy",
        r"^Prusa-Firmware-Buddy\b",
        "Prusa-Firmware-Buddy 4 to 6, M115: a fork of Marlin 2 (MINI, MK3.5, MK4, XL, CORE One)",
    ),
    Quirk(
        "prusa-mk3",
        r"^Prusa-Firmware\b",
        "Prusa-Firmware 3.10 to 3.14, M115: `Prusa-Firmware 3.14.1 based on Marlin`; issue 331: Resend without ok",
    ),
    Quirk("marlin-1", r"^Marlin (?:bugfix-)?1\.", "marlinfw.org, M85 (since 1.0.0), M113 (since 1.1.0)", deadman=True),
    Quirk("marlin-2", r"^Marlin (?:bugfix-)?2\.", "measured: facts/marlin.md (bugfix-2.1.x)", wide=True, deadman=True),
    Quirk("marlin", r"^Marlin\b", "marlinfw.org, M85 (since 1.0.0)", deadman=True),
)
UNKNOWN: Final = Quirk("unknown", "", "nothing is known: careful")


def of(firmware: str | None) -> Quirk:
    """The row of a firmware by its name."""
    name = (firmware or "").strip()
    return next((row for row in QUIRKS if re.search(row.pattern, name)), UNKNOWN)
