"""What the session with a Marlin printer tells."""

from dataclasses import dataclass

from drivers.errors import Bilingual
from drivers.marlin.job import Ending


@dataclass(frozen=True, slots=True)
class Ready:
    """The machine is identified and idle. `was_reset`: since anybody last numbered lines on it."""

    firmware: str
    was_reset: bool


@dataclass(frozen=True, slots=True)
class NotUnderstood:
    """Nothing sensible came within the time; asking goes on. `heard`: something came that makes no sense at this baud rate."""

    heard: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Who answers cannot be driven, or not any more: `why` and what to do."""

    why: Bilingual
    next_step: Bilingual


@dataclass(frozen=True, slots=True)
class ResetWanted:
    """The emergency stop is not confirmed: the board's reset line is the only hope, where the port has one."""


@dataclass(frozen=True, slots=True)
class Flooded:
    """It talks without end and makes no sense: nobody can listen to that."""


@dataclass(frozen=True, slots=True)
class JobBegun:
    """The machine works on the first line of the file."""

    name: str


@dataclass(frozen=True, slots=True)
class JobEnded:
    """The job is over."""

    name: str
    ending: Ending


Event = Ready | NotUnderstood | Refused | ResetWanted | Flooded | JobBegun | JobEnded
