"""What inspections found is remembered for the same bytes, purpose and way of checking, and bounded."""

import os
from dataclasses import replace
from pathlib import Path

from farm.daemon.found import FoundBefore, way_of_checking
from gcode.profile import bundled_profiles
from tests.unit.farm.daemon.checked import checked

PROFILES = list(bundled_profiles().values())
SHA = "5" * 64


def test_the_same_question_has_the_same_answer_after_a_restart(tmp_path: Path) -> None:
    FoundBefore(tmp_path / "checked").put(SHA, "generic-210 1.24", "2-abc", checked())
    again = FoundBefore(tmp_path / "checked")
    assert again.get(SHA, "generic-210 1.24", "2-abc") == checked()
    assert again.get(SHA, "prusa-mk3s 1.24", "2-abc") is None
    assert again.get(SHA, "generic-210 1.24", "3-abc") is None
    assert again.get("6" * 64, "generic-210 1.24", "2-abc") is None


def test_what_cannot_be_read_is_forgotten(tmp_path: Path) -> None:
    found = FoundBefore(tmp_path)
    found.put(SHA, "p", "w", checked())
    (tmp_path / f"{SHA}.json").write_bytes(b'{"format": 1, "purp')
    assert found.get(SHA, "p", "w") is None


def test_the_newest_are_kept_in_number_and_in_bytes(tmp_path: Path) -> None:
    found = FoundBefore(tmp_path, max_files=3)
    for number in range(5):
        found.put(f"{number}" * 64, "p", "w", checked())
        os.utime(tmp_path / f"{number * 1}{str(number) * 63}.json", (number, number))
    assert sorted(path.name[0] for path in tmp_path.iterdir()) == ["2", "3", "4"]
    size_bytes = next(tmp_path.iterdir()).stat().st_size
    FoundBefore(tmp_path, max_bytes=2 * size_bytes + 1).put("9" * 64, "p", "w", checked())
    assert sorted(path.name[0] for path in tmp_path.iterdir()) == ["4", "9"]


def test_a_disk_that_takes_nothing_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "checked").write_text("a file where the folder should be")
    found = FoundBefore(tmp_path / "checked")
    found.put(SHA, "p", "w", checked())
    assert found.get(SHA, "p", "w") is None


def test_another_revision_of_any_profile_is_another_way_of_checking() -> None:
    changed = [replace(PROFILES[0], revision="other"), *PROFILES[1:]]
    assert way_of_checking(PROFILES) == way_of_checking(reversed(PROFILES))
    assert way_of_checking(PROFILES) != way_of_checking(changed)
    assert len(way_of_checking(PROFILES)) <= 64
