"""The state that commands work on: coordinates, planner, heaters, the truth about the bed, and the voice on the serial line."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from math import inf
from typing import Final

from drivers.virtual.bed import Bed
from drivers.virtual.faults import Faults
from drivers.virtual.flavours import FLAVOURS
from drivers.virtual.heaters import Heater
from drivers.virtual.motion import STEPS_PER_MM, Block, Limits, Move, Planner, Position
from drivers.virtual.options import FirmwareOptions

COLDEST_EXTRUSION_C: Final = 170.0
LONGEST_EXTRUSION_MM: Final = 200.0
STEPPER_TIMEOUT_S: Final = 120.0


class Waiting(Enum):
    """What a blocking command waits for."""

    SPACE = auto()  # a free slot in the planner
    STILLNESS = auto()  # all planned moves made
    TIME = auto()
    HEAT = auto()  # like TIME, but M108 ends it
    USER = auto()  # M108 or M876, or the time


class Reason(Enum):
    """Why the newest host prompt was opened: decides what M108 and M876 mean."""

    NONE = auto()
    INFO = auto()
    CONTINUE = auto()  # any answer goes on, and so does M108
    PURGE = auto()  # M876 S0 purges more, S1 goes on; M108 is not heard


@dataclass(frozen=True, slots=True)
class Wait:
    """Yielded by a blocking command: come back when this is so, at `until_s` at the latest."""

    what: Waiting
    until_s: float = inf
    for_a_person: bool = False  # `busy: paused for user` is said meanwhile


FOR_SPACE: Final = Wait(Waiting.SPACE)
FOR_STILLNESS: Final = Wait(Waiting.STILLNESS)
FOR_USER: Final = Wait(Waiting.USER, for_a_person=True)
Blocking = Iterator[Wait]


class Machine:
    """One printer between two resets, except for what outlives a reset: heat, and what stands on the bed."""

    def __init__(
        self, options: FirmwareOptions, bed: Bed, say: Callable[[str], None], faults: Callable[[], Faults] = Faults
    ) -> None:
        self.faults = faults
        self.options = options
        self.bed = bed
        self.say = say
        self.flavour = FLAVOURS[options.flavour]
        self.now_s = 0.0
        self.filament_out = False  # what the runout sensor sees
        self.purged_mm = 0.0  # filament of changes: loaded and purged, less what was unloaded
        self.hotend = Heater(options.hotend, options.ambient_c)
        self.heated_bed = Heater(options.bed, options.ambient_c)
        self.cold_start()

    def cold_start(self) -> None:
        """What a reset sets back. Heaters lose their targets, not their heat."""
        self.limits = Limits()
        self.planner = Planner(self.limits, self._executed, self.options.planned_moves)
        self.place: Position = (0.0, 0.0, 0.0, 0.0)  # planned, machine coordinates
        self.offset = [0.0, 0.0, 0.0, 0.0]  # machine = logical + offset (G92)
        self.homed = [False, False, False]
        self.soft_endstops = True  # M211
        self.absolute = [True, True, True, True]
        self.millimetres = 1.0  # length of a unit (G20, G21)
        self.feedrate = 25.0
        self.speed_percent = 100.0
        self.flow_percent = 100.0
        self.fan = 0
        self.stepper_timeout_s = STEPPER_TIMEOUT_S
        self.inactive_s = 0.0  # M85; 0 is off
        self.active_at_s = self.now_s
        self.report_interval_s = 0.0  # M155; 0 is off
        self.report_s = inf
        self.place_interval_s = 0.0  # M154; 0 is off
        self.place_s = inf
        self.busy_interval_s = 2.0  # M113; 0 is off
        self.cold_extrusion = False  # M302 P1
        self.coldest_extrusion_c = COLDEST_EXTRUSION_C
        self.wait_for_heat = False
        self.wait_for_user = False
        self.last_text = ""  # the command in hand, quoted by the M85 kill
        self.job_runs = False  # Marlin's print timer: M109, M190 and M75 start it, M77 or cold targets stop it
        self.paused = False  # in a filament change
        self.reason = Reason.NONE
        self.person_chose = 0
        self.runout_enabled = True  # M412
        self.runout_s = inf  # when the sensor has convinced Marlin
        self.load_mm, self.unload_mm = 0.0, 100.0  # M603
        for heater in (self.hotend, self.heated_bed):
            heater.set_target(0.0, self.now_s)

    # -- heat

    def least_heating_s(self) -> float:
        """How long a wait for heat takes at least; a fault sets it."""
        return self.faults().long_heat_s

    def advance_heaters(self) -> None:
        """Let the heaters follow the clock."""
        self.hotend.advance(self.now_s)
        self.heated_bed.advance(self.now_s)

    def temperatures(self) -> str:
        """The report of M105 and M155, without its `ok`."""
        self.advance_heaters()
        hotend, bed = self.hotend, self.heated_bed
        return self.flavour.temperatures.format(
            t=hotend.reading_c(),
            tt=hotend.target_c,
            b=bed.reading_c(),
            bt=bed.target_c,
            duty=hotend.duty(),
            bed_duty=bed.duty(),
            ambient=self.options.ambient_c,
        )

    def heaters_off(self) -> None:
        """All targets to 0."""
        self.hotend.set_target(0.0, self.now_s)
        self.heated_bed.set_target(0.0, self.now_s)

    # -- the person

    def act(self, action: str) -> None:
        """Tell the host (`//action:`), in builds that do."""
        if self.options.host_actions:
            self.say(f"//action:{action}")

    def prompt(self, reason: Reason, title: str, *buttons: str) -> None:
        """Ask the host to show a question."""
        self.reason = reason
        for action in ("prompt_end", f"prompt_begin {title}", *(f"prompt_button {button}" for button in buttons), "prompt_show"):
            self.act(action)

    def open_prompt(self, title: str, *buttons: str) -> None:
        """Tell the host something, unless a question stands there."""
        if self.reason is Reason.NONE:
            self.prompt(Reason.INFO, title, *buttons)

    def go_on(self) -> None:
        """M108: stop waiting for heat or for a person."""
        self.wait_for_heat = False
        if self.reason is not Reason.PURGE:
            self.wait_for_user = False

    def answer(self, choice: int) -> None:
        """M876: the person chose a button."""
        reason, self.reason = self.reason, Reason.NONE
        self.person_chose = choice
        if reason in {Reason.CONTINUE, Reason.PURGE}:
            self.wait_for_user = False

    def watch_filament(self, debounce_s: float) -> None:
        """Something changed: see whether, and when, the runout sensor stops the print. Nobody looks outside a print."""
        watched = self.options.runout_sensor and self.runout_enabled and self.job_runs and not self.paused
        self.runout_s = self.now_s + debounce_s if watched and self.filament_out else inf

    def runout_tripped(self) -> bool:
        """The sensor of this build sees no filament."""
        return self.options.runout_sensor and self.filament_out

    # -- motion

    def _executed(self, block: Block) -> None:
        self.active_at_s = block.end_s
        self.bed.executed(block, bool(self.hotend.target_c or self.heated_bed.target_c))

    def target(self, words: dict[str, float | None]) -> Position:
        """Where G0-G3 want to go, in machine coordinates."""
        place, offset, unit = self.place, self.offset, self.millimetres
        wanted = list(place)
        for axis, letter in enumerate("XYZE"):
            value = words.get(letter)
            if value is not None:
                wanted[axis] = value * unit + (offset[axis] if self.absolute[axis] else place[axis])
        return wanted[0], wanted[1], wanted[2], wanted[3]

    def move_to(self, target: Position, arc_mm: float | None = None) -> None:
        """Plan a move; the planner must have room. Filament that may not be pushed is left out, the rest is moved."""
        if not self.planner.busy:
            self._wake_steppers()
        origin, wanted = self.place, target
        target = self._within_reach(target)
        extruded = target[3] - origin[3]
        if extruded and (reason := self._extrusion_refused(extruded)):
            self.say(f"echo: {reason} extrusion prevented")
            origin = (*origin[:3], target[3])
        self.place = target
        speed = self.feedrate * self.speed_percent / 100.0
        self.planner.append(Move(origin, target, speed, self.flow_percent / 100.0, arc_mm, cut=target != wanted), self.now_s)

    def _within_reach(self, target: Position) -> Position:
        """The software endstops, of homed axes only: the head goes a little beyond the bed, as on most machines."""
        if not self.soft_endstops or not any(self.homed):
            return target
        options = self.options
        low, high = -options.beyond_bed_mm, options.bed_mm + options.beyond_bed_mm
        x, y, z, e = target
        if self.homed[0] and not low <= x <= high:
            x = min(high, max(low, x))
        if self.homed[1] and not low <= y <= high:
            y = min(high, max(low, y))
        if self.homed[2] and not 0.0 <= z <= options.height_mm:
            z = min(options.height_mm, max(0.0, z))
        return x, y, z, e

    def _extrusion_refused(self, extruded: float) -> str:
        if not self.cold_extrusion and self.cold():
            return "cold"
        return "too long" if abs(extruded) > LONGEST_EXTRUSION_MM else ""

    def cold(self) -> bool:
        """The hotend is too cold to push filament."""
        self.hotend.advance(self.now_s)
        return self.hotend.reading_c() < self.coldest_extrusion_c

    def _wake_steppers(self) -> None:
        idle_since_s = max(self.planner.idle_since_s, self.active_at_s)
        if self.stepper_timeout_s and self.now_s - idle_since_s > self.stepper_timeout_s:
            self.bed.motors_released()
        self.active_at_s = self.now_s

    def jump(self, place: Position) -> None:
        """The machine found its place (homing)."""
        self.place = place
        self.planner.shift(place)

    def where(self, place: Position) -> str:
        """The answer to M114: `place` in logical coordinates, and where the motors are."""
        x, y, z, e = (value - offset + 0.0 for value, offset in zip(place, self.offset, strict=True))
        real = self.planner.position(self.now_s)
        steps = [round(value * scale) for value, scale in zip(real[:3], STEPS_PER_MM[:3], strict=True)]
        return f"X:{x:.2f} Y:{y:.2f} Z:{z:.2f} E:{e:.2f} Count X:{steps[0]} Y:{steps[1]} Z:{steps[2]}"

    def stop_motion(self) -> None:
        """Stop at once; planned moves are lost."""
        self.planner.stop(self.now_s)
        self.place = self.planner.reached
