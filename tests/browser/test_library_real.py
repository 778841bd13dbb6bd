"""The page of the library before a real daemon: a real frame is sent, read, drawn, checked, released and recalled."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.support.select import Select

from farm.bus.broker import find_mosquitto
from farm.commands.local_farm import LocalFarm
from gcode.frame import frame_program
from gcode.profile import bundled_profiles
from tests.browser.conftest import PHONE, WIDE, Page
from tests.integration.real import require

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("browser")]

PATIENCE_S = 240.0
OWN = "creality-ender3"


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[LocalFarm]:
    require("mosquitto", find_mosquitto() is not None)
    with LocalFarm(tmp_path, speed=20.0, broker="mosquitto") as local:
        local.start_daemon()
        yield local


class RealPage(Page):
    """A page of a daemon that is a process of its own."""

    def __init__(self, driver: webdriver.Chrome, farm: LocalFarm, folder: Path) -> None:
        self.driver = driver
        self.farm = farm
        self.folder = folder

    def look(self, width: int = WIDE) -> None:
        """Look at the library through a window of this width."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def send(self, content: bytes, name: str, *, phase: str, **fields: str) -> None:
        """Fill in the form, send the file, wait for the end."""
        (self.folder / name).write_bytes(content)
        self.driver.find_element("id", "upload-file").send_keys(str(self.folder / name))
        for key, value in {"design": "Visière", **fields}.items():
            field = self.one(f"#upload-{key}")
            field.clear()
            field.send_keys(value)
        self.one("#upload-send").click()
        self.wait(lambda: self.all(f"#upload-panel[data-phase={phase}]"), PATIENCE_S)

    def rows(self) -> list[Any]:
        """The verdicts, once all are in sight."""
        if not self.all("#upload-outcome .verdict-others[open]"):
            self.one("#upload-outcome .verdict-others > summary").click()
        return self.all("#upload-outcome .verdict-row")


def refuse_frame(page: RealPage, frame: bytes) -> None:
    """Send a frame with a forbidden line; read what is said, then in French, then on a phone."""
    page.send(b"M502\n" + frame, "bad.gcode", phase="refused")
    assert "Line 1" in page.text("#upload-outcome .hits")
    assert all("must not be printed" in row.text for row in page.rows())
    page.one("#language").click()
    page.wait(lambda: "Ligne 1" in page.text("#upload-outcome .hits"))
    page.look(PHONE)
    assert page.driver.execute_script("return document.documentElement.scrollWidth") <= PHONE


def release_frame(page: RealPage, frame: bytes) -> Any:
    """Send a frame that needs a person, on a phone in French, and release it; return the program."""
    page.send(b"M907 X500\n" + frame, "trusted.gcode", phase="ready", revision="visiere-r2", by="Eve Martin")
    assert "M907 X500" in page.text(".release .findings")
    assert page.driver.execute_script("return document.documentElement.scrollWidth") <= PHONE
    page.one(".release input[name=reason]").send_keys("Notre carte veut ce courant.")
    page.one(".release button").click()
    page.wait(lambda: "Validé par Eve Martin" in page.text(".release"))
    released = next(row for row in page.farm.get("/programs") if row["revision"] == "visiere-r2")
    assert (released["released_by"], released["usable"]) == ("Eve Martin", True)
    page.wait(lambda: "validé par Eve Martin" in page.text(f"[data-program='{released['sha256']}'] .pill"))
    return released


def test_a_real_frame_is_sent_shown_and_released(chromium: webdriver.Chrome, farm: LocalFarm, tmp_path: Path) -> None:
    frame = frame_program(bundled_profiles()[OWN])
    chromium.get(f"{farm.url}/")
    chromium.execute_script("localStorage.clear()")
    page = RealPage(chromium, farm, tmp_path)
    page.look()
    page.complaints()  # of tests before this one
    chromium.get(f"{farm.url}/#library")
    chromium.refresh()
    page.wait(lambda: page.all(f"#upload-profile option[value={OWN}]"))
    assert {option.get_attribute("value") for option in page.all("#upload-profile option")} == {"", *bundled_profiles()}
    Select(page.one("#upload-profile")).select_by_value(OWN)

    page.send(frame, "frame.gcode", phase="ready")
    (program,) = farm.get("/programs")
    facts = farm.get(f"/programs/{program['sha256']}")["facts"]
    assert f"{facts['layers']} × 0.3 mm" in page.text("[data-fact=fact_layers]")
    assert f"nozzle {facts['max_nozzle_c']:.0f} °C, bed {facts['max_bed_c']:.0f} °C" in page.text("[data-fact=fact_heat]")
    assert facts["slicer"] in page.text("[data-fact=fact_slicer]")
    page.wait(lambda: chromium.execute_script("return document.querySelector('#upload-outcome img')?.naturalWidth") == 960)
    assert len(page.rows()) == len(bundled_profiles())
    assert "Creality Ender-3" in page.rows()[0].text
    assert "passes" in page.rows()[0].text
    chromium.execute_script("location.hash = arguments[0]", f"#program-{program['sha256']}")
    page.wait(lambda: page.all("#program .chart"))
    assert page.text("#program .shares") != ""
    chromium.execute_script("location.hash = '#library'")

    refuse_frame(page, frame)
    released = release_frame(page, frame)
    page.one("[data-revision=visiere-r2] .danger").click()
    page.sign()
    page.wait(lambda: page.text("[data-revision=visiere-r2] summary .pill") == "rappelée")
    assert released["revision"] == "visiere-r2"
    severe = [row for row in page.complaints() if "preview.png" not in row and "#library" not in row]
    assert severe == []
    chromium.execute_script("localStorage.clear()")
    chromium.get("about:blank")
