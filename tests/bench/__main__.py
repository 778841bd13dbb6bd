"""`./farm.sh bench [--json] [NAME ...]`: run the benches that are named, or all. The answer is JSON lines, asked for or not."""

import sys
from importlib import import_module
from typing import Final

BENCHES: Final = ("boot", "ingest")


def main(names: list[str]) -> int:
    """Run them; 2 when a name is not one of ours."""
    names = [name for name in names if name != "--json"]
    unknown = [name for name in names if name not in BENCHES]
    if unknown:
        sys.stderr.write(f"There is no bench {unknown[0]!r}. There are: {', '.join(BENCHES)}.\n")
        return 2
    for name in names or BENCHES:
        import_module(f"tests.bench.{name}").main()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
