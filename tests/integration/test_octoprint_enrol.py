"""The row "enrol" of the contract: an application key by one click of a person, with a real OctoPrint and its limits.

OctoPrint counts requests for keys (three a minute), so these tests share the session's server in the order in which they stand.
"""

import asyncio
import contextlib
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from drivers.base import PrinterState
from drivers.errors import AuthenticationError, Bilingual
from drivers.octoprint.enrol import APP, Enrolment, EnrolmentError, enrol, enrol_with_key
from drivers.registry import open_driver
from tests.integration.octoprint_bench import Listener
from tests.integration.octoprint_server import FARM_KEY, FARM_PERMISSIONS, MAKER_KEY, WATCHER_KEY, OctoPrintServer

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("octoprint")]


def url(server: OctoPrintServer) -> str:
    return f"octoprint+http://127.0.0.1:{server.port}"


def enrol_beside(server: OctoPrintServer, key_file: Path, *, accept: bool) -> tuple[Enrolment, list[Bilingual]]:
    """Ask for a key while a person at OctoPrint's page decides."""
    said: list[Bilingual] = []
    with ThreadPoolExecutor(1) as pool:
        person = pool.submit(server.decide, APP, accept=accept)
        try:
            return enrol(url(server), key_file, tell=said.append), said
        finally:
            person.result()


async def test_enrol_accepted_by_a_person_gives_a_key_that_works(octoprint_server: OctoPrintServer, tmp_path: Path) -> None:
    await asyncio.to_thread(octoprint_server.make_ready)
    key_file = tmp_path / "printer.key"
    found, said = await asyncio.to_thread(enrol_beside, octoprint_server, key_file, accept=True)
    assert (found.user, found.version, found.missing) == ("maker", "1.11.8", ())
    assert "ADMIN" in found.too_many  # whoever clicks gives their own rights
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert str(octoprint_server.port) in said[0].en
    assert key_file.read_text().strip() not in f"{found} {said}"
    driver = open_driver(found.url, Listener())
    await driver.connect()
    assert driver.status.state is PrinterState.IDLE
    await driver.close()


def test_enrol_denied_by_a_person_leaves_the_old_key_alone(octoprint_server: OctoPrintServer, tmp_path: Path) -> None:
    key_file = tmp_path / "printer.key"
    key_file.write_text("OLDKEYOLDKEYOLDKEY\n")
    with pytest.raises(EnrolmentError, match="refused"):
        enrol_beside(octoprint_server, key_file, accept=False)
    assert key_file.read_text() == "OLDKEYOLDKEYOLDKEY\n"


@pytest.mark.slow
def test_enrol_expired_because_nobody_asked_for_a_while(octoprint_server: OctoPrintServer, tmp_path: Path) -> None:
    """As when the laptop slept: OctoPrint drops a request that is not asked for within five seconds."""
    with pytest.raises(EnrolmentError, match="ran out"):
        enrol(url(octoprint_server), tmp_path / "printer.key", tell=lambda _: time.sleep(7))
    assert not (tmp_path / "printer.key").exists()


def test_enrol_too_often_is_told_apart_from_a_refusal(octoprint_server: OctoPrintServer, tmp_path: Path) -> None:
    """429 at the fourth request in a minute; those of the tests before this count too."""
    for _ in range(3):
        requests.post(f"{octoprint_server.url}/plugin/appkeys/request", json={"app": "another"}, timeout=10)
    with pytest.raises(EnrolmentError, match="too often"):
        enrol(url(octoprint_server), tmp_path / "printer.key", wait_s=1)
    assert not (tmp_path / "printer.key").exists()


def test_enrol_with_nobody_there_gives_up_in_time(octoprint_noisy: OctoPrintServer, tmp_path: Path) -> None:
    with pytest.raises(EnrolmentError, match="Nobody answered"):
        enrol(url(octoprint_noisy), tmp_path / "printer.key", wait_s=1.0)
    with contextlib.suppress(FileNotFoundError):
        pytest.fail((tmp_path / "printer.key").read_text())


async def test_enrol_with_an_administrators_key_makes_one_for_the_farms_user(
    octoprint_server: OctoPrintServer, tmp_path: Path
) -> None:
    await asyncio.to_thread(octoprint_server.make_ready)
    key_file = tmp_path / "printer.key"
    found = await asyncio.to_thread(enrol_with_key, url(octoprint_server), key_file, MAKER_KEY, user="farm")
    assert (found.user, found.missing, found.too_many, found.remarks) == ("farm", (), (), [])
    assert key_file.read_text().strip() not in {FARM_KEY, MAKER_KEY}
    driver = open_driver(found.url, Listener())
    await driver.connect()
    assert driver.status.state is PrinterState.IDLE
    await driver.close()


def test_enrol_with_a_key_that_may_not_is_refused(octoprint_server: OctoPrintServer, tmp_path: Path) -> None:
    for key in (WATCHER_KEY, "NOBODYSKEYNOBODYSKEY"):
        with pytest.raises(AuthenticationError):
            enrol_with_key(url(octoprint_server), tmp_path / "printer.key", key, user="farm")
    assert not (tmp_path / "printer.key").exists()


def test_enrol_names_the_permissions_that_the_user_lacks(octoprint_server: OctoPrintServer, tmp_path: Path) -> None:
    found = enrol_with_key(url(octoprint_server), tmp_path / "printer.key", MAKER_KEY, user="watcher")
    assert set(found.missing) == set(FARM_PERMISSIONS) - {"STATUS"}
    assert "FILES_UPLOAD" in found.remarks[0].en
