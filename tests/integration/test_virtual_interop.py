"""The virtual printer is a printer for programs that never heard of it: unmodified OctoPrint and printrun print through its pty.

What was printed is the firmware's own truth, compared with the same program fed to a firmware line by line without any host.
"""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from drivers.virtual.control import obey
from drivers.virtual.firmware import Firmware
from drivers.virtual.options import FirmwareOptions
from drivers.virtual.port import VirtualPort
from tests.integration.octoprint_server import OctoPrintServer
from tests.integration.real import require
from tests.integration.small_program import small_program

SPEED: Final = 100.0
PATIENCE_S: Final = 180.0
PRINTRUN: Final = Path(__file__).parent.parent.parent / ".venv-printrun" / "bin" / "python"
# What hosts send on their own account, in between or at either end of a print.
HOSTS_OWN: Final = frozenset({"M105", "M110", "M113", "M115", "M155", "M27", "M20", "M21", "M400"})

PRINTCORE: Final = """\
import sys, time
from printrun.printcore import printcore
from printrun import gcoder
port, file = sys.argv[1:]
core = printcore(port, 115200)
while not core.online:
    time.sleep(0.05)
core.startprint(gcoder.LightGCode(open(file).read().splitlines()))
while core.printing:
    time.sleep(0.05)
time.sleep(0.5)
core.disconnect()
"""

pytestmark = [pytest.mark.real, pytest.mark.slow]


def commands(program: bytes) -> list[str]:
    """The program as hosts send it: without comments and empty lines."""
    lines = (line.partition(";")[0].strip() for line in program.decode().splitlines())
    return [line for line in lines if line]


def reference(program: bytes) -> dict[str, Any]:
    """What a firmware makes of the program when nothing is in between."""
    firmware = Firmware(FirmwareOptions())
    now_s = 0.0
    firmware.advance(now_s)
    for line in commands(program):
        firmware.feed(f"{line}\n".encode(), now_s)
        said = b""
        while b"ok" not in said:
            said += firmware.advance(now_s)
            wake_s = firmware.next_wake_s()
            now_s = max(now_s, now_s if wake_s is None else wake_s)
    firmware.settle(now_s + 600.0)
    return firmware.snapshot()


@pytest.fixture
def port() -> Iterator[VirtualPort]:
    found = VirtualPort(Firmware(), speed=SPEED)
    yield found
    found.close()


def assert_printed(port: VirtualPort, program: bytes) -> None:
    """One whole part, exactly the extrusion of the file, and each of its lines once and in order."""
    wanted = reference(program)
    deadline_s = time.monotonic() + PATIENCE_S
    while not (truth := obey(port, {"snapshot": True}))["parts"] or not truth["parts"][0]["end"]:
        assert time.monotonic() < deadline_s, truth
        time.sleep(0.1)
    assert truth["extruded_mm"] == wanted["extruded_mm"] > 5
    assert truth["net_mm"] == wanted["net_mm"]
    assert (truth["parts_finished"], truth["standing"], truth["collisions"]) == (1, 1, 0)
    assert truth["parts"][0]["height_mm"] == wanted["parts"][0]["height_mm"]
    told = obey(port, {"executed": True})
    # printcore sends an M110 behind its print.
    executed = [line for line in (*told["before"], *told["executed"]) if line.split()[0] not in HOSTS_OWN]
    ours = [line for line in commands(program) if line.split()[0] not in HOSTS_OWN]
    assert executed[: len(ours)] == ours
    assert truth["dropped_bytes"] == 0


@pytest.mark.parametrize("noise", [0.0, 0.0005])
def test_printcore_prints_a_frame(port: VirtualPort, tmp_path: Path, noise: float) -> None:
    require("printrun", PRINTRUN.exists())
    obey(port, {"fault": "noise", "in": noise})
    program = small_program(layers=2)
    file = tmp_path / "frame.gcode"
    file.write_bytes(program)
    script = tmp_path / "print.py"
    script.write_text(PRINTCORE)
    subprocess.run([str(PRINTRUN), str(script), port.path, str(file)], check=True, timeout=PATIENCE_S, capture_output=True)
    assert_printed(port, program)


def test_octoprint_prints_a_frame(port: VirtualPort, tmp_path: Path) -> None:
    server = OctoPrintServer(tmp_path / "octoprint", {"serial": {"port": port.path, "additionalPorts": [port.path]}})
    program = small_program(layers=2)
    try:
        server.start()
        server.upload("frame.gcode", program, start=True)
        assert_printed(port, program)
        server.wait_for("Operational")
        assert server.get("/api/job")["progress"]["completion"] == 100.0
    finally:
        server.remove()
