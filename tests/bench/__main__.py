"""`./farm.sh bench [--json] [NAME ...] [FILE ...]`: run the benches that are named, or all."""

import argparse
import sys
from importlib import import_module
from pathlib import Path
from typing import Final

from tests.bench.report import FORM

BENCHES: Final = {
    "boot": "start of the daemon, memory at rest, bytes written while printing, demo on a fresh clone",
    "gcode": "MB/s, memory and truth of the reading of programs, beside OctoPrint's analysis and gcode-lib; files may follow",
    "ingest": "facts committed and acknowledged, latencies, a big farm's restart, overload",
    "octoprint": "how soon a change at OctoPrint is reported, and what following 50 of them costs",
    "serial": "lines a second and processor time a line to Marlin printers, beside printcore and OctoPrint's comm layer",
}
_INTERRUPTED: Final = 130


def main(words: list[str]) -> int:
    """Run them; 2 when a name is not one of ours, 130 when a person ends it before."""
    listed = "\n".join(f"  {name:10} {what}" for name, what in BENCHES.items())
    parser = argparse.ArgumentParser(
        prog="./farm.sh bench",
        description="Measure. Each line is a median; a ratio above 1 means better than the peer of the same run.",
        epilog=f"benches:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="which ones (default: all); files for `gcode`")
    parser.add_argument("--large", action="store_true", help="gcode: a file of 66 MB too")
    parser.add_argument("--json", action="store_true", help="JSON lines instead of a table")
    chosen = parser.parse_args(words)
    files = [Path(name) for name in chosen.names if "gcode" in chosen.names and Path(name).is_file()]
    names = [name for name in chosen.names if Path(name) not in files]
    unknown = [name for name in names if name not in BENCHES]
    if unknown:
        sys.stderr.write(f"There is no bench {unknown[0]!r}. There are: {', '.join(BENCHES)}.\n")
        return 2
    FORM.as_json = chosen.json
    try:
        for name in names or BENCHES:
            bench = import_module(f"tests.bench.{name}")
            bench.main(files, large=chosen.large) if name == "gcode" else bench.main()
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted: what is above was measured, the rest was not.\n")
        return _INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
