"""Builds the kernel for a test: here and now, not the one that an earlier run left."""

from pathlib import Path

import hatch_build
from gcode.scan import kernel
from tests.integration.real import require


def compiler() -> str:
    """The C compiler of this machine; without one the test is skipped, in CI it fails."""
    found = hatch_build.compiler()
    require("a C compiler", found is not None)
    return str(found)


def build_kernel(folder: Path) -> Path:
    """The library, compiled with every warning as an error."""
    path = folder / kernel.LIBRARY
    hatch_build.build(compiler(), path, hatch_build.WARNINGS)
    return path
