"""Where the kernel is not there, damaged, or does not fit: the scan goes on with NumPy, and says why."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import hatch_build
from gcode.machine import Machine
from gcode.scan import kernel
from gcode.scan.kernel import KernelError, KernelParser, KernelPlanning
from tests.unit.gcode.scan.compiled import build_kernel, compiler


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """An empty place in which the library is looked for."""
    path = tmp_path / kernel.LIBRARY
    monkeypatch.setattr(kernel, "places", lambda: (path,))
    monkeypatch.delenv(kernel.SWITCH, raising=False)
    kernel._load.cache_clear()
    yield path
    kernel._load.cache_clear()


def test_without_a_library_the_scan_is_numpys(place: Path) -> None:
    assert not kernel.available()
    assert kernel.engine_name() == "numpy"
    assert "not built" in str(kernel.missing_because())
    with pytest.raises(KernelError, match="not built"):
        KernelParser()
    with pytest.raises(KernelError, match="not built"):
        KernelPlanning()


def test_a_library_that_fits(place: Path) -> None:
    build_kernel(place.parent)
    assert kernel.available()
    assert (kernel.engine_name(), kernel.missing_because()) == ("kernel", None)
    assert KernelParser().parse(memoryview(b"G1 X5\n"), Machine(), 1, 0).moves == 1


def test_it_can_be_switched_off(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_kernel(place.parent)
    monkeypatch.setenv(kernel.SWITCH, "off")
    assert kernel.engine_name() == "numpy"
    assert "off" in str(kernel.missing_because())


@pytest.mark.parametrize("damage", ["cut", "one byte", "no digest", "empty"])
def test_a_damaged_library_is_not_loaded(place: Path, damage: str) -> None:
    """The loader would believe it: a file cut in the middle ends the process."""
    build_kernel(place.parent)
    content = bytearray(place.read_bytes())
    content[len(content) // 2] ^= 1
    if damage == "no digest":
        place.with_suffix(".sha256").unlink()
    else:
        place.write_bytes({"cut": bytes(content[:9000]), "one byte": bytes(content), "empty": b""}[damage])
    assert kernel.engine_name() == "numpy"
    assert ("cannot be read" if damage == "no digest" else "damaged") in str(kernel.missing_because())


def test_another_abi_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_kernel(place.parent)
    monkeypatch.setattr(kernel, "ABI", kernel.ABI + 1)
    assert "version" in str(kernel.missing_because())


def test_another_layout_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_kernel(place.parent)
    monkeypatch.setattr(kernel, "_Batch", kernel._Limits)
    assert "lays out _Limits" in str(kernel.missing_because())


def test_a_file_that_is_no_library(place: Path) -> None:
    place.write_bytes(b"#!/bin/sh\n")
    hatch_build.digest_file(place).write_text(hatch_build.digest(place), "ascii")
    assert "cannot be loaded" in str(kernel.missing_because())


def test_a_library_of_something_else(place: Path, tmp_path: Path) -> None:
    source = tmp_path / "other.c"
    source.write_text("int something_else(void) { return 1; }\n")
    subprocess.run([compiler(), "-shared", "-fPIC", str(source), "-o", str(place)], check=True)
    hatch_build.digest_file(place).write_text(hatch_build.digest(place), "ascii")
    assert "essaim_abi" in str(kernel.missing_because())
