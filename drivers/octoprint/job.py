"""One job of ours on an OctoPrint, between `start` (or `trace`) and its end."""

from dataclasses import dataclass

from drivers.base import PrintEnded


@dataclass(slots=True)
class OpenJob:
    """A job between `start` and its end. `started` also when it is uncertain: then the print record decides."""

    job: str
    path: str
    started: bool = False
    unwanted: bool = False  # cancelled or stopped before it was seen printing: it is not to begin
    cancel_asked: bool = False
    lost: bool = False  # OctoPrint lost the printer while the job was on it
    cancelled: bool = False  # for a reason that is not known yet
    cancelled_by: str | None = None
    firmware_error: str | None = None
    position_bytes: float | None = None
    moved_s: float = 0.0
    least_s: float = 0.0  # no OctoPrint sends the file faster
    began_s: float | None = None  # when it was first seen printing

    def too_soon(self, took_s: float | None) -> bool:
        """Tell whether it cannot have been printed in this time."""
        return took_s is not None and took_s < self.least_s

    def runs(self, now_s: float) -> "Effect":
        """It is seen printing."""
        self.started = True
        self.began_s = now_s if self.began_s is None else self.began_s
        return Unwanted(self) if self.unwanted else None


@dataclass(frozen=True, slots=True)
class Doubt:
    """The job may have ended without an event that says so: give events a moment, then ask OctoPrint."""


@dataclass(frozen=True, slots=True)
class Unwanted:
    """The job prints all the same: cancel it now."""

    job: OpenJob


Effect = PrintEnded | Doubt | Unwanted | None
