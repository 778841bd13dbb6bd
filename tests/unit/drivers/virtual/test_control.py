from collections.abc import Iterator

import pytest

from drivers.virtual.control import FAULTS, Order, obey
from drivers.virtual.firmware import Firmware
from drivers.virtual.heaters import Sensor
from drivers.virtual.port import VirtualPort


@pytest.fixture
def port() -> Iterator[VirtualPort]:
    found = VirtualPort(Firmware(), speed=60.0)
    yield found
    found.close()


def test_noise(port: VirtualPort) -> None:
    assert obey(port, {"fault": "noise", "in": 0.02, "out": 0.01}) == {"done": "noise"}
    assert port.call(lambda firmware, _now_s: (firmware.faults.noise_in, firmware.faults.noise_out)) == (0.02, 0.01)
    obey(port, {"fault": "none"})
    assert port.call(lambda firmware, _now_s: (firmware.faults.noise_in, firmware.faults.noise_out)) == (0.0, 0.0)


def test_oks(port: VirtualPort) -> None:
    obey(port, {"fault": "lose-ok"})
    obey(port, {"fault": "double-ok", "count": 3})
    assert port.call(lambda firmware, _now_s: (firmware.faults.lose_oks, firmware.faults.double_oks)) == (1, 3)


def test_heaters(port: VirtualPort) -> None:
    obey(port, {"fault": "heater-off", "heater": "bed"})
    obey(port, {"fault": "sensor", "state": "open"})
    machine = port.call(lambda firmware, _now_s: firmware.machine)
    assert not machine.heated_bed.works
    assert machine.hotend.works
    assert machine.hotend.sensor is Sensor.OPEN


def test_thermal_runaway_and_reset(port: VirtualPort) -> None:
    obey(port, {"fault": "thermal-runaway"})
    assert port.call(lambda firmware, _now_s: firmware.killed)
    obey(port, {"fault": "reset"})
    assert not port.call(lambda firmware, _now_s: firmware.killed)


def test_freeze(port: VirtualPort) -> None:
    obey(port, {"fault": "freeze", "seconds": 30})
    frozen_s = port.call(lambda firmware, now_s: firmware._frozen_until_s - now_s)
    assert 0 < frozen_s <= 30


def test_unplug_and_replug(port: VirtualPort) -> None:
    obey(port, {"fault": "unplug"})
    assert port._master is None
    assert obey(port, {"fault": "replug"}) == {"done": "replug"}
    assert port._master is not None


def test_parts_and_snapshot(port: VirtualPort) -> None:
    assert obey(port, {"remove_parts": True}) == {"removed": 0}
    found = obey(port, {"snapshot": True})
    assert found["parts_finished"] == 0
    assert found["now_s"] > 0


@pytest.mark.parametrize(
    "order",
    [
        {},
        {"fault": "earthquake"},
        {"fault": "noise", "in": 2},
        {"fault": "noise", "in": "much"},
        {"fault": "heater-off", "heater": "chamber"},
        {"fault": "sensor", "state": "melted"},
    ],
)
def test_nonsense_is_refused(port: VirtualPort, order: Order) -> None:
    with pytest.raises(ValueError, match=r"."):
        obey(port, order)


def test_the_refusal_names_what_there_is(port: VirtualPort) -> None:
    with pytest.raises(ValueError, match="thermal-runaway") as caught:
        obey(port, {"fault": "earthquake"})
    for name in FAULTS:
        assert name in str(caught.value)
