"""Breaks, repairs and clears a virtual printer by small JSON commands. What tests and the demo do with their hands.

`FAULTS` is the list of all that can be broken; `python -m drivers.virtual --help` and the command `{"faults": true}` tell it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from drivers.virtual.faults import NOISE_KINDS
from drivers.virtual.firmware import Firmware
from drivers.virtual.heaters import Sensor
from drivers.virtual.port import VirtualPort

Order = dict[str, Any]


def _number(order: Order, name: str, standard: float, low: float, high: float) -> float:
    value = float(order.get(name, standard))
    if not low <= value <= high:
        raise ValueError(f"{name} is between {low:g} and {high:g}, not {value:g}")
    return value


def _count(order: Order) -> int:
    return int(_number(order, "count", 1, 0, 1_000_000))


def _switch(order: Order) -> bool:
    value = order.get("on", True)
    if not isinstance(value, bool):
        raise ValueError(f"on is true or false, not {value!r}")
    return value


def _noise(firmware: Firmware, order: Order, _now_s: float) -> None:
    kind = str(order.get("kind", "both"))
    if kind not in NOISE_KINDS:
        raise ValueError(f"noise is one of {', '.join(NOISE_KINDS)}, not {kind!r}")
    noise_in, noise_out = (_number(order, name, 0.0, 0.0, 1.0) for name in ("in", "out"))
    faults = firmware.faults
    faults.noise_in, faults.noise_out, faults.noise_kind = noise_in, noise_out, kind


def _counted(name: str) -> Callable[[Firmware, Order, float], None]:
    def apply(firmware: Firmware, order: Order, _now_s: float) -> None:
        setattr(firmware.faults, name, _count(order))

    return apply


def _counted_lines(name: str) -> Callable[[Firmware, Order, float], None]:
    def apply(firmware: Firmware, order: Order, _now_s: float) -> None:
        setattr(firmware.faults.lines, name, _count(order))

    return apply


def _late_oks(firmware: Firmware, order: Order, _now_s: float) -> None:
    firmware.faults.late_ok_s = _number(order, "seconds", 5.0, 0.0, 86_400.0)
    firmware.faults.late_oks = _count(order)


def _misnumber(firmware: Firmware, order: Order, _now_s: float) -> None:
    firmware.faults.misnumber_by = int(_number(order, "by", 100, -1_000_000, 1_000_000))
    firmware.faults.misnumber_resends = _count(order)


def _stale_resend(firmware: Firmware, order: Order, now_s: float) -> None:
    firmware.say_unasked(now_s, stale_resend=int(_number(order, "back", 3, 0, 1_000_000)))


def _long_heat(firmware: Firmware, order: Order, _now_s: float) -> None:
    firmware.faults.long_heat_s = _number(order, "seconds", 600.0, 0.0, 86_400.0)


def _kill_in_heat(firmware: Firmware, order: Order, _now_s: float) -> None:
    firmware.faults.kill_in_heat = _switch(order)


def _boot_delay(firmware: Firmware, order: Order, _now_s: float) -> None:
    firmware.boot_s = _number(order, "seconds", 2.0, 0.0, 60.0)


def _heater_name(order: Order) -> str:
    name = str(order.get("heater", "hotend"))
    if name not in {"hotend", "bed"}:
        raise ValueError(f"there is no heater {name!r}: hotend or bed")
    return name


def _break_sensor(firmware: Firmware, order: Order, now_s: float) -> None:
    firmware.break_sensor(_heater_name(order), Sensor(str(order.get("state", "open"))), now_s)


def _freeze(firmware: Firmware, order: Order, now_s: float) -> None:
    firmware.freeze(_number(order, "seconds", 20.0, 0.0, 86_400.0), now_s)


def _run_out(firmware: Firmware, order: Order, now_s: float) -> None:
    if not firmware.options.runout_sensor:
        raise ValueError("this printer has no runout sensor: start it with runout_sensor=1")
    firmware.run_out(now_s, out=_switch(order))


def _reset_on_open(port: VirtualPort, order: Order) -> None:
    port.reset_on_open = _switch(order)


def _full_pty(port: VirtualPort, order: Order) -> None:
    reads = not _switch(order)

    def change(_firmware: Firmware, _now_s: float) -> None:
        port.reads = reads

    port.call(change)


def _strict_baud(port: VirtualPort, order: Order) -> None:
    port.strict_baud = int(_number(order, "baud", 115_200, 0, 4_000_000))


def _second_opener(port: VirtualPort, order: Order) -> None:
    how = str(order.get("how", "steal"))
    if how not in {"lock", "steal"}:
        raise ValueError(f"a second opener can lock or steal, not {how!r}")
    if not _switch(order):
        port.expel()
        return
    try:
        port.intrude(locks=how == "lock")
    except OSError as error:
        raise ValueError(f"the second opener cannot: {error}") from error


@dataclass(frozen=True, slots=True)
class Breakage:
    """One way to break a printer. `work` touches the firmware, `at_port` the port; one of them is there."""

    meaning: str
    work: Callable[[Firmware, Order, float], None] | None = None
    at_port: Callable[[VirtualPort, Order], object] | None = None


FAULTS: Final[dict[str, Breakage]] = {
    "none": Breakage("all of these off (a killed board still needs its reset)", lambda firmware, _order, _now_s: firmware.repair()),
    "noise": Breakage("in, out: share of bytes spoilt 0-1; kind: both, flip or drop", _noise),
    "flip-line": Breakage("count: a bit of the next lines from the host flips", _counted_lines("flip")),
    "merge-lines": Breakage("count: the end of the next lines is lost, each merges with its follower", _counted_lines("merge")),
    "cut-tail": Breakage("count: the next numbered lines lose their number, the tail executes unchecked", _counted_lines("cut")),
    "double-line": Breakage("count: the next lines arrive twice, the second is dropped silently", _counted_lines("double")),
    "silent-duplicate": Breakage(
        "count: numbered lines execute without ok, so that repeating them is silent", _counted("silent_lines")
    ),
    "lose-ok": Breakage("count: the next oks vanish", _counted("lose_oks")),
    "double-ok": Breakage("count: the next oks come twice", _counted("double_oks")),
    "late-ok": Breakage("count, seconds (5): the next oks come so much later", _late_oks),
    "extra-ok": Breakage("one ok now, for nothing", lambda firmware, _order, now_s: firmware.say_unasked(now_s)),
    "corrupt-ok": Breakage("count: a bit of the word ok flips", _counted("corrupt_oks")),
    "corrupt-resend": Breakage("count: a bit of the word Resend flips", _counted("corrupt_resends")),
    "misnumber-resend": Breakage("count, by (100): the number of the next Resends is wrong by so much", _misnumber),
    "stale-resend": Breakage("back (3): a Resend now, of a line so many before the wanted one", _stale_resend),
    "freeze": Breakage("seconds (20): deaf and dumb", _freeze),
    "long-heat": Breakage("seconds (600): M109 and M190 take at least this and tell only temperatures; 0: off", _long_heat),
    "kill-in-heat": Breakage("on: the next M109 or M190 ends in Heating failed and a kill", _kill_in_heat),
    "heater-off": Breakage(
        "heater (hotend, bed): it gets no power",
        lambda firmware, order, now_s: firmware.break_heater(_heater_name(order), now_s),
    ),
    "sensor": Breakage("heater, state (open, short, good): its thermistor", _break_sensor),
    "thermal-runaway": Breakage("Marlin's protection strikes now", lambda firmware, _order, now_s: firmware.thermal_runaway(now_s)),
    "kill": Breakage("a kill now, as by the button of a display", lambda firmware, _order, now_s: firmware.kill(now_s)),
    "reset": Breakage("the board's reset line", lambda firmware, _order, now_s: firmware.reset(now_s)),
    "reset-on-open": Breakage("on: a host that opens the port resets the board", at_port=_reset_on_open),
    "boot-delay": Breakage("seconds (2): the boot loader is deaf so long after each reset", _boot_delay),
    "runout": Breakage("on: the filament has ended (needs runout_sensor=1); false: a person put in another", _run_out),
    "unplug": Breakage("the cable is pulled", at_port=lambda port, _order: port.unplug()),
    "replug": Breakage("it is plugged in again", at_port=lambda port, _order: port.replug()),
    "renumber": Breakage("unplugged and plugged in again under another number", at_port=lambda port, _order: port.renumber()),
    "second-opener": Breakage("how (steal, lock), on: another program has the port open", at_port=_second_opener),
    "full-pty": Breakage("on: nothing is taken from the host any more, its writes fill up", at_port=_full_pty),
    "strict-baud": Breakage("baud (115200): a host at another speed gets and gives garbage; 0: off", at_port=_strict_baud),
}


def describe_faults() -> str:
    """One line for each fault."""
    width = max(map(len, FAULTS))
    return "\n".join(f"  {name:<{width}}  {breakage.meaning}" for name, breakage in FAULTS.items())


def obey(port: VirtualPort, order: Order) -> Order:
    """Carry out one command.

    `{"fault": NAME, ...}`, `{"remove_parts": true}`, `{"snapshot": true}`, `{"executed": true}` (the newest executed numbered
    commands) or `{"faults": true}`. Times are the firmware's. Returns what was done, or what was asked for.

    Raises:
        ValueError: the command or one of its values makes no sense; the message says which.

    """
    if order.get("remove_parts"):
        return {"removed": port.call(lambda firmware, now_s: firmware.remove_parts(now_s))}
    if order.get("snapshot"):
        return port.call(snapshot)
    if order.get("executed"):
        return port.call(executed)
    if order.get("faults"):
        return {"faults": {name: breakage.meaning for name, breakage in FAULTS.items()}}
    name = str(order.get("fault", ""))
    if name not in FAULTS:
        raise ValueError(f"the command {order!r} has no known fault; there are: {', '.join(sorted(FAULTS))}")
    _break(port, FAULTS[name], order)
    return {"done": name}


def _break(port: VirtualPort, breakage: Breakage, order: Order) -> None:
    work = breakage.work
    if work is not None:
        port.call(lambda firmware, now_s: work(firmware, order, now_s))
    if breakage.at_port is not None:
        breakage.at_port(port, order)
    if order["fault"] == "none":
        port.expel()
        port.strict_baud = 0
        _full_pty(port, {"on": False})


def snapshot(firmware: Firmware, now_s: float) -> Order:
    """The truth at this moment."""
    firmware.settle(now_s)
    return firmware.snapshot()


def executed(firmware: Firmware, now_s: float) -> Order:
    """The newest executed numbered commands since the last M110, oldest first; `before` it; and how many there were in all."""
    firmware.settle(now_s)
    record = firmware.record
    return {"executed": list(record.lines), "before": list(record.before), "total": record.total}
