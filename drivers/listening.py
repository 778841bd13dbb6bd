"""The border between a driver and whoever listens to it: what a listener raises ends nothing in the driver."""

import asyncio

from drivers.base import DriverEvent, EventListener


def guarded(listener: EventListener) -> EventListener:
    """A listener that never raises: an exception goes to the loop's exception handler, once per kind. To be called on the loop.

    A printer that is hot must be fed and watched though nobody can be told of it: a log whose pipe is broken, a full disk.
    """
    known: set[type[Exception]] = set()

    def tell(event: DriverEvent) -> None:
        try:
            listener(event)
        except Exception as error:  # noqa: BLE001 - it is somebody else's code, and a print goes on
            if type(error) not in known:
                known.add(type(error))
                message = f"the listener of a driver failed at {type(event).__name__}"
                asyncio.get_running_loop().call_exception_handler({"message": message, "exception": error})

    return tell
