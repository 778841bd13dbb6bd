"""A unit of three printers is cut off for twelve hours of farm time, goes on, and reconciles exactly.

Daemon, broker and agent are real; clocks and printers run a thousand times as fast. The people at the unit collect on its own page.
"""

import ctypes
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from farm.bus.broker import find_mosquitto
from farm.commands.client import FarmClient, Target
from farm.commands.local_farm import LocalFarm
from farm.config import AUTHORITY_FILE, OPERATOR_FILE, NodeSettings, load
from farm.errors import FarmError
from farm.node.page.client import PageClient
from farm.store.writer import FILE_NAME
from tests.integration.network import OtherHost, other_host
from tests.integration.real import require
from tests.integration.small_program import small_program
from tests.torment.audit import Evidence, audit
from tests.torment.hands import Claim, Record
from tests.torment.ledgers import read_books
from tests.torment.stage import Cable
from tests.torment.watch import Watch
from tests.virtual_printers import VirtualPrinters

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("torment"), pytest.mark.timeout(500)]

SPEED = 1000.0
PRINTERS = 3
OUTAGE_S = 12 * 3600.0
MORE_S = 10 * 3600.0  # then the day of autonomy is nearly over
DWELLS = ["G4 S60"] * 55  # with heating and printing nearly an hour
QUANTITY = 108  # so that every printer is given twelve jobs at least: a sixth of what is left, each in turn
PATIENCE_S = 150.0
_NEW_NETWORK = 0x40000000  # CLONE_NEWNET, linux/sched.h


class UnitHands(threading.Thread):
    """People who stand beside the printers: they know the unit's own page and nothing of the farm."""

    def __init__(self, host: OtherHost, settings: NodeSettings, printers: VirtualPrinters) -> None:
        super().__init__(name="unit-hands", daemon=True)
        self.record = Record()
        self.by_printer: dict[str, int] = {}
        self._network = Path("/run/netns") / host.name
        self._settings = settings
        self._printers = printers
        self._ending = threading.Event()

    def stop(self) -> None:
        self._ending.set()
        self.join(30)

    def run(self) -> None:
        with self._network.open("rb") as network:  # this thread alone moves to the other host
            assert ctypes.CDLL(None, use_errno=True).setns(network.fileno(), _NEW_NETWORK) == 0
        while not self._ending.wait(0.1):
            with suppress(FarmError):
                self._look()

    def _look(self) -> None:
        page = PageClient(self._settings)
        for printer in page.state()["printers"]:
            occupation = printer["occupation"]
            if occupation is None:
                continue
            if occupation["kind"] == "unknown":
                page.post("clear", {"printer": printer["id"], "occupation": occupation["id"], "by": "people"})
            elif occupation["job"] is not None and occupation["outcome"] is not None:
                self._collect(page, printer, occupation)

    def _collect(self, page: PageClient, printer: dict[str, Any], occupation: dict[str, Any]) -> None:
        job, name = occupation["id"], printer["name"]
        claim = self.record.claims.get(job)
        if claim is None:
            number = int(name.split()[1])
            parts = self._printers.ask(number, snapshot=True)["parts"]
            standing = [part["number"] for part in parts if not part["collected"]]
            whole = sum(part["finished"] for part in parts if not part["collected"])
            self._printers.ask(number, remove_parts=True)
            claim = Claim(job, name, 1, occupation["outcome"], standing, whole, whole, 1 - whole)
            self.record.claims[job] = claim
            self.by_printer[name] = self.by_printer.get(name, 0) + 1
        page.post("collect", {"printer": printer["id"], "job": job, "good": claim.good, "scrap": claim.scrap, "by": "people"})


@pytest.fixture
def host() -> Iterator[OtherHost]:
    require("mosquitto", find_mosquitto() is not None)
    with other_host() as made:
        yield made


@pytest.fixture
def printers(tmp_path: Path) -> Iterator[VirtualPrinters]:
    with VirtualPrinters(tmp_path, count=PRINTERS, speed=SPEED) as virtual:
        yield virtual


@pytest.fixture
def farm(tmp_path: Path, host: OtherHost) -> Iterator[LocalFarm]:
    rules = {"report_every_s": 30.0, "autonomy_s": 24 * 3600.0}
    with LocalFarm(tmp_path, speed=SPEED, host=host.inside, broker="mosquitto", farm=rules) as local:
        local.start_daemon()
        yield local


@pytest.fixture
def hands(farm: LocalFarm, host: OtherHost, printers: VirtualPrinters) -> Iterator[UnitHands]:
    farm.add_node("unit", printers.sections(), prefix=host.prefix, page_port=0)
    people = UnitHands(host, load(NodeSettings, farm.folder / "node-unit.toml"), printers)
    people.start()
    yield people
    people.stop()


@pytest.fixture
def watch(farm: LocalFarm) -> Iterator[Watch]:
    samples = Watch(farm.data / FILE_NAME)
    samples.start()
    yield samples
    samples.stop()


def change_quantity(farm: LocalFarm, order: str, quantity: int) -> None:
    token = (farm.data / OPERATOR_FILE).read_text().strip()
    client = FarmClient(Target(farm.url, token, farm.data / AUTHORITY_FILE))
    client.patch(f"/orders/{order}", {"quantity": quantity})
    client.close()


def unit(farm: LocalFarm) -> dict[str, Any]:
    found: dict[str, Any] = next(node for node in farm.get("/nodes") if node["name"] == "unit")
    return found


def evidence(farm: LocalFarm, hands: UnitHands, printers: VirtualPrinters, watch: Watch) -> Evidence:
    truth = {f"virtual {number}": printers.ask(number, snapshot=True) for number in range(1, PRINTERS + 1)}
    books = read_books(farm.data / FILE_NAME, {"unit": farm.folder / "node-unit" / "ledger.sqlite"})
    return Evidence(books, hands.record, watch.seen, truth, farm.get("/farm"), farm.answers("/readyz"), [])


def test_twelve_hours_without_the_farm(
    farm: LocalFarm, host: OtherHost, printers: VirtualPrinters, hands: UnitHands, watch: Watch
) -> None:
    program = small_program(first_line="\n".join(DWELLS))
    farm.add_program(program, design="square", revision="square-1", profile="generic-210", parts=1, material="PLA")
    order = farm.post("/orders", {"design": "square", "quantity": QUANTITY})["id"]

    def all_print() -> bool:
        shown = farm.get("/printers")
        return len(shown) == PRINTERS and all(one["occupation"] and one["occupation"]["running"] for one in shown)

    farm.wait_until(all_print, what="every printer to print", timeout_s=PATIENCE_S)
    cable = Cable(host)
    cable.cut()
    before = dict(hands.by_printer)

    def collected() -> dict[str, int]:
        return {name: hands.by_printer.get(name, 0) - before.get(name, 0) for name in list(hands.by_printer)}

    time.sleep(OUTAGE_S / SPEED)
    end_s = time.monotonic() + MORE_S / SPEED  # a job lasts nearly an hour, longer where the computer is busy with other things
    while min(collected().values(), default=0) < 5 and time.monotonic() < end_s:
        time.sleep(0.1)
    during = collected()
    good = sum(before.values())  # no scrap is made: nothing breaks
    unheard = farm.get(f"/orders/{order}")
    assert not unit(farm)["online"]
    assert unheard["good"] <= good + PRINTERS  # what was under way when the cable was cut
    assert len(during) == PRINTERS
    assert min(during.values()) >= 5, during

    cable.mend()

    def told() -> bool:
        """All that was collected is counted: the reports that come first may be old ones that the cable held up."""
        healed = farm.get(f"/orders/{order}")["good"]
        return bool(healed >= good + sum(during.values()) and unit(farm)["online"] and not unit(farm)["journal_behind"])

    farm.wait_until(told, what="the unit to tell what it made", timeout_s=PATIENCE_S)
    # the rest would take an hour: as many more as are under way and a few
    change_quantity(farm, order, min(QUANTITY, farm.get(f"/orders/{order}")["good"] + 2 * PRINTERS + 1))

    def at_rest() -> bool:
        met = farm.get(f"/orders/{order}")["state"] == "met"
        clear = all(one["bed"] == "clear" and one["state"] == "idle" for one in farm.get("/printers"))
        return met and clear and not unit(farm)["journal_behind"]

    farm.wait_until(at_rest, what="the order to be met", timeout_s=PATIENCE_S)
    verdict = audit(evidence(farm, hands, printers, watch))
    assert verdict.violations == []
    assert (verdict.lost, verdict.doubled, verdict.surplus) == (0, 0, 0)
    assert verdict.good == farm.get(f"/orders/{order}")["good"]
    assert verdict.good == sum(truth["parts_finished"] for truth in printers.truth())
