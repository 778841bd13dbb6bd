"""Going on with a job of an earlier process: what the computer knows for it, and the file followed to where the machine may be.

The reading blocks: call it from a thread.
"""

import time
from asyncio import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from drivers.errors import TransferError
from drivers.marlin.bookmarks import decode
from drivers.marlin.claim import Claim, Found, objection, possible_lines
from drivers.marlin.program import YIELD_S, ProgramReader, ProgramSize
from drivers.marlin.replay import Replay
from gcode.texts import Told

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_NO_FILE: Final = Told("cut-off", "Its file is not here any more", "Son fichier n'est plus là")
TOO_LATE: Final = Told(
    "cut-off", "It took too long to find the place in the file", "Retrouver l'endroit dans le fichier a pris trop de temps"
)
_UNSURE: Final = Told("cut-off", "The place in the file is not certain", "L'endroit dans le fichier n'est pas certain")


def boot_id() -> str:
    """Which start of the computer this is; empty where the system does not say."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""


def boot_second() -> float:
    """Seconds since that start; a suspended computer counts on."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(frozen=True, slots=True)
class Prepared:
    """`claim` with the `reader` for the rest of its file; or why not."""

    claim: Claim | None = None
    reader: ProgramReader | None = None
    why_not: str = ""


def prepare(job: str, program: Path | None, bookmark: str | None, line: int | None, machine: str) -> Prepared:
    """Judge a bookmark and follow the file. `line` is the machine's line number, `machine` its identity."""
    kept = decode(bookmark) if bookmark is not None else None
    size = _size(program)
    if kept is not None and size is None:
        return Prepared(why_not=_NO_FILE)
    size_bytes = size.size_bytes if size is not None else -1
    why_not = objection(kept, Found(line, machine, boot_id(), boot_second(), size_bytes))
    if why_not is not None or kept is None or program is None or line is None:
        return Prepared(why_not=why_not or _UNSURE)
    replay = Replay(kept.mark.offset, possible_lines(mark_line=line, kept=kept))
    return _follow(Claim(job, kept, replay, complete=False), program, size)


def forget(following: "Future[Prepared]") -> None:
    """Let go of what was prepared for somebody who is gone."""
    if not following.cancelled() and following.exception() is None and (reader := following.result().reader) is not None:
        reader.close()


def _size(program: Path | None) -> ProgramSize | None:
    """What the file is now, and must be to its end: one that is cut short from now on must not pass for a whole one."""
    try:
        status = program.stat() if program is not None else None
    except OSError:
        return None
    return ProgramSize(status.st_size, 0, status.st_mtime_ns) if status is not None else None


def _follow(claim: Claim, program: Path, size: ProgramSize | None) -> Prepared:
    replay = claim.replay
    reader = ProgramReader(program, size)
    try:
        complete = False
        while not replay.found and not complete:
            if too_late(claim):
                reader.close()
                return Prepared(why_not=TOO_LATE)
            lines, complete = reader.read_batch()
            replay.take(lines)
            time.sleep(YIELD_S)
    except TransferError as error:
        reader.close()
        return Prepared(why_not=Told(error.code, error.detail.rstrip("."), error.detail_fr.rstrip(".")))
    if complete:
        replay.over()
    if not replay.candidates:
        reader.close()
        return Prepared(why_not=_UNSURE)
    claim.complete = complete
    return Prepared(claim, reader)


def too_late(claim: Claim) -> bool:
    """Whether following the file took so long that the nozzle has sat on the part."""
    found = Found(claim.kept.mark.number, claim.kept.mark.machine, claim.kept.boot, boot_second(), claim.kept.mark.size_bytes)
    return objection(claim.kept, found) is not None
