"""A slicer that is run within limits. Small scripts stand in for slicers that run away; PrusaSlicer itself is run at the end."""

import asyncio
import os
import shutil
import signal
import tempfile
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from threading import Event

import pytest

from farm import slicing
from farm.slicing import SliceLimits, find_slicer, slice_model
from gcode.frame import default_design, frame_stl
from gcode.interpreter import read_facts
from gcode.profile import bundled_profiles
from gcode.slicers import ModelError, SettingsError, SliceOptions, SlicerLimitError, SlicerMissingError, SlicerRefusedError
from tests.integration.real import require
from tests.patience import PATIENCE_S
from tests.unit.gcode.models import box_3mf, box_stl

PROFILE = bundled_profiles()["creality-ender3"]


def stand_in(folder: Path, body: str) -> Path:
    """A slicer that is a shell script; `$out` is where the program goes."""
    path = folder / "slicer"
    path.write_text(f"#!/bin/sh\nout=out.gcode\n{body}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "cube.stl"
    path.write_bytes(box_stl())
    return path


def running(marker: str) -> list[int]:
    """Processes with `marker` in their command line that have not ended."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and marker in (entry / "cmdline").read_text("utf-8", "replace"):
                state = (entry / "stat").read_text("utf-8").rpartition(")")[2].split()[0]
                found += [int(entry.name)] if state not in "ZX" else []
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


@pytest.fixture
def mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What the slicers of this test have in their command lines, and those of tests beside it have not."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return f"{tmp_path}/farm-slicing-"


async def test_the_program_arrives_whole_with_what_the_slicer_said(tmp_path: Path, model: Path) -> None:
    slicer = stand_in(tmp_path, 'echo "50 => Infilling layers"; echo "a word of warning" >&2; echo G28 > $out')
    seen: list[tuple[int, str]] = []
    sliced = await slice_model(model, PROFILE, tmp_path / "x.gcode", slicer=slicer, on_progress=lambda *step: seen.append(step))
    assert (tmp_path / "x.gcode").read_text() == "G28\n"
    assert sliced.size_bytes == 4
    assert [message.original for message in sliced.messages] == ["a word of warning"]
    assert seen == [(50, "Infilling layers")]


async def test_it_is_given_the_settings_and_a_model_with_a_name_of_ours(tmp_path: Path) -> None:
    model = tmp_path / "--post-process=evil;$(reboot).stl"
    model.write_bytes(box_stl())
    slicer = stand_in(tmp_path, 'echo "$@" > $out; cat settings.ini >> $out; ls >> $out; env >> $out')
    await slice_model(model, PROFILE, tmp_path / "x.gcode", SliceOptions(layer_height_mm=0.28), slicer=slicer)
    said = (tmp_path / "x.gcode").read_text()
    assert "evil" not in said
    assert "-- model.stl" in said
    assert "layer_height = 0.28" in said


async def test_it_runs_in_a_small_environment_with_low_priority(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FARM_SECRET", "hidden")
    slicer = stand_in(tmp_path, "env > $out; nice >> $out; ulimit -c >> $out")
    await slice_model(model, PROFILE, tmp_path / "x.gcode", slicer=slicer)
    said = (tmp_path / "x.gcode").read_text()
    assert "hidden" not in said
    *_, niceness, core = said.split()
    assert int(niceness) >= 10
    assert core == "0"


async def test_nothing_is_left_behind(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    for body in ("echo G28 > $out", "exit 3", "kill -9 $$"):
        with suppress(SlicerRefusedError):
            await slice_model(model, PROFILE, tmp_path / "x.gcode", slicer=stand_in(tmp_path, body))
        assert list(folder.iterdir()) == []


async def test_a_runaway_ends_with_its_whole_group(tmp_path: Path, model: Path) -> None:
    mark = f"runaway-{os.getpid()}"
    slicer = stand_in(tmp_path, f"sh -c 'while :; do sleep 0.05; done' {mark}-child & while :; do sleep 0.05; done")
    slicer = slicer.rename(tmp_path / mark)
    with pytest.raises(SlicerLimitError, match="too much time") as caught:
        await slice_model(model, PROFILE, tmp_path / "x.gcode", slicer=slicer, limits=SliceLimits(time_s=1.0))
    assert caught.value.limit == "time"
    assert "trop gourmand en temps" in caught.value.bilingual.fr
    assert running(mark) == []
    assert not (tmp_path / "x.gcode").exists()


async def test_who_cancels_leaves_no_process(tmp_path: Path, model: Path, mark: str) -> None:
    slicer = stand_in(tmp_path, "echo '10 => begun'; while :; do sleep 0.05; done")
    begun = asyncio.Event()
    task = asyncio.create_task(slice_model(model, PROFILE, tmp_path / "x.gcode", slicer=slicer, on_progress=lambda *_: begun.set()))
    await asyncio.wait_for(begun.wait(), PATIENCE_S)
    assert running(mark)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert running(mark) == []


async def test_who_cancels_takes_no_folder_away_from_who_works_in_it(
    tmp_path: Path, model: Path, mark: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on, copied = Event(), Event(), list[str]()
    prepare = slicing._prepare

    def slow(path: Path, folder: Path, settings: str) -> str:
        begun.set()
        assert go_on.wait(PATIENCE_S)
        copied.append(prepare(path, folder, settings))
        return copied[0]

    monkeypatch.setattr(slicing, "_prepare", slow)
    task = asyncio.create_task(slice_model(model, PROFILE, tmp_path / "x.gcode", slicer=stand_in(tmp_path, "echo G28 > $out")))
    await asyncio.to_thread(begun.wait, PATIENCE_S)
    task.cancel()
    await asyncio.wait({task}, timeout=0.05)
    assert not task.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert copied == ["model.stl"]
    assert not [path for path in tmp_path.iterdir() if str(path).startswith(mark)]


async def test_who_leaves_the_group_and_keeps_the_output_open_keeps_nobody_waiting(tmp_path: Path, model: Path) -> None:
    left = tmp_path / "left"
    slicer = stand_in(
        tmp_path, f"setsid sh -c 'echo $$ > {left}; exec sleep 600' & echo G28 > $out; while [ ! -s {left} ]; do :; done"
    )
    try:
        await asyncio.wait_for(slice_model(model, PROFILE, tmp_path / "x.gcode", slicer=slicer), PATIENCE_S)
        assert (tmp_path / "x.gcode").read_text() == "G28\n"
    finally:
        os.kill(int(left.read_text()), signal.SIGKILL)


async def test_a_long_program_is_ended_by_the_kernel(tmp_path: Path, model: Path) -> None:
    slicer = stand_in(tmp_path, "exec head -c 5000000 /dev/zero > $out")
    with pytest.raises(SlicerLimitError) as caught:
        await slice_model(model, PROFILE, tmp_path / "x.gcode", slicer=slicer, limits=SliceLimits(output_bytes=100_000))
    assert caught.value.limit == "output"


async def test_many_files_are_counted_together(tmp_path: Path, model: Path) -> None:
    body = "i=0; while :; do i=$((i+1)); head -c 50000 /dev/zero > part.$i; sleep 0.01; done"
    with pytest.raises(SlicerLimitError) as caught:
        await slice_model(
            model, PROFILE, tmp_path / "x.gcode", slicer=stand_in(tmp_path, body), limits=SliceLimits(output_bytes=1_000_000)
        )
    assert caught.value.limit == "output"


async def test_endless_output_does_not_fill_the_memory(tmp_path: Path, model: Path) -> None:
    slicer = stand_in(tmp_path, "head -c 3000000 /dev/zero | tr '\\0' x; echo; yes chatter | head -n 100000; echo G28 > $out")
    sliced = await slice_model(model, PROFILE, tmp_path / "x.gcode", slicer=slicer)
    assert len(sliced.messages) <= 2, "a line without end is cut or left out, the chatter is kept once"
    assert sliced.messages[-1].original == "chatter"


async def test_no_program_is_a_refusal_with_the_reason(tmp_path: Path, model: Path) -> None:
    slicer = stand_in(tmp_path, "echo '  what():  Objects could not fit on the bed' >&2; exit 134")
    with pytest.raises(SlicerRefusedError, match="does not fit") as caught:
        await slice_model(model, PROFILE, tmp_path / "x.gcode", slicer=slicer)
    assert "ne tient pas" in caught.value.bilingual.fr
    assert [message.id for message in caught.value.messages] == ["does-not-fit"]


async def test_an_empty_program_is_none(tmp_path: Path, model: Path) -> None:
    (tmp_path / "x.gcode").write_text("the one before")
    with pytest.raises(SlicerRefusedError, match="gave no reason"):
        await slice_model(model, PROFILE, tmp_path / "x.gcode", slicer=stand_in(tmp_path, ": > $out"))
    assert (tmp_path / "x.gcode").read_text() == "the one before"


async def test_what_cannot_be_sliced_is_refused_before_anything_runs(tmp_path: Path, model: Path) -> None:
    ran = tmp_path / "ran"
    slicer = stand_in(tmp_path, f"touch {ran}; echo G28 > $out")
    (tmp_path / "note.stl").write_text("a letter")
    with pytest.raises(ModelError):
        await slice_model(tmp_path / "note.stl", PROFILE, tmp_path / "x.gcode", slicer=slicer)
    with pytest.raises(SettingsError):
        await slice_model(model, PROFILE, tmp_path / "x.gcode", SliceOptions(copies=99), slicer=slicer)
    assert not ran.exists()


def test_without_a_slicer_the_error_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SlicerMissingError, match="apt install prusa-slicer"):
        find_slicer()
    with pytest.raises(SlicerMissingError, match="/opt/none"):
        find_slicer("/opt/none")


def test_the_slicer_is_found_in_the_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    slicer = stand_in(tmp_path, "true").rename(tmp_path / "PrusaSlicer")
    assert find_slicer() == slicer


# -- PrusaSlicer itself


@pytest.fixture
def prusaslicer() -> Path:
    require("prusa-slicer", shutil.which("prusa-slicer") is not None)
    return find_slicer()


@pytest.mark.real
@pytest.mark.parametrize("content", [box_stl(), box_3mf()], ids=["stl", "3mf"])
async def test_a_cube_becomes_a_program_for_the_profile(tmp_path: Path, prusaslicer: Path, content: bytes) -> None:
    model = tmp_path / "cube"
    model.write_bytes(content)
    sliced = await slice_model(model, PROFILE, tmp_path / "cube.gcode", slicer=prusaslicer)
    facts = read_facts(BytesIO((tmp_path / "cube.gcode").read_bytes()), PROFILE)
    assert sliced.size_bytes == facts.size_bytes
    assert facts.layers == 100
    assert facts.extruding is not None
    assert facts.extruding.max_z == pytest.approx(20, abs=0.01)
    assert (facts.max_nozzle_c, facts.max_bed_c) == (PROFILE.nozzle_c, PROFILE.bed_c)
    assert facts.homes
    assert facts.heaters_off_at_end
    assert facts.claimed_time_s is not None
    assert facts.time_s == pytest.approx(facts.claimed_time_s, rel=0.02)
    middle = (facts.extruding.min_x + facts.extruding.max_x) / 2
    assert PROFILE.volume.min_x < middle < PROFILE.volume.max_x


@pytest.mark.real
@pytest.mark.slow
async def test_a_visor_frame(tmp_path: Path, prusaslicer: Path) -> None:
    model = tmp_path / "frame.stl"
    model.write_bytes(frame_stl(default_design(PROFILE)))
    await slice_model(model, PROFILE, tmp_path / "frame.gcode", SliceOptions(layer_height_mm=0.28), slicer=prusaslicer)
    facts = read_facts(BytesIO((tmp_path / "frame.gcode").read_bytes()), PROFILE)
    assert facts.filament_g > 5
    assert facts.layer_height_mm == pytest.approx(0.28)


@pytest.mark.real
async def test_too_big_for_the_bed_is_said_in_the_slicers_words_and_ours(tmp_path: Path, prusaslicer: Path) -> None:
    model = tmp_path / "big.stl"
    model.write_bytes(box_stl(400, 400, 5))
    with pytest.raises(SlicerRefusedError, match="does not fit the printer's bed") as caught:
        await slice_model(model, PROFILE, tmp_path / "x.gcode", slicer=prusaslicer)
    assert any("could not fit on the bed" in message.original for message in caught.value.messages)


@pytest.mark.real
async def test_a_broken_model_is_refused(tmp_path: Path, prusaslicer: Path) -> None:
    model = tmp_path / "broken.stl"
    model.write_bytes(b"solid cube\n facet normal 0 0 1\n  outer loop\n vertex 1 2\n and then nothing")
    with pytest.raises(SlicerRefusedError, match="cannot be read"):
        await slice_model(model, PROFILE, tmp_path / "x.gcode", slicer=prusaslicer)


@pytest.mark.real
async def test_a_binary_stl_without_a_high_byte_is_read(tmp_path: Path, prusaslicer: Path) -> None:
    """PrusaSlicer would take it for text."""
    model = tmp_path / "block.stl"
    model.write_bytes(box_stl(180, 180, 2))
    assert max(box_stl(180, 180, 2)[84:]) < 128
    sliced = await slice_model(model, PROFILE, tmp_path / "x.gcode", SliceOptions(infill_percent=0), slicer=prusaslicer)
    assert sliced.size_bytes > 1000


@pytest.mark.real
async def test_a_runaway_of_prusaslicer_is_ended(tmp_path: Path, prusaslicer: Path, mark: str) -> None:
    """Fine layers of a large body: minutes of work."""
    model = tmp_path / "large.stl"
    model.write_bytes(box_stl(180, 180, 180))
    with pytest.raises(SlicerLimitError) as caught:
        await slice_model(
            model,
            PROFILE,
            tmp_path / "x.gcode",
            SliceOptions(layer_height_mm=0.05, infill_percent=60),
            slicer=prusaslicer,
            limits=SliceLimits(time_s=3.0),
        )
    assert caught.value.limit == "time"
    assert running(mark) == []


@pytest.mark.real
async def test_prusaslicer_without_memory_is_no_crash_of_ours(tmp_path: Path, prusaslicer: Path, model: Path, mark: str) -> None:
    with pytest.raises((SlicerLimitError, SlicerRefusedError, SlicerMissingError)):
        await slice_model(model, PROFILE, tmp_path / "x.gcode", slicer=prusaslicer, limits=SliceLimits(memory_bytes=120_000_000))
    assert running(mark) == []


@pytest.mark.real
async def test_prusaslicer_that_writes_too_much_is_ended(tmp_path: Path, prusaslicer: Path, model: Path) -> None:
    with pytest.raises(SlicerLimitError) as caught:
        await slice_model(model, PROFILE, tmp_path / "x.gcode", slicer=prusaslicer, limits=SliceLimits(output_bytes=60_000))
    assert caught.value.limit == "output"


@pytest.mark.real
async def test_a_command_inside_a_3mf_does_not_run(tmp_path: Path, prusaslicer: Path) -> None:
    """PrusaSlicer 2.5.0 runs `post_process` of a 3MF's own settings, also from the command line."""
    touched = tmp_path / "touched"
    model = tmp_path / "evil.3mf"
    model.write_bytes(box_3mf(Metadata__Slic3r_PE_config=f"; layer_height = 0.15\n; post_process = /usr/bin/touch {touched}\n"))
    await slice_model(model, PROFILE, tmp_path / "x.gcode", slicer=prusaslicer)
    assert not touched.exists()


@pytest.mark.real
async def test_the_code_of_every_profile_is_understood(tmp_path: Path, prusaslicer: Path, model: Path) -> None:
    for profile in bundled_profiles().values():
        if profile.flavour == "griffin":
            continue
        await slice_model(model, profile, tmp_path / "x.gcode", SliceOptions(layer_height_mm=0.3), slicer=prusaslicer)
        facts = read_facts(BytesIO((tmp_path / "x.gcode").read_bytes()), profile)
        assert facts.max_nozzle_c == profile.nozzle_c, profile.id
