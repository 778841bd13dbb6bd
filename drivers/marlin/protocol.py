"""The session with one Marlin printer as a pure state machine: bytes, time and commands in; bytes, events and a deadline out.

    CLOSED -> GREETING (wait for `start`, ask M115) -> LOCATING (probe: was it reset?) -> SETUP (M110 N0, reports) -> READY
    READY -> STARTING -> RUNNING <-> PAUSING, PAUSED, RESUMING -> DRAINING -> READY;   any -> ABORTING -> READY;   any -> KILLED

`channel` below it gets each line accepted exactly once; `link` above it moves the bytes. Times are seconds of one monotonic clock.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from drivers.base import Fault, PrintEnd
from drivers.marlin import faults, replies
from drivers.marlin.channel import Channel, Frame, Mode
from drivers.marlin.events import Event, JobBegun, JobEnded, NotUnderstood, Ready
from drivers.marlin.faults import FaultRule, Severity
from drivers.marlin.identity import ASK, GREETING_S, IDENTIFY_S, OFFLINE_ASK_S, Identity
from drivers.marlin.job import FENCE, HOLDABLE, IN_JOB, Ending, Job, Phase, make_safe, park, unpark
from drivers.marlin.lines import BREAKABLE, ProgramLine, word
from drivers.marlin.replies import Kind, Reply
from drivers.marlin.reported import Reported

POLL_S: Final = 2.0  # temperatures, when the firmware does not report by itself
ALIVE_S: Final = 10.0  # a sign of life and the SD card, when it does
REATTACH_S: Final = 15.0  # after a longer gap the nozzle has sat on the part
LOST_S: Final = 60.0  # then the job is over for us
BREAK_S: Final = 3.0  # between two M108
MAX_BREAKS: Final = 5
STOP_S: Final = 2.0  # between two M112
MAX_STOPS: Final = 3
LOW_WATER_LINES: Final = 256
MAX_LINE_BYTES: Final = 1024  # longer is noise


class Protocol:
    """See the module's text. After every call take `data_to_send()`, `events()` and `deadline_s`."""

    def __init__(self) -> None:
        self.phase = Phase.CLOSED
        self.job: Job | None = None
        self.identity = Identity()
        self.reported = Reported()
        self.fault: Fault | None = None
        self.was_reset = False
        self._channel = Channel(self._write, self._accepted)
        self._output = bytearray()
        self._pending = bytearray()
        self._events: list[Event] = []
        self._script: deque[bytes] = deque()
        self._timer_s: float | None = None
        self._next_poll_s = 0.0
        self._tries = 0
        self._abandoned = False  # a job was given up while the machine may still be hot

    # what the caller takes
    @property
    def deadline_s(self) -> float | None:
        """When `on_timeout` wants to be called, or None."""
        times = [time for time in (self._timer_s, self._channel.deadline_s) if time is not None]
        return min(times) if times else None

    @property
    def wants_program(self) -> bool:
        """Whether more lines of the file should be fed."""
        job = self.job
        return job is not None and job.ending is None and not job.complete and len(job.lines) < LOW_WATER_LINES

    @property
    def stopping(self) -> bool:
        """Whether an emergency stop waits for the machine's confirmation."""
        return self.phase is Phase.KILLED and self._timer_s is not None

    @property
    def silent(self) -> bool:
        """Whether nobody answered in time."""
        return self.phase is Phase.GREETING and self.identity.until_s is None

    def data_to_send(self) -> bytes:
        """Bytes for the wire, once."""
        data = bytes(self._output)
        self._output.clear()
        return data

    def events(self) -> Sequence[Event]:
        """What happened since the last call."""
        events, self._events = self._events, []
        return events

    def _write(self, data: bytes) -> None:
        self._output += data

    # commands
    def opened(self, now_s: float) -> None:
        """The port is open: find out who is there."""
        self._pending.clear()
        self._greet(now_s)

    def lost(self, now_s: float) -> None:
        """The port is gone. A job waits for it for a while: contact within seconds and no reset, and it goes on."""
        if self.job is not None and self.job.lost_at_s is None:
            self.job.lost_at_s = now_s
        if self.job is not None and self.phase in IN_JOB:
            self.job.phase, self.job.script = self.phase, tuple(self._script)
        self._channel.close()
        self._output.clear()
        self.phase = Phase.CLOSED
        self.reported = Reported()
        self._timer_s = self.job.lost_at_s + LOST_S if self.job and self.job.lost_at_s is not None else None

    def start(self, name: str, size_bytes: int, now_s: float) -> None:
        """Begin a job; its lines come by `feed`. Only in READY."""
        assert self.phase is Phase.READY
        self.job = Job(name, size_bytes)
        self.reported.unknown_commands = 0
        self._enter(Phase.STARTING)
        self._channel.renumber(now_s)

    def feed(self, lines: Sequence[ProgramLine], *, complete: bool, now_s: float) -> None:
        """More lines of the job's file; `complete` with the last."""
        if self.job is not None:
            self.job.lines.extend(lines)
            self.job.complete = complete
            self._pump(now_s)

    def feed_failed(self, detail: str, now_s: float) -> None:
        """The file cannot be read any further."""
        if self.job is not None:
            self.abort(Ending(PrintEnd.FAILED, detail, faults.fault("file-unreadable", detail)), now_s)

    def pause(self, now_s: float) -> None:
        """Hold after the line in flight."""
        if self.job is not None and self.phase in HOLDABLE:
            self.job.hold = True
            self._pump(now_s)

    def resume(self, now_s: float) -> None:
        """Go on."""
        if self.job is not None:
            self.job.hold = False
            self._pump(now_s)

    def cancel(self, now_s: float, *, by_person: bool = False) -> None:
        """End the job and make the machine safe."""
        detail = "Cancelled at the printer." if by_person else "Cancelled."
        self.abort(Ending(PrintEnd.CANCELLED, detail, by_person=by_person), now_s)

    def make_safe(self, now_s: float) -> None:
        """Heaters off and nozzle away, when nothing of ours runs (a print of an earlier process was abandoned)."""
        if self.phase is Phase.READY:
            self._enter(Phase.SETUP, make_safe(self.identity.extruders, homed=not self.was_reset))
            self._pump(now_s)

    def emergency_stop(self, now_s: float) -> None:
        """M112 at once, unnumbered; said again until the machine confirms, at most three times."""
        self._kill(faults.fault("emergency-stop", "M112"), PrintEnd.CANCELLED)
        self._tries = 0
        self._stop(now_s)

    def _stop(self, now_s: float) -> None:
        self._tries += 1
        if self._tries > MAX_STOPS:
            self.fault = faults.fault("stop-unconfirmed", "M112")
            return
        self._write(b"\nM112\n")
        self._timer_s = now_s + STOP_S

    # bytes
    def receive(self, data: bytes, now_s: float) -> None:
        """Take bytes from the wire."""
        self._pending += data
        *lines, rest = self._pending.split(b"\n")
        self._pending = bytearray(rest[-MAX_LINE_BYTES:])
        for line in lines:
            text = line.strip(b"\r\0").decode("ascii", "replace")
            if text:
                self._line(text, now_s)
        self._pump(now_s)

    def _line(self, text: str, now_s: float) -> None:
        reply = replies.understand(text)
        if reply.kind is Kind.START:
            self._started_anew(text, now_s)
        elif reply.kind is Kind.OTHER and (rule := faults.recognise(text)):
            self._fault(rule, text, now_s)
        elif self.phase is Phase.GREETING:
            self._greeted(reply, now_s)
        elif self.phase is not Phase.KILLED:
            self._learn(reply, now_s)
            self._channel.on_reply(reply, now_s)

    def _learn(self, reply: Reply, now_s: float) -> None:
        self.reported.learn(reply)
        kind = reply.kind
        if kind is Kind.ACTION:
            self._action(reply.text, now_s)
        elif kind is Kind.POSITION and self.phase is Phase.PAUSING and self.job is not None:
            self.job.parked_at = replies.position(reply.text)
        elif kind in {Kind.OK, Kind.BUSY, Kind.HEATING, Kind.USER_WAIT}:
            self._works()

    def _works(self) -> None:
        """The machine obeys: with a line of the file in flight, the job has begun."""
        line = self._channel.in_flight
        if self.job is not None and not self.job.begun and line is not None and line.offset is not None:
            self.job.begun = True
            self._events.append(JobBegun(self.job.name))

    def _action(self, text: str, now_s: float) -> None:
        """A person at the machine wants something of the host."""
        if text == "pause":
            self.pause(now_s)
        elif text == "resume":
            self.resume(now_s)
        elif text == "cancel":
            self.cancel(now_s, by_person=True)

    # who is there
    def _greet(self, now_s: float) -> None:
        self._channel.close()
        self._enter(Phase.GREETING)
        self.was_reset = False
        self.identity = Identity(until_s=now_s + IDENTIFY_S)
        self._timer_s = now_s + GREETING_S

    def _started_anew(self, text: str, now_s: float) -> None:
        """`start`: the firmware has just begun. A print that ran is gone; go on only from the beginning."""
        if self.job is not None:
            self._end(Ending(PrintEnd.FAILED, "The printer was reset.", faults.fault("reset", text)))
        self.fault = None
        self._abandoned = self.reported.foreign = False
        self._greet(now_s)
        self.was_reset = True

    def _greeted(self, reply: Reply, now_s: float) -> None:
        if self.identity.learn(reply, now_s):
            self._enter(Phase.LOCATING)
            self._timer_s = now_s + IDENTIFY_S
            self._channel.locate(now_s)

    def _ask(self, now_s: float) -> None:
        """Ask M115; when the time is over, say so once and go on asking slowly."""
        if self.identity.overdue(now_s):
            self._events.append(NotUnderstood(self.identity.heard_noise, "gave no name when asked (M115)"))
        if self.identity.may_ask(now_s):
            self._write(ASK)
        self._timer_s = now_s + self.identity.ask_again_s

    def _unnumbered(self, now_s: float) -> None:
        """It has a name, but no answer to our probe."""
        detail = f"is {self.identity.firmware}, which does not number lines as Marlin does"
        self._events.append(NotUnderstood(heard=True, detail=detail))
        self._channel.close()
        self.identity = Identity()
        self._enter(Phase.GREETING)
        self._timer_s = now_s + OFFLINE_ASK_S

    def _located(self, now_s: float) -> None:
        self._timer_s = None
        job = self.job
        self.was_reset = self.was_reset or self._channel.last_line == 0
        if job is None or job.lost_at_s is None:
            self._set_up(now_s)
        elif now_s - job.lost_at_s <= REATTACH_S:
            self._enter(job.phase, job.script)
            job.lost_at_s = None
            self._channel.resync(now_s)
        else:
            self._lost_too_long(job, now_s)

    def _lost_too_long(self, job: Job, now_s: float) -> None:
        gap_s = now_s - (job.lost_at_s or now_s)
        job.lost_at_s = None
        detail = f"Contact was lost for {gap_s:.0f} s."
        self.abort(Ending(PrintEnd.FAILED, detail, faults.fault("unplugged", detail)), now_s, renumber=True)

    def _set_up(self, now_s: float) -> None:
        safe = make_safe(self.identity.extruders, homed=not self.was_reset) if self._abandoned else []
        self._enter(Phase.SETUP, [*self.identity.setup(), *safe])
        self._channel.renumber(now_s)

    # time
    def on_timeout(self, now_s: float) -> None:
        """A deadline may have passed."""
        if self._channel.deadline_s is not None and now_s >= self._channel.deadline_s:
            self._channel.on_timeout(now_s)
        if self._timer_s is not None and now_s >= self._timer_s:
            self._timer_s = None
            self._timed_out(now_s)
        self._pump(now_s)

    def _timed_out(self, now_s: float) -> None:
        if self.phase is Phase.GREETING:
            self._ask(now_s)
        elif self.phase is Phase.LOCATING:
            self._unnumbered(now_s)
        elif self.phase is Phase.KILLED:
            self._stop(now_s)
        elif self.phase is Phase.ABORTING:
            self._break_wait(now_s)
        if self.job is not None and self.job.lost_at_s is not None and now_s >= self.job.lost_at_s + LOST_S:
            self._abandon("unplugged")

    # the engine
    def _enter(self, phase: Phase, script: Sequence[bytes] | deque[bytes] = ()) -> None:
        self.phase = phase
        self._script = deque(script)
        self._timer_s = None

    def _pump(self, now_s: float) -> None:
        if self._channel.mode is Mode.FAILED:
            self._channel_failed(now_s)
        going_on = True
        while self._channel.idle and going_on:
            going_on = self._send_script(now_s) or _STEPS[self.phase](self, now_s)

    def _send_script(self, now_s: float) -> bool:
        if not self._script or self.phase is Phase.LOCATING:
            return False
        command = self._script.popleft()
        if command == FENCE:
            self._channel.fence(now_s)
        else:
            self._channel.send(command, now_s)
        return True

    def _accepted(self, line: Frame) -> None:
        job = self.job
        if job is None or line.offset is None:
            return
        job.offset = max(job.offset, line.offset)
        job.modes.note(line.command)

    def step_located(self, now_s: float) -> bool:
        """LOCATING, the number is known."""
        self._located(now_s)
        return True

    def step_set_up(self, _now_s: float) -> bool:
        """SETUP is through."""
        self._enter(Phase.READY)
        self.fault = None
        self._abandoned = False
        self._events.append(Ready(self.identity.firmware or "", self.was_reset))
        return True

    def step_poll(self, now_s: float) -> bool:
        """READY: ask for temperatures and the SD card now and then."""
        if now_s < self._next_poll_s:
            self._timer_s = self._next_poll_s
            return False
        self._next_poll_s = now_s + (ALIVE_S if self.identity.reports else POLL_S)
        self._script.append(b"M105")
        if self.identity.has_card and self.phase is Phase.READY:
            self._script.append(b"M27")
        return True

    def step_started(self, _now_s: float) -> bool:
        """STARTING: numbers begin at 0."""
        self._enter(Phase.RUNNING)
        return True

    def step_running(self, now_s: float) -> bool:
        """RUNNING: the next line, or the end of the file, or a pause."""
        job = self.job
        assert job is not None
        if job.hold:
            self._enter(Phase.PAUSING, [b"M400", b"M114"] if job.modes.homed else [])
        elif not self.identity.reports and now_s >= self._next_poll_s:
            return self.step_poll(now_s)
        elif job.lines:
            command, offset = job.lines.popleft()
            self._channel.send(command, now_s, offset=offset)
        elif job.complete:
            self._enter(Phase.DRAINING, [b"M400", FENCE])
        else:
            return False
        return True

    def step_pausing(self, _now_s: float) -> bool:
        """PAUSING: where the nozzle is is known; lift it, once."""
        assert self.job is not None
        position = self.job.parked_at
        self._enter(Phase.PAUSED, park(position) if position is not None else [b"M84 S0"])
        return True

    def step_paused(self, now_s: float) -> bool:
        """PAUSED: hold, or go back to the part."""
        job = self.job
        assert job is not None
        if job.hold:
            return self.step_poll(now_s)
        self._enter(Phase.RESUMING, unpark(job.parked_at, job.modes))
        job.parked_at = None
        return True

    def step_resumed(self, _now_s: float) -> bool:
        """RESUMING is through."""
        self._enter(Phase.RUNNING)
        return True

    def step_aborted(self, _now_s: float) -> bool:
        """ABORTING is through: the machine is safe."""
        assert self.job is not None
        assert self.job.ending is not None
        self._end(self.job.ending)
        return True

    def step_drained(self, _now_s: float) -> bool:
        """DRAINING is through: every line was executed."""
        self._end(Ending(PrintEnd.DONE, "Every line was executed."))
        return True

    # ends
    def _end(self, ending: Ending) -> None:
        job, self.job = self.job, None
        self.reported.calm()
        if self.phase in IN_JOB:
            self._enter(Phase.READY)
        if job is not None:
            self._events.append(JobEnded(job.name, ending))

    def abort(self, ending: Ending, now_s: float, *, renumber: bool = False) -> None:
        """End the job as `ending` says: heaters off and nozzle away first, as far as the machine can be reached."""
        job = self.job
        if job is None or (self.phase is Phase.ABORTING and not renumber):
            return
        job.ending = job.ending or ending
        job.lines.clear()
        if self.phase is Phase.CLOSED or (self.phase not in IN_JOB and not renumber):
            self._abandoned = True
            self._end(job.ending)
            return
        self._enter(Phase.ABORTING, make_safe(self.identity.extruders, homed=job.modes.homed))
        self._tries = 0
        if renumber:
            self._channel.renumber(now_s)
        else:
            self._break_wait(now_s)
        self._pump(now_s)

    def _break_wait(self, now_s: float) -> None:
        """M108 ends a wait for heat or for a person. Its surplus ok does no harm: the script begins with a fence."""
        line = self._channel.in_flight
        waits = line is not None and (self.reported.user_wait or word(line.command) in BREAKABLE)
        if not waits or self._tries >= MAX_BREAKS:
            return
        self._tries += 1
        self._write(b"M108\n")
        self._timer_s = now_s + BREAK_S

    def _abandon(self, code: str) -> None:
        """The job is over for us, and nobody knows how the machine fares."""
        job = self.job
        self._abandoned = True
        found = faults.fault(code, faults.BY_CODE[code].meaning_en)
        if job is not None:
            self._end(job.ending or Ending(PrintEnd.INTERRUPTED, found.meaning_en, found))

    def _channel_failed(self, now_s: float) -> None:
        code = self._channel.failure or "no-answer"
        if code == "no-answer" or self.job is None or self.phase is Phase.ABORTING:
            self._abandon("no-answer")
            self._greet(now_s)
        elif code == "reset":
            self._started_anew("Last Line: 0", now_s)
        else:
            text = f"line {self._channel.last_line}"
            self.abort(Ending(PrintEnd.FAILED, faults.BY_CODE[code].meaning_en, faults.fault(code, text)), now_s, renumber=True)

    def _fault(self, rule: FaultRule, text: str, now_s: float) -> None:
        found = rule.fault(text)
        if rule.severity is not Severity.KILLED:
            self.abort(Ending(PrintEnd.FAILED, found.meaning_en, found), now_s)
        elif self.phase is not Phase.KILLED:
            self._kill(found, PrintEnd.FAILED)
        else:
            self._timer_s = None  # the stop is confirmed, or the second line of the same fault

    def _kill(self, found: Fault, end: PrintEnd) -> None:
        self.fault = found
        self._channel.close()
        self._enter(Phase.KILLED)
        if self.job is not None:
            self._end(Ending(end, found.meaning_en, found))


# in the other phases the channel is closed, and never idle
_STEPS: Final[dict[Phase, Callable[[Protocol, float], bool]]] = {
    Phase.LOCATING: Protocol.step_located,
    Phase.SETUP: Protocol.step_set_up,
    Phase.READY: Protocol.step_poll,
    Phase.STARTING: Protocol.step_started,
    Phase.RUNNING: Protocol.step_running,
    Phase.PAUSING: Protocol.step_pausing,
    Phase.PAUSED: Protocol.step_paused,
    Phase.RESUMING: Protocol.step_resumed,
    Phase.ABORTING: Protocol.step_aborted,
    Phase.DRAINING: Protocol.step_drained,
}
