"""The disk of the daemon is really full, a small tmpfs: nothing is acknowledged, nothing is lost, and it recovers by itself."""

import contextlib
import json
import os
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Origin

from farm.bus.broker import find_mosquitto
from farm.commands.local_farm import LocalFarm
from farm.store.writer import FILE_NAME
from tests.integration.real import require
from tests.integration.small_program import small_program
from tests.integration.test_chain import Hands, check_counts, order, some_good
from tests.patience import PATIENCE_S
from tests.virtual_printers import VirtualPrinters

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("chain")]
SPEED = 20.0
DISK_MIB = 24
RESERVE_BYTES = 8 * 1024**2
RECOVERS_S = 60.0  # the store is tried again every 30 s at most


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "tmpfs", str(folder)]
    require("root with mount", os.geteuid() == 0 and subprocess.run(command, check=False, capture_output=True).returncode == 0)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """The data folder of the daemon, on a disk of its own."""
    with small_disk(tmp_path / "farm-data") as folder:
        yield folder


@pytest.fixture
def node_disk(tmp_path: Path) -> Iterator[Path]:
    """The data folder of the node `workshop`, on a disk of its own."""
    with small_disk(tmp_path / "node-workshop") as folder:
        yield folder


@pytest.fixture
def printers(tmp_path: Path) -> Iterator[VirtualPrinters]:
    with VirtualPrinters(tmp_path, count=2, speed=SPEED) as virtual:
        yield virtual


@pytest.fixture
def farm(tmp_path: Path, disk: Path) -> Iterator[LocalFarm]:
    require("mosquitto", find_mosquitto() is not None)
    environment = {"FARM_HTTP__UPLOAD_RESERVE_BYTES": str(RESERVE_BYTES)}
    with LocalFarm(tmp_path, speed=SPEED, broker="mosquitto", farm={"report_every_s": 20.0}, environment=environment) as local:
        assert local.data == disk
        yield local


class Page:
    """An open page: what the live updates say."""

    def __init__(self, farm: LocalFarm) -> None:
        self.alarms: list[set[str]] = []
        self.ended = False
        address = f"127.0.0.1:{farm.port}"
        self._socket = connect(f"ws://{address}/api/v1/live", origin=Origin(f"http://{address}"), open_timeout=PATIENCE_S)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            for text in self._socket:
                message = json.loads(text)
                told = message.get("farm", message)
                if "alarms" in told:
                    self.alarms.append({alarm["code"] for alarm in told["alarms"]})
        self.ended = True

    def close(self) -> None:
        self._socket.close()
        self._thread.join(PATIENCE_S)


@pytest.fixture
def page(farm: LocalFarm) -> Iterator[Page]:
    """A page of a farm that runs."""
    farm.start_daemon()
    opened = Page(farm)
    yield opened
    opened.close()


def fill(disk: Path, *, leave_bytes: int = 0) -> Path:
    """Take all room but `leave_bytes`."""
    ballast = disk / "ballast"
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        os.posix_fallocate(file.fileno(), 0, max(1, free - leave_bytes))
        while not leave_bytes and file.write(b"x" * 4096):
            pass
    return ballast


def upload(farm: LocalFarm, content: bytes) -> requests.Response:
    fields = {"design": "square", "revision": "square-2", "profile": "generic-210"}
    return requests.post(f"{farm.url}/api/v1/programs", data=fields, files={"file": ("a.gcode", content)}, timeout=PATIENCE_S)


def assert_full(answer: requests.Response, code: str = "store-full") -> None:
    assert answer.status_code == 507, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["status"], problem["code"]) == (507, code)
    assert problem["next_step"]


def change(farm: LocalFarm, order_id: str, priority: int) -> requests.Response:
    return requests.patch(f"{farm.url}/api/v1/orders/{order_id}", json={"priority": priority}, timeout=PATIENCE_S)


def change_until_full(farm: LocalFarm, order_id: str) -> requests.Response:
    """What SQLite has room for already may be written once more."""
    for number in range(2_000):
        answer = change(farm, order_id, number % 100)
        if answer.status_code != 200:
            return answer
    raise AssertionError("the disk never was full")


def checks(farm: LocalFarm) -> tuple[int, dict[str, str]]:
    answer = requests.get(f"{farm.url}/readyz", timeout=PATIENCE_S)
    return answer.status_code, answer.json()["checks"]


def committed(disk: Path, query: str) -> Any:
    with contextlib.closing(sqlite3.connect(f"file:{disk / FILE_NAME}?mode=ro", uri=True)) as database:
        return database.execute(query).fetchone()


def test_everything_is_counted_although_the_disk_was_full(
    farm: LocalFarm, disk: Path, printers: VirtualPrinters, page: Page
) -> None:
    node = farm.add_node("workshop", printers.sections())
    order_id = order(farm, small_program())
    hands = Hands(farm, printers)
    some_good(farm, order_id, hands, 1)

    ballast = fill(disk)
    assert_full(change_until_full(farm, order_id))
    position = committed(disk, "SELECT sum(seq) FROM nodes")
    ended = node.log.read_text().count("job.ended")

    def all_have_ended() -> bool:  # the beds fill up: nobody can collect through a daemon that cannot write it down
        return all(one["parts_finished"] for one in printers.truth()) and node.log.read_text().count("job.ended") > ended

    farm.wait_until(all_have_ended, what="prints to end while the disk is full", timeout_s=120)
    assert_full(change(farm, order_id, 7))
    assert_full(upload(farm, small_program(layers=5)), "disk-nearly-full")
    assert_full(requests.post(f"{farm.url}/api/v1/orders", json={"design": "square", "quantity": 1}, timeout=PATIENCE_S))
    assert checks(farm)[0] == 503
    assert checks(farm)[1]["store"] == "disk full"
    assert "store-full" in {alarm["code"] for alarm in farm.get("/alarms")}
    assert farm.get(f"/orders/{order_id}")["priority"] != 7
    assert committed(disk, "SELECT sum(seq) FROM nodes") == position, "nothing was committed, so nothing may be acknowledged"
    farm.wait_until(lambda: any("store-full" in told for told in page.alarms), what="the page to show it", timeout_s=PATIENCE_S)
    assert not page.ended

    ballast.unlink()
    farm.wait_until(lambda: farm.answers("/readyz"), what="the daemon to recover by itself", timeout_s=RECOVERS_S)
    hands.until_met(order_id)
    jobs = check_counts(farm, order_id, printers)
    assert sum(printer["parts_finished"] for printer in printers.truth()) == len(jobs)
    assert "store-full" not in {alarm["code"] for alarm in farm.get("/alarms")}
    farm.wait_until(lambda: "store-full" not in page.alarms[-1], what="the page to show the end of it", timeout_s=PATIENCE_S)


def test_an_upload_never_takes_the_room_of_the_database(farm: LocalFarm, disk: Path) -> None:
    farm.start_daemon()
    fill(disk, leave_bytes=RESERVE_BYTES + 1024**2)
    assert_full(upload(farm, b";" * (2 * 1024**2)), "disk-nearly-full")
    assert not list(disk.rglob("incoming/*"))
    assert upload(farm, small_program()).status_code == 201
    assert farm.answers("/readyz")
    order(farm, small_program(layers=3))


def test_a_daemon_that_was_killed_on_a_full_disk_serves_again(farm: LocalFarm, disk: Path, printers: VirtualPrinters) -> None:
    farm.start_daemon()
    farm.add_node("workshop", printers.sections())
    order_id = order(farm, small_program())
    fill(disk)
    change_until_full(farm, order_id)
    farm.daemon.kill()
    fill(disk)  # what its end has given back
    farm.daemon.start()
    farm.wait_until(lambda: farm.answers("/healthz"), what="the daemon to serve", child=farm.daemon)
    assert [shown["id"] for shown in farm.get("/orders")] == [order_id]
    assert_full(change_until_full(farm, order_id))
    (disk / "ballast").unlink()
    farm.wait_until(lambda: farm.answers("/readyz"), what="the daemon to recover by itself", timeout_s=RECOVERS_S)
    assert change(farm, order_id, 7).status_code == 200


def test_a_daemon_waits_for_room_when_it_has_nothing_to_start_with(farm: LocalFarm, disk: Path) -> None:
    ballast = fill(disk)
    farm.daemon.start()
    farm.wait_until(lambda: "waits for room" in farm.daemon.last_lines(), what="the daemon to say so", child=farm.daemon)
    assert not farm.answers("/healthz")
    ballast.unlink()
    farm.wait_until(lambda: farm.answers("/readyz"), what="the daemon to start", child=farm.daemon)
    assert farm.daemon.log.read_text().count("waits for room") == 1


def test_a_node_whose_disk_is_full_is_named_until_there_is_room(
    node_disk: Path, farm: LocalFarm, printers: VirtualPrinters
) -> None:
    farm.start_daemon()
    node = farm.add_node("workshop", printers.sections())
    hands = Hands(farm, printers)
    farm.wait_until(lambda: len(farm.get("/printers")) == 2, what="the node", child=node)
    ballast = fill(node_disk)
    farm.wait_until(lambda: "node-disk-full" in alarms(farm), what="the alarm", child=node)
    alarm = alarms(farm)["node-disk-full"]
    assert alarm["text"] == "workshop: its disk is full: it starts nothing until there is room."
    assert alarm["text_fr"].startswith("workshop : son disque est plein")
    order_id = order(farm, small_program())
    codes = {"disk-nearly-full", "ledger-not-writable", "bed-unknown"}
    assert {why["code"] for why in farm.get(f"/orders/{order_id}")["why_waiting"]} <= codes
    for printer in farm.get("/printers"):
        assert printer["why_not"][0]["code"] in codes - {"bed-unknown"}
    ballast.unlink()
    farm.wait_until(lambda: "node-disk-full" not in alarms(farm), what="the end of the alarm", timeout_s=RECOVERS_S)
    hands.until_met(order_id)


def alarms(farm: LocalFarm) -> dict[str, Any]:
    return {alarm["code"]: alarm for alarm in farm.get("/alarms")}
