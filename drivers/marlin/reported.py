"""What the machine told last, by itself or asked: temperatures, whether it waits for a person, what its display says. Pure."""

from dataclasses import dataclass
from typing import Final

from drivers.base import Temperature
from drivers.marlin import replies
from drivers.marlin.replies import Kind, Reply

MAX_NOTE: Final = 120


@dataclass(slots=True)
class Reported:
    """Newest wins. `foreign`: it prints from its own card. `note`: what it asks of a person."""

    nozzle: Temperature | None = None
    bed: Temperature | None = None
    user_wait: bool = False
    foreign: bool = False
    note: str | None = None
    unknown_commands: int = 0

    def learn(self, reply: Reply) -> None:
        """Take a line."""
        kind = reply.kind
        if kind in {Kind.OK, Kind.BUSY}:
            self.user_wait = False
        if kind in {Kind.REPORT, Kind.HEATING} or (kind is Kind.OK and "T:" in reply.text):
            found = replies.temperatures(reply.text)
            self.nozzle = found.get("T", self.nozzle)
            self.bed = found.get("B", self.bed)
        elif kind is Kind.USER_WAIT:
            self.user_wait = True
        elif kind is Kind.SD:
            self.foreign = bool(reply.number)
        elif kind is Kind.ACTION:
            self._dialogue(reply.text)
        elif kind is Kind.OTHER:
            self.unknown_commands += "Unknown command" in reply.text

    def _dialogue(self, text: str) -> None:
        name, _, rest = text.partition(" ")
        if name == "prompt_begin":
            self.note = rest[:MAX_NOTE]
        elif name in {"prompt_end", "resumed"}:
            self.note = None
        elif name == "paused":
            self.user_wait = True
            self.note = rest[:MAX_NOTE] or self.note

    def calm(self) -> None:
        """A job is over: nobody waits any more."""
        self.user_wait = False
        self.note = None
