"""Who is at the other end, and where we stand with it: from the open port to READY, or back into the job that was cut off. Pure."""

from typing import Final

from drivers.base import PrintEnd
from drivers.errors import Bilingual
from drivers.marlin import ending, faults, limits
from drivers.marlin.claim import REATTACH_S
from drivers.marlin.events import NotUnderstood, Refused
from drivers.marlin.identity import ASK, GREETING_S, IDENTIFY_S, OFFLINE_ASK_S, Identity
from drivers.marlin.job import Ending, Job, Phase
from drivers.marlin.replies import Reply
from drivers.marlin.session import Session
from gcode.texts import Told

SURE: Final = 3  # times that a machine must have named itself to be another
MAX_NAMINGS: Final = 6  # until two of them are alike, when nobody was here before
_RESET: Final = Told("reset", "The printer was reset.", "L'imprimante a redémarré.")
NAMELESS: Final = ""  # it tells another name each time: no machine can be told from it


def greet(session: Session, now_s: float) -> None:
    """Begin: wait for `start`, then ask."""
    session.channel.close()
    session.enter(Phase.GREETING)
    session.was_reset = False
    session.strangers.clear()
    session.namings.clear()
    session.found_line = None
    session.identity = Identity(until_s=now_s + IDENTIFY_S)
    session.timer_s = now_s + GREETING_S


def started_anew(session: Session, text: str, now_s: float) -> None:
    """`start`: the firmware has just begun. A print that ran is gone; go on only from the beginning."""
    if session.job is not None:
        session.abandoned = True  # a reset made it cold; should the word be a file's M118, or noise, it is still hot
        ending.finish(session, Ending(PrintEnd.FAILED, _RESET, faults.fault("reset", text)))
    session.fault = None
    session.reported.foreign = False
    greet(session, now_s)
    session.was_reset = True


def greeted(session: Session, reply: Reply, now_s: float) -> None:
    """A line while we wait for its name."""
    if not session.identity.learn(reply, now_s):
        return
    quirk = session.identity.quirk
    if quirk.refusal is not None:
        _refuse(session, quirk.refusal, now_s)
    elif session.machine is None and not _named(session):
        _ask_again(session, now_s)
    elif session.machine not in {NAMELESS, session.identity.machine}:
        _other_machine(session, now_s)
    else:
        if not quirk.wide:
            session.channel.window.lines = 1
        session.enter(Phase.LOCATING)
        session.timer_s = now_s + IDENTIFY_S
        session.channel.locate(now_s)


def _named(session: Session) -> bool:
    """Whether its name is known: told twice alike, for what it says has no checksum, and a wrong one would make it a stranger."""
    named = session.identity.machine
    if named in session.namings:
        session.machine = named
    elif len(session.namings) >= MAX_NAMINGS - 1:
        session.machine = NAMELESS
    session.namings.append(named)
    return session.machine is not None


def _ask_again(session: Session, now_s: float) -> None:
    session.identity = Identity(until_s=now_s + IDENTIFY_S)
    session.write(ASK)


def ask(session: Session, now_s: float) -> None:
    """Ask M115; when the time is over, say so once and go on asking slowly."""
    if session.identity.overdue(now_s):
        session.tell(NotUnderstood(session.identity.heard_noise, "gave no name when asked (M115)"))
    if session.identity.may_ask(now_s):
        session.write(ASK)
    session.timer_s = now_s + session.identity.ask_again_s


def unnumbered(session: Session, now_s: float) -> None:
    """It has a name, but no answer to our probe."""
    name = session.identity.firmware
    why = Bilingual(
        f"It is {name}, which does not number lines as Marlin does.",
        f"C'est {name}, qui ne numérote pas les lignes comme Marlin.",
    )
    _refuse(session, why, now_s)


def _refuse(session: Session, why: Bilingual, now_s: float) -> None:
    """It cannot be driven; ask now and then whether another is there."""
    session.tell(Refused(why, session.identity.quirk.advice))
    session.channel.close()
    session.identity = Identity()
    session.machine = None
    session.namings.clear()
    session.enter(Phase.GREETING)
    session.timer_s = now_s + OFFLINE_ASK_S


def _other_machine(session: Session, now_s: float) -> None:
    """Not the one that was here before: nothing is sent to it, whatever ran on the first. Said thrice alike, it is no noise."""
    named = session.identity.machine
    session.strangers = [name for name in session.strangers if name == named] + [named]
    if len(session.strangers) < SURE:
        _ask_again(session, now_s)
        return
    session.strangers = []
    which = Told("other-machine", f"{named} instead of {session.machine}", f"{named} au lieu de {session.machine}")
    found = faults.fault("other-machine", which)
    ending.kill(session, found, PrintEnd.FAILED)
    session.tell(Refused(Bilingual(found.meaning_en, found.meaning_fr), Bilingual(found.action_en, found.action_fr)))


def located(session: Session, now_s: float) -> None:
    """The machine's line number is known: go on with the job, or begin anew."""
    session.timer_s = None
    job = session.job
    session.was_reset = session.was_reset or session.channel.last_line == 0
    if job is None or job.lost_at_s is None:
        session.found_line = None if session.was_reset else session.channel.last_line
        set_up(session, now_s)
    elif now_s - job.lost_at_s <= REATTACH_S:
        session.enter(job.phase, job.script)
        job.lost_at_s = None
        session.channel.resync(now_s)
    else:
        _lost_too_long(session, job, now_s)


def _lost_too_long(session: Session, job: Job, now_s: float) -> None:
    gap_s = now_s - (job.lost_at_s or now_s)
    job.lost_at_s = None
    detail = Told("unplugged", f"Contact was lost for {gap_s:.0f} s.", f"Contact perdu pendant {gap_s:.0f} s.")
    ending.abort(session, Ending(PrintEnd.FAILED, detail, faults.fault("unplugged", detail)), now_s, renumber=True)


def set_up(session: Session, now_s: float) -> None:
    """Numbers from 0, reports on, and safe if a job was abandoned."""
    safe = limits.secure(session, homed=not session.was_reset) if session.abandoned else []
    session.enter(Phase.SETUP, [*session.identity.setup(), *safe])
    session.channel.renumber(now_s)
