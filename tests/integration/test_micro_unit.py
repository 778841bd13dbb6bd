"""A micro-unit without its farm: daemon and broker are gone, three printers go on, people collect at the node. Counts are exact."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from farm.addresses import free_port
from farm.bus.broker import find_mosquitto
from farm.commands.local_farm import LocalFarm
from farm.config import NodeSettings, load
from farm.errors import ConflictError, UnreachableError
from farm.node.page.client import PageClient
from tests.bench.processes import children
from tests.integration.real import require
from tests.integration.small_program import small_program
from tests.integration.test_chain import PATIENCE_S, SPEED, Hands, check_counts, order
from tests.virtual_printers import VirtualPrinters

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("chain")]

QUANTITY = 24
PRINTERS = 3


@pytest.fixture
def printers(tmp_path: Path) -> Iterator[VirtualPrinters]:
    with VirtualPrinters(tmp_path, count=PRINTERS, speed=SPEED) as virtual:
        yield virtual


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[LocalFarm]:
    require("mosquitto", find_mosquitto() is not None)
    with LocalFarm(tmp_path, speed=SPEED, broker="mosquitto", farm={"report_every_s": 20.0}) as local:
        yield local


class Unit:
    """The people beside the printers: they have the node's page and their hands, and nothing else."""

    def __init__(self, farm: LocalFarm, printers: VirtualPrinters) -> None:
        farm.add_node("unit", printers.sections(), page_port=free_port())
        self.farm, self.printers = farm, printers
        self.collected: dict[str, int] = {}
        farm.wait_until(self._answers, what="the node's page", child=farm.nodes["unit"])

    def _answers(self) -> bool:
        settings = load(NodeSettings, self.farm.folder / "node-unit.toml")
        self.page = PageClient(settings)
        try:
            return len(self.page.state()["printers"]) == PRINTERS
        except UnreachableError:
            return False

    def all_work_with_more_to_come(self) -> bool:
        """Nothing is collected meanwhile, so that it stays so: each bed has a job, under way or ended, and another waits for it."""
        rows = self.page.state()["printers"]
        for row in rows:
            if row["occupation"] is not None and row["occupation"]["kind"] == "unknown":
                self.page.post("clear", {"printer": row["id"], "occupation": row["occupation"]["id"]})
        return all(row["occupation"] is not None and row["occupation"]["kind"] == "job" and row["waiting"] >= 1 for row in rows)

    def lend_a_hand(self) -> list[dict[str, Any]]:
        """Clear what is unknown, collect what has ended, each of it twice: people click twice. Return how things stand."""
        state = self.page.state()
        for printer in state["printers"]:
            occupation = printer["occupation"]
            if occupation is None or (occupation["kind"] == "job" and occupation["outcome"] is None):
                continue
            if occupation["kind"] == "job":
                self._collect(printer, occupation)
            elif printer["state"] == "idle":
                self.page.post("clear", {"printer": printer["id"], "occupation": occupation["id"]})
        rows: list[dict[str, Any]] = state["printers"]
        return rows

    def _collect(self, printer: dict[str, Any], occupation: dict[str, Any]) -> None:
        assert occupation["outcome"] == "printed"
        self.printers.control(int(printer["name"].split()[1]), remove_parts=True)
        body = {"printer": printer["id"], "job": occupation["id"], "good": 1, "scrap": 0}
        self.page.post("collect", body)
        with pytest.raises(ConflictError):
            self.page.post("collect", body)
        self.collected[printer["name"]] = self.collected.get(printer["name"], 0) + 1


def test_a_unit_goes_on_on_all_printers_and_its_people_collect_while_the_farm_is_gone(
    farm: LocalFarm, printers: VirtualPrinters
) -> None:
    farm.start_daemon()
    unit = Unit(farm, printers)
    order_id = order(farm, small_program(), QUANTITY)

    farm.wait_until(unit.all_work_with_more_to_come, what="work for all three", timeout_s=PATIENCE_S)
    assert farm.daemon.process is not None
    broker = children(farm.daemon.process.pid)
    farm.daemon.kill()
    farm.wait_until(lambda: not any(Path(f"/proc/{child}").exists() for child in broker), what="the end of the broker", child=None)
    before = dict(unit.collected)
    left = sum(printer["waiting"] + 1 for printer in unit.page.state()["printers"])

    def nothing_left() -> bool:
        rows = unit.lend_a_hand()
        return all(row["waiting"] == 0 and row["occupation"] is None for row in rows)

    farm.wait_until(nothing_left, what="everything that was allocated", child=farm.nodes["unit"], timeout_s=PATIENCE_S)
    alone = {name: count - before.get(name, 0) for name, count in unit.collected.items()}
    assert min(alone.values()) >= 2, "each went on to its next job without the farm"
    assert sum(alone.values()) >= left - PRINTERS
    state = unit.page.state()
    assert state["farm"]["online"] is False
    assert state["farm"]["untold"] >= 2 * sum(alone.values())

    farm.start_daemon()
    farm.wait_until(
        lambda: bool(farm.get(f"/orders/{order_id}")["good"] >= sum(unit.collected.values())), what="what the unit made"
    )
    assert farm.get(f"/orders/{order_id}")["good"] == sum(unit.collected.values())
    Hands(farm, printers).until_met(order_id)
    jobs = check_counts(farm, order_id, printers, QUANTITY)
    assert sum(printer["parts_finished"] for printer in printers.truth()) == len(jobs) == QUANTITY
    by_page = [job for job in jobs if job["collected_by"] == "the node's page"]
    assert len(by_page) == sum(unit.collected.values())


def test_after_a_restart_of_the_agent_without_the_farm_people_say_go_on(farm: LocalFarm, printers: VirtualPrinters) -> None:
    farm.start_daemon()
    unit = Unit(farm, printers)
    order_id = order(farm, small_program(), QUANTITY)
    farm.wait_until(unit.all_work_with_more_to_come, what="work for all three", timeout_s=PATIENCE_S)
    farm.daemon.kill()
    farm.nodes["unit"].end()
    farm.nodes["unit"].start()
    farm.wait_until(unit._answers, what="the page again", child=farm.nodes["unit"])
    state = unit.page.state()
    assert state["farm"]["contact_age_s"] is None
    time.sleep(2)
    for number in range(1, PRINTERS + 1):
        printers.control(number, remove_parts=True)

    def beds_are_clear() -> bool:
        rows = unit.page.state()["printers"]
        for row in rows:
            if row["occupation"] is not None and row["state"] == "idle":
                unit.page.post("clear", {"printer": row["id"], "occupation": row["occupation"]["id"]})
        return all(row["occupation"] is None for row in rows)

    farm.wait_until(beds_are_clear, what="clear beds", timeout_s=PATIENCE_S)
    assert all(row["state"] == "idle" for row in unit.page.state()["printers"]), "nothing starts without contact"
    said = unit.page.post("go-on", {"sure": True, "by": "Anna"})
    assert said["farm"]["by_person"] is True
    farm.wait_until(
        lambda: all(row["occupation"] is not None for row in unit.page.state()["printers"]), what="starts", timeout_s=PATIENCE_S
    )
    farm.start_daemon()
    met = Hands(farm, printers).until_met(order_id)
    assert met["good"] >= QUANTITY
    assert all(printer["collisions"] == 0 for printer in printers.truth())
