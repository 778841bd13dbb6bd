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


NOTHING: Final = Bilingual("", "")


def both(text: str | Bilingual) -> Bilingual:
    """A text in both languages; where there is English only, it stands for both."""
    return text if isinstance(text, Bilingual) else Bilingual(text, text)


class BilingualError(ValueError):
    """What is wrong (`bilingual`) and what to do about it (`next_step`; empty where the first says it), in both languages.

    `code` is stable and machine-readable.
    """

    code = "gcode"

    def __init__(self, bilingual: Bilingual, *, next_step: Bilingual = NOTHING) -> None:
        super().__init__(f"{bilingual.en} {next_step.en}".rstrip())
        self.bilingual = bilingual
        self.next_step = next_step


def printable(text: str, limit: int, instead: str = " ") -> str:
    """Untrusted text for a picture, a page or a terminal: at most `limit` characters, `instead` of those that control anything."""
    return "".join(character if character.isprintable() else instead for character in text[:limit]).strip()
