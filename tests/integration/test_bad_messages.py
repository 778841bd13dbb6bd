"""Messages that are not ours, of a future version, too large, out of range or about others: over real MQTT, on both sides.

A broker of an operator's own lets packets through that ours would refuse, so that our own limits are seen to hold.
"""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from farm.bus.client import BusClient, Callbacks, Login, Received
from farm.bus.messages import MAX_FACTS, is_harmful
from farm.bus.topics import Stream, node_subscription, topic
from farm.commands.local_farm import LocalFarm
from farm.node.join import Identity, load_identity
from tests.integration.bus import until
from tests.integration.command_line import run_farm
from tests.integration.mosquittos import OwnMosquitto, own_mosquittos
from tests.integration.small_program import small_program
from tests.integration.test_chain import Hands, check_counts, order, some_good
from tests.patience import PATIENCE_S
from tests.virtual_printers import VirtualPrinters

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("chain")]
SPEED = 20.0
HEARD_S = 2.0
DAEMON_PASSWORD = "the daemon's own"
SHA = "b" * 64
TOO_LARGE_BYTES = 300_000
BIGGEST_BYTES = 1_000_000  # that this broker lets through
MARKUP = "<img src=x onerror=alert(1)>"
TURNED = "\u202edrawkcab\x1b[2J"
SET_ASIDE = [2, 3, 4, 5, 6, 7, 8, 9, 10]


@pytest.fixture
def printers(tmp_path: Path) -> Iterator[VirtualPrinters]:
    with VirtualPrinters(tmp_path, count=1, speed=SPEED) as virtual:
        yield virtual


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[tuple[OwnMosquitto, Path]]:
    with own_mosquittos(tmp_path, 1, max_packet_bytes=BIGGEST_BYTES) as (brokers, users_file):
        yield brokers[0], users_file


@pytest.fixture
def farm(tmp_path: Path, broker: tuple[OwnMosquitto, Path]) -> Iterator[LocalFarm]:
    password = tmp_path / "password"
    password.write_text(DAEMON_PASSWORD)
    environment = {
        "FARM_BROKER__URLS": json.dumps([broker[0].url]),
        "FARM_BROKER__PASSWORD_FILE": str(password),
        "FARM_BROKER__USERS_FILE": str(broker[1]),
    }
    settings = {"report_every_s": 20.0}
    with LocalFarm(tmp_path, speed=SPEED, broker="external", farm=settings, environment=environment) as local:
        local.start_daemon()
        yield local


async def say(
    url: str, login: Login, messages: list[tuple[str, bytes]], subscription: str, *, answered: bool = False
) -> list[Received]:
    """Publish at QoS 1 and return what arrives within two seconds, and until something does when it is to be answered."""
    heard: list[Received] = []

    def take(message: Received) -> None:
        heard.append(message)
        message.acknowledge()

    client = BusClient([url], login, Callbacks(take), subscriptions=[subscription])
    client.start()
    try:
        await client.wait_connected(PATIENCE_S)
        connection = client._connection
        assert connection is not None
        for name, payload in messages:
            if len(payload) < TOO_LARGE_BYTES:
                await connection.send(name, payload, qos=1, retain=False)
            else:  # our own client refuses to say as much
                assert connection._client is not None
                connection._client.publish(name, payload, 1)
        await asyncio.sleep(HEARD_S)
        await until(lambda: bool(heard) or not answered)
    finally:
        await client.close()
    return heard


def reference(job: str, **more: Any) -> dict[str, Any]:
    return {"job": job, "allocation": "a-odd", "order": "o-odd", "revision": "r-odd", "program": SHA, "parts": 2, **more}


def fact(seq: int, kind: str, printer: str = "printer-odd", **more: Any) -> dict[str, Any]:
    return {"seq": seq, "kind": kind, "printer": printer, **more}


def report(**more: Any) -> dict[str, Any]:
    position = {"epoch": "e-odd", "oldest": 1, "head": 0}
    return {"v": 1, "generation": 0, "desired_version": 0, "boot": 1, "report": 1, "journal": position, "printers": [], **more}


def printer(identity: str, **more: Any) -> dict[str, Any]:
    return {"id": identity, "name": "x", "driver": "x", "profile": "generic-210", "state": "idle", "bed": "clear", **more}


def journal(*facts: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"v": 1, "epoch": "e-odd", "oldest": 1, "head": len(facts), "facts": facts, **more}).encode()


def bad_messages(node: str, foreign_printer: str) -> list[tuple[str, bytes]]:
    def of(stream: Stream, *payloads: bytes) -> list[tuple[str, bytes]]:
        return [(topic(node, stream), payload) for payload in payloads]

    def packed(**more: Any) -> bytes:
        return json.dumps(report(**more)).encode()

    too_many = journal(*(fact(number, "bed-cleared", occupation="x") for number in range(1, MAX_FACTS + 2)))
    return [
        *of(Stream.REPORT, b"", b"{", b"[]", b"null", b"\xff\xfe\x00", b"[" * 100_000, packed(v=2), packed(v="1")),
        *of(Stream.REPORT, packed(boot=-1), packed(boot=2**60), packed(printers=[printer("p")] * 200)),
        *of(Stream.REPORT, packed(printers=[printer("p", bed="lava")]), packed(printers=[printer("a/b")])),
        *of(Stream.REPORT, packed(printers=[printer("p", nozzle_mm=1e999)]), packed(printers=[printer(foreign_printer)])),
        *of(Stream.JOURNAL, b"{", journal(v=2), too_many, journal(fact(-1, "bed-cleared")), journal({"kind": "x"})),
        *of(Stream.LINK, b"{", b'{"v":1,"connection":-5,"online":true}', b'{"v":1,"connection":1,"online":"perhaps"}'),
        *of(Stream.TELEMETRY, b"{", b'{"v":1,"boot":1,"count":1,"printers":{"p":{"state":"idle","nozzle_c":1e9}}}'),
        *of(Stream.REPORT, b"x" * TOO_LARGE_BYTES),
        (f"farm/v1/up/{node}/gossip", b"{}"),
    ]


def stranger(farm: LocalFarm) -> Identity:
    """A node of the farm that does not speak as ours do."""
    folder = farm.folder / "garage"
    answer = run_farm("node", "join", farm.url, farm.invite("garage"), "--data", folder, "--name", "garage")
    assert answer.code == 0, answer
    return load_identity(folder)


def test_the_daemon_rejects_counts_names_and_goes_on(
    farm: LocalFarm, broker: tuple[OwnMosquitto, Path], printers: VirtualPrinters
) -> None:
    farm.add_node("workshop", printers.sections())
    order_id = order(farm, small_program(), 4)
    hands = Hands(farm, printers)
    some_good(farm, order_id, hands, 1)
    (known,) = farm.get("/printers")
    identity = stranger(farm)
    login, subscription = Login(identity.node, identity.password), node_subscription(identity.node)
    bad = bad_messages(identity.node, known["id"])
    asyncio.run(say(broker[0].url, login, [*bad, *bad], subscription))

    rejected = {
        "unreadable-report": 28,
        "unreadable-journal": 10,
        "unreadable-link": 6,
        "unreadable-telemetry": 4,
        "printer-of-another-node": 2,
        "too-large": 2,
        "topic": 2,
    }

    def counted() -> dict[str, int]:
        return dict(farm.get(f"/nodes/{identity.node}")["rejected"])

    farm.wait_until(
        lambda: sum(counted().values()) >= sum(rejected.values()), what="all of them to be counted", timeout_s=PATIENCE_S
    )
    assert counted() == rejected
    log = [line for line in farm.daemon.log.read_text().splitlines() if "message.rejected" in line]
    assert len(log) == len(rejected), "each reason once"
    assert all("name=garage" in line for line in log)
    assert farm.get(f"/printers/{known['id']}")["node"] != identity.node

    facts = [
        fact(1, "job-started", reference=reference("j-odd")),
        fact(2, "job-teleported", where=MARKUP),
        fact(3, "job-ended", reference=reference("j-odd", parts=0), outcome="printed"),
        fact(4, "bed-cleared", known["id"], occupation="x"),
        fact(5, "job-collected", reference=reference("j-odd"), good=2, scrap=1),
        {"seq": 6, "nothing": 1},
        fact(7, "job-" + "x" * 200),
        {"seq": 8, "kind": 8},
        {"seq": "nine", "kind": "bed-cleared", "printer": "printer-odd", "occupation": "x"},
        fact(10, f"job-{TURNED}", where=TURNED),
        fact(11, "job-ended", reference=reference("j-odd"), outcome="printed", detail=MARKUP),
    ]
    telling = (topic(identity.node, Stream.JOURNAL), journal(*facts))
    heard = asyncio.run(say(broker[0].url, login, [telling], subscription, answered=True))
    acks = [json.loads(message.payload) for message in heard if message.topic.endswith("/ack")]
    assert max(ack["seq"] for ack in acks) == len(facts), "a poisoned fact blocks nothing"
    assert farm.get("/jobs/j-odd")["outcome"] == "printed"
    check_set_aside(farm, identity.node)
    hands.until_met(order_id)
    check_counts(farm, order_id, printers, 4)
    assert "Traceback" not in farm.daemon.log.read_text()


def check_set_aside(farm: LocalFarm, node: str) -> None:
    """What could not be understood is shown as text until somebody has looked."""
    rows = farm.get("/set-aside")
    assert sorted((row["node"], row["node_name"], row["number"]) for row in rows) == [(node, "garage", n) for n in SET_ASIDE]
    assert MARKUP in next(row["content"] for row in rows if row["number"] == 2)
    assert all(row["reason"] for row in rows)
    assert not any(is_harmful(character) for row in rows for text in (row["reason"], row["content"]) for character in text)
    assert f"{len(SET_ASIDE)} facts of node garage could not be understood" in alarm_texts(farm)
    assert not any(is_harmful(character) for character in alarm_texts(farm).replace("\n", ""))
    shown = run_farm("set-aside", "--url", farm.url)
    assert shown.code == 0
    assert shown.out.count("garage, fact ") == len(SET_ASIDE)
    seen = [argument for row in rows for argument in ("--seen", row["id"])]
    assert "No fact is set aside." in run_farm("set-aside", *seen, "--url", farm.url).out
    assert "understood" not in alarm_texts(farm)


def alarm_texts(farm: LocalFarm) -> str:
    return "\n".join(alarm["text"] for alarm in farm.get("/alarms"))


def test_a_node_rejects_what_the_farm_never_says_and_goes_on(
    farm: LocalFarm, broker: tuple[OwnMosquitto, Path], printers: VirtualPrinters
) -> None:
    node = farm.add_node("workshop", printers.sections())
    order_id = order(farm, small_program(), 4)
    hands = Hands(farm, printers)
    some_good(farm, order_id, hands, 1)
    name = load_identity(farm.folder / "node-workshop").node
    allocation = {"id": "a", "order": "o", "revision": "r", "jobs": -1, "autonomy_s": 60}
    bad = {
        Stream.DESIRED: [
            b"{",
            b'{"v":2}',
            json.dumps({"v": 1, "generation": 9, "version": 9, "printers": {"p": [allocation]}}).encode(),
        ],
        Stream.ACK: [b"\xff", b'{"v":1,"generation":1,"epoch":"e","seq":-1}', b'{"v":7,"generation":1,"epoch":"e","seq":1}'],
        Stream.COMMAND: [b"{}", b'{"v":1,"generation":1,"id":"c","action":{"kind":"explode","printer":"p"}}'],
    }
    messages = [(topic(name, stream), payload) for stream, payloads in bad.items() for payload in payloads]
    messages += [(f"farm/v1/dn/{name}/gossip", b"{}"), (topic(name, Stream.DESIRED), b"x" * TOO_LARGE_BYTES)]
    login = Login("daemon", DAEMON_PASSWORD, client_id="liar")
    asyncio.run(say(broker[0].url, login, [*messages, *messages], "farm/v1/none"))

    hands.until_met(order_id)
    check_counts(farm, order_id, printers, 4)
    assert node.alive
    log = node.log.read_text()
    assert "Traceback" not in log
    logged = [line for line in log.splitlines() if "message.rejected" in line]
    for stream in ("desired", "ack", "command", "other"):
        assert any(f"stream={stream}" in line for line in logged), stream
    assert "bus.too-large" in log
