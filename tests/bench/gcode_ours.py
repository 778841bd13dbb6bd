"""A process of the bench: reads one file with one of our engines and prints what it found and what the reading itself cost.

`python -m tests.bench.gcode_ours ENGINE FILE`: `interpreter`, `numpy`, `kernel`, `checks` (facts and the rules of one profile, on
the fastest engine) or `memchr` (counts line ends: the limit that memory sets). Each imports only what it needs, and NumPy with one
thread for linear algebra, as `farm gcode` and the daemon's reader do.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, Final

from tests.bench.processes import peak_resident_mb

_CHUNK_BYTES: Final = 1 << 20
Found = dict[str, float | None]


def _facts(facts: Any) -> Found:
    names = ("time_s", "filament_mm", "claimed_time_s", "claimed_filament_mm")
    return {name: getattr(facts, name) for name in names}


def _interpreter(module: Any, stream: BinaryIO) -> Found:
    return _facts(module.read_facts(stream))


def _numpy(module: Any, stream: BinaryIO) -> Found:
    return _facts(module.read_facts(stream, kernel=False))


def _kernel(module: Any, stream: BinaryIO) -> Found:
    return _facts(module.read_facts(stream, kernel=True))


def _checks(module: Any, stream: BinaryIO) -> Found:
    profiles = import_module("gcode.profile").bundled_profiles()
    module.inspect(stream, [next(iter(profiles.values()))])
    return {}


def _memchr(_module: Any, stream: BinaryIO) -> Found:
    lines = 0
    while chunk := stream.read(_CHUNK_BYTES):
        lines += chunk.count(b"\n")
    return {}


ENGINES: Final[dict[str, tuple[str, Callable[[Any, BinaryIO], Found]]]] = {
    "interpreter": ("gcode.interpreter", _interpreter),
    "numpy": ("gcode.scan.engine", _numpy),
    "kernel": ("gcode.scan.engine", _kernel),
    "checks": ("gcode.scan.engine", _checks),
    "memchr": ("io", _memchr),
}


def main(engine: str, path: str) -> None:
    """Read, and print one line of JSON."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    name, read = ENGINES[engine]
    module = import_module(name)
    begin_s = time.process_time()
    with Path(path).open("rb") as stream:
        found = read(module, stream)
    cpu_s = time.process_time() - begin_s
    print(json.dumps({**found, "cpu_s": cpu_s, "peak_mb": peak_resident_mb(os.getpid())}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
