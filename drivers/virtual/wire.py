"""The wire between a host and a board: bytes take their time, ten bits each, and come one after the other.

Sans-I/O like the firmware, with the same three methods, in firmware seconds. No byte is touched on its own: what happens on a wire
matters when a line is whole, when the board has something to do, and when somebody looks.
"""

from collections import deque
from dataclasses import dataclass
from math import inf
from typing import Final, Protocol

BITS_A_BYTE: Final = 10  # start, eight of data, stop
ADAPTER_BYTES: Final = 4096  # what an adapter and its driver take from the host before `full`


class Board(Protocol):
    """What hangs on the wire."""

    def feed(self, data: bytes, now_s: float) -> None:
        """Bytes arrive."""
        ...

    def advance(self, now_s: float) -> bytes:
        """Let time pass; what it says."""
        ...

    def next_wake_s(self) -> float | None:
        """When it has something to do."""
        ...


@dataclass(slots=True)
class _Parcel:
    """Bytes on their way: the first has arrived at `start_s + byte_s`, the next a `byte_s` later."""

    data: bytes
    start_s: float
    taken: int = 0


class _Way:
    """One direction."""

    def __init__(self, byte_s: float, latency_s: float) -> None:
        self.byte_s = byte_s
        self.latency_s = latency_s
        self.waiting = 0  # bytes on their way
        self._parcels: deque[_Parcel] = deque()
        self._free_s = -inf  # when the last byte has left

    def put(self, data: bytes, now_s: float) -> None:
        if not data:
            return
        start_s = max(now_s, self._free_s)
        self._free_s = start_s + len(data) * self.byte_s
        self.waiting += len(data)
        self._parcels.append(_Parcel(data, start_s + self.latency_s))

    def clear(self) -> None:
        self._parcels.clear()
        self.waiting = 0

    def take(self, now_s: float) -> tuple[bytes, float]:
        """What has arrived by now, and when its last byte did."""
        if not self._parcels or self._parcels[0].start_s > now_s:
            return b"", now_s
        found = bytearray()
        at_s = now_s
        while self._parcels:
            parcel = self._parcels[0]
            arrived = self._arrived(parcel, now_s)
            if arrived > parcel.taken:
                found += parcel.data[parcel.taken : arrived]
                at_s = min(now_s, parcel.start_s + arrived * self.byte_s)
                parcel.taken = arrived
            if parcel.taken < len(parcel.data):
                break
            self._parcels.popleft()
        self.waiting -= len(found)
        return bytes(found), at_s

    def _arrived(self, parcel: _Parcel, now_s: float) -> int:
        if not self.byte_s:
            return len(parcel.data) if parcel.start_s <= now_s else 0
        # A whole number of bytes is what `next_s` asked for: rounding must not make it one less.
        return min(len(parcel.data), max(0, int((now_s - parcel.start_s) / self.byte_s + 1e-6)))

    def next_s(self) -> float:
        """When the next line is whole, or the last byte there."""
        if not self._parcels:
            return inf
        parcel = self._parcels[0]
        end = parcel.data.find(b"\n", parcel.taken) + 1 or len(parcel.data)
        return parcel.start_s + end * self.byte_s


class Wire:
    """A board with a UART: `baud` bits per firmware second, and `latency_s` each way (a USB adapter: 0.001). 0 baud: no pacing."""

    def __init__(self, board: Board, *, baud: int, latency_s: float = 0.0) -> None:
        byte_s = BITS_A_BYTE / baud if baud else 0.0
        self._board = board
        self._down = _Way(byte_s, latency_s)
        self._up = _Way(byte_s, latency_s)

    @property
    def full(self) -> bool:
        """The adapter takes no more from the host now."""
        return self._down.waiting >= ADAPTER_BYTES

    def feed(self, data: bytes, now_s: float) -> None:
        """The host writes."""
        self._step(now_s)
        self._down.put(data, now_s)
        self._step(now_s)

    def advance(self, now_s: float) -> bytes:
        """What has reached the host by now."""
        self._step(now_s)
        return self._up.take(now_s)[0]

    def next_wake_s(self) -> float | None:
        """When a line is whole on either side, or the board has something to do."""
        wake_s = min(self._down.next_s(), self._up.next_s(), self._board_s())
        return None if wake_s == inf else wake_s

    def cut(self) -> None:
        """The cable is pulled: what was on its way is lost."""
        self._down.clear()
        self._up.clear()

    def _board_s(self) -> float:
        wake_s = self._board.next_wake_s()
        return inf if wake_s is None else wake_s

    def _step(self, now_s: float) -> None:
        """Let the board meet its bytes and its moments in their order."""
        while (at_s := min(self._down.next_s(), self._board_s())) <= now_s:
            self._hand_over(at_s)
        self._hand_over(now_s)

    def _hand_over(self, at_s: float) -> None:
        data, arrived_s = self._down.take(at_s)
        if data:
            self._board.feed(data, arrived_s)
        self._up.put(self._board.advance(at_s), at_s)
