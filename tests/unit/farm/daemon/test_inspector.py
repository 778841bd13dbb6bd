"""The process that reads a stranger's file: what it says is bounded and can be read, whatever the file holds."""

import hashlib
import io
import json
import math
import os
import resource
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from farm.daemon import inspector
from farm.daemon.inspector import HEAD, Kind, Speaker, Task, facts_of, finite, report_row, summary_of, thumbnail_of, trust_of
from gcode.checks import CheckReport, Finding, Hit, inspect
from gcode.facts import GcodeFacts, LayerFacts
from gcode.house import HouseBlocksError
from gcode.profile import bundled_profiles
from gcode.rules import Rule, Severity
from tests.integration.small_program import small_program

PROFILE = bundled_profiles()["generic-210"]
MIB = 1024**2


def task_of(folder: Path, **fields: Any) -> Task:
    values: dict[str, Any] = {
        "source": folder / "upload",
        "plain": folder / "plain",
        "profiles": (PROFILE,),
        "density_g_cm3": 1.24,
        "memory_bytes": 384 * MIB,
        "plain_bytes": MIB,
        "cpu_s": 60,
        "niceness": 1,
        **fields,
    }
    return Task(**values)


def facts() -> GcodeFacts:
    return inspect(io.BytesIO(small_program()), [PROFILE]).facts


def frames(said: bytes) -> list[tuple[Kind, bytes]]:
    found = []
    while said:
        kind, size = HEAD.unpack(said[: HEAD.size])
        found.append((Kind(kind), said[HEAD.size : HEAD.size + size]))
        said = said[HEAD.size + size :]
    return found


def finding(rule: str, severity: Severity, count: int = 1, hits: int = 1, text: str = "M907 X500") -> Finding:
    made = Rule(rule, severity, "It is odd.", "C'est bizarre.", "Fix it.", "Corrigez.")
    return Finding(made, count, tuple(Hit(number + 1, number * 10, text, "odd") for number in range(hits)))


def report(*findings: Finding) -> CheckReport:
    return CheckReport("generic-210", 7, findings, "abc")


# --- what it says -----------------------------------------------------------------------------------------------------------------


def test_progress_is_not_told_more_often_than_anybody_looks() -> None:
    stream = io.BytesIO()
    tell = Speaker(stream).progress("checking", 500)
    for done in range(500):
        tell(done)
    told = [json.loads(content) for _, content in frames(stream.getvalue())]
    assert told[0] == {"step": "checking", "done": 0, "of": 500}
    assert len(told) < 20


def test_numbers_that_json_does_not_know_are_none() -> None:
    told = finite({"a": math.inf, "b": [1.5, math.nan], "c": ({"d": -math.inf},), "e": "inf", "f": 3})
    assert told == {"a": None, "b": [1.5, None], "c": [{"d": None}], "e": "inf", "f": 3}
    assert json.loads(json.dumps(told, allow_nan=False)) == told


def test_figures_stay_within_what_the_farm_can_store() -> None:
    odd = replace(facts(), time_s=math.inf, filament_mm=math.nan, filament_g=-1e300)
    summary = summary_of(odd)
    assert (summary["time_s"], summary["filament_mm"], summary["filament_g"]) == (1e12, 0.0, -1e12)
    nothing = summary_of(replace(odd, extruding=None))
    assert (nothing["width_mm"], nothing["depth_mm"], nothing["height_mm"]) == (0.0, 0.0, 0.0)


def test_what_a_person_must_answer_for_is_the_rules_that_need_trust_with_their_counts() -> None:
    broken = report(finding("motor-current", Severity.TRUST, 3), finding("warm", Severity.WARN), finding("a-limit", Severity.TRUST))
    assert trust_of(broken) == "a-limit=1 motor-current=3"
    assert trust_of(report(finding("warm", Severity.WARN))) == ""


def test_a_report_names_line_text_and_remedy() -> None:
    row = report_row(report(finding("motor-current", Severity.TRUST, 2, hits=2)))
    assert (row["profile"], row["profile_revision"], row["rule_set"], row["verdict"]) == ("generic-210", "abc", 7, "trusted-only")
    (found,) = row["findings"]
    assert (found["rule"], found["severity"], found["count"], found["fix"]["fr"]) == ("motor-current", "trust", 2, "Corrigez.")
    assert [hit["line"] for hit in found["hits"]] == [1, 2]


def test_a_report_beyond_all_proportion_loses_its_places_but_not_its_findings() -> None:
    many = [finding(f"rule-{number}", Severity.WARN, 5, hits=5, text="x" * 80) for number in range(200)]
    row = report_row(report(*many))
    assert len(row["findings"]) == 200
    assert all(found["hits"] == [] for found in row["findings"])


def test_facts_with_too_many_layers_lose_the_table_of_layers() -> None:
    layer = LayerFacts(z_mm=0.2, height_mm=0.2, offset=10**9, line=10**7, time_s=1234.56789, filament_mm=9876.54321)
    large = facts_of(replace(facts(), layers=20_000, layer_table=(layer,) * 20_000))
    assert large["layers"] == 20_000
    assert len(json.dumps(large)) < inspector._MAX_FACTS_BYTES


# --- pictures ---------------------------------------------------------------------------------------------------------------------


def png(size: tuple[int, int], colour: str = "red") -> bytes:
    made = io.BytesIO()
    Image.new("RGB", size, colour).save(made, "PNG")
    return made.getvalue()


def test_without_a_picture_of_the_slicer_ours_is_made_small() -> None:
    small = thumbnail_of(io.BytesIO(small_program()), png((960, 720), "blue"))
    with Image.open(io.BytesIO(small)) as image:
        assert image.size == (320, 240)
        assert image.convert("RGB").getpixel((10, 10)) == (0, 0, 255)


def test_the_slicers_picture_goes_before_ours() -> None:
    import base64  # noqa: PLC0415

    encoded = base64.b64encode(png((16, 16))).decode()
    content = f"; thumbnail begin 16x16 {len(encoded)}\n; {encoded}\n; thumbnail end\n".encode() + small_program()
    with Image.open(io.BytesIO(thumbnail_of(io.BytesIO(content), png((960, 720), "blue")))) as image:
        assert image.format == "PNG"
        assert image.convert("RGB").getpixel((3, 3)) == (255, 0, 0)


# --- the process ------------------------------------------------------------------------------------------------------------------


def run(task: Task) -> subprocess.CompletedProcess[bytes]:
    import pickle  # noqa: PLC0415

    command = [sys.executable, "-m", "farm.daemon.inspector"]
    return subprocess.run(command, input=pickle.dumps(task), capture_output=True, check=False, timeout=120)


def test_it_tells_steps_then_the_result_then_pictures(tmp_path: Path) -> None:
    task = task_of(tmp_path)
    task.source.write_bytes(small_program())
    done = run(task)
    assert done.returncode == 0, done.stderr
    kinds = [kind for kind, _ in frames(done.stdout) if kind is not Kind.PROGRESS]
    assert kinds == [Kind.RESULT, Kind.PREVIEW, Kind.THUMBNAIL]


def test_what_extrudes_nothing_has_a_report_all_the_same(tmp_path: Path) -> None:
    task = task_of(tmp_path)
    task.source.write_bytes(b"G28\nM104 S0\n")
    kinds = dict(frames(run(task).stdout))
    assert json.loads(kinds[Kind.RESULT])["summary"]["layers"] == 0


def test_its_limits_hold_for_good(tmp_path: Path) -> None:
    script = (
        "import pickle, resource, sys\n"
        "from farm.daemon.inspector import bounded\n"
        "bounded(pickle.load(sys.stdin.buffer))\n"
        "names = ('RLIMIT_DATA', 'RLIMIT_FSIZE', 'RLIMIT_CPU', 'RLIMIT_CORE')\n"
        "print(*[limit for name in names for limit in resource.getrlimit(getattr(resource, name))])\n"
        "import os; print(os.nice(0))\n"
    )
    import pickle  # noqa: PLC0415

    task = task_of(tmp_path, memory_bytes=300 * MIB, plain_bytes=5_000, cpu_s=7, niceness=3)
    done = subprocess.run([sys.executable, "-c", script], input=pickle.dumps(task), capture_output=True, check=True)
    limits, niceness = done.stdout.decode().splitlines()
    assert [int(word) for word in limits.split()] == [300 * MIB, 300 * MIB, 5_000, 5_000, 7, 12, 0, 0]
    assert int(niceness) == min(19, os.nice(0) + 3)
    assert resource.getrlimit(resource.RLIMIT_CPU)[0] != 7  # ours are untouched


def test_one_that_needs_more_cpu_than_it_may_is_ended(tmp_path: Path) -> None:
    task = task_of(tmp_path, cpu_s=1, plain_bytes=200 * MIB)
    task.source.write_bytes(small_program() + b"G1 X10.5 Y10.5 E0.01\nG1 X12.5 Y11.5 E0.01\n" * 1_500_000)
    done = run(task)
    assert done.returncode == -signal.SIGXCPU
    assert Kind.THUMBNAIL not in dict(frames(done.stdout))


# --- what it changes --------------------------------------------------------------------------------------------------------------


def test_a_secret_does_not_come_into_the_library(tmp_path: Path) -> None:
    task = task_of(tmp_path)
    task.source.write_bytes(b"; printhost_apikey = ABCDEF\n" + small_program())
    sha256, opened = inspector.plain_copy(task, lambda _done: None)
    assert task.plain.read_bytes() == b"; printhost_apikey = \n" + small_program()
    assert sha256 == hashlib.sha256(task.plain.read_bytes()).hexdigest()
    assert opened.kind.value == "gcode"


def test_the_start_and_end_of_the_house_come_where_the_profile_says_so(tmp_path: Path) -> None:
    mine = replace(PROFILE, house_blocks=True, start_gcode="M117 our own start\n" + PROFILE.start_gcode)
    task = task_of(tmp_path, profiles=(mine,))
    task.source.write_bytes(small_program())
    sha256, _ = inspector.plain_copy(task, lambda _done: None)
    assert task.plain.read_bytes().startswith(b"M117 our own start\n")
    assert sha256 == hashlib.sha256(task.plain.read_bytes()).hexdigest()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plain", "upload"]


def test_a_file_whose_start_cannot_be_told_is_refused_where_the_house_has_its_own(tmp_path: Path) -> None:
    task = task_of(tmp_path, profiles=(replace(PROFILE, house_blocks=True),))
    task.source.write_bytes(small_program().replace(b";LAYER_CHANGE\n", b""))
    with pytest.raises(HouseBlocksError):
        inspector.plain_copy(task, lambda _done: None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plain", "upload"]
