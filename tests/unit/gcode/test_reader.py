"""Reading: every shape a line can have, and files that nobody should have to hold in memory."""

import tracemalloc
from collections.abc import Iterator
from functools import reduce
from io import BytesIO
from operator import xor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcode.reader import MAX_LINE_BYTES, MOVES, Defect, Line, arguments, number_in, parse_line, read_lines


def lines(content: bytes) -> list[Line]:
    return list(read_lines(BytesIO(content)))


@pytest.mark.parametrize(
    ("raw", "code", "parameters"),
    [
        (b"G1 X10 Y-5.5 E.4", "G1", {"X": 10, "Y": -5.5, "E": 0.4}),
        (b"G1X10Y-5.5E.4", "G1", {"X": 10, "Y": -5.5, "E": 0.4}),
        (b"  G1 X 10 Y+5 ", "G1", {"X": 10, "Y": 5}),
        (b"G01 X1", "G1", {"X": 1}),
        (b"G28 X Y", "G28", {"X": 0, "Y": 0}),
        (b"G28 W ; home", "G28", {"W": 0}),
        (b'M862.3 P "MK3S"', "M862.3", {"P": 0}),
        (b"T1", "T1", {}),
        (b"T-1", "T-1", {}),
        (b"G1X1E-.5", "G1", {"X": 1, "E": -0.5}),
        (b"G1 X1E308", "G1", {"X": 1, "E": 308}),
        (b"G1 X1. Y2", "G1", {"X": 1, "Y": 2}),
        (b"M104S200", "M104", {"S": 200}),
        (b"\tM107\r\n", "M107", {}),
    ],
)
def test_a_command_is_read_as_marlin_reads_it(raw: bytes, code: str, parameters: dict[str, float]) -> None:
    line = parse_line(raw)
    assert (line.code, line.parameters, line.defect) == (code, parameters, None)


@pytest.mark.parametrize(
    ("raw", "code", "text"),
    [
        (b"START_PRINT BED=60 EXTRUDER=210", "START_PRINT", "BED=60 EXTRUDER=210"),
        (b"  print_end ; done\r\n", "PRINT_END", ""),
        (b"EXCLUDE_OBJECT_DEFINE NAME=a POLYGON=[[1,2],[3,4]]", "EXCLUDE_OBJECT_DEFINE", "NAME=a POLYGON=[[1,2],[3,4]]"),
        (b'RESPOND MSG="X10 Y20 and more"', "RESPOND", 'MSG="X10 Y20 and more"'),
        (b"SET_GCODE_OFFSET Z=0.1 MOVE=1", "SET_GCODE_OFFSET", "Z=0.1 MOVE=1"),
        (b"TIMELAPSE_TAKE_FRAME", "TIMELAPSE_TAKE_FRAME", ""),
        (b"PS", "PS", ""),
        (b"bt X=1 ; two letters", "BT", "X=1"),
        (b"_A9", "_A9", ""),
        (b"Tx", "TX", ""),
        (b"G1X_MACRO", "G1", "X_MACRO"),
    ],
)
def test_a_word_of_klipper_is_a_code_and_its_arguments_are_no_coordinates(raw: bytes, code: str, text: str) -> None:
    line = parse_line(raw)
    assert (line.code, line.text) == (code, text)
    assert line.parameters == {} or line.defect is not None


@pytest.mark.parametrize(
    "raw", [b"hello world", b"SET_PIN PIN", b"A=1", b"<html>", b"A", b"_", b"T", b"A B=1", b"if x", b"BED=60 START", b"\xc3\x89TAT"]
)
def test_prose_is_no_word_of_klipper(raw: bytes) -> None:
    assert parse_line(raw).defect is Defect.NOT_A_COMMAND


def test_the_outline_of_an_object_may_be_long() -> None:
    polygon = ",".join(f"[{n},{n}]" for n in range(500))
    (line,) = lines(f"EXCLUDE_OBJECT_DEFINE NAME=cube CENTER=1,2 POLYGON=[{polygon}]\n".encode())
    assert (line.code, line.defect) == ("EXCLUDE_OBJECT_DEFINE", None)
    assert arguments(line.text)["NAME"] == "cube"
    assert len(line.text) <= MAX_LINE_BYTES
    assert parse_line(b"EXCLUDE_OBJECT_DEFINER NAME=" + b"x" * 300).defect is Defect.TOO_LONG


def test_arguments_and_their_numbers() -> None:
    values = arguments("A=1.5 b='two words' C=\"3\" D=nan E=1e308 F= G=-.5 H=9999999")
    assert (values["A"], values["B"], values["C"]) == ("1.5", "two words", "3")
    assert [number_in(values, key) for key in "ABCDEFGHI"] == [1.5, None, 3, None, None, None, -0.5, None, None]


@pytest.mark.parametrize("code", [b"M117", b"M118", b"M23", b"M28"])
def test_a_text_has_no_parameters_and_no_absurd_numbers(code: bytes) -> None:
    line = parse_line(code + b" print12345678.gco X5")
    assert (line.parameters, line.defect, line.text) == ({}, None, "print12345678.gco X5")


def test_what_is_quoted_is_no_parameter() -> None:
    assert parse_line(b'M291 P"Insert X5 and M112" S3').parameters == {"P": 0, "S": 3}


@pytest.mark.parametrize("raw", ["G1 X١٢".encode(), "G1 X5 ı7".encode(), "M104 Ｓ200".encode()])
def test_digits_and_letters_of_other_scripts_are_none(raw: bytes) -> None:
    line = parse_line(raw)
    assert line.defect is not None or line.parameters == {}


@pytest.mark.parametrize(
    "raw", [b"G1 X5\n", b"G1 X5 \r\n", b"G1 X5 Y-.5 E.04533\n", b"G0 F9000 X1 Y2 Z.3", b"G3 X1 Y2 I.5 J-1 E1\n"]
)
def test_the_quick_way_reads_what_the_careful_way_reads(raw: bytes) -> None:
    careful = parse_line(b" " + raw, 7, 9)
    assert parse_line(raw, 7, 9) == careful
    assert careful.defect is None


@given(
    st.sampled_from([b"G0", b"G1", b"G2", b"G1 ", b"G92"]),
    st.lists(
        st.sampled_from([b"X", b"Y", b" ", b"1", b"-", b".", b"5", b"e", b"E", b"+", b"1000000", b",", b"F", b"\t"]), max_size=12
    ),
)
def test_both_ways_agree_on_any_move(code: bytes, pieces: list[bytes]) -> None:
    raw = code + b"".join(pieces)
    assert parse_line(raw) == parse_line(b" " + raw)


def test_the_argument_text_is_kept_as_it_stands() -> None:
    assert parse_line(b"M117 Layer 3 of 17 ; shown").text == "Layer 3 of 17"


def test_comments_are_apart_from_commands() -> None:
    line = parse_line("G1 X1 ; M112 é".encode())
    assert (line.code, line.comment) == ("G1", "M112 é")
    assert parse_line(b";TYPE:Perimeter") == Line(1, 0, "", {}, "", "TYPE:Perimeter")


@pytest.mark.parametrize(
    ("raw", "defect"),
    [
        (b"G1 X1\x00 Y2", Defect.BINARY),
        (b";\x00", Defect.BINARY),
        (b"\x7fELF", Defect.BINARY),
        (b"G1 X\xff\xfe", Defect.NOT_TEXT),
        (b"Lorem ipsum", Defect.NOT_A_COMMAND),
        (b"(a remark)", Defect.NOT_A_COMMAND),
        (b"G1 X5 (to X9)", Defect.UNREADABLE_NUMBER),
        (b"G1 X1e308", Defect.UNREADABLE_NUMBER),
        (b"G1 X1E+08", Defect.UNREADABLE_NUMBER),
        (b"G1 Xnan Yinf", Defect.UNREADABLE_NUMBER),
        (b"G1 X{layer_z}", Defect.UNREADABLE_NUMBER),
        (b"G1 X5,5", Defect.UNREADABLE_NUMBER),
        (b"G1 X--5", Defect.UNREADABLE_NUMBER),
        (b"G2 X1 Y1 I", Defect.UNREADABLE_NUMBER),
        (b"{start_gcode}", Defect.NOT_A_COMMAND),
        (b"G1 X9999999", Defect.ABSURD_NUMBER),
        (b"G1 X" + b"9" * (MAX_LINE_BYTES - 3), Defect.TOO_LONG),
        (bytes(10_000), Defect.BINARY),
        (b"M84" + bytes(10_000), Defect.BINARY),
        (b"EXCLUDE_OBJECT_DEFINE NAME=a" + bytes(300), Defect.BINARY),
        (b"N3 G1 X1*99", Defect.BAD_CHECKSUM),
    ],
)
def test_a_bad_line_names_its_defect(raw: bytes, defect: Defect) -> None:
    assert parse_line(raw).defect is defect


def test_a_recorded_line_loses_its_number_and_checksum() -> None:
    body = b"N3 G1 X10"
    checksum = 0
    for byte in body:
        checksum ^= byte
    line = parse_line(body + b"*%d" % checksum)
    assert (line.code, line.parameters, line.defect) == ("G1", {"X": 10}, None)
    assert parse_line(b"N3 G1 X10").code == "G1"


def test_a_star_in_a_plain_line_is_text() -> None:
    assert parse_line(b"M117 5*3").text == "5*3"


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_line_ends_of_every_system(end: bytes) -> None:
    content = end.join([b"G28", b"", b"G1 X1", b"M84"])
    found = lines(content)
    assert [(line.number, line.code) for line in found] == [(1, "G28"), (2, ""), (3, "G1"), (4, "M84")]
    assert [content[line.offset : line.offset + 3] for line in found if line.code] == [b"G28", b"G1 ", b"M84"]


def test_nothing_hides_behind_a_carriage_return() -> None:
    assert [line.code for line in lines(b"; nice\rM112\n")] == ["", "M112"]


def test_nothing_hides_behind_a_carriage_return_at_the_end_of_a_chunk() -> None:
    """Chunks are 64 KiB; the comment is cut, but its end is not forgotten."""
    for before in range(65_530, 65_540):
        assert [line.code for line in lines(b";" + b"x" * before + b"\rM112\n")] == ["", "M112"]


def test_a_byte_order_mark_is_no_part_of_the_first_line() -> None:
    first, second = lines(b"\xef\xbb\xbfG28\nG1 X1\n")
    assert (first.code, first.defect) == ("G28", None)
    assert second.offset == 7


def test_an_empty_file_has_no_lines() -> None:
    assert lines(b"") == []


@given(
    st.lists(st.sampled_from([b"G1 X1", b"", b"; c", b"M104 S200"]), max_size=30),
    st.integers(1, 9),
    st.sampled_from([b"\n", b"\r\n", b"\r"]),
)
def test_pieces_of_any_size_give_the_same_lines(rows: list[bytes], size: int, end: bytes) -> None:
    content = end.join(rows)

    class Trickle:
        def __init__(self) -> None:
            self.rest = BytesIO(content)

        def read(self, _size: int, /) -> bytes:
            return self.rest.read(size)

    assert list(read_lines(Trickle())) == lines(content)


@given(st.binary(max_size=2000))
def test_any_bytes_are_read_without_an_error(content: bytes) -> None:
    found = lines(content)
    assert [line.number for line in found] == list(range(1, len(found) + 1))
    assert all(0 <= line.offset < len(content) for line in found)


def test_a_long_comment_is_cut_and_is_no_defect() -> None:
    (line,) = lines(b"; " + b"x" * 100_000)
    assert line.defect is None
    assert len(line.comment) <= MAX_LINE_BYTES


def test_what_follows_a_long_line_keeps_its_number_and_offset() -> None:
    long = b"G1 " + b"X" * 200_000 + b"\r\n"
    first, second = lines(long + b"M84\n")
    assert first.defect is Defect.TOO_LONG
    assert (second.number, second.offset, second.code) == (2, len(long), "M84")


class Endless:
    """A file of one line of 20 MB."""

    def __init__(self) -> None:
        self._left = 20_000_000

    def read(self, size: int, /) -> bytes:
        size = min(size, self._left)
        self._left -= size
        return b"G" * size


def test_a_line_of_20_megabytes_never_gets_into_memory() -> None:
    def one() -> Iterator[Line]:
        yield from read_lines(Endless())

    tracemalloc.start()
    try:
        assert [line.defect for line in one()] == [Defect.TOO_LONG]
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


letters = st.sampled_from("XYZEFSP")
numbers = st.one_of(st.integers(-500, 500).map(str), st.floats(-500, 500).map(lambda value: f"{value:.4f}"))


@given(
    st.sampled_from(["G0", "G1", "M104", "G92"]), st.dictionaries(letters, numbers, max_size=5), st.sampled_from(["", " ", "  "])
)
def test_every_spelling_of_a_command_is_the_same_command(code: str, values: dict[str, str], gap: str) -> None:
    expected = {letter: float(value) for letter, value in values.items()}
    spaced = code + gap + gap.join(f"{letter}{value}" for letter, value in values.items())
    numbered = "N7 " + spaced
    checksum = reduce(xor, numbered.encode(), 0)
    for text in (spaced, spaced.lower(), f"  {spaced} ; X999", f"{numbered}*{checksum}"):
        line = parse_line(text.encode())
        assert (line.code, line.parameters) == (code, expected)
        assert line.defect in {None, Defect.DOUBTFUL}  # M104S0E1
        if text == spaced.lower():
            assert line.defect is Defect.DOUBTFUL
        elif code in MOVES or gap:
            assert line.defect is None


@pytest.mark.parametrize(
    "text",
    [
        'M104 "S300"', "M104 S3e2", "M104 S3E2", "M104 S400 S0", "M104 S400S0", "M104 S400 *S0", "M104 S400 (S0)", "M104 S0x1F",
        "M104 S0X1F", "m104 S0", "M104 s0", "M104 S\t0", "M104 S0 \\", "M104 " + " " * 70 + "S0", "M140 0S60", 'G92 "Z50"',
        "G92 *Z50", "G92 (Z50)", "g91", "G28 Z Z", "T0 G92 Z5", "T0 (1)", "M106 S0 M302 P1", "M106 S0 G92 Z200", "M118 hi G1 Z-5",
        "m486 AG92", "G1 X60 M104 S400", "G1 X1 G92 Z5", "G5 X1 Y1 I1 J1 P1 Q1 M104", "G1 H2 Z-5", "G1 Z5 M117", "m73 P1",
        "M117" + " " * 90 + "M104 S400", " " * 91 + "M486 AM104 S400",
    ],
)  # fmt: skip
def test_what_firmwares_read_in_different_ways_is_doubtful(text: str) -> None:
    assert parse_line(text.encode()).defect is not None


@pytest.mark.parametrize(
    "text",
    [
        "g1 z100", "G1 z100", "g1 Z100", "N3 g1 Z5", "G1 X60 Z-5 Z5", "G1 X5 X5", "G1X1Y2X1", "G5 X1 X2 I1 J1 P1 Q1",
        "G1" + " " * 100 + "Z100", " " * 90 + "G1 Z5", "G1" + " " * 77 + "Z5", "G2 Z100", "G2", "G3 X5 Y5", "G2 X5 I0 J0",
        "G2 R0 Z5", "G2 X5 R5 I2", "G3 X5 R0 I2",
    ],
)  # fmt: skip
def test_a_move_that_firmwares_read_in_different_ways_is_doubtful(text: str) -> None:
    assert parse_line(text.encode()).defect is Defect.DOUBTFUL
    assert parse_line(f" {text}\r\n".encode()).defect is Defect.DOUBTFUL


@pytest.mark.parametrize(
    "text",
    [
        "G1" + " " * 76 + "Z5", "G1 X5" + " " * 150 + "; far", "G1 X1 Y1 ; a comment in small letters, XX", "G2 X5 I5", "G3 J-.5",
        "G2 X5 R5", "G2 R5 Z100", "G2 K5 Z1", "G1 X5 I0 J0 R0", "G1X60Y5E2",
    ],
)  # fmt: skip
def test_a_move_that_all_read_alike_is_not_doubtful(text: str) -> None:
    assert parse_line(text.encode()).defect is None


@pytest.mark.parametrize(
    "text",
    [
        "M104 S200 ; hot", "M104 T0 S200", "M104S200", "M109 R180", "M84 X Y E ", "G28 W", "G28 XY", "G92 E0", "G92E0.0", "T0",
        "M117 G1 and M3", "M0 insert M3 nuts", "M118 G code", "M486 AGear", 'M862.3 P "MK3S"', "M115 U3.8.1", "M204 S 800", "M82\t",
        "G29 P9 X10 Y-4 W32 H4", "M73 P5 R10", "M203 X500.00 Y500.00 Z12.00 E120.00", 'M98 P"prepare.g"', "N3 M104 S200*100",
        'M98 P"G29_mesh.g"',
        "M486 AM3 nut", "M486 AG92 Z200", "N123456 M486 " + " " * 19 + "AM3 nut", "M84" + " " * 40 + "X",
    ],
)  # fmt: skip
def test_what_slicers_write_is_not_doubtful(text: str) -> None:
    assert parse_line(text.encode()).defect is None


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("M486 S0", {"S": 0.0}),
        ("M486 S-1", {"S": -1.0}),
        ("M486 T3", {"T": 3.0}),
        ("M486 AShape-Box Gear id:0", {}),
        ("M486 AM3 nut T5 S7", {}),
        ("M486 Ascan20201123 copy 2.stl", {}),  # no absurd number
        ('M486 S4 A"T2 belt S9"', {"S": 4.0}),
        ("M486Agear", {}),
        ("M486 NT3 screw", {}),  # the older letter of Prusa's Buddy firmware
    ],
)
def test_the_name_of_a_part_has_no_parameters(text: str, parameters: dict[str, float]) -> None:
    line = parse_line(text.encode())
    assert (line.code, line.parameters, line.defect) == ("M486", parameters, None)
