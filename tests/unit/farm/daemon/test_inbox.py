"""The queue: order, batches, both limits."""

import asyncio

import pytest

from farm.bus import messages
from farm.bus.topics import Stream
from farm.daemon import inbox as module
from farm.daemon.inbox import BATCH, BATCH_BYTES, ENOUGH, MAX_BYTES, MAX_MESSAGES, MAX_REQUESTS, Inbox, Request
from farm.errors import FarmError
from gcode.texts import told
from tests.patience import PATIENCE_S
from tests.unit.farm.daemon.harness import Mail


def mail() -> Mail:
    return Mail("n1", Stream.LINK, messages.Link(connection=1, online=True))


async def test_what_came_first_is_taken_first_messages_and_wishes_alike() -> None:
    inbox, one, two = Inbox(), mail(), mail()
    inbox.receive(one.received)
    inbox.ask(lambda draft: None)
    inbox.receive(two.received)
    taken = await inbox.take(1.0)
    assert [isinstance(item, Request) for item in taken] == [False, True, False]
    assert len(inbox) == 0


async def test_no_more_than_a_batch_at_once_and_the_rest_without_waiting() -> None:
    inbox = Inbox()
    for _ in range(BATCH + 5):
        inbox.receive(mail().received)
    assert len(await inbox.take(1.0)) == BATCH
    assert len(await inbox.take(1.0)) == 5


def big(size_bytes: int) -> Mail:
    return Mail("n1", Stream.JOURNAL, bytes(size_bytes))


async def test_large_messages_are_committed_few_at_a_time_and_none_is_too_large_to_be_taken() -> None:
    inbox = Inbox()
    for size_bytes in (BATCH_BYTES // 2, BATCH_BYTES // 2 - 1, 9, BATCH_BYTES * 2, 9):
        inbox.receive(big(size_bytes).received)
    taken = [[len(item.payload) for item in await inbox.take(1.0) if not isinstance(item, Request)] for _ in range(3)]
    assert taken == [[BATCH_BYTES // 2, BATCH_BYTES // 2 - 1, 9], [BATCH_BYTES * 2], [9]]


async def test_too_many_bytes_are_dropped_and_there_is_room_again_when_some_were_taken() -> None:
    inbox, late, next_one = Inbox(), big(1), big(1)
    payload = bytes(MAX_BYTES // 4)
    for _ in range(4):
        inbox.receive(Mail("n1", Stream.JOURNAL, payload).received)
    inbox.receive(late.received)
    assert (inbox.dropped, late.acknowledged, len(inbox)) == (1, 1, 4)
    assert len(await inbox.take(1.0)) == 1
    inbox.receive(next_one.received)
    assert (inbox.dropped, next_one.acknowledged, len(inbox)) == (1, 0, 4)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages wait for each other for ever."""
    monkeypatch.setattr(module, "GATHER_REAL_S", 3_600.0)


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("urgent", ["wish", "many", "large", "wake"])
async def test_messages_wait_for_each_other_until_somebody_waits_for_an_answer_or_there_is_enough(urgent: str) -> None:
    inbox = Inbox()
    inbox.receive(mail().received)
    waiting = asyncio.create_task(inbox.take(5.0))
    await asyncio.sleep(0.02)
    assert not waiting.done()
    match urgent:
        case "wish":
            inbox.ask(lambda draft: None)
        case "many":
            for _ in range(ENOUGH - 1):
                inbox.receive(mail().received)
        case "large":
            inbox.receive(big(BATCH_BYTES).received)
        case _:
            inbox.wake()
    taken = await asyncio.wait_for(waiting, PATIENCE_S)
    assert len(taken) == {"wish": 2, "many": ENOUGH, "large": 2, "wake": 1}[urgent]
    inbox.receive(mail().received)
    again = asyncio.create_task(inbox.take(5.0))
    await asyncio.sleep(0.02)
    assert not again.done(), "the hurry is over"
    inbox.wake()
    assert len(await asyncio.wait_for(again, PATIENCE_S)) == 1


async def test_one_message_alone_is_taken_soon() -> None:
    inbox = Inbox()
    inbox.receive(mail().received)
    assert len(await asyncio.wait_for(inbox.take(5.0), PATIENCE_S)) == 1


async def test_nothing_comes_back_after_the_time() -> None:
    assert await Inbox().take(0.01) == []


async def test_it_wakes_when_something_comes() -> None:
    inbox = Inbox()
    waiting = asyncio.create_task(inbox.take(30.0))
    await asyncio.sleep(0)
    inbox.receive(mail().received)
    assert len(await asyncio.wait_for(waiting, PATIENCE_S)) == 1


async def test_too_many_messages_are_dropped_and_acknowledged_to_the_broker() -> None:
    inbox, last = Inbox(), mail()
    for _ in range(MAX_MESSAGES):
        inbox.receive(mail().received)
    inbox.receive(last.received)
    assert inbox.dropped == 1
    assert last.acknowledged == 1
    assert len(inbox) == MAX_MESSAGES


async def test_too_many_wishes_are_refused_and_messages_still_get_in() -> None:
    inbox = Inbox()
    answers = [inbox.ask(lambda draft: None) for _ in range(MAX_REQUESTS)]
    with pytest.raises(FarmError) as refused:
        inbox.ask(lambda draft: None)
    assert refused.value.code == "throttled"
    inbox.receive(mail().received)
    assert len(inbox) == MAX_REQUESTS + 1
    for answer in answers:
        answer.cancel()


async def test_taken_wishes_make_room_for_others() -> None:
    inbox = Inbox()
    for _ in range(MAX_REQUESTS):
        inbox.ask(lambda draft: None)
    await inbox.take(1.0)
    inbox.ask(lambda draft: None)


async def test_closing_refuses_who_still_waits() -> None:
    inbox = Inbox()
    answer = inbox.ask(lambda draft: None)
    inbox.close(FarmError(told("ending"), next_step=told("later")))
    with pytest.raises(FarmError):
        await answer
    with pytest.raises(FarmError, match="ending"):
        inbox.ask(lambda draft: None)
    late = mail()
    inbox.receive(late.received)
    assert (len(inbox), late.acknowledged) == (0, 1)


async def test_a_wish_that_nobody_waits_for_is_refused_quietly() -> None:
    request = Request(lambda draft: None)
    request.answer.cancel()
    request.refuse(FarmError(told("x"), next_step=told("y")))
    assert request.answer.cancelled()
