"""What an OctoPrint may have besides printing: questions, camera, terminal, mains; and a key that may not use them."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from drivers.base import Capability, PrintEnd, PrinterState
from drivers.errors import AuthenticationError, NotAPrinterError, PrinterBusyError, UnreachableError
from tests.integration.octoprint_bench import SHORT, Bench, connected, until
from tests.integration.octoprint_psu import PLUGIN
from tests.integration.octoprint_server import MAKER_KEY, OctoPrintServer

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("octoprint")]
EXTRAS = {Capability.PROMPTS, Capability.SNAPSHOT, Capability.CONSOLE}
JPEG = b"\xff\xd8\xff\xe0" + b"a picture" * 1000


@pytest.fixture
async def owners(octoprint_server: OctoPrintServer, tmp_path: Path) -> AsyncIterator[Bench]:
    """A driver with the key of an administrator, who may do everything."""
    (tmp_path / "maker.key").write_text(MAKER_KEY)
    url = f"octoprint+http://127.0.0.1:{octoprint_server.port}?key_file={tmp_path}/maker.key"
    async with connected(octoprint_server, tmp_path, url=url) as made:
        yield made


async def test_extras_are_named_only_where_the_keys_user_may_use_them(bench: Bench, owners: Bench) -> None:
    assert owners.driver.info.capabilities >= EXTRAS
    assert not bench.driver.info.capabilities & EXTRAS
    with pytest.raises(AuthenticationError, match="WEBCAM"):
        await bench.driver.snapshot()
    with pytest.raises(AuthenticationError, match="MONITOR_TERMINAL"):
        await bench.driver.console("M115")


# --- questions ------------------------------------------------------------------------------------------------------------------


def ask(server: OctoPrintServer, text: str, *choices: str) -> None:
    for line in (f"prompt_begin {text}", *(f"prompt_choice {choice}" for choice in choices), "prompt_show"):
        server.break_printer(f"action_custom {line}")


async def test_prompt_in_a_job_is_shown_and_answered(owners: Bench) -> None:
    job = await owners.start()
    await owners.person(ask, owners.server, "Filament runout", "Purge more", "Continue")
    await until(lambda: owners.driver.status.prompt)
    status = owners.driver.status
    assert (status.state, status.job) == (PrinterState.ATTENTION, job)
    assert status.prompt is not None
    assert (status.prompt.text, status.prompt.choices) == ("Filament runout", ("Purge more", "Continue"))
    heard = len(await asyncio.to_thread(owners.server.firmware_log))
    await owners.driver.answer("another question", 0)  # a late answer to something else
    assert owners.driver.status.prompt == status.prompt
    await owners.driver.answer(status.prompt.id, 1)
    await until(lambda: "M876 S1" in owners.server.firmware_log()[heard:])
    assert "M876 S0" not in (await asyncio.to_thread(owners.server.firmware_log))[heard:]
    await owners.state(PrinterState.PRINTING)
    await until(lambda: owners.driver.status.prompt is None)
    await owners.driver.answer(status.prompt.id, 0)  # twice is once
    await owners.driver.cancel(job)
    await owners.ended(job, PrintEnd.CANCELLED)
    assert "M876 S0" not in (await asyncio.to_thread(owners.server.firmware_log))[heard:]


async def test_prompt_that_the_printer_or_another_person_ends_is_gone(owners: Bench) -> None:
    await owners.person(ask, owners.server, "Door open", "Closed it")
    await owners.state(PrinterState.ATTENTION)
    await owners.person(owners.server.break_printer, "action_custom prompt_end")
    await owners.state(PrinterState.IDLE)
    await owners.person(ask, owners.server, "Door open again", "Closed it")
    await until(lambda: owners.driver.status.prompt and owners.driver.status.prompt.text == "Door open again")
    await owners.person(owners.server.post, "/api/plugin/action_command_prompt", {"command": "select", "choice": 0})
    await owners.state(PrinterState.IDLE)
    assert owners.driver.status.prompt is None


async def test_prompt_that_was_there_before_us_is_found_and_holds_a_start(owners: Bench) -> None:
    await owners.driver.close()
    await owners.person(ask, owners.server, "Clean the nozzle", "Done")
    owners.driver = owners.new_driver()
    await owners.driver.connect()
    await owners.state(PrinterState.ATTENTION)
    prompt = owners.driver.status.prompt
    assert prompt is not None
    with pytest.raises(PrinterBusyError, match="Clean the nozzle"):
        await owners.start(SHORT)
    await owners.driver.answer(prompt.id, 0)
    await owners.state(PrinterState.IDLE)
    job = await owners.start(SHORT)
    await owners.ended(job, PrintEnd.DONE)


# --- camera ---------------------------------------------------------------------------------------------------------------------


class Lens(BaseHTTPRequestHandler):
    """`/jpeg` is a picture, `/html` is none, everything else is 404."""

    def do_GET(self) -> None:
        content = {"/jpeg": JPEG, "/html": b"<html>no camera here</html>"}.get(self.path)
        self.send_response(200 if content else 404)
        self.send_header("Content-Type", "image/jpeg")
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, *_: object) -> None:
        """Nothing: pytest's output is for failures."""


@pytest.fixture
def camera_url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Lens) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def point_camera(server: OctoPrintServer, url: str) -> None:
    server.post("/api/settings", {"plugins": {"classicwebcam": {"snapshot": url}}})


async def test_camera_picture_comes_through_octoprint(owners: Bench, camera_url: str) -> None:
    await owners.person(point_camera, owners.server, f"{camera_url}/jpeg")
    picture = await owners.driver.snapshot()
    assert (picture.content, picture.media_type) == (JPEG, "image/jpeg")


@pytest.mark.parametrize("path", ["/html", "/gone"])
async def test_camera_that_gives_no_picture_is_said_so(owners: Bench, camera_url: str, path: str) -> None:
    await owners.person(point_camera, owners.server, camera_url + path)
    with pytest.raises((NotAPrinterError, UnreachableError)):
        await owners.driver.snapshot()


# --- terminal -------------------------------------------------------------------------------------------------------------------


async def test_console_shows_what_the_firmware_answers_and_nothing_in_a_job(owners: Bench) -> None:
    answer = await owners.driver.console("M115")
    assert any("FIRMWARE_NAME:Virtual Marlin" in line for line in answer), answer
    assert answer[-1].startswith("ok")
    job = await owners.start()
    with pytest.raises(PrinterBusyError):
        await owners.driver.console("M115")
    await owners.driver.cancel(job)
    await owners.ended(job, PrintEnd.CANCELLED)


# --- mains ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_power_goes_off_only_when_cold_and_idle(octoprint_spare: OctoPrintServer, tmp_path: Path) -> None:
    server = octoprint_spare
    await asyncio.to_thread(server.stop)
    plugins = server.folder / "plugins"
    plugins.mkdir(exist_ok=True)
    (plugins / "psucontrol.py").write_text(PLUGIN)
    server.configure({"plugins": {"virtual_printer": {"ambientTemperature": 21.0}}})
    await asyncio.to_thread(server.start)
    (tmp_path / "maker.key").write_text(MAKER_KEY)
    url = f"octoprint+http://127.0.0.1:{server.port}?key_file={tmp_path}/maker.key&power=psucontrol"
    async with connected(server, tmp_path, url=url) as bench:
        assert Capability.POWER in bench.driver.info.capabilities
        job = await bench.start(b"M220 S100\nG90\n" + b"G1 X10 F600\nG1 X30 F600\n" * 500)
        with pytest.raises(PrinterBusyError):
            await bench.driver.power(on=False)
        await bench.driver.cancel(job)
        await bench.ended(job, PrintEnd.CANCELLED)
        await bench.state(PrinterState.IDLE)
        await bench.person(server.post, "/api/printer/command", {"command": "M104 S150"})
        await until(lambda: bench.driver.status.nozzle and bench.driver.status.nozzle.target_c == 150)
        with pytest.raises(PrinterBusyError, match="hot"):
            await bench.driver.power(on=False)
        await bench.person(server.post, "/api/printer/command", {"command": "M104 S0"})
        await until(lambda: can_go_off(bench))
        await bench.driver.power(on=False)
        assert (await asyncio.to_thread(server.get, "/api/plugin/psucontrol"))["isPSUOn"] is False
        await bench.driver.power(on=True)
        assert (await asyncio.to_thread(server.get, "/api/plugin/psucontrol"))["isPSUOn"] is True
    (plugins / "psucontrol.py").unlink()


def can_go_off(bench: Bench) -> bool:
    nozzle = bench.driver.status.nozzle
    return nozzle is not None and nozzle.target_c == 0 and nozzle.actual_c < 45
