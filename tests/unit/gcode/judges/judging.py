"""Asks a judge of lines about one line."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from gcode.judges.finding import Wrong
from gcode.profile import PrinterProfile
from gcode.reader import Line, parse_line
from tests.unit.gcode.samples import profile

Judge = Callable[[Line, PrinterProfile], Wrong | None]


def ask(judge: Judge, line: str, **printer: Any) -> str | None:
    """What is wrong with the line, or None."""
    wrong = judge(parse_line(line.encode()), replace(profile(), **printer))
    return None if wrong is None else wrong.text
