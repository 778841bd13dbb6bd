"""The daemon's library, as the people's node of the same process uses it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from farm.errors import FarmError
from farm.node.files import ProgramCache


class LibraryPrograms:
    """The daemon's own library as the cache of a node in the same process: nothing is fetched or kept twice.

    Args:
        lookup: the file of a program by hash; NotFoundError.
        on_change: called when `present` has changed.

    """

    def __init__(self, lookup: Callable[[str], Path], on_change: Callable[[], None]) -> None:
        self._lookup = lookup
        self._on_change = on_change
        self.present: frozenset[str] = frozenset()

    def want(self, sizes: Mapping[str, int], keep: Iterable[str] = ()) -> None:
        """See which of them the library has."""
        present = frozenset(sha256 for sha256 in (*sizes, *keep) if self.take(sha256) is not None)
        if present != self.present:
            self.present = present
            self._on_change()

    def take(self, sha256: str) -> Path | None:
        """The file, or None."""
        try:
            return self._lookup(sha256)
        except FarmError:
            return None

    async def close(self) -> None:
        """Nothing is under way."""


@dataclass(frozen=True, slots=True)
class Library:
    """What the people's node uses of a daemon in the same process.

    `program_file`: the file of a program by hash (NotFoundError); `design_of`: the name of the design of a revision, for people.
    `profiles_folder`: the daemon's own profiles of printers (`farm.profiles`).
    """

    program_file: Callable[[str], Path]
    design_of: Callable[[str], str] = str
    profiles_folder: Path | None = None

    def programs(self, _folder: Path, on_change: Callable[[], None]) -> ProgramCache:
        """The library as a cache."""
        return LibraryPrograms(self.program_file, on_change)
