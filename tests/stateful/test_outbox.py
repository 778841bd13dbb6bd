"""The outbox over a link that loses, doubles and reorders, with a daemon that acknowledges what it has committed without a hole.

The node's half of the agreement (`core.on_ack`, `core.on_desired`) is the real one. What must hold: facts are sent without a gap,
at most a window of them is under way; a repeat comes after a wait that doubles up to a limit and begins anew with every progress;
and when the link heals, everything arrives within a bounded number of repeats.
"""

from dataclasses import dataclass, replace

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from farm.bus.messages import Ack
from farm.node import core
from farm.node.core import JournalPlace, Moment, NodeState
from farm.node.outbox import BATCH, FIRST_REPEAT_S, LAST_REPEAT_S, WINDOW, Outbox
from tests.stateful.effort import effort
from tests.unit.farm.node.bench import desired

SLACK_S = 1e-6


@dataclass(frozen=True)
class Packet:
    """Facts first..last of a ledger; what each one says is the row that it has for ever."""

    epoch: str
    oldest: int
    first: int
    rows: tuple[int, ...]

    @property
    def last(self) -> int:
        return self.first + len(self.rows) - 1


@dataclass
class Daemon:
    """Commits what follows without a hole, and acknowledges up to there."""

    generation: int = 1
    epoch: str = ""
    seq: int = 0
    past: frozenset[str] = frozenset()
    rows: frozenset[int] = frozenset()

    def enter(self, epoch: str) -> bool:
        if epoch in self.past:
            return False
        if epoch != self.epoch:
            self.past |= {self.epoch}
            self.epoch, self.seq = epoch, 0
        return True

    def take(self, packet: Packet) -> None:
        if not self.enter(packet.epoch):
            return
        self.seq = max(self.seq, packet.oldest - 1)
        for seq, row in enumerate(packet.rows, packet.first):
            if seq == self.seq + 1:
                self.rows |= {row}
                self.seq = seq

    def answer(self, report: JournalPlace) -> Ack:
        """As `farm.daemon.receive`: who reports a ledger of the past is told to begin a new one."""
        if not self.enter(report.epoch):
            return Ack(generation=self.generation, epoch=report.epoch, seq=report.head + 1_000_000)
        return self.ack

    @property
    def ack(self) -> Ack:
        return Ack(generation=self.generation, epoch=self.epoch or "none", seq=self.seq)


class OutboxMachine(RuleBasedStateMachine):
    """One node, one daemon, and a link of which anything may be said."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s, self.ids = 0.0, 0
        place = JournalPlace("epoch-0")
        self.state = NodeState(boot=1, machine="m", journal=place, generation=1)
        self.rows: dict[int, int] = {}  # position in the file -> what the fact says; an old copy of a ledger writes others there
        self.written = 0
        self.outbox = Outbox()
        self.daemon = Daemon()
        self.backup = Daemon()
        self.up: list[Packet] = []
        self.down: list[Ack] = []
        self.sent_to = 0  # the highest fact that was sent since everything began anew
        self.seen: JournalPlace | None = place  # what the outbox knew when it last looked; None: it begins anew
        self.waiting_since_s, self.repeats = 0.0, 0

    @property
    def place(self) -> JournalPlace:
        return self.state.journal

    def moment(self) -> Moment:
        return Moment(self.now_s, 1.7e9 + self.now_s, self.new_id)

    def new_id(self, kind: str) -> str:
        self.ids += 1
        return f"{kind}-{self.ids}"

    # --- the node

    @initialize(number=st.integers(0, 700))
    def begins(self, number: int) -> None:
        self.writes(number)

    @rule(number=st.sampled_from([1, 2, 3, 30, BATCH, BATCH + 1, 200, 600]))
    def writes(self, number: int) -> None:
        head = self.place.head
        for seq in range(head + 1, head + number + 1):
            self.written += 1
            self.rows[seq + self.place.base] = self.written
        self.state = replace(self.state, journal=replace(self.place, head=head + number))

    @rule(most=st.sampled_from([1, 7, 50, BATCH]), handed_over=st.booleans(), in_vain=st.integers(0, 3))
    def speaks(self, most: int, handed_over: bool, in_vain: int) -> None:
        """As `farm.node.speaker`: until there is nothing to send. `most`: large facts make a packet full early."""
        self.look()
        while (after := self.outbox.next_after(self.place, self.now_s)) is not None:
            assert after >= self.place.acked, "what is acknowledged is not sent again"
            self.note_repeat(after)
            last = min(after + most, self.place.head)
            assert last > after, "an empty packet"
            assert last - self.place.acked <= WINDOW, "more under way than the window"
            packet = Packet(
                self.place.epoch,
                self.place.oldest,
                after + 1,
                tuple(self.rows[seq + self.place.base] for seq in range(after + 1, last + 1)),
            )
            self.outbox.note_sent(last, self.now_s)
            self.sent_to, self.waiting_since_s = max(self.sent_to, last), self.now_s
            if handed_over:
                self.up.append(packet)
            else:
                in_vain -= 1
                if in_vain < 0:
                    return
        assert self.sent_to >= min(self.place.head, self.place.acked + WINDOW - BATCH + 1), "there is room, and facts wait"

    def look(self) -> None:
        """What the next call of the outbox will see, compared with what the one before saw."""
        before, self.seen = self.seen, self.place
        if before is None or before.epoch != self.place.epoch or self.place.acked < before.acked:
            self.sent_to = self.place.acked
        elif self.place.acked > before.acked:
            self.repeats, self.waiting_since_s = 0, self.now_s
            self.sent_to = max(self.sent_to, self.place.acked)

    def note_repeat(self, after: int) -> None:
        if after < self.sent_to:
            assert after == self.place.acked, "a repeat begins with the first that is missing"
            waited_s, wait_s = self.now_s - self.waiting_since_s, min(FIRST_REPEAT_S * 2**self.repeats, LAST_REPEAT_S)
            assert waited_s >= wait_s - SLACK_S, f"repeated after {waited_s} s, not {wait_s}"
            self.repeats += 1
            self.sent_to = after
        else:
            assert after == self.sent_to, "facts were left out"

    @rule()
    def connects_anew(self) -> None:
        self.outbox.begin_again()
        self.seen, self.repeats = None, 0

    @rule(share=st.integers(0, 4))
    def forgets_what_was_told(self, share: int) -> None:
        told = max(0, self.place.acked - self.place.oldest + 1)
        self.state = core.prune(self.state, told * share // 4, frozenset()).state

    @precondition(lambda self: self.daemon.epoch == self.place.epoch and self.daemon.seq > self.place.oldest)
    @rule(share=st.integers(0, 3), speaks=st.booleans())
    def gets_an_old_card_back(self, share: int, speaks: bool) -> None:
        """Its ledger is a copy from before the last acknowledgement; it learns of it before it writes anything."""
        old = self.place.oldest + (self.daemon.seq - 1 - self.place.oldest) * share // 4
        journal = replace(self.place, head=old, acked=min(self.place.acked, old))
        self.state, self.outbox = replace(self.state, boot=self.state.boot + 1, journal=journal), Outbox()
        self.connects_anew()
        if speaks:
            self.speaks(BATCH, handed_over=True, in_vain=0)
        self.hears(self.daemon.ack)
        assert self.place.epoch not in {self.daemon.epoch, *self.daemon.past}, "an old ledger goes on under its old name"

    # --- the link and the daemon

    @precondition(lambda self: self.up)
    @rule(index=st.integers(0, 9), again=st.booleans(), answers=st.booleans())
    def a_packet_arrives(self, index: int, again: bool, answers: bool) -> None:
        index %= len(self.up)
        self.daemon.take(self.up[index] if again else self.up.pop(index))
        if answers:
            self.down.append(self.daemon.ack)

    @precondition(lambda self: self.up)
    @rule(number=st.integers(1, 20))
    def packets_are_lost(self, number: int) -> None:
        del self.up[:number]

    @rule()
    def the_daemon_answers_a_report(self) -> None:
        self.down.append(self.daemon.answer(self.place))

    @precondition(lambda self: self.down)
    @rule(index=st.integers(0, 9), again=st.booleans())
    def an_answer_arrives(self, index: int, again: bool) -> None:
        index %= len(self.down)
        self.hears(self.down[index] if again else self.down.pop(index))

    def hears(self, ack: Ack) -> None:
        self.state = core.on_ack(self.state, ack, self.moment()).state

    @rule()
    def the_daemon_is_backed_up(self) -> None:
        self.backup = replace(self.daemon)

    @rule()
    def the_daemon_is_restored(self) -> None:
        """Under a generation above every one before; the node hears of it with its next desired state."""
        self.daemon = replace(self.backup, generation=self.daemon.generation + 1)
        # a daemon that does not know this ledger yet, or one of its past ones, is told everything
        self.state = core.on_desired(self.state, desired(1, generation=self.daemon.generation), self.moment()).state
        assert self.place.acked == self.place.oldest - 1

    @rule(seconds=st.sampled_from([0.1, FIRST_REPEAT_S, 3.0, 5.0, 31.0, LAST_REPEAT_S]))
    def time_passes(self, seconds: float) -> None:
        self.now_s += seconds

    # --- longer pieces of life

    @rule(rounds=st.integers(2, 7))
    def nobody_answers(self, rounds: int) -> None:
        for _ in range(rounds):
            self.speaks(BATCH, handed_over=True, in_vain=0)
            self.up.clear()
            self.now_s += self.outbox.wait_s(self.place, self.now_s) or 0.0

    @rule(most=st.sampled_from([BATCH, 50]))
    def the_link_heals(self, most: int) -> None:
        """From now on everything arrives: all that is in the journal is told soon."""
        owed = self.place.head - self.place.acked
        for _ in range(2 * owed // WINDOW + 6):
            self.speaks(most, handed_over=True, in_vain=0)
            if self.place.acked == self.place.head:
                break
            if not self.up:
                wait_s = self.outbox.wait_s(self.place, self.now_s)
                assert wait_s is not None, "something is missing, and nobody would ever repeat it"
                self.now_s += wait_s
                self.speaks(most, handed_over=True, in_vain=0)
            for packet in self.up:
                self.daemon.take(packet)
            self.up.clear()
            self.hears(self.daemon.answer(self.place))
        assert self.place.acked == self.place.head, "not everything arrived"
        kept = {self.rows[seq + self.place.base] for seq in range(self.place.oldest, self.place.head + 1)}
        assert kept <= self.daemon.rows, "a fact counts as told that the daemon never got"

    @invariant()
    def the_wait_is_bounded(self) -> None:
        wait_s = self.outbox.wait_s(self.place, self.now_s)
        limit_s = min(FIRST_REPEAT_S * 2**self.repeats, LAST_REPEAT_S)
        assert wait_s is None or self.seen != self.place or 0.0 <= wait_s <= limit_s + SLACK_S, (
            "a longer wait than the failures call for"
        )
        if self.seen == self.place and self.place.acked < self.sent_to:
            assert wait_s is not None, "facts are under way, and nobody would repeat them"

    @invariant()
    def nothing_is_acknowledged_that_the_daemon_has_not(self) -> None:
        assert self.place.oldest - 1 <= self.place.acked <= self.place.head

    def teardown(self) -> None:
        self.the_link_heals(BATCH)


OutboxMachine.TestCase.settings = effort(300, 40)
TestOutbox = OutboxMachine.TestCase
