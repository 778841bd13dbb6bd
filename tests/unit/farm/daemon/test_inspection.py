"""The reader as a process: the same result as here, and nothing left behind when it dies or hangs."""

import asyncio
import sys
from pathlib import Path

import pytest

from farm.daemon import inspection
from farm.daemon.inspection import InspectionError, inspect_apart
from gcode.checks import inspect
from gcode.profile import bundled_profiles
from tests.integration.small_program import small_program

PROFILE = bundled_profiles()["generic-210"]


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "square.gcode"
    path.write_bytes(small_program())
    return path


async def test_the_process_finds_what_we_would_find(program: Path) -> None:
    with program.open("rb") as stream:
        assert await inspect_apart(program, PROFILE) == inspect(stream, (PROFILE,))


async def test_a_missing_file_is_an_inspection_error(tmp_path: Path) -> None:
    with pytest.raises(InspectionError, match="code 1"):
        await inspect_apart(tmp_path / "missing", PROFILE)


async def test_a_reader_that_hangs_is_killed(program: Path) -> None:
    with pytest.raises(InspectionError, match="no result"):
        await inspect_apart(program, PROFILE, timeout_s=0.0)


async def test_giving_up_kills_it_too(program: Path) -> None:
    task = asyncio.create_task(inspect_apart(program, PROFILE))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_it_loads_nothing_of_the_daemon() -> None:
    script = f"import sys, {inspection.__name__}; sys.exit('sqlalchemy' in sys.modules or 'pydantic' in sys.modules)"
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", script, env={"PYTHONPATH": str(Path.cwd())})
    assert await child.wait() == 0
