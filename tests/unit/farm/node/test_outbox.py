from dataclasses import replace

from farm.node.core import JournalPlace
from farm.node.outbox import BATCH, FIRST_REPEAT_S, LAST_REPEAT_S, WINDOW, Outbox

EMPTY = JournalPlace("epoch-1")


def place(head: int, acked: int = 0, epoch: str = "epoch-1") -> JournalPlace:
    return JournalPlace(epoch, 1, head, acked)


def test_nothing_to_say() -> None:
    outbox = Outbox()
    assert outbox.next_after(EMPTY, 0) is None
    assert outbox.wait_s(EMPTY, 0) is None


def test_facts_are_sent_once_while_an_acknowledgement_may_come() -> None:
    outbox = Outbox()
    assert outbox.next_after(place(3), 0) == 0
    outbox.note_sent(3, 0)
    assert outbox.next_after(place(3), 1) is None
    assert outbox.next_after(place(5), 1) == 3, "new facts do not wait"
    outbox.note_sent(5, 1)
    assert outbox.next_after(place(5, acked=5), 1.5) is None
    assert outbox.wait_s(place(5, acked=5), 1.5) is None


def test_what_is_not_acknowledged_is_repeated_with_back_off() -> None:
    outbox, now_s, waits = Outbox(), 0.0, []
    for _ in range(8):
        assert outbox.next_after(place(3), now_s) == 0
        outbox.note_sent(3, now_s)
        wait_s = outbox.wait_s(place(3), now_s)
        assert wait_s is not None
        assert outbox.next_after(place(3), now_s + wait_s - 0.01) is None
        waits.append(wait_s)
        now_s += wait_s
    assert waits[:3] == [FIRST_REPEAT_S, 2 * FIRST_REPEAT_S, 4 * FIRST_REPEAT_S]
    assert waits[-1] == LAST_REPEAT_S


def test_progress_ends_the_back_off() -> None:
    outbox = Outbox()
    outbox.next_after(place(9), 0)
    outbox.note_sent(9, 0)
    assert outbox.next_after(place(9), FIRST_REPEAT_S) == 0
    outbox.note_sent(9, FIRST_REPEAT_S)
    assert outbox.next_after(place(9, acked=4), 3) is None
    assert outbox.wait_s(place(9, acked=4), 3) == FIRST_REPEAT_S
    assert outbox.next_after(place(9, acked=4), 3 + FIRST_REPEAT_S) == 4, "only what is missing"


def test_batches_that_are_not_full_do_not_exceed_the_window() -> None:
    outbox, sent = Outbox(), 0
    while (after := outbox.next_after(place(10_000), 0)) is not None:
        sent = after + BATCH - 1  # large facts make a packet full early
        outbox.note_sent(sent, 0)
    assert WINDOW - BATCH < sent <= WINDOW


def test_the_window_is_bounded() -> None:
    outbox, sent = Outbox(), 0
    while (after := outbox.next_after(place(10_000), 0)) is not None:
        assert after == sent
        sent += BATCH
        outbox.note_sent(sent, 0)
    assert sent == WINDOW
    assert outbox.next_after(place(10_000, acked=BATCH), 0) == WINDOW


def test_a_replay_and_a_new_epoch_begin_at_the_pointer() -> None:
    outbox = Outbox()
    outbox.next_after(place(9, acked=9), 0)
    assert outbox.next_after(place(9, acked=0), 1) == 0, "a newer generation has reset the pointer"
    outbox.note_sent(9, 1)
    assert outbox.next_after(replace(place(9, acked=0), epoch="epoch-2"), 1) == 0


def test_a_new_connection_sends_at_once() -> None:
    outbox = Outbox()
    outbox.next_after(place(3), 0)
    outbox.note_sent(3, 0)
    outbox.begin_again()
    assert outbox.next_after(place(3, acked=1), 0.1) == 1


def test_an_acknowledgement_of_more_than_was_sent_here_moves_on() -> None:
    """What an earlier connection sent is acknowledged on this one."""
    outbox = Outbox()
    outbox.next_after(place(500), 0)
    outbox.note_sent(64, 0)
    assert outbox.next_after(place(500, acked=200), 0) == 200
