"""Settings, models and messages of PrusaSlicer, without running it."""

from contextlib import suppress
from dataclasses import replace
from io import BytesIO
from zipfile import ZipFile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcode import slicers
from gcode.profile import PrinterProfile, bundled_profiles
from gcode.slicers import (
    MAX_MESSAGES,
    ModelError,
    ModelKind,
    SettingsError,
    SliceOptions,
    SlicerLog,
    model_kind,
    plain_3mf,
    plain_stl,
    prusaslicer_arguments,
    prusaslicer_settings,
)
from tests.unit.gcode.models import archive, box_3mf, box_stl, model_xml

PROFILE = bundled_profiles()["creality-ender3"]


def settings(profile: PrinterProfile = PROFILE, **options: object) -> dict[str, str]:
    text = prusaslicer_settings(profile, SliceOptions(**options))  # type: ignore[arg-type]  # any field
    return dict(line.split(" = ", 1) for line in text.splitlines())


# -- models


def test_an_stl_and_a_3mf_are_known_by_their_content() -> None:
    ascii_stl = b"solid cube\n facet normal 0 0 1\n  outer loop\n"
    for content, kind in ((box_stl(), ModelKind.STL), (ascii_stl, ModelKind.STL), (box_3mf(), ModelKind.THREE_MF)):
        stream = BytesIO(b"xx" + content)
        stream.seek(2)
        assert model_kind(stream) is kind
        assert stream.tell() == 2, "put back where it stood"


@pytest.mark.parametrize("content", [b"", b"G28\n", b"solid gold", box_stl()[:-1], box_stl() + b"x", bytes(84), b"\x7fELF" * 50])
def test_what_is_no_whole_model_is_refused(content: bytes) -> None:
    with pytest.raises(ModelError, match="no whole STL or 3MF") as caught:
        model_kind(BytesIO(content))
    assert caught.value.bilingual.fr.startswith("Ce n'est pas")


def test_a_binary_stl_that_begins_with_solid_is_one() -> None:
    assert model_kind(BytesIO(b"solid" + box_stl()[5:])) is ModelKind.STL


def test_a_huge_model_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slicers, "MAX_MODEL_BYTES", 100)
    with pytest.raises(ModelError, match="at most"):
        model_kind(BytesIO(box_stl()))


def test_a_binary_stl_is_marked_as_one_and_otherwise_the_same() -> None:
    output = BytesIO()
    plain_stl(BytesIO(box_stl()), output)
    copy = output.getvalue()
    assert copy[132:134] == b"\xff\xff"
    assert copy[:132] + copy[134:] == box_stl()[:132] + box_stl()[134:]


def test_an_ascii_stl_is_copied_as_it_is() -> None:
    text = b"solid x\n" + b" facet normal 0 0 1\n" * 50_000
    output = BytesIO()
    plain_stl(BytesIO(text), output)
    assert output.getvalue() == text


def stripped(content: bytes) -> ZipFile:
    output = BytesIO()
    plain_3mf(BytesIO(content), output)
    return ZipFile(output)


def test_a_3mf_keeps_its_geometry_and_nothing_else() -> None:
    evil = box_3mf(
        Metadata__Slic3r_PE_config="; post_process = /bin/touch /tmp/owned\n",
        Metadata__Prusa_Slicer_custom_gcode_per_print_z_xml="M502",
        _rels___rels='<Relationship Target="http://example.org/evil"/>',
    )
    with stripped(evil) as plain:
        assert plain.namelist() == ["[Content_Types].xml", "_rels/.rels", "3D/3dmodel.model"]
        assert plain.read("3D/3dmodel.model").decode() == model_xml()
        assert b"/3D/3dmodel.model" in plain.read("_rels/.rels")
        assert b"example.org" not in plain.read("_rels/.rels")


def test_parts_of_a_model_that_are_files_of_their_own_are_kept() -> None:
    content = archive({"3D/Objects/object_1.model": model_xml(5), "3D/3dmodel.model": model_xml()})
    with stripped(content) as plain:
        assert plain.namelist()[2:] == ["3D/Objects/object_1.model", "3D/3dmodel.model"]


@pytest.mark.parametrize(
    "content",
    [
        b"PK\x03\x04junk",
        box_3mf()[:-30],
        archive({"readme.txt": "no model"}),
        archive({"3D/../../../etc/x.model": "away"}),
        archive({"3D/3dmodel.model": b"\0" * 5_000_000}),
        archive({"3D/3dmodel.model": '<!DOCTYPE x [<!ENTITY a "aaaa">]>' + model_xml()}),
        archive({"3D/3dmodel.model": model_xml(), **{f"{number}.txt": "" for number in range(300)}}),
    ],
    ids=["junk", "cut", "none", "outside", "bomb", "entities", "many"],
)
def test_a_3mf_that_cannot_be_trusted_is_refused(content: bytes) -> None:
    with pytest.raises(ModelError, match="3MF"):
        stripped(content)


@given(st.binary(max_size=400), st.integers(0, 400))
def test_any_spoilt_3mf_is_refused_or_read(noise: bytes, place: int) -> None:
    good = box_3mf()
    content = good[:place] + noise + good[place + len(noise) :]
    with suppress(ModelError), stripped(content) as plain:
        assert plain.namelist()[:2] == ["[Content_Types].xml", "_rels/.rels"]


def test_an_entity_across_two_pieces_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    text = " " * 97 + "<!ENTITY a 'b'>" + model_xml()
    for piece in range(90, 112):
        monkeypatch.setattr(slicers, "_PIECE", piece)
        with pytest.raises(ModelError):
            stripped(archive({"3D/3dmodel.model": text}))


# -- settings


def test_bed_nozzle_and_temperatures_are_the_profiles() -> None:
    table = settings()
    volume = PROFILE.volume
    points = [tuple(float(number) for number in point.split("x")) for point in table["bed_shape"].split(",")]
    assert points[0] == (volume.min_x, volume.min_y)
    assert points[2] == (volume.max_x, volume.max_y)
    assert len(set(points)) == 4
    assert float(table["max_print_height"]) == PROFILE.volume.max_z
    assert float(table["nozzle_diameter"]) == PROFILE.nozzle_mm
    assert float(table["temperature"]) == PROFILE.nozzle_c
    assert float(table["bed_temperature"]) == PROFILE.bed_c
    assert table["gcode_flavor"] == "marlin2"
    assert table["post_process"] == ""


def test_start_and_end_code_are_the_profiles_with_their_temperatures() -> None:
    table = settings()
    assert "{" not in table["start_gcode"]
    assert f"M190 S{PROFILE.bed_c:g}" in table["start_gcode"].split("\\n")
    assert "\n" not in table["end_gcode"]


def test_another_material_has_its_own_temperatures_within_the_printers() -> None:
    assert (settings(material="PETG")["temperature"], settings(material="PETG")["filament_density"]) == ("240", "1.27")
    assert settings(replace(PROFILE, max_nozzle_c=230), material="PETG")["temperature"] == "230"


def test_what_a_person_chooses() -> None:
    table = settings(layer_height_mm=0.28, infill_percent=40, walls=4, supports=True, brim_mm=5)
    assert (table["layer_height"], table["fill_density"], table["perimeters"]) == ("0.28", "40%", "4")
    assert (table["support_material"], table["brim_width"]) == ("1", "5")


@pytest.mark.parametrize(
    "options",
    [
        {"material": "unobtainium\x1b[2J"},
        {"layer_height_mm": 0.01},
        {"layer_height_mm": 0.33},
        {"layer_height_mm": float("nan")},
        {"copies": 0},
        {"copies": 51},
        {"infill_percent": 101},
        {"walls": 0},
        {"brim_mm": -1.0},
    ],
)
def test_choices_out_of_range_are_refused_in_both_languages(options: dict[str, object]) -> None:
    with pytest.raises(SettingsError) as caught:
        settings(PROFILE, **options)
    assert caught.value.bilingual.en != caught.value.bilingual.fr
    assert "\x1b" not in str(caught.value)


def test_a_flavour_that_prusaslicer_does_not_write() -> None:
    with pytest.raises(SettingsError, match="griffin"):
        settings(replace(PROFILE, flavour="griffin"))


def test_code_with_brackets_of_the_slicers_own_language_is_refused() -> None:
    with pytest.raises(SettingsError, match="brackets"):
        settings(replace(PROFILE, start_gcode="M104 S{first_layer_temperature[0]}"))


def test_a_line_of_code_cannot_become_a_setting() -> None:
    profile = replace(PROFILE, start_gcode="G28\npost_process = /bin/sh\nM117 a\\nb", end_gcode="M84")
    lines = prusaslicer_settings(profile).splitlines()
    assert [line for line in lines if line.startswith("post_process")] == ["post_process = "]
    assert settings(profile)["start_gcode"].endswith("M117 a\\\\nb")


def test_the_model_comes_last_and_is_no_option() -> None:
    arguments = prusaslicer_arguments("model.stl", "out.gcode", "settings.ini", "/x", SliceOptions(copies=3))
    assert arguments[-2:] == ["--", "model.stl"]
    assert arguments[arguments.index("--duplicate") + 1] == "3"
    assert "--center" not in arguments


# -- messages


def log_of(*lines: str) -> SlicerLog:
    log = SlicerLog()
    for line in lines:
        log.take(line)
    return log


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("  what():  Objects could not fit on the bed", "does-not-fit"),
        ("No layers were detected. You might want to repair your STL file(s) or check their size", "nothing-to-print"),
        (
            "[2026-11-22 07:42:44.31] [0x00007fde037cdd80] [error]   stl_open_count_facets: The file a.stl has the wrong size.",
            "unreadable-model",
        ),
        ("[error]   Something is syntactically very wrong with this ASCII STL! ", "unreadable-model"),
        ("rubbish.stl: Loading of a model file failed.", "unreadable-model"),
        ("G-code export to c5.gcode failed due to invalid custom G-code sections:", "custom-code"),
        ("Layer height can't be greater than nozzle diameter", "settings"),
        ('Error while reading config file "bad.ini": Failed loading', "settings"),
        ("  what():  std::bad_alloc", "no-memory"),
        ("Something new", "other"),
    ],
)
def test_messages_as_they_were_seen(line: str, name: str) -> None:
    (message,) = log_of(line).messages
    assert message.id == name
    assert not message.original.startswith("[")
    assert (message.text.fr != message.text.en) is (name != "other")


def test_progress_is_no_message() -> None:
    log = log_of("10 => Processing triangulated mesh", "70 => Infilling layers", "30 => Preparing infill")
    assert (log.percent, log.step, log.messages) == (30, "Preparing infill", [])


def test_noise_and_repetitions_are_left_out() -> None:
    log = log_of("[2026] [0x00] [trace]   Initializing StaticPrintConfigs", "", "terminate called after throwing", "x", "x")
    assert [message.original for message in log.messages] == ["x"]


def test_the_reason_is_what_we_understand_or_what_was_said() -> None:
    assert log_of("strange", "  what():  Objects could not fit on the bed").why.fr.startswith("Le modèle ne tient pas")
    assert log_of("strange", "thing").why.en == "strange thing"
    assert log_of().why.fr == "Il n'a pas donné de raison."


def test_a_chatty_slicer_does_not_fill_the_memory() -> None:
    log = log_of(*(f"line {number} {'x' * 1000}" for number in range(1000)))
    assert len(log.messages) == MAX_MESSAGES
    assert max(len(message.original) for message in log.messages) <= 300


@given(st.text(max_size=500))
def test_no_line_breaks_it_or_controls_a_terminal(line: str) -> None:
    assert all(message.original.isprintable() for message in log_of(line).messages)
