"""What a file is, by its first bytes."""

import struct
from io import BytesIO

import pytest

from gcode.containers.errors import TEXTS
from gcode.containers.kinds import HEAD_BYTES, PROGRAMS, Kind, kind_of, refusal, size_of
from tests.gcode_files import real_files
from tests.shared_data import FOLDER
from tests.unit.gcode.containers import made

STL = b"a part".ljust(80) + struct.pack("<I", 2) + bytes(100)
HEADS = {
    Kind.EMPTY: [b"", b"\xef\xbb\xbf", b" \r\n\n"],
    Kind.GZIP: [b"\x1f\x8b\x08\x00"],
    Kind.ZSTD: [b"\x28\xb5\x2f\xfd"],
    Kind.BGCODE: [b"GCDE\x01"],
    Kind.ZIP: [made.ufp(), made.zipped({})],
    Kind.PNG: [b"\x89PNG\r\n\x1a\n\0"],
    Kind.JPEG: [b"\xff\xd8\xff\xe0"],
    Kind.GIF: [b"GIF89a"],
    Kind.WEBP: [b"RIFF\0\0\0\0WEBPVP8 "],
    Kind.QOI: [b"qoif"],
    Kind.PDF: [b"%PDF-1.7"],
    Kind.XZ: [b"\xfd7zXZ\x00"],
    Kind.BZIP2: [b"BZh9"],
    Kind.RAR: [b"Rar!\x1a\x07\x01"],
    Kind.SEVEN_ZIP: [b"7z\xbc\xaf\x27\x1c"],
    Kind.TAR: [b"name".ljust(257, b"\0") + b"ustar"],
    Kind.STEP: [b"ISO-10303-21;\nHEADER;"],
    Kind.UTF_16: ["\ufeffG28\n".encode("utf-16-le"), "\ufeffG28\n".encode("utf-16-be")],
    Kind.STL: [b"solid x\nfacet normal 0 0 1\n", b" solid\r\n  endsolid\r\n", STL],
    Kind.PLY: [b"ply\nformat ascii 1.0\n"],
    Kind.AMF: [b'<?xml version="1.0"?>\n<amf unit="millimeter">', b"<amf>"],
    Kind.XML: [b'<?xml version="1.0"?><svg/>'],
    Kind.HTML: [b"\n<!DOCTYPE html>\n<title>", b"<HTML><body>\nG1 X1\n"],
    Kind.JSON: [b'{"a": 1}', b"[[1]]"],
    Kind.OBJ: [b"# a cube\nv 0.0 1.0 -2.5\nv 1 1 1\n"],
    Kind.TEXT: [b"Dear maker,\nplease print this.\n", "Chère maker\n".encode()],
    Kind.BINARY: [bytes(1000), b"MZ\x90\x00\x03\x00", bytes(range(256)) * 4, b"\x7fELF\x02\x01\x01\x00"],
    Kind.GCODE: [
        b"G28\n",
        b"\xef\xbb\xbfG28\r\n",
        b"; a comment",
        b"  g1x1",
        b"N1 G28*18\n",
        b"T0\rG28\r",
        b"START_PRINT BED=60\nG1 X1\n",
        b"; ol\xe9\nG28\n",  # Latin-1
        b"G28\nG1 X1\0\0\0\0\0\0\0\0\0\0\0\0",  # the end was lost in a power cut
        b"solid comment first\nG1 X1\n",
    ],
}


@pytest.mark.parametrize(("head", "kind"), [(head, kind) for kind, heads in HEADS.items() for head in heads])
def test_a_file_is_known_by_its_first_bytes(head: bytes, kind: Kind) -> None:
    assert kind_of(head, len(head)) is kind


def test_every_kind_is_tried_here_but_those_that_need_the_whole_archive() -> None:
    assert set(Kind) - set(HEADS) == {Kind.UFP, Kind.GCODE_3MF, Kind.MODEL_3MF}


def test_a_binary_stl_is_known_by_its_size() -> None:
    assert kind_of(STL, len(STL) + 1) is not Kind.STL
    assert kind_of(STL) is not Kind.STL


def test_real_files_are_programs() -> None:
    for path in [*real_files(), *FOLDER.glob("*.gz")]:
        assert kind_of(path.read_bytes()[:HEAD_BYTES]) in PROGRAMS, path


def test_white_space_without_end_is_looked_through_once() -> None:
    for byte in b" \t\n\r\f":
        assert kind_of(bytes([byte]) * HEAD_BYTES) is Kind.EMPTY
        assert kind_of(bytes([byte]) * (HEAD_BYTES - 1) + b"x") is Kind.TEXT


def test_every_kind_without_a_program_has_a_text_that_says_what_it_is() -> None:
    for kind in set(Kind) - PROGRAMS:
        error = refusal(kind)
        assert error.code in TEXTS
        assert "(" not in TEXTS[error.code].detail.en or kind.value in error.bilingual.en


def test_the_size_is_that_of_the_whole_stream_and_it_begins_anew() -> None:
    stream = BytesIO(b"12345")
    stream.seek(3)
    assert size_of(stream) == 5
    assert stream.tell() == 0
