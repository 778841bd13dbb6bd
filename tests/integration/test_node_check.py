"""A real daemon believes a file good, and a real node refuses it: by its owner's limits.toml, which the farm cannot change."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from farm.addresses import free_port
from farm.bus.broker import find_mosquitto
from farm.commands.local_farm import LocalFarm
from farm.config import NodeSettings, load
from farm.errors import UnreachableError
from farm.node.page.client import PageClient
from tests.bench.processes import children
from tests.integration.command_line import run_farm
from tests.integration.real import require
from tests.integration.small_program import small_program
from tests.integration.test_chain import PATIENCE_S, SPEED, Hands, order
from tests.virtual_printers import VirtualPrinters

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("chain")]

CAREFUL = "max_nozzle_c = 190\n"  # the program asks for 205


@pytest.fixture
def printers(tmp_path: Path) -> Iterator[VirtualPrinters]:
    with VirtualPrinters(tmp_path, count=2, speed=SPEED) as virtual:
        yield virtual


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[LocalFarm]:
    require("mosquitto", find_mosquitto() is not None)
    with LocalFarm(tmp_path, speed=SPEED, broker="mosquitto", farm={"report_every_s": 20.0}) as local:
        local.start_daemon()
        yield local


class Node:
    """A node with its own page, its limits.toml and the hands beside it."""

    def __init__(self, farm: LocalFarm, printers: VirtualPrinters, limits: str, count: int = 1) -> None:
        self.farm = farm
        self.limits = farm.folder / "limits.toml"
        self.limits.write_text(limits)
        self.agent = farm.add_node("home", printers.sections()[:count], page_port=free_port())
        self.hands = Hands(farm, printers)
        farm.wait_until(self._answers, what="the node's page", child=self.agent)

    def _answers(self) -> bool:
        self.page = PageClient(load(NodeSettings, self.farm.folder / "node-home.toml"))
        try:
            return bool(self.page.state()["printers"])
        except UnreachableError:
            return False

    def refused(self) -> list[dict[str, Any]]:
        """What the node's page says it refuses."""
        found = [refusal["reason"] for printer in self.page.state()["printers"] for refusal in printer["refusals"]]
        return [reason for reason in found if reason["code"] == "gcode-refused"]

    def wait_for_refusal(self) -> dict[str, Any]:
        self.farm.wait_until(
            lambda: bool(self._refused_with_hands()), what="the node to refuse", child=self.agent, timeout_s=PATIENCE_S
        )
        return self.refused()[0]

    def _refused_with_hands(self) -> list[dict[str, Any]]:
        self.hands.collect()
        return self.refused()


def why(farm: LocalFarm, order_id: str) -> list[str]:
    return [reason["code"] for reason in farm.get(f"/orders/{order_id}")["why_waiting"]]


def test_a_node_refuses_what_its_owner_does_not_allow_until_the_owner_does(farm: LocalFarm, printers: VirtualPrinters) -> None:
    node = Node(farm, printers, CAREFUL)
    wanted = order(farm, small_program(), 1)
    reason = node.wait_for_refusal()
    assert "205 > 190 °C" in reason["en"]
    assert "Ligne" in reason["fr"]
    farm.wait_until(lambda: "gcode-refused" in why(farm, wanted), what="the farm to know why", timeout_s=PATIENCE_S)
    assert farm.get("/jobs") == [], "nothing was begun"
    assert printers.truth()[0]["extruded_mm"] == 0
    shown = run_farm("node", "status", "--config", farm.folder / "node-home.toml")
    assert (shown.code, "205 > 190 °C" in shown.out) == (0, True), shown
    assert node.agent.process is not None
    pid = node.agent.process.pid
    farm.wait_until(lambda: not children(pid), what="the judge to end", timeout_s=PATIENCE_S)
    assert len(list((farm.folder / "node-home" / "checks").iterdir())) == 1, "the answer is kept"
    node.limits.write_text("max_nozzle_c = 210\n")
    assert node.hands.until_met(wanted)["good"] == 1
    assert node.refused() == []


def test_another_printer_gets_what_the_careful_one_refuses(farm: LocalFarm, printers: VirtualPrinters) -> None:
    node = Node(farm, printers, '[printers."virtual 1"]\n' + CAREFUL, count=2)
    wanted = order(farm, small_program(), 2)
    assert node.hands.until_met(wanted)["good"] == 2
    careful, other = (printers.truth()[number]["parts_finished"] for number in (0, 1))
    assert (careful, other) == (0, 2)


def test_limits_that_become_unreadable_stop_every_start(farm: LocalFarm, printers: VirtualPrinters) -> None:
    node = Node(farm, printers, "max_nozzle_c = 250\n")
    node.limits.write_text("max_nozzle_c = hot\n")
    wanted = order(farm, small_program(), 1)

    def told() -> bool:
        node.hands.collect()
        reasons = [printer["reason"] for printer in node.page.state()["printers"]]
        return any(reason is not None and reason["code"] == "limits-unreadable" for reason in reasons)

    farm.wait_until(told, what="the node to say that its limits cannot be read", child=node.agent, timeout_s=PATIENCE_S)
    assert farm.get("/jobs") == []
    node.limits.unlink()
    assert node.hands.until_met(wanted)["good"] == 1
