"""What a refusal is: a value, without conditions unless it names some."""

from dataclasses import FrozenInstanceError

import pytest

from scheduler.refused import Refused


def test_a_refusal_is_a_value_that_asks_for_nothing_unless_it_says_so() -> None:
    refused = Refused("a" * 64, "gcode-refused", "Too hot.", "Trop chaud.")
    assert refused == Refused("a" * 64, "gcode-refused", "Too hot.", "Trop chaud.", frozenset(), 0)
    assert hash(refused) == hash(Refused("a" * 64, "gcode-refused", "Too hot.", "Trop chaud."))
    with pytest.raises(FrozenInstanceError):
        refused.code = "other"  # type: ignore[misc]  # that it cannot be set is what is tested
