"""OctoPrint's JSON as values. Whatever a server sends, these functions return something sensible and limited.

The state texts are those of OctoPrint 1.11.8; `/api/job` and the socket say "Offline" where `/api/connection` says "Closed".
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from drivers.base import Temperature

MAX_TEXT: Final = 300
FOLDER: Final = "farm"  # in OctoPrint's uploads


def job_path(job: str) -> str:
    """Where the file of `job` is in OctoPrint's uploads: a path of its own is the proof that a print is ours."""
    return f"{FOLDER}/{job}.gcode"


class Phase(StrEnum):
    """What OctoPrint does with its printer."""

    CLOSED = "closed"  # not connected to the printer
    FAILED = "failed"  # not connected any more, after an error
    CONNECTING = "connecting"
    OPERATIONAL = "operational"
    PRINTING = "printing"
    PAUSED = "paused"
    FINISHING = "finishing"
    CANCELLING = "cancelling"
    TRANSFERRING = "transferring"  # to the printer's own SD card
    UNKNOWN = "unknown"


ACTIVE: Final = frozenset({Phase.PRINTING, Phase.PAUSED, Phase.FINISHING, Phase.CANCELLING})
APART: Final = frozenset({Phase.CLOSED, Phase.FAILED})

_PHASES: Final[dict[str, Phase]] = {
    "Offline": Phase.CLOSED,
    "Closed": Phase.CLOSED,
    "Offline after error": Phase.FAILED,
    "Error": Phase.FAILED,
    "Opening serial connection": Phase.CONNECTING,
    "Detecting serial connection": Phase.CONNECTING,
    "Connecting": Phase.CONNECTING,
    "Operational": Phase.OPERATIONAL,
    "Starting": Phase.PRINTING,
    "Starting print from SD": Phase.PRINTING,
    "Printing": Phase.PRINTING,
    "Printing from SD": Phase.PRINTING,
    "Pausing": Phase.PAUSED,
    "Paused": Phase.PAUSED,
    "Resuming": Phase.PRINTING,
    "Finishing": Phase.FINISHING,
    "Cancelling": Phase.CANCELLING,
    "Starting to send file to SD": Phase.TRANSFERRING,
    "Sending file to SD": Phase.TRANSFERRING,
    "Transferring file to SD": Phase.TRANSFERRING,
}


def phase_of(text: object) -> Phase:
    """The phase behind a state text; UNKNOWN when a newer OctoPrint has a new one."""
    return _PHASES.get(text, Phase.UNKNOWN) if isinstance(text, str) else Phase.UNKNOWN


def text_of(value: object) -> str | None:
    """A text of limited length, or None."""
    return value[:MAX_TEXT] if isinstance(value, str) and value else None


def number_of(value: object) -> float | None:
    """A finite number, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def table_of(value: object) -> Mapping[str, Any]:
    """A JSON object, or an empty one."""
    return value if isinstance(value, dict) else {}


def _count(value: object) -> int:
    return int(number_of(value) or 0)


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at OctoPrint. `path` is the selected file, whether it prints or not; None: nothing is selected."""

    phase: Phase = Phase.UNKNOWN
    path: str | None = None
    local: bool = True  # False: the file is on the printer's own SD card
    user: str | None = None
    completion: float | None = None  # per cent
    position_bytes: float | None = None
    remaining_s: float | None = None
    error: str | None = None
    nozzle: Temperature | None = None
    bed: Temperature | None = None

    def active_with(self, path: str) -> bool:
        """Tell whether the local file `path` is being printed, paused, finished or cancelled at this moment."""
        return self.phase in ACTIVE and self.local and self.path == path


def _reading(content: Mapping[str, Any], phase: Phase, error: object) -> Reading:
    job, progress = table_of(content.get("job")), table_of(content.get("progress"))
    file = table_of(job.get("file"))
    return Reading(
        phase=phase,
        path=text_of(file.get("path")),
        local=file.get("origin") != "sdcard",
        user=text_of(job.get("user")),
        completion=number_of(progress.get("completion")),
        position_bytes=number_of(progress.get("filepos")),
        remaining_s=number_of(progress.get("printTimeLeft")),
        error=text_of(error),
    )


def reading_of_job(content: Mapping[str, Any]) -> Reading:
    """Read the answer of `GET /api/job`; it has no temperatures."""
    return _reading(content, phase_of(content.get("state")), content.get("error"))


def reading_of_push(content: Mapping[str, Any]) -> Reading:
    """Read a `current` or `history` message of the socket."""
    state = table_of(content.get("state"))
    return _reading(content, phase_of(state.get("text")), state.get("error"))


def _temperature(entry: object) -> Temperature | None:
    heater = table_of(entry)
    actual = number_of(heater.get("actual"))
    return None if actual is None else Temperature(round(actual, 1), round(number_of(heater.get("target")) or 0.0, 1))


def temperatures_of(entry: object) -> tuple[Temperature | None, Temperature | None]:
    """(nozzle, bed) of one temperature entry, of the socket's `temps` or of `GET /api/printer`."""
    table = table_of(entry)
    return _temperature(table.get("tool0")), _temperature(table.get("bed"))


@dataclass(frozen=True, slots=True)
class PrintRecord:
    """What OctoPrint remembers of a file: how often it was printed to its end, how often not, and how the last one went.

    Cancelled prints count as failures. Both counts start again when the file is overwritten with another content.
    """

    successes: int = 0
    failures: int = 0
    last_success: bool | None = None


def record_of(file: Mapping[str, Any]) -> PrintRecord:
    """Read `prints` of the answer of `GET /api/files/local/<path>`."""
    prints = table_of(file.get("prints"))
    success = table_of(prints.get("last")).get("success")
    return PrintRecord(
        successes=_count(prints.get("success")),
        failures=_count(prints.get("failure")),
        last_success=success if isinstance(success, bool) else None,
    )
