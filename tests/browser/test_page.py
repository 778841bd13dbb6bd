"""The page in a real browser: what a technician sees, what arrives by itself, what the buttons do."""

from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select

from api.app import create_app
from drivers.base import PrinterState
from farm.bus.messages import FaultNote, ReasonNote
from farm.config import DaemonSettings, HttpSection
from farm.request_bodies import OrderRequest
from farm.views import AlarmView, OccupationView, StockView
from scheduler.model import BedState, JobOutcome, OccupationKind
from tests.browser.conftest import PHONE, WIDE, Page, small_farm
from tests.unit.farm.commands.background import TOKEN, BackgroundServer

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("browser")]

MARKUP = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'


def test_printers_are_shown_and_changes_arrive_by_themselves(page: Page) -> None:
    page.wait(lambda: "Atelier 1" in page.text("#printers"))
    assert page.text("[data-printer=prn-1] .state") == "Idle"
    page.wait(lambda: page.text("#connection") == "Live")
    page.does(page.control.change_printer, "prn-1", state=PrinterState.PAUSED, nozzle_c=204.6, nozzle_target_c=205.0)
    page.wait(lambda: page.text("[data-printer=prn-1] .state") == "Paused")
    assert "205/205 °C" in page.text("[data-printer=prn-1] .readings")
    page.does(page.control.add_printer, "prn-2", "Atelier 2")
    page.wait(lambda: len(page.all(".printer")) == 2)
    assert page.complaints() == []


def test_what_printers_and_people_wrote_is_text(page: Page) -> None:
    fault = FaultNote(code="x", text=MARKUP, meaning_en=MARKUP, action_en=MARKUP)
    page.does(
        page.control.add_printer,
        "prn-2",
        MARKUP,
        note=MARKUP,
        why_not=[ReasonNote(code="markup", en=MARKUP, fr=MARKUP)],
        fault=fault,
        state=PrinterState.FAULT,
    )
    page.does(page.control.add_node, "nod-2", name=MARKUP)
    page.does(page.control.place_order, OrderRequest(design="visor-frame", quantity=2, destination=MARKUP))
    page.control.alarm_rows.append(AlarmView(code="x", text=MARKUP, next_step=MARKUP, since=1.0))
    page.does(page.control.touch)
    for place in ("#printers", "#hands-list", "#nodes", "#orders-rows", "#alarms"):
        page.wait(lambda place=place: "<script>" in page.text(place))
    assert page.text("#farm-name") == "Visière <b>Solidaire</b>"
    assert page.driver.execute_script("return window.hacked") is None
    assert page.all("main img, main script, h1 b") == []
    assert page.complaints() == []


def test_the_collect_button_counts_parts(page: Page) -> None:
    order = page.does(page.control.place_order, OrderRequest(design="visor-frame", quantity=3))
    page.does(page.control.finish, "prn-1")
    page.wait(lambda: page.text("#hands-count") == "1")
    good, scrap = page.one(".hand input[id^=good]"), page.one(".hand input[id^=scrap]")
    assert (good.get_attribute("value"), scrap.get_attribute("value")) == ("2", "0")
    good.clear()
    good.send_keys("1")
    assert scrap.get_attribute("value") == "1"  # what is not good is scrap
    page.does(page.control.change_printer, "prn-1", nozzle_c=99.0)
    page.wait(lambda: "99 °C" in page.text("#printers"))
    assert good.get_attribute("value") == "1"  # a live change does not take away what was typed
    page.one(".hand button").click()
    page.wait(lambda: page.text("#hands-count") == "")
    counted = page.control.order(order.id)
    assert (counted.good, counted.scrap) == (1, 1)
    page.wait(lambda: page.text("#orders-rows .owed") == "2")


def test_a_print_that_failed_says_why_in_the_language_of_the_page(page: Page) -> None:
    page.does(page.control.place_order, OrderRequest(design="visor-frame", quantity=2))
    job = page.does(page.control.finish, "prn-1", JobOutcome.FAILED)
    said = {"detail": f"The heater stopped. {MARKUP}", "detail_fr": "La chauffe s'est arrêtée."}
    page.control.job_rows[job.id] = page.control.job_rows[job.id].model_copy(update=said)
    page.does(page.control.touch)
    page.wait(lambda: page.text(".hand .hand-says") == said["detail"])
    page.one("#language").click()
    page.wait(lambda: page.text(".hand .hand-says") == said["detail_fr"])
    page.control.job_rows[job.id] = page.control.job_rows[job.id].model_copy(update={"detail_fr": ""})  # of an older farm
    page.does(page.control.touch)
    page.wait(lambda: page.text(".hand .hand-says") == said["detail"])
    assert page.driver.execute_script("return window.hacked") is None


def test_a_click_that_comes_too_late_says_so(page: Page) -> None:
    page.does(page.control.place_order, OrderRequest(design="visor-frame", quantity=2))
    page.does(page.control.finish, "prn-1")
    page.one(".hand button")
    page.control.printer_rows["prn-1"] = page.control.printer("prn-1").model_copy(update={"occupation": None})  # nobody was told
    page.one(".hand button").click()
    page.wait(lambda: "The bed of Atelier 1 is clear." in page.text(".hand .said"))
    assert page.one(".hand button").is_enabled()


def test_hands_come_worst_first_and_can_be_done(page: Page) -> None:
    unknown = OccupationView(id="occ-1", kind=OccupationKind.UNKNOWN)
    fault = FaultNote(
        code="x", text="Error:heat", meaning_en="Too hot.", meaning_fr="Trop chaud.", action_en="Cool it.", action_fr="Laissez."
    )
    page.does(page.control.change_printer, "prn-1", bed=BedState.UNKNOWN, ready=False, occupation=unknown)
    page.does(page.control.add_printer, "prn-2", "Zeta", state=PrinterState.FAULT, fault=fault, ready=False)
    page.does(page.control.add_printer, "prn-3", "Alpha", state=PrinterState.OFFLINE, ready=False)
    page.wait(lambda: len(page.all(".hand")) == 3)
    assert [element.get_attribute("data-key") for element in page.all(".hand")] == ["fault-prn-2", "clear-occ-1", "offline-prn-3"]
    assert "Too hot." in page.text(".hand.fault")
    assert "The machine says: Error:heat" in page.text(".hand.fault")
    page.one("#language").click()
    page.wait(lambda: "Trop chaud." in page.text(".hand.fault"))
    page.one(".hand.clear button").click()
    page.wait(lambda: len(page.all(".hand")) == 2)
    assert page.control.printer("prn-1").bed is BedState.CLEAR


def test_an_order_is_placed_and_taken_back(page: Page) -> None:
    page.wait(lambda: page.all("#order-design option"))
    quantity = page.one("#order-quantity")
    quantity.clear()
    quantity.send_keys("7")
    Select(page.one("#order-priority")).select_by_value("10")
    page.one("#order-destination").send_keys("CHU")
    page.one("#order-form button").click()
    page.wait(lambda: page.text("#order-said") == "Ordered: 7 × visor-frame-r1.")
    page.wait(lambda: page.text("#orders-rows .owed") == "7")
    order = page.control.orders()[0]
    assert (order.quantity, order.priority, order.destination) == (7, 10, "CHU")
    page.one("#orders-rows .row-actions button").click()
    page.one("#confirm button[value=no]").click()
    assert page.control.order(order.id).state == "open"
    page.one("#orders-rows .row-actions button").click()
    page.one("#confirm-yes").click()
    page.wait(lambda: page.text("#orders-rows .order-state") == "cancelled")


def test_a_running_print_is_paused_and_stopped(page: Page) -> None:
    page.does(page.control.place_order, OrderRequest(design="visor-frame", quantity=2))
    page.wait(lambda: page.text("[data-printer=prn-1] .state") == "Printing")
    page.one("[data-printer=prn-1] summary").click()
    buttons = {button.text: button for button in page.all("[data-printer=prn-1] .controls button") if button.is_displayed()}
    assert list(buttons) == ["Pause", "Cancel job", "Emergency stop"]
    buttons["Pause"].click()
    page.wait(lambda: page.text("[data-printer=prn-1] .state") == "Paused")
    buttons["Emergency stop"].click()
    page.one("#confirm-yes").click()
    page.wait(lambda: page.text("[data-printer=prn-1] .state") == "Fault")


def test_the_language_is_remembered(page: Page) -> None:
    page.wait(lambda: page.text("#hands-title") == "Needs a hand")
    page.one("#language").click()
    assert page.text("#hands-title") == "À faire"
    assert page.driver.execute_script("return document.documentElement.lang") == "fr"
    page.open()
    page.wait(lambda: page.text("[data-printer=prn-1] .state") == "Au repos")
    assert page.text("#orders-title") == "Commandes"


def test_good_parts_stay_counted_when_their_order_is_met(page: Page) -> None:
    page.does(page.control.place_order, OrderRequest(design="visor-frame", quantity=2))
    page.does(page.control.finish, "prn-1")
    page.one(".hand button").click()
    page.wait(lambda: page.text("#orders-rows .order-state") == "met")
    assert "2\ngood parts" in page.text("#totals").replace(" ", " ")
    assert "0\nparts owed" in page.text("#totals")


def test_what_is_said_of_one_is_singular_in_both_languages(page: Page) -> None:
    page.does(page.control.place_order, OrderRequest(design="visor-frame", quantity=1))
    page.does(page.control.change_printer, "prn-1", jobs_left=1)
    page.wait(lambda: "1\npart owed" in page.text("#totals"))
    page.wait(lambda: "1 more print to start" in page.text("[data-printer=prn-1] .about"))
    page.one("#language").click()
    assert "1\nreste à faire" in page.text("#totals")
    assert "0\nbonne pièce" in page.text("#totals")  # French: 0 is singular
    assert "1 printer" not in page.text("#nodes")


def test_an_offline_printer_is_not_told_as_if_it_were_seen(page: Page) -> None:
    page.does(page.control.place_order, OrderRequest(design="visor-frame", quantity=2))
    printing = [ReasonNote(code="printing", en="It is printing.", fr="Elle imprime.")]
    page.does(page.control.change_printer, "prn-1", state=PrinterState.OFFLINE, why_not=printing, nozzle_c=211.0, progress=0.5)
    page.wait(lambda: page.text("[data-printer=prn-1] .state") == "Offline")
    card = page.text("[data-printer=prn-1]")
    assert "It was printing when it was last heard." in card
    assert "It is printing." not in card
    assert "211" not in card
    assert page.all("[data-printer=prn-1] .reasons[data-calm]")


def test_only_what_hinders_is_in_the_colour_of_a_warning(page: Page) -> None:
    idle = [ReasonNote(code="nothing-to-do", en="No order waits for a printer.", fr="Aucune commande.")]
    page.does(page.control.change_printer, "prn-1", why_not=idle)
    page.wait(lambda: "No order waits" in page.text("[data-printer=prn-1] .reasons[data-calm]"))
    cold = [ReasonNote(code="material", en="It needs PETG.", fr="Il faut du PETG.")]
    page.does(page.control.change_printer, "prn-1", why_not=[*idle, *cold])
    page.wait(lambda: "It needs PETG." in page.text("[data-printer=prn-1] .reasons:not([data-calm])"))


def test_a_node_that_is_away_is_told_the_same_everywhere(page: Page) -> None:
    away = page.control.add_node("nod-2", name="Garage").model_copy(update={"online": False, "suspect": True, "silent_s": 600.0})
    page.control.node_rows["nod-2"] = away
    page.control.node_rows["nod-3"] = away.model_copy(update={"id": "nod-3", "name": "Cave", "silent_s": None})
    page.does(page.control.add_node, "people", name="People")
    page.wait(lambda: len(page.all(".hand.silent")) == 2)
    for key, text in (("nod-2", "not connected for 10 min"), ("nod-3", "not heard since the daemon started")):
        assert text in page.text(f"[data-node={key}]")
        assert text in page.text(f"[data-key=silent-{key}]")
    page.one("#language").click()
    assert "Les mains" in page.text("[data-node=people]")
    assert "non connecté depuis 10 min" in page.text("[data-node=nod-2]")


def test_what_was_collected_is_not_asked_for_again(page: Page) -> None:
    page.does(page.control.place_order, OrderRequest(design="visor-frame", quantity=2))
    job = page.does(page.control.finish, "prn-1")
    page.wait(lambda: page.text("#hands-count") == "1")
    page.control.job_rows[job.id] = job.model_copy(update={"state": "collected"})  # noted; its node has not answered
    page.does(page.control.touch)
    page.wait(lambda: page.text("#hands-count") == "")
    page.wait(lambda: "parts collected; the node has not answered yet" in page.text("[data-printer=prn-1] .about"))


def test_a_batch_that_was_offered_to_a_maker_is_told_in_words(page: Page) -> None:
    page.does(page.control.place_order, OrderRequest(design="visor-frame", quantity=2))
    page.does(page.control.change_printer, "prn-1", driver="manual", state=PrinterState.PREPARING, note="offered")
    page.one("#language").click()
    page.wait(lambda: "Proposée : son maker ne l'a pas encore acceptée." in page.text("[data-printer=prn-1]"))


def test_the_cancel_button_is_one_line_beside_a_long_reason(page: Page) -> None:
    long = "3 printers: It needs PETG, the printer has PLA. " * 3
    page.does(page.control.place_order, OrderRequest(design="visor-frame", quantity=9, destination="CHU de Nantes, Hôtel-Dieu"))
    key = page.control.orders()[0].id
    why = [ReasonNote(code="material", en=long, fr=long)]
    page.control.order_rows[key] = page.control.order_rows[key].model_copy(update={"why_waiting": why})
    page.does(page.control.touch)
    page.wait(lambda: "PETG" in page.text("#orders-rows"))
    page.one("#language").click()
    heights = page.driver.execute_script(
        "return [...document.querySelectorAll('.row-actions button, .tools button')].map((e) => e.getBoundingClientRect().height)"
    )
    assert max(heights) <= 45


def test_what_people_wrote_cannot_turn_the_text_around_it(page: Page) -> None:
    places = ("#farm-name", "[data-printer=prn-1] h3", "[data-node] strong")
    page.wait(lambda: all(page.text(place) for place in places))
    script = "return getComputedStyle(document.querySelector(arguments[0])).unicodeBidi"
    assert {page.driver.execute_script(script, place) for place in places} == {"isolate"}


@pytest.mark.parametrize("width", [PHONE, WIDE])
def test_it_fits_and_every_control_has_a_name(page: Page, width: int) -> None:
    page.does(page.control.place_order, OrderRequest(design="visor-frame", quantity=2, destination="x" * 200))
    page.does(page.control.finish, "prn-1")
    page.does(page.control.add_printer, "prn-2", "y" * 80)
    key = page.control.orders()[0].id
    page.control.order_rows[key] = page.control.order_rows[key].model_copy(update={"good": 123_456, "owed": 876_544})
    page.open(width)
    page.one("#language").click()  # French words are longer
    page.wait(lambda: len(page.all(".printer")) == 2 and page.all(".hand"))
    assert page.driver.execute_script("return document.documentElement.scrollWidth") <= width
    nameless = page.driver.execute_script(
        "return [...document.querySelectorAll('button, input, select, summary, progress')]"
        ".filter((e) => e.checkVisibility() && !(e.labels?.length || e.getAttribute('aria-label') || e.textContent.trim()))"
        ".map((e) => e.outerHTML)"
    )
    assert nameless == []
    small = page.driver.execute_script(
        "return [...document.querySelectorAll('.hand button, .hand input, form.panel button')]"
        ".filter((e) => e.checkVisibility() && e.getBoundingClientRect().height < 44).map((e) => e.outerHTML)"
    )
    assert small == []  # thumbs, gloves
    rows = page.driver.execute_script(
        "return [...document.querySelectorAll('#totals strong')].map((e) => e.getBoundingClientRect().height)"
    )
    assert max(rows) < 45  # no number is broken in two


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(page: Page, scheme: str) -> None:
    """WCAG 2.2, 1.4.3: at least 4.5 to 1 against what is behind it."""
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
    page.control.alarm_rows.append(AlarmView(code="x", text="Little room.", next_step="Make some.", since=1.0))
    for number, state in enumerate(PrinterState):
        page.does(
            page.control.add_printer,
            f"prn-{number + 2}",
            str(state),
            state=state,
            why_not=[ReasonNote(code="because", en="because", fr="parce que")],
        )
    page.does(page.control.place_order, OrderRequest(design="visor-frame", quantity=2))
    page.does(page.control.finish, "prn-1")
    page.open()
    page.wait(lambda: len(page.all(".printer")) == len(PrinterState) + 1)
    poor = page.driver.execute_script(Path(__file__).with_name("contrast.js").read_text("utf-8"))
    assert poor == []


def test_a_lost_connection_is_told_and_comes_back(chromium: webdriver.Chrome, tmp_path: Path) -> None:
    control = small_farm(tmp_path / "farm")
    settings = DaemonSettings(data=tmp_path / "data")
    with BackgroundServer(create_app(control=control, settings=settings, token=TOKEN)) as server:
        page = Page(chromium, control, server)
        page.open()
        page.wait(lambda: page.text("#connection") == "Live")
        port = server.port
    page.wait(lambda: page.text("#connection").startswith("Connection lost. As of "))
    page.one("[data-printer=prn-1] summary").click()
    next(button for button in page.all("[data-printer=prn-1] .controls button") if button.text == "Emergency stop").click()
    page.one("#confirm-yes").click()
    page.wait(lambda: "does not answer" in page.text("[data-printer=prn-1] .said"))
    control.change_printer("prn-1", name="Renamed")
    with BackgroundServer(create_app(control=control, settings=settings, token=TOKEN), port):
        page.wait(lambda: page.text("#connection") == "Live")
        assert page.text("[data-printer=prn-1] h3") == "Renamed"
        assert page.text("[data-printer=prn-1] .said") == ""  # it does answer now
        chromium.get("about:blank")


def test_beyond_loopback_the_page_asks_for_the_token(chromium: webdriver.Chrome, tmp_path: Path) -> None:
    control = small_farm(tmp_path / "farm")
    settings = DaemonSettings(data=tmp_path / "data", http=HttpSection(host="0.0.0.0"))
    with BackgroundServer(create_app(control=control, settings=settings, token=TOKEN)) as server:
        page = Page(chromium, control, server)
        page.open()
        field = page.one("#sign-in-token")
        assert page.text("#printers") == ""
        assert "No printers yet" not in page.text("main")  # nothing is known yet
        assert "No orders yet" not in page.text("main")
        field.send_keys("wrong")
        page.one("#sign-in button").click()
        page.wait(lambda: page.text("#sign-in-said") == "That is not the token.")
        field.clear()
        field.send_keys(TOKEN)
        page.one("#sign-in button").click()
        page.wait(lambda: "Atelier 1" in page.text("#printers"))
        assert not page.driver.find_element(By.ID, "sign-in").is_displayed()
        assert chromium.execute_script("return document.cookie") == ""  # scripts cannot read it
        page.open()
        page.wait(lambda: page.text("#connection") == "Live")
        chromium.delete_all_cookies()
        chromium.get("about:blank")


def test_stock_is_one_line_and_says_what_was_recalled(page: Page) -> None:
    assert not page.all("#stock")[0].is_displayed()
    page.control.stock_rows = {
        "r1": StockView(revision="r1", parts=4, recalled=True),
        "r2": StockView(revision="r<b>2", parts=1),
    }
    page.does(page.control.touch)
    page.wait(lambda: page.text("#stock") == "In stock: 4 × r1 (recalled: set aside), 1 × r<b>2")
    page.control.stock_rows = {}
    page.does(page.control.touch)
    page.wait(lambda: not page.all("#stock")[0].is_displayed())
    assert page.complaints() == []
