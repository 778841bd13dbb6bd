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
    assert "marlin:///dev/ttyUSB0" in raised.value.next_step
    assert raised.value.next_step_fr.startswith("Exemple")
