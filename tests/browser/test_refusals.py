"""What the farm refuses is told in the language of the page, also when that changes afterwards."""

from pathlib import Path

import pytest
from selenium import webdriver

from api.app import create_app
from drivers.base import PrinterState
from farm.config import DaemonSettings
from farm.request_bodies import OrderRequest
from tests.browser.conftest import Page, Send, add_visor, small_farm
from tests.unit.farm.commands.background import TOKEN, BackgroundServer

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("browser")]


def told(page: Page, place: str, english: str, french: str) -> None:
    """The page is in French, and says it so; then in English, and in French again."""
    page.wait(lambda: page.text(place) == french)
    page.one("#language").click()
    page.wait(lambda: page.text(place) == english)
    page.one("#language").click()
    page.wait(lambda: page.text(place) == french)


def in_french(page: Page) -> None:
    page.wait(lambda: page.text("#connection") == "Live")
    page.one("#language").click()
    page.wait(lambda: page.text("#connection") == "En direct")


def test_a_full_disk_and_a_wrong_value_are_told_in_the_language_of_the_page(page: Page) -> None:
    in_french(page)
    page.control.full = True
    page.one("#order-form button").click()
    told(
        page,
        "#order-said",
        "The disk of the farm is full: nothing was written. "
        "Make room on it. The farm goes on by itself then; nodes keep their facts until it does.",
        "Le disque de la ferme est plein : rien n'a été écrit. "
        "Libérez-y de la place. La ferme repart alors toute seule ; d'ici là, les nœuds gardent leurs faits.",
    )
    page.control.full = False
    page.driver.execute_script("document.getElementById('order-destination').value = 'CHU \\u202e'")
    page.one("#order-form button").click()
    told(
        page,
        "#order-said",
        "For whom: Value error, control characters and changes of the writing direction are not allowed.",
        "Pour qui : Valeur refusée : les caractères de contrôle et les changements du sens d'écriture ne sont pas admis.",
    )


def test_a_click_that_comes_too_late_is_told_in_french(page: Page) -> None:
    page.does(page.control.place_order, OrderRequest(design="visor-frame", quantity=2))
    page.does(page.control.finish, "prn-1")
    in_french(page)
    page.one(".hand button")
    page.control.printer_rows["prn-1"] = page.control.printer("prn-1").model_copy(update={"occupation": None})  # nobody was told
    page.one(".hand button").click()
    page.wait(lambda: page.text(".hand .said").startswith("Le plateau de Atelier 1 est libre. Regardez de nouveau"))


def test_a_file_that_is_no_program_is_told_in_the_language_of_the_page(page: Page, send: Send) -> None:
    send(b"no code at all\n", phase="refused")
    assert "The file is no G-code. Export G-code from a slicer." in page.text("#upload-outcome")
    page.one("#language").click()
    page.wait(lambda: "Le fichier n'est pas du G-code. Exportez du G-code depuis un trancheur." in page.text("#upload-outcome"))


def test_a_daemon_that_does_not_answer_is_told_in_the_language_of_the_page(chromium: webdriver.Chrome, tmp_path: Path) -> None:
    control = small_farm(tmp_path / "farm")
    settings = DaemonSettings(data=tmp_path / "data")
    with BackgroundServer(create_app(control=control, settings=settings, token=TOKEN)) as server:
        page = Page(chromium, control, server)
        page.does(add_visor, control)
        page.open()
        chromium.execute_script("localStorage.clear()")
        page.open()
        in_french(page)
        page.wait(lambda: page.all("#order-design option"))
    page.wait(lambda: page.text("#connection").startswith("Connexion perdue."))
    page.one("#order-form button").click()
    told(page, "#order-said", "The daemon does not answer. Is it running?", "Le démon ne répond pas. Est-il lancé ?")
    chromium.get("about:blank")


def test_a_note_of_ours_is_told_in_the_language_of_the_page_and_a_machines_own_as_its_word(page: Page) -> None:
    away = {"state": PrinterState.OFFLINE, "ready": False}
    page.does(page.control.add_printer, "prn-2", "B", **away, note="The cable is out.", note_fr="Le câble est débranché.")
    page.does(page.control.add_printer, "prn-3", "C", **away, note="E42")
    in_french(page)
    page.wait(lambda: page.text("[data-key=offline-prn-2] .hand-says") == "Le câble est débranché.")
    assert page.text("[data-key=offline-prn-3] .hand-says") == "La machine dit : E42"
    page.one("#language").click()
    page.wait(lambda: page.text("[data-key=offline-prn-2] .hand-says") == "The cable is out.")
