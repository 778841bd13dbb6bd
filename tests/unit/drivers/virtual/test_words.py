import pytest

from drivers.virtual.words import Command, read_command


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("G1 X1.5 Y-2 E.125 F3000", "G1", {"X": 1.5, "Y": -2.0, "E": 0.125, "F": 3000.0}),
        ("N12 G1 X9*84", "G1", {"X": 9.0}),
        ("G1X10Y20", "G1", {"X": 10.0, "Y": 20.0}),
        ("G01 X1", "G1", {"X": 1.0}),
        ("G28", "G28", {}),
        ("G28 X Y", "G28", {"X": None, "Y": None}),
        ("M84 X Y E", "M84", {"X": None, "Y": None, "E": None}),
        ("M104 S200 *99", "M104", {"S": 200.0}),
        ("T0", "T0", {}),
        ("G1 X5 G1 Y5", "G1", {"X": 5.0, "G": 1.0, "Y": 5.0}),
        ("G1 X1E5", "G1", {"X": 1.0, "E": 5.0}),
    ],
)
def test_reads_code_and_parameters(line: str, code: str, words: dict[str, float | None]) -> None:
    command = read_command(line)
    assert (command.code, command.words) == (code, words)


@pytest.mark.parametrize("line", ["hello world", "g1 x4", "", "^51 G1 10", "X5", "G", "Nope"])
def test_what_is_no_command_has_no_code_and_keeps_its_text(line: str) -> None:
    assert read_command(line) == Command("", line, "", {})


def test_quoted_text_is_without_number_and_checksum() -> None:
    assert read_command("N9 hello world*119").text == "hello world"
    assert read_command("N7 M73 P10 *12").text == "M73 P10"


def test_text_commands_keep_their_text() -> None:
    command = read_command("M117 Layer X1 of 9")
    assert (command.code, command.rest, command.words) == ("M117", "Layer X1 of 9", {})


@pytest.mark.parametrize("word", ["Xnan", "Xinf", "X1_0", "X"])
def test_numbers_are_only_numbers(word: str) -> None:
    value = read_command(f"G1 {word}").words.get("X")
    assert value is None or value == 1.0


def test_number_of_a_missing_or_bare_letter_is_the_default() -> None:
    command = read_command("G1 X Y2")
    assert command.number("X", 7.0) == 7.0
    assert command.number("Y", 7.0) == 2.0
    assert command.number("Z", 7.0) == 7.0
