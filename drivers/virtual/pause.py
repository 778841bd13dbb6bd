"""Filament runout and filament change: the dialogue between Marlin, the host and a person.

Source: the recorded runout dialogue with real Marlin (bugfix-2.1.x of January 2023) up to its purge question; what follows
(resumed, the closing prompt, DisableRunout) and M600 without a runout from Marlin's published behaviour. Filament that a change
moves is kept apart (`Machine.purged_mm`): it never belongs to a part.
"""

from typing import Final

from drivers.virtual.machine import FOR_STILLNESS, FOR_USER, Blocking, Machine, Reason, Wait, Waiting
from drivers.virtual.motion import Move, Position

RUNOUT_DEBOUNCE_S: Final = 1.0  # Marlin asks its sensor several times before it believes it; how long that takes is a guess
NOZZLE_TIMEOUT_S: Final = 45.0
PURGE_MM: Final = 50.0
PURGE_MM_S: Final = 3.0
UNLOAD_MM_S: Final = 10.0
RETRACT_MM: Final = 2.0
PARK_FROM_EDGE_MM: Final = 10.0
PARK_RAISE_MM: Final = 20.0
PARK_XY_MM_S: Final = 100.0
PARK_Z_MM_S: Final = 5.0
REHEAT_WINDOW_C: Final = 1.0
REHEAT_LOOK_S: Final = 0.5


def tell_runout(machine: Machine) -> None:
    """What is said when the sensor has tripped; the filament change comes next."""
    machine.prompt(Reason.INFO, "FilamentRunout T0")
    machine.act("paused filament_runout 0")


def change_filament(machine: Machine) -> Blocking:
    """M600: park, unload, wait for a person, load, purge, ask, go on."""
    machine.act("paused")
    machine.open_prompt("Pause", "Dismiss")
    machine.paused = True
    yield FOR_STILLNESS
    place = machine.place
    parked = all(machine.homed)
    if parked:
        yield from _park(machine)
    yield Wait(Waiting.TIME, machine.now_s + machine.unload_mm / UNLOAD_MM_S)
    machine.purged_mm -= machine.unload_mm
    yield from _wait_for_filament(machine)
    yield from _load(machine)
    yield from _reheat(machine)
    if parked:
        yield from _travel(machine, (place[0], place[1], machine.place[2], place[3]), PARK_XY_MM_S)
        yield from _travel(machine, place, PARK_Z_MM_S)
    machine.act("resumed")
    machine.paused = False
    machine.open_prompt("Resuming", "Dismiss")
    machine.watch_filament(RUNOUT_DEBOUNCE_S)


def _park(machine: Machine) -> Blocking:
    x, y, z, e = machine.place
    raised = min(z + PARK_RAISE_MM, machine.options.height_mm)
    yield from _travel(machine, (x, y, raised, e), PARK_Z_MM_S)
    corner = (PARK_FROM_EDGE_MM, machine.options.bed_mm - PARK_FROM_EDGE_MM, raised, e)
    yield from _travel(machine, corner, PARK_XY_MM_S)
    machine.say(machine.where((*corner[:3], e - RETRACT_MM)))


def _travel(machine: Machine, target: Position, speed_mm_s: float) -> Blocking:
    machine.planner.append(Move(machine.place, target, speed_mm_s), machine.now_s)
    machine.place = target
    yield FOR_STILLNESS


def _waits(machine: Machine) -> bool:
    return machine.wait_for_user


def _wait_for_filament(machine: Machine) -> Blocking:
    machine.say("echo:Insert filament and send M108")
    machine.prompt(Reason.CONTINUE, "Nozzle Parked", "Continue")
    machine.wait_for_user = True
    idle_at_s = machine.now_s + NOZZLE_TIMEOUT_S
    while _waits(machine):
        yield Wait(Waiting.USER, idle_at_s, for_a_person=True)
        if not _waits(machine) or machine.now_s < idle_at_s:
            continue
        machine.hotend.rest(machine.now_s)
        machine.say("echo:Send M108 to heat nozzle")
        machine.prompt(Reason.CONTINUE, "Heater Timeout", "Reheat")
        while _waits(machine):
            yield FOR_USER
        machine.prompt(Reason.INFO, "Reheating...")
        yield from _reheat(machine)
        machine.say("echo:Insert filament and send M108")
        machine.prompt(Reason.CONTINUE, "Reheat Done", "Continue")
        machine.wait_for_user = True
        idle_at_s = machine.now_s + NOZZLE_TIMEOUT_S


def _reheat(machine: Machine) -> Blocking:
    """Back to the target; M108 ends it, and with M302 P1 nobody waits."""
    machine.hotend.wake(machine.now_s)
    machine.wait_for_heat = not machine.cold_extrusion
    while machine.wait_for_heat and abs(machine.hotend.reading_c() - machine.hotend.target_c) > REHEAT_WINDOW_C:
        yield Wait(Waiting.HEAT, machine.now_s + REHEAT_LOOK_S, for_a_person=True)
        machine.advance_heaters()
    machine.wait_for_heat = False


def _load(machine: Machine) -> Blocking:
    """Purge as often as the person wants. Without host prompts nobody is asked."""
    machine.purged_mm += machine.load_mm
    while True:
        yield Wait(Waiting.TIME, machine.now_s + PURGE_MM / PURGE_MM_S)
        machine.purged_mm += PURGE_MM
        if not machine.options.host_actions:
            return
        machine.prompt(Reason.PURGE, "Paused", "PurgeMore", "DisableRunout" if machine.runout_tripped() else "Continue")
        machine.wait_for_user = True
        while _waits(machine):
            yield FOR_USER
        if machine.person_chose:
            if machine.runout_tripped():
                machine.runout_enabled = False
            return
