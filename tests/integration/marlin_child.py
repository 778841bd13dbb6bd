"""One Marlin driver in a process of its own, to be killed: `python -m tests.integration.marlin_child ACT URL FILE BOOKMARK`.

ACT is start or trace. Keeps its newest bookmark in BOOKMARK as an agent does, and tells on standard output, one JSON object a line.
"""

import asyncio
import json
import sys
from pathlib import Path

from drivers.base import Bookmark, DriverEvent, PrintEnded, StatusChanged
from drivers.errors import DriverError
from drivers.registry import open_driver
from farm.node.bookmarks import read, write

JOB = "job-1"


def _say(**fields: object) -> None:
    print(json.dumps(fields), flush=True)


async def _run(act: str, url: str, program: Path, kept: Path) -> None:
    over = asyncio.Event()

    def listen(event: DriverEvent) -> None:
        if isinstance(event, Bookmark):
            write(kept, event)
        elif isinstance(event, StatusChanged):
            _say(state=event.status.state.value)
        elif isinstance(event, PrintEnded):
            _say(end=event.end.value, detail=event.detail)
            over.set()

    driver = open_driver(url, listen)
    await driver.connect()
    if act == "start":
        await driver.start(program, JOB)
        _say(started=True)
        await over.wait()
    else:
        trace = await driver.trace(JOB, program=program, bookmark=read(kept, JOB))
        _say(running=trace.running, traced=trace.end and trace.end.value, detail=trace.detail)
        if trace.running:
            if driver.status.state.value == "paused":
                _say(was_paused=True)
                await driver.resume(JOB)
            await over.wait()
    if act == "trace":
        await asyncio.sleep(0.5)  # it is being made safe
    await driver.close()


def main() -> None:
    """Run until the print is over, or until killed."""
    act, url, program, kept = sys.argv[1:]
    try:
        asyncio.run(_run(act, url, Path(program), Path(kept)))
    except DriverError as error:
        _say(error=str(error))


if __name__ == "__main__":
    main()
