"""What a URL may say."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from drivers.errors import AddressError
from drivers.marlin.limits import DEFAULT_DEADMAN_S
from drivers.marlin.options import DEFAULT_EJECT_BELOW_C, Options, read_options


def _read(query: str = "") -> Options:
    return read_options(urlsplit(f"marlin:///dev/ttyUSB0{query}"))


def test_a_plain_url_has_the_defaults() -> None:
    assert _read() == Options("/dev/ttyUSB0", None, DEFAULT_DEADMAN_S, None, DEFAULT_EJECT_BELOW_C)


def test_everything_can_be_said() -> None:
    options = _read("?baud=250000&deadman_s=0&eject_file=/srv/push.gcode&eject_below_c=28.5")
    assert options == Options("/dev/ttyUSB0", 250_000, 0, Path("/srv/push.gcode"), 28.5)


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("?deadman_s=59", "deadman_s=59"),
        ("?deadman_s=-1", "deadman_s=-1"),
        ("?deadman_s=3601", "deadman_s=3601"),
        ("?deadman_s=", "deadman_s="),
        ("?deadman_s=" + "9" * 5000, "deadman_s="),
        ("?eject_file=push.gcode", "absolute"),
        ("?eject_below_c=warm", "temperature"),
        ("?eject_below_c=nan", "temperature"),
        ("?eject_below_c=200", "temperature"),
        ("?eject=1", "unknown key: eject"),
    ],
)
def test_a_wrong_value_is_named_in_both_languages(query: str, why: str) -> None:
    with pytest.raises(AddressError, match=why) as raised:
        _read(query)
    assert raised.value.detail != raised.value.detail_fr
    assert raised.value.next_step_fr.startswith("Exemple")


@pytest.mark.parametrize(
    "query",
    ["?deadman_s=59", "?eject_file=push.gcode", "?eject_below_c=warm", "?eject=1", "?baud=fast", "?baud=0", "?baud=99999999"],
)
def test_the_example_in_the_next_step_is_itself_right(query: str) -> None:
    with pytest.raises(AddressError) as raised:
        _read(query)
    example = raised.value.next_step.split()[1]
    read_options(urlsplit(example))
    assert example == raised.value.next_step_fr.split()[2]


def test_what_is_allowed_is_told_in_both_languages() -> None:
    with pytest.raises(AddressError) as raised:
        _read("?eject=1")
    assert "Keys: baud," in raised.value.next_step
    assert "Clés : baud," in raised.value.next_step_fr
    with pytest.raises(AddressError) as raised:
        read_options(urlsplit("marlin://dev/ttyUSB0"))
    assert "three slashes" in raised.value.next_step
    assert "trois barres" in raised.value.next_step_fr
