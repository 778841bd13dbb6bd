"""The engine against the interpreter: the same facts and the same reports, whatever the program."""

from hypothesis import given

from tests.unit.gcode.scan.programs import assert_same, interpreted, many_profiles, programs, scanned

PROFILES = many_profiles()


@given(programs())
def test_any_program_is_read_as_the_interpreter_reads_it(program: bytes) -> None:
    assert_same(scanned(program, PROFILES), interpreted(program, PROFILES))
