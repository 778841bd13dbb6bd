"""The part of the small farm in memory that is about questions of machines."""

from typing import Any

from drivers.base import PrinterState
from farm.errors import ConflictError, InvalidError
from farm.ids import new_id
from farm.views import AnswerRequest, CommandAccepted, PrinterView


class MemoryQuestions:
    """What `MemoryControl` answers when somebody answers a machine. `answers` are (printer, prompt, choice)."""

    answers: list[tuple[str, str, int]]

    def printer(self, printer: str) -> PrinterView:
        """One printer."""
        raise NotImplementedError

    def change_printer(self, printer: str, **fields: Any) -> None:
        """Something about it is different now."""
        raise NotImplementedError

    async def answer(self, printer: str, request: AnswerRequest) -> CommandAccepted:
        """The machine goes on."""
        asked = self.printer(printer).prompt
        if asked is None or asked.id != request.prompt:
            raise ConflictError("It does not ask that any more.", next_step="Look again.", code="prompt-gone")
        if request.choice >= max(1, len(asked.choices)):
            raise InvalidError("The question has no such choice.", next_step="Choose one that is shown.")
        self.answers.append((printer, request.prompt, request.choice))
        self.change_printer(printer, prompt=None, state=PrinterState.PRINTING)
        return CommandAccepted(command=new_id("cmd"))
