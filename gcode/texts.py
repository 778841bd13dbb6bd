"""Sentences for people in both languages, and errors that carry them; the ground of every text that leaves `gcode`."""

from typing import Final, NamedTuple, Self

LANGUAGES: Final = ("en", "fr")


class Bilingual(NamedTuple):
    """The same sentence in English and in French."""

    en: str
    fr: str

    def spoken(self, language: str) -> str:
        """In `language`: "fr" is French, everything else English."""
        return self.fr if language == "fr" else self.en


NOTHING: Final = Bilingual("", "")


class Told(str):
    """A sentence in English that knows its stable code and its French (docs/decisions/0009), for where English was enough once."""

    __slots__ = ("code", "fr")
    code: str
    fr: str

    def __new__(cls, code: str, en: str, fr: str) -> Self:
        """The sentence `en`, under a code that stays, with its French."""
        made = super().__new__(cls, en)
        made.code = code
        made.fr = fr
        return made

    def __reduce__(self) -> tuple[type[Self], tuple[str, str, str]]:
        """How it is copied and pickled."""
        return type(self), (self.code, str(self), self.fr)

    def and_then(self, more: Bilingual) -> "Told":
        """The same with another sentence behind it."""
        return Told(self.code, f"{self} {more.en}", f"{self.fr} {more.fr}")


def told(text: str, code: str = "") -> Told:
    """The text with its French; one of which nobody knows the French, such as a machine's own words, says the same in both."""
    return text if isinstance(text, Told) else Told(code, text, text)


def both(text: str | Bilingual) -> Bilingual:
    """A text in both languages; where there is English only, it stands for both."""
    if isinstance(text, Told):
        return Bilingual(str(text), text.fr)
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


def octets(count: int) -> Bilingual:
    """`16 MiB` where it is a whole number of them, else `1,234 bytes`."""
    for power, letter in ((3, "G"), (2, "M"), (1, "K")):
        whole, rest = divmod(count, 1024**power)
        if 0 < whole < 1024 and not rest:
            return Bilingual(f"{whole} {letter}iB", f"{whole} {letter}io")
    grouped = f"{count:,}"
    return Bilingual(f"{grouped} bytes", f"{grouped.replace(',', ' ')} octets")


def printable(text: str, limit: int, instead: str = " ") -> str:
    """Untrusted text for a picture, a page or a terminal: at most `limit` characters, `instead` of those that control anything."""
    return "".join(character if character.isprintable() else instead for character in text[:limit]).strip()
