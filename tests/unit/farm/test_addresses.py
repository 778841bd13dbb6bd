"""Which hosts are this machine alone: what is trusted rests on it."""

import pytest

from farm.addresses import is_loopback


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"])
def test_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", "0.0.0.0", "::", "192.168.1.4", "::ffff:192.168.1.4", "localhost.example", "farm.local", "2130706433"]
)
def test_not_only_this_machine(host: str) -> None:
    assert not is_loopback(host)
