"""What a machine asks, for a person at a terminal: its own words as they are, the driver's in both languages."""

from collections.abc import Sequence
from typing import Final, Protocol

from gcode.texts import Bilingual

GO_ON: Final = Bilingual("go on", "continuer")


class Question(Protocol):
    """`drivers.base.Prompt`, or its note on the wire."""

    @property
    def text(self) -> str:
        """What is asked."""

    @property
    def text_fr(self) -> str | None:
        """The same in French, where the words are not the machine's."""

    @property
    def choices(self) -> Sequence[str]:
        """What can be answered; none: "go on"."""

    @property
    def choices_fr(self) -> Sequence[str]:
        """The same in French, or none."""


def words_of(prompt: Question) -> Bilingual:
    """What is asked."""
    return Bilingual(prompt.text, prompt.text_fr or prompt.text)


def choices_of(prompt: Question) -> list[Bilingual]:
    """The choices; without any there is one."""
    if not prompt.choices:
        return [GO_ON]
    french = prompt.choices_fr if len(prompt.choices_fr) == len(prompt.choices) else prompt.choices
    return [Bilingual(*words) for words in zip(prompt.choices, french, strict=True)]


def choice_of(prompt: Question, typed: str) -> int | None:
    """The index of the choice with these words, in either language, or with this number (from 1); None: there is none, or two."""
    choices, wanted = choices_of(prompt), typed.strip().casefold()
    found = [index for index, words in enumerate(choices) if wanted in {one.strip().casefold() for one in words}]
    if not found and wanted.isascii() and wanted.isdigit() and 1 <= int(wanted) <= len(choices):
        found = [int(wanted) - 1]
    return found[0] if len(found) == 1 else None
