"""Which part of the journal to send next: a window of facts, repeated with back-off until the daemon has committed them."""

from typing import Final

from farm.bus.messages import MAX_FACTS
from farm.node.core import JournalPlace

BATCH: Final = MAX_FACTS
WINDOW: Final = 4 * BATCH  # facts under way; the daemon commits in groups, so one batch at a time would wait for each commit
FIRST_REPEAT_S: Final = 2.0  # real time: about the network and the daemon's commit
LAST_REPEAT_S: Final = 60.0


class Outbox:
    """Remembers what was sent on this connection. `now_s` is any steady clock of real seconds."""

    def __init__(self) -> None:
        self._place: JournalPlace | None = None
        self._sent = 0
        self._repeat_s = FIRST_REPEAT_S
        self._repeat_at_s = 0.0

    def begin_again(self) -> None:
        """A new connection, or the daemon came back: nothing is under way, and waiting longer has no reason."""
        self._place = None
        self._repeat_s = FIRST_REPEAT_S

    def next_after(self, place: JournalPlace, now_s: float) -> int | None:
        """Send the facts after this sequence number; None: nothing now."""
        self._look(place, now_s)
        if self._sent >= place.head or self._sent - place.acked > WINDOW - BATCH:  # the next batch may be a whole one
            return None
        return self._sent

    def note_sent(self, last: int, now_s: float) -> None:
        """Everything up to `last` is under way."""
        self._sent = max(self._sent, last)
        self._repeat_at_s = now_s + self._repeat_s

    def wait_s(self, place: JournalPlace, now_s: float) -> float | None:
        """How long to wait for an acknowledgement before repeating; None: nothing is under way."""
        return None if place.acked >= min(self._sent, place.head) else max(0.0, self._repeat_at_s - now_s)

    def _look(self, place: JournalPlace, now_s: float) -> None:
        before, self._place = self._place, place
        if before is None or before.epoch != place.epoch or place.acked < before.acked:
            self._sent = place.acked  # told again from there
            return
        if place.acked > before.acked:
            self._sent = max(self._sent, place.acked)
            self._repeat_s = FIRST_REPEAT_S
            self._repeat_at_s = now_s + self._repeat_s
        elif self._sent > place.acked and now_s >= self._repeat_at_s:
            self._sent = place.acked
            self._repeat_s = min(self._repeat_s * 2, LAST_REPEAT_S)
