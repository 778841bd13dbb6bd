"""The compiled parser against the interpreter: the same moves, bit for bit; and the kernel under sanitizers."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import hatch_build
from gcode.machine import Machine
from gcode.reader import MAX_LINE_BYTES, parse_line
from gcode.scan.columns import MODE_M, TEXTS, Columns, MoveFlag
from gcode.scan.figures import Figures
from gcode.scan.kernel import KernelParser, Library
from tests.gcode_files import ROOT, real_files
from tests.unit.gcode.scan.compiled import build_kernel, compiler

DRIVER = ROOT / "tests" / "native" / "kernel_driver.c"
SANITIZERS = ("-fsanitize=address,undefined,float-cast-overflow", "-fno-sanitize-recover=all", "-g", "-O1")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return Library(build_kernel(tmp_path_factory.mktemp("kernel")))


# ---- what the interpreter makes of a program, and what the kernel does ----

Row = tuple[int, int, tuple[float, ...], tuple[float, ...], float, float, int, bool, bool]


@dataclass
class Reading:
    machine: Machine
    rows: list[Row]
    lines: int = 0
    odd: int = 0


def _obey(machine: Machine, raw: bytes, number: int, offset: int) -> list[Row]:
    line = parse_line(raw[: MAX_LINE_BYTES + 1], number, offset)
    moves = machine.apply(line) if line.code and not line.defect else ()
    return [(number, offset, *move[:4], machine.tool, move.extrudes, index == len(moves)) for index, move in enumerate(moves, 1)]


def read_slowly(program: bytes) -> Reading:
    reading = Reading(Machine(), [])
    offset = 0
    for raw in program.splitlines(keepends=True):
        reading.lines += 1
        reading.rows += _obey(reading.machine, raw, reading.lines, offset)
        offset += len(raw)
    return reading


def rows_of(columns: Columns) -> list[Row]:
    def row(index: int) -> Row:
        flags = int(columns.flags[index])
        start, end = (tuple(map(float, points[:, index])) for points in (columns.start, columns.end))
        numbers = (float(columns.filament_mm[index]), float(columns.speed_mm_s[index]), int(columns.tool[index]))
        extrudes, last = bool(flags & MoveFlag.EXTRUDES), bool(flags & MoveFlag.LAST)
        return int(columns.line[index]), int(columns.offset[index]), start, end, *numbers, extrudes, last

    return [row(index) for index in range(len(columns))]


def read_fast(library: Library, program: bytes, *, room: int = 1000) -> Reading:
    """The kernel where it goes on, the interpreter for single lines in between; every event must be a line that moves nothing."""
    parser = KernelParser(library, room=room)
    reading = Reading(Machine(), [])
    machine, offset, last = reading.machine, 0, 0
    while offset < len(program):
        parsed = parser.parse(memoryview(program)[offset:], machine, reading.lines + 1, offset)
        reading.rows += rows_of(parsed.columns)
        mode = parsed.mode
        machine.absolute_moves += mode.absolute
        machine.absolute_falls += mode.absolute_falls
        machine.relative_moves += mode.relative
        machine.relative_rises += mode.relative_rises
        last = parsed.last_move_line or last
        offset += parsed.consumed
        reading.lines += parsed.lines
        if not parsed.consumed:
            raw = program[offset:].splitlines(keepends=True)[0]
            reading.odd += 1
            reading.lines += 1
            reading.rows += _obey(machine, raw, reading.lines, offset)
            offset += len(raw)
    return reading


def motion_of(machine: Machine) -> tuple[object, ...]:
    drawn_back = {tool: missing_mm for tool, missing_mm in machine.retracted_mm.items() if missing_mm}
    modes = (machine.relative, machine.relative_e, machine.asked_relative_e, machine.extruder_mode, frozenset(machine.drawn_back))
    return (machine.position, machine.e, machine.e_word, machine.speed_mm_s, drawn_back, *modes)


def assert_same(library: Library, program: bytes, *, room: int = 1000) -> Reading:
    slow, fast = read_slowly(program), read_fast(library, program, room=room)
    assert fast.rows == slow.rows
    assert motion_of(fast.machine) == motion_of(slow.machine)
    assert fast.lines == slow.lines
    return fast


# ---- programs ----

NUMBERS = st.one_of(
    st.sampled_from(["0", "-0", "1", "10", "+5", "-.5", ".25", "7.", "00012.50", "1000000", "0.1", "123456.789", "2.675"]),
    st.floats(-300, 300).map(lambda value: f"{value:.3f}"),
    st.floats(-300, 300).map(lambda value: f"{value:.5f}"),
    st.floats(0, 9).map(repr).filter(lambda text: "e" not in text),
    st.from_regex(r"\A[-+]?[0-9]{1,20}\.?[0-9]{0,25}\Z"),
)
WORDS = st.tuples(st.sampled_from("XYZEF"), NUMBERS).map("".join)
ARC_WORDS = st.tuples(st.sampled_from("XYEIJR"), st.floats(-60, 60).map(lambda value: f"{value:.3f}")).map("".join)
GAPS = st.sampled_from([" ", " ", " ", "", "  ", "\t"])


def _written(code: str, words: list[str], gap: str, tail: str) -> str:
    return code + "".join(gap + word for word in words) + tail


TAILS = st.sampled_from(["", "", "", " ", " ; a comment", ";x", "*33", " (no comment)", " ;\x07", " ; é"])
MOVES = st.builds(_written, st.sampled_from(["G1", "G0", "g1", "G01", "G1.0"]), st.lists(WORDS, max_size=5), GAPS, TAILS)
ARCS = st.builds(_written, st.sampled_from(["G2", "G3"]), st.lists(ARC_WORDS, min_size=1, max_size=5), GAPS, TAILS)
OTHERS = st.sampled_from(
    [
        *("G90", "G91", "M82", "M83", "G92 E0", "G92 E12.5 ; zero", "G92 X0 Y1", "G92", "G91 ; relative", "M83 S1", "G28", "G28 X"),
        *("G20", "G21", "T0", "T1", "M200 D1.75", "M200 D0", "M220 S50", "M220 S100", "M221 S90", "G10", "G11", "G18", "G17"),
        *("", "   ", ";TYPE:Perimeter", "  ; far", "M104 S200", "M117 hello X1", "m82", "M082", "M83.1", "N3 G1 X5*97", "rubbish"),
        *(
            "G4 P100",
            "EXCLUDE_OBJECT_START NAME=a",
            "SET_VELOCITY_LIMIT ACCEL=500",
            "G1 X1e5",
            "G1 X1E+3",
            "G1 X1E-.5",
            "G1 X",
            "G1 XY5",
        ),
        *("G1 X1 H2", "G1 X1 X2", "G1 X1,5", "G1 E", "G1 Xé", "\x00G1 X1", "G5 X1 Y1 I1 J1 P1 Q1", "M1024 S1", "M99999", "M", "G"),
        "G1 X" + "1" * 300,
        "G1 X1" + " " * 252,
        "G1 X1" + " " * 251,
        "G1 X1 ;" + "x" * 300 + "\x01",
    ]
)
LINES = st.one_of(MOVES, MOVES, MOVES, ARCS, OTHERS)
ENDS = st.sampled_from(["\n", "\n", "\n", "\r\n", "\r"])
PROGRAMS = st.lists(st.tuples(LINES, ENDS).map("".join), max_size=40).map(lambda lines: "".join(lines).encode())


@given(PROGRAMS, st.sampled_from([720, 1000]))
@example(b"G1 X1", 720)
@example(b"G2 X10 Y0 I5 J0\nG3 X0 R5\nG2 I3\nG3 X0.001 R0.004\nG2 X5 Y5 R-20\n" * 3, 720)
@example(b"G1 X1 E1\nG1 E-1\nG1 X2 E.4\nG1 X3 E.7\nG1 E-30\nG1 X4 E20.5\n", 720)
@example(b"G1 X1" + b" " * 251 + b"\nG1 X2" + b" " * 252 + b"\nG1 X3" + b" " * 251 + b";far\n", 720)
@example(b"G1 X5\nG2 I3000\nG1 X6\n", 720)
@example(b"G91\nG1 X1 E1\nG90\nM82\nG92 E0\nG1 X5 E.5\nM83\nG1 X6 E.4\n", 720)
def test_the_kernel_reads_every_program_as_the_interpreter_does(library: Library, program: bytes, room: int) -> None:
    assert_same(library, program, room=room)


@given(
    st.lists(st.sampled_from([b"G1", b"X", b"1", b".", b"-", b" ", b";", b"\n", b"\r", b"E", b"e", b"\xff", b"\0", b"M83", b"+"]))
)
def test_any_bytes(library: Library, pieces: list[bytes]) -> None:
    assert_same(library, b"".join(pieces))


@pytest.mark.parametrize("flavour", ["klipper", "reprapfirmware", "marlin"])
@given(codes=st.lists(st.sampled_from(["G90", "G91", "M82", "M83", "G1 X1 E1", "G1 Y2 E3"]), max_size=12))
def test_each_firmware_keeps_its_mode_of_e(library: Library, flavour: str, codes: list[str]) -> None:
    slow, fast = Machine(flavour=flavour), Machine(flavour=flavour)
    program = "".join(f"{code}\n" for code in codes).encode()
    for number, raw in enumerate(program.splitlines(keepends=True), 1):
        slow.apply(parse_line(raw, number))
    parsed = KernelParser(library).parse(memoryview(program), fast, 1, 0)
    assert parsed.consumed == len(program)
    fast.absolute_moves, fast.absolute_falls = parsed.mode.absolute, parsed.mode.absolute_falls
    fast.relative_moves, fast.relative_rises = parsed.mode.relative, parsed.mode.relative_rises
    assert motion_of(fast) == motion_of(slow)


def test_what_a_call_tells(library: Library) -> None:
    block = b"G1 X5 E1 F1200\n\n  \n;TYPE:Wall\r\nG1 F1800\nM104 S200 ; warm\nG1 X6 ; back\nG92 E0\nT1\nG1 X7\n"
    parsed = KernelParser(library).parse(memoryview(block), Machine(), 11, 1000)
    assert parsed.consumed == block.index(b"T1")
    assert (parsed.lines, parsed.moves, parsed.last_move_line) == (8, 3, 17)
    assert parsed.columns.line.tolist() == [11, 17]
    assert parsed.columns.offset.tolist() == [1000, 1000 + block.index(b"G1 X6")]
    events = parsed.events
    texts = [block[begin:end] for begin, end in zip(events.begin.tolist(), events.end.tolist(), strict=True)]
    assert texts == [b";TYPE:Wall", b"M104 S200 ; warm", b"; back", b"G92 E0"]
    assert events.before.tolist() == [1, 1, 1, 2]
    assert events.line.tolist() == [14, 16, 17, 18]
    assert parsed.mode.absolute == 1


def test_events_are_cut_like_lines(library: Library) -> None:
    block = b";" + b"x" * 400 + b"\nG1 X1 ;" + b"y" * 400 + b"\nM117 " + b"z" * 400
    parsed = KernelParser(library).parse(memoryview(block), Machine(), 1, 0)
    lengths = (parsed.events.end - parsed.events.begin).tolist()
    assert lengths == [MAX_LINE_BYTES + 1, MAX_LINE_BYTES + 1 - len("G1 X1 "), MAX_LINE_BYTES + 1]
    assert parsed.consumed == len(block)


def test_equal_texts_have_one_number_in_all_calls(library: Library) -> None:
    parser = KernelParser(library)
    first = parser.parse(memoryview(b";TYPE:Wall\n;Z 0.2\nG1 X5 ;Z 0.2\n;" + b"x" * 80), Machine(), 1, 0).events.text
    assert first is not None
    numbers = first.tolist()
    assert numbers[0] != numbers[1] == numbers[2]
    assert numbers[3] == -1, "a long text has none"
    assert all(number < TEXTS for number in numbers)
    again = parser.parse(memoryview(b";Z 0.2\n;TYPE:Wall"), Machine(), 1, 0).events.text
    assert again is not None
    assert again.tolist() == [numbers[1], numbers[0]]


def test_texts_beyond_the_room_for_them_have_no_number(library: Library) -> None:
    parser = KernelParser(library)
    block = b"".join(b";Z %d\n" % number for number in range(12_000))
    numbers = parser.parse(memoryview(block), Machine(), 1, 0).events.text
    assert numbers is not None
    given = numbers[numbers >= 0].tolist()
    assert 2000 < len(given) <= TEXTS
    assert len(set(given)) == len(given), "no two texts share a number"
    assert -1 in numbers.tolist()


@pytest.mark.parametrize(
    ("alike", "apart"),
    [
        (b";WIDTH:0.45\n;WIDTH:-1\n;WIDTH: .5\n;WIDTH:7.", b";WIDTH:\n;WIDTH:0.45mm\n;WIDTH:--1\n;WIDTH:1 \n;WIDTH:1 2\n;HEIGHT:1"),
        (b"; LINE_WIDTH: 1\n; LINE_WIDTH:\t2", b";LINE_WIDTH: 1\n;     LINE_WIDTH: 1\n;\n;:\n;:1\n; LINE WIDTH: 1"),
        (b";" + b"n" * 32 + b":1\n;" + b"n" * 32 + b":" + b"2" * 20, b";" + b"n" * 33 + b":1\n;" + b"n" * 32 + b":" + b"2" * 21),
    ],
)
def test_comments_that_are_a_name_and_a_figure_share_the_number_of_the_name(library: Library, alike: bytes, apart: bytes) -> None:
    texts = KernelParser(library).parse(memoryview(alike + b"\n" + apart), Machine(), 1, 0).events.text
    assert texts is not None
    count = len(alike.splitlines())
    shared, others = texts[:count].tolist(), texts[count:].tolist()
    assert len(set(shared)) == 1
    assert TEXTS <= shared[0] < 2 * TEXTS
    assert shared[0] not in others


@given(st.from_regex(rb"\A;[ \t]{0,6}[A-Za-z_:0-9]{0,40}:?[ \t]*-?[0-9.]{0,24}[a-z]?\Z"))
@example(b";a:1")
def test_every_such_comment_is_one_to_the_figures_too(library: Library, comment: bytes) -> None:
    texts = KernelParser(library).parse(memoryview(comment), Machine(), 1, 0).events.text
    assert texts is not None
    if texts[0] >= TEXTS:
        assert Figures(lambda _comment: True).knows(comment)


@pytest.mark.parametrize("line", ["G10", "G11", "G010", "G10 ; retract", " G11", "G10 ;"])
def test_the_firmware_s_own_retraction_is_taken(library: Library, line: str) -> None:
    block = f"G1 X5 E5\n{line}\nG1 X6\n".encode()
    parsed = KernelParser(library).parse(memoryview(block), Machine(), 1, 0)
    assert (parsed.consumed, parsed.moves) == (len(block), 2)
    assert [block[begin:][: len(line)].strip() for begin in parsed.events.begin.tolist()] == [line.strip().encode()]
    assert_same(library, block)


@pytest.mark.parametrize(
    "line", ["G10 S1", "G10 P1 S200 R150", "G11 X1", "g10", "G10\t", "G10.1", "G10" + " " * 70, "G10 E1", "G11 ;\x07"]
)
def test_what_is_more_than_that_is_not(library: Library, line: str) -> None:
    block = f"G1 X5 E5\n{line}\nG1 X6\n".encode()
    assert KernelParser(library).parse(memoryview(block), Machine(), 1, 0).consumed == len(b"G1 X5 E5\n")
    assert_same(library, block)


RETRACTIONS = st.sampled_from(
    [
        *(
            "G10",
            "G10",
            "G11",
            "G11",
            "G10 ; back",
            "M207 S2 F1800",
            "M207 S0",
            "M207 S-1",
            "M208 S.5 F600",
            "M208 S-2",
            "T0",
            "T1",
        ),
        *("G1 X5 E1", "G1 E-3", "G1 E2", "G1 X9 E4", "M83", "G92 E0", "M220 S50", "G10 S1", "M200 D1.75", "G91", "G1 X1"),
    ]
)


@given(st.lists(RETRACTIONS, max_size=30).map(lambda lines: "".join(f"{line}\n" for line in lines).encode()))
@example(b"M207 S0\nG1 X5 E1\nG10\nG11\nM208 S1\nG10\nG11\nG1 X9 E2\n")
@example(b"G1 X5 E1\nG10\nT1\nG11\nG10\nT0\nG11\nG1 X1 E3\n")
def test_any_order_of_the_firmware_s_retractions(library: Library, program: bytes) -> None:
    assert_same(library, program, room=720)


def test_a_full_array_ends_a_call_before_a_retraction(library: Library) -> None:
    program = b"G1 X1\nG10\nG1 X2\nG11\n" * 1000
    assert assert_same(library, program, room=721).odd == 0


def test_full_arrays_end_a_call_and_the_next_goes_on(library: Library) -> None:
    program = b"".join(b"G1 X%d E%d ; note\n;TYPE:%d\n" % (number % 200, number, number) for number in range(1, 3000))
    assert assert_same(library, program, room=720).odd == 0
    arcs = b"".join(b"G3 X%d Y0 I%d J0\n" % (number, number) for number in range(1, 100))
    assert assert_same(library, arcs, room=721).odd == 0


@pytest.mark.parametrize(
    "line",
    [
        "g1 z100", "G1 z100", "m104 S0", "g4 P1", "G1 X60 Z-5 Z5", "G1 X5 X5", "G92 E0 E5", "G92\tE5",
        "G92" + " " * 70 + "E5", "G1" + " " * 100 + "Z100",
        "G1 X5" + " " * 76, "G2 Z100", "G2", "G2 X9 I0 J0", "G2 R5 Z100", "G2 X5 Y0 R5 Z100", "G2 X5.00001 R5", "G2 X9 R0",
        "G2 X9 R5 I1", "G1X60Y5E2", "G1E5", "G1Y0X60", "G1 X5.E2", "G1 X5 U5",
    ],
)  # fmt: skip
def test_a_move_that_firmwares_read_in_different_ways_is_left_to_the_reader(library: Library, line: str) -> None:
    block = f"G1 X5\n{line}\nG1 X6\n".encode()
    parsed = KernelParser(library).parse(memoryview(block), Machine(), 1, 0)
    assert parsed.consumed == len(b"G1 X5\n")
    assert_same(library, block)


@pytest.mark.parametrize(
    "line", ["G1 X7" + " " * 75, "G1 X7 ;" + "c" * 90, "G1X60Y5 E2", "G2 I5", "G3 J-.5", "G2 X9 R5", "M104 s0"]
)
def test_a_move_that_all_read_alike_is_taken(library: Library, line: str) -> None:
    block = f"G1 X5\n{line}\nG1 X6\n".encode()
    assert KernelParser(library).parse(memoryview(block), Machine(), 1, 0).consumed == len(block)
    assert_same(library, block)


def test_an_empty_block(library: Library) -> None:
    parsed = KernelParser(library).parse(memoryview(b""), Machine(), 1, 0)
    assert (len(parsed.columns), len(parsed.events), parsed.consumed, parsed.lines) == (0, 0, 0, 0)


def test_arcs_are_left_to_python_where_its_sines_are_others(library: Library) -> None:
    other = object.__new__(Library)
    other.__dict__.update(library.__dict__, takes_arcs=False)
    block = b"G1 X5\nG2 X10 I5\n"
    parsed = KernelParser(other).parse(memoryview(block), Machine(), 1, 0)
    assert parsed.consumed == len(b"G1 X5\n")
    assert library.takes_arcs, "this machine has one libm for both"


def test_only_codes_that_move_nothing_become_events(library: Library) -> None:
    """An M code that touches what the kernel holds must end its call: seen by obeying every one of them."""
    for code in range(1024):
        block = f"M{code} S50 P1 T1 D2 F600 X1 Y1 Z1 E1 I0 J0 L0 R0\n".encode()
        machine = Machine(x=5, y=6, z=7, e=8, relative_e=False)
        before = kernel_view(machine)
        parsed = KernelParser(library, room=720).parse(memoryview(block), machine, 1, 0)
        if not parsed.consumed:
            assert code in MODE_M
            continue
        machine.apply(parse_line(block))
        assert kernel_view(machine) == before, f"M{code}"


def kernel_view(machine: Machine) -> tuple[object, ...]:
    held = (tuple(machine.shift), machine.unit_mm, machine.tool, machine.speed_factor, machine.plane, dict(machine.e_mm3))
    return (*motion_of(machine), *held)


@pytest.mark.real
@pytest.mark.slow
def test_real_files_are_read_as_the_interpreter_reads_them(library: Library) -> None:
    """Those of up to 2.5 MB: arcs, relative E, an M73 for each minute."""
    small = [path for path in real_files() if path.suffix == ".gcode" and path.stat().st_size < 2_500_000]
    read = [assert_same(library, path.read_bytes(), room=32_768) for path in small]
    assert sum(len(one.rows) for one in read) > 50_000
    assert sum(one.odd for one in read) < 100


# ---- under sanitizers ----


@pytest.fixture(scope="module")
def sanitized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("sanitized") / "driver"
    sources = [str(path) for path in hatch_build.SOURCES if path.suffix == ".c"]
    command = [compiler(), "-std=c99", *SANITIZERS, "-Wall", "-Wextra", "-Werror", "-DWITH_KERNEL"]
    done = subprocess.run(
        [*command, str(DRIVER), *sources, "-o", str(program), "-lm", "-ldl"], capture_output=True, text=True, check=False
    )
    if "cannot find" in done.stderr:
        pytest.skip("this compiler has no sanitizers")
    assert done.returncode == 0, done.stderr
    return program


@pytest.mark.real
@pytest.mark.parametrize("seed", range(1, 4))
def test_random_lines_under_sanitizers(sanitized: Path, seed: int) -> None:
    done = subprocess.run([str(sanitized), "fuzz", "3000", str(seed)], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.startswith("3000 blocks")


@pytest.mark.real
def test_damaged_real_lines_under_sanitizers(sanitized: Path) -> None:
    random = np.random.default_rng(5)
    blocks = []
    for path in [path for path in real_files() if path.suffix == ".gcode"]:
        content = np.frombuffer(path.read_bytes()[:200_000], np.uint8).copy()
        content[random.integers(0, len(content), len(content) // 50)] = random.integers(0, 256, len(content) // 50)
        blocks.append(content.tobytes())
    packed = b"".join(len(block).to_bytes(4, "little") + block for block in blocks)
    done = subprocess.run([str(sanitized), "run"], input=packed, capture_output=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(done.stdout) > 100_000
