"""The daemon: decides who makes what, and owns orders and allocations. `Daemon` runs one; `docs/protocol.md` is its contract."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from farm.daemon.daemon import Daemon

__all__ = ["Daemon"]


def __getattr__(name: str) -> Any:
    """Load the daemon when it is asked for: `farm.daemon.inspection` runs as a process of its own and needs nothing of it."""
    if name != "Daemon":
        raise AttributeError(name)
    from farm.daemon.daemon import Daemon  # noqa: PLC0415

    return Daemon
