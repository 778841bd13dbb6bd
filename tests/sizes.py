"""Every function has at most 70 lines and every file at most 500: what is longer has a second subject that wants a name."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("farm", "drivers", "scheduler", "api", "gcode", "configs", "tests")
MAX_FUNCTION_LINES = 70
MAX_FILE_LINES = 500


def too_long(source: str, name: str) -> Iterator[str]:
    """Yield one line for the file and for each function of it that is over its limit."""
    if (lines := source.count("\n")) > MAX_FILE_LINES:
        yield f"{name}: {lines} lines, at most {MAX_FILE_LINES}"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > MAX_FUNCTION_LINES:
                yield f"{name}:{node.lineno}: {node.name} has {length} lines, at most {MAX_FUNCTION_LINES}"


def main() -> int:
    """Print what is too long; 1 when something is."""
    paths = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    found = [row for path in paths for row in too_long(path.read_text("utf-8"), str(path.relative_to(ROOT)))]
    print("\n".join(found) or f"{len(paths)} files, none too long")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
