"""What is at a serial port when it is no printer: told by what it said, with the next step, in both languages. Pure.

What a device said is untrusted text: it is shown short, printable, in quotation marks and without secrets.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from drivers.errors import Bilingual, NotAPrinterError
from drivers.marlin.transcript import safe_text

HEARD_CHARACTERS: Final = 80
READ_BYTES: Final = 2_048  # as much as it takes to know it
_TEXT_SHARE: Final = 0.9  # printable bytes among all: noise has 0.37 (95 of 256), and a line cut at its beginning is still text
_ENOUGH_BYTES: Final = 8
_PRINTABLE: Final = frozenset(b"\t\r\n") | frozenset(range(0x20, 0x7F))
_ASKED: Final = b"M115"  # what we say to a stranger

# Klipper's own protocol between its host and its boards: length 5, sequence 0x10-0x1f, two bytes of CRC, 0x7e
_KLIPPER: Final = re.compile(rb"(?:\x05[\x10-\x1f]..\x7e){2}", re.DOTALL)  # twice: once may be noise
_KLIPPER_NAME: Final = re.compile(rb"FIRMWARE_NAME:\s*Klipper", re.IGNORECASE)
_GPS: Final = re.compile(rb"\$(?:G[ABLNP]|BD|QZ)[A-Z]{3},")
_GRBL: Final = re.compile(rb"Grbl |\[VER:|\['\$' for help\]")
_ESP: Final = re.compile(rb"ets [A-Z][a-z]{2}\s+\d|rst:0x|ESP-ROM:|rst cause:")
_MODEM: Final = re.compile(rb"(?m)^(?:ERROR|NO CARRIER|\+CM[ES] ERROR.*|AT[&+A-Z0-9=]*)\r*$")


@dataclass(frozen=True, slots=True)
class Stranger:
    """A kind of device that is no printer. `code` is stable; `what` continues "at 115200 baud it is ...".

    `certain`: no printer says this, not even while it starts, so that nothing else needs to be tried.
    """

    code: str
    what: Bilingual
    next_step: Bilingual
    certain: bool = False


_OTHER_PORT: Final = Bilingual(
    "Find the printer's port with `farm printers scan`.", "Trouvez le port de l'imprimante avec `farm printers scan`."
)
_KLIPPER_STEP: Final = Bilingual(
    "Drive a Klipper printer through OctoPrint: octoprint+http://...",
    "Pilotez une imprimante Klipper par OctoPrint : octoprint+http://...",
)
_SILENT: Final = Stranger(
    "silent",
    Bilingual("nothing", "rien"),
    Bilingual(
        "Switch the printer on and check the cable (some only carry power). It may be stopped, by M112 or a fault: press its "
        "reset. If it prints from its card, wait until it ends.",
        "Allumez l'imprimante et vérifiez le câble (certains ne portent que le courant). Elle est peut-être arrêtée, par M112 ou "
        "un défaut : appuyez sur son bouton reset. Si elle imprime de sa carte, attendez.",
    ),
)
_NOISE: Final = Stranger(
    "noise",
    Bilingual("something that makes no sense", "quelque chose qui n'a pas de sens"),
    Bilingual(
        "If it is a printer, its firmware uses an unusual speed: give it with ?baud=. Otherwise find its port with "
        "`farm printers scan`.",
        "Si c'est une imprimante, son micrologiciel a une vitesse inhabituelle : donnez-la avec ?baud=. Sinon, trouvez son port "
        "avec `farm printers scan`.",
    ),
)
_TALKER: Final = Stranger(
    "text",
    Bilingual(
        "a device that prints lines of its own, such as an Arduino sketch",
        "un appareil qui écrit ses propres lignes, tel un Arduino",
    ),
    _OTHER_PORT,
)
_KNOWN: Final[tuple[tuple[Callable[[bytes], bool], Stranger], ...]] = (
    (
        lambda heard: (_KLIPPER_NAME.search(heard) or _KLIPPER.search(heard)) is not None,
        Stranger("klipper", Bilingual("Klipper, or a board of its", "Klipper, ou une carte à lui"), _KLIPPER_STEP, certain=True),
    ),
    (
        lambda heard: b"FIRMWARE_NAME:" in heard,
        Stranger(
            "dialect",
            Bilingual(
                "a firmware that does not number lines as Marlin does",
                "un micrologiciel qui ne numérote pas les lignes comme Marlin",
            ),
            Bilingual("Drive it through OctoPrint: octoprint+http://...", "Pilotez-la par OctoPrint : octoprint+http://..."),
        ),
    ),
    (
        lambda heard: _GPS.search(heard) is not None,
        Stranger("gps", Bilingual("a GPS receiver", "un récepteur GPS"), _OTHER_PORT, certain=True),
    ),
    (
        lambda heard: _GRBL.search(heard) is not None,
        Stranger(
            "grbl",
            Bilingual("Grbl, a controller of mills and lasers", "Grbl, un contrôleur de fraiseuses et de lasers"),
            _OTHER_PORT,
            certain=True,
        ),
    ),
    (
        lambda heard: _ESP.search(heard) is not None,
        Stranger("esp", Bilingual("an ESP module that starts", "un module ESP qui démarre"), _OTHER_PORT),
    ),
    (
        lambda heard: _MODEM.search(heard) is not None,
        Stranger("modem", Bilingual("a modem", "un modem"), _OTHER_PORT, certain=True),
    ),
    (
        lambda heard: heard.strip() != b"" and not heard.replace(_ASKED, b"").strip(),
        Stranger(
            "echo", Bilingual("a device that only repeats what it is told", "un appareil qui ne fait que répéter"), _OTHER_PORT
        ),
    ),
)


def printable_share(heard: bytes) -> float:
    """Printable bytes among all, 1.0 when nothing was heard."""
    return sum(byte in _PRINTABLE for byte in heard) / len(heard) if heard else 1.0


def _whole_lines(heard: bytes) -> bytes:
    """`heard` without its first line when that alone is noise: it began at another speed, or was cut."""
    rest = heard.partition(b"\n")[2]
    return rest if len(rest) > len(_ASKED) and printable_share(heard) < _TEXT_SHARE <= printable_share(rest) else heard


def is_text(heard: bytes) -> bool:
    """Whether the speed is right: at least a line, and hardly anything that cannot be printed."""
    heard = _whole_lines(heard)
    return len(heard) > len(_ASKED) and b"\n" in heard and printable_share(heard) >= _TEXT_SHARE


def is_noise(heard: bytes) -> bool:
    """Whether the speed is wrong, or the device speaks no text."""
    return len(heard) >= _ENOUGH_BYTES and printable_share(_whole_lines(heard)) < _TEXT_SHARE


def recognise(heard: bytes) -> Stranger:
    """What kind of device says `heard`."""
    heard = _whole_lines(heard[-READ_BYTES:])
    if not heard.strip(b"\0\r\n"):
        return _SILENT
    for is_it, stranger in _KNOWN:
        if is_it(heard):
            return stranger
    return _TALKER if printable_share(heard) >= _TEXT_SHARE else _NOISE


def excerpt(heard: bytes) -> str:
    """The newest of what was heard, at most HEARD_CHARACTERS, printable."""
    lines = [text for raw in heard[-READ_BYTES:].split(b"\n") if (text := safe_text(raw).strip())]
    shown = ""
    for line in dict.fromkeys(reversed(lines)):
        longer = f"{line} | {shown}" if shown else line
        if shown and len(longer) > HEARD_CHARACTERS:
            break
        shown = longer
    return shown if len(shown) <= HEARD_CHARACTERS else shown[: HEARD_CHARACTERS - 1] + "…"


def not_a_printer(device: str, heard: bytes, bauds: Sequence[int]) -> NotAPrinterError:
    """The error for what is at `device` and said `heard` at the speeds `bauds`."""
    stranger = recognise(heard)
    speeds = ", ".join(str(baud) for baud in bauds)
    if stranger is _SILENT:
        said = Bilingual(f"Nothing at {device} answers at {speeds} baud.", f"Rien ne répond sur {device} à {speeds} bauds.")
        return NotAPrinterError(said, next_step=_with_search(stranger.next_step, bauds))
    quoted = excerpt(heard)
    said = Bilingual(
        f"What is at {device} is no printer that we can drive: at {speeds} baud it is {stranger.what.en}. It said “{quoted}”.",
        f"Ce qui est sur {device} n'est pas une imprimante que l'on sait piloter : à {speeds} bauds, c'est {stranger.what.fr}. "
        f"Entendu : « {quoted} ».",
    )
    step = _with_search(stranger.next_step, bauds) if stranger is _NOISE else stranger.next_step
    return NotAPrinterError(said, next_step=step)


def _with_search(step: Bilingual, bauds: Sequence[int]) -> Bilingual:
    """With one speed that a person gave, the next thing to try is to let us look for it."""
    if len(bauds) > 1:
        return step
    return Bilingual(
        f"Leave ?baud= out of the URL: then the speed is looked for. {step.en}",
        f"Enlevez ?baud= de l'adresse : la vitesse est alors cherchée. {step.fr}",
    )
