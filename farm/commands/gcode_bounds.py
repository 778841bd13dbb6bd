"""What a stranger's file may take of the process that reads it at the command line: memory and processor time, as at the daemon.

The daemon reads in a process of its own, which dies of its limits. Here the limits of this process are lowered for as long as it
reads (only the soft ones, so that they can be given back), and going over them is an error with a next step. Reading a small file
costs nothing more for it.
"""

import resource
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from farm.errors import TooLargeError
from gcode.texts import Bilingual

MEMORY_BYTES: Final = 384 * 1024**2  # as farm.daemon.inspection, beyond what this process has already
CPU_S: Final = 900
PLAIN_BYTES: Final = 1024**3  # of plain G-code: days of printing

_STEP: Final = Bilingual(
    "A file made to do harm looks so. Slice it again with fewer parts if it is your own.",
    "C'est le cas d'un fichier malveillant. Si c'est le vôtre, tranchez-le de nouveau avec moins de pièces.",
)


class _TimeOverError(Exception):
    """The processor time that a file may take is over."""


@contextmanager
def bounded(name: str) -> Iterator[None]:
    """Read a file called `name` within MEMORY_BYTES and CPU_S.

    Raises:
        TooLargeError: it needs more (codes `gcode-memory` and `gcode-time`).

    """
    try:
        with _limit(resource.RLIMIT_DATA, _data_bytes() + MEMORY_BYTES), _processor_time(CPU_S):
            yield
    except MemoryError as error:
        raise TooLargeError(
            Bilingual(
                f"Reading {name} needs more memory than a file may take ({MEMORY_BYTES // 1024**2} MiB).",
                f"Lire {name} demande plus de mémoire qu'un fichier ne peut en prendre ({MEMORY_BYTES // 1024**2} Mio).",
            ),
            next_step=_STEP,
            code="gcode-memory",
        ) from error
    except _TimeOverError as error:
        raise TooLargeError(
            Bilingual(
                f"Reading {name} takes more processor time than a file may take ({CPU_S} s).",
                f"Lire {name} prend plus de temps de processeur qu'un fichier ne peut en prendre ({CPU_S} s).",
            ),
            next_step=_STEP,
            code="gcode-time",
        ) from error


def _data_bytes() -> int:
    """The data of this process: what RLIMIT_DATA counts. 0 where the kernel does not say."""
    try:
        lines = Path("/proc/self/status").read_text("ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData:"))
    except (OSError, StopIteration):
        return 0


@contextmanager
def _limit(which: int, most: int) -> Iterator[None]:
    before, hard = resource.getrlimit(which)
    tighter = [bound for bound in (before, hard) if bound != resource.RLIM_INFINITY]
    resource.setrlimit(which, (min([most, *tighter]), hard))
    try:
        yield
    finally:
        resource.setrlimit(which, (before, hard))


@contextmanager
def _processor_time(most_s: int) -> Iterator[None]:
    """Stop at the next line of Python once the time is over. Only the main thread hears signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGXCPU, _over)
    try:
        with _limit(resource.RLIMIT_CPU, int(time.process_time()) + most_s):
            yield
    finally:
        signal.signal(signal.SIGXCPU, before)


def _over(_number: int, _frame: Any) -> None:
    raise _TimeOverError
