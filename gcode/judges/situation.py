"""What a file has done so far, as far as only lines that are no plain moves change it.

Both engines feed it with the same lines in the same order, so it stays the same between two of them: a rule about moves may ask it,
and the scan may ask it once for all the moves between two lines. That is also why "something was printed" is told from outside.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from gcode.judges.lines import runs_one_of, waited_s
from gcode.machine import HEAT_CODES, draws_back
from gcode.profile import PrinterProfile
from gcode.reader import Line

_HEATING: Final = HEAT_CODES | {"TURN_OFF_HEATERS"}
_FREES_MOTORS: Final = frozenset({"M18", "M84"})
_POWERS_MOTORS: Final = frozenset({"M17", "G28"})
_WAITS: Final = frozenset({"G4", "M300"})
TELLING_CODES: Final = _HEATING | _FREES_MOTORS | _POWERS_MOTORS | _WAITS  # that `Situation.take` looks at, besides macros


class Heaters(Protocol):
    """The part of `gcode.machine.Machine` that a rule about moves may ask: it changes at lines that are no plain moves."""

    flavour: str | None
    tool: int
    nozzle_c: dict[int, float]
    bed_c: float


def _never(_line: Line) -> bool:
    return False


def is_hot(heaters: Heaters) -> bool:
    """Whether any nozzle or the bed has a target."""
    return heaters.bed_c > 0 or any(target_c > 0 for target_c in heaters.nozzle_c.values())


@dataclass(slots=True)
class Situation:
    """What was done so far. `heaters` is the machine of the engine."""

    heaters: Heaters
    macros: frozenset[str] = frozenset()
    unlisted: Callable[[Line], bool] = _never  # whether a command may be a macro of the printer that its profile does not name
    printed: bool = False  # an engine sets it when it has met the first move that lays plastic
    motors_off: bool = False
    cooled: bool = False  # every heater was switched off after something was printed
    heated_line: int = 0  # the last line that set a target
    macro_line: int = 0  # the last call of a macro: what it does is not in the file
    heated_again: bool = False  # this very line heats what was cooled after printing
    waited_hot_s: float = 0.0  # by all G4 and M300 so far, while a heater was on

    @classmethod
    def of(cls, heaters: Heaters, profile: PrinterProfile, unlisted: Callable[[Line], bool] = _never) -> "Situation":
        """At the beginning of a file."""
        return cls(heaters, frozenset(name.upper() for name in profile.macros), unlisted)

    def is_macro(self, line: Line) -> bool:
        """Whether the printer's configuration says what the command does: a macro of the profile, or one that needs trust."""
        return line.code in self.macros or (line.code == "M98" and runs_one_of(self.macros, line)) or self.unlisted(line)

    def take(self, line: Line) -> None:
        """Take a line that is no plain move, after the machine has obeyed it."""
        code = line.code
        self.heated_again = False
        if code in _HEATING:
            if code != "G10" or not draws_back(line, self.heaters.flavour):
                self._heat(line)
        elif code in _FREES_MOTORS:
            self.motors_off = self.motors_off or not line.parameters
        elif code in _POWERS_MOTORS:
            self.motors_off = False
        elif code in _WAITS:
            if is_hot(self.heaters) or self.hidden_heat:
                self.waited_hot_s += max(waited_s(line), 0.0)
        elif self.is_macro(line):
            self.macro_line = line.number

    def _heat(self, line: Line) -> None:
        self.heated_line = line.number
        hot = is_hot(self.heaters)
        self.heated_again = self.cooled and hot
        self.cooled = self.printed and not hot

    @property
    def hidden_heat(self) -> bool:
        """Whether a macro ran after the last target that the file itself has set: it may have set another."""
        return self.macro_line > self.heated_line
