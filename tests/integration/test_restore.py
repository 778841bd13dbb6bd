"""A farm whose database is lost and put back: what was made since comes back from the nodes, to the exact part."""

import json
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from farm.bus.broker import find_mosquitto
from farm.commands.local_farm import LocalFarm
from farm.store.writer import FILE_NAME
from tests.integration.real import require
from tests.integration.small_program import small_program
from tests.integration.test_chain import Hands, order, some_good
from tests.virtual_printers import VirtualPrinters

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("chain")]

QUANTITY = 8
STILL_S = 0.5  # a machine that stood still for so long has made the moves that it had planned when its job failed
SPEED = 20.0
PATIENCE_S = 240.0


class CalmHands(Hands):
    """They wait until the machine stands still: on a loaded computer a job may fail while some moves are still to come."""

    def _take_off(self, name: str) -> None:
        assert self.printers is not None
        if name.startswith("virtual "):
            before = None
            while (now := self.printers.ask(int(name.split()[1]), snapshot=True)["extruded_mm"]) != before:
                before = now
                time.sleep(STILL_S)
        super()._take_off(name)


@pytest.fixture
def printers(tmp_path: Path) -> Iterator[VirtualPrinters]:
    with VirtualPrinters(tmp_path, count=2, speed=SPEED) as virtual:
        yield virtual


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[LocalFarm]:
    require("mosquitto", find_mosquitto() is not None)
    with LocalFarm(tmp_path, speed=SPEED, broker="mosquitto", farm={"report_every_s": 20.0}) as local:
        yield local


def command(farm: LocalFarm, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run `farm ARGUMENTS` beside this farm."""
    config = ["--config", str(farm.folder / "farm.toml")]
    ran = subprocess.run(
        [sys.executable, "-m", "farm", *arguments, *config], capture_output=True, text=True, check=False, timeout=60
    )
    assert ran.returncode == code, ran.stderr
    return ran


def restore(farm: LocalFarm, backup: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(command(farm, "restore", backup, "--yes", "--json").stdout)
    return told


def good_jobs(farm: LocalFarm) -> dict[str, int]:
    """Every collected job in the database with its good parts."""
    database = sqlite3.connect(farm.data / FILE_NAME)
    try:
        return dict(database.execute("SELECT id, good FROM jobs WHERE collected_at_s IS NOT NULL AND good > 0"))
    finally:
        database.close()


def until_healed(farm: LocalFarm) -> None:
    farm.wait_until(lambda: farm.get("/farm")["healing"] is None, what="the farm to heal", timeout_s=PATIENCE_S)


def until_fenced(farm: LocalFarm) -> dict[str, Any]:
    farm.wait_until(lambda: farm.get("/farm")["fence"] is not None, what="the daemon to stand still", timeout_s=PATIENCE_S)
    seen: dict[str, Any] = farm.get("/farm")["fence"]
    return seen


def until_stored(farm: LocalFarm, order_id: str, at_least: int) -> int:
    """Good parts that the daemon has committed, once what the hands said has all come back as facts."""
    farm.wait_until(lambda: farm.get(f"/orders/{order_id}")["good"] >= at_least, what="facts", timeout_s=PATIENCE_S)
    good: int = farm.get(f"/orders/{order_id}")["good"]
    return good


def start_without_waiting(farm: LocalFarm) -> None:
    """Start the daemon; one that only watches never becomes ready."""
    farm.daemon.start()
    farm.wait_until(lambda: farm.answers("/healthz"), what="the daemon to answer", child=farm.daemon)


def test_what_was_made_since_the_backup_comes_back_twice_over(farm: LocalFarm, printers: VirtualPrinters) -> None:
    farm.start_daemon()
    farm.add_node("workshop", printers.sections())
    order_id = order(farm, small_program(), QUANTITY)
    hands = CalmHands(farm, printers)
    some_good(farm, order_id, hands, 1)
    backup = json.loads(command(farm, "backup", "--url", farm.url, "--json").stdout)["path"]
    at_backup = farm.get(f"/orders/{order_id}")["good"]
    some_good(farm, order_id, hands, at_backup + 2)
    made = good_jobs(farm)

    for times in (1, 2):  # the same backup restored twice: each time in a generation of its own
        farm.daemon.kill()
        refused = command(farm, "restore", str(farm.folder / "nothing.sqlite3"), "--yes", code=1)
        assert "There is no file" in refused.stderr
        told = restore(farm, backup)
        assert told["generation"] == 1 + times
        assert told["then"]["good_parts"] <= at_backup
        assert told["now"]["good_parts"] >= sum(made.values())
        farm.start_daemon()
        until_healed(farm)
        healed = good_jobs(farm)
        assert healed.items() >= made.items(), "a part that was counted is counted again"
        made = healed

    hands.until_met(order_id)
    jobs = good_jobs(farm)
    assert sum(jobs.values()) == farm.get(f"/orders/{order_id}")["good"] + sum(row["parts"] for row in farm.get("/farm")["stock"])
    finished = sum(printer["parts_finished"] for printer in printers.truth())
    assert finished >= sum(jobs.values()) >= QUANTITY
    assert [printer["collisions"] for printer in printers.truth()] == [0, 0]


def test_a_restore_beside_a_daemon_that_runs_is_refused_and_changes_nothing(farm: LocalFarm) -> None:
    farm.start_daemon()
    backup = json.loads(command(farm, "backup", "--json").stdout)["path"]  # finds the lock held, and asks the daemon
    before = (farm.data / FILE_NAME).stat().st_ino
    refused = command(farm, "restore", backup, "--yes", code=2)
    assert "Another daemon uses the data folder" in refused.stderr
    assert "Stop that daemon first" in refused.stderr
    assert (farm.data / FILE_NAME).stat().st_ino == before
    assert farm.get("/farm")["generation"] == 1


def test_a_database_copied_back_by_hand_is_noticed_and_a_take_over_heals_it(farm: LocalFarm, printers: VirtualPrinters) -> None:
    farm.start_daemon()
    farm.add_node("workshop", printers.sections())
    order_id = order(farm, small_program(), QUANTITY)
    hands = CalmHands(farm, printers)
    some_good(farm, order_id, hands, 1)
    farm.daemon.end()
    copy = farm.folder / "copy.sqlite3"
    shutil.copyfile(farm.data / FILE_NAME, copy)
    farm.start_daemon()
    some_good(farm, order_id, hands, farm.get(f"/orders/{order_id}")["good"] + 2)
    made = good_jobs(farm)
    farm.daemon.kill()
    for suffix in ("", "-wal", "-shm"):
        (farm.data / f"{FILE_NAME}{suffix}").unlink(missing_ok=True)
    shutil.copyfile(copy, farm.data / FILE_NAME)

    start_without_waiting(farm)
    fence = until_fenced(farm)
    assert fence["why"] == "put-back"
    assert fence["heard"] > fence["known"]
    assert not farm.answers("/readyz")
    time.sleep(1)
    assert good_jobs(farm).items() <= made.items(), "nothing was decided meanwhile"

    assert farm.post("/farm/take-over") == {"generation": 2}
    until_healed(farm)
    assert good_jobs(farm).items() >= made.items()
    met = hands.until_met(order_id)
    assert met["good"] == QUANTITY
    assert [printer["collisions"] for printer in printers.truth()] == [0, 0]
