"""Breaks, repairs and clears a virtual printer by small JSON commands. What tests and the demo do with their hands."""

from collections.abc import Callable
from typing import Any, Final

from drivers.virtual.firmware import Firmware
from drivers.virtual.heaters import Sensor
from drivers.virtual.port import VirtualPort

Order = dict[str, Any]


def _noise(firmware: Firmware, order: Order, _now_s: float) -> None:
    firmware.faults.noise_in = _ratio(order.get("in", 0.0))
    firmware.faults.noise_out = _ratio(order.get("out", 0.0))


def _ratio(value: Any) -> float:
    ratio = float(value)
    if not 0.0 <= ratio <= 1.0:
        raise ValueError(f"a noise ratio is between 0 and 1, not {ratio:g}")
    return ratio


def _lose_oks(firmware: Firmware, order: Order, _now_s: float) -> None:
    firmware.faults.lose_oks = int(order.get("count", 1))


def _double_oks(firmware: Firmware, order: Order, _now_s: float) -> None:
    firmware.faults.double_oks = int(order.get("count", 1))


def _heater_name(order: Order) -> str:
    name = str(order.get("heater", "hotend"))
    if name not in {"hotend", "bed"}:
        raise ValueError(f"there is no heater {name!r}: hotend or bed")
    return name


def _break_sensor(firmware: Firmware, order: Order, now_s: float) -> None:
    firmware.break_sensor(_heater_name(order), Sensor(str(order.get("state", "open"))), now_s)


FAULTS: Final[dict[str, Callable[[Firmware, Order, float], None]]] = {
    "none": lambda firmware, _order, _now_s: firmware.repair(),
    "reset": lambda firmware, _order, now_s: firmware.reset(now_s),
    "freeze": lambda firmware, order, now_s: firmware.freeze(float(order.get("seconds", 20.0)), now_s),
    "noise": _noise,
    "lose-ok": _lose_oks,
    "double-ok": _double_oks,
    "heater-off": lambda firmware, order, now_s: firmware.break_heater(_heater_name(order), now_s),
    "sensor": _break_sensor,
    "thermal-runaway": lambda firmware, _order, now_s: firmware.thermal_runaway(now_s),
}
PORT_FAULTS: Final[dict[str, Callable[[VirtualPort], object]]] = {
    "unplug": VirtualPort.unplug,
    "replug": VirtualPort.replug,
}


def obey(port: VirtualPort, order: Order) -> Order:
    """Carry out one command: `{"fault": NAME, ...}`, `{"remove_parts": true}` or `{"snapshot": true}`.

    Times (`seconds` of a freeze) are the firmware's. Returns what was done, or the snapshot.

    Raises:
        ValueError: the command or one of its values makes no sense; the message says which.

    """
    if order.get("remove_parts"):
        return {"removed": port.call(lambda firmware, now_s: firmware.remove_parts(now_s))}
    if order.get("snapshot"):
        return port.call(snapshot)
    name = str(order.get("fault", ""))
    if name in PORT_FAULTS:
        PORT_FAULTS[name](port)
    elif name in FAULTS:
        port.call(lambda firmware, now_s: FAULTS[name](firmware, order, now_s))
    else:
        known = ", ".join(sorted({*FAULTS, *PORT_FAULTS}))
        raise ValueError(f"the command {order!r} has no known fault; there are: {known}")
    return {"done": name}


def snapshot(firmware: Firmware, now_s: float) -> Order:
    """The truth at this moment."""
    firmware.settle(now_s)
    return firmware.snapshot()
