"""Heaters: a first-order thermal model, its control loop in closed form, and Marlin's thermal protection.

Nothing ticks: between two readings the temperature follows one of three exponentials (full power, controlled, no power), so a
reading after an hour costs as much as one after a second. Temperatures in degrees C, times in (virtual) seconds.
"""

from dataclasses import dataclass
from enum import Enum
from math import exp, inf, log
from typing import Final

from drivers.virtual.options import HeaterOptions

FULL_POWER: Final = 127  # Marlin reports the duty of a heater as 0..127
OPEN_SENSOR_C: Final = -15.0
SHORT_SENSOR_C: Final = 500.0


class Sensor(Enum):
    """State of a thermistor."""

    GOOD = "good"
    OPEN = "open"
    SHORT = "short"


@dataclass(frozen=True, slots=True)
class HeaterFailure:
    """Marlin stops everything: `error` goes behind `Error:`, `screen` is what its display would show."""

    error: str
    screen: str


class Heater:
    """One heater with its thermistor. `works` and `sensor` are broken on purpose by tests."""

    def __init__(self, options: HeaterOptions, ambient_c: float) -> None:
        self.options = options
        self.ambient_c = ambient_c
        self.target_c = 0.0
        self.works = True
        self.resting = False  # the nozzle's time-out in a filament change: no power, the target is kept
        self.sensor = Sensor.GOOD
        self.failure: HeaterFailure | None = None
        self._actual_c = ambient_c
        self._at_s = 0.0
        self._watch_until_s = inf
        self._watch_target_c = 0.0
        self._was_hot = False  # the target was reached once: from then on a drop is a runaway
        self._low_since_s: float | None = None

    def reading_c(self) -> float:
        """What the firmware believes."""
        if self.sensor is Sensor.GOOD:
            return self._actual_c
        return OPEN_SENSOR_C if self.sensor is Sensor.OPEN else SHORT_SENSOR_C

    def duty(self) -> int:
        """Power now, 0..127."""
        if not self.target_c or self.resting:
            return 0
        missing = self.target_c - self._actual_c
        options = self.options
        if abs(missing) > options.band_c:
            return FULL_POWER if missing > 0 else 0
        full_rate = (options.hottest_c - self.ambient_c) / options.losses_s
        wanted_rate = missing / options.settle_s + (self._actual_c - self.ambient_c) / options.losses_s
        return round(FULL_POWER * min(1.0, max(0.0, wanted_rate / full_rate)))

    def set_target(self, target_c: float, now_s: float) -> None:
        """M104, M140 and their waiting sisters."""
        self.advance(now_s)
        self.target_c = min(max(0.0, target_c), self.options.maximum_c - 15.0)
        self._heat_anew(now_s)

    def rest(self, now_s: float) -> None:
        """Take the power away and keep the target: Marlin's idle time-out. Its protection sleeps, too."""
        self.advance(now_s)
        self.resting = True
        self._watch_until_s = inf

    def wake(self, now_s: float) -> None:
        """Heat again for the target."""
        self.advance(now_s)
        self._heat_anew(now_s)

    def _heat_anew(self, now_s: float) -> None:
        self.resting = False
        self._was_hot = False
        self._low_since_s = None
        self._watch(now_s)

    def be(self, actual_c: float, now_s: float) -> None:
        """The world sets the temperature (tests, transcripts)."""
        self.advance(now_s)
        self._actual_c = actual_c

    def needs_watching(self) -> bool:
        """Something is broken: its consequences come without a command."""
        return bool(self.target_c) and not (self.works and self.sensor is Sensor.GOOD)

    def advance(self, now_s: float) -> None:
        """Let time pass; a failure that this brings is in `failure`."""
        while self._watch_until_s <= now_s:
            self._flow(self._watch_until_s)
            self._judge_watch()
        self._flow(now_s)
        self._judge_sensor()
        self._judge_runaway()

    def _watch(self, now_s: float) -> None:
        options = self.options
        cold = self.reading_c() < self.target_c - (options.watch_rise_c + options.runaway_drop_c + 1)
        self._watch_until_s = now_s + options.watch_s if self.target_c and cold else inf
        self._watch_target_c = self.reading_c() + options.watch_rise_c

    def _judge_watch(self) -> None:
        if self.reading_c() < self._watch_target_c:
            self._fail("Heating failed", "Heating Failed")
            self._watch_until_s = inf
        else:
            self._watch(self._watch_until_s)

    def _judge_sensor(self) -> None:
        reading = self.reading_c()
        if reading > self.options.maximum_c:
            self._fail("MAXTEMP triggered", "Err: MAXTEMP")
        elif self.target_c and reading < self.options.minimum_c:
            self._fail("MINTEMP triggered", "Err: MINTEMP")

    def _judge_runaway(self) -> None:
        if not self.target_c or self.resting:
            return
        reading = self.reading_c()
        self._was_hot = self._was_hot or reading >= self.target_c - 0.5
        if not self._was_hot or reading >= self.target_c - self.options.runaway_drop_c:
            self._low_since_s = None
        elif self._low_since_s is None:
            self._low_since_s = self._at_s
        elif self._at_s - self._low_since_s >= self.options.runaway_s:
            self._fail("Thermal Runaway", "THERMAL RUNAWAY")

    def _fail(self, error: str, screen: str) -> None:
        # The blank line after a hotend's error, and none after a bed's, are Marlin's own.
        tail = "" if self.options.label == "bed" else "\n"
        self.failure = HeaterFailure(f"{error}, system stopped! Heater_ID: {self.options.label}{tail}", screen)

    def _flow(self, now_s: float) -> None:
        """Follow the exponentials up to `now_s`."""
        left_s = now_s - self._at_s
        self._at_s = max(self._at_s, now_s)
        # Three laws at most follow each other: outside the band, across its edge, inside. A fourth turn would be a rounding ghost.
        for _ in range(4):
            if left_s <= 0:
                return
            goal_c, scale_s, edge_c = self._law()
            # How far the edge of the law is away, as a ratio of distances to its goal; at 1 or less it is never reached.
            ratio = (self._actual_c - goal_c) / (edge_c - goal_c) if edge_c is not None and edge_c != goal_c else 1.0
            to_edge_s = scale_s * log(ratio) if ratio > 1 else inf
            if edge_c is not None and to_edge_s < left_s:
                self._actual_c = edge_c
            else:
                self._actual_c = goal_c + (self._actual_c - goal_c) * exp(-left_s / scale_s)
            left_s -= to_edge_s

    def _law(self) -> tuple[float, float, float | None]:
        """Where the temperature tends to, its time constant, and the temperature at which another law begins."""
        options = self.options
        low, high = self.target_c - options.band_c, self.target_c + options.band_c
        if not self.target_c or not self.works or self.resting:
            return self.ambient_c, options.losses_s, None
        if self._actual_c < low:
            return options.hottest_c, options.losses_s, low
        if self._actual_c > high:
            return self.ambient_c, options.losses_s, high
        return self.target_c, options.settle_s, None
