"""What a session with one Marlin printer knows, and the few moves that all its parts share. Pure.

`greeting` finds out who is there, `steps` prints, `ending` ends; `protocol` is what others call.
"""

from collections import deque
from collections.abc import Sequence

from drivers.base import Fault
from drivers.marlin.channel import Channel
from drivers.marlin.claim import Claim
from drivers.marlin.errands import Errand
from drivers.marlin.events import Event
from drivers.marlin.identity import Identity
from drivers.marlin.job import FENCE, Job, Phase
from drivers.marlin.lines import Frame
from drivers.marlin.reported import Reported


class Session:
    """The state. Times are seconds of one monotonic clock."""

    def __init__(self) -> None:
        self.phase = Phase.CLOSED
        self.job: Job | None = None
        self.identity = Identity()
        self.reported = Reported()
        self.fault: Fault | None = None
        self.was_reset = False
        self.channel = Channel(self.write, self._accepted)
        self.output = bytearray()
        self.told: list[Event] = []
        self.script: deque[bytes] = deque()
        self.timer_s: float | None = None
        self.next_poll_s = 0.0
        self.tries = 0
        self.answered: str | None = None  # the question that was answered last, while a job is ended
        self.went_on = False  # it was made to go on while a job is ended: more questions, or loading and purging, may follow
        self.stuck_s: float | None = None  # since when it waits for a person and nothing we say helps
        self.abandoned = False  # a job was given up while the machine may still be hot
        self.machine: str | None = None  # which one was here first; empty when it tells another name each time
        self.namings: list[str] = []  # how it named itself until we know which one it is
        self.strangers: list[str] = []  # how a machine that seems to be another named itself
        self.found_line: int | None = None  # the line number that the machine had when we came, and that we did not give
        self.own_lines = 0  # how many numbers were given to lines of ours
        self.claim: Claim | None = None
        self.errand: Errand | None = None
        self.deadman_s = 0
        self.file_heats_chamber = False  # a file of ours had M141 or M191

    def write(self, data: bytes) -> None:
        """Bytes for the wire."""
        self.output += data

    def tell(self, event: Event) -> None:
        """Something happened that others want to know."""
        self.told.append(event)

    def enter(self, phase: Phase, script: Sequence[bytes] | deque[bytes] = ()) -> None:
        """Go to `phase`; `script` are our own lines that are sent first."""
        self.phase = phase
        self.script = deque(script)
        self.timer_s = None
        self.claim = self.errand = None

    def send_script(self, now_s: float) -> bool:
        """Send the next line of ours; False when there is none."""
        if not self.script or self.phase is Phase.LOCATING:
            return False
        command = self.script.popleft()
        self.own_lines += 1
        if command == FENCE:
            self.channel.fence(now_s)
        else:
            self.channel.send(command, now_s)
        return True

    def _accepted(self, line: Frame) -> None:
        job = self.job
        if job is None or line.offset is None:
            return
        job.offset = max(job.offset, line.offset)
        job.modes.note(line.command)
