"""The parent's end: what the process found is taken, bounded and checked; nothing is left behind when it dies, hangs or lies."""

import asyncio
import gzip
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from farm.daemon import inspection
from farm.daemon.inspection import Bounds, Found, InspectionError, NoRoomError, OnProgress, Progress, UnreadableError, inspect_apart
from farm.daemon.inspector import HEAD, Kind, report_row, summary_of
from farm.store.library import sha256_of
from gcode.checks import inspect
from gcode.profile import bundled_profiles
from tests.integration.small_program import small_program

PROFILES = bundled_profiles()
OWN = [PROFILES["generic-210"], PROFILES["prusa-mk3s"]]


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "square.gcode"
    path.write_bytes(small_program())
    return path


async def look(path: Path, *, bounds: Bounds = inspection.DEFAULT_BOUNDS, tell: OnProgress = lambda _progress: None) -> Found:
    return await inspect_apart(path, path.with_suffix(".plain"), OWN, density_g_cm3=1.24, bounds=bounds, on_progress=tell)


async def test_the_process_finds_what_we_would_find(program: Path) -> None:
    found = (await look(program)).checked
    assert found is not None
    with program.open("rb") as stream:
        expected = inspect(stream, OWN, density_g_cm3=1.24)
    assert found.summary.model_dump() == pytest.approx(summary_of(expected.facts))
    assert [json.loads(report.model_dump_json()) for report in found.reports] == [
        json.loads(json.dumps(report_row(report))) for report in expected.reports
    ]
    assert found.facts["layers"] == expected.facts.layers
    assert found.sha256 == sha256_of(program.with_suffix(".plain"))


async def test_a_packed_file_becomes_plain_and_both_pictures_are_drawn(program: Path) -> None:
    program.write_bytes(gzip.compress(small_program()))
    seen: list[Progress] = []
    found = await look(program, tell=seen.append)
    assert found.checked is not None
    assert found.checked.kind == "gzip"
    assert program.with_suffix(".plain").read_bytes() == small_program()
    assert {kind: content[:8] for kind, content in found.pictures.items()} == {
        Kind.PREVIEW: b"\x89PNG\r\n\x1a\n",
        Kind.THUMBNAIL: b"\x89PNG\r\n\x1a\n",
    }
    assert list(dict.fromkeys(step.step for step in seen)) == ["opening", "checking", "drawing"]


async def test_what_is_no_program_is_said_in_both_languages(program: Path) -> None:
    program.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    with pytest.raises(UnreadableError) as refused:
        await look(program)
    problem = refused.value.problem
    assert problem.code == "picture"
    assert problem.detail != problem.detail_fr
    assert problem.next_step
    assert problem.next_step_fr


async def test_a_missing_file_is_an_inspection_error(tmp_path: Path) -> None:
    with pytest.raises(InspectionError, match="code 1"):
        await look(tmp_path / "missing")


async def test_a_reader_that_is_killed_leaves_no_half_of_its_work(program: Path) -> None:
    plain = program.with_suffix(".plain")
    half = plain.with_name(f"{plain.name}.house")
    os.mkfifo(half)  # it waits for ever for somebody who reads what it writes there
    own = replace(OWN[0], house_blocks=True)
    with pytest.raises(InspectionError, match="no result"):
        await inspect_apart(program, plain, [own], density_g_cm3=1.24, bounds=Bounds(timeout_s=2.0))
    assert not half.exists()


async def test_a_reader_that_hangs_is_killed(program: Path) -> None:
    with pytest.raises(InspectionError, match="no result"):
        await look(program, bounds=Bounds(timeout_s=0.0))


async def test_a_file_that_takes_too_much_memory_is_refused_without_harm_to_us(program: Path) -> None:
    program.write_bytes(gzip.compress(small_program()))
    with pytest.raises(InspectionError):
        await look(program, bounds=Bounds(memory_bytes=3 * 1024**2))


async def test_a_file_that_unpacks_to_more_than_it_may_is_refused(program: Path) -> None:
    program.write_bytes(gzip.compress(small_program() + b";" + b"x" * 200 + b"\n" * 100_000))
    with pytest.raises(UnreadableError) as refused:
        await look(program, bounds=Bounds(plain_bytes=50_000))
    assert refused.value.problem.code == "too-large"
    assert program.with_suffix(".plain").stat().st_size <= 50_000


async def test_giving_up_kills_it_too(program: Path) -> None:
    task = asyncio.create_task(look(program))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_it_loads_nothing_of_the_daemon_and_the_daemon_nothing_of_the_scan() -> None:
    unwanted = ("'sqlalchemy' in sys.modules", "'pydantic' in sys.modules", "'numpy' in sys.modules", "'PIL' in sys.modules")
    scripts = (
        f"import sys, farm.daemon.inspector; sys.exit({' or '.join(unwanted)})",
        f"import sys, farm.daemon.inspection; sys.exit({' or '.join(unwanted[2:])})",
    )
    for script in scripts:
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", script, env={"PYTHONPATH": str(Path.cwd())})
        assert await child.wait() == 0


def test_nothing_of_our_environment_goes_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FARM_TOKEN", "secret")
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "64")
    environment = inspection._environment()
    assert "FARM_TOKEN" not in environment
    assert environment["OPENBLAS_NUM_THREADS"] == "1"
    assert environment["PATH"] == os.environ["PATH"]


# --- a process that says something else -------------------------------------------------------------------------------------------


def speaks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *said: bytes, code: int = 0) -> None:
    """Have another program take the place of the reader."""
    script = tmp_path / "liar.py"
    script.write_text(f"import sys; sys.stdin.buffer.read(); sys.stdout.buffer.write({b''.join(said)!r}); sys.exit({code})")

    def instead(_command: Sequence[str]) -> list[str]:
        return [sys.executable, str(script)]

    monkeypatch.setattr(inspection, "bound_to_us", instead)


def frame(kind: bytes, content: bytes) -> bytes:
    return HEAD.pack(kind, len(content)) + content


@pytest.mark.parametrize(
    "said",
    [
        frame(b"r", b"{}"),
        frame(b"r", b"not json"),
        frame(b"z", b""),
        HEAD.pack(b"p", 10_000),
        HEAD.pack(b"r", 2**31),
        frame(b"x", b'{"code": 5}'),
        b"",
        b"r\x00",
        HEAD.pack(b"d", 100) + b"cut",
    ],
    ids=["fields", "json", "kind", "long-progress", "huge", "problem", "silent", "cut-head", "cut-frame"],
)
async def test_what_cannot_be_read_is_an_inspection_error(
    said: bytes, program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    speaks(monkeypatch, tmp_path, said)
    with pytest.raises(InspectionError):
        await look(program)


async def test_what_is_not_read_of_a_long_answer_keeps_no_pipe_open(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Any] = []
    begin = asyncio.create_subprocess_exec

    async def noted(*command: Any, **options: Any) -> asyncio.subprocess.Process:
        child = await begin(*command, **options)
        started.append(child)
        return child

    monkeypatch.setattr(asyncio, "create_subprocess_exec", noted)
    speaks(monkeypatch, tmp_path, HEAD.pack(b"r", 2**31) + bytes(4 * 1024**2))
    with pytest.raises(InspectionError):
        await look(program)
    assert [child._transport.is_closing() for child in started] == [True]


@pytest.mark.parametrize(("code", "words"), [(12, "memory"), (3, "code 3"), (0, "no result")])
async def test_why_it_gave_nothing_is_told(
    code: int, words: str, program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    speaks(monkeypatch, tmp_path, code=code)
    with pytest.raises(InspectionError, match=words):
        await look(program)


async def test_a_full_disk_is_not_the_files_fault(program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    speaks(monkeypatch, tmp_path, code=28)
    with pytest.raises(NoRoomError):
        await look(program)


async def test_dying_while_it_draws_costs_the_picture_only(program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checked = (await look(program)).checked
    assert checked is not None
    speaks(monkeypatch, tmp_path, frame(b"r", checked.model_dump_json().encode()), code=9)
    assert await look(program) == Found(checked, {})
