"""The session with one Marlin printer as a pure state machine: bytes, time and commands in; bytes, events and a deadline out.

    CLOSED -> GREETING (wait for `start`, ask M115) -> LOCATING (probe: was it reset?) -> SETUP (M110 N0, reports) -> READY
    READY -> STARTING -> RUNNING <-> PAUSING, PAUSED, RESUMING -> DRAINING -> READY;   any -> ABORTING -> READY;   any -> KILLED

`channel` below it gets each line accepted exactly once; `link` above it moves the bytes. Times are seconds of one monotonic clock.
Its state is in `session`; `greeting`, `steps` and `ending` are its parts.
"""

from collections.abc import Sequence
from typing import Final

from drivers.base import PrintEnd
from drivers.marlin import ending, faults, greeting, limits, reattach, replies
from drivers.marlin.bookmarks import Mark
from drivers.marlin.claim import Claim
from drivers.marlin.errands import Errand, Purpose
from drivers.marlin.events import Event, Flooded, JobBegun
from drivers.marlin.job import CHAMBER, HOLDABLE, IN_JOB, Ending, Job, Phase
from drivers.marlin.lines import ProgramLine, word
from drivers.marlin.meter import Meter
from drivers.marlin.modes import Mode
from drivers.marlin.reattach import Marker
from drivers.marlin.replies import Kind, Reply
from drivers.marlin.reported import Reported
from drivers.marlin.session import Session
from drivers.marlin.steps import pump
from gcode.texts import Told

_CANCELLED: Final = Told("cancelled", "Cancelled.", "Annulée.")
_CANCELLED_THERE: Final = Told("cancelled-there", "Cancelled at the printer.", "Annulée à l'imprimante.")
_RUNNING: Final = Phase.RUNNING  # looked for at every line: five times quicker so
LOST_S: Final = 60.0  # then the job is over for us
LOW_WATER_LINES: Final = 256
MAX_LINE_BYTES: Final = 1024  # longer is noise


class Protocol(Session):
    """See the module's text. After every call take `data_to_send()`, `events()` and `deadline_s`."""

    def __init__(self, *, deadman_s: int = 0) -> None:
        super().__init__()
        self.deadman_s = deadman_s
        self._marker = Marker()
        self._meter = Meter()
        self._pending = b""

    # what the caller takes
    @property
    def deadline_s(self) -> float | None:
        """When `on_timeout` wants to be called, or None."""
        times = [time for time in (self.timer_s, self.channel.deadline_s) if time is not None]
        return min(times) if times else None

    @property
    def wants_program(self) -> bool:
        """Whether more lines of the file should be fed."""
        job = self.job
        return job is not None and len(job.lines) < LOW_WATER_LINES and not job.complete and job.ending is None

    @property
    def stopping(self) -> bool:
        """Whether an emergency stop waits for the machine's confirmation."""
        return self.phase is Phase.KILLED and self.timer_s is not None

    @property
    def held(self) -> bool:
        """Whether the machine waits for a person or changes filament: it obeys nothing of ours for long."""
        return ending.held(self)

    @property
    def silent(self) -> bool:
        """Whether nobody answered in time."""
        return self.phase is Phase.GREETING and self.identity.until_s is None

    def data_to_send(self) -> bytes:
        """Bytes for the wire, once."""
        data = bytes(self.output)
        self.output.clear()
        return data

    def events(self) -> Sequence[Event]:
        """What happened since the last call."""
        events, self.told = self.told, []
        return events

    # commands
    def opened(self, now_s: float) -> None:
        """The port is open: find out who is there."""
        self._pending = b""
        greeting.greet(self, now_s)

    def lost(self, now_s: float) -> None:
        """The port is gone. A job waits for it for a while: contact within seconds and no reset, and it goes on."""
        if self.job is not None and self.job.lost_at_s is None:
            self.job.lost_at_s = now_s
        if self.job is not None and self.phase in IN_JOB:
            self.job.phase, self.job.script = self.phase, tuple(self.script)
        self.channel.close()
        self.output.clear()
        self.phase = Phase.CLOSED
        self.claim = self.errand = None
        self.reported = Reported(of=self.reported.of)
        self.timer_s = self.job.lost_at_s + LOST_S if self.job and self.job.lost_at_s is not None else None

    def start(self, name: str, size_bytes: int, now_s: float) -> None:
        """Begin a job; its lines come by `feed`. Only in READY."""
        assert self.phase is Phase.READY
        self.job = Job(name, size_bytes)
        self.reported.begin()
        self.enter(Phase.STARTING, limits.begin(self))
        self.channel.renumber(now_s)

    def feed(self, lines: Sequence[ProgramLine], *, complete: bool, now_s: float) -> None:
        """More lines of the job's file; `complete` with the last."""
        if self.job is not None:
            heats = any(line.command[:1] == b"M" and word(line.command) in CHAMBER for line in lines)
            self.file_heats_chamber = self.file_heats_chamber or heats
            self.job.lines.extend(limits.around(self, lines))
            self.job.complete = complete
            pump(self, now_s)

    def feed_failed(self, detail: str, now_s: float, *, code: str = "file-unreadable") -> None:
        """The file cannot be read any further, or may not: `code` says why."""
        if self.job is not None:
            self.abort(Ending(PrintEnd.FAILED, detail, faults.fault(code, detail)), now_s)

    def pause(self, now_s: float) -> None:
        """Hold after the line in flight."""
        if self.job is not None and self.phase in HOLDABLE:
            self.job.hold = True
            pump(self, now_s)

    def resume(self, now_s: float) -> None:
        """Go on."""
        if self.job is not None:
            self.job.hold = False
            pump(self, now_s)

    def cancel(self, now_s: float, *, by_person: bool = False) -> None:
        """End the job and make the machine safe."""
        self.abort(Ending(PrintEnd.CANCELLED, _CANCELLED_THERE if by_person else _CANCELLED, by_person=by_person), now_s)

    def abort(self, found: Ending, now_s: float) -> None:
        """End the job as `found` says: heaters off and nozzle away first, as far as the machine can be reached."""
        ending.abort(self, found, now_s)
        pump(self, now_s)

    def make_safe(self, now_s: float) -> None:
        """Heaters off and nozzle away, when nothing of ours runs (a print of an earlier process was abandoned)."""
        if self.job is not None or self.abandoned or self.phase is Phase.KILLED:
            return
        self.abandoned = True  # until it was done: after a loss of contact it is done again
        if self.phase in {Phase.READY, Phase.REATTACHING}:
            self.enter(Phase.SETUP, limits.secure(self, homed=not self.was_reset))
        elif self.phase is Phase.SETUP:
            self.script.extend(limits.secure(self, homed=not self.was_reset))
        pump(self, now_s)

    def answer(self, prompt: str, choice: int, now_s: float) -> None:
        """Answer the question `prompt`; nothing happens when it is not asked any more.

        The answer acts at once, whatever the machine waits in, and costs an ok of its own: so our place is made sure after it.

        Raises:
            IndexError: there is no such choice.

        """
        command = self.reported.dialogue.answer(prompt, choice)
        if command is not None and self.phase not in {Phase.CLOSED, Phase.KILLED}:
            self.write(command + b"\n")
            if self.channel.mode in {Mode.IDLE, Mode.WAITING}:
                self.channel.resync(now_s)

    def reattach(self, claim: Claim, now_s: float) -> None:
        """Go on with a job of an earlier process if the machine stands where it must. Only in READY."""
        reattach.claim(self, claim)
        pump(self, now_s)

    def run(self, errand: Errand, now_s: float) -> None:
        """Send lines of ours. Only in READY."""
        assert self.phase is Phase.READY
        line = self.channel.in_flight
        errand.after_line = line.number if line is not None else -1
        if errand.purpose is Purpose.CONSOLE:
            self.reported.typed()
        self.enter(Phase.ERRAND, errand.lines)
        self.errand = errand
        pump(self, now_s)

    def mark(self, now_s: float) -> Mark | None:
        """The bookmark that is due now, if any. To be given away before the bytes to send."""
        return self._marker.take(self, now_s)

    def emergency_stop(self, now_s: float) -> None:
        """M112 at once, unnumbered; said again until the machine confirms, at most three times."""
        ending.kill(self, faults.fault("emergency-stop", "M112"), PrintEnd.CANCELLED)
        self.tries = 0
        ending.stop(self, now_s)

    def stop_held(self, now_s: float) -> None:
        """End the job by the emergency stop, because a machine that is `held` would stay hot."""
        ending.stop_held(self, now_s)

    # bytes
    def streams(self, data: bytes, now_s: float) -> bytes | None:
        """The short way of nearly all bytes while a file is printed: oks of moves are answered with the next lines.

        None: nothing was done, give them to `receive`. Otherwise the bytes to send, which may be none; only they and the place in
        the file are new.
        """
        job = self.job
        if job is None or self.phase is not _RUNNING or not job.begun or job.hold or self.script or self._pending or self.output:
            return None
        if self.reported.dialogue.user_wait or (now_s >= self.next_poll_s and not self.identity.reports):
            return None
        lines = job.lines
        if data == b"ok\n" and len(lines) > 1:
            command, offset = lines[0]
            answer = self.channel.turn(command, offset, now_s)
            if answer is not None:
                lines.popleft()
                return answer + self._beside(job, now_s) if self.channel.window.wide else answer
        count = len(data) // 3
        if data != b"ok\n" * count or not 0 < count < len(lines) or not self.channel.on_plain_ok(now_s, count):
            return None
        return self._beside(job, now_s)

    def _beside(self, job: Job, now_s: float) -> bytes:
        """The next lines of the file, as many as may go now."""
        while job.lines and self.channel.stream(job.lines[0].command, now_s, offset=job.lines[0].end_offset):
            job.lines.popleft()
        return self.data_to_send()

    def receive(self, data: bytes, now_s: float) -> None:
        """Take bytes from the wire."""
        lines = (self._pending + data).split(b"\n")
        self._pending = lines.pop()[-MAX_LINE_BYTES:]
        streaming = self.phase is Phase.RUNNING and self.job is not None and self.job.begun and not self.reported.user_wait
        for line in lines:
            if streaming and line == b"ok" and self.channel.on_plain_ok(now_s):
                continue  # the short way of nearly all lines: there is nothing else to learn from it
            streaming = False
            text = line[:MAX_LINE_BYTES].strip(b"\r\0").decode("ascii", "replace")
            if text:
                self._line(text, now_s)
        if self._meter.overflows(len(data) if not lines else 0, now_s):
            self._flooded()
        pump(self, now_s)

    def _flooded(self) -> None:
        found = faults.fault("chatter", "")
        if self.job is not None:
            ending.abandon(self, found.code)
        self.tell(Flooded())

    def _line(self, text: str, now_s: float) -> None:
        reply = replies.understand(text)
        if reply.kind is Kind.OTHER:
            self._meter.lines += 1
        if reply.kind is Kind.START and self.stopping:
            self.timer_s = None  # the reset line did it; a person looks at it all the same
        elif reply.kind is Kind.START:
            greeting.started_anew(self, text, now_s)
        elif reply.kind is Kind.OTHER and (rule := faults.recognise(text)):
            ending.on_fault(self, rule, text, now_s)
        elif self.phase is Phase.GREETING:
            greeting.greeted(self, reply, now_s)
        elif self.phase is not Phase.KILLED:
            self._learn(reply, now_s)
            self.channel.on_reply(reply, now_s)

    def _learn(self, reply: Reply, now_s: float) -> None:
        self.reported.learn(reply, now_s)
        if self.errand is not None:
            self._hear(self.errand, reply)
        kind = reply.kind
        if kind is Kind.ACTION:
            self._action(reply.text, now_s)
        elif kind is Kind.POSITION and self.phase is Phase.PAUSING and self.job is not None:
            self.job.told(replies.position(reply.text))
        elif kind is Kind.POSITION and self.claim is not None:
            self.claim.take(replies.position(reply.text))
        elif kind in {Kind.OK, Kind.BUSY, Kind.HEATING, Kind.USER_WAIT}:
            self._works()
        if self.phase is Phase.ABORTING and kind in {Kind.ACTION, Kind.USER_WAIT}:
            ending.asked(self, now_s)

    def _hear(self, errand: Errand, reply: Reply) -> None:
        """What it says while a line of the errand is the one in flight."""
        line = self.channel.in_flight
        if line is not None and line.command in errand.lines and line.number > errand.after_line:
            errand.hear(reply.text, report=reply.kind in {Kind.REPORT, Kind.ACTION})

    def _works(self) -> None:
        """The machine obeys: with a line of the file in flight, the job has begun."""
        line = self.channel.in_flight
        if self.job is not None and not self.job.begun and line is not None and line.offset is not None:
            self.job.begun = True
            self.tell(JobBegun(self.job.name))

    def _action(self, text: str, now_s: float) -> None:
        """A person at the machine wants something of the host."""
        name = text.partition(" ")[0]
        if name in {"pause", "out_of_filament"}:
            self.pause(now_s)
        elif name == "resume":
            self.resume(now_s)
        elif name == "cancel":
            self.cancel(now_s, by_person=True)

    # time
    def on_timeout(self, now_s: float) -> None:
        """A deadline may have passed."""
        if self.channel.deadline_s is not None and now_s >= self.channel.deadline_s:
            self.channel.on_timeout(now_s)
        if self.timer_s is not None and now_s >= self.timer_s:
            self.timer_s = None
            self._timed_out(now_s)
        pump(self, now_s)

    def _timed_out(self, now_s: float) -> None:
        if self.phase is Phase.GREETING:
            greeting.ask(self, now_s)
        elif self.phase is Phase.LOCATING:
            greeting.unnumbered(self, now_s)
        elif self.phase is Phase.KILLED:
            ending.stop(self, now_s)
        elif self.phase is Phase.ABORTING:
            ending.break_wait(self, now_s)
        if self.job is not None and self.job.lost_at_s is not None and now_s >= self.job.lost_at_s + LOST_S:
            ending.abandon(self, "unplugged")
