import asyncio
import os
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import structlog.testing
from hypothesis import given
from hypothesis import strategies as st

from drivers.base import BOOKMARK_CHARACTERS, Bookmark, JobTrace
from farm.node import bookmarks as module
from farm.node.bookmarks import RECORD_BYTES, Bookmarks, ended, read, running, write
from tests.unit.farm.node.bench import A, B, Bench
from tests.unit.farm.node.fake_farm import GCODE_SHA, printing, until, workshop


@given(st.text(max_size=BOOKMARK_CHARACTERS))
def test_what_is_written_is_read_and_the_file_never_grows(text: str) -> None:
    path = Path(f"/tmp/essaim-test-bookmark-{os.getpid()}/printer-a")
    try:
        assert write(path, Bookmark("job-1", text))
        assert read(path, "job-1") == text.encode("utf-8", "replace").decode()
        assert path.stat().st_size == RECORD_BYTES
        assert read(path, "job-2") is None, "of another job"
    finally:
        path.unlink(missing_ok=True)
        path.parent.rmdir()


def test_a_shorter_one_takes_the_place_of_a_longer_one(tmp_path: Path) -> None:
    path = tmp_path / "printer-a"
    write(path, Bookmark("job-1", "x" * BOOKMARK_CHARACTERS))
    inode = path.stat().st_ino
    write(path, Bookmark("job-1", "line 7"))
    assert read(path, "job-1") == "line 7"
    assert path.stat().st_ino == inode, "in place"
    assert path.stat().st_mode & 0o077 == 0, "of this user only"


@pytest.mark.parametrize("keep", [0, 1, 8, 9, 20, 40])
def test_a_torn_record_is_none(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "printer-a"
    write(path, Bookmark("job-1", "line 7, offset 1234567"))
    path.write_bytes(path.read_bytes()[:keep])
    assert read(path, "job-1") is None


@pytest.mark.parametrize("content", [b"\xff" * 100, b"00000000 {}", b"zzzzzzzz {}", b"", b"\n" * 5_000])
def test_what_is_no_record_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "printer-a").write_bytes(content)
    assert read(tmp_path / "printer-a", "job-1") is None


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert not write(tmp_path / "file" / "printer-a", Bookmark("job-1", "x"))
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    assert not write(tmp_path / "link", Bookmark("job-1", "x")), "a link is not followed"
    assert not (tmp_path / "elsewhere").exists()


def test_who_has_ended() -> None:
    bench = Bench()
    start = bench.start()
    before = bench.state
    assert running(before) == {A}
    assert ended(before, before) == []
    bench.end(start)
    assert ended(before, bench.state) == [A]
    assert ended(before, replace(bench.state, occupations={})) == [A], "collected in the same step"
    assert ended(bench.state, before) == []


@asynccontextmanager
async def keeping(folder: Path, *printers: str) -> AsyncIterator[Bookmarks]:
    thread = ThreadPoolExecutor(1)
    kept = Bookmarks(folder, thread)
    task = asyncio.create_task(kept.keep(printers))
    try:
        yield kept
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.to_thread(thread.shutdown)


async def test_of_many_only_the_newest_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = []

    def counted(path: Path, mark: Bookmark) -> bool:
        rounds.append(mark.text)
        return write(path, mark)

    monkeypatch.setattr(module, "write", counted)
    monkeypatch.setattr(module, "_GAP_S", 1.0)
    began_s = time.monotonic()  # a crowded machine needs seconds for the thousand
    async with keeping(tmp_path / "marks") as kept:
        for number in range(1_000):
            kept.note(A, Bookmark("job-1", str(number)))
            await asyncio.sleep(0)
        await until(lambda: read(tmp_path / "marks" / A, "job-1") == "999")
    assert len(rounds) <= 3 + (time.monotonic() - began_s) / 1.0, "a thousand in a moment are a few writes"


async def test_too_long_a_text_is_refused(tmp_path: Path) -> None:
    async with keeping(tmp_path) as kept:
        kept.note(A, Bookmark("job-1", "x" * (BOOKMARK_CHARACTERS + 1)))
        kept.note(B, Bookmark("job-2", "x"))
        await until(lambda: read(tmp_path / B, "job-2") == "x")
        assert not (tmp_path / A).exists()


async def test_a_forgotten_one_does_not_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_GAP_S", 0.001)
    async with keeping(tmp_path) as kept:
        kept.note(A, Bookmark("job-1", "x"))
        await until(lambda: read(tmp_path / A, "job-1") == "x")
        kept.note(A, Bookmark("job-1", "y"))
        kept.forget([A])
        await asyncio.sleep(0.05)
        assert await kept.of(A, "job-1") is None
        kept.forget([A, B])  # twice, and one that never was


async def test_at_a_start_only_the_running_are_kept(tmp_path: Path) -> None:
    write(tmp_path / A, Bookmark("job-1", "x"))
    write(tmp_path / B, Bookmark("job-2", "x"))
    async with keeping(tmp_path, B) as kept:
        await until(lambda: not (tmp_path / A).exists())
        assert await kept.of(B, "job-2") == "x"


async def test_a_disk_that_takes_nothing_is_told_once_and_so_is_its_recovery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_GAP_S", 0.001)
    full = True
    monkeypatch.setattr(module, "write", lambda path, mark: not full and write(path, mark))
    with structlog.testing.capture_logs() as logs:
        async with keeping(tmp_path) as kept:
            for number in range(3):
                kept.note(A, Bookmark("job-1", str(number)))
                await asyncio.sleep(0.02)
            await until(lambda: len(logs) == 1)
            full = False
            for number in range(3, 6):
                kept.note(A, Bookmark("job-1", str(number)))
                await asyncio.sleep(0.02)
            await until(lambda: len(logs) == 2)
    assert [line["event"] for line in logs] == ["bookmarks.not-kept", "bookmarks.kept-again"]


# --- an agent


async def test_a_job_that_ends_takes_its_bookmark_along(tmp_path: Path) -> None:
    async with printing(tmp_path) as (shop, printer, driver):
        path = tmp_path / "bookmarks" / printer
        driver.bookmarks("line 7")
        await until(path.exists)
        driver.finishes()
        await until(lambda: not path.exists())
        assert shop.agent.state.occupations[printer].outcome == "printed"


async def test_a_restarted_agent_gives_file_and_bookmark_back(tmp_path: Path) -> None:
    async with printing(tmp_path) as (shop, printer, driver):
        await until(lambda: "job-started" in shop.farm.kinds())
        job = driver.status.job or ""
        driver.bookmarks("line 7")
        driver.bookmarks("line 8")
        await until(lambda: read(tmp_path / "bookmarks" / printer, job) == "line 8")
    async with workshop(tmp_path, "left", farm=shop.farm) as again:
        again.scripts["left"].trace = JobTrace(running=True)
        await until(lambda: again.drivers["left"].traced, what="a trace")
        program = tmp_path.absolute() / "programs" / f"{GCODE_SHA}.gcode"
        assert again.drivers["left"].traced == [(job, program, "line 8")]
        await again.agent.settle()
        assert again.agent.state.occupations[printer].running


async def test_without_a_bookmark_the_machine_is_asked_all_the_same(tmp_path: Path) -> None:
    async with printing(tmp_path) as (shop, _, driver):
        await until(lambda: "job-started" in shop.farm.kinds())
        job = driver.status.job or ""
    (tmp_path / "programs" / f"{GCODE_SHA}.gcode").unlink()
    async with workshop(tmp_path, farm=shop.farm) as gone:  # the printer is not in its node.toml for a while
        assert gone.agent.state.occupations
    (tmp_path / "programs" / f"{GCODE_SHA}.gcode").unlink(missing_ok=True)
    async with workshop(tmp_path, "left", farm=shop.farm) as again:
        (tmp_path / "programs" / f"{GCODE_SHA}.gcode").unlink(missing_ok=True)
        await until(lambda: again.drivers["left"].traced, what="a trace")
        assert again.drivers["left"].traced[0][::2] == (job, None)
