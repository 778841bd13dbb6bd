"""`farm gcode facts`, `check`, `preview`, `thumbnail`, `profiles` as a person runs them."""

import base64
import gzip
import io
import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest
import typer
from PIL import Image
from typer.testing import CliRunner, Result

from farm.commands import gcode, gcode_told
from farm.errors import FarmError, InvalidError, NotFoundError
from gcode.frame import make_frame
from gcode.profile import bundled_profiles
from tests.patience import PATIENCE_S

ENGLISH = {"LC_ALL": "C.UTF-8", "COLUMNS": "200"}
FRENCH = {**ENGLISH, "LC_ALL": "fr_FR.UTF-8"}


def run(*arguments: object, env: dict[str, str] = ENGLISH) -> Result:
    app = typer.Typer()
    gcode.register(app)
    app.callback()(lambda: None)
    return CliRunner().invoke(app, ["gcode", *map(str, arguments)], env=env)


def failed(*arguments: object, env: dict[str, str] = ENGLISH) -> FarmError:
    error = run(*arguments, env=env).exception
    assert isinstance(error, FarmError), error
    return error


def answer(*arguments: object) -> Any:
    result = run(*arguments, "--json")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def frame(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("frames") / "frame.gcode"
    path.write_bytes(make_frame(bundled_profiles()["generic-210"]))
    return path


def changed(frame: Path, folder: Path, line: str) -> Path:
    """The frame with one line more before its end."""
    path = folder / "changed.gcode"
    path.write_bytes(frame.read_bytes().replace(b"M104 S0", line.encode() + b"\nM104 S0", 1))
    return path


def test_facts_for_people(frame: Path) -> None:
    lines = run("facts", frame).stdout.splitlines()
    told = {line[:12].strip(): line[12:] for line in lines if line}
    assert told["file"].startswith("frame.gcode: ")
    assert told["made by"].startswith("Essaim")
    assert "the slicer says" in told["time"]
    assert told["heat"] == "nozzle 205 C, bed 60 C"
    assert told["plastic"].startswith("X ")
    assert any(line.startswith("External perimeter") for line in lines)


def test_lines_that_nobody_would_obey_are_counted(frame: Path, tmp_path: Path) -> None:
    broken = changed(frame, tmp_path, "G1 Xnan Y10\nG1 X1e308")
    assert "unreadable  2 lines; gcode check --profile ID shows them" in run("facts", broken).stdout.splitlines()
    assert "illisible   2 lignes ; gcode check --profile ID les montre" in run("facts", broken, env=FRENCH).stdout.splitlines()
    assert "unreadable" not in run("facts", frame).stdout


def test_a_line_that_cannot_be_read_is_shown_once_and_without_our_own_words(frame: Path, tmp_path: Path) -> None:
    broken = changed(frame, tmp_path, "G1 Xnan Y10\nM104 S[first_layer_temperature]")
    shown = [
        line.split(": ", 1)[1] for line in run("check", broken, "--profile", "generic-210").stdout.splitlines() if "  line " in line
    ]
    assert shown[:2] == ["G1 Xnan Y10", "M104 S[first_layer_temperature]"]


def test_the_diameter_is_said_where_it_was_assumed(frame: Path) -> None:
    assumed = "as filament of 1.75 mm, which was assumed"
    lines = run("facts", frame).stdout.splitlines()
    assert assumed in lines[next(number for number, line in enumerate(lines) if line.startswith("filament")) + 1]
    assert assumed not in run("facts", frame, "--profile", "generic-210").stdout
    assert "assumed" not in run("facts", frame, "--profile", "ultimaker-3").stdout


def test_facts_in_french(frame: Path) -> None:
    lines = run("facts", frame, env=FRENCH).stdout.splitlines()
    told = {line[:12].strip(): line[12:] for line in lines if line}
    assert told["fichier"].endswith(" lignes")
    assert " octets, " in told["fichier"]
    assert "selon le trancheur" in told["durée"]
    assert told["chauffe"] == "buse 205 C, plateau 60 C"
    assert told["matière"].startswith("X 5,00 à ")
    assert "supposé" in run("facts", frame, env=FRENCH).stdout
    english = {line[:12].strip() for line in run("facts", frame).stdout.splitlines()[:10]}
    assert english & set(told) <= {"filament", ""}, "every label has its own word"


def test_json_is_the_same_in_every_language(frame: Path) -> None:
    for words in (("facts", frame), ("check", frame, "-p", "generic-210"), ("profiles",)):
        assert run(*words, "--json").stdout == run(*words, "--json", env=FRENCH).stdout


def test_days_of_printing_are_told_in_both_languages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "fr_FR.UTF-8")
    assert gcode_told.span(50 * 3600) == "2 j 2 h"
    assert [gcode_told.octets(count) for count in (0, 1, 1234567)] == ["0 octet", "1 octet", "1 234 567 octets"]
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    assert gcode_told.span(50 * 3600) == "2 d 2 h"
    assert [gcode_told.octets(count) for count in (0, 1, 1234567)] == ["0 bytes", "1 byte", "1,234,567 bytes"]


@pytest.mark.parametrize("words", [("facts", "none.gcode"), ("check", "x.gcode"), ("check", "x.gcode", "-p", "nobody")])
def test_errors_are_told_in_both_languages(words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x.gcode").write_text("G28\n")
    error = failed(*words)
    assert error.detail != error.detail_fr
    assert error.next_step != error.next_step_fr


@pytest.mark.parametrize("engine", ["auto", "numpy", "python"])
def test_every_engine_gives_the_same_facts(frame: Path, engine: str) -> None:
    found, plain = (answer("facts", frame, "--engine", name) for name in (engine, "python"))
    assert plain.pop("engine") == "python"
    assert found.pop("engine") in ({"kernel", "numpy"} if engine == "auto" else {engine})
    assert found.keys() == plain.keys()
    assert found["layers"] == plain["layers"] > 10
    assert found["bbox_extruding_mm"] == plain["bbox_extruding_mm"]
    assert found["time_s"] == pytest.approx(plain["time_s"], rel=1e-6)
    assert found["filament_mm"] == pytest.approx(plain["filament_mm"], rel=1e-9)


def test_a_packed_file_has_the_facts_of_what_is_in_it(frame: Path, tmp_path: Path) -> None:
    packed = tmp_path / "anything.bin"
    packed.write_bytes(gzip.compress(frame.read_bytes()))
    found, plain = answer("facts", packed), answer("facts", frame)
    assert (found.pop("kind"), plain.pop("kind")) == ("gzip", "gcode")
    del found["file"], plain["file"]
    assert found == plain, "limits of motion that stand at the end of the text count as well"


def test_a_good_file_passes(frame: Path) -> None:
    result = run("check", frame, "--profile", "generic-210")
    assert (result.exit_code, result.stdout.splitlines()[0]) == (0, "generic-210: passes")


def test_a_rejected_file_is_told_with_line_and_remedy(frame: Path, tmp_path: Path) -> None:
    bad = changed(frame, tmp_path, "M997")
    result = run("check", bad, "-p", "generic-210")
    number = bad.read_text().splitlines().index("M997") + 1
    assert result.exit_code == 4
    assert result.stdout.startswith("generic-210: rejected\n")
    assert f"line {number}: M997" in result.stdout
    assert "  x " in result.stdout
    assert "    -> " in result.stdout


def test_and_in_french(frame: Path, tmp_path: Path) -> None:
    result = run("check", changed(frame, tmp_path, "M997"), "-p", "generic-210", env=FRENCH)
    assert result.stdout.startswith("generic-210 : refusé\n")
    assert "ligne " in result.stdout
    assert "micrologiciel" in result.stdout


def test_a_file_that_somebody_must_answer_for_has_a_code_of_its_own(frame: Path, tmp_path: Path) -> None:
    file = changed(frame, tmp_path, "M301 P20")
    assert run("check", file, "-p", "generic-210").exit_code == 3
    (report,) = answer("check", file, "-p", "generic-210")["reports"]
    assert (report["verdict"], report["profile"]) == ("trusted-only", "generic-210")
    assert report["profile_revision"] == bundled_profiles()["generic-210"].revision
    assert report["findings"][0]["hits"][0]["text"] == "M301 P20"


def test_every_profile_at_once_and_the_best_verdict_counts(frame: Path) -> None:
    result = run("check", frame, "--all")
    assert result.exit_code == 0
    assert {line.partition(":")[0] for line in result.stdout.splitlines() if not line.startswith(" ")} >= set(bundled_profiles())


def test_the_best_verdict_of_several_profiles_is_the_exit_code(frame: Path, tmp_path: Path) -> None:
    fits_klipper = changed(frame, tmp_path, "SET_PIN PIN=light VALUE=1")
    codes = [run("check", fits_klipper, "-p", name).exit_code for name in ("generic-210", "generic-klipper")]
    assert 4 in codes
    assert run("check", fits_klipper, "-p", "generic-210", "-p", "generic-klipper").exit_code == min(codes)


def test_help_says_what_each_exit_code_means() -> None:
    shown = " ".join(run("check", "--help").stdout.split())
    for words in ("0: it passes", "3: only when somebody answers for it", "4: rejected", "1: an error", "2: a wrong command line"):
        assert words in shown


def test_without_a_profile_it_says_what_to_do(frame: Path) -> None:
    assert "--profile ID, or --all" in failed("check", frame).next_step


def test_a_profile_by_the_end_of_its_name_or_in_a_file(frame: Path, tmp_path: Path) -> None:
    assert run("check", frame, "-p", "ender3").stdout.startswith("creality-ender3: ")
    own = tmp_path / "mine.toml"
    source = Path("configs/printers/generic-210.toml").read_text("utf-8")
    own.write_text(source.replace('id = "generic-210"', 'id = "mine"'), "utf-8")
    assert run("check", frame, "-p", own).stdout.startswith("mine: passes")
    own.write_text(source.replace("max_bed_c", "max_bed"), "utf-8")
    assert failed("check", frame, "-p", own).code == "bad-profile"


@pytest.mark.parametrize("name", ["nobody", "generic", "missing.toml"])
def test_an_unknown_profile_names_the_known_ones(frame: Path, name: str) -> None:
    error = failed("check", frame, "-p", name)
    assert isinstance(error, NotFoundError)
    assert "generic-210" in error.next_step


@pytest.mark.parametrize(
    ("content", "code"), [(b"", "empty"), (b"\x89PNG\r\n\x1a\n" + bytes(40), "picture"), (b"PK\x03\x04broken", None)]
)
def test_what_is_no_program_is_told(tmp_path: Path, content: bytes, code: str | None) -> None:
    path = tmp_path / "x.gcode"
    path.write_bytes(content)
    error = failed("facts", path)
    assert isinstance(error, InvalidError)
    assert code is None or error.code == code
    assert error.bilingual.fr != error.bilingual.en


def test_a_program_through_a_pipe(frame: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(frame.read_bytes(),))
    writer.start()
    found = answer("facts", pipe)
    writer.join(PATIENCE_S)
    assert found["layers"] == answer("facts", frame)["layers"]


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    assert isinstance(failed("facts", tmp_path / "none.gcode"), NotFoundError)
    assert isinstance(failed("check", tmp_path, "-p", "generic-210"), InvalidError)


@pytest.mark.parametrize(("name", "begins"), [("a.png", b"\x89PNG"), ("a.svg", b"<")])
def test_a_picture_of_the_part_and_of_a_layer(frame: Path, tmp_path: Path, name: str, begins: bytes) -> None:
    whole, layer = tmp_path / name, tmp_path / f"layer-{name}"
    assert run("preview", frame, "-o", whole, "-p", "generic-210", "--width", 320).exit_code == 0
    assert run("preview", frame, "-o", layer, "--layer", 3, "--width", 320).exit_code == 0
    assert whole.read_bytes().startswith(begins)
    assert whole.read_bytes() != layer.read_bytes()


def test_a_picture_of_no_layer_and_of_no_kind(frame: Path, tmp_path: Path) -> None:
    assert isinstance(failed("preview", frame, "-o", tmp_path / "a.png", "--layer", 900), InvalidError)
    assert "-o frame.png" in failed("preview", frame, "-o", tmp_path / "a.gif").next_step
    assert not list(tmp_path.iterdir())


def test_the_slicers_own_picture(frame: Path, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (32, 24), (200, 30, 30)).save(buffer, "PNG")
    lines = [f"; {line}" for line in base64.encodebytes(buffer.getvalue()).decode().splitlines()]
    block = "\n".join([f"; thumbnail begin 32x24 {len(base64.b64encode(buffer.getvalue()))}", *lines, "; thumbnail end\n"])
    file, picture = tmp_path / "with.gcode", tmp_path / "picture.png"
    file.write_text(block + frame.read_text())
    assert run("thumbnail", file, "-o", picture).exit_code == 0
    with Image.open(picture) as shown:
        assert shown.size == (32, 24)
    assert "farm gcode preview" in failed("thumbnail", frame, "-o", picture).next_step
    assert "picture.png" in failed("thumbnail", file, "-o", picture.with_suffix(".jpg")).next_step


def test_a_picture_that_lies_about_its_size_is_not_passed_over_in_silence(frame: Path, tmp_path: Path) -> None:
    file = tmp_path / "lies.gcode"
    file.write_text("; thumbnail begin 32x24 999999\n; QUJD\n; thumbnail end\n" + frame.read_text())
    error = failed("thumbnail", file, "-o", tmp_path / "picture.png")
    assert error.detail == "The picture in lies.gcode cannot be used: it has not the length that it claims."
    assert error.detail_fr.endswith("elle n'a pas la longueur annoncée.")
    assert "farm gcode preview" in error.next_step


def test_profiles_are_listed() -> None:
    lines = run("profiles").stdout.splitlines()
    assert len(lines) == len(bundled_profiles()) + 1
    assert any(line.startswith("generic-210 ") and "210 x 210 x 200" in line for line in lines)
    heads = run("profiles", env=FRENCH).stdout.splitlines()[0].split()
    assert heads == ["id", "nom", "plateau", "mm", "buse", "C", "max", "matières"]
    rows = answer("profiles")
    assert {row["id"] for row in rows} == set(bundled_profiles())
    assert all(row["revision"] for row in rows)


def test_filament_that_was_only_drawn_back_is_no_minus_nothing(tmp_path: Path) -> None:
    file = tmp_path / "back.gcode"
    file.write_text("G28\nM104 S200\nM83\n;TYPE:Custom\nG1 X10 Y10 Z0.2 E1 F1200\n;TYPE:Perimeter\nG1 E-2 F1200\nM104 S0\n")
    shown = run("facts", file).stdout
    assert "Perimeter" in shown
    assert "-0.00" not in shown
