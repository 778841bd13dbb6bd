"""The banner of a daemon that only watches, and of a farm that heals, in a real browser."""

import pytest

from farm.bus.messages import ReasonNote
from farm.library_views import SignedRequest
from farm.request_bodies import OrderRequest
from farm.views import AlarmView, FenceView, HealingView
from tests.browser.conftest import Page

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("browser")]

FENCE = FenceView(why="put-back", node="garage <b>", heard=12, known=4, counted="facts")
HEALING = HealingView(why="restored", since=1.0, backup_at=0.5, nodes=3, told=1, missing=["garage <b>"], found=12)


def shown(page: Page) -> str:
    return page.text("#standing")


def test_a_fenced_daemon_says_why_and_takes_over_after_a_question(page: Page) -> None:
    page.control.fence = FENCE
    page.control.alarm_rows.append(AlarmView(code="fenced", text="in English only", next_step="x", since=1.0))
    page.does(page.control.touch)
    page.wait(lambda: "This daemon only watches." in shown(page))
    assert "older than what garage <b> was told (4 of its facts here, 12 there)" in shown(page)
    assert page.text("#alarms") == "", "it is said once"
    page.one(".standing button").click()
    page.wait(lambda: page.one("#confirm").is_displayed())
    page.one("#confirm button[value=no]").click()
    assert page.control.fence == FENCE
    page.one(".standing button").click()
    page.wait(lambda: page.one("#confirm").is_displayed())
    page.one("#confirm-yes").click()
    page.wait(lambda: "This daemon took over." in shown(page))
    assert page.control.generation == 13
    assert page.complaints() == []


BUTTONS = "#hands-list button, #orders-rows button, #order-form button"
WATCHES = ReasonNote(code="only-watches", en="Not known: this daemon only watches.", fr="Inconnu : ce démon ne fait que regarder.")


def test_while_it_only_watches_nobody_is_lost_and_no_button_can_be_pressed(page: Page) -> None:
    page.does(page.control.place_order, OrderRequest(design="visor-frame", quantity=9))
    page.does(page.control.finish, "prn-1")
    page.wait(lambda: page.all(BUTTONS))
    page.control.fence = FENCE
    page.does(page.control.change_printer, "prn-1", online=False, why_not=[WATCHES])
    node = page.control.printer("prn-1").node
    page.control.node_rows[node] = page.control.node_rows[node].model_copy(
        update={"online": False, "suspect": True, "not_known": WATCHES}
    )
    page.does(page.control.touch)
    page.wait(lambda: "Not known: this daemon only watches." in page.text("#nodes"))
    assert page.text("[data-printer=prn-1] .state") == "Not known"
    assert "Not known: this daemon only watches." in page.text("[data-printer=prn-1] .reasons")
    assert "not connected" not in page.text("main")
    assert page.all(".hand.silent") == []
    buttons = page.all(f"{BUTTONS}, #printers button")
    assert len(buttons) > 3
    assert not any(button.is_enabled() for button in buttons)
    assert {button.get_attribute("title") for button in buttons} == {"This daemon only watches: nothing can be noted here."}
    assert "nothing can be noted here" in page.text("#hands-list"), "also where nothing hovers"
    assert page.one(".standing button").is_enabled(), "taking over is the way out"
    page.one("#language").click()
    page.wait(lambda: "4 de ses faits ici, 12 là-bas" in shown(page))
    assert "Inconnu : ce démon ne fait que regarder." in page.text("#nodes")
    page.control.fence = None
    page.does(page.control.touch)
    page.wait(lambda: all(button.is_enabled() for button in page.all(BUTTONS)))
    assert page.one("#hands-list button").get_attribute("title") in {"", None}
    assert page.complaints() == []


def test_alarms_are_in_the_language_of_the_page(page: Page) -> None:
    page.control.alarm_rows += [
        AlarmView(code="a", text="Full.", next_step="Make room.", since=1.0, text_fr="Plein.", next_step_fr="Faites de la place."),
        AlarmView(code="b", text="Only English.", next_step="Look.", since=1.0),
    ]
    page.does(page.control.touch)
    page.wait(lambda: "Full. Make room." in page.text("#alarms"))
    page.one("#language").click()
    page.wait(lambda: "Plein. Faites de la place." in page.text("#alarms"))
    assert "Only English. Look." in page.text("#alarms"), "better than nothing"
    assert "Full." not in page.text("#alarms")
    assert page.complaints() == []


def test_healing_counts_in_both_languages_and_goes_away_by_itself(page: Page) -> None:
    page.control.healing = HEALING
    page.does(page.control.touch)
    page.wait(lambda: "1 of 3 nodes have told again what happened since. 12 parts found." in shown(page))
    assert "Not heard yet: garage <b>." in shown(page)
    page.one("#language").click()
    page.wait(lambda: "1 nœuds sur 3 ont raconté de nouveau ce qui s'est passé depuis. 12 pièces retrouvées." in shown(page))
    page.control.healing = HEALING.model_copy(update={"told": 3, "missing": [], "found": 1})
    page.does(page.control.touch)
    page.wait(lambda: "1 pièce retrouvée." in shown(page))
    assert not page.all(".standing button")[0].is_displayed()
    page.control.healing = None
    page.does(page.control.touch)
    page.wait(lambda: page.all(".standing") == [])
    assert page.complaints() == []


def test_a_recalled_print_needs_a_hand(page: Page) -> None:
    page.does(page.control.place_order, OrderRequest(design="visor-frame", quantity=9))
    page.does(page.control.recall_revision, "visor-frame-r1", SignedRequest())
    page.wait(lambda: "Recalled: do not use" in page.text("#hands-list"))
    assert "Cancel the print" in page.text("#hands-list")
    page.does(page.control.finish, "prn-1")
    page.wait(lambda: "set them aside: they do not count" in page.text("#hands-list"))
    assert page.one(".hand input[id^=good]").get_attribute("value") == "0"
    assert page.complaints() == []
