"""The kernel is built where there is a compiler, once for each change; without one nothing is wrong."""

import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import pytest

import hatch_build
from tests import wheels
from tests.integration.real import require
from tests.wheels import TARGETS, WheelError

ROOT: Final = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What `./farm.sh COMMAND` needs of a checkout: an environment that is up to date, and a program that ends at once."""
    for name in ("farm.sh", "hatch_build.py", "requirements.lock"):
        shutil.copy2(ROOT / name, tmp_path / name)
    for source in hatch_build.SOURCES:
        copy = tmp_path / source.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, copy)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(Path(sys.executable).resolve())
    shutil.copy2(ROOT / "requirements.lock", tmp_path / ".venv" / "essaim-requirements.lock")
    (tmp_path / "farm").mkdir()
    (tmp_path / "farm" / "__main__.py").write_text("import sys\nprint('ran', *sys.argv[1:])\n", "ascii")
    return tmp_path


def start(checkout: Path, command: str = "version", **environment: str) -> str:
    done = subprocess.run(
        [str(checkout / "farm.sh"), command],
        capture_output=True,
        text=True,
        check=True,
        cwd=checkout,
        env={**os.environ, **environment},
        timeout=200,
    )
    assert done.stdout == f"ran {command}\n"
    return done.stderr


def library_of(checkout: Path) -> Path:
    return checkout / "build" / "kernel" / platform.machine() / hatch_build.LIBRARY


def test_the_first_start_builds_the_kernel_silently_and_the_next_does_not(checkout: Path) -> None:
    require("a C compiler", shutil.which("cc") is not None)
    assert start(checkout) == ""
    library = library_of(checkout)
    built_ns = library.stat().st_mtime_ns
    assert hatch_build.digest_file(library).read_text("ascii") == hatch_build.digest(library)
    time.sleep(0.01)
    start(checkout)
    assert library.stat().st_mtime_ns == built_ns


def test_a_changed_source_is_built_again(checkout: Path) -> None:
    require("a C compiler", shutil.which("cc") is not None)
    start(checkout)
    library = library_of(checkout)
    before = library.read_bytes()
    source = checkout / "gcode" / "scan" / "kernel.c"
    source.write_text(source.read_text("utf-8") + "\nEXPORT int essaim_new(void);\nint essaim_new(void) { return 1; }\n", "utf-8")
    start(checkout)
    assert library.read_bytes() != before


def test_without_a_compiler_nothing_is_built_and_nothing_said(checkout: Path) -> None:
    assert start(checkout, CC="/nonexistent/cc") == ""
    assert not (checkout / "build").exists()


def test_a_compiler_that_fails_is_asked_once(checkout: Path) -> None:
    broken = checkout / "cc"
    broken.write_text(f"#!/bin/sh\necho asked >>{checkout}/asked\nexit 1\n", "utf-8")
    broken.chmod(0o755)
    for _ in range(3):
        assert start(checkout, CC=str(broken)) == ""
    assert (checkout / "asked").read_text("ascii") == "asked\n"
    assert not library_of(checkout).exists()


def test_a_node_builds_nothing(checkout: Path) -> None:
    """It reads G-code in plain Python; a Pi Zero would be busy for long."""
    start(checkout, "node")
    assert not (checkout / "build").exists()


def test_a_failed_build_leaves_no_library(tmp_path: Path) -> None:
    target = tmp_path / hatch_build.LIBRARY
    with pytest.raises(subprocess.CalledProcessError):
        hatch_build.build("false", target)
    assert list(tmp_path.iterdir()) == []


# ---- wheels ----


def test_the_newest_symbol_of_the_c_library() -> None:
    library = b"\x7fELF...GLIBC_2.2.5\0memmove\0GLIBC_2.17\0GLIBC_2.4\0"
    assert wheels.newest_glibc(library) == (2, 17)
    assert wheels.newest_glibc(b"nothing") == (0, 0)


def _elf(machine: int, *symbols: bytes) -> bytes:
    return b"\x7fELF".ljust(18, b"\0") + machine.to_bytes(2, "little") + b"".join(b"GLIBC_" + symbol + b"\0" for symbol in symbols)


def test_a_wheel_promises_what_its_library_keeps() -> None:
    for target in TARGETS:
        wheels.check(target, _elf(target.elf_machine, b"2.17", b"2.2.5"))


@pytest.mark.parametrize(
    ("library", "reason"),
    [
        (_elf(183, b"2.17"), "not for x86_64"),
        (_elf(62, b"2.17", b"2.38"), r"needs glibc \(2, 38\)"),
        (b"no library at all, but long enough", "not for x86_64"),
        (b"", "not for x86_64"),
    ],
)
def test_a_library_that_breaks_the_promise(library: bytes, reason: str) -> None:
    with pytest.raises(WheelError, match=reason):
        wheels.check(TARGETS[0], library)


def test_a_missing_cross_compiler_is_named_to_who_may_not_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert wheels.main([]) == 1
    assert "sudo apt-get install" in capsys.readouterr().err


@pytest.mark.real
def test_the_kernel_of_this_machine_is_old_enough_for_its_wheel(tmp_path: Path) -> None:
    compiler = hatch_build.compiler()
    require("a C compiler", compiler is not None)
    target = next((target for target in TARGETS if target.name == platform.machine()), None)
    if target is None:
        pytest.skip(f"no wheels are made for {platform.machine()}")
    library = tmp_path / hatch_build.LIBRARY
    hatch_build.build(str(compiler), library, hatch_build.WARNINGS)
    wheels.check(target, library.read_bytes())
