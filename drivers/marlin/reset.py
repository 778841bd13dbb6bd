"""The reset line of a board behind a USB adapter. Blocks: call it from a thread."""

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from serial import Serial

PULSE_S: Final = 0.25  # as long as avrdude and the Arduino IDE hold it


def pulse(port: "Serial") -> bool:
    """Lower DTR for a moment, which resets a board with the usual circuit; False where the port has no such line (a pty)."""
    try:
        port.dtr = False
        time.sleep(PULSE_S)
        port.dtr = True
    except (OSError, ValueError):
        return False
    return True
