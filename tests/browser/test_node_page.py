"""The node's own page in a real browser: what people see and do when the farm cannot be reached."""

import asyncio
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from drivers.base import Capability, EventListener, Fault, PrinterState, Recovery
from drivers.errors import Bilingual
from drivers.testing import ScriptedDriver
from farm.config import PageSection
from farm.node import core
from farm.node.page.local_page import LocalPage
from gcode.texts import Told
from tests.browser.conftest import PHONE, WIDE
from tests.patience import PATIENCE_S
from tests.unit.farm.node.fake_farm import Workshop, order, until

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("browser")]

MARKUP = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'
NAMES = ("Ada", "Blaise", MARKUP)
ABLE = frozenset({Capability.PAUSE, Capability.CANCEL, Capability.EMERGENCY_STOP, Capability.PROMPTS})
PICTURES = os.environ.get("ESSAIM_PICTURES")


class Unit(Workshop):
    """A micro-unit of three printers, on a loop in a thread of its own, with its page open."""

    def __init__(self, folder: Path, page: PageSection) -> None:
        self._page_section = page
        self._folder = folder
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._work()))
        self._ready, self._over = threading.Event(), asyncio.Event()
        self.page: LocalPage | None = None

    def open(self, url: str, listener: EventListener) -> ScriptedDriver:
        name = url.removeprefix("scripted://")
        self.drivers[name] = ScriptedDriver(listener, capabilities=ABLE)
        return self.drivers[name]

    async def _work(self) -> None:
        Workshop.__init__(self, self._folder, *NAMES, factor=1.0)
        try:
            await self.agent.start()
            await self.clear(*NAMES)
            self.page = LocalPage(self.agent, self.settings.model_copy(update={"page": self._page_section}))
            serving = asyncio.create_task(self.page.serve())
            await until(lambda: self.page is not None and self.page.open)
            self._ready.set()
            await self._over.wait()
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
        finally:
            await self.agent.close()

    def __enter__(self) -> "Unit":
        self._thread.start()
        assert self._ready.wait(PATIENCE_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(PATIENCE_S)
        self._loop.close()

    def does(self, function: Any, *arguments: Any, **more: Any) -> None:
        """Change something on the unit's loop, and wait until the ledger has it."""

        async def on_loop() -> None:
            function(*arguments, **more)
            await self.agent.settle()

        asyncio.run_coroutine_threadsafe(on_loop(), self._loop).result(PATIENCE_S)

    def allocate(self, jobs: int = 3) -> None:
        """The farm gives work to all of them, and they begin."""
        work = {self.printer(name): [order(f"alloc-{number}", jobs=jobs)] for number, name in enumerate(NAMES)}
        self.does(self.farm.want, work)
        waiting = until(lambda: all(driver.status.job for driver in self.drivers.values()))
        asyncio.run_coroutine_threadsafe(waiting, self._loop).result(PATIENCE_S)

    @property
    def url(self) -> str:
        assert self.page is not None
        return f"http://127.0.0.1:{self.page.port}/"


class Eyes:
    """Who looks at the page."""

    def __init__(self, driver: webdriver.Chrome, unit: Unit) -> None:
        self.driver, self.unit = driver, unit

    def open(self, width: int = WIDE, height: int = 900, url: str | None = None) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.driver.get(url or self.unit.url)

    def wait(self, met: Any, seconds: float = PATIENCE_S) -> Any:
        return WebDriverWait(self.driver, seconds, 0.05, [StaleElementReferenceException]).until(lambda _: met())

    def one(self, selector: str) -> WebElement:
        def shown() -> WebElement | None:
            found = self.driver.find_elements(By.CSS_SELECTOR, selector)
            return next((element for element in found if element.is_displayed()), None)

        found: WebElement = self.wait(shown)
        return found

    def text(self, selector: str) -> str:
        script = "const e = document.querySelector(arguments[0]); return e && e.checkVisibility() ? e.innerText : ''"
        return str(self.driver.execute_script(script, selector)).strip()

    def card(self, name: str) -> str:
        return f'[data-printer="{self.unit.printer(name)}"]'

    def complaints(self) -> list[str]:
        rows = self.driver.get_log("browser")  # type: ignore[no-untyped-call]  # selenium leaves it untyped
        return [row["message"] for row in rows if row["level"] in {"SEVERE", "WARNING"}]

    def picture(self, name: str) -> None:
        if PICTURES:
            self.driver.save_screenshot(f"{PICTURES}/{name}.png")


@pytest.fixture
def eyes(chromium: webdriver.Chrome, tmp_path: Path) -> Iterator[Eyes]:
    with Unit(tmp_path, PageSection(port=0)) as unit:
        made = Eyes(chromium, unit)
        made.open()
        chromium.execute_script("localStorage.clear()")
        made.open()
        made.complaints()
        yield made
        chromium.get("about:blank")


def test_people_see_every_printer_and_collect_with_the_farm_away(eyes: Eyes) -> None:
    unit, card = eyes.unit, eyes.card("Ada")
    unit.allocate()
    eyes.wait(lambda: eyes.text("#farm-title") == "In contact with the farm")
    unit.does(unit.farm.cut)
    eyes.wait(lambda: eyes.text("#farm-title").startswith("Cut off from the farm for "))
    assert "The printers go on by themselves for " in eyes.text("#farm-text")
    assert "6 jobs to start" in eyes.text("#farm-text")
    unit.does(unit.drivers["Ada"].becomes, PrinterState.PRINTING, progress=0.5, remaining_s=600.0)
    eyes.wait(lambda: eyes.text(f"{card} .left") == "50 %, 10 min left")
    job = unit.drivers["Ada"].status.job
    unit.does(unit.drivers["Ada"].finishes)
    eyes.wait(lambda: "Take the parts off" in eyes.text(f"{card} .hand"))
    assert eyes.text(f"{card} .hand .big") == "Collect: 2 good, 0 scrap"
    eyes.one(f"{card} .step").click()
    assert eyes.text(f"{card} output") == "1 / 2"
    unit.does(unit.drivers["Blaise"].becomes, PrinterState.PRINTING, progress=0.25)
    eyes.wait(lambda: eyes.text(f"{eyes.card('Blaise')} .left").startswith("25 %"))
    assert eyes.text(f"{card} output") == "1 / 2", "what was counted stays while the page goes on"
    eyes.picture("collect-1280")
    button = eyes.one(f"{card} .hand .big")
    eyes.driver.execute_script("arguments[0].click(); arguments[0].click()", button)  # a hand that trembles
    eyes.wait(lambda: eyes.text(f"{card} .said") == "Collected: 1 good, 1 scrap.")
    assert unit.agent.state.journal.head - unit.agent.state.journal.acked >= 2
    eyes.wait(lambda: "wait to be told to the farm" in eyes.text("#untold"))
    eyes.wait(lambda: unit.drivers["Ada"].status.job not in {None, job})
    unit.does(unit.farm.connect)
    eyes.wait(lambda: eyes.text("#farm-title") == "In contact with the farm")
    collected = [fact for fact in unit.farm.facts.values() if fact.kind == "job-collected"]
    assert [(fact.good, fact.scrap) for fact in collected] == [(1, 1)]
    assert eyes.complaints() == []


def test_what_machines_say_is_text(eyes: Eyes) -> None:
    fault = Fault("thermal-runaway", MARKUP, "Too hot.", "Trop chaud.", "Let it cool.", "Laissez refroidir.")
    eyes.unit.does(eyes.unit.drivers[MARKUP].becomes, PrinterState.FAULT, fault=fault)
    card = eyes.card(MARKUP)
    eyes.wait(lambda: "Too hot. Let it cool. It needs a hand. <img" in eyes.text(f"{card} .fault"))
    assert eyes.text(f"{card} h3") == MARKUP
    assert eyes.driver.execute_script("return window.hacked") is None
    assert eyes.driver.find_elements(By.CSS_SELECTOR, "main img, main script") == []
    assert eyes.complaints() == []


def test_pause_resume_cancel_and_stop(eyes: Eyes) -> None:
    unit, card = eyes.unit, eyes.card("Ada")
    unit.allocate(jobs=1)
    ada = unit.drivers["Ada"]
    job = ada.status.job
    eyes.one(f"{card} .machine button:nth-child(1)").click()
    eyes.wait(lambda: eyes.text(f"{card} .state").endswith("Paused"))
    eyes.one(f"{card} .machine button:nth-child(2)").click()
    eyes.wait(lambda: eyes.text(f"{card} .state").endswith("Printing"))
    eyes.one(f"{card} .machine button:nth-child(3)").click()
    assert eyes.text("#ask-text") == "Cancel the print on Ada? It cannot be taken up again."
    eyes.picture("ask-1280")
    eyes.one("#ask-no").click()
    assert "cancel" not in [call[0] for call in ada.calls]
    eyes.one(f"{card} .machine button:nth-child(3)").click()
    eyes.one("#ask-yes").click()
    eyes.wait(lambda: "was cancelled" in eyes.text(f"{card} .hand"))
    assert ("cancel", job) in ada.calls
    assert eyes.text(f"{card} output") == "0 / 2", "of a cancelled print nothing is taken for good"
    eyes.one(f"{eyes.card('Blaise')} .machine button:nth-child(4)").click()
    eyes.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    eyes.wait(lambda: eyes.text("#ask-text") == "")
    assert "emergency-stop" not in [call[0] for call in unit.drivers["Blaise"].calls]
    eyes.one(f"{eyes.card('Blaise')} .machine button:nth-child(4)").click()
    eyes.one("#ask-yes").click()
    eyes.wait(lambda: eyes.text(f"{eyes.card('Blaise')} .state").endswith("Fault"))


def test_an_unknown_bed_is_cleared_in_french_with_the_keyboard(eyes: Eyes) -> None:
    unit, card = eyes.unit, eyes.card("Ada")
    unit.does(unit.drivers["Ada"].becomes, PrinterState.FOREIGN)
    unit.does(unit.drivers["Ada"].becomes, PrinterState.IDLE)
    eyes.one("#language").click()
    eyes.wait(lambda: "quelqu'un d'autre" in eyes.text(f"{card} .hand"))
    assert eyes.driver.execute_script("return document.documentElement.lang") == "fr"
    eyes.open(PHONE, 844)
    eyes.wait(lambda: "quelqu'un d'autre" in eyes.text(f"{card} .hand"))  # the choice is remembered
    reached: list[str] = []
    for _ in range(12):
        eyes.driver.switch_to.active_element.send_keys(Keys.TAB)
        reached.append(str(eyes.driver.execute_script("return document.activeElement.innerText")))
        if reached[-1] == "Le plateau est libre":
            break
    assert reached[0] == "Aller aux imprimantes"
    eyes.driver.switch_to.active_element.send_keys(Keys.ENTER)
    eyes.wait(lambda: eyes.text(f"{card} .bed") == "Plateau libre")
    assert eyes.text(f"{card} .said") == "Le plateau est libre."


@pytest.mark.parametrize("width", [PHONE, WIDE])
def test_nothing_is_wider_than_the_window_and_buttons_are_for_hands(eyes: Eyes, width: int) -> None:
    unit = eyes.unit
    unit.allocate()
    unit.does(unit.drivers["Ada"].finishes)
    unit.does(unit.drivers["Blaise"].becomes, PrinterState.PRINTING, progress=0.4, remaining_s=4000.0)
    unit.does(unit.farm.cut)
    eyes.open(width, 844 if width == PHONE else 900)
    eyes.wait(lambda: "Take the parts off" in eyes.text(f"{eyes.card('Ada')} .hand"))
    eyes.wait(lambda: eyes.text("#farm-title").startswith("Cut off"))
    assert eyes.driver.execute_script("return document.documentElement.scrollWidth") <= width
    heights = eyes.driver.execute_script(
        "return [...document.querySelectorAll('main button')].filter(b => b.checkVisibility()).map(b => b.offsetHeight)"
    )
    assert min(heights) >= 44
    nameless = eyes.driver.execute_script(
        "return [...document.querySelectorAll('button')].filter(b => b.checkVisibility() && !(b.ariaLabel || b.innerText)).length"
    )
    assert nameless == 0
    eyes.picture(f"unit-{width}")


def test_go_on_warns_and_asks(eyes: Eyes) -> None:
    unit = eyes.unit
    unit.farm.acknowledges = False
    unit.does(unit.farm.cut)
    unit.does(lambda: setattr(unit.agent._keeper, "_state", _without_contact(unit)))
    work = {unit.printer(name): [order(f"alloc-{name[:1].strip('<') or 'x'}")] for name in NAMES}
    unit.farm.connected = True
    unit.does(unit.farm.want, work)
    eyes.wait(lambda: "3 jobs to start" in eyes.text("#farm-text"))
    assert eyes.text("#farm-title") == "No contact with the farm since the agent on this computer was started"
    assert "may make parts too many" in eyes.text("#go-on-text")
    assert not any(driver.status.job for driver in unit.drivers.values())
    eyes.picture("go-on-1280")
    eyes.one("#go-on-button").click()
    assert "may make parts too many" in eyes.text("#ask-text")
    eyes.one("#ask-yes").click()
    eyes.wait(lambda: all(driver.status.job for driver in unit.drivers.values()))
    eyes.wait(lambda: eyes.text("#farm-title").startswith("Without the farm. Somebody here said"))


def _without_contact(unit: Unit) -> Any:
    return replace(unit.agent.state, contact_s=None, sent={})


def test_a_question_is_answered_without_the_farm(eyes: Eyes) -> None:
    eyes.unit.allocate()
    eyes.unit.does(eyes.unit.farm.cut)
    driver, card = eyes.unit.drivers["Ada"], eyes.card("Ada")
    eyes.unit.does(driver.asks, MARKUP, "Continue", MARKUP)
    eyes.wait(lambda: f"It asks: {MARKUP}" in eyes.text(f"{card} .question"))
    buttons = eyes.driver.find_elements(By.CSS_SELECTOR, f"{card} .question button")
    assert [button.text for button in buttons] == ["Continue", MARKUP]
    eyes.one("#language").click()
    eyes.wait(lambda: f"Elle demande : {MARKUP}" in eyes.text(f"{card} .question"))
    eyes.one(f"{card} .question button:nth-child(2)").click()
    eyes.wait(lambda: driver.calls[-1] == ("answer", "prompt-1", 1))
    eyes.wait(lambda: eyes.text(f"{card} .question") == "")
    eyes.unit.does(driver.asks, "Press the knob")
    eyes.wait(lambda: eyes.text(f"{card} .question button") == "Continuer")
    assert eyes.driver.execute_script("return window.hacked") is None


def test_a_question_in_our_own_words_is_in_the_language_of_the_page(eyes: Eyes) -> None:
    driver, question = eyes.unit.drivers["Ada"], f"{eyes.card('Ada')} .question"
    eyes.unit.does(driver.asks, Bilingual("Is it dry?", "Est-ce sec ?"), Bilingual("Yes", "Oui"), "M600")
    eyes.wait(lambda: "It asks: Is it dry?" in eyes.text(question))
    eyes.one("#language").click()
    eyes.wait(lambda: "Elle demande : Est-ce sec ?" in eyes.text(question))
    assert [button.text for button in eyes.driver.find_elements(By.CSS_SELECTOR, f"{question} button")] == ["Oui", "M600"]


def test_a_fault_says_in_words_what_it_takes(eyes: Eyes) -> None:
    fault = Fault("hot", "Error:hot", "Too hot.", "Trop chaud.", "Look.", "Regardez.", Recovery.NEVER)
    eyes.unit.does(eyes.unit.drivers["Ada"].becomes, PrinterState.FAULT, fault=fault)
    eyes.wait(lambda: "It needs repair before it prints again." in eyes.text(f"{eyes.card('Ada')} .fault"))
    eyes.one("#language").click()
    eyes.wait(lambda: "Elle doit être réparée" in eyes.text(f"{eyes.card('Ada')} .fault"))
    assert "Error:hot" in eyes.text(f"{eyes.card('Ada')} .fault"), "the machine's own line"
    ours = replace(fault, text=Told("hot", "line 5", "ligne 5"))
    eyes.unit.does(eyes.unit.drivers["Ada"].becomes, PrinterState.FAULT, fault=ours)
    eyes.wait(lambda: "ligne 5" in eyes.text(f"{eyes.card('Ada')} .fault"))


def test_an_agent_that_ends_is_noticed(chromium: webdriver.Chrome, tmp_path: Path) -> None:
    with Unit(tmp_path, PageSection(port=0)) as unit:
        eyes = Eyes(chromium, unit)
        eyes.open()
        eyes.wait(lambda: eyes.text("#name") == "left bench")
    eyes.wait(lambda: "does not answer" in eyes.text("#lost"))
    chromium.get("about:blank")


def test_in_the_local_network_the_token_is_asked_for_and_leaves_the_address_bar(chromium: webdriver.Chrome, tmp_path: Path) -> None:
    with Unit(tmp_path, PageSection(host="0.0.0.0", port=0)) as unit:
        eyes = Eyes(chromium, unit)
        eyes.open()
        chromium.execute_script("localStorage.clear()")
        eyes.open(PHONE, 844)
        assert eyes.one("#sign-in").is_displayed()
        eyes.one("#token").send_keys("wrong" * 8)
        eyes.one("#sign-in button").click()
        eyes.wait(lambda: eyes.text("#token-said") == "That is not the token.")
        eyes.picture("token-390")
        token = (tmp_path / "page.token").read_text().strip()
        eyes.open(url=f"{unit.url}#token={token}")
        chromium.refresh()  # a fragment alone does not load the page again
        eyes.wait(lambda: eyes.text("#name") == "left bench")
        assert token not in chromium.current_url
        eyes.open()
        eyes.wait(lambda: eyes.text("#name") == "left bench")
        chromium.execute_script("localStorage.clear()")
        chromium.get("about:blank")


def test_what_this_node_refuses_is_said_with_its_reason(eyes: Eyes) -> None:
    task = core.Task(eyes.unit.printer("Ada"), "ab" * 32)
    checked = core.Checked(core.refusal(f"Too hot {MARKUP}", "Trop chaud"))
    step = eyes.unit.agent._keeper.apply(lambda state, _now: core.on_checked(state, task, checked, state.limits))
    asyncio.run_coroutine_threadsafe(step, eyes.unit._loop).result(PATIENCE_S)
    eyes.wait(lambda: "Not printed here (abababababab): Too hot <img" in eyes.text(f"{eyes.card('Ada')} .refused"))
    assert eyes.text(f"{eyes.card('Blaise')} .refused") == ""
