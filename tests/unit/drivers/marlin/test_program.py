import os
from pathlib import Path

import pytest

from drivers.errors import TransferError
from drivers.marlin.lines import ProgramLine
from drivers.marlin.program import BATCH_LINES, MAX_BATCH_BYTES, FileChangedError, ProgramReader, check


def _file(folder: Path, content: bytes) -> Path:
    path = folder / "frame.gcode"
    path.write_bytes(content)
    return path


def test_offsets_are_where_lines_end_in_the_file(tmp_path: Path) -> None:
    reader = ProgramReader(_file(tmp_path, b"; made by hand\nG28 ; home\n\nG1 X1"))
    lines, last = reader.read_batch()
    reader.close()
    assert lines == [ProgramLine(b"G28", 26), ProgramLine(b"G1 X1", 32)]
    assert last


def test_batches_are_limited_and_complete(tmp_path: Path) -> None:
    count = BATCH_LINES * 2 + 10
    reader = ProgramReader(_file(tmp_path, b"".join(b"G1 X%d\n" % index for index in range(count))))
    sizes, last = [], False
    while not last:
        lines, last = reader.read_batch()
        sizes.append(len(lines))
    reader.close()
    assert sizes == [BATCH_LINES, BATCH_LINES, 10]


def test_check_counts(tmp_path: Path) -> None:
    size = check(_file(tmp_path, b"; nothing\nG28\nG1 X1\n"))
    assert (size.size_bytes, size.commands) == (20, 2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no G-code command"),
        (b"; only words\n", "no G-code command"),
        (b"G28\nM117 " + b"x" * 100 + b"\n", "Line 2 of frame.gcode is 105 bytes long"),
        (b"G28\nG1 X1\n\0\0\n", "Line 3 of frame.gcode holds binary data"),
        (b"G28\n" + b";" * (1024 * 1024 + 5), "Line 2 of frame.gcode has no end"),
    ],
)
def test_what_cannot_be_printed_is_refused_before_anything_is_sent(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(TransferError, match=message):
        check(_file(tmp_path, content))


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(TransferError, match="No such file"):
        check(tmp_path / "gone.gcode")


def test_long_comments_of_slicers_are_fine(tmp_path: Path) -> None:
    assert check(_file(tmp_path, b"; config = " + b"x" * 100_000 + b"\nG28\n")).commands == 1


def _first_batch(folder: Path) -> tuple[Path, ProgramReader]:
    path = _file(folder, b"".join(b"G1 X%d\n" % index for index in range(BATCH_LINES * 2)))
    reader = ProgramReader(path, check(path))
    lines, last = reader.read_batch()
    assert len(lines) == BATCH_LINES
    assert not last
    return path, reader


def test_a_file_that_is_cut_short_while_it_is_printed_is_no_end(tmp_path: Path) -> None:
    path, reader = _first_batch(tmp_path)
    os.truncate(path, 4_000)
    with pytest.raises(TransferError, match="was changed while it was printed") as caught:
        reader.read_batch()
    reader.close()
    assert "modifié pendant l'impression" in caught.value.detail_fr
    assert caught.value.next_step_fr


def test_a_file_that_is_written_anew_in_its_place_is_another(tmp_path: Path) -> None:
    path, reader = _first_batch(tmp_path)
    content = path.read_bytes()
    os.utime(path, ns=(0, 0))
    path.write_bytes(content[::-1])
    with pytest.raises(TransferError, match="was changed while it was printed"):
        reader.read_batch()
    reader.close()


def test_a_file_that_is_only_touched_is_the_same(tmp_path: Path) -> None:
    path, reader = _first_batch(tmp_path)
    content = path.read_bytes()
    for _ in range(2):
        os.utime(path, ns=(0, 0))
    lines, _ = reader.read_batch()
    assert lines[0].command == b"G1 X%d" % BATCH_LINES, "it goes on where it was"
    path.write_bytes(content)
    assert reader.read_batch() == ([], True)
    reader.close()


def test_one_byte_that_is_another_is_another_file(tmp_path: Path) -> None:
    path, reader = _first_batch(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[:-2] + b"9\n")
    os.utime(path, ns=(0, 0))
    with pytest.raises(FileChangedError, match="it was written anew") as caught:
        reader.read_batch()
    reader.close()
    assert "réécrit" in caught.value.detail_fr


def test_a_file_that_grew_between_check_and_print_is_another(tmp_path: Path) -> None:
    path = _file(tmp_path, b"G28\n")
    checked = check(path)
    with path.open("ab") as file:
        file.write(b"M109 S300\n")
    reader = ProgramReader(path, checked)
    with pytest.raises(TransferError, match="it had 4 bytes and has 14 now"):
        reader.read_batch()
    reader.close()


def test_a_file_that_is_removed_is_printed_to_its_end(tmp_path: Path) -> None:
    path, reader = _first_batch(tmp_path)
    path.unlink()
    lines, _ = reader.read_batch()
    assert len(lines) == BATCH_LINES
    assert reader.read_batch() == ([], True)
    reader.close()


def test_a_file_that_is_removed_before_it_was_opened_is_named(tmp_path: Path) -> None:
    path = _file(tmp_path, b"G28\n")
    reader = ProgramReader(path, check(path))
    path.unlink()
    with pytest.raises(TransferError, match="cannot be read"):
        reader.read_batch()


def test_a_huge_file_is_read_in_little_pieces(tmp_path: Path) -> None:
    path = _file(tmp_path, b"G28\n")
    with path.open("ab") as file:
        for _ in range(6):
            file.write(b"; words\n" * (MAX_BATCH_BYTES // 8))
        file.write(b"G1 X1\n")
    reader = ProgramReader(path, check(path))
    found, batches, last = [], 0, False
    while not last:
        lines, last = reader.read_batch()
        found += [line.command for line in lines]
        batches += 1
    reader.close()
    assert found == [b"G28", b"G1 X1"]
    assert batches >= 6


@pytest.mark.parametrize(
    ("content", "french"),
    [
        (b"\0\0\n", "La ligne 1 de frame.gcode contient des données binaires"),
        (b"%PDF\n?x\n", "La ligne 2 de frame.gcode n'est pas une commande G-code"),
        (b"M117 " + b"x" * 100, "La ligne 1 de frame.gcode fait 105 octets sans son commentaire"),
        (b";" * (1024 * 1024 + 5), "La ligne 1 de frame.gcode n'a pas de fin"),
    ],
)
def test_what_cannot_be_printed_is_said_in_french_too(tmp_path: Path, content: bytes, french: str) -> None:
    with pytest.raises(TransferError) as caught:
        check(_file(tmp_path, content))
    assert french in caught.value.detail_fr
    assert caught.value.next_step_fr != caught.value.next_step
