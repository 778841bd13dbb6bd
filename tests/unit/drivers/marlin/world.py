"""A Marlin session and a virtual firmware in memory, on one simulated clock: minutes of printing in milliseconds of test."""

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from drivers.marlin.events import Event, JobBegun, JobEnded, Ready
from drivers.marlin.job import Ending, Phase
from drivers.marlin.lines import ProgramLine
from drivers.marlin.protocol import Protocol
from drivers.marlin.window import Window
from drivers.virtual.firmware import Firmware
from drivers.virtual.machine import Blocking
from drivers.virtual.options import FirmwareOptions
from drivers.virtual.wire import Wire

_Kind = TypeVar("_Kind", bound=Event)

LATENCY_S = 0.001
Spoiling = Callable[[bytes], bytes]


class RecordingFirmware(Firmware):
    """Remembers what it executed, in order."""

    def __init__(self, options: FirmwareOptions | None = None, *, seed: int = 0) -> None:
        self.executed: list[str] = []
        super().__init__(options, seed=seed)

    def _next_command(self) -> Blocking | None:
        blocking = super()._next_command()
        self.executed.append(self._current.text)
        return blocking


class World:
    """`to_machine` and `to_host` may spoil what passes; with `uart_baud` in the options bytes take their time on the way."""

    def __init__(self, options: FirmwareOptions | None = None, *, seed: int = 0, window: Window | None = None) -> None:
        self.now_s = 0.0
        self.protocol = Protocol()
        if window is not None:
            self.protocol.channel.window = window
        self.firmware = RecordingFirmware(options, seed=seed)
        chosen = self.firmware.options
        self.wire = Wire(self.firmware, baud=chosen.uart_baud, latency_s=chosen.latency_s)
        self.events: list[Event] = []
        self.sent = bytearray()
        self.heard = bytearray()
        self.plugged = True
        self.to_machine: Spoiling = bytes
        self.to_host: Spoiling = bytes
        self._program: list[ProgramLine] = []
        self.started: str | None = None

    # what tests ask for
    def connected(self) -> "World":
        self.protocol.opened(self.now_s)
        self.run(lambda: bool(self.of(Ready)), limit_s=30)
        return self

    def print_lines(self, commands: Sequence[str], *, name: str = "job-1", begun: bool = True) -> None:
        """Start a job that sends `commands`."""
        offset = 0
        self._program = []
        for command in commands:
            offset += len(command) + 1
            self._program.append(ProgramLine(command.encode(), offset))
        self.firmware.executed.clear()
        self.started = name
        self.protocol.start(name, offset, self.now_s)
        if begun:
            self.run(lambda: bool(self.of(JobBegun)), limit_s=60)

    def ended(self, *, limit_s: float = 3600) -> Ending:
        """Run until the job is over."""
        self.run(lambda: bool(self.of(JobEnded)), limit_s=limit_s)
        ends = self.of(JobEnded)
        assert len(ends) == 1
        assert ends[0].name == self.started
        return ends[0].ending

    def of(self, kind: type[_Kind]) -> list[_Kind]:
        return [event for event in self.events if isinstance(event, kind)]

    def unplug(self) -> None:
        self.plugged = False
        self.protocol.lost(self.now_s)
        self.step()

    def replug(self) -> None:
        self.plugged = True
        self.protocol.opened(self.now_s)

    # the clock
    def run(self, until: Callable[[], bool], *, limit_s: float) -> None:
        """Let time pass until `until`; fails when it does not come within `limit_s` of simulated time."""
        end_s = self.now_s + limit_s
        while not until():
            assert self.now_s < end_s, f"still {self.protocol.phase} after {limit_s} s; last heard {bytes(self.heard[-300:])!r}"
            self.step()

    def pass_time(self, duration_s: float) -> None:
        end_s = self.now_s + duration_s
        while self.now_s < end_s:
            self.step(no_later_s=end_s)

    def step(self, *, no_later_s: float = float("inf")) -> None:
        if self.protocol.wants_program and self._program:
            batch, self._program = self._program[:100], self._program[100:]
            self.protocol.feed(batch, complete=not self._program, now_s=self.now_s)
        moved = self._exchange()
        self.events += self.protocol.events()
        self.now_s += LATENCY_S
        if moved:
            return
        wakes = [self.now_s + 1.0, no_later_s]
        if self.protocol.deadline_s is not None:
            wakes.append(self.protocol.deadline_s)
        if (wake_s := self.wire.next_wake_s()) is not None:
            wakes.append(wake_s)
        self.now_s = max(self.now_s, min(wakes))
        self.protocol.on_timeout(self.now_s)
        self.events += self.protocol.events()

    def _exchange(self) -> bool:
        data = self.protocol.data_to_send()
        if data and self.plugged:
            self.sent += data
            self.wire.feed(self.to_machine(data), self.now_s)
        said = self.wire.advance(self.now_s)
        if said and self.plugged:
            said = self.to_host(said)
            self.heard += said
            answer = self.protocol.streams(said, self.now_s)
            if answer is None:
                self.protocol.receive(said, self.now_s)
            else:
                self.protocol.write(answer)  # it goes with the next step, as whatever is said
        return bool(data or said)

    # what was executed
    def phase(self) -> Phase:
        return self.protocol.phase


HEATED = ["M104 S200", "M109 S200", "G28", "G90", "M83"]


def moves(count: int, *, start: int = 0) -> list[str]:
    """Extruding moves that are all different."""
    return [f"G1 X{10 + index % 80} Y{20 + index / 100:.2f} E0.04 F3000" for index in range(start, start + count)]


def printed(executed: Sequence[str]) -> list[str]:
    """The moves of `moves` among what a firmware executed. A move that was sent beside others has no spaces."""
    found = (text.replace(" ", "") for text in executed)
    return [re.sub(r"(?=[XYEF])", " ", text).replace("E.", "E0.") for text in found if text.startswith("G1X") and "E" in text]
