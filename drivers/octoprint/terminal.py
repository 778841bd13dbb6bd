"""What the printer says to one line of G-code, picked out of OctoPrint's terminal log.

OctoPrint's answer to `POST /api/printer/command` says nothing about the printer; the log lines of the socket do, for users with
MONITOR_TERMINAL: `Send: M115`, then `Recv: ...` up to `Recv: ok` (measured with 1.11.8).
"""

import asyncio
import re
from typing import Final

from drivers.errors import Bilingual, PrinterBusyError

MAX_LINES: Final = 200
ANSWER_S: Final = 30.0
_SENT: Final = re.compile(r"^Send: (?:N\d+ ?)?([^*]*)")
_LINE: Final = re.compile(r"^[\x20-\x7e]{1,200}$")


def checked(line: str) -> str:
    """The line, when it is one that can be sent.

    Raises:
        PrinterBusyError: it is empty, has control characters or is over 200 characters long.

    """
    line = line.strip()
    if not _LINE.match(line):
        raise PrinterBusyError(
            Bilingual("This is no line of G-code.", "Ce n'est pas une ligne de G-code."),
            next_step=Bilingual("Send one line of plain characters, as M115.", "Envoyez une ligne simple, comme M115."),
        )
    return line


class Conversation:
    """Collects the answer to `line`. `begin` it when what is still in the pipe has passed."""

    def __init__(self, line: str) -> None:
        self.said: list[str] = []
        self.heard = asyncio.Event()  # any message with log lines came
        self.done = asyncio.Event()
        self._line = _plain(line)
        self._began = False
        self._sent = False

    def begin(self) -> None:
        """From now on our line may come by."""
        self._began = True

    def hear(self, lines: list[str]) -> None:
        """Take the log lines of one message."""
        self.heard.set()
        for line in lines if self._began else []:
            self._take(line)

    def _take(self, line: str) -> None:
        if self.done.is_set():
            return
        if sent := _SENT.match(line):
            self._sent = self._sent or _plain(sent[1]) == self._line
        elif self._sent and line.startswith("Recv: "):
            answer = line.removeprefix("Recv: ").strip()
            if answer and answer != "wait":
                self.said.append(answer)
            if answer.startswith("ok") or len(self.said) >= MAX_LINES:
                self.done.set()


def _plain(line: str) -> str:
    return "".join(line.split()).casefold()
