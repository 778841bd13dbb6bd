"""A broker that runs as a child process of the daemon: mosquitto, or the embedded one.

It is told its users by `set_credentials`, `add` and `remove` and reads them again on SIGHUP without disturbing anybody who did not
change. When it dies it is started again; nothing is lost with it, because every message is repeated by its owner.
"""

import asyncio
import errno
import os
import re
import signal
import socket
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Final

from farm.bus.client import Login, Patience, check_login
from farm.bus.messages import MAX_PACKET_BYTES
from farm.bus.users import MAX_USERS, checked, hashed, read_users, write_users
from farm.errors import ConfigurationError, ConflictError, FarmError, InvalidError, NotFoundError, UnreachableError
from farm.keys import hash_password, is_password_hash, new_secret, verify_password, write_private
from farm.language import system_words
from farm.log import get_logger
from farm.process import Child, OwnerAliveError, end_stale
from gcode.texts import Bilingual, Told

_log = get_logger(__name__)
DAEMON: Final = "daemon"  # the user name of the daemon; configs/mosquitto/acl names it too
PID_FILE: Final = "broker.pid"
_OWN_FILE: Final = "daemon.secret"
_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{43}")  # of new_secret
_START_S: Final = 15.0  # a Raspberry Pi under load starts mosquitto within 2 s, the embedded broker within 8 s
_NEW_USER_S: Final = 5.0
_RESTART: Final = Patience(first_s=0.2, most_s=10.0)
_STEADY_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class TlsListener:
    """Where joined nodes connect: all addresses unless `host` names one."""

    port: int
    certificate: Path
    key: Path
    host: str = ""


class ChildBroker(ABC):
    """A broker that runs as our child process. `open_broker` makes and starts it."""

    kind: Bilingual
    serves_joined_nodes: bool

    def __init__(self, folder: Path, port: int, reason: Bilingual) -> None:
        self._folder = folder
        self._port = port
        self._reason = reason
        self._passwords = folder / "passwords"
        self._pid_file = folder / PID_FILE
        self._users: dict[str, str] = {}  # user name -> hash
        self._child: Child | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._changing = asyncio.Lock()
        self.login = Login(DAEMON, new_secret())

    @property
    def urls(self) -> list[str]:
        """Where this machine reaches it."""
        return [f"mqtt://127.0.0.1:{self._port}"]

    @property
    def pid(self) -> int | None:
        """The process id of the broker that runs now."""
        return self._child.pid if self._child else None

    def describe(self) -> Told:
        """Which broker it is and why."""
        return Told("broker", f"{self.kind.en} ({self._reason.en})", f"{self.kind.fr} ({self._reason.fr})")

    @property
    @abstractmethod
    def _marker(self) -> str:
        """An argument of the broker's command line that no other program has."""

    @abstractmethod
    def _command(self) -> list[str]:
        """How it is started."""

    @abstractmethod
    def _write_configuration(self) -> None:
        """Write what the command needs beside the password file."""

    @abstractmethod
    def _ports(self) -> list[tuple[str, int, str]]:
        """(host, port, key in [broker]) of its listeners."""

    async def start(self, credentials: Mapping[str, str] | None = None) -> None:
        """Start it, and again whenever it dies, until `close`. `credentials`: its first users, as for `set_credentials`.

        Files that hold what they should are left alone, so that it starts on a full disk too.

        Raises:
            InvalidError: as `set_credentials`.
            ConfigurationError: its folder cannot be written, a port is in use, or it does not start.
            ConflictError: another daemon runs on this folder.

        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if pid := await end_stale(self._pid_file, self._marker):
                _log.warning("broker.stale", pid=pid, detail="ended the broker that an earlier daemon left behind")
            for host, port, key in self._ports():
                check_port(host, port, key)
            await asyncio.to_thread(self._own_login)
            self._users |= await asyncio.to_thread(hashed, credentials or {}, daemon=DAEMON)
            await asyncio.to_thread(self._write_users)
            self._write_configuration()
        except OwnerAliveError as error:
            raise ConflictError(
                Bilingual(
                    f"Another daemon (process {error.pid}) runs on {self._folder.parent}.",
                    f"Un autre démon (processus {error.pid}) travaille dans {self._folder.parent}.",
                ),
                next_step=Bilingual(
                    "Stop it, or give this one another data folder.",
                    "Arrêtez-le, ou donnez à celui-ci un autre dossier de données.",
                ),
            ) from error
        except OSError as error:
            raise ConfigurationError(
                Bilingual(
                    f"The broker's folder {self._folder} cannot be written: {error.strerror}.",
                    f"Impossible d'écrire dans {self._folder}, le dossier du courtier : {system_words(error).fr}.",
                ),
                next_step=Bilingual(
                    "Give this user the right to write there, or set another data folder.",
                    "Donnez à cet utilisateur le droit d'y écrire, ou indiquez un autre dossier de données.",
                ),
            ) from error
        try:
            await self._start_child()
        except BaseException:
            await self.close()
            raise
        self._supervisor = asyncio.create_task(self._supervise(), name="broker-supervisor")

    async def set_credentials(self, credentials: Mapping[str, str]) -> None:
        """Let exactly these users in beside the daemon: user name -> password or its hash. Others are disconnected at once.

        Raises:
            InvalidError: a user name that could mean more than itself in the broker's files, or over 10,000 users.
            ConfigurationError: the file cannot be written.

        """
        async with self._changing:
            users = await asyncio.to_thread(hashed, credentials, daemon=DAEMON)
            await self._change({DAEMON: self._users[DAEMON], **users})

    async def add(self, username: str, password: str) -> None:
        """Let one more user in, or change their password; returns when that login works.

        Raises:
            InvalidError: a bad user name, or over 10,000 users.
            ConfigurationError: the file cannot be written.
            UnreachableError: the broker does not take the new user in time.

        """
        async with self._changing:
            user = await asyncio.to_thread(hashed, {username: password}, daemon=DAEMON)
            await self._change({**self._users, **user})
        if not is_password_hash(password):
            await self._wait_login(Login(username, password, client_id=f"{username}-check"), _NEW_USER_S)

    async def remove(self, username: str) -> None:
        """Shut one user out, at once.

        Raises:
            NotFoundError: there is no such user.
            ConfigurationError: the file cannot be written.

        """
        async with self._changing:
            if checked(username, daemon=DAEMON) not in self._users:
                raise NotFoundError(
                    Bilingual(f"The broker has no user {username}.", f"Le courtier n'a pas d'utilisateur {username}."),
                    next_step=Bilingual("Look at the list of nodes.", "Regardez la liste des nœuds."),
                )
            await self._change({name: stored for name, stored in self._users.items() if name != username})

    async def close(self) -> None:
        """End it. Safe to call twice."""
        if self._supervisor is not None:
            self._supervisor.cancel()
            with suppress(asyncio.CancelledError):
                await self._supervisor
        if self._child is not None:
            await self._child.stop()
            self._child = None

    async def _change(self, users: dict[str, str]) -> None:
        if len(users) > MAX_USERS + 1:
            raise InvalidError(
                Bilingual(
                    f"A broker of ours has at most {MAX_USERS} users.",
                    f"Un courtier de la ferme a au plus {MAX_USERS} utilisateurs.",
                ),
                next_step=Bilingual("Use an external broker.", "Utilisez un courtier externe."),
            )
        before, self._users = self._users, users
        try:
            await asyncio.to_thread(self._write_users)
        except OSError as error:
            self._users = before
            raise ConfigurationError(
                Bilingual(
                    f"{self._passwords} cannot be written: {error.strerror}.",
                    f"Impossible d'écrire {self._passwords} : {system_words(error).fr}.",
                ),
                next_step=Bilingual("Free some space on that disk.", "Libérez de la place sur ce disque."),
            ) from error
        if self._child is not None:
            self._child.send_signal(signal.SIGHUP)

    def _own_login(self) -> None:
        """The daemon's own login, the same at every start. OSError."""
        path = self._folder / _OWN_FILE
        secret = path.read_text("ascii", "replace").strip() if path.exists() else ""
        if _SECRET.fullmatch(secret) is None:
            secret = self.login.password
            write_private(path, secret)
        self.login = Login(DAEMON, secret)
        known = read_users(self._passwords).get(DAEMON, "")
        self._users[DAEMON] = known if verify_password(secret, known) else hash_password(secret)

    def _write_users(self) -> None:
        write_users(self._passwords, self._users)

    async def _start_child(self) -> None:
        self._child = await Child.start(self._command(), pid_file=self._pid_file)
        ended = asyncio.create_task(self._child.wait())
        ready = asyncio.create_task(
            self._wait_login(Login(self.login.username, self.login.password, client_id=f"{DAEMON}-check"), _START_S)
        )
        try:
            await asyncio.wait({ended, ready}, return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                said = _last_words(self._child)
                raise ConfigurationError(
                    Bilingual(
                        f"The broker ({self.kind.en}) does not start: {said.en}.",
                        f"Le courtier ({self.kind.fr}) ne démarre pas : {said.fr}.",
                    ),
                    next_step=Bilingual(
                        f"Look at {self._folder}, or set another kind in [broker] of farm.toml.",
                        f"Regardez {self._folder}, ou indiquez un autre kind dans [broker] de farm.toml.",
                    ),
                    code="broker-start",
                )
            await ready
        finally:
            for task in (ended, ready):
                task.cancel()
            await asyncio.gather(ended, ready, return_exceptions=True)

    async def _wait_login(self, login: Login, timeout_s: float) -> None:
        """Try to log in until it works; a broker that has just started or been told of a user needs a moment."""
        deadline_s = asyncio.get_running_loop().time() + timeout_s
        while True:
            try:
                await check_login(self.urls[0], login)
            except FarmError as error:
                if asyncio.get_running_loop().time() > deadline_s:
                    raise UnreachableError(
                        Bilingual(
                            f"The broker ({self.kind.en}) does not accept {login.username} after {timeout_s:g} s: {error.detail}",
                            f"Le courtier ({self.kind.fr}) refuse {login.username} après {timeout_s:g} s : {error.detail_fr}",
                        ),
                        next_step=Bilingual(f"Look at {self._folder}.", f"Regardez {self._folder}."),
                        code="broker-start",
                    ) from error
                await asyncio.sleep(0.05)
            else:
                return

    async def _supervise(self) -> None:
        """Start it again whenever it ends; log the first death and the recovery, not every attempt."""
        loop = asyncio.get_running_loop()
        attempts = 0
        while self._child is not None:
            since_s = loop.time()
            code = await self._child.wait()
            attempts = 0 if loop.time() - since_s > _STEADY_S else attempts + 1
            if attempts <= 1:
                _log.error("broker.died", exit_code=code, last_words=_last_words(self._child).en)
            while True:
                await asyncio.sleep(_RESTART.delay_s(attempts))
                try:
                    await self._start_child()
                except (FarmError, OSError) as error:
                    attempts += 1
                    _log.debug("broker.restart-failed", detail=str(error))
                    await self._child.stop(1.0)
                else:
                    break
            _log.info("broker.recovered", pid=self.pid)


class MosquittoBroker(ChildBroker):
    """mosquitto 2, configured by us."""

    kind = Bilingual("mosquitto", "mosquitto")

    def __init__(self, folder: Path, port: int, reason: Bilingual, *, program: Path, tls: TlsListener | None) -> None:
        super().__init__(folder, port, reason)
        self._program = program
        self._tls = tls
        self._configuration = folder.resolve() / "mosquitto.conf"
        self.serves_joined_nodes = tls is not None

    @property
    def _marker(self) -> str:
        return str(self._configuration)

    def _command(self) -> list[str]:
        return [str(self._program), "-c", str(self._configuration)]

    def _ports(self) -> list[tuple[str, int, str]]:
        ports = [("127.0.0.1", self._port, "port")]
        return ports + ([(self._tls.host, self._tls.port, "tls_port")] if self._tls else [])

    def _write_configuration(self) -> None:
        template = files("configs").joinpath("mosquitto")
        access_list = self._folder.resolve() / "acl"
        write_private(access_list, template.joinpath("acl").read_text("utf-8"))
        values = {
            "password_file": self._passwords.resolve(),
            "acl_file": access_list,
            "max_packet_bytes": MAX_PACKET_BYTES,
            "port": self._port,
            "extra": "\n".join(self._extra_lines()),
        }
        write_private(self._configuration, Template(template.joinpath("mosquitto.conf").read_text("utf-8")).substitute(values))

    def _extra_lines(self) -> list[str]:
        lines = []
        if self._tls is not None:
            lines += [
                f"listener {self._tls.port} {self._tls.host}".rstrip(),
                f"certfile {self._tls.certificate.resolve()}",
                f"keyfile {self._tls.key.resolve()}",
                "tls_version tlsv1.2",
            ]
        if os.geteuid() == 0:
            # Started by root, mosquitto becomes another user, who cannot read our files, and whom the death of ours does not reach.
            # A daemon that should not run as root is not started as root (configs/systemd).
            lines.append("user root")
        return lines


class EmbeddedBroker(ChildBroker):
    """amqtt on loopback: for a demo on a machine without mosquitto, never for joined nodes (farm/bus/embedded.py says why)."""

    kind = Bilingual("embedded, demo only", "intégré, pour une démonstration seulement")
    serves_joined_nodes = False

    @property
    def _marker(self) -> str:
        return str(self._passwords.resolve())

    def _command(self) -> list[str]:
        return [sys.executable, "-m", "farm.bus.embedded", "--port", str(self._port), "--passwords", str(self._passwords.resolve())]

    def _ports(self) -> list[tuple[str, int, str]]:
        return [("127.0.0.1", self._port, "port")]

    def _write_configuration(self) -> None:
        """The command line says all."""


def check_port(host: str, port: int, key: str) -> None:
    """Find out before the broker does, because it would say so in its log only.

    Raises:
        ConfigurationError: it is in use, or `host` (empty: all addresses) is no name or address of this machine.

    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
                raise ConfigurationError(
                    Bilingual(
                        f"{host} is no name or address of this machine: the broker cannot listen on it.",
                        f"{host} n'est ni un nom ni une adresse de cette machine : le courtier ne peut pas y écouter.",
                    ),
                    next_step=Bilingual(
                        "Set [http] host in farm.toml to one of its addresses, or to 0.0.0.0 for all of them.",
                        "Donnez à [http] host, dans farm.toml, une de ses adresses, ou 0.0.0.0 pour toutes.",
                    ),
                    code="foreign-host",
                ) from error
            if error.errno != errno.EADDRINUSE:
                where = Bilingual(host, host) if host else Bilingual("all addresses", "toutes les adresses")
                raise ConfigurationError(
                    Bilingual(
                        f"The broker cannot listen on {where.en} port {port}: {error.strerror}.",
                        f"Le courtier ne peut pas écouter sur {where.fr}, port {port} : {system_words(error).fr}.",
                    ),
                    next_step=Bilingual(
                        f"Set another {key} in [broker] of farm.toml (above 1023 without root).",
                        f"Indiquez un autre {key} dans [broker] de farm.toml (au-dessus de 1023 si vous n'êtes pas root).",
                    ),
                ) from error
            raise ConfigurationError(
                Bilingual(
                    f"Port {port} is in use by another program, so the broker cannot listen on it.",
                    f"Le port {port} est pris par un autre programme : le courtier ne peut pas y écouter.",
                ),
                next_step=Bilingual(
                    f"Set another {key} in [broker] of farm.toml, or stop that program "
                    "(Debian starts a mosquitto of its own: sudo systemctl disable --now mosquitto).",
                    f"Indiquez un autre {key} dans [broker] de farm.toml, ou arrêtez ce programme "
                    "(Debian lance son propre mosquitto : sudo systemctl disable --now mosquitto).",
                ),
                code="port-in-use",
            ) from error


def _last_words(child: Child) -> Bilingual:
    """What it said at its end; its own words are the same in both languages."""
    errors = [line for line in child.tail if line.startswith("Error")]
    said = " / ".join((errors or child.tail)[-3:])
    if said:
        return Bilingual(said, said)
    code = child.returncode
    return Bilingual(f"it ended with code {code} and said nothing", f"il a fini avec le code {code} sans rien dire")
