"""A real Chromium that looks at a farm in memory."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

from api.app import create_app
from api.testing import MemoryControl
from farm.config import DaemonSettings
from farm.request_bodies import ProgramRequest
from tests.integration.real import require
from tests.patience import PATIENCE_S
from tests.unit.farm.commands.background import TOKEN, BackgroundServer

CHROMIUM, DRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--lang=en",
)
WIDE, PHONE = 1280, 390
Send = Callable[..., None]


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """One browser for all tests; each begins with an empty page and no memory."""
    require("chromium", all(shutil.which(program) for program in (CHROMIUM, DRIVER)))
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.add_experimental_option("prefs", {"intl.accept_languages": "en"})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER, log_output=os.devnull))
    try:
        yield driver
    finally:
        driver.quit()
        driver.service.stop()


@dataclass
class Page:
    """The page of a farm, and the farm behind it."""

    driver: webdriver.Chrome
    control: MemoryControl
    server: BackgroundServer

    def open(self, width: int = WIDE, height: int = 900) -> None:
        """Look at it through a window of this size."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.driver.get(self.server.url)

    def wait(self, met: Any, seconds: float = PATIENCE_S) -> Any:
        """Wait until `met()` is true; what the page replaces while we look is looked for again."""
        return WebDriverWait(self.driver, seconds, 0.05, [StaleElementReferenceException]).until(lambda _: met())

    def all(self, selector: str) -> list[WebElement]:
        """What a CSS selector finds."""
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        """The one thing that a CSS selector finds, once it is there."""
        found: WebElement = self.wait(lambda: next((element for element in self.all(selector) if element.is_displayed()), None))
        return found

    def text(self, selector: str) -> str:
        """The text that a person reads there, or an empty string. Rows may be replaced while we look: read in one go."""
        script = "return document.querySelector(arguments[0])?.innerText ?? ''"
        return str(self.driver.execute_script(script, selector)).strip()

    def does(self, function: Any, *arguments: Any, **more: Any) -> Any:
        """Change the farm on the loop of its server."""
        return self.server.call(function, *arguments, **more)

    def sign(self, name: str = "Eve Martin", reason: str = "") -> None:
        """Say yes to what is asked, in this person's name."""
        field = self.one("#confirm-by")
        field.clear()
        field.send_keys(name)
        if reason:
            self.one("#confirm-reason").send_keys(reason)
        self.one("#confirm-yes").click()

    def complaints(self) -> list[str]:
        """What the browser's console says: errors, and violations of the content security policy."""
        rows = self.driver.get_log("browser")  # type: ignore[no-untyped-call]  # selenium leaves it untyped
        return [row["message"] for row in rows if row["level"] in {"SEVERE", "WARNING"}]


def small_farm(folder: Path) -> MemoryControl:
    """One printer and a program for it."""
    control = MemoryControl(folder, name="Visière <b>Solidaire</b>")
    control.add_printer("prn-1", "Atelier 1")
    return control


async def add_visor(control: MemoryControl) -> None:
    """A program that prints two frames."""
    upload = control.incoming_folder / "upload"
    upload.write_bytes(b"G28\nG1 X1\n")
    request = ProgramRequest(design="visor-frame", revision="visor-frame-r1", profile="generic-210", parts=2)
    await control.add_program(upload, request)


@pytest.fixture
def page(chromium: webdriver.Chrome, tmp_path: Path) -> Iterator[Page]:
    control = small_farm(tmp_path / "farm")
    app = create_app(control=control, settings=DaemonSettings(data=tmp_path / "data"), token=TOKEN)
    with BackgroundServer(app) as server:
        page = Page(chromium, control, server)
        page.does(add_visor, control)
        page.open()
        chromium.execute_script("localStorage.clear()")
        page.open()
        page.complaints()
        yield page
        chromium.get("about:blank")


def open_library(page: Page, width: int = WIDE) -> None:
    page.open(width)
    page.driver.execute_script("location.hash = '#library'")
    page.wait(lambda: page.all("#upload-profile option[value=generic-210]"))
    page.wait(lambda: page.text("#connection") in {"Live", "En direct"})


@pytest.fixture
def send(page: Page, tmp_path: Path) -> Send:
    """Choose a file, fill in the form, and send it; wait for what comes of it."""

    def sending(content: bytes, name: str = "visor.gcode", *, phase: str, **fields: str) -> None:
        path = tmp_path / name
        path.write_bytes(content)
        page.driver.find_element("id", "upload-file").send_keys(str(path))
        for key, value in {"design": "Visière", **fields}.items():
            field = page.one(f"#upload-{key}")
            field.clear()
            field.send_keys(value)
        Select(page.one("#upload-profile")).select_by_value("generic-210")
        page.one("#upload-send").click()
        page.wait(lambda: page.all(f"#upload-panel[data-phase={phase}]"))

    open_library(page)
    return sending
