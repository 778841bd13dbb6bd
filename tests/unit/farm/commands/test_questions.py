import pytest

from drivers.base import Prompt
from farm.bus.messages import PromptNote
from farm.commands.questions import choice_of, choices_of, words_of

PROMPT = Prompt("q1", "Filament out", ("Purge", "Continue"))
OURS = PromptNote(id="q1", text="Dry?", choices=["Yes", "No"], text_fr="Sec ?", choices_fr=["Oui", "Non"])


@pytest.mark.parametrize(
    ("typed", "choice"), [("1\n", 0), ("2", 1), (" continue ", 1), ("PURGE", 0), ("3", None), ("0", None), ("x", None), ("²", None)]
)
def test_a_choice_by_number_or_words(typed: str, choice: int | None) -> None:
    assert choice_of(PROMPT, typed) == choice


@pytest.mark.parametrize(("typed", "choice"), [("oui", 0), ("yes", 0), (" NON", 1), ("2", 1), ("peut-être", None)])
def test_our_own_words_answer_in_both_languages(typed: str, choice: int | None) -> None:
    assert choice_of(OURS, typed) == choice


def test_words_that_mean_two_choices_mean_none() -> None:
    crossed = Prompt("q", "?", ("Pause", "Stop"), choices_fr=("Stop", "Fin"))
    assert choice_of(crossed, "stop") is None
    assert choice_of(crossed, "2") == 1
    assert choice_of(Prompt("q", "Which?", ("Same", "same")), "same") is None


def test_a_question_without_choices_is_answered_by_go_on() -> None:
    assert [choice_of(Prompt("q", "Ready?"), typed) for typed in ("1", "go on", "Continuer", "2")] == [0, 0, 0, None]


def test_a_machine_s_words_are_the_same_in_both_languages() -> None:
    assert words_of(PROMPT) == ("Filament out", "Filament out")
    assert choices_of(PROMPT) == [("Purge", "Purge"), ("Continue", "Continue")]
    assert words_of(OURS) == ("Dry?", "Sec ?")
    assert choices_of(OURS) == [("Yes", "Oui"), ("No", "Non")]


def test_french_that_does_not_fit_the_choices_is_not_used() -> None:
    assert choices_of(Prompt("q", "?", ("A", "B"), choices_fr=("C",))) == [("A", "A"), ("B", "B")]
