"""One farm a test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.unit.farm.daemon.harness import Farm, open_farm


@pytest_asyncio.fixture
async def farm(tmp_path: Path) -> AsyncIterator[Farm]:
    async with open_farm(tmp_path) as opened:
        yield opened
