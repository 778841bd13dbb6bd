"""The banner of a daemon that only watches, and of a farm that heals, in a real browser."""

import pytest

from farm.views import AlarmView, FenceView, HealingView, OrderRequest
from tests.browser.conftest import Page

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("browser")]

FENCE = FenceView(why="put-back", node="garage <b>", heard=12, known=4)
HEALING = HealingView(why="restored", since=1.0, backup_at=0.5, nodes=3, told=1, missing=["garage <b>"], found=12)


def shown(page: Page) -> str:
    return page.text("#standing")


def test_a_fenced_daemon_says_why_and_takes_over_after_a_question(page: Page) -> None:
    page.control.fence = FENCE
    page.control.alarm_rows.append(AlarmView(code="fenced", text="in English only", next_step="x", since=1.0))
    page.does(page.control.touch)
    page.wait(lambda: "This daemon only watches." in shown(page))
    assert "older than what garage <b> was told (4 here, 12 there)" in shown(page)
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
    page.does(page.control.recall_revision, "visor-frame-r1")
    page.wait(lambda: "Recalled: do not use" in page.text("#hands-list"))
    assert "Cancel the print" in page.text("#hands-list")
    page.does(page.control.finish, "prn-1")
    page.wait(lambda: "set them aside: they do not count" in page.text("#hands-list"))
    assert page.one(".hand input[id^=good]").get_attribute("value") == "0"
    assert page.complaints() == []
