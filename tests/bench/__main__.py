"""`./farm.sh bench [--json] [NAME ...]`: run the benches that are named, or all."""

import argparse
import sys
from importlib import import_module
from typing import Final

from tests.bench.report import FORM

BENCHES: Final = {
    "boot": "start of the daemon, memory at rest, bytes written while printing, demo on a fresh clone",
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
    parser.add_argument("names", nargs="*", metavar="NAME", help="which ones (default: all)")
    parser.add_argument("--json", action="store_true", help="JSON lines instead of a table")
    chosen = parser.parse_args(words)
    unknown = [name for name in chosen.names if name not in BENCHES]
    if unknown:
        sys.stderr.write(f"There is no bench {unknown[0]!r}. There are: {', '.join(BENCHES)}.\n")
        return 2
    FORM.as_json = chosen.json
    try:
        for name in chosen.names or BENCHES:
            import_module(f"tests.bench.{name}").main()
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted: what is above was measured, the rest was not.\n")
        return _INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
