"""Following a file to where the machine may be: the blocking part, with real files."""

import json
from pathlib import Path
from typing import Any

import pytest

from drivers.errors import TransferError
from drivers.marlin import recovery
from drivers.marlin.bookmarks import Mark, encode
from tests.unit.drivers.marlin.world import HEATED, moves

MACHINE = "Ender 1234"


@pytest.fixture
def frame(tmp_path: Path) -> Path:
    path = tmp_path / "frame.gcode"
    path.write_text("\n".join([*HEATED, "G1 Z0.3", *moves(2000)]) + "\n")
    return path


def _bookmark(frame: Path, line: int, **changes: Any) -> str:
    """The file's lines are the machine's lines here, without any of ours."""
    text = frame.read_text().splitlines(keepends=True)
    offset = sum(map(len, text[:line]))
    mark = Mark(line, offset, "", frame.stat().st_size, MACHINE)
    fields = json.loads(encode(mark, recovery.boot_id(), recovery.boot_second()))
    return json.dumps(fields | changes)


def test_the_file_is_followed_to_the_machine_and_read_on(frame: Path) -> None:
    prepared = recovery.prepare("job", frame, _bookmark(frame, 1000), 1300, MACHINE)
    assert prepared.claim is not None
    assert prepared.reader is not None
    replay = prepared.claim.replay
    lines = frame.read_bytes().splitlines(keepends=True)
    assert replay.candidates[-1].offset == sum(map(len, lines[:1300]))
    rest = [line.command for line in replay.lines]
    complete = prepared.claim.complete
    while not complete:
        batch, complete = prepared.reader.read_batch()
        rest += [line.command for line in batch]
    behind = 1300 - len(replay.candidates) + 1
    assert rest == [line.strip() for line in lines[behind:]], "no line is lost between what was followed and what is read on"
    prepared.reader.close()
    assert not recovery.too_late(prepared.claim)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"t": 0.0}, "stood for"),
        ({"b": "another"}, "restarted"),
        ({"m": "another"}, "Another printer"),
        ({"z": 5}, "file is another"),
    ],
)
def test_what_speaks_against_it_is_said(frame: Path, changes: dict[str, Any], why: str) -> None:
    prepared = recovery.prepare("job", frame, _bookmark(frame, 1000, **changes), 1300, MACHINE)
    assert prepared.claim is None
    assert why in prepared.why_not


def test_without_file_or_bookmark_nothing_goes_on(frame: Path, tmp_path: Path) -> None:
    bookmark = _bookmark(frame, 1000)
    assert "not here" in recovery.prepare("job", None, bookmark, 1300, MACHINE).why_not
    assert "not here" in recovery.prepare("job", tmp_path / "gone", bookmark, 1300, MACHINE).why_not
    assert "noted" in recovery.prepare("job", frame, None, 1300, MACHINE).why_not
    assert "noted" in recovery.prepare("job", frame, "rubbish", 1300, MACHINE).why_not
    assert "line number" in recovery.prepare("job", frame, bookmark, None, MACHINE).why_not


def test_a_place_that_is_no_end_of_a_line_is_not_certain(frame: Path) -> None:
    assert "not certain" in recovery.prepare("job", frame, _bookmark(frame, 1000, o=12_345), 1300, MACHINE).why_not


def test_a_file_with_a_line_that_cannot_be_sent_is_not_gone_on_with(frame: Path) -> None:
    bookmark = _bookmark(frame, 1000)
    content = frame.read_bytes()
    frame.write_bytes(content[:5000] + b"\0" + content[5001:])
    prepared = recovery.prepare("job", frame, bookmark, 1300, MACHINE)
    assert prepared.claim is None
    assert "binary" in prepared.why_not


def test_this_computer_tells_its_start() -> None:
    assert len(recovery.boot_id()) == 36
    assert recovery.boot_second() > 0


def test_a_file_that_is_cut_short_after_it_was_taken_up_is_no_whole_one(frame: Path) -> None:
    prepared = recovery.prepare("job", frame, _bookmark(frame, 100), 120, MACHINE)
    assert prepared.reader is not None
    with frame.open("r+b") as file:
        file.truncate(frame.stat().st_size // 2)
    with pytest.raises(TransferError, match="was changed while it was printed"):
        prepared.reader.read_batch()
    prepared.reader.close()


def test_a_file_is_not_followed_for_longer_than_the_nozzle_may_wait(frame: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bookmark = _bookmark(frame, 2000)
    seconds = iter(range(0, 1000, 10))
    begin_s = recovery.boot_second()
    monkeypatch.setattr(recovery, "boot_second", lambda: begin_s + next(seconds))
    prepared = recovery.prepare("job", frame, bookmark, 2000, MACHINE)
    assert prepared.reader is None
    assert prepared.why_not == recovery.TOO_LATE
