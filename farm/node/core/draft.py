"""A step in the making. Lives only inside one function of the core; what leaves it is a frozen `Step`."""

from dataclasses import replace
from typing import Any

from drivers.base import Fault, Prompt
from farm.bus.messages import MAX_CHOICES, Fact, FaultNote, PromptNote
from farm.node.core.state import Instruction, Moment, NodeState, Occupied, Printer, Step
from gcode.texts import Told

_LATEST_S = 1e10  # the limit of `farm.bus.messages.Seconds`


def clip(text: str, length: int = 500) -> str:
    """Make a text from outside fit a message's field: a line without control characters, not longer than `length`."""
    line = text if text.isprintable() else "".join(letter if letter.isprintable() else " " for letter in text)
    return line if len(line) <= length else line[: length - 1] + "…"


def fault_note(fault: Fault) -> FaultNote:
    """A driver's fault as it goes into messages."""
    return FaultNote(
        code=clip(fault.code, 80),
        text=clip(fault.text),
        meaning_en=clip(fault.meaning_en),
        meaning_fr=clip(fault.meaning_fr),
        action_en=clip(fault.action_en),
        action_fr=clip(fault.action_fr),
        recovery=fault.recovery.value,
        text_fr=clip(fault.text.fr) if isinstance(fault.text, Told) else None,
    )


def prompt_note(prompt: Prompt) -> PromptNote:
    """A machine's question as it goes into messages."""
    french = prompt.choices_fr if len(prompt.choices_fr) == len(prompt.choices) else ()
    return PromptNote(
        id=clip(prompt.id, 80),
        text=clip(prompt.text),
        choices=[clip(choice, 80) for choice in prompt.choices[:MAX_CHOICES]],
        text_fr=None if prompt.text_fr is None else clip(prompt.text_fr),
        choices_fr=[clip(choice, 80) for choice in french[:MAX_CHOICES]],
    )


class Draft:
    """Collects what an event changes."""

    def __init__(self, state: NodeState, moment: Moment) -> None:
        self.state = state
        self.moment = moment
        self._facts: list[Fact] = []
        self._instructions: list[Instruction] = []

    @property
    def now_s(self) -> float:
        """The boot clock of this step."""
        return self.moment.boot_s

    def change(self, **fields: Any) -> None:
        """Replace fields of the state."""
        self.state = replace(self.state, **fields)

    def change_printer(self, printer: str, **fields: Any) -> Printer:
        """Replace fields of one printer."""
        changed = replace(self.state.printers[printer], **fields)
        self.change(printers={**self.state.printers, printer: changed})
        return changed

    def occupy(self, printer: str, occupied: Occupied | None) -> None:
        """Put something on a bed, or clear it."""
        others = {key: value for key, value in self.state.occupations.items() if key != printer}
        self.change(occupations=others if occupied is None else {**others, printer: occupied})

    def write(self, kind: type[Any], **fields: Any) -> None:
        """Write a fact of class `kind` into the journal."""
        place = replace(self.state.journal, head=self.state.journal.head + 1)
        at_s = min(max(self.moment.wall_s, 0.0), _LATEST_S)
        self._facts.append(kind(seq=place.head, at_s=at_s, **fields))
        self.change(journal=place)

    def instruct(self, instruction: Instruction) -> None:
        """Have a driver do something once the step is committed."""
        self._instructions.append(instruction)

    def step(self, refused: str | None = None) -> Step:
        """The finished step."""
        return Step(self.state, tuple(self._facts), tuple(self._instructions), refused)
