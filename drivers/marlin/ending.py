"""How jobs end and machines are stopped: safely, at once, or by themselves. Pure."""

from dataclasses import replace
from typing import Final

from drivers.base import Fault, PrintEnd
from drivers.marlin import faults, limits
from drivers.marlin.events import JobEnded, ResetWanted
from drivers.marlin.faults import FaultRule, Severity
from drivers.marlin.job import IN_JOB, Ending, Phase
from drivers.marlin.lines import BREAKABLE, word
from drivers.marlin.session import Session
from gcode.texts import Bilingual, Told, told

BREAK_S: Final = 3.0  # between two M108
MAX_BREAKS: Final = 5  # of a wait for heat
MAX_ANSWERS: Final = 12  # a runout asks four times at most
MAX_QUEUED_ANSWERS: Final = 3  # without an emergency parser each takes one of the firmware's four slots until the wait is over
STUCK_S: Final = 30.0
STOP_S: Final = 2.0  # between two M112
MAX_STOPS: Final = 3
_DISABLE: Final = "DisableRunout"
_WATCH_AGAIN: Final = b"M412 S1"
_WENT_ON_WAITING: Final = Told(
    "emergency-stop", "M112: it went on waiting for a person", "M112 : elle attendait toujours une personne"
)
_NOT_SAFE: Final = Bilingual(
    "The printer could not be told to cool: look whether its heaters are on.",
    "L'imprimante n'a pas pu recevoir l'ordre de refroidir : vérifiez si elle chauffe encore.",
)
RESET_AT: Final = 2  # with the second M112 the reset line is pulled: a full queue behind a long wait lets none through (measured)


def meaning(found: Fault) -> Told:
    """What a fault means, as the detail of a job that ended by it."""
    return Told(found.code, found.meaning_en, found.meaning_fr)


def finish(session: Session, found: Ending) -> None:
    """The job is over as `found` says."""
    job, session.job = session.job, None
    session.reported.calm()
    if session.phase in IN_JOB:
        session.enter(Phase.READY)
    if job is not None:
        session.tell(JobEnded(job.name, found))


def abort(session: Session, found: Ending, now_s: float, *, renumber: bool = False) -> None:
    """End the job as `found` says: heaters off and nozzle away first, as far as the machine can be reached."""
    job = session.job
    if job is None or (session.phase is Phase.ABORTING and not renumber):
        return
    job.ending = job.ending or found
    job.lines.clear()
    if session.phase is Phase.CLOSED or (session.phase not in IN_JOB and not renumber):
        session.abandoned = True
        finish(session, replace(job.ending, detail=told(job.ending.detail).and_then(_NOT_SAFE)))
        return
    session.enter(Phase.ABORTING, limits.secure(session, homed=job.modes.homed, inches=job.modes.inches))
    session.tries, session.answered, session.went_on, session.stuck_s = 0, None, False, None
    if renumber:
        session.channel.renumber(now_s)
    else:
        break_wait(session, now_s)


def break_wait(session: Session, now_s: float) -> None:
    """End a wait for heat or for a person. The surplus oks do no harm: the script begins with a fence."""
    if _asks_anew(session) or session.reported.user_wait:
        _make_go_on(session, now_s)
        return
    session.stuck_s = None
    line = session.channel.in_flight
    # M600 moves before and after it waits, and says when it waits: an early M108 only fills its queue
    waits = line is not None and word(line.command) in BREAKABLE - {b"M600"}
    if waits and session.tries < MAX_BREAKS:
        session.tries += 1
        session.write(b"M108\n")
        session.timer_s = now_s + BREAK_S


def asked(session: Session, now_s: float) -> None:
    """The machine says, while a job is ended, that it waits for a person."""
    if _asks_anew(session) or session.timer_s is None:
        break_wait(session, now_s)


def held(session: Session) -> bool:
    """Whether the machine, hot, obeys nothing of ours for long: it waits for a person, or changes filament."""
    reported, line = session.reported, session.channel.in_flight
    command = b"" if line is None else line.command
    off = limits.cold(session)
    cold = session.phase is Phase.ABORTING and command not in off and not any(one in session.script for one in off)
    if session.job is None or cold:
        return False
    return session.went_on or reported.user_wait or reported.dialogue.asks is not None or word(command) == b"M600"


def _asks_anew(session: Session) -> bool:
    prompt = session.reported.dialogue.asks
    return prompt is not None and prompt.id != session.answered


def _make_go_on(session: Session, now_s: float) -> None:
    """Answer so that it goes on with its lines; a machine that cannot be moved so is stopped, for it stays hot."""
    dialogue, at_once = session.reported.dialogue, session.identity.hears_at_once
    may_say = session.tries < (MAX_ANSWERS if at_once else MAX_QUEUED_ANSWERS)
    if session.stuck_s is None or (_asks_anew(session) and may_say):
        session.stuck_s = now_s
    if now_s - session.stuck_s >= STUCK_S:
        stop_held(session, now_s)
        return
    session.timer_s, session.went_on = now_s + BREAK_S, True
    command = dialogue.way_on(hears_at_once=at_once)
    if dialogue.asks is not None:
        session.answered = dialogue.asks.id
        if dialogue.asks.choices[-1] == _DISABLE and _WATCH_AGAIN not in session.script:
            session.script.extend((b"M77", _WATCH_AGAIN))  # the next job wants its runout sensor; no print is timed any more
    if command is not None and may_say:
        session.tries += 1
        session.write(command + b"\n")


def stop_held(session: Session, now_s: float) -> None:
    """End the job by the emergency stop: a machine that waits for a person stays hot, and hears nothing else."""
    job = session.job
    end = job.ending.end if job is not None and job.ending is not None else PrintEnd.INTERRUPTED
    kill(session, faults.fault("emergency-stop", _WENT_ON_WAITING), end)
    session.tries = 0
    stop(session, now_s)


def abandon(session: Session, code: str) -> None:
    """The job is over for us, and nobody knows how the machine fares."""
    job = session.job
    session.abandoned = True
    rule = faults.BY_CODE[code]
    found = rule.fault(Told(code, rule.meaning_en, rule.meaning_fr))
    if job is not None:
        finish(session, job.ending or Ending(PrintEnd.INTERRUPTED, meaning(found), found))


def on_fault(session: Session, rule: FaultRule, text: str, now_s: float) -> None:
    """The machine reports a fault."""
    rule = _meant(session, rule)
    found = rule.fault(text)
    if rule.severity is not Severity.KILLED:
        abort(session, Ending(PrintEnd.FAILED, meaning(found), found), now_s)
    elif session.phase is not Phase.KILLED:
        kill(session, found, PrintEnd.FAILED)
        # A deaf machine does not hear it. One that only repeated such words, of a file's M118 or of noise, must not stay hot.
        session.write(b"".join(b"\n%s\n" % line for line in limits.cold(session)))
    else:
        session.timer_s = None  # the stop is confirmed, or the second line of the same fault


def _meant(session: Session, rule: FaultRule) -> FaultRule:
    """The same line means something else when we know more than it says."""
    reported = session.reported
    if rule.code == "inactivity-kill" and (reported.user_wait or reported.dialogue.asks is not None):
        return faults.BY_CODE["unanswered"]
    if rule.code == "cold-extrusion" and reported.heater_fails:
        return faults.BY_CODE["heater-lost"]
    return rule


def kill(session: Session, found: Fault, end: PrintEnd) -> None:
    """The machine is deaf, or is to be."""
    session.fault = found
    session.channel.close()
    session.enter(Phase.KILLED)
    if session.job is not None:
        finish(session, Ending(end, meaning(found), found))


def stop(session: Session, now_s: float) -> None:
    """M112 once more, until it is confirmed or was said often enough."""
    session.tries += 1
    if session.tries > MAX_STOPS:
        session.fault = faults.fault("stop-unconfirmed", "M112")
        return
    session.write(b"\nM112\n")
    if session.tries == RESET_AT:
        session.tell(ResetWanted())
    session.timer_s = now_s + STOP_S
