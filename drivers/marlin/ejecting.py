"""Pushing a part off the bed: the lines of a file that somebody made for this printer, on a bed that has cooled. Reading blocks."""

from pathlib import Path
from typing import Final

from drivers.base import Temperature
from drivers.errors import Bilingual, PrinterBusyError, TransferError
from drivers.marlin.job import FENCE
from drivers.marlin.program import ProgramReader

MAX_LINES: Final = 500


def eject_lines(path: Path) -> list[bytes]:
    """The commands of the file, and a proof at the end that all were executed.

    Raises:
        TransferError: it cannot be read, holds nothing, too much, or what cannot be sent.

    """
    reader = ProgramReader(path)
    try:
        lines, complete = reader.read_batch()
        while not complete and len(lines) <= MAX_LINES:
            more, complete = reader.read_batch()
            lines += more
    finally:
        reader.close()
    if not lines or len(lines) > MAX_LINES:
        raise TransferError(
            Bilingual(f"{path} has {len(lines)} commands.", f"{path} a {len(lines)} commandes."),
            next_step=Bilingual(f"An ejection takes 1 to {MAX_LINES}.", f"Une éjection en prend de 1 à {MAX_LINES}."),
        )
    return [*(line.command for line in lines), b"M400", FENCE]


def too_warm(bed: Temperature | None, below_c: float) -> PrinterBusyError | None:
    """Why a part would not come off yet; a machine without a bed heater is never too warm."""
    if bed is None or bed.actual_c <= below_c:
        return None
    return PrinterBusyError(
        Bilingual(f"The bed is at {bed.actual_c:.0f} °C.", f"Le plateau est à {bed.actual_c:.0f} °C."),
        next_step=Bilingual(f"Wait until it is below {below_c:g} °C.", f"Attendez qu'il soit sous {below_c:g} °C."),
    )
