"""Benches of our kinds of printer for the conformance checks: each a machine that can be made to do things."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from drivers import manual
from drivers.base import Driver, EventListener, Fault, JobTrace, PrintEnd, PrinterState
from drivers.conformance import Ability
from drivers.marlin.printer import from_url as marlin
from drivers.octoprint.address import parse_address
from drivers.octoprint.printer import OctoPrintDriver
from drivers.testing import Script, ScriptedDriver
from drivers.virtual.control import obey
from drivers.virtual.firmware import Firmware
from drivers.virtual.options import FirmwareOptions
from drivers.virtual.port import VirtualPort
from drivers.virtual.printer import VirtualPrinter, read_settings
from tests.unit.drivers.marlin.world import HEATED, moves
from tests.unit.drivers.octoprint.fake import KEY, Answer, FakeOctoPrint
from tests.unit.drivers.octoprint.test_watch import QUICK

SPEED: Final = 200.0
BRIEF, LASTING = 200, 40_000  # moves: about a second, and several minutes, at this speed
FAULT: Final = Fault("hot", "Error:hot", "It is too hot.", "Elle est trop chaude.", "Look.", "Regardez.")


class Base:
    """What a bench cannot do."""

    abilities: frozenset[Ability] = frozenset()
    secrets: tuple[str, ...] = ()
    patience_s = 40.0

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.brief = self.lasting = folder / "frame.gcode"
        self.brief.write_text("G28\nG1 X10\n")

    async def close(self) -> None:
        """Nothing is left."""

    async def finish(self) -> None:
        raise NotImplementedError

    async def fail(self) -> None:
        raise NotImplementedError

    async def cancel_at_machine(self) -> None:
        raise NotImplementedError

    async def ask(self) -> None:
        raise NotImplementedError

    async def vanish(self) -> None:
        raise NotImplementedError

    async def come_back(self) -> None:
        raise NotImplementedError

    async def print_something_else(self) -> None:
        raise NotImplementedError


class ScriptedBench(Base):
    """The driver of tests: the script is the machine."""

    abilities = frozenset(set(Ability) - {Ability.VANISH, Ability.READ_FILE})

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.drivers: list[ScriptedDriver] = []

    def make(self, listener: EventListener) -> Driver:
        left = self.drivers[-1].left if self.drivers else None
        script = Script(trace=None if left is None else JobTrace(running=True), transcript=["1.0 > G28", "1.1 < ok"])
        self.drivers.append(ScriptedDriver(listener, script=script))
        return self.drivers[-1]

    @property
    def driver(self) -> ScriptedDriver:
        return self.drivers[-1]

    async def finish(self) -> None:
        self.driver.finishes()

    async def fail(self) -> None:
        self.driver.finishes(PrintEnd.FAILED, "hot", fault=FAULT)

    async def cancel_at_machine(self) -> None:
        self.driver.finishes(PrintEnd.CANCELLED, by_person=True)

    async def ask(self) -> None:
        self.driver.asks("Load filament", "Continue")

    async def print_something_else(self) -> None:
        self.driver.becomes(PrinterState.FOREIGN)


class ManualBench(Base):
    """A person is the machine."""

    abilities = frozenset({Ability.FINISH, Ability.CANCEL})

    def make(self, listener: EventListener) -> Driver:
        self.driver = manual.ManualPrinter(listener, name="anna")
        return self.driver

    async def finish(self) -> None:
        assert self.driver.job is not None
        self.driver.accept(self.driver.job)
        assert self.driver.report_done(self.driver.job)

    async def cancel_at_machine(self) -> None:
        assert self.driver.job is not None
        assert self.driver.give_up(self.driver.job)


class SerialBench(Base):
    """A virtual firmware on a pty, driven by the Marlin driver."""

    patience_s = 120.0  # an ok of M109 that a pulled cable swallowed is missed for 10 s, and a crowded machine prints slowly
    abilities = frozenset(set(Ability) - {Ability.FOREIGN})

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.lasting = folder / "lasting.gcode"
        _write(self.brief, BRIEF)
        _write(self.lasting, LASTING)
        options = FirmwareOptions(host_actions=True, runout_sensor=True)
        self.port: VirtualPort | None = VirtualPort(Firmware(options), speed=SPEED, link=folder / "printer")

    def make(self, listener: EventListener) -> Driver:
        return marlin(urlsplit(f"marlin://{self.folder / 'printer'}?baud=115200&deadman_s=0"), listener)

    async def close(self) -> None:
        if self.port is not None:
            await asyncio.to_thread(self.port.close)

    async def _at_port(self, work: Callable[[VirtualPort], Any]) -> None:
        assert self.port is not None
        await asyncio.to_thread(work, self.port)

    async def _break(self, **order: Any) -> None:
        await self._at_port(lambda port: obey(port, order))

    async def finish(self) -> None:
        """The brief program ends by itself."""

    async def fail(self) -> None:
        await self._break(fault="thermal-runaway")

    async def cancel_at_machine(self) -> None:
        await self._at_port(lambda port: port.call(lambda firmware, _now_s: firmware.machine.act("cancel")))

    async def ask(self) -> None:
        await self._break(fault="runout")

    async def vanish(self) -> None:
        await self._break(fault="unplug")

    async def come_back(self) -> None:
        await self._break(fault="replug")


class VirtualBench(SerialBench):
    """The virtual printer as a kind of its own: its machine lives with the driver, from `connect` to `close`."""

    abilities = frozenset({Ability.FINISH, Ability.FAIL, Ability.CANCEL, Ability.ASK, Ability.READ_FILE})

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        assert self.port is not None
        self.port.close()
        self.port = None

    def make(self, listener: EventListener) -> Driver:
        settings = read_settings(urlsplit(f"virtual://?speed={SPEED}&host_actions=1&runout_sensor=1"))
        self.driver = VirtualPrinter(settings, listener)
        return self.driver

    async def _at_port(self, work: Callable[[VirtualPort], Any]) -> None:
        assert self.driver.port is not None
        await asyncio.to_thread(work, self.driver.port)


class OctoPrintBench(Base):
    """An OctoPrint made of a few variables."""

    abilities = frozenset(set(Ability) - {Ability.ASK})
    secrets = (KEY,)

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        (folder / "printer.key").write_text(KEY + "\n")
        self.fake = FakeOctoPrint()
        self.fake.answers["POST", "/api/job"] = self._job
        self.fake.answers["POST", "/api/printer/command"] = self._commands

    async def open(self) -> "OctoPrintBench":
        await self.fake.listen()
        return self

    def make(self, listener: EventListener) -> Driver:
        address = parse_address(urlsplit(f"octoprint+http://127.0.0.1:{self.fake.port}?key_file={self.folder}/printer.key"))
        return OctoPrintDriver(address, listener, QUICK)

    async def close(self) -> None:
        await self.fake.close()

    def _job(self, body: bytes) -> Answer:
        """What OctoPrint does with the commands of a job (facts of the real one: tests/integration/test_octoprint_job.py)."""
        command = json.loads(body)
        if self.fake.state not in {"Printing", "Paused"}:
            return 409, {"error": "not printing"}
        if command["command"] == "cancel":
            asyncio.get_running_loop().call_soon(self._cancelled)
        else:
            self.fake.state = "Paused" if command["action"] == "pause" else "Printing"
            event = "PrintPaused" if command["action"] == "pause" else "PrintResumed"
            self.fake.push({"current": self.fake.current()})
            self.fake.event(event, path=self.fake.path, origin="local")
        return 204, None

    def _cancelled(self) -> None:
        self._over("PrintCancelled", user="farm")
        self.fake.event("PrintFailed", path=self.fake.path, origin="local", reason="cancelled")

    def _commands(self, body: bytes) -> Answer:
        if "M112" in json.loads(body)["commands"]:
            asyncio.get_running_loop().call_soon(self._killed)
        return 204, None

    def _killed(self) -> None:
        self.fake.error = "Printer halted. kill() called!"
        self.fake.event("Error", error=self.fake.error, reason="firmware")
        self._over("PrintFailed", "Error", reason="error")

    def _over(self, event: str, state: str = "Operational", **content: Any) -> None:
        path = self.fake.path
        self.fake.state, self.fake.completion, self.fake.position = state, None, None
        self.fake.push({"current": self.fake.current()})
        self.fake.event(event, path=path, origin="local", **content)

    async def finish(self) -> None:
        assert self.fake.path is not None
        self.fake.files[self.fake.path]["prints"] = {"success": 1, "failure": 0, "last": {"success": True, "date": 1.0}}
        self._over("PrintDone")

    async def fail(self) -> None:
        self.fake.error = "Thermal Runaway, system stopped! Heater_ID: 0"
        self.fake.event("Error", error=self.fake.error, reason="firmware")
        self._over("PrintFailed", "Error", reason="error")

    async def cancel_at_machine(self) -> None:
        self._over("PrintCancelled", user="anna")
        self.fake.event("PrintFailed", path=self.fake.path, origin="local", reason="cancelled")

    async def vanish(self) -> None:
        await self.fake.close()

    async def come_back(self) -> None:
        await self.fake.listen()

    async def print_something_else(self) -> None:
        self.fake.path, self.fake.state, self.fake.completion = "panel/other.gcode", "Printing", 1.0
        self.fake.push({"current": self.fake.current()})


def _write(path: Path, count: int) -> None:
    path.write_text("".join(f"{line}\n" for line in [*HEATED, *moves(count), "M104 S0", "M84"]))


async def bench_of(kind: str, folder: Path) -> Any:
    """The bench of a kind of printer."""
    folder.mkdir(exist_ok=True)
    if kind == "octoprint":
        return await OctoPrintBench(folder).open()
    return await asyncio.to_thread(BENCHES[kind], folder)


BENCHES: Final[dict[str, type[Base]]] = {
    "scripted": ScriptedBench,
    "manual": ManualBench,
    "marlin": SerialBench,
    "virtual": VirtualBench,
    "octoprint": OctoPrintBench,
}
