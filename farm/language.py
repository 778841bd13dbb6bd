"""In which of our two languages a person reads at this terminal."""

import os

from drivers.errors import Bilingual, DriverError
from drivers.system_words import system_words as system_words  # noqa: PLC0414 - given on, with the rest of the words
from farm.errors import FarmError


def speaks_french() -> bool:
    """Whether the locale of the messages is French; as in POSIX the first of these variables that is not empty decides."""
    named = (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    return next((value for value in named if value), "").lower().startswith("fr")


def spoken(text: Bilingual) -> str:
    """The text in the person's language."""
    return text.fr if speaks_french() else text.en


def told(error: Exception) -> str:
    """What is wrong and what to do next, in the person's language where the error has it."""
    return spoken(error.bilingual) if isinstance(error, DriverError | FarmError) else str(error)
