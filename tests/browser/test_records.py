"""What is removed, renamed and written down: a program by mistake, a requester, and the audit; in a real browser."""

from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from farm.library_views import ApprovalRequest, ReleaseRequest, RequesterRequest, SignedRequest
from farm.request_bodies import OrderRequest
from tests.browser.conftest import PHONE, WIDE, Page, open_library
from tests.browser.library_page import GOOD, MARKUP, TRUSTED, add

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("browser")]


def go(page: Page, view: str) -> None:
    page.driver.execute_script("location.hash = arguments[0]", view)


def test_a_program_is_removed_after_it_was_told_what_is_lost(page: Page) -> None:
    view = page.does(add, page.control, TRUSTED, "visor-r9")
    page.does(page.control.release_program, view.sha256, ReleaseRequest(by="Ann Lee", reason="Known."))
    open_library(page)
    go(page, f"#program-{view.sha256}")
    page.one(".removal button").click()
    assert "Remove visor-r9.gcode" in page.text("#confirm-text")
    lost = page.text("#confirm-lines")
    for text in ("Its file, its picture", "visor-r9 and the design visor go as well", "The release by Ann Lee is gone"):
        assert text in lost
    assert page.driver.execute_script("return document.activeElement.id") == "confirm-by"  # nothing is done in nobody's name
    page.driver.switch_to.active_element.send_keys(Keys.ENTER)
    page.one("#confirm-no").send_keys(Keys.ENTER)
    assert view.sha256 in page.control.program_rows
    page.one(".removal button").send_keys(Keys.ENTER)
    page.one("#confirm-by").send_keys("Eve Martin")
    page.one("#confirm-reason").send_keys("The wrong file." + Keys.ENTER)
    page.wait(lambda: page.text("#program-title") == "visor-r9.gcode was removed.")
    assert view.sha256 not in page.control.program_rows
    entry = page.control.audit_rows[0]
    assert (entry.who, entry.action, entry.reason) == ("Eve Martin", "program.remove", "The wrong file.")
    page.wait(lambda: page.driver.execute_script("return document.activeElement.id") == "program-title")
    page.one("#program .buttons a:last-child").click()
    page.wait(lambda: "removed the program visor-r9.gcode" in page.text("#audit-rows"))
    page.wait(lambda: "released the program visor-r9.gcode" in page.text("#audit-rows"))  # its name, though it is gone


def test_a_program_that_was_printed_stays_and_says_why(page: Page) -> None:
    (view,) = page.control.programs()
    page.does(page.control.place_order, OrderRequest(design=view.design, quantity=2))
    page.wait(lambda: page.control.job_rows)
    open_library(page)
    go(page, f"#program-{view.sha256}")
    page.one(".removal button").click()
    assert "stays, without any program. 1 open order waits" in page.text("#confirm-lines")
    page.sign()
    page.wait(lambda: "Something was printed of it" in page.text(".removal .said"))
    assert page.one(".removal button").is_enabled()
    page.one("#language").click()
    page.wait(lambda: "Supprimer ce programme" in page.text(".removal"))
    page.one(".removal button").click()
    page.sign()
    page.wait(lambda: f"rappelez {view.revision} dans la bibliothèque" in page.text(".removal .said"))
    assert [row.sha256 for row in page.control.programs()] == [view.sha256]


def test_a_requester_gets_another_name_and_leaves(page: Page) -> None:
    page.does(page.control.add_requester, RequesterRequest(name="Firemen"))
    requester = page.does(page.control.add_requester, RequesterRequest(name="Hospital", approves=True))
    open_library(page)
    row = f"[data-requester='{requester.id}']"
    rename = page.one(f"{row} [aria-label='Rename: Hospital']")
    rename.send_keys(Keys.ENTER)
    field = page.driver.switch_to.active_element
    assert field.get_attribute("value") == "Hospital"
    field.send_keys(Keys.ESCAPE)
    assert page.driver.switch_to.active_element == rename
    rename.click()
    page.one(f"{row} .rename input").send_keys(MARKUP + Keys.ENTER)
    page.wait(lambda: page.text(f"{row} h3") == MARKUP)
    assert page.control.requester_rows[requester.id].name == MARKUP
    assert page.driver.execute_script("return window.hacked") is None
    page.one(f"{row} [aria-label^='Remove: ']").click()
    page.sign()
    page.wait(lambda: not page.all(row))
    assert [each.name for each in page.control.requesters()] == ["Firemen"]
    page.complaints()


def test_who_asks_for_approvals_no_more_is_asked_about_it_first(page: Page) -> None:
    requester = page.does(page.control.add_requester, RequesterRequest(name="Hospital", approves=True))
    open_library(page)
    change = page.one(f"[data-requester='{requester.id}'] header .buttons button")
    assert change.text == "Ask for no approval"
    change.click()
    assert "also those that it has not approved" in page.text("#confirm-text")
    page.one("#confirm-no").click()
    assert page.control.requester_rows[requester.id].approves
    change.click()
    page.sign()
    page.wait(lambda: change.text == "Ask for its approval")
    assert not page.control.requester_rows[requester.id].approves


def test_the_audit_says_who_did_what_when_and_why_in_both_languages(page: Page) -> None:
    view = page.does(add, page.control, TRUSTED)
    requester = page.does(page.control.add_requester, RequesterRequest(name=MARKUP, approves=True, by="Eve Martin"))
    page.does(page.control.release_program, view.sha256, ReleaseRequest(by="Eve Martin", reason=MARKUP))
    page.does(page.control.approve, requester.id, ApprovalRequest(revision="visor-r2", by="Dr Moreau"))
    page.does(page.control.recall_revision, "visor-r2", SignedRequest())
    page.one("#nav-audit").click()
    page.wait(lambda: len(page.all(".audit-row")) == 4)
    assert page.driver.execute_script("return document.activeElement.id") == "audit-title"
    told = page.text("#audit-rows")
    for text in (
        "An operator recalled the revision visor-r2",
        f"Dr Moreau recorded an approval of the requester {MARKUP} visor-r2",
        "Eve Martin released the program visor-r2.gcode for: motor-current",
        f"“{MARKUP}”",
    ):
        assert text in told
    assert page.driver.execute_script("return window.hacked") is None
    page.does(page.control.withdraw_program, view.sha256, SignedRequest(by="Ann Lee"))  # it arrives by itself
    page.wait(lambda: "Ann Lee withdrew the release of the program" in page.text("#audit-rows"))
    page.one("#language").click()
    page.wait(lambda: "Un opérateur a rappelé la révision visor-r2" in page.text("#audit-rows"))
    page.one(f".audit-more[href='#audit-{view.sha256}']").click()
    page.wait(lambda: len(page.all(".audit-row")) == 2)
    assert page.text("#audit-about").startswith("Seulement au sujet de visor-r2.gcode.")
    page.one("#audit-about a[href='#audit']").click()
    page.wait(lambda: len(page.all(".audit-row")) == 5)
    assert page.complaints() == []


def test_the_audit_is_shown_a_page_at_a_time(page: Page) -> None:
    for number in range(120):
        page.control._note("Eve Martin", "requester.add", f"requester-{number}", detail=f"Number {number}")
    go(page, "#audit")
    page.wait(lambda: len(page.all(".audit-row")) == 50)
    assert (page.text("#audit-shown"), page.one("#audit-newer").is_enabled()) == ("1 to 50", False)
    page.one("#audit-older").send_keys(Keys.ENTER)
    page.wait(lambda: page.text("#audit-shown") == "51 to 100")
    page.one("#audit-older").click()
    page.wait(lambda: len(page.all(".audit-row")) == 20)
    assert "Number 0" in page.text("#audit-rows")
    assert not page.one("#audit-older").is_enabled()
    page.one("#audit-newer").click()
    page.wait(lambda: page.text("#audit-shown") == "51 to 100")


@pytest.mark.parametrize("width", [PHONE, WIDE])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_audit_and_what_is_asked_fit_and_can_be_read(page: Page, width: int, scheme: str) -> None:
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
    page.control._note("y" * 80, "program.release", "z" * 64, "w" * 500, "rule=1 " * 300)
    view = page.does(add, page.control, GOOD, "r" * 64)
    open_library(page, width)
    contrast = Path(__file__).with_name("contrast.js").read_text("utf-8")
    go(page, "#audit")
    page.one(".audit-row")
    assert page.driver.execute_script("return document.documentElement.scrollWidth") <= width
    assert page.driver.execute_script(contrast) == []
    go(page, f"#program-{view.sha256}")
    page.one(".removal button").click()
    page.one("#confirm-yes")
    box = page.driver.execute_script("return document.querySelector('#confirm').getBoundingClientRect().toJSON()")
    assert (box["left"] >= 0, box["right"] <= width, box["top"] >= 0, box["bottom"] <= 900) == (True,) * 4
    page.one("#confirm-no").click()
