"""Numbered lines, each accepted exactly once: sends one, waits for its ok, and finds its place again after noise. Pure.

The rule that everything rests on: an `ok` only paces us; what the firmware has accepted is what it says when probed. A numbered
line far beyond any real one executes nothing and is answered `Last Line: K` (measured on Marlin bugfix-2.1.x). So every error,
resend request and stall ends in: wait for quiet, probe, go on at K+1. A *fence* is a numbered `M118` whose text comes back when it
is executed: it proves that everything before it was executed, however many oks were lost or doubled on the way.

Moves may be sent beside others that are still unanswered (`stream`) when the machine starves; `window` says when, and why so few.
Everything else goes alone: nothing is sent behind a command that may block. A number keeps its command for ever, so that a line
that comes twice is dropped by the machine. When oks may still come after a resync (`_unsure`), lines go alone until a fence.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

from drivers.marlin import patience
from drivers.marlin.lines import BLOCKING, MOVES, Frame, frame, probe, word
from drivers.marlin.modes import Mode, Purpose
from drivers.marlin.replies import Kind, Reply
from drivers.marlin.window import Flight, Window, beside, padded

_WORKING: Final = frozenset({Kind.BUSY, Kind.USER_WAIT, Kind.HEATING})
_LIVELY: Final = _WORKING | {Kind.OK}
_WAITING: Final = Mode.WAITING  # a name of a module is found in a fifth of the time that a member of an enumeration takes


class Channel:
    """See the module's text. `write` takes bytes for the wire, `accepted` is told of each frame, after noise perhaps twice."""

    def __init__(self, write: Callable[[bytes], None], accepted: Callable[[Frame], None], window: Window | None = None) -> None:
        self._write = write
        self._accepted = accepted
        self.window = window or Window()
        self.mode = Mode.CLOSED
        self.failure: str | None = None
        self.last_line: int | None = None  # what the machine said when probed last
        self.resyncs = 0
        self.deadline_s: float | None = None
        self._tells_busy = False  # the firmware says so when it works (M113)
        self._purpose = Purpose.RESYNC
        self._forget()

    def _forget(self) -> None:
        self.history: deque[Frame] = deque(maxlen=patience.HISTORY_LINES)
        self._sent = 0  # the highest number given to a line
        self.acked = 0  # the highest number that we hold for accepted
        self._cursor = 0  # the highest number in flight
        self._refused: deque[int] = deque(maxlen=patience.HISTORY_LINES)  # lines that the machine said it did not execute
        self._flight = Flight()
        self._moving = self._unsure = False  # only moves are in flight; oks of lines before a resync may still come
        self._answered_s = 0.0  # when the last ok came
        self._misnumbered = 0
        self._token_seen = False
        self._ok_since_fence = False
        self._fences = self._same_resends = self._resent = 0
        self._doubt: int | None = None
        self._unbelievable: list[int] = []
        self._renumberings = 0
        self._probe_last: int | None = None
        self._probe_resend: int | None = None
        self._probe_answered = False
        self._settle_until_s = 0.0
        self._surplus_oks = 0  # that came while we looked for our place, beside those of probes
        self._busy_s = float("-inf")  # when the machine said last that it works
        self._heard_s = self._lively_s = self._silent_since_s = self._working_s = 0.0

    # what others ask
    @property
    def idle(self) -> bool:
        """Whether everything is acknowledged, so that any line may be sent."""
        return self.mode is Mode.IDLE

    @property
    def room(self) -> bool:
        """Whether a move may be sent, though others may still be unanswered; `stream` tells whether this one fits."""
        return self.mode is Mode.IDLE or (
            self._moving and self.window.wide and self.mode is Mode.WAITING and len(self._flight) < self.window.lines
        )

    @property
    def in_flight(self) -> Frame | None:
        """The oldest line whose ok we wait for."""
        return self._frame(min(self.acked + 1, self._cursor)) if self._cursor > self.acked else None

    def _frame(self, number: int) -> Frame | None:
        index = number - self.history[0].number if self.history else -1
        return self.history[index] if 0 <= index < len(self.history) else None

    # commands
    def close(self) -> None:
        """The port is gone. Numbers and history stay: the machine may still know them."""
        self.mode = Mode.CLOSED
        self.deadline_s = None

    def locate(self, now_s: float) -> None:
        """Ask for the machine's line number; `last_line` has it when the channel is idle."""
        self.failure = self.last_line = None
        self._begin_probe(Purpose.LOCATE, now_s)

    def renumber(self, now_s: float) -> None:
        """Forget all lines and let numbers begin at 0; the channel is idle when the machine proved that they do."""
        self._forget()
        self.failure = None
        self._heard(now_s)
        self._ask_renumber(now_s)

    def resync(self, now_s: float) -> None:
        """Find our place again and go on (a port that was reopened)."""
        self._settle(Purpose.RESYNC, now_s)

    def send(self, command: bytes, now_s: float, *, offset: int | None = None) -> None:
        """Send the next line. Only when idle."""
        assert self.mode is Mode.IDLE
        self._sent += 1
        moves = command[:3] in MOVES
        line = Frame(self._sent, command, offset, not moves and word(command) in BLOCKING)
        self.history.append(line)
        self._transmit(line, now_s)
        self._moving = moves and not self._unsure

    def stream(self, command: bytes, now_s: float, *, offset: int | None = None) -> bool:
        """Send the next line if it may go now, alone or beside moves in flight; False means: after the next ok."""
        if self.mode is Mode.IDLE:
            self.send(command, now_s, offset=offset)
            return True
        if command[:3] not in MOVES or not self.room:
            return False
        data = beside(self._sent + 1, command)
        if not self._flight.takes(data):
            return False
        self._sent = self._cursor = self._sent + 1
        self.history.append(Frame(self._sent, command, offset))
        self._flight.launch(data, now_s)
        self._write(data)
        return True

    def fence(self, now_s: float) -> None:
        """Send a line that proves, when it comes back, that all before it were executed. Only when idle."""
        assert self.idle
        self._fences = 0
        self._send_fence(now_s)

    def _send_fence(self, now_s: float) -> None:
        self._sent += 1
        self._fences += 1
        self._ok_since_fence = False
        self._working_s = now_s
        self.history.append(Frame(self._sent, b"M118 fence-%d." % self._sent, blocking=self._blocked(), fence=True))
        self._transmit(self.history[-1], now_s)

    def _blocked(self) -> bool:
        unacked = (self._frame(number) for number in range(self.acked + 1, self._sent + 1))
        return any(line is not None and line.blocking for line in unacked)

    def _transmit(self, line: Frame, now_s: float) -> None:
        """Send `line` alone."""
        self._cursor = line.number
        self._token_seen = False
        self.mode = Mode.WAITING
        self._moving = False
        self._heard_s = self._lively_s = self._silent_since_s = now_s
        data = padded(frame(line.number, line.command)) if self._unsure else frame(line.number, line.command)
        self._flight.land()
        self._flight.launch(data, now_s)
        self._write(data)
        self.deadline_s = now_s + (patience.STALL_BLOCKING_S if line.blocking else patience.STALL_S)

    def _arm(self, line: Frame) -> None:
        stall_s, reports_only_s = (
            (patience.STALL_BLOCKING_S, patience.REPORTS_ONLY_BLOCKING_S)
            if line.blocking
            else (patience.STALL_S, patience.REPORTS_ONLY_S)
        )
        if line.blocking and (self._tells_busy or self._unsure):
            stall_s = reports_only_s = patience.NOT_BUSY_S  # its ok is lost; to ask does no harm should it work all the same
        self.deadline_s = min(self._heard_s + stall_s, self._lively_s + reports_only_s)

    # what the machine says
    def _heard(self, now_s: float) -> None:
        self._heard_s = self._lively_s = self._silent_since_s = now_s

    def on_plain_ok(self, now_s: float, count: int = 1) -> bool:
        """Take `ok`s without any more words, by the shortest way; False when they need `on_reply`, and nothing was done."""
        if not self._moving or self.mode is not Mode.WAITING or count > len(self._flight):
            return False
        self._heard_s = self._lively_s = now_s
        for _ in range(count):
            self._move_answered(now_s, -1)
        return True

    def turn(self, command: bytes, offset: int | None, now_s: float) -> bytes | None:
        """Take a bare `ok` of the only move in flight and send the move `command`: what `on_plain_ok` and `stream` do, in one step.

        The bytes for the wire, which the caller writes; None when it is not as simple as that, and nothing was done.
        """
        number = self._sent
        if not self._moving or self.acked != number - 1 or self.mode is not _WAITING or command[:3] not in MOVES:
            return None
        number += 1
        data = frame(number, command)
        sent_s, length = self._flight.relay(now_s, len(data))
        self.window.answered(now_s - (max(self._answered_s, sent_s)), length)
        self._accepted(self.history[-1])
        self.history.append(Frame(number, command, offset))
        self.acked = number - 1
        self._sent = self._cursor = number
        self._answered_s = self._heard_s = self._lively_s = self._silent_since_s = now_s
        self.deadline_s = now_s + patience.STALL_S
        return data

    def on_reply(self, reply: Reply, now_s: float) -> None:
        """Take a line of the machine."""
        if self.mode in {Mode.CLOSED, Mode.FAILED}:
            return
        self._heard_s = now_s
        if reply.kind in _LIVELY:
            self._lively_s = self._silent_since_s = now_s
        if reply.kind in _WORKING:
            self._working_s = self._busy_s = now_s
            self._tells_busy = self._tells_busy or reply.kind is not Kind.HEATING
        self._surplus_oks += (reply.kind is Kind.OK) - (reply.kind is Kind.RESEND)
        if self.mode in {Mode.WAITING, Mode.IDLE}:
            self._in_stream(reply, now_s)
        elif self.mode is Mode.SETTLE:
            self._not_yet_quiet(reply, now_s)
        elif self.mode is Mode.PROBE:
            self._in_probe(reply, now_s)
        elif reply.kind in {Kind.OK, Kind.REJECTED}:
            self._settle(Purpose.RENUMBER, now_s)

    def _in_stream(self, reply: Reply, now_s: float) -> None:
        if reply.kind in {Kind.REJECTED, Kind.RESEND}:  # in idle it is late, or noise: our place must be sure all the same
            self._note_refusal(reply)
            self._settle(Purpose.RESYNC, now_s)
        elif self.mode is Mode.WAITING:
            self._in_waiting(reply, now_s)

    def _note_refusal(self, reply: Reply) -> None:
        """Which line the machine did not execute: it says the number before, or executes in the order in which we sent."""
        if reply.kind is Kind.REJECTED and "checksum" in reply.text.lower():
            self._refused.append(reply.number + 1)
        elif reply.kind is Kind.OTHER and 'Unknown command: "' in reply.text:
            self._refused.append(self.acked + 1)

    def _in_waiting(self, reply: Reply, now_s: float) -> None:
        self._note_refusal(reply)
        line = self._frame(self._cursor)
        assert line is not None
        if reply.kind is Kind.OK:
            self._ok(line, reply, now_s)
            return
        before, token, _ = reply.text.partition(line.command[5:].decode() if line.fence else "\n")
        self._arm(line)
        if token and any(map(str.isdigit, before.replace("M118", ""))):
            self._settle(Purpose.RESYNC, now_s)  # it complains of the whole frame: the fence came without its number
        elif token:
            self._token_seen = True

    def _ok(self, line: Frame, reply: Reply, now_s: float) -> None:
        if line.fence:
            self._fence_answered(line, now_s)
        elif not self._believes(reply, now_s):
            return
        elif self._moving:
            self._move_answered(now_s, reply.free)
        else:
            if not self._unsure:  # else it may be that of a line before; the fence accepts them all
                self._ack(line.number)
            self._next(now_s)

    def _believes(self, reply: Reply, now_s: float) -> bool:
        """Whether this ok is that of the oldest line in flight, as far as it says (ADVANCED_OK)."""
        expected = self.acked + 1 if self._moving else self._cursor
        if not reply.number or self._misnumbered >= patience.MAX_MISNUMBERED:
            return True
        self._misnumbered = 0 if reply.number == expected else self._misnumbered + 1
        if reply.number > expected:  # an ok was lost, or a digit damaged
            self._settle(Purpose.RESYNC, now_s)
        return reply.number == expected  # less: late, or doubled; if it was ours with a damaged digit, the stall finds out

    def _fence_answered(self, line: Frame, now_s: float) -> None:
        if not self._token_seen:
            self._ok_since_fence = True
            return self._arm(line)
        self._unsure = False
        self._ack(line.number)
        return self._next(now_s)

    def _move_answered(self, now_s: float, free: int) -> None:
        sent_s, length = self._flight.answered()
        self.window.answered(now_s - max(sent_s, self._answered_s), length, free)
        self._answered_s = now_s
        self._ack(self.acked + 1)
        if self.acked < self._cursor:
            self.deadline_s = now_s + patience.STALL_S
        else:
            self._next(now_s)

    def _next(self, now_s: float) -> None:
        """All in flight is acknowledged: a line that must be sent again, or a fence, or room for new ones."""
        following = self._frame(self._cursor + 1)
        if following is not None:
            self._transmit(following, now_s)
        elif self._unsure:
            self._fences = 0
            self._send_fence(now_s)
        else:
            self.mode = Mode.IDLE
            self.deadline_s = None

    def _ack(self, number: int) -> None:
        while self.acked < number:
            self.acked += 1
            line = self._frame(self.acked)
            if line is not None:
                self._accepted(line)

    def _in_probe(self, reply: Reply, now_s: float) -> None:
        if reply.kind is Kind.REJECTED:
            self._probe_last = reply.number
        elif reply.kind is Kind.RESEND:
            self._probe_resend = reply.number
        elif self._probe_last is None and self._probe_resend is None:
            return
        if not self._probe_answered:
            self._probe_answered = True
            self._settle_until_s = now_s + patience.SETTLE_MAX_S
        self._silent_since_s = now_s
        self._not_yet_quiet(reply, now_s)

    def _not_yet_quiet(self, reply: Reply, now_s: float) -> None:
        if reply.kind is not Kind.REPORT:  # they come by themselves, whatever we do
            self.deadline_s = min(now_s + patience.SETTLE_S, self._settle_until_s)

    # time
    def on_timeout(self, now_s: float) -> None:
        """The deadline has passed."""
        self.deadline_s = None
        if self.mode is Mode.WAITING:
            self._settle(Purpose.RESYNC, now_s)
        elif self.mode is Mode.SETTLE:
            self._begin_probe(self._purpose, now_s)
        elif self.mode is Mode.RENUMBER:
            self._settle(Purpose.RENUMBER, now_s)
        elif self.mode is Mode.PROBE:
            self._probe_over(now_s)

    def _settle(self, purpose: Purpose, now_s: float) -> None:
        if purpose is Purpose.RESYNC:
            self.resyncs += 1
            self.window.trouble()
            self._unsure = self._unsure or len(self._flight) > 1
        self._flight.land()
        self._moving = False
        self._surplus_oks = 0
        self._purpose = purpose
        self.mode = Mode.SETTLE
        self._settle_until_s = now_s + patience.SETTLE_MAX_S
        self.deadline_s = now_s + patience.SETTLE_S

    def _begin_probe(self, purpose: Purpose, now_s: float) -> None:
        self._purpose = purpose
        self._probe_wait_s = patience.PROBE_S
        self._silent_since_s = now_s
        self.mode = Mode.PROBE
        self._write_probe(now_s)

    def _write_probe(self, now_s: float) -> None:
        self._probe_last = self._probe_resend = None
        self._probe_answered = False
        self._write(probe())
        self.deadline_s = now_s + self._probe_wait_s

    def _probe_over(self, now_s: float) -> None:
        last, resend = self._probe_last, self._probe_resend
        if last is None and resend is None:
            self._probe_again(now_s)
        elif last is not None and resend is not None and resend != last + 1:
            self._write_probe(now_s)  # one of the two was damaged on its way
        else:
            self.last_line = last if last is not None else (resend or 1) - 1
            self._located(self.last_line, now_s)

    def _probe_again(self, now_s: float) -> None:
        patient = self._purpose is Purpose.RESYNC and self._blocked()
        if now_s - self._silent_since_s >= (patience.SILENCE_BLOCKING_S if patient else patience.SILENCE_S):
            self._fail("no-answer")
            return
        self._probe_wait_s = min(self._probe_wait_s * 2, patience.PROBE_MAX_S)
        self._write_probe(now_s)

    def _ask_renumber(self, now_s: float) -> None:
        self._renumberings += 1
        if self._renumberings > patience.MAX_RENUMBERINGS:
            self._fail("position-lost")
            return
        self.mode = Mode.RENUMBER
        # With number and checksum noise cannot make another command of it; without, for a firmware that wants it so.
        self._write(b"\n" + (frame(0, b"M110 N0") if self._renumberings % 2 else b"M110 N0\n"))
        self.deadline_s = now_s + patience.STALL_S

    def _fail(self, code: str) -> None:
        self.mode = Mode.FAILED
        self.failure = code
        self.deadline_s = None

    # where we are
    def _located(self, last: int, now_s: float) -> None:
        if self._purpose is Purpose.RESYNC:
            self._go_on(last, now_s)
        elif self._purpose is Purpose.RENUMBER and last != 0:
            self._ask_renumber(now_s)
        else:
            self.mode = Mode.IDLE

    def _go_on(self, last: int, now_s: float) -> None:
        oldest = self.history[0].number if self.history else self._sent + 1
        if not oldest - 1 <= last <= self._sent:
            self._disbelieve(last, now_s)
            return
        self._unbelievable.clear()
        doubtful = any(number not in self._refused for number in range(last + 1, self.acked + 1))
        if doubtful and self._doubt != last:
            self._doubt = last  # the machine may have executed a line that it did not count: ask once more
            self._write_probe_again(now_s)
        elif doubtful:
            self._fail("line-doubtful" if last else "reset")
        elif last < self._sent:
            self._resend(last, now_s)
        else:
            self._caught_up(now_s)

    def _disbelieve(self, last: int, now_s: float) -> None:
        self._unbelievable = [number for number in self._unbelievable if number == last] + [last]
        if len(self._unbelievable) >= patience.MAX_UNBELIEVABLE:
            self._fail("reset" if last == 0 else "position-lost")
        else:
            self._write_probe_again(now_s)

    def _write_probe_again(self, now_s: float) -> None:
        self.mode = Mode.PROBE
        self._probe_wait_s = patience.PROBE_S
        self._write_probe(now_s)

    def _resend(self, last: int, now_s: float) -> None:
        self._doubt = None
        self._unsure = self._unsure or last > self.acked
        self._refused.clear()
        self._ack(last)
        self.acked = min(self.acked, last)
        self._same_resends = self._same_resends + 1 if self._resent == last + 1 else 1
        self._resent = last + 1
        line = self._frame(last + 1)
        if self._same_resends > patience.MAX_SAME_RESENDS or line is None:
            self._fail("line-refused")
        else:
            self._transmit(line, now_s)

    def _caught_up(self, now_s: float) -> None:
        """The machine has accepted all that was sent; an ok may be lost or only late: a fence tells."""
        self._doubt = None
        line = self._frame(self._sent)
        if self.acked == self._sent or line is None:
            self.mode = Mode.IDLE
        elif not line.fence and self._surplus_oks <= 0 and now_s - self._busy_s < patience.STALL_S:
            # It works or waits for a person: a fence behind it would take a slot from the M108 or M112 that may come.
            self._unsure = True
            self._wait_for(line, now_s)
        elif not line.fence:
            self._fences = 0
            self._send_fence(now_s)
        elif self._token_seen or (self._ok_since_fence and self._fences >= patience.MAX_FENCES):
            self._ack(self._sent)  # only its ok is lost; or a firmware that never echoes: its oks must do
            self._unsure = False
            self.mode = Mode.IDLE
        elif self._fences < self._most_fences() and not self._stuck(line, now_s):
            self._send_fence(now_s)
        elif now_s - self._working_s >= patience.SILENCE_BLOCKING_S:
            self._fail("no-answer")
        else:
            self._wait_for(line, now_s)

    def _most_fences(self) -> int:
        return patience.MAX_FENCES if self._ok_since_fence or self._tells_busy else patience.MAX_UNANSWERED_FENCES

    def _stuck(self, fence: Frame, now_s: float) -> bool:
        """Whether the fence may still wait behind a long command; a second one would only fill the queue."""
        if not fence.blocking or self._ok_since_fence:
            return False
        return not self._tells_busy or now_s - self._working_s < patience.NOT_BUSY_S

    def _wait_for(self, line: Frame, now_s: float) -> None:
        """It is long, or still queued behind a long one."""
        self._cursor = line.number
        self.mode = Mode.WAITING
        self._heard_s = self._lively_s = now_s
        self._arm(line)
