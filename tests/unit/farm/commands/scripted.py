"""A printer for commands that speak to one: a scripted driver with everything a driver can have."""

from pathlib import Path

import pytest

from drivers.base import Capability, EventListener, Picture, PrinterState
from drivers.errors import DriverError, PrinterBusyError
from drivers.testing import Script, ScriptedDriver
from farm.commands import device

EVERYTHING = frozenset(
    {Capability.CONSOLE, Capability.SNAPSHOT, Capability.TRANSCRIPT, Capability.PROMPTS, Capability.EMERGENCY_STOP}
)


class EquippedDriver(ScriptedDriver):
    """Has a console that says `told`, and a camera."""

    def __init__(self, listener: EventListener, *, capabilities: frozenset[Capability] = EVERYTHING, script: Script | None = None):
        super().__init__(listener, capabilities=capabilities, script=script)
        self.told: dict[str, list[str]] = {}
        self.console_error: DriverError | None = None

    async def console(self, line: str) -> list[str]:
        self.calls.append(("console", line))
        if self.console_error is not None:
            raise self.console_error
        return self.told.get(line, ["ok"])

    async def snapshot(self) -> Picture:
        return Picture(b"\xff\xd8\xff picture", "image/jpeg")


class Bench:
    """What `open_driver` gives to the commands."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.capabilities = EVERYTHING
        self.script = Script(transcript=["0.000 > M115", "0.010 < FIRMWARE_NAME:Marlin UUID:7ea12e85-4a49-4a29-b7a1-9d9d0c2b5a11"])
        self.told: dict[str, list[str]] = {}
        self.console_error: DriverError | None = None
        self.running: str | None = None
        self.driver: EquippedDriver | None = None
        monkeypatch.setattr(device, "open_driver", self._make)

    def _make(self, _url: str, listener: EventListener) -> EquippedDriver:
        self.driver = EquippedDriver(listener, capabilities=self.capabilities, script=self.script)
        self.driver.told, self.driver.console_error = self.told, self.console_error
        if self.running is not None:
            running = self.running
            connect = self.driver.connect

            async def connect_to_a_busy_one() -> None:
                await connect()
                assert self.driver is not None
                self.driver.becomes(PrinterState.PRINTING, job=running)

            self.driver.connect = connect_to_a_busy_one  # type: ignore[method-assign]  # a printer that prints already
        return self.driver

    def asked(self) -> list[str]:
        """The lines that came to the console."""
        assert self.driver is not None
        return [call[1] for call in self.driver.calls if call[0] == "console"]


BUSY = PrinterBusyError("It is printing.", next_step="Wait.")
NO_FILE = Path("/nonexistent/folder/file")
