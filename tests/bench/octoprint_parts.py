"""The processes of `bench octoprint`, so that each can be weighed: `python -m tests.bench.octoprint_parts fakes|drivers|poller`.

`fakes COUNT` serves fake OctoPrints and prints their ports. A line "INDEX" on its standard input lets that one's state change,
"all" lets all change, "bytes" asks for the bytes that went over its sockets so far. `drivers FILE` follows the printers whose URLs
are in FILE with our driver, `poller FILE` with a question a second each. All print what they saw: `INDEX STATE MONOTONIC_SECONDS`.
CLOCK_MONOTONIC is one clock for all processes of a machine.
"""

import asyncio
import json
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import requests

from drivers.base import DriverEvent, PrinterState, StatusChanged
from drivers.octoprint.address import parse_address
from drivers.registry import open_driver
from tests.unit.drivers.octoprint.fake import FakeOctoPrint

CURRENT_EVERY_S: Final = 2.0  # what the driver's throttle of 4 makes of OctoPrint's two a second
POLL_EVERY_S: Final = 1.0
_FOREIGN: Final = "person.gcode"
_STATES: Final = {"Operational": "idle", "Starting": "foreign", "Printing": "foreign", "Cancelling": "foreign"}


def tell(index: int, state: str, at_s: float | None = None) -> None:
    """Print one observation."""
    sys.stdout.write(f"{index} {state} {time.monotonic() if at_s is None else at_s:.6f}\n")
    sys.stdout.flush()


# --- fakes ----------------------------------------------------------------------------------------------------------------------


class WeighedFake(FakeOctoPrint):
    """A fake that counts what goes over its sockets, and whose `current` messages are as long as real ones."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        feed, write = reader.feed_data, writer.write

        def fed(data: Any) -> None:
            self.bytes += len(data)
            feed(data)

        def wrote(data: Any) -> None:
            self.bytes += len(data)
            write(data)

        reader.feed_data = fed  # type: ignore[method-assign]  # counted on the way
        writer.write = wrote  # type: ignore[method-assign]  # counted on the way
        await super()._serve(reader, writer)

    def current(self) -> dict[str, Any]:
        """As long as the real one's: the same tables (measured with 1.11.8), and in them what nobody of us reads."""
        full = super().current()
        names = ("operational", "printing", "cancelling", "pausing", "resuming", "finishing", "closedOrError", "error", "paused")
        full["state"] |= {"flags": dict.fromkeys((*names, "ready", "sdReady"), False)}
        full["job"] |= {"estimatedPrintTime": None, "lastPrintTime": None, "filament": {"length": None, "volume": None}}
        full["job"]["file"] |= {"size": None, "date": None}
        full["progress"] |= {"printTime": None, "printTimeLeftOrigin": None}
        heater = {"actual": 215.0, "target": 0.0}
        temperatures = {"time": int(time.time()), "tool0": heater, "bed": heater, "chamber": {"actual": None, "target": None}}
        marking = {"type": "connected", "label": "Connected", "time": time.time()}
        return {
            **full,
            "currentZ": None,
            "offsets": {},
            "resends": {"count": 0, "transmitted": 9, "ratio": 0},
            "serverTime": time.time(),
            "temps": [temperatures],
            "busyFiles": [],
            "markings": [marking],
        }

    def change(self) -> str:
        """Let a person start a print or let it end, as the real one tells it; the state it has now."""
        if self.state == "Operational":
            self.tell_start(_FOREIGN, user="maker")
        else:
            self.tell_done(owner="maker")
        return _STATES[self.state]


async def serve_fakes(count: int) -> None:
    """Serve until the standard input ends."""
    fakes = [WeighedFake() for _ in range(count)]
    for fake in fakes:
        await fake.listen()
    sys.stdout.write(json.dumps([fake.port for fake in fakes]) + "\n")
    sys.stdout.flush()
    pump = asyncio.create_task(_currents(fakes))
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(partial(asyncio.StreamReaderProtocol, reader), sys.stdin)
    while order := (await reader.readline()).decode().strip():
        if order == "bytes":
            tell(-1, str(sum(fake.bytes for fake in fakes)))
            continue
        for index in range(count) if order == "all" else [int(order)]:
            at_s = time.monotonic()
            tell(index, fakes[index].change(), at_s)
    pump.cancel()
    for fake in fakes:
        await fake.close()


async def _currents(fakes: list[WeighedFake]) -> None:
    while True:
        for fake in fakes:
            fake.push({"current": fake.current()})
            await asyncio.sleep(CURRENT_EVERY_S / len(fakes))


# --- who follows them -----------------------------------------------------------------------------------------------------------


class Watcher:
    """Prints each change of one printer's state."""

    def __init__(self, index: int, url: str) -> None:
        self.index = index
        self.state: PrinterState | None = None
        self.driver = open_driver(url, self._heard)

    def _heard(self, event: DriverEvent) -> None:
        if isinstance(event, StatusChanged) and event.status.state is not self.state:
            self.state = event.status.state
            tell(self.index, self.state)


async def follow(urls: list[str]) -> None:
    """Our drivers, one for each URL, until the standard input ends."""
    watchers = [Watcher(index, url) for index, url in enumerate(urls)]
    await asyncio.gather(*(watcher.driver.connect() for watcher in watchers))
    await asyncio.to_thread(sys.stdin.read)
    await asyncio.gather(*(watcher.driver.close() for watcher in watchers))


def poll(urls: list[str]) -> None:
    """The peer: a thread a printer that asks for job and temperatures once a second."""
    for index, url in enumerate(urls):
        threading.Thread(target=_poll_one, args=(index, url), daemon=True).start()
    sys.stdin.read()


def _poll_one(index: int, url: str) -> None:
    address = parse_address(urlsplit(url))
    session, seen = requests.Session(), ""
    session.headers["X-Api-Key"] = address.read_key()
    time.sleep(POLL_EVERY_S * (index % 10) / 10)  # not all at the same moment
    while True:
        began_s = time.monotonic()
        answer = session.get(f"{address.base_url}/api/job", timeout=10).json()
        state = _STATES.get(answer["state"], "other")
        if state != seen:
            seen = state
            tell(index, state)
        session.get(f"{address.base_url}/api/printer", timeout=10)
        time.sleep(max(0.0, began_s + POLL_EVERY_S - time.monotonic()))


def main(words: list[str]) -> None:
    """Be one of the processes."""
    part, argument = words
    if part == "fakes":
        asyncio.run(serve_fakes(int(argument)))
        return
    urls = Path(argument).read_text("utf-8").split()
    if part == "drivers":
        asyncio.run(follow(urls))
    else:
        poll(urls)


if __name__ == "__main__":
    main(sys.argv[1:])
