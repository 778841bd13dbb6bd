"""The process that judges: what it says of good, bad and doubtful programs, and what it keeps."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from farm.node import judging
from farm.node.judging import answer, judge
from gcode import checks
from gcode.limits import Limits, as_record
from gcode.profile import PrinterProfile, bundled_profiles
from gcode.rules import RULE_SET_VERSION
from tests.unit.gcode.samples import END, LINE, SMALL, START

NO_LIMITS = Limits()
PROFILE = bundled_profiles()["generic-210"]


def written(folder: Path, text: str) -> Path:
    path = folder / "program.gcode"
    path.write_text(text)
    return path


def answered(refused: dict[str, str] | None, *trust: str) -> dict[str, Any]:
    return {"refused": refused, "needs_trust": bool(trust), "trust": list(trust), "rule_set": RULE_SET_VERSION}


def task(program: Path, limits: Limits = NO_LIMITS, **fields: Any) -> dict[str, Any]:
    whole = {"program": str(program), "sha256": "a" * 64, "profile": "generic-210", "limits": as_record(limits)}
    return {**whole, "folder": str(program.parent / "checks"), "memory_bytes": 2**29, **fields}


def test_a_good_program_passes(tmp_path: Path) -> None:
    assert judge(written(tmp_path, SMALL), PROFILE, Limits()) == answered(None)


def test_a_refusal_names_the_line_and_the_figures_in_both_languages(tmp_path: Path) -> None:
    found = judge(written(tmp_path, SMALL.replace("S200", "S300")), PROFILE, Limits())
    assert found["refused"] == {
        "en": "The nozzle would be hotter than this printer may be. Line 1: 300 > 260 °C",
        "fr": "La buse serait plus chaude que cette imprimante ne le permet. Ligne 1 : 300 > 260 °C",
    }


def test_a_finding_about_the_whole_file_has_no_line(tmp_path: Path) -> None:
    found = judge(written(tmp_path, START + LINE), PROFILE, Limits())
    assert "Heaters are still on" in found["refused"]["en"]
    assert "Line" not in found["refused"]["en"]


def test_the_owners_limits_refuse_what_the_profile_lets_pass(tmp_path: Path) -> None:
    program = written(tmp_path, SMALL)
    assert "200 > 190 °C" in judge(program, PROFILE, Limits(max_nozzle_c=190))["refused"]["en"]
    assert "max_file_bytes in limits.toml" in judge(program, PROFILE, Limits(max_file_bytes=10))["refused"]["en"]
    assert "max_print_h dans limits.toml" in judge(program, PROFILE, Limits(max_print_h=0.0))["refused"]["fr"]
    assert "does not allow" in judge(program, PROFILE, Limits(forbidden_codes=frozenset({"M83"})))["refused"]["en"]


HEATED = replace(PROFILE, max_chamber_c=60.0)


@pytest.mark.parametrize(
    ("limits", "en", "fr"),
    [
        (Limits(max_nozzle_c=190), "limits.toml allows 190 °C. Line 1: 200 > 190 °C", "limits.toml permet 190 °C. Ligne 1 : 200"),
        (Limits(max_bed_c=50), "limits.toml allows 50 °C. Line 2: 60 > 50 °C", "limits.toml permet 50 °C. Ligne 2 : 60 > 50"),
        (Limits(volume_max=(40, 200, 200)), "limits.toml allows X 0..40 Y 0..200 Z 0..200 mm", "limits.toml permet X 0..40 Y"),
        (Limits(forbidden_codes=frozenset({"M83"})), "limits.toml forbids it", "limits.toml l'interdit"),
    ],
)
def test_a_refusal_by_the_owner_says_that_limits_toml_set_it(tmp_path: Path, limits: Limits, en: str, fr: str) -> None:
    refused = judge(written(tmp_path, SMALL), PROFILE, limits)["refused"]
    assert en in refused["en"]
    assert fr in refused["fr"]


def test_a_chamber_that_the_owner_does_not_heat_is_said_to_be_so(tmp_path: Path) -> None:
    program = written(tmp_path, "M141 S50\n" + SMALL + "M141 S0\n")
    assert judge(program, HEATED, NO_LIMITS)["refused"] is None
    assert "limits.toml allows 40 °C. Line 1: 50 > 40" in judge(program, HEATED, Limits(max_chamber_c=40))["refused"]["en"]
    assert "limits.toml allows 0 °C. Line 1: " in judge(program, HEATED, Limits(max_chamber_c=0))["refused"]["en"]


def test_arcs_that_only_the_owner_forbids_are_said_to_be_so(tmp_path: Path) -> None:
    program = written(tmp_path, START + "G2 X20 Y20 I5 J5 E1\n" + LINE + END)
    assert "limits.toml forbids it" in judge(program, PROFILE, Limits(forbidden_codes=frozenset({"G2"})))["refused"]["en"]


@pytest.mark.parametrize(
    ("profile", "limits"),
    [
        (PROFILE, Limits(max_bed_c=50, max_nozzle_c=1000)),
        (replace(PROFILE, max_nozzle_c=150.0), Limits(max_nozzle_c=180)),
        (replace(PROFILE, forbidden_codes=frozenset({"M104", "M109"})), Limits(forbidden_codes=frozenset({"M104", "M109"}))),
    ],
)
def test_what_the_profile_forbids_is_not_put_on_the_owner(tmp_path: Path, profile: PrinterProfile, limits: Limits) -> None:
    program = written(tmp_path, SMALL.replace("S200", "S300"))
    assert "limits.toml" not in judge(program, profile, limits)["refused"]["en"]


KLIPPER = bundled_profiles()["generic-klipper"]


@pytest.mark.parametrize(
    ("line", "profile", "limits", "says"),
    [
        ("M150 R1\n", replace(PROFILE, forbidden_codes=frozenset({"M150"})), Limits(forbidden_codes=frozenset({"M600"})), "M150"),
        ("m150 R1\n", replace(PROFILE, forbidden_codes=frozenset({"M150"})), Limits(volume_max=(200, 200, 190)), "M150"),
        (
            "G2 X20 Y20 I5 J5 E1\n",
            replace(PROFILE, forbidden_codes=frozenset({"G2", "G3"})),
            Limits(forbidden_codes=frozenset({"M600"})),
            "arcs",
        ),
        ("G1 X400 E1\n", PROFILE, NO_LIMITS, "400"),
        ("G1 X400 E1\n", PROFILE, Limits(max_nozzle_c=210, max_bed_c=70), "400"),
        ("SET_HEATER_TEMPERATURE HEATER=heater_bed TARGET=400\n", KLIPPER, Limits(max_nozzle_c=230), "400"),
    ],
)
def test_the_owner_is_named_only_for_the_line_that_the_owner_drew(
    tmp_path: Path, line: str, profile: PrinterProfile, limits: Limits, says: str
) -> None:
    """Limits that narrow something else are no reason."""
    refused = judge(written(tmp_path, START + line + LINE + END), profile, limits)["refused"]
    assert says in refused["en"]
    assert "limits.toml" not in refused["en"] + refused["fr"]


def test_the_owners_heat_of_a_heater_by_name_is_the_owners(tmp_path: Path) -> None:
    line = "SET_HEATER_TEMPERATURE HEATER=heater_bed TARGET=80\n"
    refused = judge(written(tmp_path, START + line + LINE + END), KLIPPER, Limits(max_nozzle_c=230, max_bed_c=70))["refused"]
    assert "limits.toml allows 70 °C" in refused["en"]


def test_what_needs_trust_is_accepted_only_where_the_owner_says_so(tmp_path: Path) -> None:
    program = written(tmp_path, START + "M907 E500\n" + LINE + END)
    found = judge(program, PROFILE, Limits())
    assert "accept_trusted" in found["refused"]["en"]
    assert "M907 E500" in found["refused"]["fr"]
    assert judge(program, PROFILE, Limits(accept_trusted=True)) == answered(None, "machine-tuning")
    long = judge(program, PROFILE, Limits(accept_trusted=True, max_print_h=0.0))
    assert long["refused"] is not None


def test_an_answer_is_kept_for_its_file_profile_limits_and_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = written(tmp_path, SMALL)
    asked: list[object] = []

    def counted(*arguments: object) -> dict[str, Any]:
        asked.append(arguments)
        return answered(None)

    monkeypatch.setattr(judging, "judge", counted)
    for _ in range(3):
        assert answer(task(program)) == answered(None)
    assert len(asked) == 1
    answer(task(program, sha256="b" * 64))
    answer(task(program, Limits(max_bed_c=50)))
    answer(task(program, profile="generic-300"))
    assert len(asked) == 4
    answer(task(program, Limits(quiet_hours=((0.0, 5.0),))))
    assert len(asked) == 4, "at which hours is another matter"
    monkeypatch.setattr(judging, "RULE_SET_VERSION", 10_000)
    answer(task(program))
    changed = replace(PROFILE, revision="another")
    monkeypatch.setattr(judging, "bundled_profiles", lambda: {"generic-210": changed})
    answer(task(program))
    assert len(asked) == 6


def test_a_damaged_answer_is_found_again(tmp_path: Path) -> None:
    program = written(tmp_path, SMALL)
    answer(task(program))
    (kept,) = (tmp_path / "checks").iterdir()
    for content in ("{", "[]", '{"refused": null}', '{"refused": null, "needs_trust": false}'):  # the last: by an older Essaim
        kept.write_text(content)
        assert answer(task(program)) == answered(None)
    assert json.loads(kept.read_text()) == answered(None)


def test_old_answers_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "_KEPT_ANSWERS", 3)
    program = written(tmp_path, SMALL)
    for number in range(6):
        answer(task(program, sha256=f"{number:064x}"))
    assert len(list((tmp_path / "checks").iterdir())) == 3


def test_answers_that_cannot_be_written_are_given_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    assert answer(task(written(tmp_path, SMALL), folder=str(tmp_path / "file")))["refused"] is None


def run(told: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "farm.node.judging"]
    return subprocess.run(command, input=json.dumps(told), capture_output=True, text=True, env=environment, check=False)


def test_the_process_answers_in_json(tmp_path: Path) -> None:
    done = run(task(written(tmp_path, SMALL)))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == answered(None)


def test_its_memory_is_limited(tmp_path: Path) -> None:
    assert run(task(written(tmp_path, SMALL), memory_bytes=2**20)).returncode != 0


def test_it_loads_nothing_of_the_daemon_and_no_numpy() -> None:
    script = "import sys, farm.node.judging; sys.exit(bool({'numpy', 'sqlalchemy', 'pydantic', 'gcode.scan'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


TRAVELS = "".join(f"G1 X{10 + number % 2 * 180} F60000\n" for number in range(400))
FAST = (
    "".join(f"; machine_max_{key}_{axis} = 99999\n" for key in ("acceleration", "feedrate", "jerk") for axis in "xyze")
    + "; machine_max_acceleration_extruding = 99999\n; machine_max_acceleration_travel = 99999\n"
)


def test_a_file_cannot_claim_a_faster_printer_to_look_shorter_than_the_owner_allows(tmp_path: Path) -> None:
    plain, claimed = START + TRAVELS + LINE + END, START + TRAVELS + LINE + END + FAST
    hours = {
        capped: checks.inspect(BytesIO(claimed.encode()), (PROFILE,), capped=capped).facts.time_s / 3600 for capped in (False, True)
    }
    assert hours[True] > 2 * hours[False]
    refused = judge(written(tmp_path, claimed), PROFILE, Limits(max_print_h=0.07))["refused"]
    assert refused == judge(written(tmp_path, plain), PROFILE, Limits(max_print_h=0.07))["refused"]
    assert "max_print_h in limits.toml" in refused["en"]


def test_an_hour_of_waits_is_an_hour(tmp_path: Path) -> None:
    program = written(tmp_path, START.replace("M104 S200\nM140 S60\n", "") + "G4 S600\n" * 6 + "M104 S200\n" + LINE + END)
    assert "max_print_h" in judge(program, PROFILE, Limits(max_print_h=1.0))["refused"]["en"]
    assert judge(program, PROFILE, Limits(max_print_h=1.5))["refused"] is None
