"""What slicers say of a whole print in comments: not true of its rest, which goes without it and has figures of its own.

The keys here, beside those of `gcode.claims`, are of PrusaSlicer, Orca, Bambu Studio, Cura, Simplify3D and KISSlicer. `M73` stays:
it is a command, and the time that it says is left is left.
"""

from dataclasses import replace
from typing import BinaryIO, Final

from gcode.claims import Claims, is_claim, time_claim
from gcode.facts import GcodeFacts

_KEYS: Final = frozenset(
    {
        *("total layers count", "total layer number", "LAYER_COUNT", "total toolchanges", "TIME_ELAPSED"),
        *("estimated printing time (silent mode)", "Total estimated (pre-cool) minutes"),
        *("estimated first layer printing time (normal mode)", "estimated first layer printing time (silent mode)"),
        *("filament used [cm3]", "filament cost", "total filament used [g]", "total filament cost"),
        *("total filament used for wipe tower [g]", "total filament volume [cm^3]"),
        *("Plastic volume", "Material cost", "Estimated Build Volume", "Estimated Build Cost"),
    }
)
_PIECE_BYTES: Final = 64 * 1024
_LONGEST_BYTES: Final = 1024  # a line of a program is far shorter, and what is longer is handed on in pieces


def is_total(comment: str) -> bool:
    """Whether a comment, without its semicolon, tells the time, filament or layers of the whole print."""
    if min(comment.split("=", 1)[0], comment.split(":", 1)[0], key=len).strip() in _KEYS:
        return True
    if not is_claim(comment):
        return False
    claims = Claims()
    claims.read(comment)
    return any(said is not None for said in (claims.time_s, claims.filament_mm, claims.filament_mm3, claims.filament_g))


def _is_total_line(line: bytes) -> bool:
    bare = line.lstrip(b" \t")
    return bare.startswith(b";") and is_total(bare[1:_LONGEST_BYTES].decode("utf-8", "replace").strip())


class WithoutTotals:
    """A program from where `stream` stands, without the lines that tell of the whole print; every other byte is as it was."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._begin_again()

    def _begin_again(self) -> None:
        self._ready = b""
        self._held_back = b""  # a line that may go on in the next piece
        self._cut = False  # the line that comes began in the piece before
        self._drops = False

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes, all for -1; nothing only at the end."""
        if size < 0:
            return b"".join(iter(lambda: self.read(_PIECE_BYTES), b""))
        while not self._ready and self._more():
            pass
        piece, self._ready = self._ready[:size], self._ready[size:]
        return piece

    def _more(self) -> bool:
        """Take a piece of the stream; False at its end."""
        fresh = self._stream.read(_PIECE_BYTES)
        lines = (self._held_back + fresh).splitlines(keepends=True)
        self._held_back = lines.pop() if fresh and len(lines[-1]) < _LONGEST_BYTES else b""
        self._ready = b"".join(line for line in lines if not self._is_dropped(line))
        return bool(fresh)

    def _is_dropped(self, line: bytes) -> bool:
        if not self._cut:
            self._drops = _is_total_line(line)
        self._cut = not line.endswith((b"\n", b"\r"))
        return self._drops

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to a place of the whole stream: what comes from there is read as from the beginning of a line."""
        self._begin_again()
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        """Where the whole stream stands."""
        return self._stream.tell()


def totals_lines(facts: GcodeFacts) -> list[str]:
    """The comments that say time, filament and layers of a program, as PrusaSlicer says them: other programs understand that."""
    return [
        f"; estimated printing time (normal mode) = {time_claim(facts.time_s)}",
        f"; filament used [mm] = {facts.filament_mm:.2f}",
        f"; filament used [cm3] = {facts.filament_cm3:.2f}",
        f"; filament used [g] = {facts.filament_g:.2f}",
        f"; total layers count = {facts.layers}",
    ]


def claiming(facts: GcodeFacts, lines: list[str]) -> GcodeFacts:
    """The facts of a program to which these comments were added."""
    claims = Claims()
    for line in lines:
        claims.read(line.removeprefix(";").strip())
    return replace(
        facts,
        claimed_time_s=claims.time_s,
        claimed_filament_mm=claims.filament_mm,
        claimed_filament_g=claims.filament_g,
    )
