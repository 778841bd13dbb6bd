"""How much of what a port says makes no sense. Pure."""

from dataclasses import dataclass
from typing import Final

WINDOW_S: Final = 5.0
MAX_LINES: Final = 10_000  # in that time; the longest sensible answer (the list of a card's files) has a few thousand
LINE_BYTES: Final = 20  # bytes without a line end count as so long lines


@dataclass(slots=True)
class Meter:
    """`lines` counts lines without a meaning."""

    lines: int = 0
    _bytes: int = 0
    _until_s: float = 0.0

    def overflows(self, endless_bytes: int, now_s: float) -> bool:
        """Whether it is too much; `endless_bytes` came without a line end. Once, then it begins anew."""
        if now_s >= self._until_s:
            self._begin(now_s)
        self._bytes += endless_bytes
        too_much = self.lines + self._bytes // LINE_BYTES > MAX_LINES
        if too_much:
            self._begin(now_s)
        return too_much

    def _begin(self, now_s: float) -> None:
        self.lines = self._bytes = 0
        self._until_s = now_s + WINDOW_S
