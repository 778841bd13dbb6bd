"""Archives of slicers, and archives that are made to do harm."""

import io
import struct
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from gcode.containers import archives
from gcode.containers.archives import Archive
from gcode.containers.errors import ContainerError
from gcode.containers.kinds import Kind
from gcode.containers.limits import Limits
from tests.unit.gcode.containers import made
from tests.unit.gcode.containers.made import TEXT


def archive(content: bytes) -> Archive:
    return Archive(BytesIO(content))


def text_of(content: bytes, plate: int | None = None) -> bytes:
    opened = archive(content)
    return b"".join(opened.text(opened.program(plate), Limits()))


def refused(content: bytes, plate: int | None = None) -> ContainerError:
    with pytest.raises(ContainerError) as caught:
        text_of(content, plate)
    return caught.value


def test_kinds() -> None:
    assert archive(made.ufp()).kind is Kind.UFP
    assert archive(made.plates(1)).kind is Kind.GCODE_3MF
    assert archive(made.zipped({"3D/3dmodel.model": b"<model/>"})).kind is Kind.MODEL_3MF
    assert archive(made.zipped({"a.gcode": TEXT})).kind is Kind.ZIP
    assert archive(made.zipped({})).kind is Kind.ZIP


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_the_program_of_an_ultimaker_archive(method: int) -> None:
    assert text_of(made.zipped({"3D/model.gcode": TEXT}, method=method)) == TEXT
    opened = archive(made.ufp())
    found = opened.program(None)
    assert b"".join(opened.text(found, Limits())) == TEXT
    assert [picture.data for picture in opened.pictures(found)] == [b"a picture"]
    assert opened.claims(found) == {}


def test_the_only_plate_needs_no_number() -> None:
    assert text_of(made.plates(3)) == TEXT + b"; plate 3\n"


def test_of_several_plates_one_is_named() -> None:
    content = made.plates(1, 2, 10)
    assert text_of(content, 2) == TEXT + b"; plate 2\n"
    assert refused(content).code == "plates"
    assert "(1, 2, 10)" in refused(content).bilingual.en
    assert refused(content, 4).code == "no-plate"


def test_pictures_and_claims_are_those_of_the_plate() -> None:
    opened = archive(made.plates(1, 2))
    first, second = opened.program(1), opened.program(2)
    assert [picture.data for picture in opened.pictures(second)] == [b"picture 2"]
    assert opened.claims(first) == {
        "index": "1",
        "prediction": "3600",
        "weight": "12.34",
        "filament_1_type": "PLA",
        "filament_1_color": "#FFFFFF",
        "filament_1_used_m": "4.13",
        "filament_1_used_g": "12.34",
    }
    assert opened.claims(second) == {"index": "2", "prediction": "7200", "x": "&b;&"}  # no entity of the file's own is expanded


@pytest.mark.parametrize("table", [b"", b"<plate>" * 30_000, b"<metadata key=" * 10_000, bytes(300_000), b"\xff<plate>"])
def test_a_strange_table_of_plates_claims_nothing(table: bytes) -> None:
    opened = archive(made.zipped({"Metadata/plate_1.gcode": TEXT, "Metadata/slice_info.config": table}))
    found = opened.program(None)
    assert opened.claims(found) == {}
    assert opened.pictures(found) == ()


def test_a_picture_over_the_limit_is_left_out() -> None:
    content = made.zipped({"3D/model.gcode": TEXT, "Metadata/thumbnail.png": bytes(archives.MAX_PICTURE_BYTES + 1)})
    opened = archive(content)
    assert opened.pictures(opened.program(None)) == ()


@pytest.mark.parametrize("name", ["../3D/model.gcode", "a/../../b", "C:/x", "a\\b", "a\nb", "/../x", ".."])
def test_a_name_that_could_leave_a_folder_is_refused(name: str) -> None:
    content = made.zipped({"3D/model.gcode": TEXT, name: b""})
    assert refused(content).code == "zip-names"


def test_an_entry_twice_is_refused() -> None:
    assert refused(made.zipped({"3D/model.gcode": TEXT, "/3D/model.gcode": b"G28\n"})).code == "zip-twice"


def test_more_entries_than_the_limit() -> None:
    names = {f"{number}": b"" for number in range(archives.MAX_ENTRIES + 1)}
    assert refused(made.zipped(names)).code == "zip-entries"


def test_a_table_over_the_limit_is_not_read() -> None:
    content = bytearray(made.ufp())
    end = content.rindex(b"PK\x05\x06")
    padded = content[:end] + bytes(archives.MAX_DIRECTORY_BYTES) + content[end:]
    struct.pack_into("<I", padded, len(padded) - 22 + 12, archives.MAX_DIRECTORY_BYTES + 1)
    assert refused(bytes(padded)).code == "zip-directory"


def _with_field(offset: int, form: str, value: int) -> bytes:
    """An archive whose table says `value` of its program."""
    content = bytearray(made.zipped({"3D/model.gcode": TEXT}))
    struct.pack_into(form, content, content.index(b"PK\x01\x02") + offset, value)
    return bytes(content)


def test_an_encrypted_program_is_refused() -> None:
    assert refused(_with_field(8, "<H", 1)).code == "zip-encrypted"


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_unusual_packing_is_refused(method: int) -> None:
    assert refused(made.zipped({"3D/model.gcode": TEXT}, method=method)).code == "zip-method"


def test_a_size_over_the_limit_is_refused_by_its_own_word() -> None:
    assert refused(_with_field(24, "<I", 0x80000001)).code == "too-large"


def test_a_size_that_is_too_small_is_damage() -> None:
    assert refused(_with_field(24, "<I", 5)).code in {"damaged", "checksum"}


def test_a_changed_checksum_is_told() -> None:
    assert refused(_with_field(16, "<I", 5)).code == "checksum"


@pytest.mark.parametrize("place", range(1, 60, 4))
def test_a_cut_archive_is_damage(place: int) -> None:
    assert refused(made.ufp()[:-place]).code == "damaged"


def test_an_archive_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "x.ufp"
    path.write_bytes(made.ufp())
    with path.open("rb") as file:
        opened = Archive(file)
        assert b"".join(opened.text(opened.program(None), Limits())) == TEXT


def test_an_archive_behind_something_else_is_one_too() -> None:
    whole = io.BytesIO()
    whole.write(b"#!/bin/sh\n" + made.ufp())
    assert archive(whole.getvalue()).kind is Kind.UFP  # but `kind_of` never takes it for an archive
