"""OctoPrint's JSON as values. Whatever a server sends, these functions return something sensible and limited.

The state texts are those of OctoPrint 1.11.8; `/api/job` and the socket say "Offline" where `/api/connection` says "Closed".
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from drivers.base import Temperature

MAX_TEXT: Final = 300
MAX_CHOICES: Final = 20  # of a question: more than any printer's screen has
_LOG_LINES: Final = 5  # the last ones: they show what was sent when the firmware complained
_LOG_CHARACTERS: Final = 80
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

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]+")

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
    """A text of limited length, without control characters and half characters (lone surrogates cannot be sent on), or None."""
    if not isinstance(value, str):
        return None
    text = value[:MAX_TEXT].encode("utf-8", "replace").decode()
    return _CONTROL.sub(" ", text) or None


def log_lines_of(value: object) -> list[str]:
    """The last few lines of a terminal log, each of limited length."""
    lines = [text_of(line) for line in value[-_LOG_LINES:]] if isinstance(value, list) else []
    return [line[:_LOG_CHARACTERS] for line in lines if line]


def log_lines(value: object) -> list[str]:
    """All lines of a terminal log, each of limited length."""
    return [line for entry in value if (line := text_of(entry))] if isinstance(value, list) else []


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
    state: str | None = None  # OctoPrint's own word for the phase

    def active_with(self, path: str) -> bool:
        """Tell whether the local file `path` is being printed, paused, finished or cancelled at this moment."""
        return self.phase in ACTIVE and self.local and self.path == path


def _reading(content: Mapping[str, Any], state: object, error: object) -> Reading:
    job, progress = table_of(content.get("job")), table_of(content.get("progress"))
    file = table_of(job.get("file"))
    return Reading(
        phase=phase_of(state),
        state=text_of(state),
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
    return _reading(content, content.get("state"), content.get("error"))


def reading_of_push(content: Mapping[str, Any]) -> Reading:
    """Read a `current` or `history` message of the socket."""
    state = table_of(content.get("state"))
    return _reading(content, state.get("text"), state.get("error"))


def _temperature(entry: object) -> Temperature | None:
    heater = table_of(entry)
    actual = number_of(heater.get("actual"))
    return None if actual is None else Temperature(round(actual, 1), round(number_of(heater.get("target")) or 0.0, 1))


def temperatures_of(entry: object) -> tuple[Temperature | None, Temperature | None]:
    """(nozzle, bed) of one temperature entry, of the socket's `temps` or of `GET /api/printer`."""
    table = table_of(entry)
    return _temperature(table.get("tool0")), _temperature(table.get("bed"))


@dataclass(frozen=True, slots=True)
class Question:
    """What a printer asks by OctoPrint's Action Command Prompt plugin; `choices` may be empty."""

    text: str
    choices: tuple[str, ...] = ()


def question_of(content: object) -> Question | None:
    """Read the plugin's answer or its `show` message; None when it asks nothing."""
    table = table_of(content)
    choices = table.get("choices")
    if not isinstance(choices, list) and "text" not in table:
        return None
    names = [text_of(choice) or "-" for choice in choices[:MAX_CHOICES]] if isinstance(choices, list) else []
    return Question(text_of(table.get("text")) or "?", tuple(names))


@dataclass(frozen=True, slots=True)
class PrintRecord:
    """What OctoPrint remembers of a file: how often it was printed to its end, how often not, and how the last one went.

    Cancelled prints count as failures. Both counts start again when the file is overwritten with another content.
    """

    successes: int = 0
    failures: int = 0
    last_success: bool | None = None
    last_s: float | None = None  # how long the last one took; 0 when OctoPrint has no time of it


def record_of(file: Mapping[str, Any]) -> PrintRecord:
    """Read `prints` of the answer of `GET /api/files/local/<path>`."""
    prints = table_of(file.get("prints"))
    last = table_of(prints.get("last"))
    success = last.get("success")
    return PrintRecord(
        successes=_count(prints.get("success")),
        failures=_count(prints.get("failure")),
        last_success=success if isinstance(success, bool) else None,
        last_s=number_of(last["printTime"]) or 0.0 if "printTime" in last else None,
    )
