"""A maker's computer joins by code over TLS, produces, and can touch nothing that is not its own."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from farm.bus.broker import find_mosquitto
from farm.bus.client import BusClient, Callbacks, Login, Received
from farm.bus.topics import Stream, topic
from farm.commands.local_farm import LocalFarm
from farm.node.join import Identity, load_identity
from tests.integration.command_line import run_farm
from tests.integration.network import OtherHost, other_host
from tests.integration.real import require
from tests.integration.small_program import small_program
from tests.patience import PATIENCE_S
from tests.virtual_printers import VirtualPrinters

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("chain")]

SPEED = 20.0


@pytest.fixture
def host() -> Iterator[OtherHost]:
    with other_host() as made:
        yield made


async def listens(identity: Identity, topics: list[str], publish: tuple[str, bytes]) -> list[str]:
    """Log in as a node, subscribe to `topics`, say one thing, and return the topics of what arrives within two seconds."""
    heard: list[str] = []

    def take(message: Received) -> None:
        heard.append(message.topic)
        message.acknowledge()

    login = Login(identity.node, identity.password)
    client = BusClient(identity.mqtt_urls, login, Callbacks(on_message=take), subscriptions=topics, ca_file=identity.ca_file)
    client.start()
    try:
        await client.wait_connected(PATIENCE_S)
        await client.publish(publish[0], publish[1], qos=1)
        await asyncio.sleep(2)
    finally:
        await client.close()
    return heard


def test_a_node_on_another_host_joins_over_tls_and_is_fenced_in(tmp_path: Path, host: OtherHost) -> None:
    require("mosquitto", find_mosquitto() is not None)
    with (
        VirtualPrinters(tmp_path, count=2, speed=SPEED) as printers,
        LocalFarm(tmp_path, host=host.inside, speed=SPEED, broker="mosquitto") as farm,
    ):
        farm.start_daemon()
        assert farm.url.startswith("https://")
        farm.add_node("workshop", printers.sections()[:1])
        farm.add_node("home", printers.sections()[1:], prefix=host.prefix)
        farm.add_program(small_program(), design="square", revision="square-1", profile="generic-210", parts=1, material="PLA")
        order = farm.post("/orders", {"design": "square", "quantity": 4})["id"]

        def met() -> bool:
            farm.be_the_hands()
            return bool(farm.get(f"/orders/{order}")["state"] == "met")

        farm.wait_until(met, what="the order to be met", timeout_s=240)
        jobs = farm.get("/jobs", order=order)
        assert {job["node"] for job in jobs} == {node["id"] for node in farm.get("/nodes") if node["name"] in {"workshop", "home"}}

        mine, other = load_identity(tmp_path / "node-home"), load_identity(tmp_path / "node-workshop")
        assert mine.mqtt_urls[0].startswith("mqtts://")
        farm.nodes["home"].end()  # its client id is free now
        forged = topic(other.node, Stream.LINK), json.dumps({"v": 1, "connection": 9_999_999_999_999, "online": False}).encode()
        foreign = [topic(other.node, stream) for stream in Stream] + ["#", "farm/v1/dn/+/#"]
        heard = asyncio.run(listens(mine, foreign, forged))
        assert [name for name in heard if f"/{mine.node}/" not in name] == []
        nodes = {node["id"]: node for node in farm.get("/nodes")}
        assert nodes[other.node]["online"]


def test_a_code_works_once_and_without_its_pin_not_at_all(tmp_path: Path, host: OtherHost) -> None:
    require("mosquitto", find_mosquitto() is not None)
    with LocalFarm(tmp_path, host=host.inside, broker="mosquitto") as farm:
        farm.start_daemon()
        code = farm.invite("Eve")
        without_pin = run_farm("node", "join", farm.url, code.partition(".")[0], "--data", tmp_path / "a")
        assert without_pin.code != 0
        assert not (tmp_path / "a" / "identity.json").exists()
        assert run_farm("node", "join", farm.url, code, "--data", tmp_path / "b").code == 0
        again = run_farm("node", "join", farm.url, code, "--data", tmp_path / "c")
        assert again.code != 0
        assert "code" in again.err


def test_beyond_loopback_nothing_is_answered_without_the_token(tmp_path: Path, host: OtherHost) -> None:
    require("mosquitto", find_mosquitto() is not None)
    with LocalFarm(tmp_path, host=host.inside, broker="mosquitto") as farm:
        farm.start_daemon()
        authority = farm.data / "keys" / "ca.pem"
        refused = run_farm("status", "--url", farm.url, "--ca-file", authority, FARM_DATA=str(tmp_path / "elsewhere"))
        assert refused.code != 0
        assert "token" in refused.err


def test_a_node_that_was_removed_joins_again_in_its_folder_and_prints(tmp_path: Path) -> None:
    with VirtualPrinters(tmp_path, count=1, speed=SPEED) as printers, LocalFarm(tmp_path, speed=SPEED, broker="embedded") as farm:
        farm.start_daemon()
        farm.add_node("workshop", printers.sections())
        farm.add_program(small_program(), design="square", revision="square-1", profile="generic-210", parts=1, material="PLA")

        def make(quantity: int) -> None:
            order = farm.post("/orders", {"design": "square", "quantity": quantity})["id"]

            def met() -> bool:
                farm.be_the_hands()
                assert [alarm for alarm in farm.get("/farm")["alarms"] if alarm["code"] == "fenced"] == []
                return bool(farm.get(f"/orders/{order}")["state"] == "met")

            farm.wait_until(met, what="the order to be met", timeout_s=120)

        make(2)
        folder = tmp_path / "node-workshop"
        before = load_identity(folder)
        farm.nodes["workshop"].end()
        assert run_farm("nodes", "remove", before.node, "--last", "--yes", "--url", farm.url).code == 0
        assert run_farm("node", "join", farm.url, farm.invite("workshop"), "--data", folder, "--again").code == 0
        assert load_identity(folder).node != before.node
        farm.nodes["workshop"].start()
        make(1)
        assert {load_identity(folder).node} == {job["node"] for job in farm.get("/jobs")} - {before.node}
