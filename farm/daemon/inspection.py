"""Reads a G-code file in a process of its own: `python -m farm.daemon.inspection FILE`, the profile on standard input.

Minutes of CPU must not slow the daemon's loop down, and what a file of a stranger may do to the reader stays in that process. Both
ends are ours, so the values go as pickles.
"""

import asyncio
import os
import pickle
import sys
from pathlib import Path
from typing import Final

from gcode.checks import Inspection, inspect
from gcode.profile import PrinterProfile

TIMEOUT_S: Final = 900.0  # 200 MB on a Raspberry Pi
_NICENESS: Final = 10


class InspectionError(Exception):
    """The process died or did not end: the file, or this machine, is at fault."""


async def inspect_apart(path: Path, profile: PrinterProfile, *, timeout_s: float = TIMEOUT_S) -> Inspection:
    """Inspect `path` for `profile`.

    Raises:
        InspectionError: no result within `timeout_s` real seconds, or none at all.

    """
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        __name__,
        str(path),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)},
    )
    try:
        async with asyncio.timeout(timeout_s):
            answer, _ = await child.communicate(pickle.dumps(profile))
    except TimeoutError:
        raise InspectionError(f"no result after {timeout_s:g} s") from None
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if child.returncode != 0:
        raise InspectionError(f"the process ended with code {child.returncode}")
    result: Inspection = pickle.loads(answer)  # noqa: S301 - it comes from our own code in our own child
    return result


def main() -> None:
    """Be the process."""
    os.nice(_NICENESS)
    profile: PrinterProfile = pickle.load(sys.stdin.buffer)  # noqa: S301 - it comes from our own parent
    with Path(sys.argv[1]).open("rb") as stream:
        pickle.dump(inspect(stream, (profile,)), sys.stdout.buffer)


if __name__ == "__main__":
    main()
