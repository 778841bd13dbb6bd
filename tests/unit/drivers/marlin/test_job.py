from drivers.marlin.job import FENCE, Job, Modes, Position, heaters_off, make_safe, park, unpark

HERE = Position(10.0, 20.5, 0.6, 33.25)


def _after(*commands: bytes) -> Modes:
    modes = Modes()
    for command in commands:
        modes.note(command)
    return modes


def test_modes_follow_the_file() -> None:
    modes = _after(b"G28", b"G90", b"M83", b"G1 X5 F1800", b"G1 X6 E0.5")
    assert modes == Modes(homed=True, extruded=True, relative=False, relative_extrusion=True, feedrate=b"1800")


def test_g90_and_g91_set_the_extruder_too() -> None:
    assert _after(b"M83", b"G90").relative_extrusion is False
    assert _after(b"M82", b"G91").relative_extrusion is True


def test_a_message_with_an_f_is_no_speed() -> None:
    assert _after(b"G1 X1 F1200", b"M117 Fast").feedrate == b"1200"


def test_park_and_unpark_are_opposites() -> None:
    assert park(HERE, Modes()) == [b"G90", b"G1 Z5.60 F600", b"M84 S0", FENCE]
    assert unpark(HERE, _after(b"G91", b"G1 X1 F900")) == [
        b"M84 S120",
        b"G90",
        b"G1 X10.00 Y20.50 F3000",
        b"G1 Z0.60 F600",
        b"G92 E33.25",
        b"G91",
        b"M83",
        b"G1 F900",
    ]


def test_a_file_in_inches_is_left_in_millimetres_and_gone_back_to_in_inches() -> None:
    modes = _after(b"G20", b"G1 X1 F60")
    assert park(HERE, modes)[:3] == [b"G21", b"G90", b"G1 Z5.60 F600"]
    back = unpark(HERE, modes)
    assert back.index(b"G21") < back.index(b"G1 X10.00 Y20.50 F3000") < back.index(b"G20") < back.index(b"G1 F60")
    assert make_safe(heaters_off(1), homed=True, inches=True).count(b"G21") == 1
    assert b"G21" not in make_safe(heaters_off(1), homed=True)
    assert b"G20" not in unpark(HERE, _after(b"G20", b"G21"))


def test_the_speed_of_a_move_without_spaces_takes_nothing_else_along() -> None:
    assert _after(b"G1X10F1200E5").feedrate == b"1200"
    assert _after(b"G1 X10 F 1200").feedrate == b"1200"


def test_a_place_is_believed_when_it_is_told_twice() -> None:
    job, damaged = Job("job-1", 1), Position(10.0, 20.5, 8.6, 33.25)
    for told, parked_at in ((damaged, None), (HERE, None), (HERE, HERE), (damaged, None), (None, None), (None, None)):
        job.told(told)
        assert job.parked_at == parked_at


def test_unpark_without_a_position_moves_nothing() -> None:
    assert not [line for line in unpark(None, Modes()) if line.startswith(b"G1")]


def test_make_safe_switches_every_nozzle_off_before_it_moves() -> None:
    lines = make_safe(heaters_off(2), homed=True)
    assert lines[1:4] == [b"M104 T0 S0", b"M104 T1 S0", b"M140 S0"]
    assert lines.index(b"M140 S0") < lines.index(b"G1 Z10 F600")
    assert not [line for line in make_safe(heaters_off(1), homed=False) if line.startswith(b"G")]


def test_progress() -> None:
    assert Job("job-1", 200, offset=50).progress == 0.25
    assert Job("job-1", 0).progress == 0.0
    assert Job("job-1", 100, offset=120).progress == 1.0


def test_a_chamber_is_cooled_where_there_is_one() -> None:
    assert heaters_off(1, chamber=True) == [b"M104 S0", b"M140 S0", b"M141 S0"]
    assert b"M141 S0" not in heaters_off(1)
    modes = Modes()
    modes.note(b"M191 S60")
    assert modes.chamber
