"""What the URL of a Marlin printer says: `marlin:///dev/...?baud=115200&deadman_s=300`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote

from drivers.errors import AddressError, Bilingual
from drivers.marlin.limits import DEFAULT_DEADMAN_S, LEAST_DEADMAN_S
from gcode.texts import NOTHING

SLOWEST_BAUD: Final = 1_200
FASTEST_BAUD: Final = 4_000_000
LONGEST_DEADMAN_S: Final = 3_600
DEFAULT_EJECT_BELOW_C: Final = 35.0
HOTTEST_EJECT_C: Final = 60.0
_KEYS: Final = ("baud", "deadman_s", "eject_file", "eject_below_c")
_EXAMPLE: Final = "marlin:///dev/ttyUSB0"


@dataclass(frozen=True, slots=True)
class Options:
    """`baud` None: look for it. `deadman_s` 0: the firmware is not told to stop itself when we die."""

    device: str
    baud: int | None = None
    deadman_s: int = DEFAULT_DEADMAN_S
    eject_file: Path | None = None
    eject_below_c: float = DEFAULT_EJECT_BELOW_C


def read_options(parts: SplitResult) -> Options:
    """The options of a URL. No I/O.

    Raises:
        AddressError: no device path, an unknown key, or a value out of its range; the message names it.

    """
    device = unquote(parts.path)
    if parts.netloc or not device.startswith("/") or device == "/":
        url = parts.geturl()
        raise _wrong(
            Bilingual(f"The printer URL {url!r} names no device.", f"L'adresse {url!r} ne nomme aucun port."),
            "baud=115200",
            Bilingual("(three slashes)", "(trois barres obliques)"),
        )
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    if unknown := ", ".join(sorted(query.keys() - set(_KEYS))):
        keys = ", ".join(_KEYS)
        raise _wrong(
            Bilingual(f"The printer URL has an unknown key: {unknown}.", f"L'adresse a une clé inconnue : {unknown}."),
            "baud=115200",
            Bilingual(f"Keys: {keys}.", f"Clés : {keys}."),
        )
    return Options(
        device,
        _baud(query.get("baud", "auto")),
        _deadman(query.get("deadman_s", str(DEFAULT_DEADMAN_S))),
        _file(query.get("eject_file")),
        _eject_below(query.get("eject_below_c", str(DEFAULT_EJECT_BELOW_C))),
    )


def _wrong(detail: Bilingual, query: str, more: Bilingual = NOTHING) -> AddressError:
    example = f"{_EXAMPLE}?{query}"
    step = Bilingual(f"Example: {example} {more.en}".rstrip(), f"Exemple : {example} {more.fr}".rstrip())
    return AddressError(detail, next_step=step)


def _baud(text: str) -> int | None:
    if text == "auto":
        return None
    if not text.isascii() or not text.isdigit() or not SLOWEST_BAUD <= int(text) <= FASTEST_BAUD:
        raise _wrong(
            Bilingual(f"{text!r} is not a baud rate.", f"{text!r} n'est pas une vitesse."),
            "baud=115200",
            Bilingual("(or baud=auto: it is looked for)", "(ou baud=auto : elle est cherchée)"),
        )
    return int(text)


def _deadman(text: str) -> int:
    seconds = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else -1
    if seconds != 0 and not LEAST_DEADMAN_S <= seconds <= LONGEST_DEADMAN_S:
        raise _wrong(
            Bilingual(
                f"deadman_s={text} is not 0 (off) or {LEAST_DEADMAN_S} to {LONGEST_DEADMAN_S} seconds.",
                f"deadman_s={text} n'est ni 0 (sans) ni {LEAST_DEADMAN_S} à {LONGEST_DEADMAN_S} secondes.",
            ),
            f"deadman_s={DEFAULT_DEADMAN_S}",
        )
    return seconds


def _file(text: str | None) -> Path | None:
    if text is None:
        return None
    if not text.startswith("/"):
        raise _wrong(
            Bilingual(f"eject_file={text} is no absolute path.", f"eject_file={text} n'est pas un chemin absolu."),
            "eject_file=/etc/essaim/eject.gcode",
        )
    return Path(text)


def _eject_below(text: str) -> float:
    try:
        degrees = float(text)
    except ValueError:
        degrees = -1.0
    if not 0 < degrees <= HOTTEST_EJECT_C:
        raise _wrong(
            Bilingual(
                f"eject_below_c={text} is not a temperature up to {HOTTEST_EJECT_C:g} °C.",
                f"eject_below_c={text} n'est pas une température jusqu'à {HOTTEST_EJECT_C:g} °C.",
            ),
            f"eject_below_c={DEFAULT_EJECT_BELOW_C:g}",
        )
    return degrees
