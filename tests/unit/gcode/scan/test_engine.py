"""The engine against the interpreter: the same facts and the same reports, whatever the program and however it is cut."""

import tracemalloc
from collections.abc import Callable
from io import BytesIO
from typing import Final

import pytest
from hypothesis import example, given

from gcode import interpreter
from gcode.facts import GcodeFacts
from gcode.frame import frame_program
from gcode.profile import bundled_profiles
from gcode.scan import engine, kernel
from gcode.scan.columns import Parser, Planning
from gcode.scan.kernel import KernelError, KernelParser, KernelPlanning, Library
from gcode.survey import survey
from tests.gcode_files import real_files
from tests.unit.gcode.scan.compiled import build_kernel
from tests.unit.gcode.scan.programs import assert_same, differences, interpreted, many_profiles, numpy_stages, programs, scanned

PROFILES: Final = many_profiles()
Stages = Callable[[], tuple[Parser, Planning]]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Stages:
    library = Library(build_kernel(tmp_path_factory.mktemp("kernel")))
    return lambda: (KernelParser(library), KernelPlanning(library))


PICTURES = (
    b"; thumbnail begin 4x4 8\nG1 X1\nG1 X2\n\n; AAAA\n; thumbnail_JPG begin 5x5 8\n; AAAA\nG1 X1 ; thumbnail_QOI begin 6x6 8\nT1\n"
)
STOPS = b"G4 S5\n;TYPE:a\nG1 X5 E1\nG4 S1\nM400\nG4 P500\n;TYPE:b\nG1 X9 E1\nG4 S2\n"
MARKS = (
    b"M83\nG1 Z.3\nG1 X9 E1 ;LAYER_CHANGE\nG1 X5 E1\n; layer 4\nG1 Z.5 E1\n;LAYER_CHANGE\nT1\n;LAYER_CHANGE\nG1 X1 Z.7 E1\nG11\n"
)
HEAT = (
    b"M83\nG1 X1 E1\nM104 S210\nG1 X2 E1\nM84\nG1 X3 E1\nM17\nT1\nG1 X4 E1\nM104 S0\nG1 X5 E1\nM104 S200\nPRINT_START\nG1 X6 E1\n"
)
LIMITS = b"M204 S800\nG1 X9 F9000\nM204 S100\nG1 X1\nM204 S800\nG1 X9\nT1\nM204 S100\nG1 X1\nM205 J.02\nG1 Y5\n"


@given(programs())
@example(PICTURES)
@example(STOPS)
@example(MARKS)
@example(HEAT)
@example(LIMITS)
@example(b"\xef\xbb\xbf" + b"G1 X5 E1\n" * 3)
@example(b"\xef\xbb\xbf" + b"c" * 300)
@example(b"")
def test_any_program_is_read_as_the_interpreter_reads_it(program: bytes) -> None:
    assert_same(scanned(program, PROFILES), interpreted(program, PROFILES))


@given(program=programs())
@example(program=PICTURES)
@example(program=MARKS)
def test_also_with_the_kernel(compiled: Stages, program: bytes) -> None:
    assert_same(scanned(program, PROFILES, compiled()), interpreted(program, PROFILES))


@pytest.mark.parametrize("name", ["numpy", "kernel"])
def test_a_block_may_end_at_any_byte(name: str, compiled: Stages) -> None:
    program = (
        b"\xef\xbb\xbfM83\r\n"
        + PICTURES
        + STOPS
        + MARKS.replace(b"\n", b"\r\n")
        + HEAT
        + LIMITS.replace(b"\n", b"\r")
        + b";"
        + b"c" * 280
    )
    wanted = interpreted(program, PROFILES)
    for block_bytes in (*range(1, 120), len(program) - 1, len(program)):
        stages = compiled() if name == "kernel" else numpy_stages()
        assert_same(scanned(program, PROFILES, stages, block_bytes), wanted)


@pytest.mark.slow
@pytest.mark.real
def test_real_files(compiled: Stages) -> None:
    profiles = tuple(bundled_profiles().values())[:3]
    for path in real_files():
        if path.suffix == ".gcode":
            program = path.read_bytes()
            wanted = interpreted(program, profiles)
            assert_same(scanned(program, profiles), wanted)
            assert_same(scanned(program, profiles, compiled()), wanted)


def repeated(text: bytes, count: int, start: bytes = b"G90\nM83\nM104 S200\nG28\n") -> bytes:
    return start + text * count


DENSE: Final = {
    "tools": repeated(b"T0\nG1 X5 E1\nT1\nG1 X9 Y3 E1\n", 400),
    "firmware retraction": repeated(b"G1 X5 Y5 E1\nG1 X9 Y9 E1\nG10\nG1 X50\nG11\n", 500),
    "relative hops": repeated(b"G1 X5 Y5 E1\nG1 X9 Y9 E1\nG91\nG1 Z1\nG90\nM83\nG1 X50\nG91\nG1 Z-1\nG90\nM83\n", 300),
    "rests": repeated(b"G4 P1\nG1 X1 E1\nM400\nG1 X3 E1\n", 500),
    "comments behind moves": repeated(b"G1 X1 E1 ; perimeter\nG1 X3 E1 ; infill\n;TYPE:a\nG1 X4 Y4 E1 ;TYPE:b\n", 400),
    "checksums": repeated(b"N1 G1 X5*97\nN2 G1 X7 E1*5\n", 400),
    "arcs": repeated(b"G2 X10 Y0 I5 J0 E1\nG3 X0 Y0 I-5 E1\nG2 X5 Y5 R20 E1\n", 150),
    "a rising wall": repeated(b"", 0) + b"".join(b"G1 X%d Y%d Z%.3f E.1\n" % (n % 50, n % 40, n / 100) for n in range(2000)),
    "limits": b"".join(b"M204 S%d\nG1 X%d F6000 E1\n" % (n + 100, n % 90) for n in range(300)),
    "widths": b"".join(b";WIDTH:0.%d\nG1 X%d E1\n" % (n, n % 90) for n in range(500)),
    "features": b"".join(b";TYPE:kind %d\nG1 X%d E1\n" % (n, n % 90) for n in range(200)),
    "layers": repeated(b";LAYER_CHANGE\nG1 Z.2\nG1 X5 E1\n;LAYER_CHANGE\nG1 Z.4\nG1 X1 E1\n", 300),
}


@pytest.mark.parametrize("name", DENSE)
def test_programs_that_are_dense_with_what_parsers_do_not_take(name: str, compiled: Stages) -> None:
    wanted = interpreted(DENSE[name], PROFILES)
    assert_same(scanned(DENSE[name], PROFILES), wanted)
    assert_same(scanned(DENSE[name], PROFILES, compiled(), 5000), wanted)


def test_a_frame_of_our_own() -> None:
    for profile in list(bundled_profiles().values())[:2]:
        program = frame_program(profile)
        assert_same(scanned(program, (profile,)), interpreted(program, (profile,)))


BAD: Final = {
    "nothing": b"",
    "one byte": b"G",
    "zeros": bytes(5000),
    "binary": bytes(range(256)) * 50,
    "not a number": b"G1 XNaN YInf\nG1 X1e308 Y-1e308\nG1 X999999 Y-999999\nG1 X1000001\nG91\n" + b"G1 X999999 E1\n" * 400,
    "no end": b"G1 X1 E1\nG1 X5",
    "only ends": b"\n\r\r\n\n" * 500,
    "long": b"G1 X1\n;" + b"a" * 300_000 + b"\nG1 X" + b"1" * 300_000 + b"\r\nG1 X3 E1\n" + b"x" * 270_000,
    "utf-16": "G1 X1 E1\nG1 X5 E1\n".encode("utf-16"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_has_the_defects_that_the_reader_finds(name: str, compiled: Stages) -> None:
    wanted = interpreted(BAD[name], PROFILES)
    assert_same(scanned(BAD[name], PROFILES), wanted)
    assert_same(scanned(BAD[name], PROFILES, compiled()), wanted)


class Generated:
    """A stream that is made while it is read."""

    def __init__(self, make: Callable[[int], bytes], size_bytes: int) -> None:
        self._make = make
        self._left = size_bytes
        self._held = b""
        self._count = 0

    def seekable(self) -> bool:
        return False

    def read(self, size: int = -1, /) -> bytes:
        while len(self._held) < size and self._left > 0:
            piece = self._make(self._count)
            self._count += 1
            self._left -= len(piece)
            self._held += piece
        given, self._held = self._held[:size], self._held[size:]
        return given


@pytest.mark.parametrize(
    ("make", "size_bytes"),
    [
        (lambda _count: b"a" * 65_536, 100_000_000),
        (lambda _count: b"G1 X1 Y1 " * 10_000, 100_000_000),
        (lambda count: b"".join(b"; comment %d\n" % (count * 1000 + index) for index in range(1000)), 400_000),
        (lambda _count: b"\n" * 65_536, 4_000_000),
        (lambda _count: b"G2 X0 Y0 I500\n" * 100, 1400),
    ],
    ids=["a line of 100 MB", "a move of 100 MB", "comments that are all different", "empty lines", "circles"],
)
def test_memory_is_bounded(make: Callable[[int], bytes], size_bytes: int) -> None:
    stream = Generated(make, size_bytes)
    tracemalloc.start()
    try:
        facts = engine.inspect(stream, PROFILES[:2], kernel=False).facts  # type: ignore[arg-type]  # all of a stream that is read
        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert facts.size_bytes >= size_bytes
    assert most_bytes < 80_000_000


def test_progress_is_told_in_bytes() -> None:
    told: list[int] = []
    program = b"G1 X1 E1\nG1 X5 E1\n" * 40_000
    engine.inspect(BytesIO(program), PROFILES[:1], progress=told.append)
    assert told == sorted(set(told))
    assert len(told) > 2
    assert told[-1] == len(program)


def same_facts(one: GcodeFacts, other: GcodeFacts) -> bool:
    return not differences(one, other)


def test_facts_alone() -> None:
    for profile in (None, PROFILES[0]):
        found = engine.read_facts(BytesIO(MARKS), profile, density_g_cm3=1.0, kernel=False)
        assert same_facts(found, interpreter.read_facts(BytesIO(MARKS), profile, density_g_cm3=1.0))


def test_claims_of_a_container_are_passed_on() -> None:
    claims = {"machine_max_acceleration_x": "50", "machine_max_feedrate_x": "10"}
    slow = engine.read_facts(BytesIO(LIMITS), claims=claims)
    assert slow.time_s > 2 * engine.read_facts(BytesIO(LIMITS)).time_s
    assert same_facts(slow, interpreter.read_facts(BytesIO(LIMITS), claims=claims))


def test_moves_alone() -> None:
    taken: list[tuple[int, int]] = []
    stream = BytesIO(MARKS)
    engine.walk(stream, survey(stream), lambda moves, marks: taken.append((len(moves), len(marks))), kernel=False)
    assert taken == [(5, 3)]


def test_a_kernel_that_is_asked_for_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "_load", lambda: "it is not built")
    with pytest.raises(KernelError, match="not built"):
        engine.inspect(BytesIO(MARKS), PROFILES[:1], kernel=True)
    assert_same(engine.inspect(BytesIO(MARKS), PROFILES[:1]), interpreted(MARKS, PROFILES[:1]))
