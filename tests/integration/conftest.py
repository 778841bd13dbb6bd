"""Real components shared by the integration tests of one session."""

import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.integration.octoprint_bench import Bench, connected
from tests.integration.octoprint_server import Changes, OctoPrintServer

UPLOAD_DISK_MIB = 4
MAX_UPLOAD_BYTES = 1024**2


def _running(folder: Path, changes: Changes | None = None) -> Iterator[OctoPrintServer]:
    server = OctoPrintServer(folder, changes)
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def octoprint_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OctoPrintServer]:
    """One OctoPrint for the whole session. A test that kills or reconfigures it takes a server of its own."""
    yield from _running(tmp_path_factory.mktemp("octoprint"))


@pytest.fixture(scope="session")
def octoprint_noisy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OctoPrintServer]:
    """One with the virtual printer's own simulated errors, small uploads only and, for root, a small disk for them."""
    folder = tmp_path_factory.mktemp("octoprint-noisy")
    uploads = folder / "uploads"
    uploads.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={UPLOAD_DISK_MIB}m", "tmpfs", str(uploads)]
    mounted = os.geteuid() == 0 and subprocess.run(mount, check=False, capture_output=True).returncode == 0
    changes = {
        "plugins": {"virtual_printer": {"simulated_errors": None}},
        "server": {"uploads": {"maxSize": MAX_UPLOAD_BYTES}},
        "folder": {"uploads": str(uploads)},
    }
    try:
        yield from _running(folder, changes)
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(uploads)], check=True)


@pytest.fixture(scope="session")
def _spare_octoprint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OctoPrintServer]:
    # its printer's silence is noticed sooner than by default, so that a test need not wait for long
    yield from _running(
        tmp_path_factory.mktemp("octoprint-spare"), {"serial": {"maxCommunicationTimeouts": {"printing": 1, "long": 1}}}
    )


@pytest.fixture
def octoprint_spare(_spare_octoprint: OctoPrintServer) -> OctoPrintServer:
    """One that a test may kill, stop and reconfigure: whoever comes next finds it running and as it was."""
    if not _spare_octoprint.alive or _spare_octoprint.changed:
        _spare_octoprint.stop()
        _spare_octoprint.configure()
        _spare_octoprint.start()
    return _spare_octoprint


@pytest.fixture
async def bench(octoprint_server: OctoPrintServer, tmp_path: Path) -> AsyncIterator[Bench]:
    """A driver that is connected to the session's OctoPrint."""
    async with connected(octoprint_server, tmp_path) as made:
        yield made
