"""A printer: what it does, and what is really on its bed. Nobody can argue with it."""

from dataclasses import dataclass, field
from typing import Final

from drivers.base import Fault, JobTrace, PrintEnd, PrinterState, PrinterStatus
from tests.simulation.world import Violation, World

FAULT: Final = Fault("thermal-runaway", "Error:Thermal Runaway", "It got too hot.", "Elle a trop chauffé.", "Look.", "Regardez.")


@dataclass
class Machine:
    """One machine. `streamed`: its print dies with the agent that feeds it (serial); otherwise it prints on (OctoPrint)."""

    world: World
    key: str
    streamed: bool
    on_bed: list[str] = field(default_factory=list)  # ids of jobs, and of foreign prints
    running: str | None = None
    ends_s: float = 0.0
    fails: bool = False
    cable: bool = True  # False: the agent's driver does not see it
    faulty: bool = False  # it refuses to go on until somebody resets it
    ends: dict[str, PrintEnd] = field(default_factory=dict)  # of every print that ended here
    number: int = 0  # of the print that runs

    def start(self, job: str, duration_s: float, *, fails: bool) -> bool:
        """Begin a print of ours; False when the machine is busy with a foreign one and refuses. Checks invariants 1 and 2."""
        if self.faulty:
            return False
        if self.running is not None:
            if not is_foreign(self.running):
                raise Violation(f"1: {self.key} starts {job} while {self.running} is printed")
            return False
        if self.on_bed:
            raise Violation(f"2: {self.key} starts {job} onto a bed that holds {', '.join(self.on_bed)}")
        self._run(job, duration_s, fails=fails)
        return True

    def start_foreign(self, name: str, duration_s: float) -> None:
        """Somebody prints from the panel."""
        self._run(name, duration_s, fails=False)

    def _run(self, name: str, duration_s: float, *, fails: bool) -> None:
        self.number += 1
        self.running, self.fails, self.ends_s = name, fails, self.world.now_s + duration_s
        self.on_bed.append(name)
        number = self.number
        self.world.at(duration_s, lambda: self._finish(number))

    def _finish(self, number: int) -> None:
        if self.running is None or self.number != number:
            return
        if self.world.now_s < self.ends_s - 0.001:  # it was held meanwhile
            self.world.at(self.ends_s - self.world.now_s, lambda: self._finish(number))
            return
        self.end(PrintEnd.FAILED if self.fails else PrintEnd.DONE)

    def end(self, end: PrintEnd) -> str | None:
        """The print that runs is over, in whatever way."""
        ended = self.running
        if ended is not None:
            self.ends[ended] = end
            self.running = None
            self.world.say(self.key, "ends", ended, end)
        return ended

    def break_down(self) -> None:
        """Its firmware stops: what it prints has failed."""
        self.faulty = True
        self.end(PrintEnd.FAILED)

    def lose_agent(self) -> None:
        """The process that feeds it is gone."""
        if self.streamed and self.running is not None and not is_foreign(self.running):
            self.end(PrintEnd.INTERRUPTED)

    def hold(self, duration_s: float) -> None:
        """The feeding computer sleeps: a streamed print stands still."""
        if self.streamed and self.running is not None and not is_foreign(self.running):
            self.ends_s += duration_s

    def take_off(self) -> list[str]:
        """A hand takes everything off."""
        taken, self.on_bed = self.on_bed, []
        return taken

    def came_out_well(self, job: str) -> bool:
        """Whether the parts of a job were printed to their end."""
        return self.ends.get(job) is PrintEnd.DONE

    @property
    def status(self) -> PrinterStatus:
        """What a driver sees."""
        if not self.cable:
            return PrinterStatus(PrinterState.OFFLINE)
        if self.running is None and self.faulty:
            return PrinterStatus(PrinterState.FAULT, fault=FAULT)
        if self.running is None:
            return PrinterStatus(PrinterState.IDLE)
        if is_foreign(self.running):
            return PrinterStatus(PrinterState.FOREIGN)
        return PrinterStatus(PrinterState.PRINTING, job=self.running)

    def trace(self, job: str) -> JobTrace:
        """What a driver finds out about a job of an earlier process."""
        if self.running == job:
            return JobTrace(running=True)
        end = self.ends.get(job)
        if self.streamed or end is None or end is PrintEnd.INTERRUPTED or self.world.chance(0.3):
            return JobTrace(running=False)  # a serial printer cannot tell, and an OctoPrint may have forgotten
        return JobTrace(running=False, end=end)


def is_foreign(name: str) -> bool:
    """Whether a print is not ours."""
    return name.startswith("foreign-")
