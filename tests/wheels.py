"""`./farm.sh wheels [--try]`: wheels for x86-64 and 64-bit ARM in dist/, each with the compiled kernel of the scan.

The tag manylinux_2_17 is checked, not believed: no symbol of the library may be of a C library newer than 2.17. `--try` runs the
libraries of both processors on real files, the foreign one under qemu, and compares what they find byte for byte. Cross compilers
and qemu come from Debian: as root they are installed, otherwise the command to type is printed. Done by hand before a release.
"""

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import hatch_build
from tests.gcode_files import real_files

ROOT: Final = Path(__file__).parent.parent
BUILT: Final = ROOT / "build" / "wheels"
DIST: Final = ROOT / "dist"
DRIVER: Final = ROOT / "tests" / "native" / "kernel_driver.c"
NEWEST_GLIBC: Final = (2, 17)
_SYMBOL_VERSION: Final = re.compile(rb"GLIBC_(\d+)\.(\d+)(?:\.\d+)?\0")
_MACHINE_AT: Final = 18  # of an ELF file
_QEMU_PACKAGE: Final = "qemu-user-static"


@dataclass(frozen=True, slots=True)
class Target:
    """A processor that wheels are made for."""

    name: str  # as `platform.machine` says it
    elf_machine: int
    packages: tuple[str, ...]  # of Debian, for the cross compiler

    @property
    def compiler(self) -> str:
        return f"{self.name}-linux-gnu-gcc"

    @property
    def emulator(self) -> str:
        return f"qemu-{self.name}-static"

    @property
    def library(self) -> Path:
        return BUILT / self.name / hatch_build.LIBRARY

    @property
    def tag(self) -> str:
        major, minor = NEWEST_GLIBC
        return f"manylinux_{major}_{minor}_{self.name}"


TARGETS: Final = (
    Target("x86_64", 62, ("gcc-x86-64-linux-gnu", "libc6-dev-amd64-cross")),
    Target("aarch64", 183, ("gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross")),
)


class WheelError(RuntimeError):
    """A wheel cannot be made or is not what its name says; the message says why."""


def install(packages: list[str]) -> None:
    """Install Debian packages.

    Raises:
        WheelError: we may not; the message has the command.

    """
    command = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *packages]
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise WheelError(f"Missing: {', '.join(packages)}. Install them with: sudo {' '.join(command)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "--quiet"], check=True, env=environment, stdout=subprocess.DEVNULL)
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)


def newest_glibc(library: bytes) -> tuple[int, int]:
    """The newest version of the C library that a symbol of this library needs."""
    return max(((int(major), int(minor)) for major, minor in _SYMBOL_VERSION.findall(library)), default=(0, 0))


def check(target: Target, library: bytes) -> None:
    """See that a library is for its processor and as old as its tag promises.

    Raises:
        WheelError: it is not.

    """
    machine = int.from_bytes(library[_MACHINE_AT : _MACHINE_AT + 2], "little")
    if library[:4] != b"\x7fELF" or machine != target.elf_machine:
        raise WheelError(f"{target.library} is not for {target.name}")
    if newest_glibc(library) > NEWEST_GLIBC:
        raise WheelError(f"{target.library} needs glibc {newest_glibc(library)}, {target.tag} promises {NEWEST_GLIBC}")


def make_wheel(target: Target) -> None:
    """Compile, check and pack.

    Raises:
        WheelError: the library is not what the tag says.

    """
    hatch_build.build(target.compiler, target.library, (*hatch_build.WARNINGS, "-s"))
    check(target, target.library.read_bytes())
    environment = {**os.environ, "ESSAIM_KERNEL_LIBRARY": str(target.library), "ESSAIM_KERNEL_TAG": target.tag}
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps", "--wheel-dir", str(DIST)]
    subprocess.run([*pip, str(ROOT)], check=True, env=environment)


def run_driver(target: Target, blocks: bytes) -> bytes:
    """What the library of `target` makes of blocks of text (see tests/native/kernel_driver.c), on this machine or under qemu."""
    driver = target.library.with_name("driver")
    compiler = [target.compiler, "-std=c99", "-O2", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([*compiler, str(DRIVER), "-o", str(driver), "-ldl"], check=True)
    foreign = target.name != platform.machine()
    under = [target.emulator, "-L", f"/usr/{target.name}-linux-gnu"] if foreign else []
    return subprocess.run(
        [*under, str(driver), "run", str(target.library)], input=blocks, check=True, stdout=subprocess.PIPE
    ).stdout


def try_libraries() -> str:
    """Run both libraries on the real files; gives what was seen.

    Raises:
        WheelError: they differ.

    """
    texts = [path.read_bytes() for path in real_files() if path.suffix == ".gcode"]
    blocks = b"".join(len(text).to_bytes(4, "little") + text for text in texts)
    one, other = (run_driver(target, blocks) for target in TARGETS)
    if one != other or not one:
        raise WheelError(f"The libraries differ: {len(one):,} and {len(other):,} bytes of rows and seconds")
    return f"{len(texts)} files, {len(blocks):,} bytes: the same {len(one):,} bytes of rows and seconds from both"


def main(words: list[str]) -> int:
    """Make them; 1 when one is not what it should be."""
    parser = argparse.ArgumentParser(prog="./farm.sh wheels", description="Make the wheels in dist/.")
    parser.add_argument("--try", action="store_true", dest="run", help="run both libraries on real files and compare")
    chosen = parser.parse_args(words)
    try:
        missing = [package for target in TARGETS if shutil.which(target.compiler) is None for package in target.packages]
        if chosen.run and any(shutil.which(one.emulator) is None for one in TARGETS if one.name != platform.machine()):
            missing.append(_QEMU_PACKAGE)
        if missing:
            install(missing)
        for target in TARGETS:
            make_wheel(target)
            print(f"{target.tag}: newest symbol of glibc {newest_glibc(target.library.read_bytes())}")
        if chosen.run:
            print(try_libraries())
    except (WheelError, subprocess.CalledProcessError) as error:
        print(getattr(error, "stderr", None) or error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
