"""Our own sender for the serial bench: `MarlinPrinter`s in one process, as an agent has them, that print one file each.

    python -m tests.bench.serial_ours WINDOW LOOP FILE PORT...

WINDOW is the most lines in flight, LOOP `asyncio` or `uvloop`.
"""

import asyncio
import sys
from pathlib import Path
from urllib.parse import urlsplit

from drivers.base import DriverEvent
from drivers.marlin.printer import MarlinPrinter, from_url


def _nobody(_event: DriverEvent) -> None:
    """The bench listens to nothing."""


def printer_at(port: str, window: int) -> MarlinPrinter:
    """A printer whose channel has at most `window` lines in flight."""
    printer = from_url(urlsplit(f"marlin://{port}?baud=115200"), _nobody)
    printer._protocol.channel.window.lines = window
    return printer


async def send(file: Path, window: int, ports: list[str]) -> None:
    """Connect, print; whoever started us stops us when all is measured."""
    printers = [printer_at(port, window) for port in ports]
    await asyncio.gather(*(printer.connect() for printer in printers))
    for printer in printers:
        await printer.start(file, "bench")
    await asyncio.sleep(3600)


def main(words: list[str]) -> None:
    """See the module's text."""
    window, loop, file, *ports = words
    if loop == "uvloop":
        import uvloop  # noqa: PLC0415 - the other loop is measured without it

        uvloop.run(send(Path(file), int(window), ports))
    else:
        asyncio.run(send(Path(file), int(window), ports))


if __name__ == "__main__":
    main(sys.argv[1:])
