"""The library on the page, in a real browser: an upload and what comes of it, releases, recalls, approvals, and an order of it."""

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

from api.app import create_app
from farm.config import DaemonSettings, HttpSection
from farm.library_views import ApprovalRequest, ProgramDetail, ReleaseRequest, RequesterRequest
from farm.request_bodies import ProgramRequest
from farm.views import FenceView, ProgramView, UploadView
from tests.browser.conftest import PHONE, WIDE, Page, Send, open_library, small_farm
from tests.browser.library_page import GOOD, MARKUP, REJECTED, TRUSTED, add, troubles
from tests.unit.farm.commands.background import TOKEN, BackgroundServer

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("browser")]

HEBREW = "\u05de\u05d2\u05df"


def test_a_file_is_sent_and_its_facts_and_verdicts_are_shown(page: Page, send: Send) -> None:
    send(GOOD, phase="ready", by="Eve Martin")
    assert page.text("#upload-outcome h3") == "visor.gcode is in the library."
    assert "1 h 0 min" in page.text("[data-fact=fact_time]")
    assert page.text("[data-fact=fact_filament] dd") == "24 g · 8 m"
    assert page.driver.execute_script("return document.activeElement.textContent") == "visor.gcode is in the library."
    page.one("#upload-outcome .verdict-others > summary").click()
    rows = page.all("#upload-outcome .verdict-row")
    assert len(rows) == len(page.control.profiles())
    assert all("passes" in row.text and row.find_elements("css selector", "svg") for row in rows)  # a sign and words
    (program,) = [row for row in page.control.programs() if row.name == "visor.gcode"]
    assert (program.design, program.revision, program.parts) == ("Visière", "visiere-r1", 1)
    assert page.control.released_by["visiere-r1"] == "Eve Martin"
    assert page.text("#upload-doing") == ""  # nothing says any more that it is under way
    page.wait(lambda: "visiere-r1" in page.text("#designs"))
    page.wait(lambda: "is in the library" in page.text("#uploads"))
    assert troubles(page) == []


def test_without_a_picture_its_place_stays(page: Page, send: Send) -> None:
    send(GOOD, phase="ready")
    assert page.text("#upload-outcome .picture.large[data-none]") == "No picture"
    page.wait(lambda: page.all("#designs .program-row .picture[data-none] svg"))


def test_the_picture_of_a_program_is_shown(page: Page) -> None:
    program = page.does(add, page.control, GOOD)
    drawn = BytesIO()
    Image.new("RGB", (96, 72), (200, 80, 20)).save(drawn, "PNG")
    page.control.draw(program.sha256, "preview", drawn.getvalue())
    page.driver.execute_script(f"location.hash = '#program-{program.sha256}'")
    page.one("#program .picture.large img")
    page.wait(lambda: page.driver.execute_script("return document.querySelector('#program .picture.large img').naturalWidth") == 96)
    assert page.one("#program .picture.large img").get_attribute("alt") == "What visor-r2.gcode prints, as the farm has drawn it"
    assert str(page.one("#program .download").get_attribute("href")).endswith(f"/api/v1/programs/{program.sha256}/file")
    assert "Atelier 1" in page.text("#program")  # a printer of its kind
    assert page.complaints() == []


def test_a_rejected_file_says_where_why_and_what_to_do(page: Page, send: Send) -> None:
    send(REJECTED, phase="refused")
    outcome = page.text("#upload-outcome")
    for text in (
        "visor.gcode was not taken.",
        "What to do: correct",
        "Line 3",
        "M502 is used.",
        "Remove the line.",
        "must not be printed",
    ):
        assert text in outcome
    assert page.text("#uploads [data-state=refused] .upload-state") == "was not taken"
    page.one("#language").click()
    page.wait(lambda: "Ligne 3" in page.text("#upload-outcome"))
    for text in ("n'a pas été accepté", "M502 est utilisé.", "Retirez la ligne."):
        assert text in page.text("#upload-outcome")


def test_another_kind_of_printers_that_could_print_it_is_offered(page: Page, send: Send) -> None:
    problem = {
        "code": "gcode-rejected", "detail": "It fails.", "next_step": "Mend it.", "findings": [],
        "verdicts": {"generic-210": "reject", "generic-300": "pass", "prusa-mk3s": "reject"},
    }  # fmt: skip
    begin = page.control.begin_program
    asked: list[str] = []

    async def refuse(path: Path, request: ProgramRequest) -> UploadView:
        asked.append(request.profile)
        view = await begin(path, request)
        if request.profile == "generic-210":
            page.control.upload_rows[view.id] = view.model_copy(update={"state": "refused", "program": None, "problem": problem})
        return page.control.upload_rows[view.id]

    page.control.begin_program = refuse  # type: ignore[method-assign,assignment] # its parameters have other names
    Select(page.one("#upload-profile")).select_by_value("generic-210")
    send(GOOD, phase="refused")
    offered = page.all("#upload-outcome .others button")
    assert [button.text for button in offered] == ["Send it for Generic Marlin, 300 mm bed"]
    offered[0].click()
    page.wait(lambda: page.all("#upload-panel[data-phase=ready]"))
    assert asked == ["generic-210", "generic-300"]


def test_the_printers_are_chosen_first(page: Page) -> None:
    open_library(page)
    chosen = Select(page.one("#upload-profile"))
    assert (chosen.first_selected_option.text, page.all("#upload-material option")) == ("Choose the printers first", [])
    assert not page.driver.execute_script("return document.querySelector('#upload-form').checkValidity()")
    chosen.select_by_value("generic-210")
    assert page.all("#upload-material option")[0].text == "PLA"


def test_a_file_that_is_known_as_something_else_is_not_said_to_be_gone(page: Page, send: Send) -> None:
    known = page.does(add, page.control, GOOD + b"G1 X3\n").sha256
    problem = {"code": "program-known", "detail": "Known already.", "next_step": f"Remove it: farm program remove {known[:12]}."}
    begin = page.control.begin_program

    async def refuse(path: Path, request: ProgramRequest) -> UploadView:
        view = await begin(path, request)
        page.control.upload_rows[view.id] = view.model_copy(update={"state": "refused", "program": None, "problem": problem})
        return page.control.upload_rows[view.id]

    page.control.begin_program = refuse  # type: ignore[method-assign,assignment] # its parameters have other names
    send(GOOD, phase="refused")
    said = page.text("#upload-outcome .outcome-head")
    assert "The file is in the library already, and stays there as it was." in said
    assert f"farm program remove {known[:12]}" in said
    page.wait(lambda: page.text("#upload-outcome .buttons a") == "Show visor-r2.gcode")
    assert str(page.one("#upload-outcome .buttons a").get_attribute("href")).endswith(f"#program-{known}")
    assert "Nothing of it was kept" not in said


def test_figures_have_their_unit_and_counts_their_grammar(page: Page) -> None:
    open_library(page)
    script = (
        "const done = arguments[0]; import('/static/findings.js').then((made) => {"
        "const hit = (detail) => ({line: 0, text: '', detail, value: 400, limit: 290});"
        "const finding = {rule: 'r', severity: 'warn', explanation: {en: 'e'}, fix: {en: 'f'}, count: 3,"
        " hits: [hit('400 > 290 °C'), hit('X400.00 Y1.00 Z0.20, X 290'), hit('400 > 290'),"
        " hit('400 s \u2260 290 s'), hit('400 mm > 290 mm')]};"
        "const texts = [...made.findingList([finding]).querySelectorAll('.hits .muted')].map((each) => each.textContent);"
        "done([...texts, made.verdictCounts([['a', 'pass'], ['b', 'reject'], ['c', 'reject']])]); })"
    )
    assert page.driver.execute_async_script(script) == [
        "400\u00a0°C, limit 290\u00a0°C",
        "400\u00a0mm, limit 290\u00a0mm",
        "400, limit 290",
        "6 min instead of 4 min",
        "400\u00a0mm, limit 290\u00a0mm",
        "1 passes · 2 must not",
    ]


def test_no_figure_runs_out_of_its_box_on_a_phone(page: Page) -> None:
    answer = page.control.program

    async def wide(sha256: str) -> ProgramDetail:
        view = await answer(sha256)
        return view.model_copy(update={"facts": {"bbox_extruding_mm": {"min": [0, 0, 0], "max": [213.4, 200.5, 104.8]}}})

    page.control.program = wide  # type: ignore[method-assign]
    view = page.does(add, page.control, GOOD)
    open_library(page, PHONE)
    page.driver.execute_script("location.hash = `#program-${arguments[0]}`", view.sha256)
    assert "213.4 × 200.5 × 104.8 mm" in page.one("[data-fact=fact_size] dd").text
    for fact in page.all(".facts .fact"):
        assert page.driver.execute_script("return arguments[0].scrollWidth - arguments[0].clientWidth", fact) <= 0


def test_a_trusted_only_program_is_released_in_a_persons_name(page: Page, send: Send) -> None:
    send(TRUSTED, phase="ready")
    assert "a person must answer for what it does" in page.text("#upload-outcome .outcome-head")
    assert "M907 is used." in page.text(".release .findings")
    assert "Any operator of the farm may release it" in page.text(".release")
    assert not [button for button in page.all("#upload-outcome button") if button.text == "Order it"]
    page.wait(lambda: page.text("#nav-waiting") == "1")
    page.one(".release input[name=by]").send_keys("operator")
    page.one(".release input[name=reason]").send_keys("I know these motors.")
    page.one(".release button").click()
    page.wait(lambda: "name the person" in page.text(".release .said"))  # the API refuses what names nobody
    field = page.one(".release input[name=by]")
    field.clear()
    field.send_keys("Eve Martin" + Keys.ENTER)
    page.wait(lambda: "Released by Eve Martin" in page.text(".release"))
    (program,) = [row for row in page.control.programs() if row.trust]
    assert (program.released_by, program.release_reason, program.usable) == ("Eve Martin", "I know these motors.", True)
    page.wait(lambda: page.text("#nav-waiting") == "")
    page.one(".release button").click()
    assert page.one("#confirm-by").get_attribute("value") == "Eve Martin"  # who gave a name once is not asked for it again
    page.sign()
    page.wait(lambda: not page.control.programs()[-1].released_by)
    page.wait(lambda: page.all(".release input[name=reason]"))


def test_what_others_do_in_the_library_arrives_by_itself(page: Page) -> None:
    open_library(page)
    row = UploadView(
        id="upload-1", name=MARKUP, design="visor", revision="visor-r2", profile="generic-210",
        size_bytes=2_000, state="checking", done=500, of=2_000, begun_at=1.0,
    )  # fmt: skip
    page.control.upload_rows["upload-1"] = row
    page.does(page.control.touch)
    page.wait(lambda: "is being checked" in page.text("[data-upload=upload-1]"))
    assert float(page.one("[data-upload=upload-1] progress").get_attribute("value") or 0) == 0.25
    program = page.does(add, page.control, TRUSTED)
    page.wait(lambda: "waits for a release" in page.text(f"[data-program='{program.sha256}']"))
    page.does(page.control.release_program, program.sha256, ReleaseRequest(by="Eve Martin", reason="Known."))
    page.wait(lambda: "released by Eve Martin" in page.text(f"[data-program='{program.sha256}']"))
    problem = {"code": "gcode-rejected", "detail": "x", "next_step": "y", "findings": []}
    page.control.upload_rows["upload-1"] = row.model_copy(update={"state": "refused", "problem": problem})
    page.does(page.control.touch)
    page.one("[data-upload=upload-1] button").click()
    page.wait(lambda: "was not taken" in page.text("#upload-outcome"))
    assert page.driver.execute_script("return window.hacked") is None


def test_many_changes_of_the_library_are_fetched_together(page: Page) -> None:
    open_library(page)
    page.wait(lambda: page.text("#designs"))
    asked: list[int] = []
    programs = page.control.programs

    def counted() -> list[ProgramView]:
        asked.append(len(programs()))
        return programs()

    for number in range(20):
        page.does(page.control.add_requester, RequesterRequest(name=f"Requester {number}"))
    page.wait(lambda: len(page.all(".requester")) == 20)
    page.control.programs = counted  # type: ignore[method-assign]
    for number in range(20, 60):
        page.does(page.control.add_requester, RequesterRequest(name=f"Requester {number}"))
    page.wait(lambda: len(page.all(".requester")) == 60)
    assert 1 <= len(asked) < 20  # fewer than the changes, and the last one is among them


def test_file_names_and_lines_of_files_are_text(page: Page, send: Send) -> None:
    name = f"<img src=x onerror=window.hacked=1> {HEBREW}\u202egpj.gcode"
    send(REJECTED.replace(b"M502", f"M502 ; {MARKUP}".encode()), name, phase="refused")
    shown = name.replace("\u202e", "")  # what turns the text around it is not sent on
    assert page.driver.execute_script("return document.querySelector('#upload-name').value") == shown
    page.wait(lambda: shown in page.text("#upload-outcome h3"))
    page.wait(lambda: shown in page.text("#uploads"))
    assert page.driver.execute_script("return window.hacked") is None
    assert page.all("main img[onerror], main script") == []
    places = ("#upload-chosen", "#uploads strong", "#upload-outcome .hits code")
    script = "return getComputedStyle(document.querySelector(arguments[0])).unicodeBidi"
    assert {page.driver.execute_script(script, place) for place in places} == {"isolate"}
    assert troubles(page) == []


def test_a_draft_is_released_and_a_revision_recalled(page: Page) -> None:
    page.does(add, page.control, GOOD, draft=True)
    open_library(page)
    revision = "[data-revision=visor-r2]"
    page.wait(lambda: page.text(f"{revision} .pill") == "draft")
    assert "Cannot be ordered: it is a draft." in page.text(revision)
    buttons = {button.text: button for button in page.all(f"{revision} button") if button.is_displayed()}
    assert set(buttons) == {"Release", "Recall"}
    buttons["Release"].click()
    page.one("#confirm button[value=no]").click()
    assert "visor-r2" in page.control.drafts
    buttons["Release"].click()
    page.sign()
    page.wait(lambda: page.text(f"{revision} .pill") == "released")
    buttons["Recall"].click()
    page.sign(reason="The clip breaks.")
    page.wait(lambda: page.text(f"{revision} > summary .pill") == "recalled")
    page.wait(lambda: "0 still print" in page.text(f"{revision} .said"))
    assert "visor-r2" in page.control.recalled
    assert (page.control.audit_rows[0].who, page.control.audit_rows[0].reason) == ("Eve Martin", "The clip breaks.")
    assert page.text(f"{revision} .program-row .pill") == "recalled"


def test_requesters_approve_and_an_order_says_what_it_gives(page: Page) -> None:
    page.does(add, page.control, GOOD)
    open_library(page)
    page.one("#requester-name").send_keys(MARKUP)
    page.one("#requester-approves").click()
    page.one("#requester-form button").click()
    page.wait(lambda: "It has approved nothing yet" in page.text("#requesters"))
    page.driver.execute_script("location.hash = '#farm'")
    page.wait(lambda: len(page.all("#order-requester option")) == 2)
    Select(page.one("#order-design")).select_by_value("visor")
    Select(page.one("#order-requester")).select_by_index(1)
    page.wait(lambda: "has not approved any released revision" in page.text("#order-why"))
    assert not page.one("#order-form button").is_enabled()
    page.driver.execute_script("location.hash = '#library'")
    Select(page.one(".approve select")).select_by_value("visor-r2")
    page.one(".approve input").send_keys("Dr Martin")
    page.one(".approve button").click()
    page.wait(lambda: "Dr Martin" in page.text(".approval"))
    page.driver.execute_script("location.hash = '#farm'")
    page.wait(lambda: page.text("#order-why").startswith("Gives visor-r2"))
    page.one("#order-form button").click()
    page.wait(lambda: "visor-r2" in page.text("#order-said"))
    (order,) = page.control.orders()
    (requester,) = page.control.requesters()
    assert (order.revision, order.requester) == ("visor-r2", requester.id)
    page.driver.execute_script("location.hash = '#library'")
    page.one(".approval button").click()
    assert page.one("#confirm-by").get_attribute("value") == ""  # who approves for a requester is not who sits here
    page.sign()
    page.wait(lambda: not page.all(".approval"))
    assert page.driver.execute_script("return window.hacked") is None


def test_what_cannot_be_ordered_says_why(page: Page) -> None:
    page.does(add, page.control, TRUSTED)
    page.does(add, page.control, GOOD, "visor-r3", draft=True)
    page.wait(lambda: page.all("#order-design option[value=visor]"))
    Select(page.one("#order-design")).select_by_value("visor")
    page.wait(lambda: "No program of visor-r2 may be printed yet" in page.text("#order-why"))
    page.wait(lambda: "visor-r3 · draft" in page.text("#order-revision"))
    draft = page.one("#order-revision option[value=visor-r3]")
    assert not draft.is_enabled()
    page.control.recalled.add("visor-r2")
    page.does(page.control.touch)
    page.wait(lambda: "No revision of this design is released" in page.text("#order-why"))
    assert not page.one("#order-form button").is_enabled()


def test_a_daemon_that_only_watches_takes_nothing(page: Page) -> None:
    page.does(add, page.control, TRUSTED)
    open_library(page)
    page.control.fence = FenceView(why="taken-over", node="Atelier", heard=3, known=2)
    page.does(page.control.touch)
    page.wait(lambda: not page.one("#upload-send").is_enabled())
    enabled = [button.text for button in page.all("#view-library button") if button.is_displayed() and button.is_enabled()]
    assert [text for text in enabled if text in {"Release", "Recall", "Order it", "Add", "Approve"}] == []


@pytest.mark.parametrize("width", [PHONE, WIDE])
def test_it_fits_every_control_has_a_name_and_thumbs_hit_it(page: Page, send: Send, width: int) -> None:
    requester = page.does(page.control.add_requester, RequesterRequest(name="y" * 80, approves=True))
    page.does(add, page.control, GOOD, "r" * 64)
    page.does(page.control.approve, requester.id, ApprovalRequest(revision="r" * 64, by="z" * 80, note="n" * 300))
    send(TRUSTED.replace(b"G28", b"G28 ; " + b"w" * 300), "x" * 120 + ".gcode", phase="ready")
    page.one("#language").click()
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    page.wait(lambda: page.all(".approval") and page.all(".release"))
    program = page.control.programs()[-1].sha256
    for view, there in (
        ("#library", "#upload-outcome .facts"),
        (f"#program-{program}", "#program .facts"),
        ("#audit", ".audit-row"),
    ):
        page.driver.execute_script("location.hash = arguments[0]", view)
        page.one(there)
        assert page.driver.execute_script("return document.documentElement.scrollWidth") <= width
        nameless = page.driver.execute_script(
            "return [...document.querySelectorAll('button, input, select, summary, progress, a')]"
            ".filter((e) => e.checkVisibility() && !(e.labels?.length || e.getAttribute('aria-label') || e.textContent.trim()))"
            ".map((e) => e.outerHTML)"
        )
        assert nameless == []
        small = page.driver.execute_script(
            "return [...document.querySelectorAll('main button, main .button, main summary, .views a, .audit-more')]"
            ".filter((e) => e.checkVisibility() && e.getBoundingClientRect().height < 44).map((e) => e.outerHTML)"
        )
        assert small == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_of_the_library_has_contrast(page: Page, send: Send, scheme: str) -> None:
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
    page.does(add, page.control, GOOD, draft=True)
    requester = page.does(page.control.add_requester, RequesterRequest(name="Hospital", approves=True))
    contrast = Path(__file__).with_name("contrast.js").read_text("utf-8")
    for content, phase in ((REJECTED, "refused"), (TRUSTED, "ready")):
        send(content, phase=phase)
        page.wait(lambda: page.all(f"[data-requester='{requester.id}']"))
        assert page.driver.execute_script(contrast) == []


def test_the_keyboard_is_enough(page: Page, send: Send) -> None:
    send(GOOD, phase="ready")
    own = page.one(".verdict-row[aria-pressed=true]")
    own.send_keys(Keys.TAB)
    page.driver.switch_to.active_element.send_keys(Keys.ENTER)  # unfolds the others
    page.driver.switch_to.active_element.send_keys(Keys.TAB)
    page.driver.switch_to.active_element.send_keys(Keys.ENTER)
    chosen = page.one(".verdict-row[aria-pressed=true]")
    assert chosen.get_attribute("data-profile") != "generic-210"
    focused = page.driver.execute_script("return document.activeElement.dataset.profile")
    assert focused == chosen.get_attribute("data-profile")
    ring = page.driver.execute_script(
        "document.querySelector('#upload-file').focus({focusVisible: true});"
        "return getComputedStyle(document.querySelector('#upload-drop')).outlineStyle"
    )
    assert ring == "solid"


def test_who_is_not_the_operator_sees_nothing_of_the_library(chromium: webdriver.Chrome, tmp_path: Path) -> None:
    control = small_farm(tmp_path / "farm")
    settings = DaemonSettings(data=tmp_path / "data", http=HttpSection(host="0.0.0.0"))
    with BackgroundServer(create_app(control=control, settings=settings, token=TOKEN)) as server:
        page = Page(chromium, control, server)
        page.does(add, control, TRUSTED)
        chromium.get(server.url + "/#library")
        page.one("#sign-in-token")
        assert page.all("#designs button, .release button, .requester button") == []
        status = chromium.execute_async_script(
            "const done = arguments[0];"
            "fetch('/api/v1/programs', {method: 'POST', body: new FormData()}).then((answer) => done(answer.status))"
        )
        assert status == 401
        page.complaints()
        chromium.get("about:blank")
