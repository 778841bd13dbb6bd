"""A job of an earlier process that this one would go on with: what speaks against it, and where the machine must stand. Pure."""

from dataclasses import dataclass
from typing import Final

from drivers.marlin.bookmarks import Kept, file_lines
from drivers.marlin.job import Job, Position
from drivers.marlin.replay import FILAMENT_TOLERANCE_MM, PLACE_TOLERANCE_MM, Candidate, Replay
from gcode.texts import Told

REATTACH_S: Final = 15.0  # after a longer gap the nozzle has sat on the part
PAUSED_REATTACH_S: Final = 120.0  # a paused nozzle is lifted; but a machine stays hot without anybody only for so long
LEAST_LIFT_MM: Final = 0.5  # of a paused nozzle; near the top the firmware cuts the lift short


@dataclass(frozen=True, slots=True)
class Found:
    """What a new process found: the machine's line number (None: unknown), its identity, and the file."""

    line: int | None
    machine: str
    boot: str
    second: float
    size_bytes: int


def objection(kept: Kept | None, found: Found) -> str | None:
    """Why the job cannot be gone on with; None: nothing speaks against asking the machine where it stands."""
    if kept is None:
        return _said("Nothing was noted of the place in the file", "Rien n'a été noté de l'endroit dans le fichier")
    mark = kept.mark
    gap_s = found.second - kept.second
    limit_s = PAUSED_REATTACH_S if mark.parked_at is not None else REATTACH_S
    stood, stood_fr = f"It stood for {gap_s:.0f} s", f"Elle est restée immobile {gap_s:.0f} s"
    unfit = found.line is None or not possible_lines(mark_line=found.line, kept=kept)
    objections = (
        (kept.boot != found.boot, "The computer was restarted since", "L'ordinateur a redémarré entre-temps"),
        (mark.machine != found.machine, "Another printer is connected there now", "Une autre imprimante y est branchée maintenant"),
        (
            not 0 <= gap_s <= limit_s,
            f"{stood} and may have left a mark on the part",
            f"{stood_fr} et a pu laisser une marque sur la pièce",
        ),
        (mark.size_bytes != found.size_bytes, "The file is another now", "Le fichier n'est plus le même"),
        (unfit, "Its line number does not fit the file", "Son numéro de ligne ne correspond pas au fichier"),
    )
    return next((_said(en, fr) for is_so, en, fr in objections if is_so), None)


def _said(en: str, fr: str) -> Told:
    return Told("cut-off", en, fr)


def possible_lines(*, mark_line: int, kept: Kept) -> range:
    """How many lines of the file after the bookmark the machine may have."""
    lines = file_lines(kept.mark, mark_line)
    return range(1) if kept.mark.parked_at is not None and lines else lines


@dataclass(slots=True)
class Claim:
    """`replay` has followed the file to the bookmark and beyond; `complete`: to its end. `told`: what the machine said twice."""

    name: str
    kept: Kept
    replay: Replay
    complete: bool
    told: Position | None = None
    heard: Position | None = None

    def take(self, position: Position | None) -> None:
        """The machine says where it stands; believed when it says so twice."""
        self.told = position if position == self.heard else None
        self.heard = position

    def judge(self) -> Job | None:
        """The job to go on with, None when it is not certain where the machine stands."""
        mark = self.kept.mark
        if self.told is None or not self.replay.candidates:
            return None
        if mark.parked_at is not None:
            stands = _lifted(mark.parked_at, self.told)
            chosen = (self.replay.candidates[0], self.replay.lines) if stands else None
        else:
            chosen = self.replay.choose(self.told)
        if chosen is None:
            return None
        job = self._job(chosen[0])
        job.lines.extend(chosen[1])
        return job

    def _job(self, place: Candidate) -> Job:
        mark = self.kept.mark
        job = Job(self.name, mark.size_bytes, place.offset, begun=True, complete=self.complete, modes=place.modes)
        job.hold, job.parked_at = mark.held, mark.parked_at
        return job


def _lifted(parked_at: Position, told: Position) -> bool:
    beside = max(abs(parked_at.x - told.x), abs(parked_at.y - told.y))
    still = abs(parked_at.e - told.e) <= FILAMENT_TOLERANCE_MM
    return still and beside <= PLACE_TOLERANCE_MM and told.z >= parked_at.z + LEAST_LIFT_MM
