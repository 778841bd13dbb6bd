"""Listens to a driver, and judges what it told by the rules that hold at every moment (drivers.base)."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from drivers.base import BOOKMARK_CHARACTERS, Bookmark, Driver, DriverEvent, PrintEnded, PrinterState, PrinterStatus
from drivers.testing import Heard

_S = PrinterState
_GONE: Final = frozenset({_S.OFFLINE, _S.CONNECTING})
_APART: Final = frozenset({_S.IDLE, _S.FAULT, _S.FOREIGN, _S.ATTENTION})  # ends of what went before
BUSY: Final = frozenset({_S.PREPARING, _S.PRINTING, _S.PAUSED, _S.ATTENTION, _S.FINISHING})
OURS: Final = BUSY - {_S.ATTENTION, _S.FINISHING}  # only with a job of ours; it may cool down after the end was told
# which state may follow which, apart from OFFLINE and CONNECTING, which may follow any: a driver may have missed what was between
NEXT: Final[dict[PrinterState, frozenset[PrinterState]]] = {
    _S.OFFLINE: frozenset(_S),
    _S.CONNECTING: frozenset(_S),
    _S.IDLE: frozenset({_S.PREPARING, _S.PRINTING, *_APART}),
    _S.PREPARING: frozenset({*BUSY, *_APART}),
    _S.PRINTING: frozenset({*BUSY, *_APART}) - {_S.PREPARING},
    _S.PAUSED: frozenset({*BUSY, *_APART}) - {_S.PREPARING},
    _S.ATTENTION: frozenset(_S),
    _S.FINISHING: frozenset({_S.FINISHING, *_APART}),
    _S.FAULT: frozenset({*_APART}),
    _S.FOREIGN: frozenset({*_APART, _S.PREPARING, _S.PRINTING, _S.PAUSED}),  # the last three: `trace` found that it is ours
}


class BrokenError(AssertionError):
    """A driver does not keep the contract; the message says where."""


def expect(condition: object, message: str) -> None:
    """Raise BrokenError unless it holds."""
    if not condition:
        raise BrokenError(message)


class Recorder(Heard):
    """A listener. `closed` is set by whoever closes the driver: nothing may be told after that."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = False
        self.driver: Driver | None = None
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._problems: list[str] = []

    def __call__(self, event: DriverEvent) -> None:
        """Hear an event; the driver's listener."""
        try:
            on_the_loop = asyncio.get_running_loop() is self._loop
        except RuntimeError:
            on_the_loop = False
        if not on_the_loop:
            self._problems.append(f"{event} was told from another thread")
            return
        if self.closed:
            self._problems.append(f"{event} was told after close")
        super().__call__(event)
        self._changed.set()

    @property
    def status(self) -> PrinterStatus:
        """What the driver says now."""
        assert self.driver is not None, "a check made no driver"
        return self.driver.status

    async def until(self, met: Callable[[], object], what: str, timeout_s: float) -> None:
        """Wait until `met`.

        Raises:
            BrokenError: it was not in time.

        """
        try:
            async with asyncio.timeout(timeout_s):
                while not met():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            told = [str(status.state) for status in self.statuses][-8:]
            raise BrokenError(f"waited {timeout_s:.0f} s in vain for {what}; told so far: {told}, ends {self.ends}") from None

    def judge(self, secrets: Iterable[str]) -> None:
        """Check what must hold at every moment.

        Raises:
            BrokenError: something does not.

        """
        expect(not self._problems, "; ".join(self._problems))
        self._judge_states()
        self._judge_jobs()
        for secret in secrets:
            shown = next((event for event in self.events if secret in str(event)), None)
            expect(shown is None, f"a secret of the printer's URL is shown: {type(shown).__name__}")

    def _judge_states(self) -> None:
        for before, after in zip(self.statuses, self.statuses[1:], strict=False):
            legal = after.state in NEXT[before.state] | _GONE
            expect(legal, f"{after.state} cannot follow {before.state}")
        for status in self.statuses:
            expect(isinstance(status.state, PrinterState), f"{status.state!r} is not of the vocabulary")
            expect(status.job is None or status.state in BUSY | _GONE | {_S.FAULT}, f"{status.state} with job {status.job}")
            expect(status.job is not None or status.state not in OURS, f"{status.state} without a job")
            expect(status.progress is None or 0 <= status.progress <= 1, f"progress {status.progress}")
            expect(status.remaining_s is None or status.remaining_s >= 0, f"remaining_s {status.remaining_s}")

    def _judge_jobs(self) -> None:
        over: set[str] = set()
        for event in self.events:
            if isinstance(event, PrintEnded):
                expect(event.job not in over, f"the end of {event.job} was told twice")
                over.add(event.job)
            elif isinstance(event, Bookmark):
                expect(event.job not in over, f"a bookmark of {event.job} after its end")
                expect(len(event.text) <= BOOKMARK_CHARACTERS, f"a bookmark of {len(event.text)} characters")
            elif event.status.state in BUSY:
                expect(event.status.job not in over, f"{event.status.state} with job {event.status.job}, which has ended")
