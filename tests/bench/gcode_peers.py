"""A process of the bench in a peer's own environment: `python -P gcode_peers.py octoprint|gcode-lib FILE`. Imports nothing of ours.

OctoPrint reads as its command `octoprint analysis gcode` does, without the pauses that its server asks for; gcode-lib makes its
estimate, for which it holds the whole file.
"""

import json
import sys
import time
from importlib import import_module
from pathlib import Path


def octoprint(path: str) -> dict[str, float]:
    """Time and filament as its file analysis shows them."""
    module = import_module("octoprint.util.gcodeInterpreter")
    begin_s = time.process_time()
    interpreter = module.gcode()
    interpreter.load(path)
    found = interpreter.get_result()
    cpu_s = time.process_time() - begin_s
    return {"cpu_s": cpu_s, "time_s": found["total_time"] * 60, "filament_mm": sum(found["extrusion_length"])}


def gcode_lib(path: str) -> dict[str, float]:
    """Its estimate of time and filament."""
    library = import_module("gcode_lib")
    begin_s = time.process_time()
    found = library.estimate_print(library.load(path).lines)
    cpu_s = time.process_time() - begin_s
    return {"cpu_s": cpu_s, "time_s": found.time_seconds, "filament_mm": found.filament_length_m * 1000}


def peak_mb() -> float:
    """The most memory of this process, megabytes (what `wait4` tells of a child includes its parent's)."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    found = {"octoprint": octoprint, "gcode-lib": gcode_lib}[sys.argv[1]](sys.argv[2])
    print(json.dumps({**found, "peak_mb": peak_mb()}))
