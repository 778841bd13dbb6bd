"""The farm under torment: daemon, broker, two nodes and their printers as real processes, each on a small disk of its own.

As root the node at home lives in a network namespace with a cable that can be cut; otherwise on loopback, and cables and disks are
left alone.
"""

import math
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Final, Self

from farm.commands.client import FarmClient, Target
from farm.commands.local_farm import Child, LocalFarm
from farm.config import AUTHORITY_FILE, OPERATOR_FILE, NodeSettings, load
from farm.store.writer import FILE_NAME
from gcode.checks import inspect
from gcode.profile import bundled_profiles
from tests.integration.network import OtherHost, other_host
from tests.integration.small_program import small_program
from tests.torment.trace import Trace
from tests.virtual_printers import VirtualPrinters

NODES: Final = {"workshop": (1, 2, 3), "home": (4, 5)}  # with the numbers of their printers
PROFILE: Final = "generic-210"
LAYERS: Final = 16
PAGE: Final = "workshop"  # the node whose own page is open: on loopback, where the hands can reach it
DESIGNS: Final = {"square": 1, "plate": 3}  # parts a job
_DISK_MB: Final = {"daemon": 128, "workshop": 48, "home": 48}  # more than an upload must leave, and than a ballast
_RETRACTED_MM: Final = 2.2  # the end of the file before pulled this back: so much less leaves the nozzle of the next one
_NOWHERE: Final = "02:00:00:00:00:99"  # an address that no machine on the cable has: frames to it are lost without a word
_COMMIT_PATIENCE_S: Final = 1.5
_EXCUSED_S: Final = 10.0  # what failed on a full disk may end a little after there is room again
_RESTART_S: Final = 1.0  # what ended by itself is started again after that, as systemd does


def program(design: str) -> bytes:
    """The G-code of a design: the same plastic for all, another file for each."""
    return small_program(PROFILE, layers=LAYERS, first_line=f"; {design}")


def plastic_mm() -> float:
    """Filament that one job uses, from the file itself."""
    return inspect(BytesIO(program("square")), (bundled_profiles()[PROFILE],)).facts.filament_mm


def _run(*command: str, check: bool = True) -> None:
    subprocess.run(command, check=check, capture_output=True)


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[None]:
    """A file system in memory at `folder`; what it holds is copied beside it at the end, for who looks for a fault."""
    folder.mkdir(mode=0o700)
    _run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "none", str(folder))
    try:
        yield
    finally:
        with suppress(OSError, shutil.Error):
            shutil.copytree(folder, folder.with_name(f"{folder.name}.end"), ignore=shutil.ignore_patterns("filler"))
        _run("umount", "--lazy", str(folder), check=False)


class Cable:
    """The cable between this machine and the node at home."""

    def __init__(self, host: OtherHost) -> None:
        self._near = self._device(host.inside, [])
        self._far = self._device(host.outside, ["-n", host.name])
        self._host = host

    @staticmethod
    def _device(address: str, where: list[str]) -> str:
        shown = subprocess.run(["ip", *where, "-o", "addr", "show"], check=True, capture_output=True, text=True).stdout
        return next(line.split()[1] for line in shown.splitlines() if f" {address}/" in line)

    def cut(self) -> None:
        """Both directions, and both ends notice."""
        _run("ip", "link", "set", self._near, "down")

    def cut_up(self) -> None:
        """What the node sends is lost, and nobody tells it."""
        _run("ip", "-n", self._host.name, *self._neighbour("replace", self._host.inside, self._far))

    def cut_down(self) -> None:
        """What is sent to the node is lost, and nobody tells us."""
        _run("ip", *self._neighbour("replace", self._host.outside, self._near))

    def mend(self) -> None:
        """All is well again."""
        _run("ip", "link", "set", self._near, "up")
        _run("ip", "-n", self._host.name, *self._neighbour("del", self._host.inside, self._far), check=False)
        _run("ip", *self._neighbour("del", self._host.outside, self._near), check=False)

    @staticmethod
    def _neighbour(verb: str, address: str, device: str) -> list[str]:
        return ["neigh", verb, address, "lladdr", _NOWHERE, "dev", device, *(["nud", "permanent"] if verb == "replace" else [])]


class Stage:
    """Everything that can be tormented. A context manager: leaving it ends everything that it started.

    Args:
        folder: empty; logs, ledgers and the database are found there afterwards.
        speed: farm seconds in a real second, the same for clocks and printers.
        trace: where is told what happens.
        rules: the table [farm] of farm.toml.

    """

    def __init__(self, folder: Path, *, speed: float, trace: Trace, rules: Mapping[str, object]) -> None:
        self.folder = folder
        self.trace = trace
        self.rooted = os.geteuid() == 0 and shutil.which("ip") is not None
        self.cable: Cable | None = None
        self.kills = 0
        self.unexpected: list[str] = []  # processes that ended although nobody had touched them
        self._speed = speed
        self._rules = dict(rules)
        self._stack = ExitStack()
        self._down: dict[str, str] = {}  # process -> why it is not to run
        self._asleep: set[int] = set()
        self._full: dict[str, float] = {}  # until when a full disk excuses its process
        self._ended: dict[str, float] = {}

    def __enter__(self) -> Self:
        try:
            self._set_up()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.wake_all()
        self._stack.close()

    def _set_up(self) -> None:
        self.printers = VirtualPrinters(
            self.folder,
            count=sum(map(len, NODES.values())),
            speed=self._speed,
            settings=f"minimum_mm={plastic_mm() - _RETRACTED_MM:.3f}",
        )
        host = self._stack.enter_context(other_host()) if self.rooted else None
        if host is not None:
            self.cable = Cable(host)
            for name, megabytes in _DISK_MB.items():
                self._stack.enter_context(small_disk(self.data(name), megabytes))
        self._stack.enter_context(self.printers)
        self.farm = LocalFarm(
            self.folder, speed=self._speed, host=host.inside if host else "127.0.0.1", broker="mosquitto", farm=self._rules
        )
        self._stack.enter_context(self.farm)
        self.farm.start_daemon()
        sections = self.printers.sections(PROFILE)
        for name, numbers in NODES.items():
            prefix = host.prefix if host is not None and name == "home" else ()
            page_port = 0 if name == PAGE else None
            self.farm.add_node(name, [sections[number - 1] for number in numbers], prefix=prefix, page_port=page_port)
        for design, parts in DESIGNS.items():
            self.farm.add_program(
                program(design), design=design, revision=f"{design}-1", profile=PROFILE, parts=parts, material="PLA"
            )

    def client(self) -> FarmClient:
        """A connection to the API for another thread."""
        data = self.farm.data
        if not self.farm.secure:
            return FarmClient(Target(self.farm.url))
        return FarmClient(Target(self.farm.url, (data / OPERATOR_FILE).read_text().strip(), data / AUTHORITY_FILE))

    def page_settings(self) -> NodeSettings:
        """With which `PageClient` finds the page of the node `PAGE`."""
        return load(NodeSettings, self.folder / f"node-{PAGE}.toml")

    # --- processes ---------------------------------------------------------------------------------------------------------------

    def child(self, name: str) -> Child:
        """The process `daemon`, `workshop` or `home`."""
        return self.farm.daemon if name == "daemon" else self.farm.nodes[name]

    def data(self, name: str) -> Path:
        """Its data folder."""
        return self.folder / ("farm-data" if name == "daemon" else f"node-{name}")

    def database(self, name: str) -> Path:
        """Its SQLite file."""
        return self.data(name) / (FILE_NAME if name == "daemon" else "ledger.sqlite")

    def runs(self, name: str) -> bool:
        """Whether it runs, asleep or not."""
        return self.child(name).alive

    def kill(self, name: str) -> None:
        """Kill -9; it stays down until `start`."""
        self._down[name] = "killed"
        if self.runs(name):
            self.kills += 1
        self.child(name).kill()

    def kill_at_commit(self, name: str) -> None:
        """Kill -9 at the moment at which its database was written, or after a while without any."""
        journal = self.database(name).with_name(f"{self.database(name).name}-wal")
        before, deadline_s = _changed_ns(journal), time.monotonic() + _COMMIT_PATIENCE_S
        while _changed_ns(journal) == before and time.monotonic() < deadline_s:
            time.sleep(0.0005)
        self.kill(name)

    def end(self, name: str) -> None:
        """Ask it to end; it stays down until `start`."""
        self._down[name] = "ended"
        child = self.child(name)
        if child.process is not None and child.alive:
            self._wake(child.process.pid)
            child.process.terminate()

    def start(self, name: str) -> None:
        """Start it, if it does not run; one that still takes its time to end is killed."""
        child = self.child(name)
        if self._down.pop(name, "") == "ended":
            child.kill()
        if not child.alive:
            child.start()
        self._ended.pop(name, None)

    def brokers(self) -> list[int]:
        """The process ids of mosquitto of this farm: at most one, but for a moment."""
        marker = str(self.data("daemon"))
        return [pid for pid, words in _processes() if any("mosquitto" in word for word in words[:1]) and marker in " ".join(words)]

    def kill_broker(self) -> None:
        """Kill -9; the daemon starts it again. It keeps nothing: retained messages are gone."""
        for pid in self.brokers():
            self.kills += 1
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def sleep(self, name: str) -> list[int]:
        """SIGSTOP of a process, or of the broker; returns whom to wake."""
        process = None if name == "broker" else self.child(name).process
        pids = self.brokers() if process is None else [process.pid] if process.poll() is None else []
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
                self._asleep.add(pid)
        return pids

    def _wake(self, pid: int) -> None:
        self._asleep.discard(pid)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)

    def wake(self, pids: list[int]) -> None:
        """SIGCONT."""
        for pid in pids:
            if pid in self._asleep:
                self._wake(pid)

    def wake_all(self) -> None:
        """SIGCONT to everybody who sleeps."""
        self.wake(list(self._asleep))

    def watch(self) -> None:
        """Start again what ended by itself, as systemd does, and note who had no reason to end."""
        now_s = time.monotonic()
        for name in ("daemon", *NODES):
            if name in self._down or self.runs(name):
                continue
            if name not in self._ended:
                self._ended[name] = now_s
                excuse = f"disk of {name} is full" if now_s < self._full.get(name, 0.0) else ""
                self.trace.say(f"{name} ended by itself ({excuse or 'nobody touched it'}): {self.child(name).last_lines()[-600:]}")
                if not excuse:
                    self.unexpected.append(name)
            elif now_s - self._ended[name] > _RESTART_S:
                self.start(name)

    # --- disks and cables --------------------------------------------------------------------------------------------------------

    def fill(self, name: str) -> None:
        """Leave not one byte on its disk."""
        self._full[name] = math.inf
        with suppress(OSError), (self.data(name) / "filler").open("ab", buffering=0) as filler:
            for size in (1024 * 1024, 4096):
                with suppress(OSError):
                    while True:
                        filler.write(bytes(size))

    def free(self, name: str) -> None:
        """Room again."""
        (self.data(name) / "filler").unlink(missing_ok=True)
        self._full[name] = time.monotonic() + _EXCUSED_S

    def calm(self) -> None:
        """All faults are off, and everything runs."""
        self.wake_all()
        if self.cable is not None:
            self.cable.mend()
        for name in list(self._full):
            self.free(name)
        for number in range(1, self.printers.count + 1):
            self.printers.control(number, fault="none")
        for name in list(self._down):
            self.start(name)


def _changed_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _processes() -> list[tuple[int, list[str]]]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                words = (entry / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
                found.append((int(entry.name), words))
    return found


def left_over(folder: Path) -> list[str]:
    """Processes that still name `folder` on their command line, us excepted."""
    ours = {os.getpid(), os.getppid()}
    return [" ".join(words) for pid, words in _processes() if pid not in ours and any(str(folder) in word for word in words)]
