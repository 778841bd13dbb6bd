"""`farm gcode frame`, `clean`, `resume` and `slice` as a person runs them."""

import errno
import json
import os
import shutil
import threading
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

import configs
from farm.commands import gcode_make
from farm.commands.speech import say
from farm.errors import FarmError, InvalidError
from gcode.frame import FrameDesign, Plate, frame_options, make_frame
from gcode.profile import PrinterProfile, bundled_profiles
from gcode.texts import Bilingual
from tests.patience import PATIENCE_S
from tests.unit.farm.commands.test_gcode_read import FRENCH, failed, run


def test_a_frame_passes_its_own_check(tmp_path: Path) -> None:
    path = tmp_path / "frame.gcode"
    result = run("frame", "-p", "generic-210", "--hole-standard", "iso838", "-o", path)
    assert result.exit_code == 0, result.exception
    assert "layers" in result.stdout
    assert run("check", path, "-p", "generic-210").exit_code == 0


def test_the_same_figures_give_the_same_bytes_and_others_do_not(tmp_path: Path) -> None:
    first, second, third = (tmp_path / name for name in ("1.gcode", "2.gcode", "3.gcode"))
    for path, more in ((first, ()), (second, ()), (third, ("--head-width", "140"))):
        run("frame", "-p", "generic-210", "-o", path, *more)
    assert first.read_bytes() == second.read_bytes() == make_frame(bundled_profiles()["generic-210"])
    assert third.read_bytes() != first.read_bytes()


def test_several_frames_and_facts_as_json(tmp_path: Path) -> None:
    path = tmp_path / "two.gcode"
    two = json.loads(run("frame", "-p", "generic-300", "--count", 2, "-o", path, "--json").stdout)
    one = json.loads(run("frame", "-p", "generic-300", "-o", path, "--json").stdout)
    assert two["filament_mm"] > 1.9 * one["filament_mm"]
    assert two["profile"] == "generic-300"


def test_a_solid(tmp_path: Path) -> None:
    path = tmp_path / "frame.stl"
    assert run("frame", "-p", "generic-210", "-o", path).exit_code == 0
    content = path.read_bytes()
    assert len(content) == 84 + 50 * int.from_bytes(content[80:84], "little")


def test_every_figure_of_a_frame_is_an_option() -> None:
    shown = run("frame", "--help").stdout
    assert all(f"--{option.name}" in shown for option in frame_options())


@cache
def refused(*typed: object) -> FarmError:
    """What is said to figures of which no frame can be made: nothing is written then. For nine frames room is looked for: once."""
    with TemporaryDirectory() as folder:
        error = failed("frame", "-p", "generic-210", "-o", Path(folder) / "x.gcode", *typed)
        assert os.listdir(folder) == []  # noqa: PTH208 - only whether there is anything
    return error


@pytest.mark.xdist_group("nine frames")
@pytest.mark.parametrize("option", [("--count", 9), ("--head-width", 20), ("--hole-standard", "din")])
def test_what_cannot_be_made_is_told_and_nothing_is_written(option: tuple[str, object]) -> None:
    assert refused(*option).exit_code != 0


def test_what_is_no_figure_of_a_frame_is_told_and_nothing_is_written(tmp_path: Path) -> None:
    result = run("frame", "-p", "generic-210", "-o", tmp_path / "frame.gcode", "--wall-lines", 3.5)
    assert result.exit_code != 0
    assert not list(tmp_path.iterdir())


@pytest.mark.xdist_group("nine frames")
def test_what_cannot_be_made_is_told_in_both_languages() -> None:
    error = refused("--count", 9)
    assert isinstance(error, InvalidError)
    assert "9 frames do not fit" in error.detail
    assert error.detail != error.detail_fr


@pytest.mark.xdist_group("nine frames")
@pytest.mark.parametrize(
    ("typed", "said", "said_fr"),
    [
        (("--head-width", 20), "--head-width is 20.", "--head-width vaut 20."),
        (("--head-width", 20), "may be from 110 to 180 mm.", "valeurs possibles : de 110 à 180 mm."),
        (("--count", 9), "make --head-depth smaller. --count may be from 1 to 24.", "réduisez --head-depth. --count : de 1 à 24."),
        (("--count", 99), "--count is 99. It is how many", "--count vaut 99."),
        (("--layer-height", 0.6), "at most 0.8 x --line-width, here", "au plus 0,8 x --line-width, ici"),
        (("--hole-standard", "din"), "--hole-standard is din.", "--hole-standard vaut din."),
        (("--stack", 80), "39 fit. --stack may be from 1 to 80.", "il en tient 39. --stack : de 1 à 80."),
    ],
)
def test_a_figure_is_named_as_it_was_typed_with_what_it_may_be(typed: tuple[str, object], said: str, said_fr: str) -> None:
    error = refused(*typed)
    assert error.code == "frame"
    assert said in error.bilingual.en
    assert said_fr in error.bilingual.fr
    fields = {option.field for option in frame_options() if "_" in option.field}
    assert not [field for field in fields if field in f"{error.bilingual.en} {error.bilingual.fr}"]


def test_a_range_is_told_once(tmp_path: Path) -> None:
    error = failed("frame", "-p", "generic-210", "-o", tmp_path / "x.gcode", "--head-width", 20)
    assert (error.next_step, error.next_step_fr) == ("", "")


def slow_frames(monkeypatch: pytest.MonkeyPatch, *, patience_s: float, waits: bool) -> None:
    """A place on the bed is found after `patience_s` have passed; with `waits` only once that was said."""
    heard = threading.Event()

    def slowly(_profile: PrinterProfile, design: FrameDesign, _plate: Plate) -> FrameDesign:
        assert not waits or heard.wait(30)
        return design

    def told(text: Bilingual, *, err: bool = False) -> None:
        say(text, err=err)
        heard.set()

    monkeypatch.setattr(gcode_make, "_PATIENCE_S", patience_s)
    monkeypatch.setattr(gcode_make, "fitted", slowly)
    monkeypatch.setattr(gcode_make, "say", told)


def test_what_takes_long_says_so_and_not_to_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("frame", "-p", "generic-210", "-o", tmp_path / "x.gcode")
    slow_frames(monkeypatch, patience_s=0, waits=True)
    assert "looking for room on the bed" in run(*words).stderr
    slow_frames(monkeypatch, patience_s=0, waits=True)
    assert "recherche de place sur le plateau" in run(*words, env=FRENCH).stderr
    slow_frames(monkeypatch, patience_s=0, waits=False)
    assert run(*words, "--json").stderr == ""
    slow_frames(monkeypatch, patience_s=600, waits=False)
    assert run(*words).stderr == "", "and not at all when it is quick"


def test_what_was_made_is_told_in_french(tmp_path: Path) -> None:
    frame, clean = tmp_path / "frame.gcode", tmp_path / "clean.gcode"
    made = run("frame", "-p", "generic-210", "-o", frame, env=FRENCH).stdout
    assert " couches, " in made
    assert " octets" in made
    assert "rien n'était à enlever" in run("clean", frame, "-o", clean, env=FRENCH).stdout
    frame.write_bytes(frame.read_bytes() + b"; printhost_apikey = 0123456789ABCDEF\n")
    assert "enlevé : secrets (1)" in run("clean", frame, "-o", clean, env=FRENCH).stdout
    words = ("-p", "creality-ender3-v2", "--layer", 3, "--part-is-good", "--motors-held", "-o", clean)
    assert "à partir de la couche 3" in run("resume", frame, *words, env=FRENCH).stdout


def test_a_secret_is_taken_out_and_the_rest_stays(tmp_path: Path) -> None:
    file, clean = tmp_path / "with.gcode", tmp_path / "clean.gcode"
    frame = make_frame(bundled_profiles()["generic-210"])
    file.write_bytes(frame + b"; printhost_apikey = 0123456789ABCDEF\n")
    result = run("clean", file, "-o", clean)
    assert "taken out" in result.stdout
    assert b"0123456789ABCDEF" not in clean.read_bytes()
    assert clean.read_bytes().startswith(frame)
    assert "nothing had to go" in run("clean", clean, "-o", tmp_path / "again.gcode").stdout
    assert not list(tmp_path.glob(".*")), "nothing is left behind"


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    file = tmp_path / "f.gcode"
    file.write_bytes(make_frame(bundled_profiles()["generic-210"]))
    nowhere = tmp_path / "none" / "clean.gcode"
    assert "Choose another place" in failed("clean", file, "-o", nowhere).next_step
    assert "Choose another place" in failed("frame", "-p", "generic-210", "-o", nowhere).next_step


def test_a_print_is_not_taken_up_again_without_a_persons_word(tmp_path: Path) -> None:
    file, rest = tmp_path / "f.gcode", tmp_path / "rest.gcode"
    file.write_bytes(make_frame(bundled_profiles()["generic-210"]))
    assert isinstance(failed("resume", file, "--layer", 5, "-p", "generic-210", "-o", rest), InvalidError)
    assert not rest.exists()


def test_a_print_is_taken_up_again_on_a_printer_that_may(tmp_path: Path) -> None:
    file, rest, printer = tmp_path / "f.gcode", tmp_path / "rest.gcode", tmp_path / "mine.toml"
    file.write_bytes(make_frame(bundled_profiles()["generic-210"]))
    printer.write_text((Path(configs.__file__).parent / "printers" / "generic-210.toml").read_text() + "\n")
    text = printer.read_text()
    assert "\nresumes" not in text
    printer.write_text(text.replace("\nnozzle_mm", "\nresumes = true\nnozzle_mm", 1))
    run("resume", file, "--layer", 5, "-p", printer, "-o", rest, "--part-is-good", "--motors-held")
    content = rest.read_text()
    assert content.startswith("; taken up again by Essaim at layer 5")
    assert file.read_text().endswith(content[-5000:])
    run("resume", file, "--layer", 5, "-p", printer, "-o", rest, "--part-is-good", "--motors-held", "--nozzle-z", 9)
    assert "\nG92 Z9.000\n" in rest.read_text()


def test_two_frames_fit_the_commonest_printer_with_shorter_arms(tmp_path: Path) -> None:
    path = tmp_path / "frame.gcode"
    result = run("frame", "--profile", "ender3", "--count", 2, "--hole-standard", "iso838", "-o", path)
    assert result.exit_code == 0, result.exception
    assert "The arms are shorter so that 2 fit: --head-depth 13" in result.stderr
    assert run("check", path, "-p", "ender3").exit_code == 0
    assert "2 frames do not fit" in failed("frame", "-p", "ender3", "--count", 2, "--head-depth", 142, "-o", path).detail


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "frame.gcode"
    path.write_text("mine")
    path.chmod(0o640)

    def full(_done_bytes: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("farm.commands.gcode_files.bar", lambda *_: nullcontext(full))
    assert "Choose another place" in failed("frame", "-p", "generic-210", "-o", path).next_step
    assert path.read_text() == "mine"
    assert [entry.name for entry in tmp_path.iterdir()] == ["frame.gcode"]


def test_what_is_no_plain_file_is_written_and_never_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    heard: list[bytes] = []
    reader = threading.Thread(target=lambda: heard.append(pipe.read_bytes()))
    reader.start()
    assert run("frame", "-p", "generic-210", "-o", pipe).exit_code == 0
    reader.join(PATIENCE_S)
    assert heard[0] == make_frame(bundled_profiles()["generic-210"])
    assert pipe.is_fifo()


def test_a_frame_is_not_written_into_a_picture(tmp_path: Path) -> None:
    assert "Name it .gcode or .stl" in failed("frame", "-p", "generic-210", "-o", tmp_path / "x.png").next_step


@pytest.mark.real
def test_a_model_is_sliced(tmp_path: Path) -> None:
    assert shutil.which("prusa-slicer"), "the test set-up installs it"
    model, path = tmp_path / "frame.stl", tmp_path / "sliced.gcode"
    run("frame", "-p", "generic-210", "-o", model)
    result = run("slice", model, "-p", "generic-210", "-o", path)
    assert result.exit_code == 0, result.exception
    assert "layers" in result.stdout
    assert run("check", path, "-p", "generic-210").exit_code == 0


def test_what_is_no_model_is_not_sliced(tmp_path: Path) -> None:
    model = tmp_path / "x.stl"
    model.write_text("hello")
    assert isinstance(failed("slice", model, "-p", "generic-210", "-o", tmp_path / "x.gcode"), InvalidError)
    assert isinstance(failed("slice", tmp_path / "none.stl", "-p", "generic-210", "-o", tmp_path / "x.gcode"), InvalidError)


def test_what_must_be_confirmed_is_said_with_its_options(tmp_path: Path) -> None:
    frame = tmp_path / "frame.gcode"
    frame.write_bytes(make_frame(bundled_profiles()["creality-ender3-v2"]))
    error = failed("resume", frame, "-p", "creality-ender3-v2", "--layer", 3, "-o", tmp_path / "rest.gcode")
    assert error.code == "resume-not-confirmed"
    assert "--part-is-good and --motors-held" in error.next_step
    assert "--part-is-good et --motors-held" in error.next_step_fr
