"""The truth about a virtual printer, kept beside the firmware and out of its reach: plastic extruded, parts standing, collisions.

A part begins with the first extruding XY move after a homing of Z and ends when the motors are released (M84), or both heaters
are off and the head is raised. What a part consists of is measured, not announced: millimetres of filament that left the nozzle,
and the height at which the last of it did. Whether it is *finished* is decided against what the file should give (`PartRule`).
"""

from dataclasses import asdict, dataclass
from typing import Any, Final

from drivers.virtual.motion import Block

RAISED_MM: Final = 4.0
LONGEST_RECORD: Final = 10_000


@dataclass(frozen=True, slots=True)
class PartRule:
    """When an ended part counts as finished. Lengths in mm.

    Without `expected_mm` a cancelled print that ran its end sequence cannot be told from a whole one: tests that cancel name it.
    """

    minimum_mm: float = 1.0
    minimum_height_mm: float = 0.0
    expected_mm: float | None = None
    tolerance_mm: float = 0.5


@dataclass(slots=True)
class Part:
    """What one print left on the bed. `end` is empty while it grows; times are the firmware's seconds."""

    number: int
    begin_s: float
    on_occupied_bed: bool
    extruded_mm: float = 0.0
    height_mm: float = 0.0
    end: str = ""  # "motors-off", "heaters-off", "homed", "reset", "killed"
    end_s: float = 0.0
    resets: int = 0
    released: int = 0  # the steppers let go in the middle of it
    cut_moves: int = 0  # extruding moves that the software endstops shortened: it is not the part of the file
    collected: bool = False

    def finished(self, rule: PartRule) -> bool:
        """It ended by itself and is whole."""
        if self.end not in {"motors-off", "heaters-off", "homed"} or self.on_occupied_bed or self.cut_moves:
            return False
        if rule.expected_mm is not None and abs(self.extruded_mm - rule.expected_mm) > rule.tolerance_mm:
            return False
        return self.extruded_mm >= rule.minimum_mm and self.height_mm >= rule.minimum_height_mm


class Bed:
    """What stands on the bed, and all that ever stood there."""

    def __init__(self, rule: PartRule = PartRule()) -> None:
        self.rule = rule
        self.parts: list[Part] = []
        self.collisions = 0
        self.net_mm = 0.0  # all that the extruder turned, retractions subtracted
        self.extruded_mm = 0.0  # filament that left the nozzle: the highest net length so far
        self._growing: Part | None = None
        self._homed = False  # Z was homed since the last part began: what comes next is a new part
        self._base_mm = 0.0
        self._last_z = 0.0

    @property
    def standing(self) -> list[Part]:
        """Parts that nobody has taken off."""
        return [part for part in self.parts if not part.collected]

    @property
    def parts_finished(self) -> int:
        """Whole parts made so far, collected or not."""
        return sum(part.finished(self.rule) for part in self.parts)

    def executed(self, block: Block, heaters_on: bool) -> None:
        """A move was made."""
        if block.extruded_mm:
            self.net_mm += block.extruded_mm
            gained = self.net_mm - self.extruded_mm
            if gained > 0:
                before_mm, self.extruded_mm = self.extruded_mm, self.net_mm
                self._deposit(block, before_mm)
        elif self._growing and not heaters_on and block.target[2] >= self._last_z + RAISED_MM:
            self._finish("heaters-off", block.end_s)

    def _deposit(self, block: Block, before_mm: float) -> None:
        part = self._growing
        if part is None:
            if not block.swept:
                return  # filament pushed out in one place: loading or priming
            part = self._begin(block.start_s, before_mm)
        part.extruded_mm = self.extruded_mm - self._base_mm
        part.height_mm = max(part.height_mm, block.target[2])
        part.cut_moves += block.cut
        self._last_z = block.target[2]

    def _begin(self, now_s: float, before_mm: float) -> Part:
        """A new part after a homing or on an empty bed; otherwise the last one goes on growing (pause, resume after a reset)."""
        standing = self.standing
        if standing and not self._homed:
            part = standing[-1]
            part.end = ""
        else:
            self.collisions += bool(standing)
            self._base_mm = self._base_mm if self._homed else before_mm
            part = Part(len(self.parts) + 1, now_s, bool(standing))
            self.parts.append(part)
            del self.parts[:-LONGEST_RECORD]
        self._homed = False
        self._growing = part
        return part

    def homed_z(self, now_s: float) -> None:
        """Z was homed: a part that was growing is over."""
        self._finish("homed", now_s)
        self._homed = True
        self._base_mm = self.extruded_mm

    def motors_off(self, now_s: float) -> None:
        """M84: the usual end of a file."""
        self._finish("motors-off", now_s)

    def interrupted(self, reason: str, now_s: float) -> None:
        """A reset or a kill in the middle."""
        if self._growing:
            self._growing.resets += 1
        self._finish(reason, now_s)

    def motors_released(self) -> None:
        """The steppers let go after their time-out."""
        if self._growing:
            self._growing.released += 1

    def _finish(self, end: str, now_s: float) -> None:
        if self._growing:
            self._growing.end, self._growing.end_s = end, now_s
            self._growing = None

    def remove_parts(self, now_s: float) -> int:
        """A hand takes everything off; returns how many parts. What was growing there is over."""
        taken = self.standing
        self._finish("removed", now_s)
        for part in taken:
            part.collected = True
        return len(taken)

    def snapshot(self) -> dict[str, Any]:
        """For state files and tests."""
        return {
            "parts_finished": self.parts_finished,
            "standing": len(self.standing),
            "collisions": self.collisions,
            "extruded_mm": round(self.extruded_mm, 5),
            "net_mm": round(self.net_mm, 5),
            "parts": [asdict(part) | {"finished": part.finished(self.rule)} for part in self.parts[-100:]],
        }
