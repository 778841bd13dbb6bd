"""What the machine told last, by itself or asked: temperatures, whether it waits for a person, speed and flow factors. Pure."""

import re
from dataclasses import dataclass, field
from typing import Final

from drivers.base import Prompt, Temperature
from drivers.errors import Bilingual
from drivers.marlin import replies
from drivers.marlin.prompts import Dialogue
from drivers.marlin.replies import Kind, Reply
from gcode.texts import NOTHING

FULL_PERCENT: Final = 100.0
FAR_BELOW_C: Final = 15.0  # no regulation of a sound heater swings so far
_SPEED: Final = re.compile(r"^(?:echo:)?\s*FR:\s*(\d{1,4}(?:\.\d+)?)%")
# Labels of parts, progress, words for the display, a beep, timers: who does not know them prints the same part. They come with
# every layer, so counted they would frighten people; the transcript has them all. An older Marlin repeats number and checksum too.
_IDLE: Final = re.compile(r'Unknown command:\s*"?(?:N\d+\s*)?(?:M486|M73|M7[5-8]|M11[78]|M300|M53[0-2])(?!\d)')
_THIS_FILE: Final = Bilingual(" of this file", " de ce fichier")
_LAST_FILE: Final = Bilingual(" of the last file", " du dernier fichier")
_FLOW: Final = re.compile(r"^(?:echo:)?\s*(?:E0 )?Flow:\s*(\d{1,4}(?:\.\d+)?)%")


@dataclass(slots=True)
class Reported:
    """Newest wins. `was_hot`: the nozzle had its target in this job. `foreign`: it prints from its own card.

    `unknown_commands` counts those that may change the part; `of` is the file that they are of, nothing before the first job.
    Factors are percent, 100 until it says something else.
    """

    nozzle: Temperature | None = None
    bed: Temperature | None = None
    was_hot: bool = False
    foreign: bool = False
    unknown_commands: int = 0
    of: Bilingual = NOTHING
    speed_percent: float = FULL_PERCENT
    flow_percent: float = FULL_PERCENT
    dialogue: Dialogue = field(default_factory=Dialogue)

    @property
    def user_wait(self) -> bool:
        """Whether it stands still for a person."""
        return self.dialogue.user_wait

    @property
    def prompt(self) -> Prompt | None:
        """What it asks."""
        return self.dialogue.prompt

    def _too_cold(self) -> bool:
        nozzle = self.nozzle
        return nozzle is not None and nozzle.target_c > 0 and nozzle.actual_c < nozzle.target_c - FAR_BELOW_C

    @property
    def heater_fails(self) -> bool:
        """Whether the nozzle was hot in this job and is far below its target now."""
        return self.was_hot and self._too_cold()

    @property
    def note(self) -> str | Bilingual | None:
        """What a person should know now: what it says, else what is not as usual."""
        return self.dialogue.note or self._factors() or self.unknown

    def _factors(self) -> Bilingual | None:
        if self.speed_percent == self.flow_percent == FULL_PERCENT:
            return None
        speed, flow = self.speed_percent, self.flow_percent
        return Bilingual(f"Speed {speed:g} %, flow {flow:g} %.", f"Vitesse {speed:g} %, débit {flow:g} %.")

    @property
    def unknown(self) -> Bilingual | None:
        """How many commands it did not know that may change the part, as a sentence."""
        count = self.unknown_commands
        if not count:
            return None
        commands, commandes = ("command", "commande") if count == 1 else ("commands", "commandes")
        return Bilingual(
            f"The printer did not know {count} {commands}{self.of.en}.",
            f"L'imprimante ne connaissait pas {count} {commandes}{self.of.fr}.",
        )

    def learn(self, reply: Reply, now_s: float = 0.0) -> None:
        """Take a line."""
        kind = reply.kind
        self.dialogue.fade(now_s)
        if kind in {Kind.OK, Kind.BUSY}:
            self.dialogue.works()
        if kind in {Kind.REPORT, Kind.HEATING} or (kind is Kind.OK and "T:" in reply.text):
            found = replies.temperatures(reply.text)
            self.nozzle = found.get("T", self.nozzle)
            self.bed = found.get("B", self.bed)
            self.was_hot = self.was_hot or (self.nozzle is not None and self.nozzle.target_c > 0 and not self._too_cold())
        elif kind is Kind.USER_WAIT:
            self.dialogue.waits(now_s)
        elif kind is Kind.SD:
            self.foreign = bool(reply.number)
        elif kind is Kind.ACTION:
            self.dialogue.act(reply.text, now_s)
        elif kind is Kind.OTHER:
            self._other(reply.text)

    def _other(self, text: str) -> None:
        self.unknown_commands += "Unknown command" in text and _IDLE.search(text) is None
        if match := _SPEED.match(text):
            self.speed_percent = float(match.group(1))
        elif match := _FLOW.match(text):
            self.flow_percent = float(match.group(1))

    def begin(self) -> None:
        """A job begins, with factors of 100 %."""
        self.unknown_commands, self.was_hot, self.of = 0, False, _THIS_FILE
        self.speed_percent = self.flow_percent = FULL_PERCENT

    def calm(self) -> None:
        """A job is over: nobody waits any more."""
        self.dialogue = Dialogue()
        self.of = _LAST_FILE if self.of is _THIS_FILE else self.of

    def go_on(self) -> None:
        """The job of an earlier process goes on: what is not known from here on is of its file."""
        self.unknown_commands, self.of = 0, _THIS_FILE

    def typed(self) -> None:
        """A person sends a line, which is of no file. What was not known of the last one was told with its end."""
        if self.of is not NOTHING:
            self.unknown_commands, self.of = 0, NOTHING
