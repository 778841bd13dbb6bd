"""What a firmware executed, line by line: the answer to "exactly the lines of the file, once and in order?"."""

from collections import deque
from collections.abc import Iterable
from hashlib import sha256
from typing import Any, Final

KEPT_LINES: Final = 20_000
HASHED_AT_ONCE: Final = 256  # one line after the other would cost more than executing it


def digest(lines: Iterable[str]) -> str:
    """The SHA-256 that `Record.snapshot` tells when exactly these commands were executed (without number and checksum)."""
    return sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()


class Record:
    """Executed commands since the last M110 or reset. Numbered ones are counted and hashed; the newest of them are kept.

    Some hosts send M110 behind a print, too, or in the middle of it: `before` are the lines of earlier counts. `total` never goes
    back.
    """

    def __init__(self) -> None:
        self.lines: deque[str] = deque(maxlen=KEPT_LINES)
        self.before: deque[str] = deque(maxlen=KEPT_LINES)
        self.total = 0
        self.begin()

    def begin(self) -> None:
        """A new count begins."""
        self.before += self.lines
        self.count = 0
        self.strays = 0  # G commands without a number: a tail that lost its head, or a person at a console
        self.lines = deque(maxlen=KEPT_LINES)
        self._hash = sha256()
        self._unhashed: list[str] = []

    def add(self, text: str, number: int | None) -> None:
        """One command is done."""
        if number is None:
            self.strays += text.startswith("G")
            return
        text = text.strip(" ")
        self.count += 1
        self.total += 1
        self.lines.append(text)
        self._unhashed.append(text)
        if len(self._unhashed) >= HASHED_AT_ONCE:
            self._fold()

    def _fold(self) -> None:
        self._hash.update("".join(f"{line}\n" for line in self._unhashed).encode())
        self._unhashed.clear()

    def snapshot(self) -> dict[str, Any]:
        """For state files and tests."""
        self._fold()
        return {"executed": self.count, "executed_sha256": self._hash.hexdigest(), "strays": self.strays}
