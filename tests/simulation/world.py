"""The queue of events, chance, clocks and the trace of one simulated farm."""

import asyncio
import heapq
from collections import deque
from collections.abc import Awaitable, Callable
from itertools import count
from random import Random
from typing import Final

from farm.clock import Clock

WALL_ORIGIN_S: Final = 1_790_000_000.0  # after the day before which a clock counts as never set
_TRACE_LINES: Final = 400

Action = Callable[[], Awaitable[None] | None]


class Violation(BaseException):
    """An invariant of docs/protocol.md does not hold. No handler of the product may catch that."""


class Died(BaseException):
    """A process ended here, between two instructions. No handler of the product may catch it: kill -9 cannot be caught."""


class World:
    """Time, order and chance. `now_s` is the true time of the world in seconds; only truth and machines know it."""

    def __init__(self, seed: int, *, trace: bool = False) -> None:
        self.random = Random(seed)
        self.now_s = 0.0
        self.steps = 0
        self.trace: deque[str] | None = deque(maxlen=_TRACE_LINES) if trace else None
        self._queue: list[tuple[float, int, Action]] = []
        self._numbers = count()
        self._ids = count(1)

    def at(self, delay_s: float, action: Action) -> None:
        """Have `action` happen `delay_s` seconds from now."""
        heapq.heappush(self._queue, (self.now_s + delay_s, next(self._numbers), action))

    def every(self, period_s: float, action: Action) -> None:
        """Have `action` happen again and again, never in step with others."""

        async def again() -> None:
            self.at(period_s * self.random.uniform(0.9, 1.1), again)
            found = action()
            if found is not None:
                await found

        self.at(period_s * self.random.random(), again)

    async def run(self, until_s: float, done: Callable[[], bool] = lambda: False) -> bool:
        """Let things happen until the world's time is `until_s`, or `done` (asked now and then) says so; tell whether it did."""
        while self._queue and self._queue[0][0] <= until_s:
            self.now_s, _, action = heapq.heappop(self._queue)
            self.steps += 1
            found = action()
            if found is not None:
                await found
            if self.steps % 64 == 0 and done():
                return True
        self.now_s = max(self.now_s, until_s)
        return done()

    def chance(self, probability: float) -> bool:
        """Whether something happens."""
        return self.random.random() < probability

    def new_id(self, kind: str) -> str:
        """An id like those of `farm.ids.new_id`, but the same in every run of a seed."""
        number, text = next(self._ids), ""
        for _ in range(16):
            number, digit = divmod(number, 32)
            text = "0123456789abcdefghjkmnpqrstvwxyz"[digit] + text
        return f"{kind}-{text}"

    def say(self, *words: object) -> None:
        """Write a line of the trace."""
        if self.trace is not None:
            self.trace.append(f"{self.now_s:9.1f}  " + " ".join(str(word) for word in words))


class WorldLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is that of a world: what the product measures in real seconds is measured on it."""

    def __init__(self) -> None:
        super().__init__()
        self.world: World | None = None

    def time(self) -> float:
        """Seconds of the world."""
        return super().time() if self.world is None else self.world.now_s


class MachineClock(Clock):
    """The clocks of one computer: they drift, the wall clock jumps, and the boot clock begins at a boot."""

    _world: World
    _booted_s: float
    _rate: float
    _offset_s: float

    def __init__(self, world: World) -> None:
        super().__init__(1.0, WALL_ORIGIN_S)
        drift = world.random.uniform(-1e-4, 1e-4)
        for name, value in {"_world": world, "_booted_s": world.now_s - 100.0, "_rate": 1.0 + drift, "_offset_s": 0.0}.items():
            object.__setattr__(self, name, value)  # the base class is frozen

    def wall_s(self) -> float:
        """What the computer believes the time is."""
        return WALL_ORIGIN_S + self._world.now_s * self._rate + self._offset_s

    def boot_s(self) -> float:
        """Seconds since the boot, suspend included."""
        return (self._world.now_s - self._booted_s) * self._rate

    def reboot(self) -> None:
        """The computer starts."""
        object.__setattr__(self, "_booted_s", self._world.now_s - 10.0)

    def jump(self, by_s: float) -> None:
        """Somebody, or NTP, sets the wall clock."""
        object.__setattr__(self, "_offset_s", self._offset_s + by_s)
