"""What a job sets besides its file: the dead man's switch (M85) and factors of 100 %. Pure.

M85 makes the firmware stop itself when it has nothing to do for so long: heat goes off when the computer beside it dies. It does
not count a wait for heat as idle, but it does count G4 and, in builds where it is not parked, a wait for a person (measured:
the kill while waiting). So it is off before such a line and on after it.
"""

from collections.abc import Iterable
from typing import Final

from drivers.marlin.job import heaters_off, make_safe
from drivers.marlin.lines import MOVES, ProgramLine, word
from drivers.marlin.session import Session

LEAST_DEADMAN_S: Final = 60  # a busy computer is late now and then; a lost port is waited for as long
DEFAULT_DEADMAN_S: Final = 300
# The firmware may stand still in these for longer than any limit
_STANDING: Final = frozenset({b"G4", b"M0", b"M1", b"M226", b"M600"})
_PREFIXES: Final = (b"G4", b"M0", b"M1", b"M226", b"M600")
UNWATCH: Final = b"M85 S0"
FULL: Final = (b"M220 S100", b"M221 S100")  # what the last person or file left would make other parts of the same program


def watch(session: Session) -> list[bytes]:
    """On: while lines of the file are sent."""
    return [_on(session.deadman_s)] if _has(session) else []


def unwatch(session: Session) -> list[bytes]:
    """Off: while a person may take their time, and at the end."""
    return [UNWATCH] if _has(session) else []


def secure(session: Session, *, homed: bool, inches: bool = False) -> list[bytes]:
    """Heaters off and nozzle away, and no switch that would stop an idle machine."""
    return [*make_safe(cold(session), homed=homed, inches=inches), *unwatch(session)]


def cold(session: Session) -> list[bytes]:
    """No heat any more: in every nozzle, in the bed, and in the chamber where there is one."""
    heats = session.file_heats_chamber or (session.job is not None and session.job.modes.chamber) or session.identity.has_chamber
    return heaters_off(session.identity.extruders, chamber=heats)


def last_words(session: Session) -> bytes:
    """For a machine that does not answer: it obeys when it is through with what it does, and without numbers also when lost."""
    return b"\n" + b"".join(b"%s\n" % line for line in (b"M108", *cold(session), b"M107"))


def begin(session: Session) -> list[bytes]:
    """Before the first line of the file."""
    return [*(FULL if session.identity.quirk.factors else ()), *watch(session)]


def around(session: Session, lines: Iterable[ProgramLine]) -> Iterable[ProgramLine]:
    """The lines of a file, with the switch off around those in which the machine may stand for long."""
    if not _has(session):
        return lines
    return _around(session.deadman_s, lines)


def _around(deadman_s: int, lines: Iterable[ProgramLine]) -> Iterable[ProgramLine]:
    for line in lines:
        if line.command[:3] not in MOVES and line.command.startswith(_PREFIXES) and word(line.command) in _STANDING:
            yield ProgramLine(UNWATCH, None)
            yield line
            yield ProgramLine(_on(deadman_s), None)
        else:
            yield line


def _has(session: Session) -> bool:
    return session.deadman_s > 0 and session.identity.quirk.deadman


def _on(deadman_s: int) -> bytes:
    return b"M85 S%d" % deadman_s
