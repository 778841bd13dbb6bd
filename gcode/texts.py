"""Sentences for people in both languages, and errors that carry them; the ground of every text that leaves `gcode`."""

from typing import Final, NamedTuple

LANGUAGES: Final = ("en", "fr")


class Bilingual(NamedTuple):
    """The same sentence in English and in French."""

    en: str
    fr: str

    def spoken(self, language: str) -> str:
        """In `language`: "fr" is French, everything else English."""
        return self.fr if language == "fr" else self.en


class BilingualError(ValueError):
    """What is wrong and what to do about it, in both languages; `code` is stable and machine-readable."""

    code = "gcode"

    def __init__(self, bilingual: Bilingual) -> None:
        super().__init__(bilingual.en)
        self.bilingual = bilingual


def printable(text: str, limit: int) -> str:
    """Untrusted text for a picture, a page or a terminal: at most `limit` characters, none that controls anything."""
    return "".join(character if character.isprintable() else " " for character in text[:limit]).strip()
