"""An upload on the page, in a real browser: what is refused before it is sent, cut, known, asked again."""

import os
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.support.select import Select

from api.app import create_app
from farm.config import DaemonSettings, HttpSection
from farm.request_bodies import ProgramRequest
from farm.views import UploadView
from tests.browser.conftest import Page, Send, open_library
from tests.browser.library_page import GOOD, REJECTED
from tests.unit.farm.commands.background import TOKEN, BackgroundServer

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("browser")]


def test_a_file_that_is_too_large_is_not_even_sent(page: Page, tmp_path: Path, chromium: webdriver.Chrome) -> None:
    settings = DaemonSettings(data=tmp_path / "small", http=HttpSection(max_upload_bytes=1_500_000))
    with BackgroundServer(create_app(control=page.control, settings=settings, token=TOKEN)) as server:
        own = Page(chromium, page.control, server)
        open_library(own)
        (tmp_path / "large.gcode").write_bytes(b"G1 X1\n" * 400_000)
        chromium.find_element("id", "upload-file").send_keys(str(tmp_path / "large.gcode"))
        own.one("#upload-design").send_keys("Visière")
        Select(own.one("#upload-profile")).select_by_value("generic-210")
        own.one("#upload-send").click()
        own.wait(lambda: "The file has 2.4 MB, and the farm takes at most 1.5 MB." in own.text("#upload-said"))
        assert own.control.uploads() == []
        chromium.get("about:blank")


def test_a_wrong_file_is_told_when_it_is_chosen_and_the_old_answer_goes(page: Page, send: Send, tmp_path: Path) -> None:
    page.one("#upload-send").click()
    page.wait(lambda: "Choose a file first." in page.text("#upload-drop"))  # before the browser asks for anything else
    send(REJECTED, phase="refused")
    assert "visor.gcode was not taken." in page.text("#upload-outcome")
    (tmp_path / "empty.gcode").write_bytes(b"")
    page.driver.find_element("id", "upload-file").send_keys(str(tmp_path / "empty.gcode"))
    page.wait(lambda: "The file is empty." in page.text("#upload-drop"))
    page.wait(lambda: page.all("#upload-panel[data-phase=idle]") and page.text("#upload-outcome") == "")
    page.one("#upload-send").click()
    page.wait(lambda: "The file is empty." in page.text("#upload-said"))
    assert len(page.control.uploads()) == 1


def test_a_file_that_was_exported_anew_under_its_name_is_chosen_again(page: Page, send: Send, tmp_path: Path) -> None:
    send(REJECTED, phase="refused")
    os.utime(tmp_path / "visor.gcode", (1, 1))  # a browser compares times, in whole seconds
    send(GOOD, phase="ready")
    assert "visor.gcode is in the library." in page.text("#upload-outcome")


def test_once_a_file_is_in_the_library_the_form_is_for_the_next_one(page: Page, send: Send) -> None:
    send(GOOD, phase="ready", by="Eve Martin")
    page.wait(lambda: "Choose a file" in page.text("#upload-drop"))
    page.one("#upload-send").click()
    page.wait(lambda: "Choose a file first." in page.text("#upload-said"))
    assert len(page.control.uploads()) == 1
    assert page.one("#upload-by").get_attribute("value") == "Eve Martin"


def test_of_two_files_that_are_dropped_one_is_taken_and_leaving_in_the_middle_is_asked_about(page: Page) -> None:
    open_library(page)
    script = (
        "const files = new DataTransfer(); for (const name of ['a.gcode', 'b.gcode']) files.items.add(new File(['G1 X1'], name));"
        "document.querySelector('#upload-drop').dispatchEvent(new DragEvent('drop', {dataTransfer: files, cancelable: true}));"
        "XMLHttpRequest.prototype.send = () => {};"  # it stays on its way, until it is stopped
        "XMLHttpRequest.prototype.abort = function () { this.dispatchEvent(new Event('abort')); };"
    )
    page.driver.execute_script(script)
    page.wait(lambda: page.text("#upload-said") == "One file at a time: this is a.gcode.")
    leave = "const leaving = new Event('beforeunload', {cancelable: true}); dispatchEvent(leaving); return leaving.defaultPrevented"
    assert not page.driver.execute_script(leave)
    page.one("#upload-design").send_keys("Visor")
    Select(page.one("#upload-profile")).select_by_value("generic-210")
    page.one("#upload-send").click()
    page.wait(lambda: page.all("#upload-panel[data-phase=sending]"))
    assert page.driver.execute_script(leave)
    page.wait(lambda: "Leave this page open" in page.text("#upload-leave"))
    page.one("#upload-stop").click()
    page.wait(lambda: "Stopped. Nothing of the file was kept." in page.text("#upload-outcome"))
    assert not page.driver.execute_script(leave)


def test_what_came_of_a_file_is_asked_for_again_while_nobody_answers(page: Page, send: Send) -> None:
    offline = {"offline": True, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    page.driver.execute_cdp_cmd("Network.enable", {})
    begin = page.control.begin_program

    async def slow(path: Path, request: ProgramRequest) -> UploadView:
        view = await begin(path, request)
        page.control.upload_rows[view.id] = view.model_copy(update={"state": "checking", "program": None})
        return page.control.upload_rows[view.id]

    page.control.begin_program = slow  # type: ignore[method-assign,assignment] # its parameters have other names
    try:
        send(GOOD, phase="reading")
        assert "You may close this page" in page.text("#upload-leave")
        page.driver.execute_cdp_cmd("Network.emulateNetworkConditions", offline)
        (row,) = page.control.uploads()
        program = next(view for view in page.control.programs() if view.name == "visor.gcode")
        page.control.upload_rows[row.id] = row.model_copy(update={"state": "ready", "program": program.sha256, "new": True})
        page.does(page.control.touch)
        page.wait(lambda: "is in the library" in page.text("#uploads"))
        assert page.all("#upload-panel[data-phase=reading]")  # it is not said to have failed
    finally:
        page.driver.execute_cdp_cmd("Network.emulateNetworkConditions", {**offline, "offline": False})
    page.does(page.control.change_printer, "prn-1", nozzle_c=33.0)  # anything that is told
    page.wait(lambda: page.all("#upload-panel[data-phase=ready]"))
    page.complaints()


def test_a_cut_is_told_and_sent_again_with_what_was_filled_in(page: Page, send: Send) -> None:
    page.driver.execute_cdp_cmd("Network.enable", {})
    offline = {"offline": True, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    page.driver.execute_cdp_cmd("Network.emulateNetworkConditions", offline)
    try:
        send(GOOD, phase="failed")
        page.wait(lambda: "The connection was cut." in page.text("#upload-outcome"))
    finally:
        page.driver.execute_cdp_cmd("Network.emulateNetworkConditions", {**offline, "offline": False})
    page.one("#upload-outcome .buttons button").click()
    page.wait(lambda: page.all("#upload-panel[data-phase=ready]"))
    assert "visor.gcode" in [row.name for row in page.control.programs()]
    page.complaints()


def test_a_file_that_the_farm_has_is_told_and_a_full_disk_too(page: Page, send: Send) -> None:
    send(GOOD, phase="ready")
    page.all("#upload-outcome .buttons button")[-1].click()
    page.wait(lambda: page.all("#upload-panel[data-phase=idle]"))
    send(GOOD, "again.gcode", phase="ready")
    assert "The farm had this file already" in page.text("#upload-outcome .outcome-head")
    page.all("#upload-outcome .buttons button")[-1].click()
    page.control.full = True
    send(GOOD + b"G1 X3\n", "more.gcode", phase="refused")
    assert "disk" in page.text("#upload-outcome .outcome-head")
    page.complaints()
