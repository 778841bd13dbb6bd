"""What a thread makes is had by who asked for it, or given back."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from threading import Event, current_thread, main_thread

import pytest

from farm.threads import finished, made
from tests.integration.bus import until
from tests.patience import PATIENCE_S


class Thing:
    """Something that a thread makes once it is allowed to."""

    def __init__(self) -> None:
        self.begun, self.allowed, self.there = Event(), Event(), Event()
        self.undone: list[str] = []

    def make(self) -> str:
        self.begun.set()
        assert self.allowed.wait(PATIENCE_S)
        self.there.set()
        return f"made in another thread: {current_thread() is not main_thread()}"


async def test_who_waits_gets_it() -> None:
    thing = Thing()
    thing.allowed.set()
    assert await made(thing.make, thing.undone.append) == "made in another thread: True"
    assert thing.undone == []


async def test_what_goes_wrong_is_told_and_nothing_is_undone() -> None:
    undone: list[str] = []
    with pytest.raises(FileNotFoundError):
        await made(Path("/no/such/file").read_text, undone.append)
    assert undone == []


async def begun(thing: Thing, make: Callable[[], str]) -> "asyncio.Task[str]":
    task = asyncio.create_task(made(make, thing.undone.append))
    await until(thing.begun.is_set)
    return task


async def test_who_is_gone_meanwhile_leaves_nothing_behind() -> None:
    thing = Thing()
    task = await begun(thing, thing.make)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert thing.undone == []
    thing.allowed.set()
    await until(lambda: len(thing.undone) == 1)


async def test_who_is_gone_in_the_moment_when_it_is_there_leaves_nothing_behind() -> None:
    thing = Thing()
    task = await begun(thing, thing.make)
    thing.allowed.set()
    assert thing.there.wait(PATIENCE_S)  # the loop stands still meanwhile, and does not hand it over
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: len(thing.undone) == 1)


async def test_what_goes_wrong_when_nobody_waits_any_more_is_nobodys() -> None:
    thing = Thing()

    def broken() -> str:
        thing.make()
        raise OSError("nobody reads this")

    task = await begun(thing, broken)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    thing.allowed.set()
    await asyncio.get_running_loop().shutdown_default_executor()
    assert thing.undone == []


async def test_who_is_cancelled_waits_for_the_end_of_the_work() -> None:
    thing = Thing()
    task = asyncio.create_task(finished(thing.make))
    await until(thing.begun.is_set)
    task.cancel()
    await asyncio.wait({task}, timeout=0.05)
    assert not task.done()
    thing.allowed.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert thing.there.is_set()


async def test_work_that_is_done_is_answered() -> None:
    assert await finished(lambda: 7) == 7
    with pytest.raises(FileNotFoundError):
        await finished(Path("/no/such/file").read_text)
