"""How far our figures are from the slicers' own: `python -m tests.bench.estimates [FILE ...]`.

Without files: the real ones of the tests, and a frame that PrusaSlicer, where it is installed, slices for each bundled profile.
PrusaSlicer does not count the waiting of G4, and its older versions (2.5 does not, 2.9 does) not the filament of the start code:
what the slicer leaves out is left out here on our side too.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Final

from gcode.facts import GcodeFacts
from gcode.frame import default_design, frame_stl
from gcode.interpreter import read_facts
from gcode.profile import PrinterProfile, bundled_profiles
from gcode.slicers import EXECUTABLES, prusaslicer_arguments, prusaslicer_settings
from tests.gcode_files import real_files

_DWELL: Final = re.compile(rb"^G4\b[^\r\n]*", re.MULTILINE)
_VERSION: Final = re.compile(r"PrusaSlicer (\d+)\.(\d+)")
_COUNTS_START: Final = (2, 9)
_SLICING_S: Final = 300
_THICK: Final = {"visor_2020_um3_888.gcode": 2.85}  # filament (mm) where it is not 1.75
_SLICED: Final = ("creality-ender3", "generic-210", "generic-300", "prusa-mk3s")
_NO_LIMITS: Final = "generic-300"  # lends its limits to a file that names none


@dataclass(frozen=True, slots=True)
class Truth:
    """One file: the slicer's figures and ours, None where the slicer names none."""

    name: str
    slicer: str
    claimed_s: float
    ours_s: float
    claimed_mm: float | None
    ours_mm: float

    @property
    def time_percent(self) -> float:
        """How much more we find."""
        return 100 * (self.ours_s / self.claimed_s - 1)

    @property
    def filament_percent(self) -> float | None:
        """How much more we find."""
        return None if not self.claimed_mm else 100 * (self.ours_mm / self.claimed_mm - 1)


def _start_mm(content: bytes, facts: GcodeFacts, profile: PrinterProfile | None) -> float:
    """Filament that the slicer does not count: what is fed before the first layer mark."""
    version = _VERSION.match(facts.slicer or "")
    if version is not None and (int(version[1]), int(version[2])) >= _COUNTS_START:
        return 0.0
    begin = facts.layer_table[0].offset if facts.layer_table else 0
    return read_facts(BytesIO(content[:begin]), profile).filament_mm if content[begin : begin + 1] == b";" else 0.0


def compare(name: str, content: bytes, profile: PrinterProfile | None = None) -> Truth | None:
    """The figures of one file; None when its slicer claims no time."""
    still = _DWELL.sub(b"", content)
    facts = read_facts(BytesIO(still), profile)
    if not facts.claimed_time_s or facts.extruding is None:
        return None
    ours_mm = facts.filament_mm - _start_mm(still, facts, profile)
    return Truth(name, facts.slicer or "?", facts.claimed_time_s, facts.time_s, facts.claimed_filament_mm, ours_mm)


def sliced_frame(profile: PrinterProfile, folder: Path) -> bytes | None:
    """The frame of `profile` as PrusaSlicer makes it; None where there is no PrusaSlicer.

    Raises:
        subprocess.CalledProcessError: it refuses.

    """
    slicer = next((found for name in EXECUTABLES if (found := shutil.which(name))), None)
    if slicer is None:
        return None
    (folder / "frame.stl").write_bytes(frame_stl(default_design(profile)))
    (folder / "flat.ini").write_text(prusaslicer_settings(profile))
    words = prusaslicer_arguments("frame.stl", "out.gcode", "flat.ini", str(folder / "data"))
    subprocess.run([slicer, *words], cwd=folder, check=True, capture_output=True, timeout=_SLICING_S)
    return (folder / "out.gcode").read_bytes()


def truths(files: Sequence[Path] = ()) -> Iterator[Truth]:
    """Each file that has something to compare."""
    profiles = bundled_profiles()
    for path in files or [path for path in real_files() if path.suffix == ".gcode"]:
        lent = replace(profiles[_NO_LIMITS], filament_mm=_THICK.get(path.name, profiles[_NO_LIMITS].filament_mm))
        found = compare(path.name, path.read_bytes(), lent)
        if found is not None:
            yield found
    if files:
        return
    for profile in (profiles[name] for name in _SLICED):
        with tempfile.TemporaryDirectory() as folder:
            content = sliced_frame(profile, Path(folder))
        found = None if content is None else compare(f"frame for {profile.id}", content, profile)
        if found is not None:
            yield found


def row(truth: Truth) -> str:
    """One line of the table in docs/gcode.md."""
    filament = "-" if truth.filament_percent is None else f"{truth.filament_percent:+.3f}"
    claimed = "-" if truth.claimed_mm is None else f"{truth.claimed_mm:.1f}"
    return (
        f"| {truth.name} | {truth.slicer} | {truth.claimed_s:.0f} | {truth.ours_s:.0f} | {truth.time_percent:+.2f} "
        f"| {claimed} | {truth.ours_mm:.1f} | {filament} |"
    )


def main(names: Sequence[str]) -> None:
    """Print the table."""
    print("| file | slicer | slicer s | ours s | % | slicer mm | ours mm | % |\n|---|---|---|---|---|---|---|---|")
    for truth in truths([Path(name) for name in names]):
        print(row(truth), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
