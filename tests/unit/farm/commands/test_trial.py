"""Questions of a machine at the terminal of `farm try`; the prints themselves are in test_try."""

import asyncio
import queue
import threading

import pytest

from drivers.base import PrinterState, PrinterStatus, Prompt
from farm.commands.trial import Display, Questions, describe
from tests.patience import PATIENCE_S

PROMPT = Prompt("q1", "Filament \x1b[2Jout", ("Purge", "Continue"))


class Person:
    """Types lines into a `Questions`."""

    def __init__(self) -> None:
        self.lines: queue.Queue[str] = queue.Queue()
        self.answers: list[tuple[str, int]] = []
        self.readers = 0

    def read(self) -> str:
        return self.lines.get(timeout=PATIENCE_S)

    def questions(self) -> Questions:
        return Questions(lambda prompt, choice: self.answers.append((prompt.id, choice)), can_ask=True, read=self.read)


async def _until(count: int, person: Person) -> None:
    for _ in range(int(PATIENCE_S / 0.01)):
        if len(person.answers) >= count:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(person.answers)


async def test_each_question_is_asked_once_and_answered(capsys: pytest.CaptureFixture[str]) -> None:
    of_tests_before = set(threading.enumerate())
    person = Person()
    questions = person.questions()
    questions.show(PROMPT)
    questions.show(PROMPT)
    asking = [questions.asking]
    person.lines.put("nonsense\n")
    person.lines.put("\n")
    person.lines.put("continue\n")
    await _until(1, person)
    questions.show(None)
    assert [*asking, questions.asking] == [True, False]
    questions.show(Prompt("q2", "Again?"))
    person.lines.put("1\n")
    await _until(2, person)
    person.lines.put("")
    assert person.answers == [("q1", 1), ("q2", 0)]
    told = capsys.readouterr().err
    assert told.count("The printer asks: Filament �[2Jout") == 1
    assert "  2. Continue" in told
    assert "Type a number from 1 to 2." in told
    assert "  1. go on" in told
    assert sum(thread.name == "answers" for thread in set(threading.enumerate()) - of_tests_before) <= 1


async def test_an_answer_that_comes_too_late_is_nothing() -> None:
    person = Person()
    questions = person.questions()
    questions.show(PROMPT)
    questions.show(None)
    person.lines.put("1\n")
    person.lines.put("")
    await asyncio.sleep(0.1)
    assert person.answers == []


async def test_without_a_terminal_the_question_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    questions = Questions(lambda _prompt, _choice: None, can_ask=False)
    questions.show(PROMPT)
    told = capsys.readouterr().err
    assert "The printer asks" in told
    assert "Answer at the printer" in told


async def test_a_french_terminal_is_asked_in_french(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "fr_FR.UTF-8")
    person = Person()
    questions = person.questions()
    questions.show(Prompt("q1", "Ready?"))
    person.lines.put("7\n")
    person.lines.put("Continuer\n")
    await _until(1, person)
    person.lines.put("")
    Questions(lambda _prompt, _choice: None, can_ask=True, read=str).show(Prompt("q2", "Dry?", ("Yes",), "Sec ?", ("Oui",)))
    Questions(lambda _prompt, _choice: None, can_ask=False).show(PROMPT)
    assert capsys.readouterr().err.splitlines() == [
        "L'imprimante demande : Ready?",
        "  1. continuer",
        "Tapez un nombre de 1 à 1.",
        "L'imprimante demande : Sec ?",
        "  1. Oui",
        "L'imprimante demande : Filament \ufffd[2Jout",
        "Répondez sur l'imprimante, ou lancez ceci dans un terminal.",
    ]
    assert describe(PrinterStatus(PrinterState.ATTENTION, note="Waits.", note_fr="Attend.")) == "vous attend  Attend."


def test_what_a_machine_says_is_made_safe_for_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    status = PrinterStatus(PrinterState.ATTENTION, note="\x1b[31mred", prompt=PROMPT)
    assert describe(status) == "attention  �[31mred"
    with Display() as display:
        display.show(status)
        display.show(PrinterStatus(PrinterState.PRINTING))
    assert capsys.readouterr().err.splitlines()[-2:] == ["attention  �[31mred", "printing"]
