"""The whole chain with real parts: order, allocation, job, collected part. Counts come out exactly, whatever is killed."""

import gzip
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from farm.bus.broker import find_mosquitto
from farm.commands.local_farm import LocalFarm
from farm.config import PrinterSection
from farm.store.writer import FILE_NAME
from tests.bench.processes import children, command_line
from tests.integration.octoprint_server import OctoPrintServer
from tests.integration.real import require
from tests.integration.small_program import small_program
from tests.shared_data import shared_file
from tests.virtual_printers import VirtualPrinters

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("chain")]

QUANTITY = 6
SPEED = 20.0
PATIENCE_S = 240.0


@pytest.fixture
def printers(tmp_path: Path) -> Iterator[VirtualPrinters]:
    with VirtualPrinters(tmp_path, count=2, speed=SPEED) as virtual:
        yield virtual


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[LocalFarm]:
    require("mosquitto", find_mosquitto() is not None)
    with LocalFarm(tmp_path, speed=SPEED, broker="mosquitto", farm={"report_every_s": 20.0}) as local:
        yield local


def order(farm: LocalFarm, content: bytes, quantity: int = QUANTITY, *, profile: str = "generic-210") -> str:
    farm.add_program(content, design="square", revision="square-1", profile=profile, parts=1, material="PLA")
    identity: str = farm.post("/orders", {"design": "square", "quantity": quantity})["id"]
    return identity


class Hands:
    """Take parts off the beds, the real ones of the virtual printers first, and count them."""

    def __init__(self, farm: LocalFarm, printers: VirtualPrinters | None = None) -> None:
        self.farm = farm
        self.printers = printers

    def collect(self) -> None:
        self.farm.be_the_hands(self._take_off)

    def _take_off(self, name: str) -> None:
        if self.printers is not None and name.startswith("virtual "):
            self.printers.control(int(name.split()[1]), remove_parts=True)

    def until_met(self, order_id: str) -> dict[str, Any]:
        met: dict[str, Any] = {}

        def done() -> bool:
            nonlocal met
            self.collect()
            met = self.farm.get(f"/orders/{order_id}")
            return bool(met["state"] == "met")

        self.farm.wait_until(done, what=f"order {order_id} to be met", timeout_s=PATIENCE_S)
        return met


def some_good(farm: LocalFarm, order_id: str, hands: Hands, at_least: int) -> None:
    def enough() -> bool:
        hands.collect()
        good: int = farm.get(f"/orders/{order_id}")["good"]
        return good >= at_least

    farm.wait_until(enough, what=f"{at_least} good parts", timeout_s=PATIENCE_S)


def check_counts(farm: LocalFarm, order_id: str, printers: VirtualPrinters, quantity: int = QUANTITY) -> list[dict[str, Any]]:
    """What the API says, what the database holds and what the printers really made is the same number."""
    met = farm.get(f"/orders/{order_id}")
    assert (met["good"], met["scrap"], met["owed"], met["state"]) == (quantity, 0, 0, "met")
    jobs: list[dict[str, Any]] = farm.get("/jobs", order=order_id)
    collected = [job for job in jobs if job["state"] == "collected"]
    assert sum(job["good"] for job in collected) == quantity
    assert len({job["id"] for job in jobs}) == len(jobs)
    truth = printers.truth()
    assert all(printer["collisions"] == 0 for printer in truth)
    database = sqlite3.connect(farm.folder / "farm-data" / FILE_NAME)
    try:
        assert database.execute("SELECT sum(good) FROM jobs").fetchone()[0] == quantity
    finally:
        database.close()
    return jobs


def test_octoprint_and_marlin_print_one_order_together(
    farm: LocalFarm, printers: VirtualPrinters, octoprint_server: OctoPrintServer
) -> None:
    farm.start_daemon()
    octoprint = PrinterSection(name="octoprint", url=octoprint_server.printer_url, profile="generic-210")
    farm.add_node("workshop", [octoprint, *printers.sections()[:1]])
    order_id = order(farm, small_program())
    Hands(farm, printers).until_met(order_id)

    jobs = check_counts(farm, order_id, printers)
    names = {printer["id"]: printer["name"] for printer in farm.get("/printers")}
    by_printer = [names[job["printer"]] for job in jobs]
    assert by_printer.count("octoprint") >= 1
    assert by_printer.count("virtual 1") >= 1
    assert printers.truth()[0]["parts_finished"] == by_printer.count("virtual 1")


def test_a_real_visor_of_2020_goes_through_the_whole_chain(
    farm: LocalFarm, tmp_path: Path, octoprint_server: OctoPrintServer
) -> None:
    content = gzip.decompress(shared_file("visor_ender3_pla.gcode.gz").read_bytes())
    with VirtualPrinters(tmp_path, count=1, speed=SPEED, bed_mm=235) as printers:
        farm.start_daemon()
        octoprint = PrinterSection(name="octoprint", url=octoprint_server.printer_url, profile="creality-ender3")
        farm.add_node("workshop", [octoprint, *printers.sections("creality-ender3")])
        # both firmwares obey M220, so that an hour is a minute; everything else is as the slicer wrote it
        order_id = order(farm, b"M220 S100000\n" + content, 2, profile="creality-ender3")
        Hands(farm, printers).until_met(order_id)
        jobs = check_counts(farm, order_id, printers, 2)
        assert len({job["printer"] for job in jobs}) == 2
        (truth,) = printers.truth()
        assert truth["parts_finished"] == 1


def test_the_order_is_exact_although_the_daemon_is_killed_in_the_middle(farm: LocalFarm, printers: VirtualPrinters) -> None:
    farm.start_daemon()
    farm.add_node("workshop", printers.sections())
    order_id = order(farm, small_program())
    hands = Hands(farm, printers)
    some_good(farm, order_id, hands, 1)
    farm.daemon.kill()
    time.sleep(3)  # the node prints on and its journal grows
    farm.start_daemon()
    hands.until_met(order_id)

    jobs = check_counts(farm, order_id, printers)
    assert sum(printer["parts_finished"] for printer in printers.truth()) == len(jobs)


def test_the_order_is_exact_although_the_broker_is_killed_in_the_middle(farm: LocalFarm, printers: VirtualPrinters) -> None:
    farm.start_daemon()
    farm.add_node("workshop", printers.sections())
    order_id = order(farm, small_program())
    hands = Hands(farm, printers)
    some_good(farm, order_id, hands, 1)
    assert farm.daemon.process is not None
    brokers = [child for child in children(farm.daemon.process.pid) if "mosquitto" in command_line(child)]
    assert len(brokers) == 1
    os.kill(brokers[0], signal.SIGKILL)
    hands.until_met(order_id)
    check_counts(farm, order_id, printers)


def test_the_order_is_exact_although_the_node_is_killed_in_the_middle(farm: LocalFarm, printers: VirtualPrinters) -> None:
    farm.start_daemon()
    farm.add_node("workshop", printers.sections())
    order_id = order(farm, small_program())
    hands = Hands(farm, printers)
    some_good(farm, order_id, hands, 1)
    farm.nodes["workshop"].kill()
    time.sleep(1)
    farm.nodes["workshop"].start()
    met = hands.until_met(order_id)
    # what was cut short is scrap or was thrown away: good is exact all the same, and nothing was printed onto a part
    assert met["good"] == QUANTITY
    assert all(printer["collisions"] == 0 for printer in printers.truth())


def test_the_fallback_broker_carries_an_order_too(tmp_path: Path, printers: VirtualPrinters) -> None:
    with LocalFarm(tmp_path, speed=SPEED, broker="embedded", farm={"report_every_s": 20.0}) as farm:
        farm.start_daemon()
        assert "embedded" in farm.get("/farm")["broker"]
        farm.add_node("workshop", printers.sections())
        order_id = order(farm, small_program())
        Hands(farm, printers).until_met(order_id)
        check_counts(farm, order_id, printers)
