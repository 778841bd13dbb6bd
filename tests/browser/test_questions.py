"""What a machine asks, on the page of the farm: its words as text, a button for each choice, in both languages."""

import pytest

from drivers.base import PrinterState
from farm.bus.messages import FaultNote, PromptNote
from tests.browser.conftest import PHONE, Page

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("browser")]

MARKUP = '<img src=x onerror="window.hacked=1">'
PROMPT = PromptNote(id="prompt-1", text=f"Load filament {MARKUP}", choices=["Continue", MARKUP])


def ask(page: Page, prompt: PromptNote | None = PROMPT, *, capabilities: tuple[str, ...] = ("prompts",)) -> None:
    fields = {"state": PrinterState.ATTENTION, "prompt": prompt, "capabilities": list(capabilities)}
    page.does(page.control.change_printer, "prn-1", **fields)


def test_a_question_is_shown_and_answered_on_the_card(page: Page) -> None:
    ask(page)
    page.wait(lambda: "Load filament <img" in page.text("[data-printer=prn-1] .question"))
    buttons = page.all("[data-printer=prn-1] .question button")
    assert [button.text for button in buttons] == ["Continue", MARKUP]
    buttons[1].click()
    page.wait(lambda: page.control.answers == [("prn-1", "prompt-1", 1)])
    page.wait(lambda: page.text("[data-printer=prn-1] .question") == "")
    assert page.driver.execute_script("return window.hacked") is None
    assert page.all("main img") == []
    assert page.complaints() == []


def test_a_question_needs_a_hand_and_is_answered_there(page: Page) -> None:
    ask(page)
    page.wait(lambda: page.text("#hands-count") == "1")
    assert "The printer asks" in page.text(".hand.attention")
    assert "The machine says: Load filament <img" in page.text(".hand.attention")
    page.one("#language").click()
    page.wait(lambda: "L'imprimante demande" in page.text(".hand.attention"))
    assert "Répondez ici ou sur son écran." in page.text(".hand.attention")
    page.one(".hand.attention button").click()
    page.wait(lambda: page.control.answers == [("prn-1", "prompt-1", 0)])
    page.wait(lambda: page.text("#hands-count") == "")


def test_a_question_in_our_own_words_is_in_the_language_of_the_page(page: Page) -> None:
    ask(
        page, PromptNote(id="prompt-1", text="Is it dry?", choices=["Yes", "No"], text_fr="Est-ce sec ?", choices_fr=["Oui", "Non"])
    )
    page.wait(lambda: "Is it dry?" in page.text("[data-printer=prn-1] .question"))
    assert [button.text for button in page.all("[data-printer=prn-1] .question button")] == ["Yes", "No"]
    assert page.text(".hand.attention .hand-says") == "Is it dry?", "the machine does not say it"
    page.one("#language").click()
    page.wait(lambda: "Est-ce sec ?" in page.text("[data-printer=prn-1] .question"))
    assert page.text(".hand.attention .hand-says") == "Est-ce sec ?"
    for place in ("[data-printer=prn-1] .question", ".hand.attention"):
        assert [button.text for button in page.all(f"{place} button") if button.text in {"Yes", "Oui", "Non"}] == ["Oui", "Non"]
    page.all("[data-printer=prn-1] .question button")[1].click()
    page.wait(lambda: page.control.answers == [("prn-1", "prompt-1", 1)])


def test_an_answer_that_comes_too_late_says_so_and_the_next_question_has_buttons_of_its_own(page: Page) -> None:
    ask(page)
    page.one("[data-printer=prn-1] .question button")
    late = page.control.printer("prn-1").model_copy(update={"prompt": PROMPT.model_copy(update={"id": "prompt-2"})})
    page.control.printer_rows["prn-1"] = late  # nobody was told yet
    page.one("[data-printer=prn-1] .question button").click()
    page.wait(lambda: "Atelier 1 does not ask that any more." in page.text("[data-printer=prn-1] .question .said"))
    page.does(page.control.touch)
    page.wait(lambda: page.text("[data-printer=prn-1] .question .said") == "")
    page.one("[data-printer=prn-1] .question button").click()
    page.wait(lambda: page.control.answers == [("prn-1", "prompt-2", 0)])


def test_without_choices_there_is_one_button_and_without_the_ability_none(page: Page) -> None:
    ask(page, PromptNote(id="prompt-1", text="Press the knob"))
    page.wait(lambda: page.text("[data-printer=prn-1] .question button") == "Go on")
    ask(page, PromptNote(id="prompt-2", text="Press the knob"), capabilities=())
    page.wait(lambda: "Answer at its own screen." in page.text("[data-printer=prn-1] .question"))
    assert page.all("[data-printer=prn-1] .question button") == []


def test_a_fault_says_in_words_what_it_takes(page: Page) -> None:
    words = {
        "by-itself": "It goes on by itself.",
        "by-hand": "It needs a hand.",
        "never": "It needs repair before it prints again.",
    }
    for recovery, said in words.items():
        fault = FaultNote(code="x", text="Error:x", meaning_en="Too hot.", meaning_fr="Trop chaud.", recovery=recovery)
        page.does(page.control.change_printer, "prn-1", state=PrinterState.FAULT, fault=fault, ready=False)
        page.wait(lambda said=said: said in page.text(".hand.fault"))
        page.wait(lambda said=said: said in page.text("[data-printer=prn-1] .reasons"))
    page.one("#language").click()
    page.wait(lambda: "Elle doit être réparée avant d'imprimer de nouveau." in page.text(".hand.fault"))


def test_what_a_fault_says_in_our_own_words_is_no_word_of_the_machine(page: Page) -> None:
    ours = FaultNote(code="x", text="line 5", text_fr="ligne 5", meaning_en="It asks again.", meaning_fr="Elle redemande.")
    page.does(page.control.change_printer, "prn-1", state=PrinterState.FAULT, fault=ours, ready=False)
    page.wait(lambda: page.text(".hand.fault .hand-says") == "line 5")
    page.one("#language").click()
    page.wait(lambda: page.text(".hand.fault .hand-says") == "ligne 5")
    again = ours.model_copy(update={"text": ours.meaning_en, "text_fr": ours.meaning_fr})
    page.does(page.control.change_printer, "prn-1", fault=again)
    page.wait(lambda: page.text(".hand.fault .hand-says") == "")
    assert "Elle redemande." in page.text(".hand.fault")


def test_on_a_phone_the_text_stands_beside_its_sign_and_the_card_says_the_question_once(page: Page) -> None:
    page.open(PHONE)
    ask(page)
    page.does(page.control.change_printer, "prn-1", note=PROMPT.text)
    page.wait(lambda: page.text("#hands-count") == "1")
    left = "return document.querySelector('.hand.attention .hand-what').getBoundingClientRect().left"
    page.wait(lambda: 0 < page.driver.execute_script(left) < PHONE / 4)
    page.wait(lambda: page.text("[data-printer=prn-1]").count("Load filament") == 1)
