"""A whole farm on this machine in one folder: daemon and node agents as child processes. For the demo, benches and tests.

Nothing is simulated here: the children are `farm serve` and `farm node` with ordinary configuration files.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from farm.addresses import free_port
from farm.commands.client import FarmClient, Target
from farm.config import AUTHORITY_FILE, OPERATOR_FILE, PrinterSection
from farm.errors import FarmError, UnreachableError
from farm.process import bound_to_us
from gcode.texts import Bilingual, both

START_TIMEOUT_S: Final = 60.0  # of a loaded Raspberry Pi
_STOP_TIMEOUT_S: Final = 15.0
_LOG_LINES: Final = 20
_BALLAST_BYTES: Final = 1024**2  # of a node in a throw-away folder
_READY: Final = Bilingual("the daemon to become ready", "que le démon soit prêt")
_KEYS: Final = Bilingual("the farm's keys", "les clés de la ferme")


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, list):
        return f"[{', '.join(_toml(item) for item in value)}]"
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def write_toml(path: Path, tables: Mapping[str, Mapping[str, object]], printers: Sequence[PrinterSection] = ()) -> None:
    """Write a configuration file; the table "" holds the keys of the top level."""
    lines: list[str] = []
    for table, values in tables.items():
        lines += [f"[{table}]"] if table else []
        lines += [f"{key} = {_toml(value)}" for key, value in values.items()]
    for printer in printers:
        lines.append("[[printers]]")
        lines += [f"{key} = {_toml(value)}" for key, value in printer.model_dump(exclude_none=True).items()]
    path.write_text("\n".join(lines) + "\n", "utf-8")


@dataclass
class Child:
    """One child process; its output goes to a log file. It dies with us, whatever kills us."""

    arguments: list[str]
    log: Path
    environment: dict[str, str] = field(default_factory=dict)
    prefix: list[str] = field(default_factory=list)  # such as ip netns exec NAME
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start `farm` with the arguments."""
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                bound_to_us([*self.prefix, sys.executable, "-m", "farm", *self.arguments]),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **self.environment},
                start_new_session=True,  # a Ctrl-C in the terminal is ours to pass on
            )

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.process is not None and self.process.poll() is None

    def wait(self) -> int:
        """Wait until it ends by itself, and return its exit code."""
        assert self.process is not None, "it was not started"
        return self.process.wait(START_TIMEOUT_S)

    def end(self) -> None:
        """Ask it to end, and kill it when it does not."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Kill -9."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def last_lines(self) -> str:
        """The end of its log."""
        lines = self.log.read_text("utf-8", "replace").splitlines() if self.log.is_file() else []
        return "\n".join(lines[-_LOG_LINES:])

    def last_words(self) -> Bilingual:
        """The end of its log, as the next step of an error."""
        end = self.last_lines()
        return Bilingual(f"The end of {self.log} says:\n{end}", f"La fin de {self.log} dit :\n{end}")


class LocalFarm:
    """A farm in `folder`. Use it as a context manager: leaving it ends everything that it started."""

    def __init__(
        self,
        folder: Path,
        *,
        speed: float = 1.0,
        host: str = "127.0.0.1",
        broker: str = "auto",
        farm: Mapping[str, object] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.speed = speed
        self.port = free_port()
        self.broker_port = free_port()
        self.data = folder / "farm-data"
        self.secure = host != "127.0.0.1"
        self.url = f"{'https' if self.secure else 'http'}://{host}:{self.port}"
        self._clock = {"factor": float(speed), "origin_wall_s": time.time()}
        self._client = FarmClient(Target(self.url))
        environment = dict(environment or {})
        config = folder / "farm.toml"
        write_toml(
            config,
            {
                "": {"data": self.data},
                "farm": {"name": "Demo", **(farm or {})},
                "http": {"host": host, "port": self.port, "names": [host] if self.secure else []},
                "broker": {"kind": broker, "port": self.broker_port, "tls_port": free_port()},
                "clock": self._clock,
            },
        )
        self.daemon = Child(["serve", "--config", str(config)], folder / "daemon.log", environment)
        self.nodes: dict[str, Child] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every process: nodes first, so that they can say goodbye."""
        for child in (*self.nodes.values(), self.daemon):
            child.end()
        self._client.close()

    def start_daemon(self) -> None:
        """Start the daemon and wait until it is ready.

        Raises:
            UnreachableError: it ended or did not become ready; the message has the end of its log.

        """
        self.daemon.start()
        if self.secure:
            self._trust()
        self.wait_until(lambda: self.answers("/readyz"), what=_READY, child=self.daemon)

    def _trust(self) -> None:
        """Take the farm's own authority and the operator's token from its data folder, as its operator may."""
        authority, token = self.data / AUTHORITY_FILE, self.data / OPERATOR_FILE
        self.wait_until(lambda: authority.is_file() and token.is_file(), what=_KEYS, child=self.daemon)
        self._client = FarmClient(Target(self.url, token.read_text().strip(), authority))

    def invite(self, name: str) -> str:
        """Make a code for one maker."""
        code: str = self.post("/enrolments/invites", {"name": name})["code"]
        return code

    def add_node(
        self, name: str, printers: Sequence[PrinterSection], *, prefix: Sequence[str] = (), page_port: int | None = None
    ) -> Child:
        """Invite and join a node, as an operator and a maker would, and start its agent; `prefix` comes before its commands.

        `page_port` is where its own page listens; None: it has none, because the farm's is here.
        """
        data, config, log = (self.folder / f"node-{name}{suffix}" for suffix in ("", ".toml", ".log"))
        tables: dict[str, Mapping[str, object]] = {
            "": {"data": data, "name": name},
            "clock": self._clock,
            "ledger": {"ballast_bytes": _BALLAST_BYTES},
            "page": {"enabled": page_port is not None, "port": page_port or 0},
        }
        write_toml(config, tables, printers)
        joining = Child(["node", "join", self.url, self.invite(name), "--config", str(config)], log, prefix=list(prefix))
        joining.start()
        if joining.wait() != 0:
            raise UnreachableError(
                Bilingual(f"The node {name} could not join.", f"Le nœud {name} n'a pas pu rejoindre la ferme."),
                next_step=joining.last_words(),
            )
        self.nodes[name] = Child(["node", "--config", str(config)], log, self.daemon.environment, list(prefix))
        self.nodes[name].start()
        return self.nodes[name]

    def wait_until(
        self,
        condition: Callable[[], bool],
        *,
        what: str | Bilingual,
        child: Child | None = None,
        timeout_s: float = START_TIMEOUT_S,
    ) -> None:
        """Poll until `condition` holds.

        Raises:
            UnreachableError: not within `timeout_s` real seconds, or `child` ended.

        """
        deadline_s = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline_s or (child is not None and not child.alive):
                log, awaited = child or self.daemon, both(what)
                raise UnreachableError(
                    Bilingual(f"Waited in vain for {awaited.en}.", f"Attendu en vain : {awaited.fr}."), next_step=log.last_words()
                )
            time.sleep(0.1)

    def answers(self, path: str) -> bool:
        """Tell whether a GET of `path`, such as /healthz, is answered with 200."""
        return self._client.answers(path)

    def get(self, path: str, **query: str | int) -> Any:
        """GET the JSON at `path`, below /api/v1."""
        return self._client.get(path, **query)

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """POST a JSON body to `path`, below /api/v1."""
        return self._client.post(path, body)

    def add_program(self, content: bytes, **fields: object) -> Any:
        """Upload a program; `fields` as in `farm.request_bodies.ProgramRequest`."""
        with tempfile.TemporaryFile(dir=self.folder) as file:
            file.write(content)
            file.seek(0)
            values = {name: str(value) for name, value in fields.items()}
            return self._client.upload("/programs", values, "frame.gcode", file)

    def be_the_hands(self, take_off: Callable[[str], None] = lambda _printer: None) -> None:
        """Collect every ended job (printed: all good; any other: all scrap) and clear the beds that nobody knows.

        `take_off` is called with the name of a printer before its bed is said to be clear.
        """
        state = self.get("/farm")
        names = {printer["id"]: printer["name"] for printer in state["printers"]}
        for job in state["waiting"]:
            take_off(names.get(job["printer"], ""))
            good = job["parts"] if job["outcome"] == "printed" else 0
            self._lend_a_hand(job["printer"], "collect", {"job": job["id"], "good": good, "scrap": job["parts"] - good})
        for printer in state["printers"]:
            occupation = printer["occupation"]
            if occupation and occupation["kind"] == "unknown" and not occupation["running"]:
                take_off(printer["name"])
                self._lend_a_hand(printer["id"], "clear-bed", {"occupation": occupation["id"]})

    def _lend_a_hand(self, printer: str, action: str, body: dict[str, object]) -> None:
        with contextlib.suppress(FarmError):  # the bed may be clear meanwhile; what still waits is tried again
            self.post(f"/printers/{printer}/{action}", {**body, "by": "virtual hand"})


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into KeyboardInterrupt, so that whatever ends us ends what we started."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
