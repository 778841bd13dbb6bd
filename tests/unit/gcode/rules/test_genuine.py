"""No genuine file is rejected on a printer that fits it; what is said of each is what there is to say."""

import re
import shutil
import subprocess
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest

from gcode.checks import CheckReport, Verdict, check
from gcode.profile import Box, PrinterProfile, bundled_profiles
from gcode.scan.engine import inspect
from tests.gcode_files import real_file
from tests.integration.real import require
from tests.integration.small_program import small_program

pytestmark = pytest.mark.real

PROFILES = bundled_profiles()


def core_one() -> PrinterProfile:
    """As Prusa publishes it: 250 x 220 x 270 mm, a chamber up to 55 degrees, 290 at the nozzle."""
    volume = Box(0, 0, 0, 250, 220, 270)
    return replace(
        PROFILES["prusa-mk3s"],
        id="core-one",
        flavour="marlin",
        model="COREONE",
        volume=volume,
        purge=Box(-1, -22, 0, 252, 222, 15),
        nozzles_mm=(0.6,),
        max_chamber_c=55.0,
        limits=None,
        allowed_lines=frozenset({"M301 P24.87 I2.06 D75.12", "M569 S0 E"}),
    )


def report(name: str, profile: PrinterProfile) -> CheckReport:
    with real_file(name).open("rb") as stream:
        return check(stream, profile)


def said(found: CheckReport) -> dict[str, int]:
    return {finding.rule.id: finding.count for finding in found.findings}


@pytest.mark.parametrize(
    ("name", "profile", "expected"),
    [
        ("visor_2020_mk3s_iso838.gcode", PROFILES["prusa-mk3s"], {}),
        ("visor_ender3_pla.gcode", PROFILES["creality-ender3"], {}),
        ("fdn_full_0.15mm_PETG_MK3S_2h6m.gcode", PROFILES["prusa-mk3s"], {}),
        ("visor_2020_um3_888.gcode", PROFILES["ultimaker-3"], {}),
        ("3DBenchy_0.6n_0.32mm_FLEX_COREONE_32m.gcode", core_one(), {"host-message": 4}),
    ],
    ids=["mk3s", "ender3", "mk3s-petg", "ultimaker3", "core-one"],
)
def test_a_genuine_file_passes_on_its_printer(name: str, profile: PrinterProfile, expected: dict[str, int]) -> None:
    found = report(name, profile)
    assert said(found) == expected
    assert found.verdict is Verdict.PASS


@pytest.mark.parametrize("allowed", [frozenset(), frozenset({"M907 E999"})])
def test_motor_currents_that_the_profile_does_not_know_need_trust_and_are_no_reason_to_reject(allowed: frozenset[str]) -> None:
    found = report("fdn_full_0.15mm_PETG_MK3S_2h6m.gcode", replace(PROFILES["prusa-mk3s"], allowed_lines=allowed))
    assert said(found) == {"machine-tuning": 2}
    assert found.verdict is Verdict.TRUSTED_ONLY
    assert [hit.text for hit in found.findings[0].hits] == ["M907 E430", "M907 E538"]


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_the_start_and_end_of_every_profile_keep_its_own_rules(name: str) -> None:
    found = check(BytesIO(small_program(name)), PROFILES[name])
    assert said(found) == {}


def test_the_purge_line_in_front_of_the_bed_is_fine_only_where_the_profile_says_so() -> None:
    mk3s = PROFILES["prusa-mk3s"]
    found = report("visor_2020_mk3s_iso838.gcode", replace(mk3s, purge=mk3s.volume))
    (outside,) = [finding for finding in found.findings if finding.rule.id == "outside-volume"]
    assert outside.hits[0].value == -3
    assert outside.hits[0].limit == 0


CUBE = "".join(
    f"facet normal 0 0 0\nouter loop\n{''.join(f'vertex {x} {y} {z}' + chr(10) for x, y, z in corners)}endloop\nendfacet\n"
    for a, b, c, d in (
        ((0, 0, 0), (0, 0, 2), (0, 12, 2), (0, 12, 0)),
        ((12, 0, 0), (12, 12, 0), (12, 12, 2), (12, 0, 2)),
        ((0, 0, 0), (12, 0, 0), (12, 0, 2), (0, 0, 2)),
        ((0, 12, 0), (0, 12, 2), (12, 12, 2), (12, 12, 0)),
        ((0, 0, 0), (0, 12, 0), (12, 12, 0), (12, 0, 0)),
        ((0, 0, 2), (12, 0, 2), (12, 12, 2), (0, 12, 2)),
    )
    for corners in ((a, b, c), (a, c, d))
)
SETTINGS = """bed_shape = 0x0,200x0,200x200,0x200
temperature = 210
first_layer_temperature = 215
bed_temperature = 55
first_layer_bed_temperature = 60
"""


def sliced(folder: Path, start: str, end: str, layer: str = "", flavour: str = "marlin") -> bytes:
    """A small plate of Debian's PrusaSlicer (2.5 has no flavour of Klipper; its users took Marlin's), with this custom G-code."""
    slicer = shutil.which("prusa-slicer")
    require("prusa-slicer", slicer is not None)
    assert slicer is not None
    (folder / "cube.stl").write_text(f"solid cube\n{CUBE}endsolid cube\n")
    (folder / "cube.ini").write_text(
        f"gcode_flavor = {flavour}\n{SETTINGS}start_gcode = {start}\nend_gcode = {end}\nlayer_gcode = {layer}\n"
    )
    arguments = [slicer, "--export-gcode", "--load", "cube.ini", "--center", "100,100", "-o", "cube.gcode", "cube.stl"]
    subprocess.run(arguments, cwd=folder, check=True, capture_output=True, timeout=120)
    return (folder / "cube.gcode").read_bytes()


@pytest.mark.parametrize(
    ("start", "end", "layer"),
    [
        ("PRINT_START BED=[first_layer_bed_temperature] EXTRUDER=[first_layer_temperature]", "PRINT_END", ""),
        ("M190 S0\\nM109 S0\\nSTART_PRINT EXTRUDER_TEMP=215 BED_TEMP=60", "END_PRINT", "_ON_LAYER LAYER=[layer_num]"),
        ("M190 S60\\nM109 S215\\nG32\\n_START", "M104 S0\\nM140 S0\\nPARK", ""),
        ("PRINT_BEGIN", "TURN_OFF_HEATERS", ""),
    ],
    ids=["macros", "voron", "g32", "begin"],
)
def test_a_plate_for_klipper_with_macros_is_a_matter_of_trust(tmp_path: Path, start: str, end: str, layer: str) -> None:
    content = sliced(tmp_path, start, end, layer)
    klipper = PROFILES["generic-klipper"]
    found = inspect(BytesIO(content), (klipper,), kernel=False)
    assert said(found.reports[0]).keys() == {"unknown-command"}
    assert found.reports[0] == check(BytesIO(content), klipper)
    names = frozenset(re.findall(r"^[A-Z_]{4,}", content.decode(), re.MULTILINE))
    assert said(check(BytesIO(content), replace(klipper, macros=names))) == {}
    cut = b"".join(content.splitlines(keepends=True)[: found.facts.last_extrusion_line])
    for macros in (frozenset[str](), names):
        assert "heaters-left-on" in said(check(BytesIO(cut), replace(klipper, macros=macros)))


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ('M98 P"start.g"', 'M98 P"end.g"'),
        ('M190 S0\\nM109 S0\\nM98 P"/macros/G29 start.g" R1', "M104 S0\\nM140 S0"),
    ],
    ids=["alone", "G29"],
)
def test_a_plate_for_reprapfirmware_with_macros_is_a_matter_of_trust(tmp_path: Path, start: str, end: str) -> None:
    content = sliced(tmp_path, start, end, flavour="reprapfirmware")
    duet = PROFILES["generic-reprapfirmware"]
    found = inspect(BytesIO(content), (duet,), kernel=False)
    assert said(found.reports[0]).keys() == {"macro"}
    assert found.reports[0] == check(BytesIO(content), duet)
    listed = replace(duet, macros=frozenset({"start.g", "end.g", "/macros/g29 start.g"}))
    assert said(check(BytesIO(content), listed)) == {}
    cut = b"".join(content.splitlines(keepends=True)[: found.facts.last_extrusion_line])
    for one in (duet, listed):
        assert "heaters-left-on" in said(check(BytesIO(cut), one))
