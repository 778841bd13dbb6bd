"""The part of the small farm in memory that is about questions of machines."""

from typing import Any

from drivers.base import PrinterState
from farm.control_errors import LOOK
from farm.errors import ConflictError, InvalidError
from farm.ids import new_id
from farm.request_bodies import AnswerRequest
from farm.views import CommandAccepted, PrinterView
from gcode.texts import Bilingual


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
        row = self.printer(printer)
        asked = row.prompt
        if asked is None or asked.id != request.prompt:
            gone = Bilingual(f"{row.name} does not ask that any more.", f"{row.name} ne demande plus cela.")
            raise ConflictError(gone, next_step=LOOK, code="prompt-gone")
        if request.choice >= max(1, len(asked.choices)):
            raise InvalidError(
                Bilingual(f"The question has no choice {request.choice}.", f"La question n'a pas de choix {request.choice}."),
                next_step=Bilingual("Choose one of those that are shown.", "Choisissez l'un de ceux qui sont affichés."),
            )
        self.answers.append((printer, request.prompt, request.choice))
        self.change_printer(printer, prompt=None, state=PrinterState.PRINTING)
        return CommandAccepted(command=new_id("cmd"))
