"""The one source of time for daemon and node: real, or scaled by a factor for the demo and for outages of virtual hours.

Two readings are kept apart because they lie differently: `wall_s` may jump (a Raspberry Pi has no battery clock) and is only
shown to people or stored; `boot_s` never jumps and counts suspend (`CLOCK_BOOTTIME`), so leases and silences are measured on it.
"""

import asyncio
import time
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Clock:
    """Farm time. `factor` farm seconds pass in one real second; `origin_wall_s` is the unix time at which both were equal.

    Processes that share a scaled farm must share the origin, or their wall times drift apart.
    """

    factor: float = 1.0
    origin_wall_s: float = field(default_factory=time.time)

    def wall_s(self) -> float:
        """Seconds since 1970 in farm time. May jump: never measure a duration with it."""
        return self.origin_wall_s + (time.time() - self.origin_wall_s) * self.factor

    def boot_s(self) -> float:
        """Seconds since this machine was booted, suspend included, in farm time. Never compared across machines."""
        return time.clock_gettime(time.CLOCK_BOOTTIME) * self.factor

    def steady_s(self) -> float:
        """The time for decisions: the wall clock here; the daemon has one that does not jump (`farm/daemon/steady.py`)."""
        return self.wall_s()

    def real_s(self, duration_s: float) -> float:
        """How many real seconds `duration_s` seconds of farm time last."""
        return duration_s / self.factor

    async def sleep(self, duration_s: float, *, at_least_real_s: float = 0.0) -> None:
        """Wait for `duration_s` of farm time; a fast clock never turns a period into a busy loop thanks to `at_least_real_s`."""
        await asyncio.sleep(max(self.real_s(duration_s), at_least_real_s))
