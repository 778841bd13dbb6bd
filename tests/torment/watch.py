"""Samples the daemon's database while it is tormented: what was ever allowed, and what fell that must not."""

import sqlite3
import threading
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_PERIOD_S: Final = 0.1
_ALLOCATIONS: Final = 'SELECT id, jobs, held, started, lost, parts, "order" FROM allocations'


@dataclass(slots=True)
class Seen:
    """What the samples say."""

    ceilings: dict[str, int] = field(default_factory=dict)  # allocation -> the most that may ever be started under it
    lost_parts: dict[str, int] = field(default_factory=dict)  # allocation -> the most parts that were freed without a confirmation
    good: dict[str, int] = field(default_factory=dict)
    quantity: dict[str, int] = field(default_factory=dict)  # order -> the most that was ever wanted
    written_off: dict[str, int] = field(default_factory=dict)  # job -> parts
    wrong: list[str] = field(default_factory=list)
    samples: int = 0


class Watch(threading.Thread):
    """Looks ten times a second until `stop`. It only reads."""

    def __init__(self, database: Path) -> None:
        super().__init__(name="watch", daemon=True)
        self.seen = Seen()
        self._database = database
        self._ending = threading.Event()

    def stop(self) -> None:
        """End."""
        self._ending.set()
        self.join(30)

    def run(self) -> None:
        """Sample."""
        while not self._ending.wait(_PERIOD_S):
            with suppress(sqlite3.Error):  # it is being opened or recovered
                self.sample()

    def sample(self) -> None:
        """Take one."""
        with closing(sqlite3.connect(f"file:{self._database}?mode=ro", uri=True, timeout=1.0)) as database:
            database.execute("BEGIN").close()
            self._allocations(database)
            self._orders(database)
            for job, parts in database.execute("SELECT id, parts FROM jobs WHERE written_off"):
                self.seen.written_off[job] = parts
        self.seen.samples += 1

    def _allocations(self, database: sqlite3.Connection) -> None:
        for key, jobs, held, started, lost, parts, _order in database.execute(_ALLOCATIONS):
            if held <= max(jobs, started) and not lost:  # as it was given, or as a withdrawal was confirmed
                most = max(jobs, started)
                before = self.seen.ceilings.get(key)
                self.seen.ceilings[key] = most if before is None else min(before, most)
            if lost:
                self.seen.lost_parts[key] = max(self.seen.lost_parts.get(key, 0), lost * parts)

    def _orders(self, database: sqlite3.Connection) -> None:
        for key, good, quantity in database.execute("SELECT id, good, quantity FROM orders"):
            if good < self.seen.good.get(key, 0):
                self.seen.wrong.append(f"good of {key} fell from {self.seen.good[key]} to {good} in the database")
            self.seen.good[key] = good
            self.seen.quantity[key] = max(quantity, self.seen.quantity.get(key, 0))
