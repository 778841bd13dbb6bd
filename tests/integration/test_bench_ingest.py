"""`./farm.sh bench ingest` with tiny numbers: what it measures is what happened."""

from pathlib import Path

import pytest

from farm.bus.broker import find_mosquitto
from farm.store.writer import Store
from tests.bench import ingest
from tests.bench.journals import GENERATION, SimulatedFarm, make_farm, write_journals
from tests.bench.mqtt import LightClient, packet
from tests.bench.swarm import Member
from tests.integration.real import require

FACTS = 90  # two messages: 64 and 26
pytestmark = pytest.mark.real


@pytest.fixture(autouse=True)
def needs_mosquitto() -> None:
    require("mosquitto", find_mosquitto() is not None)


def small_farm() -> SimulatedFarm:
    simulated = make_farm(3, 2, 6, jobs=1_000, orders=2)
    write_journals(simulated, FACTS)
    return simulated


async def test_every_fact_is_committed_and_its_wait_is_measured(tmp_path: Path) -> None:
    simulated = small_farm()
    found = await ingest.ingest(simulated, tmp_path)
    assert found.facts_a_s > 0
    assert 0 < found.p50_s <= found.p99_s
    assert found.processor_a_fact_s > 0
    store = await Store.open(tmp_path / "farm-data")
    stored, jobs = await store.load(), await store.jobs(limit=1_000)
    await store.close()
    assert {stored.nodes[node.id].seq for node in simulated.nodes} == {FACTS}
    assert len(jobs) == 3 * FACTS / 3
    good = sum(order.good for order in stored.orders.values())
    assert good == sum(job.good for job in jobs)
    assert good == sum(job.collected for job in jobs) - sum(job.scrap for job in jobs) > 0


async def test_the_peer_counts_the_same_messages(tmp_path: Path) -> None:
    assert await ingest.count_only(small_farm(), tmp_path, facts_a_message=8) > 0


async def test_a_farm_comes_back_and_every_node_holds_what_the_store_says(tmp_path: Path) -> None:
    simulated = make_farm(4, 2, 12, jobs=3, orders=2)
    found = await ingest.come_back(simulated, tmp_path)
    assert 0 < found.first_s <= found.all_s <= found.acknowledged_s
    assert found.resident_mb > 10
    folder = tmp_path / "again"
    folder.mkdir()
    assert set(await ingest.phases(simulated, folder)) == {
        "the store is read",
        "the world is made of it",
        "the first decision",
        "all desired states are written as messages",
    }


async def test_another_desired_state_is_not_taken_for_the_right_one() -> None:
    simulated = make_farm(1, 1, 1, jobs=3)
    (node,) = simulated.nodes
    member, wanted = Member(node), ingest.expected_desired(simulated)[node.id]
    assert not ingest.held(member, wanted)
    member.desired = {**wanted, "v": 1}
    assert ingest.held(member, wanted)
    printers = wanted["printers"]
    ((printer, allocations),) = printers.items()
    others: tuple[dict[str, object], ...] = (
        {"version": 2},
        {"generation": GENERATION + 1},
        {"printers": {}},
        {"printers": {**printers, "another": []}},
        {"printers": {printer: [*allocations, *allocations]}},
        {"printers": {printer: [{**allocations[0], "jobs": 4}]}},
    )
    for wrong in others:
        member.desired = {**wanted, **wrong}
        assert not ingest.held(member, wanted)


async def test_a_flood_is_survived_and_everything_arrives(tmp_path: Path) -> None:
    daemon_mb, broker_mb, seconds = await ingest.flood(small_farm(), tmp_path, 3)
    assert daemon_mb > broker_mb > 0
    assert seconds > 0


@pytest.mark.parametrize(("size", "header"), [(0, "3000"), (127, "307f"), (128, "308001"), (16_384, "30808001")])
def test_lengths_of_packets_are_written_as_the_standard_says(size: int, header: str) -> None:
    assert packet(0x30, bytes(size)) == bytes.fromhex(header) + bytes(size)


async def test_packets_are_found_however_the_bytes_arrive() -> None:
    heard: list[tuple[str, bytes]] = []
    client = LightClient("n1", "secret", "farm/#", lambda topic, payload: heard.append((topic, payload)))
    stream = b"".join(packet(0x30, b"\x00\x01t", bytes(size)) for size in (0, 1, 200, 20_000))
    for start in range(0, len(stream), 7):
        client.data_received(stream[start : start + 7])
    assert [(topic, len(payload)) for topic, payload in heard] == [("t", 0), ("t", 1), ("t", 200), ("t", 20_000)]
    client.close()
