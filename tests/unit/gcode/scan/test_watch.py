"""Every rule about moves has a twin over columns, and they say the same of every move."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcode.checks import MAX_HITS, Judge
from gcode.judges.situation import Situation
from gcode.machine import Machine, Move
from gcode.profile import Box, PrinterProfile
from gcode.reader import Line, parse_line
from gcode.rules import RULES, MoveRule
from gcode.scan.columns import Columns, MoveFlag
from gcode.scan.gather import Moves
from gcode.scan.watch import TWINS, Watch
from tests.unit.gcode.samples import profile

VOLUME = Box(0, 0, 0, 200, 180, 150)
PROFILE = replace(
    profile(),
    volume=VOLUME,
    purge=Box(0, -4, 0, 200, 180, 1),
    keep_out=(Box(50, 20, 0, 60, 40, 3), Box(-2, 100, -1, 2, 110, 1.5)),
)
PROFILES = (
    PROFILE,
    replace(PROFILE, keep_out=(), flavour="griffin"),
    replace(PROFILE, volume=Box(40, 40, 0, 60, 60, 2), purge=Box(40, 30, 0, 60, 60, 1)),
)

coordinates = st.one_of(
    st.integers(-20, 420).map(lambda value: value / 2),
    st.sampled_from([0.0, -0.01, -0.0101, 200.01, 200.010001, 59.99, 59.9901, 180.0, -4.01, -4.02, 20.01, 40.0]),
)
heights = st.sampled_from([0.0, 0.2, -0.1, -0.11, 1.0, 1.01, 1.02, 2.5, 3.0, 150.0, 150.02, -5.0])
points = st.tuples(coordinates, coordinates, heights)
speeds = st.sampled_from([0.0, 0.019, 0.02, 20.0, 2000.0, 2000.1])
moves = st.builds(Move, points, points, st.sampled_from([-1.0, 0.0, 0.5]), speeds, st.booleans())
temperatures = st.sampled_from([{}, {0: 0.0}, {0: 169.9}, {0: 170.0}, {1: 200.0}])


def columns_of(rows: list[Move]) -> Columns:
    count = len(rows)
    flags = np.array([MoveFlag.EXTRUDES if row.extrudes else 0 for row in rows], np.uint8)
    start = np.array([row.start for row in rows], float).reshape(-1, 3).T.copy()
    end = np.array([row.end for row in rows], float).reshape(-1, 3).T.copy()
    numbers = np.arange(1, count + 1)
    filament_mm, speed_mm_s = (np.array([getattr(row, name) for row in rows], float) for name in ("filament_mm", "speed_mm_s"))
    return Columns(numbers, (numbers - 1) * 10, start, end, filament_mm, speed_mm_s, np.zeros(count, np.uint8), flags)


def line_at(number: int, offset: int) -> Line:
    return parse_line(b"G1 X1", number, offset)


def situation(nozzle_c: dict[int, float], tool: int = 0) -> Situation:
    machine = Machine(tool=tool)
    machine.nozzle_c = dict(nozzle_c)
    return Situation.of(machine, PROFILE)


def test_every_rule_about_moves_has_its_twin_in_the_same_order() -> None:
    assert [row.rule.id for row in RULES if isinstance(row, MoveRule)] == list(TWINS)


@pytest.mark.parametrize("rule", [row for row in RULES if isinstance(row, MoveRule)], ids=lambda row: row.rule.id)
@given(
    rows=st.lists(moves, min_size=1, max_size=12),
    nozzle_c=temperatures,
    tool=st.integers(0, 1),
    off=st.booleans(),
    ran=st.booleans(),
)
def test_a_twin_finds_what_the_judge_finds(
    rule: MoveRule, rows: list[Move], nozzle_c: dict[int, float], tool: int, off: bool, ran: bool
) -> None:
    now = situation(nozzle_c, tool)
    now.motors_off, now.macro_line = off, int(ran)
    for printer in PROFILES:
        wanted = [index for index, move in enumerate(rows) if rule.judge(move, now, printer) is not None]
        assert TWINS[rule.rule.id](Moves(columns_of(rows)), now, printer).tolist() == wanted


def watched(rows: list[Move], printer: PrinterProfile, *, cut: int = 0) -> tuple[Judge, Judge]:
    """A judge that was told by the watch, in two parts, and one that saw each move."""
    machine = Machine()
    machine.nozzle_c[0] = 200.0
    quick, slow = Judge(printer, machine), Judge(printer, machine)
    watch = Watch(machine, [quick])
    all_columns = columns_of(rows)
    for begin, end in ((0, cut), (cut, len(rows))):
        if begin < end:
            part = columns_of(rows[begin:end])
            watch.add(Moves(replace(part, line=all_columns.line[begin:end], offset=all_columns.offset[begin:end])), line_at)
    for index, move in enumerate(rows):
        slow.moves(line_at(index + 1, index * 10), (move,))
    return quick, slow


@given(st.lists(moves, min_size=1, max_size=25), st.integers(0, 25))
def test_counts_and_first_places_are_those_of_a_judge_that_sees_each_move(rows: list[Move], cut: int) -> None:
    quick, slow = watched(rows, PROFILE, cut=min(cut, len(rows)))
    assert quick._tallies == slow._tallies


def test_only_the_first_places_are_told() -> None:
    outside = Move((300.0, 0.0, 0.2), (310.0, 0.0, 0.2), 1.0, 20.0, extrudes=True)
    quick, _ = watched([outside] * 40, PROFILE, cut=3)
    tally = quick._tallies["outside-volume"]
    assert (tally.count, len(tally.hits)) == (40, MAX_HITS)
    assert [hit.line for hit in tally.hits] == [1, 2, 3, 4, 5]
    assert tally.hits[0].limit == 200


def test_what_is_heated_in_between_counts_from_there() -> None:
    machine = Machine()
    judge = Judge(PROFILE, machine)
    watch = Watch(machine, [judge])
    lays = Move((10.0, 10.0, 0.2), (20.0, 10.0, 0.2), 1.0, 20.0, extrudes=True)
    for row, nozzle_c in ((2, 200.0), (4, 200.0), (5, 0.0)):
        machine.nozzle_c[0] = nozzle_c
        watch.look(row)
    watch.add(Moves(columns_of([lays] * 6)), line_at)
    assert [hit.line for hit in judge._tallies["cold-extrusion"].hits] == [1, 2, 6]
    watch.add(Moves(columns_of([lays] * 2)), line_at)
    assert judge._tallies["cold-extrusion"].count == 5


def test_without_profiles_nothing_is_kept() -> None:
    watch = Watch(Machine(), [])
    for row in range(100):
        watch.look(row)
    watch.add(Moves(columns_of([])), line_at)
    assert len(watch._conditions) == 1
