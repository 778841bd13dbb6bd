"""Real G-code of slicers for tests: files inside two source distributions that are fetched once and never committed.

| file | slicer, flavour | what is in it |
|---|---|---|
| `3DBenchy_0.6n_0.32mm_FLEX_COREONE_32m.gcode`, `.bgcode` | PrusaSlicer 2.9, marlin2 (Core One) | arcs, relative E, thumbnails |
| `fdn_full_0.15mm_PETG_MK3S_2h6m.gcode` | PrusaSlicer 2.4.1, marlin (MK3S) | 5.3 MB, relative E |
| `full_m73_layers_0.2mm_PLA_MK3SMMU2S_11m.gcode` | PrusaSlicer 2.5, marlin (MK3S MMU2S) | 0.1 MB, M73 |
| `fdn_filename.gcode` and its like, `mmu_attribute_test.gcode` | PrusaSlicer 2.1 | comments alone |

`real_files` gives these and the real plates of 2020 that lie beside the project, where they are there.
"""

import fcntl
import gzip
import hashlib
import os
import subprocess
import sys
import tarfile
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from tests.shared_data import FOLDER as SHARED

ROOT: Final = Path(__file__).parent.parent
FOLDER: Final = ROOT / "build" / "gcode-files"
_SOURCES: Final = {
    "gcode_lib-1.1.13.tar.gz": ("gcode-lib==1.1.13", "ed14e5759e687e6cdf0580cc9b93617f24f8fb3a5641324faab3be70c1403c14"),
    "py_gcode_metadata-0.2.0.tar.gz": (
        "py-gcode-metadata==0.2.0",
        "38f23d402fb549eeb9cf68e38f2bdfd7989db4a01079ef05e9e4c0bf9f82d1fd",
    ),
}
_ENDINGS: Final = (".gcode", ".bgcode")
_MOST_BYTES: Final = 16_000_000
_FETCH_S: Final = 600


def _download(folder: Path) -> None:
    requirements = folder / "requirements.txt"
    requirements.write_text("".join(f"{name} --hash=sha256:{digest}\n" for name, digest in _SOURCES.values()), "ascii")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-binary", ":all:", "--no-deps"]
    command = [*pip, "--require-hashes", "--dest", str(folder), "--requirement", str(requirements)]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=_FETCH_S)


def _unpack(archive: Path, digest: str) -> None:
    """Only plain files with our endings, by their last name: nothing in an archive chooses where it is written."""
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != digest:
        raise ValueError(f"{archive.name} has SHA-256 {found}, not {digest}")
    with tarfile.open(archive) as members:
        for member in members:
            name = Path(member.name).name
            if member.isfile() and name.endswith(_ENDINGS) and 0 < member.size < _MOST_BYTES:
                content = members.extractfile(member)
                assert content is not None
                (archive.parent / name).write_bytes(content.read())


def _fetch(folder: Path) -> None:
    stamp = folder / "fetched"
    wanted = "\n".join(digest for _, digest in _SOURCES.values())
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:  # two workers of pytest may come at the same moment
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.is_file() and stamp.read_text("ascii") == wanted:
            return
        if any(not (folder / name).is_file() for name in _SOURCES):
            _download(folder)
        for name, (_, digest) in _SOURCES.items():
            _unpack(folder / name, digest)
        stamp.write_text(wanted, "ascii")


def _plates_of_2020(folder: Path) -> list[Path]:
    plates = []
    for packed in sorted(SHARED.glob("*.gcode.gz")):
        plain = folder / packed.name.removesuffix(".gz")
        if not plain.is_file():
            partial = plain.with_suffix(f".{os.getpid()}")
            partial.write_bytes(gzip.decompress(packed.read_bytes()))
            partial.replace(plain)
        plates.append(plain)
    return plates


@cache
def real_files() -> list[Path]:
    """Every real file at hand, `.gcode` and `.bgcode`, smallest first. Fetches at most once a checkout.

    Raises:
        pytest.skip.Exception: they cannot be fetched; in CI that is a failure.

    """
    try:
        _fetch(FOLDER)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        reason = f"The source distributions with real G-code cannot be fetched: {getattr(error, 'stderr', None) or error}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    _plates_of_2020(FOLDER)
    found = [path for path in FOLDER.iterdir() if path.suffix in _ENDINGS]
    return sorted(found, key=lambda path: (path.stat().st_size, path.name))


def real_file(name: str) -> Path:
    """The real file of that name.

    Raises:
        pytest.skip.Exception: it is not at hand; in CI that fails, but for a plate of 2020 (only the authors have those).

    """
    for path in real_files():
        if path.name == name:
            return path
    reason = f"{name} is not at hand"
    if os.environ.get("CI") and not name.startswith("visor_"):
        pytest.fail(reason)
    pytest.skip(reason)
