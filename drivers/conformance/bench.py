"""What the conformance checks need of a kind of printer: a machine that the test can make do things."""

from enum import StrEnum
from pathlib import Path
from typing import Protocol

from drivers.base import Driver, EventListener


class Ability(StrEnum):
    """What a bench can make its machine do. A check that needs another one does not apply."""

    FINISH = "finish"  # `finish`
    FAIL = "fail"  # `fail`
    CANCEL = "cancel-at-the-machine"  # `cancel_at_machine`
    ASK = "ask"  # `ask`
    VANISH = "vanish"  # `vanish` and `come_back`
    FOREIGN = "print-something-else"  # `print_something_else`
    READ_FILE = "read-file"  # the driver itself reads the program: a file that is missing is noticed


class Bench(Protocol):
    """One machine, and drivers for it. Made anew for every check; what a bench cannot do raises NotImplementedError.

    Attributes:
        abilities: what the methods below can do.
        brief: a program that comes to its end by itself, or when `finish` is called.
        lasting: a program that prints until something is done about it (a minute is enough).
        secrets: words of the printer's URL or key files that no status, error or transcript may show.
        patience_s: how long to wait for what must come; generous, because test machines are slow.

    """

    abilities: frozenset[Ability]
    brief: Path
    lasting: Path
    secrets: tuple[str, ...]
    patience_s: float

    def make(self, listener: EventListener) -> Driver:
        """Make a driver for the machine. After one was closed, another for the same machine."""
        ...

    async def close(self) -> None:
        """The check is over."""
        ...

    async def finish(self) -> None:
        """The print comes to its end, or will by itself."""
        ...

    async def fail(self) -> None:
        """The machine reports a fault of its own in the middle of the print."""
        ...

    async def cancel_at_machine(self) -> None:
        """A person presses stop at the machine."""
        ...

    async def ask(self) -> None:
        """The machine asks a person something, with at least one choice."""
        ...

    async def vanish(self) -> None:
        """Nothing answers any more: unplugged, switched off, the network gone."""
        ...

    async def come_back(self) -> None:
        """It can be reached again."""
        ...

    async def print_something_else(self) -> None:
        """A person starts a print that is not ours."""
        ...
