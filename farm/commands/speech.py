"""What commands say: lines for people, made safe for a terminal, and JSON for programs. Needs nothing of the farm."""

import json
import sys


def plain(text: str) -> str:
    """Text from a printer or a maker, made safe for a terminal: no control characters, so no escape sequences."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def say(text: str) -> None:
    """One line for people."""
    sys.stdout.write(plain(text) + "\n")


def say_json(value: object) -> None:
    """JSON for programs."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def number_of(count: int, thing: str) -> str:
    """A count with its noun: 1 part, 2 parts."""
    return f"{count} {thing}{'' if count == 1 else 's'}"


def duration(seconds: float) -> str:
    """A time span for people: 40 s, 12 min, 3 h 5 min, 2 d 4 h."""
    minutes = int(seconds // 60)
    if minutes < 2:
        return f"{seconds:.0f} s"
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes // 1440} d {minutes // 60 % 24} h"
