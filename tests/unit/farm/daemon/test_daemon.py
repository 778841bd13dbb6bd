"""A whole daemon: started, refused, stopped. With a real mosquitto."""

import asyncio
import json
import os
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from farm.addresses import free_port
from farm.bus import messages
from farm.bus.broker import find_mosquitto
from farm.bus.client import BusClient, Callbacks, Login, Received
from farm.bus.topics import Stream, node_subscription
from farm.clock import Clock
from farm.config import BrokerSection, DaemonSettings, FarmSettings, HttpSection
from farm.daemon import Daemon
from farm.daemon.control import PEOPLE
from farm.daemon.daemon import check_broker_ports, people_secret, rules_for
from farm.daemon.generation import GenerationFile
from farm.daemon.lock import DataLock
from farm.errors import ConfigurationError, UnreachableError
from farm.request_bodies import EnrolmentClaim, InviteRequest
from tests.integration.bus import until
from tests.integration.real import require
from tests.patience import PATIENCE_S

real = pytest.mark.real


def settings(folder: Path, *, host: str = "127.0.0.1", port: int | None = None) -> DaemonSettings:
    require("mosquitto", find_mosquitto() is not None)
    broker = BrokerSection(kind="mosquitto", port=port or free_port(), tls_port=free_port())
    return DaemonSettings(data=folder / "data", broker=broker, http=HttpSection(host=host, names=["farm.example"]))


@real
async def test_it_starts_is_ready_and_leaves_nothing_running(tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    async with Daemon(chosen, Clock()) as daemon:
        assert daemon.control.health().ready
        assert daemon.control.snapshot().generation == 1
        before = asyncio.all_tasks()
        assert len(before) > 1
    assert asyncio.all_tasks() == {asyncio.current_task()}
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # nobody listens; old connections may linger
        probe.bind(("127.0.0.1", chosen.broker.port))


async def test_when_no_external_broker_answers_the_operator_is_told_which_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("farm.daemon.daemon._BUS_START_S", 1.0)
    (tmp_path / "password").write_text("x")
    urls = [f"mqtt://127.0.0.1:{free_port()}" for _ in range(2)]
    broker = BrokerSection(kind="external", urls=urls, password_file=tmp_path / "password")
    with pytest.raises(UnreachableError) as refused:
        async with Daemon(DaemonSettings(data=tmp_path / "data", broker=broker), Clock()):
            pass
    assert all(url.removeprefix("mqtt://") in refused.value.detail for url in urls)
    assert "[broker] urls" in refused.value.detail
    assert refused.value.next_step.startswith("Start one of them")
    assert refused.value.detail_fr.startswith("Aucun des courtiers que nomme [broker] urls de farm.toml ne peut être joint. ")
    assert all(f"Aucun courtier ne répond à {url.removeprefix('mqtt://')} : " in refused.value.detail_fr for url in urls)


@real
async def test_a_second_daemon_on_the_same_folder_is_refused_and_disturbs_nothing(tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    async with Daemon(chosen, Clock()) as first:
        with pytest.raises(ConfigurationError, match="Another daemon"):
            async with Daemon(chosen, Clock()):
                pass
        assert first.control.health().ready


@real
async def test_who_gives_up_while_the_folder_is_locked_leaves_it_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    locking, go_on = threading.Event(), threading.Event()

    class Slow(DataLock):
        def __init__(self, folder: Path) -> None:
            locking.set()
            assert go_on.wait(PATIENCE_S)
            super().__init__(folder)

    chosen = settings(tmp_path)
    monkeypatch.setattr("farm.daemon.daemon.DataLock", Slow)
    starting = asyncio.create_task(Daemon(chosen, Clock()).__aenter__())
    await until(locking.is_set)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    go_on.set()
    await asyncio.get_running_loop().shutdown_default_executor()
    DataLock(chosen.data).release()  # raises when somebody has it


@real
async def test_a_port_in_use_is_named_and_nothing_is_left_half_done(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_port()))  # one that no connection of others gets while the broker starts
        taken.listen()
        chosen = settings(tmp_path, port=taken.getsockname()[1])
        with pytest.raises(ConfigurationError) as refused:
            async with Daemon(chosen, Clock()):
                pass
    assert refused.value.code == "port-in-use"
    assert not chosen.data.exists(), "not even the folder was made"
    async with Daemon(chosen, Clock()) as daemon:  # the lock was released
        assert daemon.control.health().ready


async def test_a_folder_that_cannot_be_used_is_refused_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(ConfigurationError):
        async with Daemon(DaemonSettings(data=tmp_path / "data"), Clock()):
            pass


@real
async def test_a_node_joins_and_is_told_what_it_should_hold(tmp_path: Path) -> None:
    async with Daemon(settings(tmp_path), Clock()) as daemon:
        invited = await daemon.control.invite(InviteRequest())
        grant = await daemon.control.claim(EnrolmentClaim(code=invited.code, name="bench"))
        assert grant.ca_pem is None
        heard: asyncio.Queue[Received] = asyncio.Queue()
        client = BusClient(
            grant.mqtt_urls,
            Login(grant.node, grant.password),
            Callbacks(heard.put_nowait),
            subscriptions=[node_subscription(grant.node)],
        )
        client.start()
        try:
            await client.wait_connected(PATIENCE_S)
            place = messages.JournalPosition(epoch="e1", oldest=1, head=0)
            await client.say(
                grant.node, Stream.REPORT, messages.Report(generation=0, desired_version=0, boot=1, report=1, journal=place)
            )
            topics: set[str] = set()
            while not {"desired", "ack"} <= topics:
                message = await asyncio.wait_for(heard.get(), PATIENCE_S)
                topics.add(message.topic.rsplit("/", 1)[1])
                message.acknowledge()
        finally:
            await client.close()


@real
async def test_people_have_a_node_whose_password_outlives_the_daemon(tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    async with Daemon(chosen, Clock()) as daemon:
        first = daemon.people_identity()
        assert daemon.control.authenticate_node(PEOPLE, first.password)
        assert (first.node, first.mqtt_urls) == (PEOPLE, [f"mqtt://127.0.0.1:{chosen.broker.port}"])
    async with Daemon(chosen, Clock()) as daemon:
        assert daemon.people_identity() == first
        assert [node.id for node in daemon.control.nodes()] == [PEOPLE]


@real
async def test_the_generation_has_a_file_and_an_old_database_is_noticed_by_it(tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    file = GenerationFile(chosen.data)
    async with Daemon(chosen, Clock()) as daemon:
        assert (file.read(), daemon.control.snapshot().healing) == (1, None)
    file.raise_to(4)  # as after three restores, and then an old copy of the database was put here by hand
    async with Daemon(chosen, Clock()) as daemon:
        view = daemon.control.snapshot()
        assert (view.generation, file.read()) == (5, 5)
        assert view.healing is not None
        assert (view.healing.why, view.healing.missing) == ("put-back", ["People"])
        assert "restoring" in {alarm.code for alarm in view.alarms}
    async with Daemon(chosen, Clock()) as daemon:
        assert daemon.control.snapshot().generation == 5, "an ordinary start changes nothing"
        assert daemon.control.snapshot().healing is not None, "it is remembered until all is told"


@real
async def test_a_restored_database_knows_the_peoples_present_password(tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    async with Daemon(chosen, Clock()):
        pass
    secret = chosen.data / "people.secret"
    secret.unlink()  # the backup was made before this one
    async with Daemon(chosen, Clock()) as daemon:
        assert daemon.control.authenticate_node(PEOPLE, secret.read_text("ascii"))
        assert daemon.control.authenticate_node(PEOPLE, daemon.people_identity().password)


@real
async def test_beyond_loopback_nodes_join_over_tls_with_the_farms_own_authority(tmp_path: Path) -> None:
    chosen = settings(tmp_path, host="0.0.0.0")
    async with Daemon(chosen, Clock()) as daemon:
        invited = await daemon.control.invite(InviteRequest())
        assert "." in invited.code
        assert invited.command.startswith("farm node join https://farm.example:8080 ")
        grant = await daemon.control.claim(EnrolmentClaim(code=invited.code, name="bench"))
        assert grant.mqtt_urls[0] == f"mqtts://farm.example:{chosen.broker.tls_port}"
        assert all(url.startswith("mqtts://") for url in grant.mqtt_urls)
        assert grant.ca_pem == daemon.control.authority_pem
        assert grant.ca_pem is not None
        assert "BEGIN CERTIFICATE" in grant.ca_pem


@pytest.mark.parametrize("which", ["port", "tls_port"])
def test_both_ports_of_the_broker_are_looked_at_before_anything_is_made(tmp_path: Path, which: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = {"port": free_port(), "tls_port": free_port(), which: taken.getsockname()[1]}
        chosen = DaemonSettings(data=tmp_path / "data", broker=BrokerSection(**ports), http=HttpSection(host="0.0.0.0"))
        with pytest.raises(ConfigurationError, match=f"Set another {which} in"):
            check_broker_ports(chosen)
        local = chosen.model_copy(update={"http": HttpSection()})
        if which == "tls_port":
            check_broker_ports(local)  # without TLS nobody listens there
        external = chosen.model_copy(update={"broker": chosen.broker.model_copy(update={"kind": "external"})})
        check_broker_ports(external)  # it is not ours
    check_broker_ports(chosen)


def test_what_a_broker_of_ours_may_still_hold_is_looked_at_later(tmp_path: Path) -> None:
    (tmp_path / "broker").mkdir()
    (tmp_path / "broker" / "broker.pid").write_text("")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        check_broker_ports(DaemonSettings(data=tmp_path, broker=BrokerSection(port=taken.getsockname()[1])))


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-machine.invalid"])
def test_an_address_of_another_machine_is_called_that(tmp_path: Path, host: str) -> None:
    broker = BrokerSection(port=free_port(), tls_port=free_port())
    with pytest.raises(ConfigurationError, match=f"{host} is no name or address of this machine") as refused:
        check_broker_ports(DaemonSettings(data=tmp_path, broker=broker, http=HttpSection(host=host)))
    assert "[http] host" in refused.value.next_step


@pytest.mark.parametrize(
    ("host", "listens", "urls"),
    [
        ("192.0.2.5", "192.0.2.5", ["mqtts://farm.example:9001", "mqtts://192.0.2.5:9001"]),
        ("2001:db8::5", "2001:db8::5", ["mqtts://farm.example:9001", "mqtts://[2001:db8::5]:9001"]),
        ("0.0.0.0", "", None),
        ("::", "", None),
    ],
)
async def test_the_broker_listens_where_the_api_does_and_nodes_are_told_of_nothing_else(
    tmp_path: Path, host: str, listens: str, urls: list[str] | None
) -> None:
    http = HttpSection(host=host, names=["farm.example"])
    daemon = Daemon(DaemonSettings(data=tmp_path, broker=BrokerSection(tls_port=9001), http=http), Clock())
    listener = await daemon._prepare_tls()
    assert listener is not None
    assert (listener.host, listener.port) == (listens, 9001)
    told = daemon._reach.mqtt_urls
    assert told == urls if urls is not None else f"mqtts://{socket.gethostname()}:9001" in told
    assert daemon._reach.farm_url == "https://farm.example:8080"


def test_the_peoples_password_is_private_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "people.secret"
    secret = people_secret(path)
    assert people_secret(path) == secret
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_password_file_that_cannot_be_read_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "people.secret").mkdir()
    with pytest.raises(ConfigurationError):
        people_secret(tmp_path / "people.secret")


@pytest.mark.parametrize(
    ("report_every_s", "factor", "suspect_after_s"), [(30.0, 1.0, 90.0), (120.0, 1.0, 360.0), (30.0, 1_000.0, 3_000.0)]
)
def test_three_reports_may_be_missed_and_a_fast_clock_does_not_hurry_the_network(
    report_every_s: float, factor: float, suspect_after_s: float
) -> None:
    rules = rules_for(FarmSettings(report_every_s=report_every_s), Clock(factor))
    assert rules.suspect_after_s == suspect_after_s


async def test_a_loop_that_ends_is_told_of_and_one_that_is_ended_is_not(tmp_path: Path) -> None:
    daemon = Daemon(DaemonSettings(data=tmp_path / "data"), Clock())
    told: list[BaseException | None] = []

    async def dies() -> None:
        raise KeyError("unforeseen")

    async def lasts() -> None:
        await asyncio.Event().wait()

    daemon._keep_running(dies, told.append)
    daemon._keep_running(lasts, told.append)
    await until(lambda: bool(told))
    assert [repr(error) for error in told] == ["KeyError('unforeseen')"]
    await daemon._stack.aclose()
    await asyncio.sleep(0)
    assert len(told) == 1


@pytest.mark.parametrize(("factor", "patience_s"), [(1.0, 300.0), (30.0, 300.0), (600.0, 6_000.0)])
def test_a_fast_clock_gives_a_node_no_less_real_time_to_fetch_and_start(factor: float, patience_s: float) -> None:
    assert rules_for(FarmSettings(), Clock(factor)).start_patience_s == patience_s


def test_the_daemon_does_not_load_what_it_may_never_need() -> None:
    script = "import sys, json, farm.daemon; print(json.dumps(sorted(sys.modules)))"
    answer = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        check=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )
    loaded = set(json.loads(answer.stdout))
    assert not loaded & {"cryptography", "amqtt", "numpy", "fastapi", "octorest", "serial", "websockets"}
