"""How many lines may be on their way at once: one, and up to three when the machine is seen to starve. Pure.

*What starving is.* A planner with room answers a move at once; a full one answers only when a move has ended. So a machine whose
answers to moves all come at once has, for all we see, an empty planner, and waits for us. One such answer says nothing (a planner
of 16 to 64 moves is being filled); 128 of them in a row outnumber every planner that we know, so the machine executes at least as
fast as we can send. "At once" is measured against the quickest answer that a line of the same length ever got here, because a
UART, a USB adapter and a pseudo terminal differ a thousandfold. A firmware with ADVANCED_OK says it itself (`P`, the free places
of its planner): starving is then that three quarters of the most places ever seen are free.

*Why so few.* Marlin's receive buffer holds 128 bytes: 120 in flight dropped none, 200 usually did (measured). *Why padded.* A
refused line makes Marlin flush what follows it, and the tail of a line that was cut behind its number runs unchecked (measured:
extrusion 2 % over at 10 % bad lines); with 12 spaces before the number the cut falls into them, and what is left is checked.
A move therefore goes without its inner spaces, which costs the wire less than the padding does.
"""

from collections import deque
from typing import Final

from drivers.marlin.lines import MAX_FRAME_BYTES, checksum

MAX_LINES: Final = 3
MAX_BYTES: Final = 120
PADDING: Final = 12
HUNGRY_ANSWERS: Final = 128  # the largest planner that we know has 64 places
WAIT_WEIGHT: Final = 8  # one late answer undoes so many prompt ones: a loop that was busy elsewhere is late now and then
CLEAN_LINES: Final = 2_048  # after trouble; doubles each time
MAX_CLEAN_LINES: Final = 65_536
WORTHWHILE_S: Final = 0.001  # who answers faster gets a thousand lines a second one by one, and no file has so many
PROMPT_RATIO: Final = 1.5
PROMPT_SLACK_S: Final = 0.0005  # what a busy event loop adds
_BUCKET_BITS: Final = 3  # lines whose lengths differ by less than 8 bytes are compared
_BUCKETS: Final = 16
_SPACES: Final = b" " * PADDING


class Window:
    """`wide` says whether more than one line may be in flight. Times are seconds, lengths bytes on the wire."""

    def __init__(self, lines: int = MAX_LINES, *, hungry_answers: int = HUNGRY_ANSWERS, clean_lines: int = CLEAN_LINES) -> None:
        self.lines = lines
        self.wide = False
        self._hungry_answers = hungry_answers
        self._clean_lines = clean_lines
        self._needed = 0  # clean lines before it may widen
        self._hunger = 0
        self._clean = 0
        self._most_free = 0
        self._forget()
        self._judge()

    def _forget(self) -> None:
        self._quickest_s = [float("inf")] * _BUCKETS

    def answered(self, waited_s: float, length: int, free: int = -1) -> None:
        """A move was acknowledged `waited_s` after it was sent, or after the answer before; `free` planner places, -1 unknown."""
        self._clean += 1
        if free >= 0:
            self._most_free = max(self._most_free, free)
            prompt = free * 4 >= self._most_free * 3
        else:
            bucket = length >> _BUCKET_BITS if length < _BUCKETS << _BUCKET_BITS else _BUCKETS - 1
            quickest_s = self._quickest_s[bucket]
            if waited_s < quickest_s and not self.wide:
                self._quickest_s[bucket] = quickest_s = waited_s
            prompt = waited_s <= quickest_s * PROMPT_RATIO + PROMPT_SLACK_S
        if not prompt or (waited_s < WORTHWHILE_S and not self.wide):
            if self._hunger or self.wide or not self._hungry_answers:
                self._hunger = max(self._hunger - WAIT_WEIGHT, 0)
                self._judge()
        elif self._hunger < self._hungry_answers:
            self._hunger += 1
        elif not self.wide:
            self._judge()

    def _judge(self) -> None:
        if self.wide and self._hungry_answers:
            self.wide = self._hunger > 0
        else:
            self.wide = self.lines > 1 and self._hunger >= self._hungry_answers and self._clean >= self._needed

    def trouble(self) -> None:
        """A line was refused, an answer is missing or the count is in doubt: one line at a time, for a long while."""
        self._needed = min(max(self._needed * 2, self._clean_lines), MAX_CLEAN_LINES)
        self._hunger = self._clean = 0
        self.wide = False
        self._forget()


def beside(number: int, command: bytes) -> bytes:
    """The padded frame of a move that goes beside others, without the bytes that it can spare: `N7G1X10.5Y2 E.04*93`.

    The space before `E` stays: it would make an exponent of `X1E2`.
    """
    short = command.replace(b" ", b"")
    if short[short.find(b"E0.") + 3 :][:1].isdigit():  # `E0.` without more would become `E.`, which is no number
        short = short.replace(b"E0.", b"E.", 1)
    text = b"N%d%s" % (number, short.replace(b"E", b" E"))
    return b"%s%s*%d\n" % (_SPACES, text, checksum(text))


def padded(data: bytes) -> bytes:
    """A frame with spaces before it, as many as the firmware's line buffer has room for."""
    return b" " * min(PADDING, MAX_FRAME_BYTES + 1 - len(data)) + data


class Flight:
    """The lines that are unanswered: when each was sent, and its bytes."""

    def __init__(self) -> None:
        self._lines: deque[tuple[float, int]] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._lines)

    def takes(self, data: bytes) -> bool:
        """Whether `data` may follow: the firmware's line buffer has room for it, and its receive buffer for all in flight."""
        return len(data) <= MAX_FRAME_BYTES + 1 and self._bytes + len(data) <= MAX_BYTES

    def launch(self, data: bytes, now_s: float) -> None:
        """`data` is on its way."""
        self._lines.append((now_s, len(data)))
        self._bytes += len(data)

    def answered(self) -> tuple[float, int]:
        """The oldest is answered: when it was sent, and its bytes."""
        line = self._lines.popleft()
        self._bytes -= line[1]
        return line

    def relay(self, now_s: float, length: int) -> tuple[float, int]:
        """The only line is answered, and one of `length` bytes takes its place: when the other was sent, and its bytes."""
        before = self._lines[0]
        self._lines[0] = (now_s, length)
        self._bytes = length
        return before

    def land(self) -> None:
        """Nothing is in flight any more, as far as we count."""
        self._lines.clear()
        self._bytes = 0
