"""Puts a daemon together: lock, store, library, certificates, broker, bus and loop; takes it apart again in the other order."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

from farm import enrolment
from farm.addresses import is_loopback
from farm.bus.broker import Broker, TlsListener, check_ports, open_broker
from farm.bus.many import EveryBroker
from farm.bus.messages import Settings
from farm.bus.topics import DAEMON_SUBSCRIPTION
from farm.clock import Clock
from farm.config import DaemonSettings, FarmSettings
from farm.daemon.backups import BackupKeeper
from farm.daemon.control import PEOPLE, DaemonControl, Reach
from farm.daemon.engine import Engine, store_changes
from farm.daemon.generation import GenerationFile, settle
from farm.daemon.healing import META, Healing, HealingWhy
from farm.daemon.lock import DataLock
from farm.daemon.programs import Programs, build_space
from farm.daemon.publisher import Bus
from farm.daemon.rechecks import Rechecker
from farm.daemon.steady import SteadyClock, machine_boot, steady_clock
from farm.daemon.world import World
from farm.errors import ConfigurationError, StoreFullError, UnreachableError
from farm.keys import new_secret, verify_password, write_private
from farm.language import system_words
from farm.log import get_logger
from farm.profiles import all_profiles
from farm.store.backup import FOLDER as BACKUPS
from farm.store.backup import Backups
from farm.store.library import Library
from farm.store.repository import SetMeta, StoredFarm
from farm.store.writer import Store
from farm.threads import made
from gcode.profile import PrinterProfile
from gcode.texts import Bilingual, both
from scheduler.draft import Draft
from scheduler.model import Rules

_log = get_logger(__name__)
_BUS_START_S: Final = 15.0
_REPORTS_MISSED: Final = 3
_SUSPECT_REAL_S: Final = 3.0  # a fast clock does not make networks faster
_START_REAL_S: Final = 10.0  # ... nor the fetching of a file, nor a machine's answer
_MAX_MQTT_URLS: Final = 8
_EVERYWHERE: Final = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared, not bound


@dataclass(frozen=True, slots=True)
class PeopleIdentity:
    """Who the people's node is; the same fields as the identity of a node that joined."""

    node: str
    name: str
    farm_url: str
    mqtt_urls: list[str]
    password: str
    ca_file: Path | None = None


def rules_for(settings: FarmSettings, clock: Clock) -> Rules:
    """The figures of the contract, as the configuration sets them."""
    suspect_after_s = max(90.0, _REPORTS_MISSED * settings.report_every_s, _SUSPECT_REAL_S * clock.factor)
    return Rules(
        report_every_s=settings.report_every_s,
        autonomy_s=settings.autonomy_s,
        manual_autonomy_s=settings.manual_autonomy_s,
        clearing_s=settings.clearing_s,
        suspect_after_s=suspect_after_s,
        lapse_margin_s=max(60.0, clock.factor),
        start_patience_s=max(300.0, _START_REAL_S * clock.factor),
    )


def _tls_host(host: str) -> str:
    """Where joined nodes reach the broker when the API listens on `host`; empty: on all addresses."""
    return "" if host in _EVERYWHERE else host


def check_broker_ports(settings: DaemonSettings) -> None:
    """Find out that the broker cannot listen before a data folder is made.

    Raises:
        ConfigurationError: a port is in use, or [http] host is no address of this machine.

    """
    host = settings.http.host
    check_ports(settings.broker, settings.data / "broker", None if is_loopback(host) else _tls_host(host))


class Daemon:
    """One farm. Use it as an asynchronous context manager; `control` is there while it runs.

    Raises (on entering):
        ConfigurationError: data folder not writable or in use, port in use, broker missing, own profile wrong:
            nothing was left half done.

    """

    control: DaemonControl

    def __init__(self, settings: DaemonSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._steady = SteadyClock(clock=clock)
        self._stack = AsyncExitStack()
        self._people_secret = ""
        self._reach = Reach(settings.farm.name, "", [])
        self._broker: Broker | None = None
        self._profiles: dict[str, PrinterProfile] = {}

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()
        _log.info("daemon.stopped")

    def people_identity(self) -> PeopleIdentity:
        """Who the people's node is: it runs in this process and reaches the broker like any other node."""
        assert self._broker is not None, "the daemon was not entered"
        scheme = "http" if is_loopback(self._settings.http.host) else "https"
        return PeopleIdentity(
            node=PEOPLE,
            name="People",
            farm_url=f"{scheme}://{_own_name(self._settings.http.host)}:{self._settings.http.port}",
            mqtt_urls=self._broker.urls,
            password=self._people_secret,
        )

    async def _start(self) -> None:
        settings, data = self._settings, self._settings.data
        await asyncio.to_thread(check_broker_ports, settings)
        self._profiles = await asyncio.to_thread(all_profiles, settings.profiles_folder)
        lock = await made(partial(DataLock, data), DataLock.release)
        self._stack.callback(lock.release)
        backups = Backups(settings.backup.folder or data / BACKUPS, settings.backup.keep)
        store = await Store.open(data, backups)
        self._stack.push_async_callback(store.close)
        library = Library(data / "programs")
        await asyncio.to_thread(library.open)
        world = await self._load(store)
        tls = await self._prepare_tls()
        credentials = {key: record.password_hash for key, record in world.durable.node_records.items() if not record.revoked}
        broker = await open_broker(settings.broker, data / "broker", tls=tls, credentials=credentials)
        self._broker = broker
        self._stack.push_async_callback(broker.close)
        await broker.set_credentials(credentials)
        if not self._reach.mqtt_urls and (settings.broker.kind != "external" or broker.serves_joined_nodes):
            self._reach = replace(self._reach, mqtt_urls=broker.urls)
        await self._run(world, store, library, broker)
        _log.info("daemon.started", generation=world.generation, broker=broker.describe())

    async def _load(self, store: Store) -> World:
        """Read the farm; on the first start give it a generation and the people's node an identity."""
        stored = await self._settle_generation(store)
        spaces = {key: build_space(profile) for key, profile in self._profiles.items()}
        world = World(stored, spaces, self._clock.boot_s())
        self._steady = steady_clock(self._clock, stored, machine_boot())
        world.same_time = self._steady.continued
        if not self._steady.continued:
            with suppress(StoreFullError):  # then the next run begins anew, as after a boot
                await store.commit([self._steady.remember(machine_boot())])
        self._people_secret = await asyncio.to_thread(people_secret, self._settings.data / "people.secret")
        draft = Draft(world.durable)
        fresh = enrolment.new_node(PEOPLE, "People", self._clock.wall_s(), self._people_secret).record
        known = draft.farm.node_records.get(PEOPLE)
        if known is None:
            draft.put(fresh)
        elif known.revoked or not verify_password(self._people_secret, known.password_hash):  # of a restored database
            draft.put(replace(known, revoked=False, password_hash=fresh.password_hash))
        if draft.changes:
            await store.commit(store_changes(draft))
            world.adopt(draft)
        return world

    async def _settle_generation(self, store: Store) -> StoredFarm:
        """See that the generation is above all that were used here: its file is written before it is."""
        file, stored = GenerationFile(self._settings.data), await store.load()
        settled = settle(stored.generation, await asyncio.to_thread(file.read))
        await asyncio.to_thread(file.raise_to, settled.generation)
        if settled.generation == stored.generation:
            return stored
        changes = [SetMeta("generation", str(settled.generation))]
        if settled.put_back:
            changes.append(SetMeta(META, Healing(HealingWhy.PUT_BACK, self._clock.wall_s()).text()))
            _log.warning("store.put-back", stored=stored.generation, generation=settled.generation)
        await store.commit(changes)
        return await store.load()

    async def _prepare_tls(self) -> TlsListener | None:
        """Beyond loopback: the farm's own certificates, and a broker that joined nodes reach over TLS."""
        http, farm_name = self._settings.http, self._settings.farm.name
        if is_loopback(http.host):
            self._reach = Reach(farm_name, f"http://{_own_name(http.host)}:{http.port}", [])
            return None
        from farm.certificates import ensure_certificates, server_names  # noqa: PLC0415 - cryptography is 10 MB of memory

        names = server_names(http.host, http.names)
        found = await asyncio.to_thread(ensure_certificates, self._settings.data / "keys", names, farm=farm_name)
        heard = names if not _tls_host(http.host) else list(dict.fromkeys([*http.names, http.host]))  # where something listens
        outside = [name for name in heard if not is_loopback(name)] or names
        port = self._settings.broker.tls_port
        external = self._settings.broker.kind == "external"
        self._reach = Reach(
            name=farm_name,
            farm_url=f"https://{_in_url(outside[0])}:{http.port}",
            mqtt_urls=[] if external else [f"mqtts://{_in_url(name)}:{port}" for name in outside][:_MAX_MQTT_URLS],
            authority_pem=found.authority_pem,
            pin=found.pin,
        )
        return None if external else TlsListener(port, found.certificate, found.key, _tls_host(http.host))

    async def _run(self, world: World, store: Store, library: Library, broker: Broker) -> None:
        farm = self._settings.farm
        engine = Engine(
            world,
            store,
            lambda callbacks: EveryBroker(broker.urls, broker.login, callbacks, subscriptions=[DAEMON_SUBSCRIPTION]),
            clock=self._steady,
            rules=rules_for(farm, self._clock),
            settings=Settings(report_every_s=farm.report_every_s, telemetry_every_s=farm.telemetry_every_s),
        )
        engine.healer.file = GenerationFile(self._settings.data)
        bus = engine.bus
        self._stack.push_async_callback(bus.close)
        bus.start()
        await self._reach_a_broker(bus)
        self._keep_running(engine.run, engine.ended)
        self._keep_running(engine.publish, engine.ended)
        keeper = BackupKeeper(store, engine.alarms, self._clock, self._settings.backup.every_s, engine.touch)
        self._keep_running(keeper.run, engine.ended)
        taken_in = Programs(library, self._profiles)
        self._keep_running(Rechecker(engine, taken_in).run, engine.ended)
        self.control = DaemonControl(engine, store, broker, taken_in=taken_in, reach=self._reach)
        self._stack.push_async_callback(self.control.close)

    async def _reach_a_broker(self, bus: Bus) -> None:
        """Wait for the first broker of the list. UnreachableError: none answers."""
        try:
            await bus.wait_connected(_BUS_START_S)
        except UnreachableError as error:
            if self._settings.broker.kind != "external":
                raise
            told = [both(one.problem) if one.problem else _not_answered(one.broker) for one in bus.brokers]
            found, found_fr = " ".join(one.en for one in told), " ".join(one.fr for one in told)
            raise UnreachableError(
                Bilingual(
                    f"None of the brokers that [broker] urls of farm.toml names can be reached. {found}",
                    f"Aucun des courtiers que nomme [broker] urls de farm.toml ne peut être joint. {found_fr}",
                ),
                next_step=Bilingual(
                    "Start one of them, or mend the network to it, then start the daemon again; nodes go on meanwhile.",
                    "Démarrez l'un d'eux, ou réparez le réseau qui y mène, puis relancez le démon ; "
                    "les nœuds continuent en attendant.",
                ),
                code=error.code,
            ) from error

    def _keep_running(self, work: Callable[[], Coroutine[Any, Any, None]], ended: Callable[[BaseException | None], None]) -> None:
        task = asyncio.create_task(work(), name=f"daemon-{work.__qualname__}")
        task.add_done_callback(lambda done: None if done.cancelled() else ended(done.exception()))

        async def end() -> None:
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):  # an error was told when it happened
                await task

        self._stack.push_async_callback(end)


def people_secret(path: Path) -> str:
    """The password of the people's node, made once.

    Raises:
        ConfigurationError: it cannot be read or written.

    """
    try:
        if not path.exists():
            write_private(path, new_secret())
        return path.read_text("ascii").strip()
    except OSError as error:
        raise ConfigurationError(
            Bilingual(f"{path} cannot be used: {error.strerror}.", f"{path} ne peut pas servir : {system_words(error).fr}."),
            next_step=Bilingual("Give this user the right to.", "Donnez-en le droit à cet utilisateur."),
        ) from error


def _not_answered(broker: str) -> Bilingual:
    return Bilingual(f"{broker} has not answered.", f"{broker} n'a pas répondu.")


def _own_name(host: str) -> str:
    """What this machine calls itself when it reaches what listens on `host`."""
    return "127.0.0.1" if host in {*_EVERYWHERE, "localhost"} else _in_url(host)


def _in_url(name: str) -> str:
    return f"[{name}]" if ":" in name else name
