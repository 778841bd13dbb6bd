import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.virtual.control import FAULTS, Order, describe_faults, obey
from drivers.virtual.firmware import Firmware
from drivers.virtual.heaters import Sensor
from drivers.virtual.options import FirmwareOptions
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
    ("name", "field", "value"),
    [
        ("silent-duplicate", "silent_lines", 2),
        ("corrupt-ok", "corrupt_oks", 2),
        ("corrupt-resend", "corrupt_resends", 2),
        ("misnumber-resend", "misnumber_resends", 2),
        ("late-ok", "late_oks", 2),
    ],
)
def test_counted_faults(port: VirtualPort, name: str, field: str, value: int) -> None:
    obey(port, {"fault": name, "count": value})
    assert port.call(lambda firmware, _now_s: getattr(firmware.faults, field)) == value
    obey(port, {"fault": "none"})
    assert port.call(lambda firmware, _now_s: getattr(firmware.faults, field)) == 0


@pytest.mark.parametrize(
    ("name", "field"), [("flip-line", "flip"), ("merge-lines", "merge"), ("cut-tail", "cut"), ("double-line", "double")]
)
def test_line_faults(port: VirtualPort, name: str, field: str) -> None:
    obey(port, {"fault": name, "count": 4})
    assert port.call(lambda firmware, _now_s: getattr(firmware.faults.lines, field)) == 4


def test_faults_with_a_value(port: VirtualPort) -> None:
    obey(port, {"fault": "late-ok", "seconds": 7})
    obey(port, {"fault": "misnumber-resend", "by": -3})
    obey(port, {"fault": "long-heat", "seconds": 900})
    obey(port, {"fault": "kill-in-heat"})
    obey(port, {"fault": "boot-delay", "seconds": 1.5})
    obey(port, {"fault": "noise", "in": 0.5, "kind": "drop"})
    faults, boot_s = port.call(lambda firmware, _now_s: (firmware.faults, firmware.boot_s))
    assert (faults.late_ok_s, faults.misnumber_by, faults.long_heat_s) == (7.0, -3, 900.0)
    assert (faults.kill_in_heat, faults.noise_kind, boot_s) == (True, "drop", 1.5)


def test_kill(port: VirtualPort) -> None:
    obey(port, {"fault": "kill"})
    assert port.call(lambda firmware, _now_s: firmware.killed)


def test_runout_needs_a_sensor(port: VirtualPort) -> None:
    with pytest.raises(ValueError, match="runout_sensor=1"):
        obey(port, {"fault": "runout"})
    other = VirtualPort(Firmware(FirmwareOptions(runout_sensor=True)))
    try:
        obey(other, {"fault": "runout"})
        assert other.call(lambda firmware, _now_s: firmware.machine.filament_out)
        obey(other, {"fault": "runout", "on": False})
        assert not other.call(lambda firmware, _now_s: firmware.machine.filament_out)
    finally:
        other.close()


def test_port_faults(port: VirtualPort) -> None:
    obey(port, {"fault": "reset-on-open"})
    obey(port, {"fault": "strict-baud", "baud": 250_000})
    obey(port, {"fault": "full-pty"})
    assert (port.reset_on_open, port.strict_baud, port.reads) == (True, 250_000, False)
    before = port.path
    obey(port, {"fault": "renumber"})
    assert port.path != before
    obey(port, {"fault": "second-opener", "how": "lock"})
    with pytest.raises(ValueError, match="second opener"):
        obey(port, {"fault": "second-opener", "how": "lock"})
    obey(port, {"fault": "none"})
    assert (port.strict_baud, port.reads) == (0, True)
    obey(port, {"fault": "second-opener", "how": "lock"})  # the first is gone
    obey(port, {"fault": "second-opener", "on": False})


def test_every_fault_is_described() -> None:
    described = describe_faults().splitlines()
    assert [line.split()[0] for line in described] == list(FAULTS)
    assert all(len(line.split(None, 1)[1]) > 10 for line in described)
    assert len(FAULTS) >= 30


def test_lists_faults_and_executed_lines(port: VirtualPort) -> None:
    assert set(obey(port, {"faults": True})["faults"]) == set(FAULTS)
    port.call(lambda firmware, now_s: firmware.feed(b"N1 G90*17\n", now_s))
    assert obey(port, {"executed": True}) == {"executed": ["G90"], "before": [], "total": 1}


@pytest.mark.parametrize(
    "order",
    [
        {},
        {"fault": "noise", "in": 0.1, "kind": "pink"},
        {"fault": "second-opener", "how": "politely"},
        {"fault": "full-pty", "on": "yes"},
        {"fault": "lose-ok", "count": -1},
        {"fault": "freeze", "seconds": "long"},
        {"fault": "strict-baud", "baud": -5},
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


def test_what_the_document_types_is_understood(port: VirtualPort) -> None:
    document = (Path(__file__).parents[4] / "docs" / "printers.md").read_text("utf-8")
    typed = [json.loads(line) for line in re.findall(r'^\{"printer": 1, (?!"path").*\}$', document, re.MULTILINE)]
    assert {order.get("fault") for order in typed} >= {"kill", "reset", "sensor"}
    for order in typed:
        told = obey(port, order)
        assert told.get("done") == order.get("fault"), told
