"""What is said when a farm of this machine does not start; what it does is tried by the demo and the integration tests."""

from pathlib import Path

import pytest

from farm.commands.local_farm import Child, LocalFarm
from farm.errors import UnreachableError
from gcode.texts import Bilingual


def ended(folder: Path) -> Child:
    """A child process that is over, and what it has said."""
    log = folder / "daemon.log"
    log.write_text("".join(f"line {number}\n" for number in range(30)))
    return Child([], log)


def test_the_end_of_a_log_is_the_next_step(tmp_path: Path) -> None:
    child = ended(tmp_path)
    words = child.last_words()
    assert words.en.startswith(f"The end of {child.log} says:\nline 10\n")
    assert words.fr.startswith(f"La fin de {child.log} dit :\nline 10\n")
    assert [text.splitlines()[-1] for text in words] == ["line 29", "line 29"]


def test_what_ended_before_it_was_ready_is_told_in_both_languages(tmp_path: Path) -> None:
    with LocalFarm(tmp_path) as farm, pytest.raises(UnreachableError) as refused:
        farm.wait_until(lambda: False, what=Bilingual("the keys", "les clés"), child=ended(tmp_path))
    assert refused.value.detail == "Waited in vain for the keys."
    assert refused.value.detail_fr == "Attendu en vain : les clés."
    assert refused.value.next_step_fr.endswith("line 29")
