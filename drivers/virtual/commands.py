"""What each G, M and T code does. A handler that blocks is a generator of the things it waits for.

Codes that are missing here are answered `Unknown command`, as in a default build of Marlin.
"""

import re
from collections.abc import Callable
from math import atan2, hypot, inf, tau
from typing import Final

from drivers.virtual import texts
from drivers.virtual.heaters import Heater
from drivers.virtual.machine import FOR_SPACE, FOR_STILLNESS, Blocking, Machine, Reason, Wait, Waiting
from drivers.virtual.pause import RUNOUT_DEBOUNCE_S, change_filament
from drivers.virtual.words import Command

Handler = Callable[[Machine, Command], Blocking | None]

HOMING_MM_S: Final = (50.0, 50.0, 4.0)
HOMING_BUMPS_S: Final = 2.0  # per axis: back off and touch again
LEVELLING_S: Final = 60.0
HEAT_WINDOW_C: Final = 1.0
HEAT_HYSTERESIS_C: Final = 3.0
HEAT_RESIDENCY_S: Final = 10.0
LONGEST_WAIT_S: Final = 86_400.0


def _accept(_machine: Machine, _command: Command) -> None:
    """Known, and without effect here."""


# -- motion


def _feedrate(machine: Machine, command: Command) -> None:
    rate = command.number("F", 0.0)
    if rate > 0:
        machine.feedrate = rate * machine.millimetres / 60.0


def _move(machine: Machine, command: Command) -> Blocking | None:
    _feedrate(machine, command)
    if machine.planner.free > 0:
        machine.move_to(machine.target(command.words))
        return None
    return _move_later(machine, command)


def _move_later(machine: Machine, command: Command) -> Blocking:
    yield FOR_SPACE
    machine.move_to(machine.target(command.words))


def _arc(machine: Machine, command: Command) -> Blocking:
    """G2, G3 with a centre (I, J): one move along the chord that takes as long as the arc."""
    _feedrate(machine, command)
    if machine.planner.free <= 0:
        yield FOR_SPACE
    target = machine.target(command.words)
    start = machine.place
    i, j = (command.number(letter, 0.0) * machine.millimetres for letter in "IJ")
    radius = hypot(i, j)
    if not radius:
        machine.move_to(target)
        return
    begin = atan2(-j, -i)
    end = atan2(target[1] - start[1] - j, target[0] - start[0] - i)
    angle = (begin - end if command.code == "G2" else end - begin) % tau or tau
    machine.move_to(target, hypot(radius * angle, target[2] - start[2]))


def _dwell(machine: Machine, command: Command) -> Blocking:
    yield FOR_STILLNESS
    seconds = command.number("S", command.number("P", 0.0) / 1000.0)
    machine.act("notification Sleep...")
    yield Wait(Waiting.TIME, machine.now_s + min(max(0.0, seconds), LONGEST_WAIT_S))


def _home(machine: Machine, command: Command) -> Blocking:
    yield FOR_STILLNESS
    chosen = [axis for axis, letter in enumerate("XYZ") if letter in command.words] or [0, 1, 2]
    place = list(machine.place)
    seconds = sum(abs(place[axis]) / HOMING_MM_S[axis] + HOMING_BUMPS_S for axis in chosen)
    yield Wait(Waiting.TIME, machine.now_s + seconds)
    for axis in chosen:
        place[axis] = machine.offset[axis] = 0.0
        machine.homed[axis] = True
    machine.jump((place[0], place[1], place[2], place[3]))
    if 2 in chosen:
        machine.bed.homed_z(machine.now_s)
    machine.say(machine.where(machine.place))


def _level(machine: Machine, _command: Command) -> Blocking:
    yield FOR_STILLNESS
    yield Wait(Waiting.TIME, machine.now_s + LEVELLING_S)


def _units(machine: Machine, command: Command) -> None:
    machine.millimetres = 25.4 if command.code == "G20" else 1.0


def _positioning(machine: Machine, command: Command) -> None:
    machine.absolute = [command.code == "G90"] * 4


def _extruder_mode(machine: Machine, command: Command) -> None:
    machine.absolute[3] = command.code == "M82"


def _set_position(machine: Machine, command: Command) -> None:
    letters = [letter for letter in "XYZE" if letter in command.words] or list("XYZE")
    for letter in letters:
        axis = "XYZE".index(letter)
        machine.offset[axis] = machine.place[axis] - command.number(letter, 0.0) * machine.millimetres
    machine.say(machine.where(machine.place))


def _soft_endstops(machine: Machine, command: Command) -> None:
    if (enabled := command.words.get("S")) is not None:
        machine.soft_endstops = bool(enabled)


def _finish_moves(_machine: Machine, _command: Command) -> Blocking:
    yield FOR_STILLNESS


def _motors_off(machine: Machine, command: Command) -> Blocking:
    if "S" in command.words:
        machine.stepper_timeout_s = max(0.0, command.number("S", 0.0))
        return
    yield FOR_STILLNESS
    axes = set("XYZE") & set(command.words)
    if not axes or axes & {"X", "Y"}:
        machine.bed.motors_off(machine.now_s)


def _quick_stop(machine: Machine, _command: Command) -> None:
    machine.stop_motion()


def _speed_factor(machine: Machine, command: Command) -> None:
    if "S" in command.words:
        machine.speed_percent = max(1.0, command.number("S", 100.0))
    else:
        machine.say(f"FR:{machine.speed_percent:.0f}%")


def _flow_factor(machine: Machine, command: Command) -> None:
    if "S" in command.words:
        machine.flow_percent = max(0.0, command.number("S", 100.0))
    else:
        machine.say(f"echo:E0 Flow: {machine.flow_percent:.0f}%")


def _axis_limits(machine: Machine, command: Command) -> None:
    limits = machine.limits.acceleration if command.code == "M201" else machine.limits.speed
    for axis, letter in enumerate("XYZE"):
        if (value := command.number(letter, 0.0)) > 0:
            limits[axis] = value


def _accelerations(machine: Machine, command: Command) -> None:
    limits = machine.limits
    both = command.number("S", 0.0)
    limits.printing = max(0.0, command.number("P", both)) or limits.printing
    limits.travelling = max(0.0, command.number("T", both)) or limits.travelling
    limits.retracting = max(0.0, command.number("R", 0.0)) or limits.retracting


# -- heat


def _heater(machine: Machine, command: Command) -> Heater:
    return machine.hotend if command.code in {"M104", "M109"} else machine.heated_bed


def _set_temperature(machine: Machine, command: Command) -> None:
    if command.words.get("S") is not None:
        _heater(machine, command).set_target(command.number("S", 0.0), machine.now_s)
        _tell_bed_heats(machine, command)
        if not (machine.hotend.target_c or machine.heated_bed.target_c):
            machine.job_runs = False


def _tell_bed_heats(machine: Machine, command: Command) -> None:
    if command.code in {"M140", "M190"} and machine.heated_bed.target_c:
        machine.act("notification Bed Heating...")


def _heat_and_wait(machine: Machine, command: Command) -> Blocking:
    """M109, M190: S waits for heating only, R for cooling too; both hold the temperature for ten seconds."""
    heater = _heater(machine, command)
    waits_for_cooling = command.words.get("R") is not None
    if not waits_for_cooling and command.words.get("S") is None:
        return
    heater.set_target(command.number("R" if waits_for_cooling else "S", 0.0), machine.now_s)
    _tell_bed_heats(machine, command)
    if heater.target_c:
        _job_timer(machine, runs=True)
    if not waits_for_cooling and heater.reading_c() > heater.target_c:
        return
    since_s: float | None = None
    earliest_s = machine.now_s + machine.least_heating_s()
    machine.wait_for_heat = True
    while machine.wait_for_heat:
        left = "?" if since_s is None else f"{max(0, int(HEAT_RESIDENCY_S - (machine.now_s - since_s)))}"
        machine.say(f"{machine.temperatures()} W:{left}")
        off_by = abs(heater.reading_c() - heater.target_c)
        if since_s is None:
            since_s = machine.now_s if off_by < HEAT_WINDOW_C else None
        elif off_by > HEAT_HYSTERESIS_C:
            since_s = machine.now_s  # it slipped away: Marlin counts anew
        elif machine.now_s - since_s >= HEAT_RESIDENCY_S and machine.now_s >= earliest_s:
            break
        yield Wait(Waiting.HEAT, machine.now_s + 1.0)
    machine.wait_for_heat = False


def _job_timer(machine: Machine, *, runs: bool) -> None:
    machine.job_runs = runs
    machine.watch_filament(RUNOUT_DEBOUNCE_S)


def _print_timer(machine: Machine, command: Command) -> None:
    """M75 starts it, M76 and M77 hold and end it. The runout sensor is looked at while it runs."""
    _job_timer(machine, runs=command.code == "M75")


def _fan(machine: Machine, command: Command) -> None:
    machine.fan = 0 if command.code == "M107" else round(min(255.0, max(0.0, command.number("S", 255.0))))


def _cold_extrusion(machine: Machine, command: Command) -> None:
    if (coldest := command.words.get("S")) is not None:
        machine.coldest_extrusion_c = coldest
        machine.cold_extrusion = coldest <= 0
    if (allowed := command.words.get("P")) is not None:
        machine.cold_extrusion = bool(allowed)
    if not command.words:
        state = "en" if machine.cold_extrusion else "dis"
        machine.say(f"echo:Cold extrudes are {state}abled (min temp {machine.coldest_extrusion_c:.0f}C)")


def _whole_seconds(interval: float) -> float:
    return float(int(min(max(0.0, interval), 60.0)))


def _report_temperatures(machine: Machine, command: Command) -> None:
    if (interval := command.words.get("S")) is not None:
        machine.report_interval_s = _whole_seconds(interval)
        machine.report_s = machine.now_s + (machine.report_interval_s or inf)


def _report_position(machine: Machine, command: Command) -> None:
    if (interval := command.words.get("S")) is not None:
        machine.place_interval_s = _whole_seconds(interval)
        machine.place_s = machine.now_s + (machine.place_interval_s or inf)


# -- the host


def _busy_interval(machine: Machine, command: Command) -> None:
    if "S" in command.words:
        machine.busy_interval_s = _whole_seconds(command.number("S", 0.0))
    else:
        machine.say(f"echo:M113 S{machine.busy_interval_s:.0f}")


def _inactivity(machine: Machine, command: Command) -> None:
    if "S" in command.words:
        machine.inactive_s = max(0.0, command.number("S", 0.0))
    machine.active_at_s = machine.now_s


def _where(machine: Machine, command: Command) -> None:
    real = machine.planner.position(machine.now_s) if "R" in command.words else machine.place
    machine.say(machine.where(real))


def _settings(machine: Machine, _command: Command) -> None:
    for line in texts.settings(machine.options):
        machine.say(line)


def _endstops(machine: Machine, _command: Command) -> None:
    for line in texts.endstops(machine.options, filament_out=machine.filament_out):
        machine.say(line)


_PREFIXES: Final = re.compile(r"(?:([AEP])(\d) *)?(?:([AEP])(\d) *)?")


def _echo(machine: Machine, command: Command) -> None:
    """M118: `A1` puts `//` in front, `E1` puts `echo:`."""
    match = _PREFIXES.match(command.rest)
    flags = dict(zip(match.groups()[::2], match.groups()[1::2], strict=True)) if match else {}
    text = command.rest[match.end() :] if match else command.rest
    machine.say(f"{'echo:' if flags.get('E') == '1' else ''}{'//' if flags.get('A') == '1' else ''}{text}")


_PATIENCE: Final = re.compile(r"(?:[PS]\d+ *)*")


def _wait_for_user(machine: Machine, command: Command) -> Blocking:
    """M0, M1: for a person, or for S seconds (P milliseconds) at most; the rest of the line is shown."""
    patience = _PATIENCE.match(command.rest)
    limits = {letter: float(number) for letter, number in re.findall(r"([PS])(\d+)", patience[0] if patience else "")}
    text = command.rest[patience.end() :] if patience else command.rest
    seconds = limits.get("S", limits.get("P", 0.0) / 1000.0)
    yield FOR_STILLNESS
    if text:
        machine.say(f"echo:{text}")
    machine.prompt(Reason.CONTINUE, text or ("M0 Stop" if command.code == "M0" else "M1 Stop"), "Continue")
    machine.wait_for_user = True
    until_s = machine.now_s + seconds if seconds else inf
    while machine.wait_for_user and machine.now_s < until_s:
        yield Wait(Waiting.USER, until_s, for_a_person=True)
    machine.wait_for_user = False


# -- filament


def _runout_sensor(machine: Machine, command: Command) -> None:
    if (enabled := command.words.get("S")) is not None:
        machine.runout_enabled = bool(enabled)
    elif "R" not in command.words:
        machine.say(f"echo:Filament runout {'ON' if machine.runout_enabled else 'OFF'}")
    machine.watch_filament(RUNOUT_DEBOUNCE_S)


def _change_lengths(machine: Machine, command: Command) -> None:
    """M603: how much a filament change loads and unloads."""
    machine.load_mm = abs(command.number("L", machine.load_mm))
    machine.unload_mm = abs(command.number("U", machine.unload_mm))


def _change_filament(machine: Machine, _command: Command) -> Blocking | None:
    return None if machine.paused else change_filament(machine)


# -- what this build does not have


def _no_eeprom(machine: Machine, command: Command) -> None:
    """M500-M502 of a board without EEPROM (Marlin's published behaviour): nothing is stored, the built-in settings come back."""
    if command.code == "M500":
        machine.say("Error:EEPROM disabled")
        return
    machine.say(f"echo:{texts.DEFAULTS_LOADED}")
    if command.code == "M501":
        _settings(machine, command)


_SD_ANSWERS: Final = {
    "M20": ("Begin file list", "End file list"),
    "M21": ("echo:No media",),
    "M22": (),
    "M23": ("open failed, File: .",),
    "M24": (),
    "M25": (),
    "M26": (),
    "M27": ("Not SD printing",),
    "M413": ("echo:Power-loss recovery OFF",),
    "M524": (),
}


def _no_card(machine: Machine, command: Command) -> None:
    """A card slot without a card (Marlin's G-code reference): nothing is listed, nothing prints, nothing is recovered."""
    for line in _SD_ANSWERS[command.code]:
        machine.say(line)


def _no_mesh(machine: Machine, command: Command) -> None:
    """M420 of a build with bed levelling that has not probed since its reset."""
    if command.words.get("S"):
        machine.say("Error:Failed to enable Bed Leveling")
    machine.say("echo:Bed Leveling OFF")
    machine.say("echo:Fade Height OFF")


def _message(machine: Machine, _command: Command) -> None:
    if machine.flavour.after_message:
        machine.say(machine.flavour.after_message)


def _tool(machine: Machine, command: Command) -> None:
    if command.code != "T0":
        machine.say(f"echo:{command.code} Invalid extruder")


# These, like M105, M110, M112 and M999, are done by the firmware itself: see firmware.py.
_WITHOUT_EFFECT: Final = (
    *("G17", "M17", "M31", "M92", "M108", "M111", "M120", "M121", "M200", "M205", "M206"),
    *("M301", "M428"),
)

HANDLERS: Final[dict[str, Handler]] = {
    **dict.fromkeys(_WITHOUT_EFFECT, _accept),
    **dict.fromkeys(("G0", "G1"), _move),
    **dict.fromkeys(("G2", "G3"), _arc),
    "G4": _dwell,
    "G28": _home,
    **dict.fromkeys(("G20", "G21"), _units),
    **dict.fromkeys(("G90", "G91"), _positioning),
    "G92": _set_position,
    **dict.fromkeys(("M18", "M84"), _motors_off),
    **dict.fromkeys(("M82", "M83"), _extruder_mode),
    **dict.fromkeys(("M75", "M76", "M77"), _print_timer),
    "M85": _inactivity,
    **dict.fromkeys(("M104", "M140"), _set_temperature),
    **dict.fromkeys(("M109", "M190"), _heat_and_wait),
    **dict.fromkeys(("M106", "M107"), _fan),
    "M113": _busy_interval,
    "M114": _where,
    "M117": _message,
    "M118": _echo,
    "M119": _endstops,
    "M155": _report_temperatures,
    **dict.fromkeys(("M201", "M203"), _axis_limits),
    "M204": _accelerations,
    "M211": _soft_endstops,
    "M220": _speed_factor,
    "M221": _flow_factor,
    "M302": _cold_extrusion,
    "M400": _finish_moves,
    "M410": _quick_stop,
    **dict.fromkeys(("M500", "M501", "M502"), _no_eeprom),
    "M503": _settings,
    "T0": _tool,
    "T1": _tool,
}


# Codes of builds with an option: the option's name and what the code does then.
_OPTIONAL: Final[dict[str, tuple[str, Handler]]] = {
    "G29": ("bed_levelling", _level),
    # Without an emergency parser nobody could answer: a default build does not know these.
    **dict.fromkeys(("M0", "M1"), ("emergency_parser", _wait_for_user)),
    "M876": ("emergency_parser", _accept),
    "M154": ("position_reports", _report_position),
    "M412": ("runout_sensor", _runout_sensor),
    "M600": ("runout_sensor", _change_filament),
    "M603": ("runout_sensor", _change_lengths),
    "M420": ("bed_levelling", _no_mesh),
    **dict.fromkeys(_SD_ANSWERS, ("sd_slot", _no_card)),
}


def handler_of(machine: Machine, code: str) -> Handler | None:
    """The handler of a code in this build; None for an unknown command."""
    if code in machine.flavour.missing:
        return None
    option, handler = _OPTIONAL.get(code, ("", None))
    return handler if handler and getattr(machine.options, option) else HANDLERS.get(code)
