"""A command as words: as it stands in the file, and what Klipper's arguments mean."""

from math import inf

from gcode.reader import Line, arguments, number_in


def whole(line: Line) -> str:
    """The command as it stands in the file, without its comment: what `PrinterProfile.allowed_lines` is compared with."""
    return f"{line.code} {line.text}".strip() if line.code else line.text


def figure(line: Line, key: str) -> float:
    """A number among `KEY=VALUE` arguments: 0 when it is missing, infinite when it is no number, so that no limit lets it pass."""
    values = arguments(line.text)
    if key not in values:
        return 0.0
    found = number_in(values, key)
    return inf if found is None else found
