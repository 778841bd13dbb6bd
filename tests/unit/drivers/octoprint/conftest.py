"""A fake OctoPrint and a driver for it."""

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from drivers.octoprint.address import OctoPrintAddress, parse_address
from tests.unit.drivers.octoprint.fake import KEY, FakeOctoPrint, fake_octoprint


@pytest.fixture
async def fake() -> AsyncIterator[FakeOctoPrint]:
    async with fake_octoprint() as server:
        yield server


@pytest.fixture
def address(fake: FakeOctoPrint, tmp_path: Path) -> OctoPrintAddress:
    (tmp_path / "printer.key").write_text(KEY + "\n")
    return parse_address(urlsplit(f"octoprint+http://127.0.0.1:{fake.port}?key_file={tmp_path}/printer.key"))
