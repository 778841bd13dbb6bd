"""What is sent next in each phase, and when a phase is through. Pure."""

from collections.abc import Callable
from typing import Final

from drivers.base import PrintEnd
from drivers.marlin import ending, faults, greeting, limits, reattach
from drivers.marlin.events import Ready
from drivers.marlin.job import FENCE, Ending, Phase, park, unpark
from drivers.marlin.modes import Mode
from drivers.marlin.session import Session
from gcode.texts import Told

POLL_S: Final = 2.0  # temperatures, when the firmware does not report by itself
MAX_TELLINGS: Final = 6  # of the place of a pause, until two in a row agree
ALIVE_S: Final = 10.0  # a sign of life and the SD card, when it does
_DONE: Final = Told("printed", "Every line was executed.", "Toutes les lignes ont été exécutées.")


def pump(session: Session, now_s: float) -> None:
    """Send what may be sent now."""
    if session.channel.mode is Mode.FAILED:
        _channel_failed(session, now_s)
    going_on = True
    while going_on and session.channel.room:
        if session.channel.idle:
            going_on = session.send_script(now_s) or _STEPS[session.phase](session, now_s)
        else:
            going_on = _beside(session, now_s)


def _channel_failed(session: Session, now_s: float) -> None:
    code = session.channel.failure or "no-answer"
    if code == "no-answer" or session.job is None or session.phase is Phase.ABORTING:
        ending.abandon(session, "no-answer")
        greeting.greet(session, now_s)
    elif code == "reset":
        greeting.started_anew(session, "Last Line: 0", now_s)
    else:
        line = session.channel.last_line
        found = faults.fault(code, Told(code, f"line {line}", f"ligne {line}"))
        ending.abort(session, Ending(PrintEnd.FAILED, ending.meaning(found), found), now_s, renumber=True)


def _located(session: Session, now_s: float) -> bool:
    """LOCATING, the number is known."""
    greeting.located(session, now_s)
    return True


def _set_up(session: Session, _now_s: float) -> bool:
    """SETUP is through."""
    session.enter(Phase.READY)
    session.fault = None
    session.abandoned = False
    session.tell(Ready(session.identity.firmware or "", session.was_reset))
    return True


def _poll(session: Session, now_s: float) -> bool:
    """READY: ask for temperatures and the SD card now and then."""
    if now_s < session.next_poll_s:
        session.timer_s = session.next_poll_s
        return False
    session.next_poll_s = now_s + (ALIVE_S if session.identity.reports else POLL_S)
    session.script.append(b"M105")
    if session.identity.has_card and session.phase is Phase.READY:
        session.script.append(b"M27")
    if session.identity.quirk.factors and session.phase is Phase.PAUSED:
        session.script.extend((b"M220", b"M221"))  # a person at the panel may have changed them
    return True


def _started(session: Session, _now_s: float) -> bool:
    """STARTING: numbers begin at 0."""
    session.enter(Phase.RUNNING)
    return True


def _running(session: Session, now_s: float) -> bool:
    """RUNNING: the next line, or the end of the file, or a pause."""
    job = session.job
    assert job is not None
    if job.hold:
        job.told_at, session.tries = None, 0
        session.enter(Phase.PAUSING, [*limits.unwatch(session), *([b"M400"] if job.modes.homed else [])])
    elif not session.identity.reports and now_s >= session.next_poll_s:
        return _poll(session, now_s)
    elif job.lines:
        command, offset = job.lines.popleft()
        session.channel.send(command, now_s, offset=offset)
    elif job.complete:
        session.enter(Phase.DRAINING, [b"M400", *limits.unwatch(session), FENCE])
    else:
        return False
    return True


def _beside(session: Session, now_s: float) -> bool:
    """RUNNING, with moves in flight and room for more: the next line if it is one, and nothing else is to be said."""
    job = session.job
    if session.phase is not Phase.RUNNING or job is None or job.hold or not job.lines or session.script:
        return False
    if not session.identity.reports and now_s >= session.next_poll_s:
        return False
    command, offset = job.lines[0]
    if not session.channel.stream(command, now_s, offset=offset):
        return False
    job.lines.popleft()
    return True


def _pausing(session: Session, _now_s: float) -> bool:
    """PAUSING: where the nozzle is is known; lift it, once."""
    job = session.job
    assert job is not None
    position = job.parked_at
    if position is None and job.modes.homed and session.tries < MAX_TELLINGS:
        session.tries += 1
        session.script.append(b"M114")
        return True
    session.enter(Phase.PAUSED, park(position, job.modes) if position is not None else [b"M84 S0"])
    return True


def _paused(session: Session, now_s: float) -> bool:
    """PAUSED: hold, or go back to the part."""
    job = session.job
    assert job is not None
    if job.hold:
        return _poll(session, now_s)
    session.enter(Phase.RESUMING, [*unpark(job.parked_at, job.modes), *limits.watch(session)])
    job.parked_at = None
    return True


def _resumed(session: Session, _now_s: float) -> bool:
    """RESUMING is through."""
    session.enter(Phase.RUNNING)
    return True


def _ran_errand(session: Session, _now_s: float) -> bool:
    """ERRAND is through."""
    assert session.errand is not None
    session.errand.done = True
    if session.abandoned:  # asked for meanwhile
        session.enter(Phase.SETUP, limits.secure(session, homed=not session.was_reset))
    else:
        session.enter(Phase.READY)
    return True


def _aborted(session: Session, _now_s: float) -> bool:
    """ABORTING is through: the machine is safe."""
    assert session.job is not None
    assert session.job.ending is not None
    ending.finish(session, session.job.ending)
    return True


def _drained(session: Session, _now_s: float) -> bool:
    """DRAINING is through: every line was executed."""
    unknown = session.reported.unknown
    ending.finish(session, Ending(PrintEnd.DONE, _DONE if unknown is None else _DONE.and_then(unknown)))
    return True


# in the other phases the channel is closed, and never idle
_STEPS: Final[dict[Phase, Callable[[Session, float], bool]]] = {
    Phase.LOCATING: _located,
    Phase.SETUP: _set_up,
    Phase.READY: _poll,
    Phase.REATTACHING: reattach.step,
    Phase.ERRAND: _ran_errand,
    Phase.STARTING: _started,
    Phase.RUNNING: _running,
    Phase.PAUSING: _pausing,
    Phase.PAUSED: _paused,
    Phase.RESUMING: _resumed,
    Phase.ABORTING: _aborted,
    Phase.DRAINING: _drained,
}
