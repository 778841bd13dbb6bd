"""Two independent brokers that are not ours: nodes walk the list, the daemon is on both, and what they remember means nothing."""

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from farm.bus.client import Login
from farm.bus.topics import Stream, topic
from farm.commands.local_farm import LocalFarm
from farm.node.join import load_identity
from tests.integration.bus import client
from tests.integration.mosquittos import OwnMosquitto, own_mosquittos
from tests.integration.small_program import small_program
from tests.integration.test_chain import Hands, check_counts, order, some_good
from tests.patience import PATIENCE_S
from tests.virtual_printers import VirtualPrinters

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("chain")]
SPEED = 20.0
DAEMON_PASSWORD = "the daemon's own"


@pytest.fixture
def printers(tmp_path: Path) -> Iterator[VirtualPrinters]:
    with VirtualPrinters(tmp_path, count=2, speed=SPEED) as virtual:
        yield virtual


@pytest.fixture
def brokers(tmp_path: Path) -> Iterator[tuple[list[OwnMosquitto], Path]]:
    with own_mosquittos(tmp_path, 2) as started:
        yield started


@pytest.fixture
def farm(tmp_path: Path, brokers: tuple[list[OwnMosquitto], Path]) -> Iterator[LocalFarm]:
    both, users_file = brokers
    password = tmp_path / "password"
    password.write_text(DAEMON_PASSWORD)
    environment = {
        "FARM_BROKER__URLS": json.dumps([broker.url for broker in both]),
        "FARM_BROKER__PASSWORD_FILE": str(password),
        "FARM_BROKER__USERS_FILE": str(users_file),
    }
    settings = {"report_every_s": 20.0}
    with LocalFarm(tmp_path, speed=SPEED, broker="external", farm=settings, environment=environment) as local:
        yield local


def alarms(farm: LocalFarm) -> dict[str, str]:
    return {alarm["code"]: alarm["text"] for alarm in farm.get("/alarms")}


def test_a_broker_is_killed_and_the_node_walks_to_the_other(
    farm: LocalFarm, brokers: tuple[list[OwnMosquitto], Path], printers: VirtualPrinters
) -> None:
    (first, second), _ = brokers
    farm.start_daemon()
    farm.add_node("workshop", printers.sections())
    order_id = order(farm, small_program())
    hands = Hands(farm, printers)
    some_good(farm, order_id, hands, 1)
    assert load_identity(farm.folder / "node-workshop").mqtt_urls == [first.url, second.url]

    first.kill()  # the node's: it is the first of its list
    farm.wait_until(lambda: "broker-partly-lost" in alarms(farm), what="the alarm", timeout_s=PATIENCE_S)
    assert f"1 of 2 brokers is connected; not 127.0.0.1:{first.port}" in alarms(farm)["broker-partly-lost"]
    assert farm.answers("/readyz")
    hands.until_met(order_id)
    check_counts(farm, order_id, printers)
    assert f"127.0.0.1:{second.port}" in (farm.folder / "node-workshop.log").read_text()

    first.start()
    farm.wait_until(lambda: "broker-partly-lost" not in alarms(farm), what="the alarm to end", timeout_s=PATIENCE_S)
    second.kill()  # now it walks back
    again = order(farm, small_program(), 2)
    Hands(farm, printers).until_met(again)
    assert farm.get(f"/orders/{again}")["good"] == 2


def test_both_come_back_empty_or_with_what_is_stale(
    farm: LocalFarm, brokers: tuple[list[OwnMosquitto], Path], printers: VirtualPrinters
) -> None:
    (first, second), _ = brokers
    farm.start_daemon()
    farm.add_node("workshop", printers.sections())
    order_id = order(farm, small_program())
    hands = Hands(farm, printers)
    some_good(farm, order_id, hands, 1)

    for broker in (first, second):
        broker.kill()
    farm.wait_until(lambda: "broker-lost" in alarms(farm), what="the alarm", timeout_s=PATIENCE_S)
    assert alarms(farm)["broker-lost"].startswith("None of 2 brokers is connected")
    assert not farm.answers("/readyz")
    time.sleep(3)  # the node prints on and its journal grows
    for broker in (first, second):
        broker.start()
    some_good(farm, order_id, hands, 3)

    plant_stale(farm, second)
    farm.daemon.kill()
    first.kill()  # the node walks to what is stale, and so does the daemon that starts afresh
    farm.start_daemon()
    hands.until_met(order_id)
    jobs = check_counts(farm, order_id, printers)
    assert sum(printer["parts_finished"] for printer in printers.truth()) == len(jobs)
    assert "stale" not in {job["allocation"] for job in jobs}


def plant_stale(farm: LocalFarm, broker: OwnMosquitto) -> None:
    """Leave on `broker`, as if kept there for long: an old desired state that allows five jobs more, and an old report."""
    identity = load_identity(farm.folder / "node-workshop")
    printer = farm.get("/printers")[0]["id"]
    program = farm.get("/programs")[0]
    allowed: dict[str, Any] = {
        "id": "stale", "order": farm.get("/orders")[0]["id"], "revision": program["revision"], "jobs": 5, "autonomy_s": 43_200,
        "program": {"sha256": program["sha256"], "size_bytes": program["size_bytes"], "parts": 1, "estimated_s": 60},
    }  # fmt: skip
    desired = {"v": 1, "generation": 0, "version": 999, "printers": {printer: [allowed]}}
    older = {"v": 1, "generation": 1, "version": 1, "printers": {printer: [allowed]}}
    report = {
        "v": 1, "generation": 0, "desired_version": 0, "boot": 0, "report": 1,
        "journal": {"epoch": "long-ago", "oldest": 1, "head": 0}, "printers": [],
    }  # fmt: skip

    async def plant() -> None:
        async with client([broker.url], Login("daemon", DAEMON_PASSWORD, client_id="planter")) as daemon:
            for message in (desired, older):
                await daemon.publish(topic(identity.node, Stream.DESIRED), json.dumps(message).encode(), qos=1, retain=True)
        login = Login(identity.node, identity.password, client_id="planter-of-node")
        async with client([broker.url], login) as node:
            await node.publish(topic(identity.node, Stream.REPORT), json.dumps(report).encode(), qos=1, retain=True)

    asyncio.run(plant())
