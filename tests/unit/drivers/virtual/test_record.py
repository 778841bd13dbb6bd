from hashlib import sha256

from drivers.virtual.record import KEPT_LINES, Record, digest
from tests.unit.drivers.virtual.console import Console, numbered


def test_digest_is_of_lines() -> None:
    assert digest(["G28", "G1 X1"]) == sha256(b"G28\nG1 X1\n").hexdigest()
    assert digest(["G28", "G1 X1"]) != digest(["G1 X1", "G28"])
    assert digest(["G1 X1"]) != digest(["G1 X1", "G1 X1"])


def test_counts_and_hashes_numbered_lines_in_order() -> None:
    console = Console()
    console.run("M110 N0")
    lines = ["G90", "M83", *(f"G92 E{number}" for number in range(600))]
    console.run(*(numbered(number, line) for number, line in enumerate(lines, 1)))
    found = console.firmware.snapshot()
    assert (found["executed"], found["executed_sha256"]) == (len(lines), digest(lines))
    assert list(console.firmware.record.lines) == lines
    assert console.firmware.snapshot() == found  # looking changes nothing


def test_polls_without_a_number_do_not_count() -> None:
    console = Console()
    console.run("M110 N0", numbered(1, "G90"), "M105", "M114", numbered(2, "G91"))
    found = console.firmware.snapshot()
    assert (found["executed"], found["executed_sha256"], found["strays"]) == (2, digest(["G90", "G91"]), 0)


def test_an_unnumbered_g_command_is_a_stray() -> None:
    console = Console()
    console.run("G92 E0", "M83", "G90")
    assert console.firmware.record.strays == 2


def test_refused_lines_and_duplicates_do_not_count() -> None:
    console = Console()
    console.run("M110 N0", numbered(1, "G90"))
    console.send(numbered(1, "G90"), "N2 G91*1", numbered(7, "G91"))
    assert console.firmware.record.count == 1


def test_m110_and_a_reset_begin_anew() -> None:
    console = Console()
    console.run("M110 N0", numbered(1, "G90"), "M110 N0")
    assert console.firmware.record.snapshot() == {"executed": 0, "executed_sha256": digest([]), "strays": 0}
    console.run("M110 N0")
    console.run(numbered(1, "G91"))
    console.firmware.reset(console.now_s)
    record = console.firmware.record
    assert (record.count, record.total) == (0, 2)
    assert list(record.before) == ["G90", "G91"]


def test_padding_is_no_part_of_the_command() -> None:
    console = Console()
    console.run("M110 N0", " " * 12 + numbered(1, "G90"))
    assert list(console.firmware.record.lines) == ["G90"]


def test_a_filament_change_of_the_machine_itself_does_not_count() -> None:
    record = Record()
    record.add("G1 X1", 1)
    assert record.snapshot()["executed"] == 1


def test_is_bounded() -> None:
    record = Record()
    for number in range(KEPT_LINES + 10):
        record.add("G4 P1", number)
    assert record.count == KEPT_LINES + 10
    assert len(record.lines) == KEPT_LINES
    assert record.snapshot()["executed_sha256"] == digest(["G4 P1"] * (KEPT_LINES + 10))
