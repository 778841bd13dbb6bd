"""The reset line of a port."""

from typing import Any

from drivers.marlin import reset


class _Port:
    def __init__(self, error: Exception | None = None) -> None:
        self.levels: list[bool] = []
        self._error = error

    @property
    def dtr(self) -> bool:
        return True

    @dtr.setter
    def dtr(self, level: bool) -> None:
        if self._error is not None:
            raise self._error
        self.levels.append(level)


def test_the_line_goes_low_and_high_again(monkeypatch: Any) -> None:
    monkeypatch.setattr(reset, "PULSE_S", 0.0)
    port: Any = _Port()
    assert reset.pulse(port)
    assert port.levels == [False, True]


def test_a_port_without_such_a_line_says_so() -> None:
    port: Any = _Port(OSError(25, "Inappropriate ioctl for device"))
    assert not reset.pulse(port)
