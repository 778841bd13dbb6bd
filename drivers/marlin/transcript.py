"""The last minutes of the wire, for support: what was said in both directions, in bounded memory, without secrets.

A chunk costs one append: lines are made, and secrets taken out, only when somebody reads. Chunks are packed into blocks, because an
object for each of them would take three times the memory of the bytes themselves.
"""

import re
from collections import deque
from collections.abc import Iterator
from struct import Struct
from typing import Final

KEEP_BYTES: Final = 256 * 1024  # headers included: some 10,000 short lines
KEEP_S: Final = 600.0
BLOCK_BYTES: Final = 16 * 1024
MAX_LINES: Final = 4_000  # `drivers.base.Recorded`
MAX_LINE_CHARACTERS: Final = 240  # Marlin takes 96 bytes and says little more
MAX_CHUNK_BYTES: Final = 4_096  # of a device that never stops talking; a sane printer fills one in seconds
HIDDEN: Final = "***"

_SENT: Final = ord(">")
_HEARD: Final = ord("<")
_HEADER: Final = Struct("<BIH")  # direction, milliseconds since the block began, length
_BOTH: Final = Struct("<BIH3sBIH")  # a header with an answer of 3 bytes, and the header of what we said to it
_OK: Final = b"ok\n"
_LONGEST_BLOCK_MS: Final = 2**32 - 1

# Wi-Fi names and keys, passwords and addresses of networked boards: M551, M552, M587 to M589 of RepRapFirmware
_SECRET_COMMAND: Final = re.compile(r"(?<![A-Za-z])(M\s*0*(?:55[12]|58[789]))(?!\d).*", re.IGNORECASE | re.DOTALL)
_SECRET_WORD: Final = re.compile(
    r"\b((?:x-)?api[-_ ]?key|pass(?:word|wd|phrase)?|pwd|psk|ssid|secret|token)(\"?\s*[=:]\s*)(\"[^\"]*\"?|'[^']*'?|\S+)",
    re.IGNORECASE,
)
_SHOWN_TEXT: Final = re.compile(r"^(?:N\d+\s*)?M11[78](?!\d)", re.IGNORECASE)


class _Block:
    """Chunks of some seconds in one piece."""

    __slots__ = ("began_s", "content", "newest_s")

    def __init__(self, began_s: float) -> None:
        self.began_s = began_s
        self.newest_s = began_s
        self.content = bytearray()

    def chunks(self) -> Iterator[tuple[float, int, bytes]]:
        """(time, direction, bytes), in order."""
        position = 0
        while position < len(self.content):
            direction, after_ms, size = _HEADER.unpack_from(self.content, position)
            position += _HEADER.size + size
            yield self.began_s + after_ms / 1000, direction, bytes(self.content[position - size : position])


class Transcript:
    """What was said on one wire. Times are seconds of one monotonic clock, shown since the first entry."""

    def __init__(self, *, keep_bytes: int = KEEP_BYTES, keep_s: float = KEEP_S) -> None:
        self._keep_bytes = keep_bytes
        self._keep_s = keep_s
        self._block_bytes = min(BLOCK_BYTES, max(1, keep_bytes // 4))
        self._blocks: deque[_Block] = deque()
        self._size_bytes = 0  # of all blocks but the newest
        self._origin_s: float | None = None
        self._forgot = False

    @property
    def size_bytes(self) -> int:
        """What is kept now; at most `keep_bytes` and a chunk."""
        return self._size_bytes + (len(self._blocks[-1].content) if self._blocks else 0)

    def sent(self, data: bytes, now_s: float) -> None:
        """We said `data`."""
        if data:
            self._add(_SENT, data, now_s)

    def heard(self, data: bytes, now_s: float) -> None:
        """The machine said `data`."""
        if data:
            self._add(_HEARD, data, now_s)

    def exchanged(self, heard: bytes, sent: bytes, now_s: float) -> None:
        """The machine said `heard`, and we said `sent` at once. An ok and a line are packed in one step: nearly all is that."""
        block = self._blocks[-1] if self._blocks else None
        after_ms = int((now_s - block.began_s) * 1000) if block is not None else -1
        if block is None or heard != _OK or not 0 <= after_ms <= _LONGEST_BLOCK_MS or not 0 < len(sent) <= MAX_CHUNK_BYTES:
            self.heard(heard, now_s)
            self.sent(sent, now_s)
            return
        if len(block.content) >= self._block_bytes:
            block, after_ms = self._begin(now_s), 0
        block.newest_s = now_s
        block.content += _BOTH.pack(_HEARD, after_ms, len(_OK), heard, _SENT, after_ms, len(sent)) + sent

    def _add(self, direction: int, data: bytes, now_s: float) -> None:
        block = self._blocks[-1] if self._blocks else self._begin(now_s)
        if len(block.content) >= self._block_bytes:
            block = self._begin(now_s)
        block.newest_s = now_s
        if len(data) > MAX_CHUNK_BYTES:
            data = b"\n" + data[-MAX_CHUNK_BYTES:].partition(b"\n")[2]  # half a line may be half a secret
        after_ms = min(max(int((now_s - block.began_s) * 1000), 0), _LONGEST_BLOCK_MS)
        block.content += _HEADER.pack(direction, after_ms, len(data)) + data

    def _begin(self, now_s: float) -> _Block:
        if self._origin_s is None:
            self._origin_s = now_s
        if self._blocks:
            self._size_bytes += len(self._blocks[-1].content)
        block = _Block(now_s)
        self._blocks.append(block)
        while len(self._blocks) > 1 and self._too_much(now_s):
            self._size_bytes -= len(self._blocks.popleft().content)
            self._forgot = True
        return block

    def _too_much(self, now_s: float) -> bool:
        return self._size_bytes + self._block_bytes > self._keep_bytes or now_s - self._blocks[0].newest_s > self._keep_s

    # for readers
    def recent_heard(self, limit_bytes: int, since_s: float = 0.0) -> bytes:
        """The last bytes that the machine said from `since_s` on, raw."""
        found = bytearray()
        for block in reversed(self._blocks):
            found[:0] = b"".join(data for time_s, direction, data in block.chunks() if direction == _HEARD and time_s >= since_s)
            if len(found) >= limit_bytes or block.began_s < since_s:
                break
        return bytes(found[-limit_bytes:])

    def lines(self) -> list[str]:
        """`12.345 > G1 X5`, oldest first, at most MAX_LINES; control characters are escaped, secrets hidden."""
        newest_s = self._blocks[-1].newest_s if self._blocks else 0.0
        kept: deque[str] = deque(maxlen=MAX_LINES)
        for time_s, direction, raw in self._raw_lines():
            text = safe_text(raw)
            if text and time_s >= newest_s - self._keep_s:
                kept.append(f"{time_s - (self._origin_s or 0.0):.3f} {chr(direction)} {text}")
        return list(kept)

    def _raw_lines(self) -> Iterator[tuple[float, int, bytes]]:
        """(time of its first byte, direction, line), in the order in which the lines ended; what is cut at the end comes last."""
        pending: dict[int, tuple[float, bytearray]] = {}
        half = set((_SENT, _HEARD) if self._forgot else ())  # the beginning of a line is gone: the rest may be half a secret
        for block in self._blocks:
            for time_s, direction, data in block.chunks():
                whole = data if direction not in half else data.partition(b"\n")[2]
                if b"\n" in data:
                    half.discard(direction)
                yield from _cut(pending, time_s, direction, whole)
        for direction, (time_s, rest) in pending.items():
            yield time_s, direction, bytes(rest)


def _cut(
    pending: dict[int, tuple[float, bytearray]], time_s: float, direction: int, data: bytes
) -> Iterator[tuple[float, int, bytes]]:
    first, *others = data.split(b"\n")
    began_s, line = pending.pop(direction, (time_s, bytearray()))
    line += first
    for following in others:
        yield began_s, direction, bytes(line)
        began_s, line = time_s, bytearray(following)
    if line:
        pending[direction] = (began_s, line)


def safe_text(raw: bytes) -> str:
    """A line without line end, secrets and control characters, at most MAX_LINE_CHARACTERS long."""
    text = without_secrets(raw.strip(b"\r\0").decode("utf-8", "backslashreplace"))
    shown = "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode("ascii") for sign in text)
    return shown if len(shown) <= MAX_LINE_CHARACTERS else shown[: MAX_LINE_CHARACTERS - 1] + "…"


def without_secrets(text: str) -> str:
    """`text` with what must not leave this computer hidden: Wi-Fi keys and names, passwords, API keys. Texts for a display stay."""
    if _SHOWN_TEXT.match(text):
        return text
    return _SECRET_WORD.sub(rf"\1\2{HIDDEN}", _SECRET_COMMAND.sub(rf"\1 {HIDDEN}", text))
