"""Numbers of ptys, which the kernel gives again at once, lowest first: also to a test beside this one."""

from pathlib import Path


class Seen:
    """A pty as it is now."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._made_ns = self._path.stat().st_ctime_ns

    def is_gone(self) -> bool:
        """Whether it is there no more; what has its number since then was made later."""
        try:
            return self._path.stat().st_ctime_ns != self._made_ns
        except FileNotFoundError:
            return True
