"""Leaves bookmarks while a job runs, and takes up the job of an earlier process when the machine certainly stands there. Pure."""

from collections import deque
from typing import Final

from drivers.marlin import limits
from drivers.marlin.bookmarks import MAX_KINDS, Mark
from drivers.marlin.claim import Claim
from drivers.marlin.job import IN_JOB, Phase, unpark
from drivers.marlin.session import Session

MARK_S: Final = 0.5  # between two bookmarks, when nothing else asks for one


class Marker:
    """Says when a new bookmark is due."""

    def __init__(self) -> None:
        self._next_s = 0.0
        self._last: tuple[bool, bool, int] | None = None

    def take(self, session: Session, now_s: float) -> Mark | None:
        """The mark of the job that runs, when it is time for one or something happened that the last one does not know."""
        job = session.job
        if job is None or session.phase not in IN_JOB or not job.begun or session.phase is Phase.ABORTING:
            self._last = None
            return None
        state = (job.hold, session.phase is Phase.PAUSED, session.own_lines)
        if now_s < self._next_s and state == self._last:
            return None
        self._next_s, self._last = now_s + MARK_S, state
        return _mark(session)


def _mark(session: Session) -> Mark:
    job, channel = session.job, session.channel
    assert job is not None
    accepted = [line.offset for line in channel.history if line.number <= channel.acked and line.offset is not None]
    kinds = "".join("o" if line.offset is None else "f" for line in channel.history if line.number > channel.acked)
    stands = session.phase is Phase.PAUSED and not session.script and job.hold
    return Mark(
        channel.acked,
        accepted[-1] if accepted else job.offset,
        kinds[:MAX_KINDS],
        job.size_bytes,
        session.identity.machine,
        job.hold,
        job.parked_at if stands else None,
    )


def claim(session: Session, claimed: Claim) -> None:
    """Ask the machine where it stands, to go on with a job of an earlier process. Only in READY."""
    assert session.phase is Phase.READY
    session.enter(Phase.REATTACHING, [b"M114", b"M114"])
    session.claim = claimed


def step(session: Session, _now_s: float) -> bool:
    """REATTACHING: it has told. Go on, or make it safe."""
    claimed = session.claim
    assert claimed is not None
    job = claimed.judge()
    if job is None:
        session.abandoned = True
        session.enter(Phase.SETUP, limits.secure(session, homed=not session.was_reset))
        return True
    job.lines = deque(limits.around(session, job.lines))
    session.job = job
    session.reported.go_on()
    session.found_line = None
    if job.parked_at is not None:
        session.enter(Phase.PAUSED)
    else:
        # the earlier process may have died on its way back from a pause: before it had set the file's modes again
        session.enter(Phase.RUNNING, [*unpark(None, job.modes), *limits.watch(session)])
    return True
