"""Lines of ours between two jobs: a person's line of the console, or the lines that push a part off the bed. Pure."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from drivers.marlin.lines import HOST_OWNED, LineError, prepare, shown, word

MAX_SAID_LINES: Final = 200
MAX_SAID_CHARACTERS: Final = 300
# M28 and M928 make a file on the card of everything that follows; M112 has a command of its own; M997 and M502 change the firmware
REFUSED: Final = HOST_OWNED | frozenset({b"M28", b"M30", b"M112", b"M928", b"M997", b"M999"})


class Purpose(Enum):
    """What an errand is for."""

    CONSOLE = "console"
    EJECT = "eject"


@dataclass(slots=True)
class Errand:
    """`said` is what the machine says to it, `done` whether it is through. One that is neither was cut off."""

    purpose: Purpose
    lines: list[bytes]
    said: list[str] = field(default_factory=list)
    done: bool = False
    after_line: int = -1  # what is answered to lines up to this number is for somebody else
    waits_for_report: bool = False  # temperatures that come by themselves are no answer, unless they were asked for

    def hear(self, text: str, *, report: bool) -> None:
        """Take a line of the machine."""
        if len(self.said) < MAX_SAID_LINES and (self.waits_for_report or not report):
            self.said.append(text[:MAX_SAID_CHARACTERS])


def console_line(text: str) -> bytes:
    """The command of a person's line.

    Raises:
        LineError: it is none, more than one line, too long, or a word that only the driver may say.

    """
    if len(text.splitlines()) > 1:
        raise LineError("is more than one line", "tient sur plusieurs lignes")
    command = prepare(text.strip().encode("utf-8", "replace"))
    if not command:
        said = text.partition(";")[0].strip()
        raise _reserved(said.encode()) if said[:1].isalpha() else LineError("is empty", "est vide")
    if word(command) in REFUSED:
        raise _reserved(command)
    return command


def _reserved(command: bytes) -> LineError:
    return LineError(f"is for the driver to say: {shown(command)}", f"est réservée au pilote : {shown(command)}")
