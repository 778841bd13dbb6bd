"""What a line from Marlin means to the machinery (what it means to a person is in `faults`). Pure."""

import re
from dataclasses import dataclass
from enum import IntEnum, auto
from typing import Final

from drivers.base import Temperature
from drivers.marlin.job import Position


class Kind(IntEnum):
    """Kinds of lines. Integers, because their hash costs nothing and one is taken for every line."""

    OK = auto()
    REJECTED = auto()  # Error:... Last Line: K; `number` is K
    RESEND = auto()  # Resend: K+1; `number` is K+1
    BUSY = auto()  # working on a long command
    USER_WAIT = auto()  # a person is needed
    HEATING = auto()  # temperatures while M109 or M190 waits
    REPORT = auto()  # temperatures, unasked
    POSITION = auto()
    START = auto()  # the firmware has just begun: it was reset
    ACTION = auto()  # //action:...; `text` is what follows
    FIRMWARE = auto()
    CAPABILITY = auto()
    SD = auto()  # the answer to M27; `number` is 1 while it prints from its own card
    OTHER = auto()


@dataclass(frozen=True, slots=True)
class Reply:
    """A line, understood."""

    kind: Kind
    text: str
    number: int = 0
    free: int = -1  # places of the planner, where an ok tells them (ADVANCED_OK)


_OK: Final = Reply(Kind.OK, "ok")
_ADVANCED_OK: Final = re.compile(r"^ok N(\d{1,9}) P(\d{1,3}) B\d{1,3}$", re.ASCII)
_LAST_LINE: Final = re.compile(r"Last Line: ?(\d{1,10})")
_RESEND: Final = re.compile(r"^\s*(?:Resend|rs)[: ]\s*N?(\d{1,10})", re.IGNORECASE)
_START: Final = re.compile(r"^[^ -~]*start$")
_TEMPERATURE: Final = re.compile(r"(?<![A-Za-z0-9])(T0?|B):\s*(-?\d{1,6}(?:\.\d+)?)\s*/\s*(-?\d{1,6}(?:\.\d+)?)")
_POSITION: Final = re.compile(r"^" + " ".join(rf"{axis}:(-?\d{{1,9}}(?:\.\d*)?)" for axis in "XYZE"))
_CAPABILITY: Final = re.compile(r"^Cap:([A-Z0-9_]+):(\d)")
_FIRMWARE: Final = re.compile(r"FIRMWARE_NAME:(.*?)(?:\s+[A-Z][A-Z_]{3,}:|$)")
_EXTRUDERS: Final = re.compile(r"EXTRUDER_COUNT:(\d{1,3})")
_ACTION: Final = "//action:"


def understand(line: str) -> Reply:
    """Say what `line` is. Echoed text (`echo:...`) is only ever busy, or other: it may quote anything."""
    if line == "ok":
        return _OK
    text = line.strip()
    if text.startswith("ok"):
        return _ok(text)
    if text.startswith("echo:"):
        return _echo(text)
    if match := _RESEND.match(text):
        return Reply(Kind.RESEND, text, int(match.group(1)))
    if match := _LAST_LINE.search(text):
        return Reply(Kind.REJECTED, text, int(match.group(1)))
    return _report(text)


def _ok(text: str) -> Reply:
    if match := _ADVANCED_OK.match(text):
        return Reply(Kind.OK, text, int(match.group(1)), int(match.group(2)))
    return Reply(Kind.OK, text) if len(text) == 2 or not text[2].isalnum() else Reply(Kind.OTHER, text)


def _echo(text: str) -> Reply:
    if "busy: paused" in text:
        return Reply(Kind.USER_WAIT, text)
    return Reply(Kind.BUSY if "busy:" in text else Kind.OTHER, text)


def _report(text: str) -> Reply:
    if text.startswith(_ACTION):
        return Reply(Kind.ACTION, text[len(_ACTION) :].strip())
    if _START.match(text):
        return Reply(Kind.START, text)
    if _TEMPERATURE.search(text):
        return Reply(Kind.HEATING if " W:" in text else Kind.REPORT, text)
    if "FIRMWARE_NAME:" in text:
        return Reply(Kind.FIRMWARE, text)
    return _answer(text)


def _answer(text: str) -> Reply:
    if _POSITION.match(text):
        return Reply(Kind.POSITION, text)
    if match := _CAPABILITY.match(text):
        return Reply(Kind.CAPABILITY, match.group(1), int(match.group(2)))
    if text.startswith(("SD printing byte", "Not SD printing")):
        return Reply(Kind.SD, text, int(text.startswith("SD")))
    return Reply(Kind.BUSY if text.startswith("busy:") else Kind.OTHER, text)


def temperatures(text: str) -> dict[str, Temperature]:
    """Nozzle (`T`) and bed (`B`) of a report, degrees Celsius."""
    return {name[0]: Temperature(float(actual), float(target)) for name, actual, target in reversed(_TEMPERATURE.findall(text))}


def position(text: str) -> Position | None:
    """The position of a position line, None when it has none."""
    match = _POSITION.match(text)
    return Position(*(float(value) for value in match.groups())) if match else None


def firmware_name(text: str) -> str:
    """The name in the answer to M115, at most 120 characters."""
    match = _FIRMWARE.search(text)
    return (match.group(1) if match else text).strip()[:120]


def extruders(text: str) -> int:
    """How many nozzles the answer to M115 tells, at least one and at most eight."""
    match = _EXTRUDERS.search(text)
    return min(max(int(match.group(1)), 1), 8) if match else 1
