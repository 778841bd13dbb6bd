"""People's inspections go first: what runs in the background is given up for them, and begun anew."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from farm.daemon.turns import Turns


class Work:
    """An inspection that ends when the test says so, and needs a moment to be given up."""

    def __init__(self) -> None:
        self.begun = 0
        self.let_end = asyncio.Event()
        self.running = asyncio.Event()
        self.given_up = 0

    async def __call__(self) -> str:
        self.begun += 1
        self.running.set()
        try:
            await self.let_end.wait()
        except asyncio.CancelledError:
            self.running.clear()
            await asyncio.sleep(0)  # its process is killed and waited for
            self.given_up += 1
            raise
        return f"found by {self.begun}"


async def person(turns: Turns, work: Callable[[], Awaitable[str]]) -> str:
    async with turns.of_a_person():
        return await work()


async def moments() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_person_does_not_wait_for_what_runs_in_the_background() -> None:
    turns, again, upload = Turns(), Work(), Work()
    background = asyncio.create_task(turns.in_background(again))
    await again.running.wait()
    first = asyncio.create_task(person(turns, upload))
    await upload.running.wait()
    assert again.given_up == 1, "ended before the other began: one at a time"
    await moments()
    assert again.begun == 1
    upload.let_end.set()
    assert await first == "found by 1"
    await again.running.wait()
    again.let_end.set()
    assert await background == "found by 2"


async def test_the_background_waits_until_the_last_person_is_done() -> None:
    turns, again, uploads = Turns(), Work(), [Work(), Work(), Work()]
    people = [asyncio.create_task(person(turns, work)) for work in uploads]
    await moments()
    background = asyncio.create_task(turns.in_background(again))
    for work, task in zip(uploads, people, strict=True):
        await work.running.wait()
        assert [one.begun for one in uploads[uploads.index(work) + 1 :]] == [0] * (2 - uploads.index(work))
        await moments()
        assert again.begun == 0
        work.let_end.set()
        await task
    again.let_end.set()
    assert await background == "found by 1"


async def test_two_people_at_once_give_it_up_once() -> None:
    turns, again, upload, other = Turns(), Work(), Work(), Work()
    background = asyncio.create_task(turns.in_background(again))
    await again.running.wait()
    people = [asyncio.create_task(person(turns, work)) for work in (upload, other)]
    upload.let_end.set()
    other.let_end.set()
    assert await asyncio.gather(*people) == ["found by 1", "found by 1"]
    await again.running.wait()
    again.let_end.set()
    assert await background == "found by 2"
    assert again.given_up == 1


async def test_a_person_who_gives_up_leaves_the_turn_to_others() -> None:
    turns, again, upload = Turns(), Work(), Work()
    task = asyncio.create_task(person(turns, upload))
    await upload.running.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    again.let_end.set()
    assert await turns.in_background(again) == "found by 1"


@pytest.mark.parametrize("waiting", [False, True])
async def test_the_background_ends_with_the_daemon(waiting: bool) -> None:
    turns, again, upload = Turns(), Work(), Work()
    if waiting:
        holder = asyncio.create_task(person(turns, upload))
        await upload.running.wait()
    background = asyncio.create_task(turns.in_background(again))
    await moments()
    background.cancel()
    with pytest.raises(asyncio.CancelledError):
        await background
    assert again.given_up == again.begun == (0 if waiting else 1)
    upload.let_end.set()
    if waiting:
        assert await holder == "found by 1"


async def test_an_error_of_the_background_is_its_own() -> None:
    turns, upload = Turns(), Work()

    async def fails() -> str:
        raise OSError("the disk")

    with pytest.raises(OSError, match="the disk"):
        await turns.in_background(fails)
    upload.let_end.set()
    assert await person(turns, upload) == "found by 1"
