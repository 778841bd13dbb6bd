"""What commands say: lines for people in their language, made safe for a terminal, and JSON for programs.

Needs nothing of the farm but its languages. Counts and spans are `Told`: English in an f-string, French by `.fr`.
"""

import json
import sys
from typing import Final

from farm.language import spoken
from gcode.texts import Bilingual, Told, both

# what is counted -> its French singular and plural
_NOUNS_FR: Final = {
    "approval": ("approbation", "approbations"),
    "bed": ("plateau", "plateaux"),
    "byte": ("octet", "octets"),
    "event": ("fait", "faits"),
    "fact": ("fait", "faits"),
    "file": ("fichier", "fichiers"),
    "job": ("impression", "impressions"),
    "layer": ("couche", "couches"),
    "line": ("ligne", "lignes"),
    "message": ("message", "messages"),
    "node": ("nœud", "nœuds"),
    "open order": ("commande ouverte", "commandes ouvertes"),
    "order": ("commande", "commandes"),
    "part": ("pièce", "pièces"),
    "printer": ("imprimante", "imprimantes"),
    "program": ("programme", "programmes"),
    "requester": ("demandeur", "demandeurs"),
    "revision": ("révision", "révisions"),
}


def plain(text: str) -> str:
    """Text from a printer or a maker, made safe for a terminal: no control characters, so no escape sequences."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def say(text: str | Bilingual, *, err: bool = False) -> None:
    """One line for people, in their language where the text has it; `err`: on standard error."""
    (sys.stderr if err else sys.stdout).write(plain(spoken(both(text))) + "\n")


def say_json(value: object) -> None:
    """JSON for programs."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def number_of(count: int, thing: str) -> Told:
    """A count with its noun: 1 part, 2 parts; in French (`.fr`) none is singular too. KeyError: nobody has said its French."""
    one, many = _NOUNS_FR[thing]
    return Told("count", f"{count} {thing}{'' if count == 1 else 's'}", f"{count} {one if abs(count) < 2 else many}")


def plural_fr(count: int, french: str) -> str:
    """A regular French word in the number of what is counted: 1 rejeté, 2 rejetés."""
    return french if abs(count) < 2 else f"{french}s"


def decimal(value: float, form: str = "g") -> Told:
    """A figure for people in the form of a format specification: 25.1; in French (`.fr`) 25,1."""
    text = format(value, form)
    return Told("figure", text, text.replace(".", ","))


def duration(seconds: float) -> Told:
    """A time span for people: 40 s, 12 min, 3 h 5 min, 2 d 4 h (2 j 4 h)."""
    minutes = int(seconds // 60)
    if minutes >= 48 * 60:
        days, hours = minutes // 1440, minutes // 60 % 24
        return Told("span", f"{days} d {hours} h", f"{days} j {hours} h")
    short = f"{seconds:.0f} s" if minutes < 2 else f"{minutes} min"
    text = short if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
    return Told("span", text, text)
