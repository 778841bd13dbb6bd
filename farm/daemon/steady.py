"""The daemon's clock for decisions: it never jumps, whatever the wall clock does.

A Raspberry Pi has no battery clock. It boots in the past and jumps by days when it hears of the time; a job whose `due_at_s` was
worked out before the jump would be written off at once. So what is decided is measured on the boot clock, on an axis that begins
near the wall clock, never behind what the store knows already, and that goes on when the daemon is started again in the same boot
of the machine. After a boot nobody knows how long the machine was off: the axis begins anew, and jobs that are seen running are
given their time again (`scheduler.lifecycle.anchor_running`). People are shown the wall clock.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from farm.clock import Clock
from farm.store.repository import SetMeta, StoredFarm

META: Final = "steady"
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class SteadyClock(Clock):
    """`clock`, with a time for decisions that is `ahead_s` ahead of its boot clock. `continued`: it is the axis of the last run."""

    clock: Clock = field(default_factory=Clock)
    ahead_s: float = 0.0
    continued: bool = False

    def wall_s(self) -> float:
        """As `farm.clock.Clock.wall_s`: for people."""
        return self.clock.wall_s()

    def boot_s(self) -> float:
        """As `farm.clock.Clock.boot_s`."""
        return self.clock.boot_s()

    def steady_s(self) -> float:
        """Seconds since about 1970 in farm time. Never jumps."""
        return self.clock.boot_s() + self.ahead_s

    def remember(self, machine: str) -> SetMeta:
        """What the next run must know to go on; written once, because the boot clock goes on by itself."""
        return SetMeta(META, f"{_of_machine(self.clock, machine)} {self.ahead_s!r}")


def steady_clock(clock: Clock, stored: StoredFarm, machine: str) -> SteadyClock:
    """The clock of a daemon that starts with this store, on this boot (`machine_boot`) of the machine; empty: not known."""
    continued = _continued(clock, stored.meta.get(META, ""), machine)
    begins_s = max(clock.wall_s(), newest_s(stored))
    ahead_s = continued if continued is not None else begins_s - clock.boot_s()
    return SteadyClock(clock.factor, clock.origin_wall_s, clock, ahead_s, continued is not None)


def newest_s(stored: StoredFarm) -> float:
    """The newest time that the store knows of something that happened; 0 when nothing has."""
    times = [allocation.created_at_s for allocation in stored.allocations.values()]
    times += [order.created_at_s for order in stored.orders.values()]
    times += [word.created_at_s for word in stored.pending_collects.values()]
    for job in stored.jobs.values():
        times += [job.started_at_s, job.ended_at_s or 0.0]
    return max(times, default=0.0)


def machine_boot() -> str:
    """The id of this boot of the machine; boot clocks of different boots cannot be compared."""
    try:
        return _BOOT_ID.read_text("ascii").strip()
    except OSError:
        return ""


def _of_machine(clock: Clock, machine: str) -> str:
    return f"{machine}/{clock.factor!r}"


def _continued(clock: Clock, remembered: str, machine: str) -> float | None:
    before, _, ahead = remembered.partition(" ")
    if not machine or before != _of_machine(clock, machine):
        return None
    try:
        return float(ahead)
    except ValueError:
        return None
