"""`farm answer` against a real socket."""

import pytest

from drivers.base import PrinterState
from farm.bus.messages import PromptNote
from farm.commands.answer import chosen
from farm.errors import ConflictError, InvalidError, NotFoundError
from tests.unit.farm.commands.conftest import Farm

PROMPT = PromptNote(id="prompt-1", text="Load\x1b[31m filament", choices=["Continue", "Cancel"])


@pytest.fixture
def asking(farm: Farm) -> Farm:
    farm.server.call(farm.control.change_printer, "prn-1", state=PrinterState.ATTENTION, prompt=PROMPT)
    return farm


def test_without_a_choice_the_question_is_shown(asking: Farm) -> None:
    expected = "Atelier 1 asks: Load\ufffd[31m filament\n  1. Continue\n  2. Cancel\n"
    assert asking.run("answer", "atelier 1").stdout == expected
    assert asking.json("answer", "prn-1")["choices"] == ["Continue", "Cancel"]
    assert asking.control.answers == []


@pytest.mark.parametrize(("typed", "choice"), [("2", 1), ("cancel", 1), ("Continue", 0)])
def test_a_choice_is_its_number_or_its_words(asking: Farm, typed: str, choice: int) -> None:
    said = asking.run("answer", "Atelier 1", typed).stdout
    assert said == f"Atelier 1: answered '{PROMPT.choices[choice]}'. It goes on as soon as its node has heard it.\n"
    assert asking.control.answers == [("prn-1", "prompt-1", choice)]


def test_a_program_is_told_what_was_sent(asking: Farm) -> None:
    sent = asking.json("answer", "prn-1", "1")
    assert (sent["prompt"], sent["choice"]) == ("prompt-1", 0)
    assert sent["command"].startswith("cmd-")


@pytest.mark.parametrize("typed", ["0", "3", "yes", "²"])
def test_what_is_no_choice_is_refused_with_all_of_them(asking: Farm, typed: str) -> None:
    error = asking.run("answer", "prn-1", typed).exception
    assert isinstance(error, InvalidError)
    assert error.next_step == "Choose one of: 1 (Continue), 2 (Cancel)."
    assert asking.control.answers == []


def test_who_asks_nothing_is_not_answered(farm: Farm) -> None:
    error = farm.run("answer", "prn-1", "1").exception
    assert isinstance(error, ConflictError)
    assert error.code == "nothing-asked"
    assert isinstance(farm.run("answer", "prn-9").exception, NotFoundError)


def test_words_win_over_numbers_and_two_alike_need_a_number() -> None:
    sizes = PromptNote(id="p", text="How many?", choices=["2", "1"])
    assert (chosen(sizes, "1"), chosen(sizes, "2")) == (1, 0)
    alike = PromptNote(id="p", text="Which?", choices=["Load", "load"])
    with pytest.raises(InvalidError):
        chosen(alike, "LOAD")
    assert chosen(alike, "2") == 1


def test_a_question_without_choices_has_one_answer() -> None:
    knob = PromptNote(id="p", text="Press the knob")
    assert (chosen(knob, "1"), chosen(knob, "Go on")) == (0, 0)


def test_a_french_terminal_is_asked_and_answered_in_french(asking: Farm) -> None:
    assert asking.french("answer", "prn-1") == "Atelier 1 demande : Load\ufffd[31m filament\n  1. Continue\n  2. Cancel\n"
    error = asking.run("answer", "prn-1", "3").exception
    assert isinstance(error, InvalidError)
    assert error.bilingual.fr == "'3' n'est pas un choix de cette question. Choisissez parmi : 1 (Continue), 2 (Cancel)."
    said = asking.french("answer", "prn-1", "cancel")
    assert said == "Atelier 1 : répondu 'Cancel'. Elle continue dès que son nœud l'a entendu.\n"


def test_a_knob_is_pressed_in_both_languages(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    knob = PromptNote(id="prompt-1", text="Press the knob")
    farm.server.call(farm.control.change_printer, "prn-1", state=PrinterState.ATTENTION, prompt=knob)
    assert farm.french("answer", "prn-1").endswith("\n  1. continuer\n")
    monkeypatch.setenv("LC_ALL", "fr_FR.UTF-8")
    assert [chosen(knob, typed) for typed in ("1", "Continuer", "go on")] == [0, 0, 0]


OURS = PromptNote(id="prompt-1", text="Is it dry?", choices=["Yes", "No"], text_fr="Est-ce sec ?", choices_fr=["Oui", "Non"])


def test_a_question_in_our_own_words_is_asked_in_the_person_s_language(farm: Farm) -> None:
    farm.server.call(farm.control.change_printer, "prn-1", state=PrinterState.ATTENTION, prompt=OURS)
    assert farm.run("answer", "prn-1").stdout == "Atelier 1 asks: Is it dry?\n  1. Yes\n  2. No\n"
    assert farm.french("answer", "prn-1") == "Atelier 1 demande : Est-ce sec ?\n  1. Oui\n  2. Non\n"
    error = farm.run("answer", "prn-1", "3").exception
    assert isinstance(error, InvalidError)
    assert error.bilingual.fr.endswith("Choisissez parmi : 1 (Oui), 2 (Non).")
    assert error.next_step == "Choose one of: 1 (Yes), 2 (No)."
    assert farm.json("answer", "prn-1") == OURS.model_dump(), "a program is told both"
    assert farm.french("answer", "prn-1", "non").startswith("Atelier 1 : répondu 'Non'.")
    assert farm.control.answers == [("prn-1", "prompt-1", 1)]
