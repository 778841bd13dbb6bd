"""Rows of the contract about who talks to whom: probe, push, connect printer, and a server that restarts beside us."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from drivers.base import PrintEnd, PrinterState
from drivers.errors import AuthenticationError, DriverError, PrinterBusyError, UnreachableError
from drivers.octoprint.permissions import PERMISSIONS
from drivers.octoprint.push import PushError, open_push
from drivers.registry import open_driver
from farm.addresses import free_port
from tests.integration.octoprint_bench import LONG, QUICK, SHORT, Bench, Listener, connected, new_client, until
from tests.integration.octoprint_server import WATCHER_KEY, OctoPrintServer

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("octoprint")]
WRONG_KEY = "WRONGKEYWRONGKEYWRONGKEY"
STARTS = 4  # further ones, until its stand-in was met


def wrong_key(folder: Path) -> Path:
    file = folder / "wrong.key"
    file.write_text(WRONG_KEY)
    return file


# --- probe ------------------------------------------------------------------------------------------------------------------------


async def test_probe_finds_an_idle_printer(bench: Bench) -> None:
    assert bench.driver.status.state is PrinterState.IDLE
    assert (bench.driver.status.firmware or "").endswith("OctoPrint 1.11.8")


async def test_probe_names_a_bad_key_and_parks(octoprint_server: OctoPrintServer, tmp_path: Path) -> None:
    url = f"octoprint+http://127.0.0.1:{octoprint_server.port}?key_file={wrong_key(tmp_path)}"
    driver = open_driver(url, Listener())
    with pytest.raises(AuthenticationError) as caught:
        await driver.connect()
    await driver.close()
    assert "WRONGKEY" not in str(caught.value)
    assert driver.status.state is PrinterState.OFFLINE
    assert "key" in (driver.status.note or "")


def test_probe_a_post_with_a_bad_key_is_a_bad_key_too(octoprint_server: OctoPrintServer, tmp_path: Path) -> None:
    """OctoPrint answers it with 400 and words about CSRF, as if the request were wrong."""
    client = new_client(octoprint_server, key_file=wrong_key(tmp_path))
    with pytest.raises(AuthenticationError):
        client.start_printing("farm/any.gcode")
    with pytest.raises(AuthenticationError):
        client.passive_login()
    client.close()


async def test_probe_names_the_permissions_that_lack(octoprint_server: OctoPrintServer, tmp_path: Path) -> None:
    (tmp_path / "watcher.key").write_text(WATCHER_KEY)
    driver = open_driver(f"octoprint+http://127.0.0.1:{octoprint_server.port}?key_file={tmp_path}/watcher.key", Listener())
    with pytest.raises(AuthenticationError, match="FILES_UPLOAD"):
        await driver.connect()
    await driver.close()


async def test_probe_of_a_port_where_nothing_listens(tmp_path: Path) -> None:
    driver = open_driver(f"octoprint+http://127.0.0.1:{free_port()}?key_file={wrong_key(tmp_path)}", Listener())
    with pytest.raises(UnreachableError):
        await driver.connect()
    await driver.close()


# --- a server that comes and goes -------------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_probe_while_octoprint_starts_says_so_and_a_sigterm_in_a_print_means_interrupted(
    octoprint_spare: OctoPrintServer, tmp_path: Path
) -> None:
    server = octoprint_spare
    client = new_client(server)

    def starts() -> list[str]:
        said: list[str] = []
        server.launch()
        while True:
            try:
                client.probe()
            except DriverError as error:
                said += [] if error.detail in said else [error.detail]
            else:
                return said

    async with connected(server, tmp_path) as bench:
        job = await bench.start()
        await asyncio.to_thread(server.stop)
        await bench.state(PrinterState.OFFLINE)
        assert not bench.listener.ends  # nobody knows yet
        said = await asyncio.to_thread(starts)
        await bench.ended(job, PrintEnd.INTERRUPTED)
        await bench.state(PrinterState.IDLE)
    for _ in range(STARTS):  # a question may wait through the whole time of the stand-in on a crowded machine
        if any("still starting" in text for text in said):
            break
        await asyncio.to_thread(server.stop)
        said += await asyncio.to_thread(starts)
    client.close()
    assert any("still starting" in text for text in said), said  # the raw `Not found` of OctoPrint's stand-in
    assert any("cannot be reached" in text for text in said), said  # before it, nobody listens
    assert all("cannot be reached" in text or "still starting" in text or "did not answer" in text for text in said), said


@pytest.mark.slow
async def test_push_refused_as_stale_is_replaced_by_questions_and_comes_back(
    octoprint_spare: OctoPrintServer, tmp_path: Path
) -> None:
    """`sessionStaleAfter: 0` makes every session stale at once: `reauthRequired` instead of `history`."""
    server = octoprint_spare
    await asyncio.to_thread(server.stop)
    server.configure({"accessControl": {"sessionStaleAfter": 0}})
    await asyncio.to_thread(server.start)
    client = new_client(server)
    login = await asyncio.to_thread(client.passive_login)
    with pytest.raises(PushError):
        async with open_push(client.address, login):
            pass
    client.close()
    async with connected(server, tmp_path) as bench:
        job = await bench.start(SHORT)
        await bench.ended(job, PrintEnd.DONE)  # found by questions
        assert not bench.has_push
        await asyncio.to_thread(server.stop)
        server.configure()
        await asyncio.to_thread(server.start)
        await until(lambda: bench.has_push)
        await bench.state(PrinterState.IDLE)


# --- push -------------------------------------------------------------------------------------------------------------------------


async def test_push_without_the_right_session_stays_silent_and_is_no_push(octoprint_server: OctoPrintServer) -> None:
    client = new_client(octoprint_server)
    login = await asyncio.to_thread(client.passive_login)
    for other in (replace(login, session="0" * 64), replace(login, name="maker")):
        with pytest.raises(PushError):
            async with open_push(client.address, other):
                pass
    async with open_push(client.address, login) as (_, history):
        assert history["state"]["text"]
    client.close()


async def test_push_that_wants_a_new_login_gets_one_and_the_job_goes_on(bench: Bench) -> None:
    """Whoever changes the user's rights in OctoPrint makes it send `reauthRequired` on our socket."""
    await until(lambda: bench.has_push)
    before = bench.driver._watch._push
    job = await bench.start()
    permissions = sorted(PERMISSIONS)
    user = {"active": True, "admin": False, "groups": []}
    await asyncio.to_thread(bench.server.put, "/api/access/users/farm", {**user, "permissions": [*permissions, "MONITOR_TERMINAL"]})
    await until(lambda: bench.has_push and bench.driver._watch._push is not before)
    await asyncio.to_thread(bench.server.put, "/api/access/users/farm", {**user, "permissions": permissions})
    assert not bench.listener.ends
    await bench.state(PrinterState.PRINTING)
    await bench.driver.cancel(job)
    await bench.ended(job, PrintEnd.CANCELLED)


async def test_push_of_a_key_revoked_while_connected(octoprint_server: OctoPrintServer, tmp_path: Path) -> None:
    """The print goes on without us; with a new key in the file the driver finds it again."""
    server = octoprint_server
    key_file = await asyncio.to_thread(server.new_key, "essaim")
    url = f"octoprint+http://127.0.0.1:{server.port}?key_file={key_file}"
    async with connected(server, tmp_path, url=url, timing=replace(QUICK, poll_s=1.0)) as bench:
        job = await bench.start()
        await asyncio.to_thread(server.revoke_key, "essaim")
        await bench.state(PrinterState.OFFLINE)
        assert "key" in (bench.driver.status.note or "")
        assert not bench.listener.ends
        assert await bench.job_at_server() == ("Printing", f"farm/{job}.gcode")
        await asyncio.to_thread(server.new_key, "essaim")
        await bench.state(PrinterState.PRINTING)
        await bench.driver.cancel(job)
        await bench.ended(job, PrintEnd.CANCELLED)
    await asyncio.to_thread(server.revoke_key, "essaim")


# --- connect printer --------------------------------------------------------------------------------------------------------------


async def test_connect_printer_connects_a_printer_that_octoprint_has_not(octoprint_server: OctoPrintServer, tmp_path: Path) -> None:
    await asyncio.to_thread(octoprint_server.make_ready)
    await asyncio.to_thread(octoprint_server.post, "/api/connection", {"command": "disconnect"})
    await asyncio.to_thread(octoprint_server.wait_for, "Closed")
    bench = Bench(octoprint_server, tmp_path)  # it did not see a person's Disconnect
    await bench.driver.connect()
    assert bench.driver.status.state is PrinterState.IDLE
    assert octoprint_server.state() == "Operational"
    await bench.driver.close()


async def test_connect_printer_that_stays_closed_is_said_and_tried_again(octoprint_server: OctoPrintServer, tmp_path: Path) -> None:
    """As with a printer that is switched off: OctoPrint answers 204, and stays "Opening serial connection" for ever by itself."""
    server = octoprint_server
    await asyncio.to_thread(server.make_ready)
    await asyncio.to_thread(server.post, "/api/connection", {"command": "disconnect"})
    await asyncio.to_thread(server.wait_for, "Closed")
    await asyncio.to_thread(server.post, "/api/settings", {"plugins": {"virtual_printer": {"enabled": False}}})
    bench = Bench(server, tmp_path, timing=replace(QUICK, printer_connect_s=1.0, printer_retry_s=1.0, printer_stuck_s=2.0))
    with pytest.raises(UnreachableError, match="printer"):
        await bench.driver.connect()
    assert bench.driver.status.state in {PrinterState.OFFLINE, PrinterState.CONNECTING}
    await asyncio.to_thread(server.post, "/api/settings", {"plugins": {"virtual_printer": {"enabled": True}}})
    await bench.state(PrinterState.IDLE)
    await bench.driver.close()


async def test_connect_printer_never_against_a_persons_disconnect(bench: Bench) -> None:
    await bench.person(bench.server.post, "/api/connection", {"command": "disconnect"})
    await bench.state(PrinterState.OFFLINE)
    await asyncio.sleep(2)
    assert bench.server.state() == "Closed"
    assert "person" in (bench.driver.status.note or "")
    with pytest.raises(PrinterBusyError):
        await bench.start(LONG)
