"""The lines that push a part off the bed, and when they may run."""

from pathlib import Path

import pytest

from drivers.base import Temperature
from drivers.errors import TransferError
from drivers.marlin.ejecting import MAX_LINES, eject_lines, too_warm
from drivers.marlin.job import FENCE


def _file(folder: Path, text: str) -> Path:
    path = folder / "push.gcode"
    path.write_text(text)
    return path


def test_its_lines_end_with_the_proof_that_all_were_executed(tmp_path: Path) -> None:
    assert eject_lines(_file(tmp_path, "; push\nG1 Z50\ng1 y0\n")) == [b"G1 Z50", b"G1 Y0", b"M400", FENCE]


@pytest.mark.parametrize("text", ["", "; nothing\n", "G1 X0\n" * (MAX_LINES + 1)], ids=["empty", "comment", "long"])
def test_nothing_and_too_much_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(TransferError) as raised:
        eject_lines(_file(tmp_path, text))
    assert raised.value.detail_fr


def test_a_file_that_is_gone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TransferError):
        eject_lines(tmp_path / "gone")


def test_a_warm_bed_holds_its_part() -> None:
    error = too_warm(Temperature(48.0, 0.0), 35.0)
    assert error is not None
    assert "48" in error.detail
    assert "35" in error.next_step_fr
    assert too_warm(Temperature(34.9, 0.0), 35.0) is None
    assert too_warm(None, 35.0) is None
