"""The OctoPrint driver keeps the contract with a real OctoPrint, too; all other kinds: tests/unit/drivers/test_conformance.py."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest
import requests

from drivers.base import Driver, EventListener
from drivers.conformance import CHECKS, JOB, OTHER_JOB, Ability, Check, conforms
from drivers.octoprint.address import parse_address
from drivers.octoprint.printer import OctoPrintDriver
from tests.integration.octoprint_bench import LONG, QUICK, SOME_SECONDS, Cable
from tests.integration.octoprint_server import OctoPrintServer
from tests.unit.drivers.benches import Base

pytestmark = [pytest.mark.real, pytest.mark.slow]
# its user has the least rights; with more of them: tests/integration/test_octoprint_extras.py
NOT_PROMISED: Final = {
    "the_wire_is_recorded_within_bounds": "no transcript",
    "the_console_is_for_idle_machines": "no console",
}
OTHER: Final = "vase.gcode"


class RealOctoPrintBench(Base):
    """An OctoPrint of the tests, with its virtual printer, behind a cable that can be cut."""

    abilities = frozenset(set(Ability) - {Ability.ASK})
    patience_s = 90.0

    def __init__(self, folder: Path, server: OctoPrintServer, cable: Cable) -> None:
        super().__init__(folder)
        self.server, self.cable = server, cable
        self.secrets = (server.key_file.read_text().strip(),)
        self.lasting = folder / "lasting.gcode"
        self.lasting.write_bytes(LONG)
        self.brief.write_bytes(SOME_SECONDS)

    def make(self, listener: EventListener) -> Driver:
        url = f"octoprint+http://127.0.0.1:{self.cable.port}?key_file={self.server.key_file}"
        return OctoPrintDriver(parse_address(urlsplit(url)), listener, QUICK)

    async def ready(self) -> None:
        """As before any print: a job's file that is still there was printed before."""
        await asyncio.to_thread(self.server.make_ready)
        for path in (f"farm/{JOB}.gcode", f"farm/{OTHER_JOB}.gcode", OTHER):
            with suppress(requests.HTTPError):  # it is not there
                await asyncio.to_thread(self.server.delete, f"/api/files/local/{path}")

    async def _break(self, command: str) -> None:
        await asyncio.to_thread(self.server.break_printer, command)

    async def finish(self) -> None:
        command = {"command": "M220 S100000"}  # what is long becomes short
        await asyncio.to_thread(self.server.post, "/api/printer/command", command)

    async def fail(self) -> None:
        await self._break("trigger_fatal_error_marlin")

    async def cancel_at_machine(self) -> None:
        await asyncio.to_thread(self.server.post, "/api/job", {"command": "cancel"})

    async def vanish(self) -> None:
        await self.cable.cut()

    async def come_back(self) -> None:
        await self.cable.mend()

    async def print_something_else(self) -> None:
        await asyncio.to_thread(self.server.upload, OTHER, LONG, start=True)


@pytest.fixture
async def real(octoprint_server: OctoPrintServer, tmp_path: Path) -> AsyncIterator[RealOctoPrintBench]:
    between = Cable(octoprint_server.port)
    await between.mend()
    bench = RealOctoPrintBench(tmp_path, octoprint_server, between)
    await bench.ready()
    try:
        yield bench
    finally:
        await between.cut()
        await bench.ready()


@pytest.mark.parametrize("check", [check for check in CHECKS if check.needs <= RealOctoPrintBench.abilities], ids=str)
async def test_octoprint_keeps_the_contract(check: Check, real: RealOctoPrintBench) -> None:
    assert await conforms(check, real) == NOT_PROMISED.get(check.name)
