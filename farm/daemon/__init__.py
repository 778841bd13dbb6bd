"""The daemon: decides who makes what, and owns orders and allocations. `Daemon` runs one; `docs/protocol.md` is its contract."""

from farm.daemon.daemon import Daemon

__all__ = ["Daemon"]
