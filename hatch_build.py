"""Builds the compiled kernel of the scan (gcode/scan/*.c): for a wheel, as hatchling's hook, and for a checkout.

`python hatch_build.py` is what `./farm.sh` calls once for each change of the source. Without a C compiler nothing is built and
nothing is wrong: the scan then runs on NumPy (docs/decisions/0016).
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parent
SOURCES: Final = tuple(ROOT / "gcode" / "scan" / name for name in ("kernel.h", "kernel.c", "kernel_planner.c"))
BUILT: Final = ROOT / "build" / "kernel"
LIBRARY: Final = "_kernel.so"
# -ffp-contract=off: a fused multiply-add would round otherwise than Python does. -fno-builtin-*: the very functions of libm that
# Python calls, not sincos() for both.
FLAGS: Final = (
    *("-std=c99", "-O3", "-fPIC", "-shared", "-fvisibility=hidden", "-ffp-contract=off", "-fno-math-errno"),
    *("-fno-builtin-sin", "-fno-builtin-cos"),
)
WARNINGS: Final = ("-Wall", "-Wextra", "-Werror", "-Wconversion", "-Wsign-conversion", "-Wshadow", "-pedantic")
_COMPILE_S: Final = 120


def compiler() -> str | None:
    """The C compiler of this machine: $CC, cc, gcc or clang."""
    named = os.environ.get("CC")
    return next((found for name in ([named] if named else ["cc", "gcc", "clang"]) if (found := shutil.which(name))), None)


def digest_file(library: Path) -> Path:
    """The file beside a library that holds its SHA-256: a damaged library must not be loaded, it could end the process."""
    return library.with_suffix(".sha256")


def digest(library: Path) -> str:
    """Its SHA-256, in hexadecimal digits."""
    return hashlib.sha256(library.read_bytes()).hexdigest()


def build(command: str, target: Path, extra: Sequence[str] = ()) -> None:
    """Compile the kernel to `target` and write its digest beside it.

    Raises:
        subprocess.SubprocessError: the compiler failed.
        OSError: it cannot be started, or nothing can be written there.

    """
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(f".{os.getpid()}")
    try:
        arguments = [command, *FLAGS, *extra, *map(str, SOURCES[1:]), "-o", str(partial), "-lm"]
        subprocess.run(arguments, check=True, capture_output=True, text=True, timeout=_COMPILE_S)
        digest_file(target).write_text(digest(partial), "ascii")
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def build_here() -> str | None:
    """Build for this checkout, beside a copy of the sources by which `./farm.sh` sees that it is done. Gives why not, or None."""
    folder = BUILT / platform.machine()
    failed = None
    command = compiler()
    if command is None:
        return "there is no C compiler"
    sources = b"".join(source.read_bytes() for source in SOURCES)
    try:
        build(command, folder / LIBRARY)
    except (OSError, subprocess.SubprocessError) as error:
        (folder / LIBRARY).unlink(missing_ok=True)
        failed = str(getattr(error, "stderr", None) or error)
    (folder / "sources").write_bytes(sources)
    return failed


try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # a checkout has no hatchling; it needs none
    pass
else:

    class KernelHook(BuildHookInterface[Any]):
        """Puts the kernel into a wheel. ESSAIM_KERNEL_TAG and ESSAIM_KERNEL_LIBRARY name platform and library of a cross build."""

        PLUGIN_NAME = "custom"

        def initialize(self, version: str, build_data: dict[str, Any]) -> None:
            """Build, and say for which platform the wheel is."""
            if self.target_name != "wheel" or version == "editable":
                return
            given = os.environ.get("ESSAIM_KERNEL_LIBRARY")
            library = Path(given) if given else BUILT / "wheel" / LIBRARY
            if not given and not self._built(library):
                return
            for path in (library, digest_file(library)):
                build_data["force_include"][str(path)] = f"gcode/scan/{path.name}"
            build_data["pure_python"] = False
            local = sysconfig.get_platform().replace("-", "_").replace(".", "_")
            build_data["tag"] = f"py3-none-{os.environ.get('ESSAIM_KERNEL_TAG', local)}"

        def _built(self, library: Path) -> bool:
            command = compiler()
            if command is None or sys.platform != "linux":
                self.app.display_info("no C compiler: the wheel is without the kernel, the scan runs on NumPy")
                return False
            try:
                build(command, library)
            except (OSError, subprocess.SubprocessError) as error:
                self.app.display_warning(f"the kernel cannot be compiled, the scan runs on NumPy: {error}")
                return False
            return True


if __name__ == "__main__":
    sys.exit(1 if build_here() else 0)
