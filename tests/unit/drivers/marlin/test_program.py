from pathlib import Path

import pytest

from drivers.errors import TransferError
from drivers.marlin.lines import ProgramLine
from drivers.marlin.program import BATCH_LINES, ProgramReader, check


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
