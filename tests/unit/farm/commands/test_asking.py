"""What cannot be taken back is asked first, and without an answer nothing is done."""

import io
from collections.abc import Callable

import pytest
import typer

from farm.commands.asking import UnansweredError, agreed, make_sure
from gcode.texts import Bilingual

QUESTION = Bilingual("Cancel o1?", "Annuler o1 ?")


class Interrupted:
    """Somebody types Ctrl-C."""

    def readline(self) -> str:
        raise KeyboardInterrupt


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have a person type this, in a locale."""

    def types(text: str, locale: str = "C") -> None:
        monkeypatch.setenv("LC_ALL", locale)
        monkeypatch.setattr("sys.stdin", io.StringIO(text))

    return types


@pytest.mark.parametrize(
    ("locale", "text", "said"),
    [
        ("C", "y\n", True),
        ("C", " YES \n", True),
        ("C", "n\n", False),
        ("C", "\n", False),
        ("fr_FR.UTF-8", "o\n", True),
        ("fr_FR.UTF-8", "Oui\n", True),
        ("fr_FR.UTF-8", "y\n", True),
        ("fr_FR.UTF-8", "non\n", False),
    ],
)
def test_what_is_yes_and_what_is_no(typed: Callable[..., None], locale: str, text: str, said: bool) -> None:
    typed(text, locale)
    assert agreed(QUESTION) is said


def test_the_question_is_on_standard_error_in_this_persons_language(
    typed: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    typed("y\n")
    make_sure(QUESTION, yes=False)
    typed("o\n", "fr_FR.UTF-8")
    make_sure(QUESTION, yes=False)
    assert capsys.readouterr() == ("", "Cancel o1? [y/N]: Annuler o1 ? [o/N] : ")


def test_what_is_neither_is_asked_again(typed: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    typed("o\nperhaps\nn\n")
    assert not agreed(QUESTION)
    assert capsys.readouterr().err.count("Answer with y or n.") == 2


def test_a_name_from_outside_does_not_control_the_terminal(typed: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    typed("n\n")
    agreed("Remove \x1b[2J?")
    assert "\x1b" not in capsys.readouterr().err


def test_no_and_ctrl_c_abort(typed: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    typed("n\n")
    with pytest.raises(typer.Abort):
        make_sure(QUESTION, yes=False)
    monkeypatch.setattr("sys.stdin", Interrupted())
    with pytest.raises(typer.Abort):
        make_sure(QUESTION, yes=False)


def test_without_anybody_to_answer_nothing_is_done_and_the_option_is_named(
    typed: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = io.StringIO()
    closed.close()
    for nobody in (io.StringIO(""), closed, None):
        monkeypatch.setattr("sys.stdin", nobody)
        with pytest.raises(UnansweredError) as caught:
            make_sure(QUESTION, yes=False)
        assert caught.value.exit_code == 1
        assert "Nothing was done" in caught.value.detail
        assert "Rien n'a été fait" in caught.value.detail_fr
        assert "--yes" in caught.value.next_step
        assert "--yes" in caught.value.next_step_fr


def test_who_has_said_yes_is_not_asked(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", None)
    make_sure(QUESTION, yes=True)
    assert capsys.readouterr() == ("", "")
