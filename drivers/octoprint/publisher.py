"""Sends a driver's status to its listener: on change only, and mere progress at most twice a second."""

import asyncio
from dataclasses import replace
from typing import Final

from drivers.base import EventListener, PrintEnded, PrinterStatus, StatusChanged

PROGRESS_EVERY_S: Final = 0.5


def _without_progress(status: PrinterStatus) -> PrinterStatus:
    return replace(status, progress=None, remaining_s=None, nozzle=None, bed=None)


class Publisher:
    """Remembers what the listener knows. Everything happens on one event loop."""

    def __init__(self, listener: EventListener) -> None:
        self.status = PrinterStatus()
        self._listener = listener
        self._told = self.status
        self._told_s = float("-inf")
        self._later: asyncio.TimerHandle | None = None
        self._closed = False

    def offer(self, status: PrinterStatus) -> None:
        """Make `status` the newest; tell it now or, when only figures moved, soon."""
        self.status = status
        loop = asyncio.get_running_loop()
        wait_s = self._told_s + PROGRESS_EVERY_S - loop.time()
        if wait_s <= 0 or _without_progress(status) != _without_progress(self._told):
            self._tell()
        elif self._later is None and not self._closed:
            self._later = loop.call_later(wait_s, self._tell)

    def ended(self, event: PrintEnded) -> None:
        """Tell the end of a job, at once."""
        if not self._closed:
            self._listener(event)

    def close(self) -> None:
        """Tell nothing any more, also when an answer of before still comes."""
        self._closed = True
        self._no_timer()

    def _no_timer(self) -> None:
        if self._later:
            self._later.cancel()
            self._later = None

    def _tell(self) -> None:
        self._no_timer()
        if self.status != self._told and not self._closed:
            self._told, self._told_s = self.status, asyncio.get_running_loop().time()
            self._listener(StatusChanged(self.status))
