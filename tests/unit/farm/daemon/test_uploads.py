"""Where uploads are: seen by everybody, bounded, and told when they end."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from farm.daemon import uploads
from farm.daemon.inspection import OnProgress, Progress
from farm.daemon.presenter import program_view
from farm.daemon.uploads import Uploads
from farm.errors import FarmError, InvalidError, NotFoundError, RejectedError
from farm.request_bodies import ProgramRequest
from farm.views import ProgramView
from gcode.texts import Bilingual, told
from scheduler.model import Farm
from tests.unit.farm.daemon.checked import finding
from tests.unit.farm.daemon.harness import PROGRAM, SHA

REQUEST = ProgramRequest(design="square", revision="square-1", profile="generic-210", name="square.gcode")
VIEW = program_view(Farm(1, 0.0), PROGRAM)


class Shop:
    """A list of uploads, how often people were told, and work that waits for the test."""

    def __init__(self) -> None:
        self.touched = 0
        self.go_on = asyncio.Event()
        self.list = Uploads(lambda: 7.0, self.touch)

    def touch(self) -> None:
        self.touched += 1

    async def work(self, tell: OnProgress) -> tuple[ProgramView, bool]:
        tell(Progress(step="checking", done=5, of=10))
        await self.go_on.wait()
        return VIEW, True

    async def refuse(self, tell: OnProgress) -> tuple[ProgramView, bool]:
        raise RejectedError(told("It is bad."), next_step=told("Mend it."), findings=[finding()])

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)


@pytest_asyncio.fixture
async def shop() -> AsyncIterator[Shop]:
    made = Shop()
    yield made
    await made.list.close()


async def test_one_in_the_background_is_seen_from_its_beginning_to_its_end(shop: Shop) -> None:
    begun = shop.list.begin(REQUEST, 903, shop.work)
    assert (begun.state, begun.name, begun.size_bytes, begun.begun_at) == ("waiting", "square.gcode", 903, 7.0)
    await shop.settle()
    seen = shop.list.find(begun.id)
    assert (seen.state, seen.done, seen.of, seen.program) == ("checking", 5, 10, None)
    before = shop.touched
    shop.go_on.set()
    await shop.settle()
    seen = shop.list.find(begun.id)
    assert (seen.state, seen.program, seen.new) == ("ready", SHA, True)
    assert shop.touched > before


async def test_a_refused_one_keeps_its_problem_and_the_list_is_brief(shop: Shop) -> None:
    begun = shop.list.begin(REQUEST, 903, shop.refuse)
    await shop.settle()
    problem = shop.list.find(begun.id).problem
    assert problem is not None
    assert (problem["code"], problem["detail"], problem["next_step"]) == ("gcode-rejected", "It is bad.", "Mend it.")
    assert problem["findings"] == [finding()]
    (brief,) = shop.list.all()
    assert brief.problem == {key: value for key, value in problem.items() if key != "findings"}


async def test_who_waits_for_it_gets_the_answer_or_the_error_and_others_see_it_too(shop: Shop) -> None:
    shop.go_on.set()
    assert await shop.list.follow(REQUEST, 903, shop.work) == (VIEW, True)
    with pytest.raises(RejectedError):
        await shop.list.follow(REQUEST, 903, shop.refuse)
    assert [view.state for view in shop.list.all()] == ["refused", "ready"]


async def test_one_that_is_given_up_disappears(shop: Shop) -> None:
    task = asyncio.create_task(shop.list.follow(REQUEST, 903, shop.work))
    await shop.settle()
    assert len(shop.list.all()) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert shop.list.all() == []


async def test_a_fault_of_ours_is_logged_and_ends_it(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    async def fail(_tell: OnProgress) -> tuple[ProgramView, bool]:
        raise RuntimeError("a bug")

    shop.list.begin(REQUEST, 903, fail)
    await shop.settle()
    assert shop.list.all() == []


async def test_no_more_than_the_disk_may_hold_wait(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_WAITING", 2)
    for _ in range(2):
        shop.list.begin(REQUEST, 903, shop.work)
    with pytest.raises(FarmError) as refused:
        shop.list.begin(REQUEST, 903, shop.work)
    assert refused.value.code == "throttled"
    shop.go_on.set()
    await shop.settle()
    shop.list.begin(REQUEST, 903, shop.work)


async def test_the_newest_that_ended_are_remembered(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_KEPT", 3)
    shop.go_on.set()
    first = shop.list.begin(REQUEST, 1, shop.work)
    await shop.settle()
    for size_bytes in range(2, 8):
        shop.list.begin(REQUEST, size_bytes, shop.work)
        await shop.settle()
    assert [view.size_bytes for view in shop.list.all()][-1] >= 4
    assert len(shop.list.all()) <= 4
    with pytest.raises(NotFoundError):
        shop.list.find(first.id)


async def test_closing_ends_what_is_under_way() -> None:
    shop = Shop()
    shop.list.begin(REQUEST, 903, shop.work)
    await shop.settle()
    await shop.list.close()
    assert shop.list.all() == []
    shop.list.require_room()


def test_a_problem_says_it_in_both_languages_and_without_findings_has_none() -> None:
    error = InvalidError(Bilingual("a", "à"), next_step=Bilingual("b", "bé"), code="c")
    french = {"detail_fr": "à", "next_step_fr": "bé"}
    assert uploads.problem_of(error) == {"code": "c", "detail": "a", "next_step": "b", **french}
    machine = InvalidError(told("E42"), next_step=Bilingual("b", "bé"), code="c")
    assert (uploads.problem_of(machine)["detail_fr"], uploads.problem_of(machine)["next_step_fr"]) == ("E42", "bé")
