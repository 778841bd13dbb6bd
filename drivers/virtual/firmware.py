"""A Marlin that obeys time and can be broken on purpose. Sans-I/O: bytes and moments in, bytes and the next moment out.

It keeps its own seconds: whoever drives it decides how many of them pass in a real second. It answers as transcripts of real
Marlin (bugfix-2.1.x of January 2023) show; `Bed` keeps the truth about what was printed, whatever the host believes.
"""

from collections import deque
from collections.abc import Callable
from math import inf
from typing import Any, Final

from drivers.virtual import texts
from drivers.virtual.bed import Bed, PartRule
from drivers.virtual.commands import Handler, handler_of
from drivers.virtual.faults import Faults, Noise
from drivers.virtual.flavours import FLAVOURS
from drivers.virtual.heaters import Heater, Sensor
from drivers.virtual.machine import Blocking, Machine, Wait, Waiting
from drivers.virtual.options import FirmwareOptions
from drivers.virtual.pause import RUNOUT_DEBOUNCE_S, change_filament, tell_runout
from drivers.virtual.receiver import NO_CHECKSUM, WRONG_CHECKSUM, WRONG_NUMBER, Accepted, Duplicate, Receiver, Refused
from drivers.virtual.record import Record
from drivers.virtual.voice import Voice
from drivers.virtual.words import Command, read_command

PROTECTION_CHECK_S: Final = 1.0  # how often a broken heater is looked at
IDLE_LINE_S: Final = 1.0  # between two lines of a firmware that tells that it has nothing to do


class Firmware:
    """One controller board with its printer. Times are its own seconds and never go back."""

    def __init__(self, options: FirmwareOptions | None = None, *, rule: PartRule | None = None, seed: int = 0) -> None:
        self.options = options or FirmwareOptions()
        self.bed = Bed(rule or PartRule())
        self.record = Record()
        self.boot_s = self.options.boot_s
        self._flavour = FLAVOURS[self.options.flavour]
        self._noise = Noise(seed)
        self._voice = Voice(self._flavour, self._noise)
        self._say = self._voice.say
        self.machine = Machine(self.options, self.bed, self._say, lambda: self.faults)
        self.receiver = Receiver(self._flavour, self.options.rx_buffer)
        self.killed = False
        self.lines_executed = 0
        self._frozen_until_s = -inf
        self._check_s = 0.0
        self._own: dict[str, Handler] = {
            "M105": self._tell_temperatures,
            "M110": self._set_line_number,
            "M112": self._emergency_stop,
            "M115": self._identify,
            "M999": self._restart,
        }
        self.reset(0.0)

    @property
    def faults(self) -> Faults:
        """What is broken on the way between this board and its host."""
        return self._voice.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._voice.faults = faults

    # -- the world outside

    def reset(self, now_s: float) -> None:
        """The reset line, or the power, of the board: says `start` after its boot time. What stands on the bed stays there."""
        self._now(now_s)
        self.machine.stop_motion()
        self.bed.interrupted("reset", now_s)
        self.machine.cold_start()
        self.machine.hotend.failure = self.machine.heated_bed.failure = None
        self.receiver = Receiver(self._flavour, self.options.rx_buffer)
        self.record.begin()
        self._voice.forget()
        self.killed = False
        self._injected: deque[Blocking] = deque()  # done before the next line of the queue, and without an ok
        self._current = Command("", "", "", {})
        self._idle_s = now_s + self.boot_s
        self._queue: deque[Accepted] = deque()  # the first is being executed
        self._blocking: Blocking | None = None
        self._wait: Wait | None = None
        self._busy_s = inf
        self._frozen_until_s = -inf
        self._booting_until_s: float | None = now_s + self.boot_s
        self._run_until(now_s)

    def feed(self, data: bytes, now_s: float) -> None:
        """The host sends. Bytes that find no room are lost, as on a real board."""
        self._run_until(now_s)
        if self.killed or self._booting_until_s is not None:
            return
        faults = self.faults
        data = self._noise.spoil(data, faults.noise_in, faults.noise_kind)
        if faults.lines.any:
            data = self._noise.spoil_lines(data, faults.lines)
        if self.options.emergency_parser and (found := self.receiver.emergencies(data)):
            for number, choice in found:
                self._emergency(number, choice)
            self._work()  # what they end is over before their line enters the queue
        self.receiver.put(data)
        self._work()
        self.receiver.overflow()

    def advance(self, now_s: float) -> bytes:
        """Let time pass; returns what the firmware says since the last call."""
        self._run_until(now_s)
        return self._voice.take()

    def settle(self, now_s: float) -> None:
        """Let time pass without taking away what the firmware says: before looking at the truth."""
        self._run_until(now_s)

    def next_wake_s(self) -> float | None:
        """When `advance` has something to do at the latest; None: not before bytes come."""
        event_s = self._next_event_s()
        return None if event_s == inf else event_s

    def freeze(self, seconds: float, now_s: float) -> None:
        """The firmware hangs: deaf and dumb; the move in progress and the heaters go on."""
        self._run_until(now_s)
        self._frozen_until_s = now_s + seconds

    def break_heater(self, name: str, now_s: float) -> None:
        """The heater (`hotend`, `bed`) gets no power from now on."""
        self._heater(name, now_s).works = False

    def break_sensor(self, name: str, sensor: Sensor, now_s: float) -> None:
        """The thermistor of a heater opens, shorts or heals."""
        self._heater(name, now_s).sensor = sensor
        self._run_until(now_s)
        self._judge_heaters()

    def thermal_runaway(self, now_s: float) -> None:
        """Marlin's thermal protection strikes at once, with the lines of a real runaway."""
        self._run_until(now_s)
        self._kill_for_heat("Thermal Runaway, system stopped! Heater_ID: E0\n", "THERMAL RUNAWAY")

    def run_out(self, now_s: float, *, out: bool) -> None:
        """The filament ends at its sensor, or a person puts in another."""
        self._run_until(now_s)
        self.machine.filament_out = out
        self.machine.watch_filament(RUNOUT_DEBOUNCE_S)

    def say_unasked(self, now_s: float, *, stale_resend: int | None = None) -> None:
        """An ok, or the Resend of a line so many before the wanted one, that nothing is the reason for."""
        self._run_until(now_s)
        if stale_resend is None:
            self._say("ok")
        else:
            self._voice.resend(max(1, self.receiver.last_number + 1 - stale_resend))

    def kill(self, now_s: float) -> None:
        """The stop button of a display: everything off, deaf until a reset."""
        self._run_until(now_s)
        self._kill("", "KILLED.")

    def repair(self) -> None:
        """All faults off; a killed board still needs its reset."""
        self.faults = Faults()
        self.machine.filament_out = False
        self.machine.runout_s = inf
        self._frozen_until_s = -inf
        for heater in (self.machine.hotend, self.machine.heated_bed):
            heater.works, heater.sensor, heater.failure = True, Sensor.GOOD, None

    def remove_parts(self, now_s: float) -> int:
        """A hand clears the bed; returns how many parts it took."""
        self._run_until(now_s)
        return self.bed.remove_parts(now_s)

    def snapshot(self) -> dict[str, Any]:
        """The truth, for state files and tests."""
        machine = self.machine
        return {
            "name": self.options.name,
            "now_s": round(machine.now_s, 3),
            "killed": self.killed,
            "line": self.receiver.last_number,
            "lines_executed": self.lines_executed,
            "dropped_bytes": self.receiver.dropped_bytes,
            "nozzle_c": [round(machine.hotend.reading_c(), 2), machine.hotend.target_c],
            "bed_c": [round(machine.heated_bed.reading_c(), 2), machine.heated_bed.target_c],
            "paused": machine.paused,
            "purged_mm": round(machine.purged_mm, 3),
            **self.record.snapshot(),
            **self.bed.snapshot(),
        }

    # -- time

    def _now(self, now_s: float) -> None:
        self.machine.now_s = max(self.machine.now_s, now_s)

    def _run_until(self, now_s: float) -> None:
        while (event_s := self._next_event_s()) <= now_s:
            self._now(event_s)
            self._events()
        self._now(now_s)
        if self.machine.planner.next_end_s <= now_s:
            self.machine.planner.advance(now_s)

    def _next_event_s(self) -> float:
        if self.killed:
            return inf
        if self._booting_until_s is not None:
            return self._booting_until_s
        machine = self.machine
        event_s = min(machine.report_s, machine.place_s, machine.runout_s, self._voice.late_s, self._wait_ends_s())
        if self._flavour.idle_line and not self._queue:
            event_s = min(event_s, self._idle_s)
        if machine.inactive_s:
            event_s = min(event_s, self._inactive_s())
        if machine.hotend.needs_watching() or machine.heated_bed.needs_watching():
            event_s = min(event_s, self._check_s)
        return max(event_s, self._frozen_until_s)

    def _wait_ends_s(self) -> float:
        wait = self._wait
        if wait is None:
            # A thaw finds lines that came during the frost.
            return self._frozen_until_s if self._frozen_until_s > self.machine.now_s else inf
        for_motion = wait.what is Waiting.SPACE or wait.what is Waiting.STILLNESS
        return min(self.machine.planner.next_end_s if for_motion else wait.until_s, self._busy_s)

    def _inactive_s(self) -> float:
        machine = self.machine
        if not machine.inactive_s or machine.planner.busy or (self._wait and self._wait.what is not Waiting.USER):
            return inf
        if machine.paused and self.options.pause_holds_timer:
            return inf
        return machine.active_at_s + machine.inactive_s

    def _events(self) -> None:
        """Do what is due now."""
        machine = self.machine
        now_s = machine.now_s
        if self._booting_until_s is not None:
            self._booting_until_s = None
            for line in texts.banner(self.options):
                self._say(line)
            return
        machine.planner.advance(now_s)
        self._judge_heaters()
        self._check_s = now_s + PROTECTION_CHECK_S
        if self._inactive_s() <= now_s:
            self._kill(f"!! KILL caused by too much inactive time - current command: {machine.last_text}")
        if self.killed:
            return
        self._voice.advance(now_s)
        if machine.runout_s <= now_s:
            machine.runout_s = inf
            tell_runout(machine)
            self._injected.append(change_filament(machine))
        self._report(now_s)
        self._work()
        if self._wait is not None and self._busy_s <= now_s:
            self._tell_busy(self._wait)
            self._busy_s = now_s + (machine.busy_interval_s or inf)

    def _report(self, now_s: float) -> None:
        """What is told without being asked."""
        machine = self.machine
        if machine.report_s <= now_s:
            self._say(machine.temperatures())
            machine.report_s = now_s + machine.report_interval_s
        if machine.place_s <= now_s:
            self._say(machine.where(machine.place))
            machine.place_s = now_s + machine.place_interval_s
        if self._flavour.idle_line and self._idle_s <= now_s:
            self._idle_s = now_s + IDLE_LINE_S
            if not self._queue:
                self._say(self._flavour.idle_line)

    def _tell_busy(self, wait: Wait) -> None:
        heats_in_silence = wait.what is Waiting.HEAT and self.faults.long_heat_s
        if self._flavour.busy and not heats_in_silence:
            self._say(self._flavour.busy.format(state="paused for user" if wait.for_a_person else "processing"))

    # -- commands

    def _work(self) -> None:
        """Take lines into the queue and execute, as far as it goes without waiting."""
        if self._frozen_until_s > self.machine.now_s:
            return
        while not self.killed:
            self._take_lines()
            if not (self._queue or self._injected) or not self._execute():
                return

    def _take_lines(self) -> None:
        slots = self.options.command_slots
        while not self.killed and len(self._queue) < slots and (line := self.receiver.next_line()) is not None:
            if isinstance(line, Accepted):
                self._queue.append(line)
                if self._flavour.early_ok:
                    self._voice.ok(f" {line.number or 0}", self.machine.now_s, numbered=line.number is not None)
                if not self.options.emergency_parser:
                    self._look_at_once(line.text)
            else:
                self._refuse(line)

    def _refuse(self, line: Refused | Duplicate) -> None:
        flavour, last = self._flavour, self.receiver.last_number
        if isinstance(line, Duplicate):
            self._say((flavour.skip or "").format(number=line.number))
            self._voice.ok(f" {line.number}", self.machine.now_s, numbered=True)
            return
        template = {
            WRONG_NUMBER: flavour.wrong_number,
            WRONG_CHECKSUM: flavour.wrong_checksum,
            NO_CHECKSUM: flavour.no_checksum,
        }[line.reason]
        self._say(template.format(last=last, wanted=last + 1, got=line.number))
        self._ask_again()

    def _look_at_once(self, text: str) -> None:
        """Without an emergency parser these act when they enter the queue, if they have no line number."""
        if text.startswith("M112"):
            self._kill("", "M112 Shutdown")
        elif text.startswith("M108"):
            self.machine.go_on()
        elif text.startswith("M410"):
            self.machine.stop_motion()

    def _ask_again(self) -> None:
        """Marlin throws away what the ring holds, then names the line it wants; the queue stays."""
        self.receiver.flush()
        self._voice.resend(self.receiver.last_number + 1)

    def _execute(self) -> bool:
        """Work on the first command; True when it is done."""
        if self._blocking is None:
            blocking = self._injected[0] if self._injected else self._next_command()
            if blocking is None:
                return self._done()
            self._blocking = blocking
            self._busy_s = self.machine.now_s + (self.machine.busy_interval_s or inf)
        elif self._wait is not None and not self._over(self._wait):
            return False
        for wait in self._blocking:
            if wait.what is Waiting.HEAT and self.faults.kill_in_heat:
                self.faults.kill_in_heat = False
                self._kill_for_heat("Heating failed, system stopped! Heater_ID: E0\n", "Heating Failed")
            if self.killed:
                return False
            if not self._over(wait):
                self._wait = wait
                return False
        return self._done()

    def _next_command(self) -> Blocking | None:
        command = self._current = read_command(self._queue[0].text)
        self.machine.last_text = command.text
        handler = self._own.get(command.code) or handler_of(self.machine, command.code)
        if handler is None:
            self._say(self._flavour.unknown.format(text=command.text, code=command.code or command.text, letter=command.text[:1]))
            return None
        return handler(self.machine, command)

    def _over(self, wait: Wait) -> bool:
        machine = self.machine
        if wait.what is Waiting.SPACE:
            return machine.planner.free > 0
        if wait.what is Waiting.STILLNESS:
            return not machine.planner.busy
        if wait.what is Waiting.USER:
            return not machine.wait_for_user or machine.now_s >= wait.until_s
        return machine.now_s >= wait.until_s or (wait.what is Waiting.HEAT and not machine.wait_for_heat)

    def _done(self) -> bool:
        if self._blocking:
            self.machine.active_at_s = self.machine.now_s
        injected = self._blocking is not None and bool(self._injected) and self._blocking is self._injected[0]
        self._blocking = self._wait = None
        if self.killed:
            return False
        if injected:
            self._injected.popleft()
            return True
        code, flavour = self._current.code, self._flavour
        # The oks of these are part of their answers.
        if not flavour.early_ok and code != "M105" and not (flavour.ok_carries and code == "M115"):
            self._ok()
        line = self._queue.popleft()
        self.lines_executed += 1
        if code != "M110":
            self.record.add(self._current.text, line.number)
        if flavour.idle_line:
            self._idle_s = self.machine.now_s + IDLE_LINE_S
        return True

    def _tell_temperatures(self, machine: Machine, _command: Command) -> None:
        if self._flavour.early_ok:
            self._say(machine.temperatures())
        else:
            self._ok(machine.temperatures())

    def _identify(self, _machine: Machine, _command: Command) -> None:
        first, *more = texts.identity(self.options)
        if self._flavour.ok_carries:
            self._ok(f" {first}")
        else:
            self._say(first)
        for line in more:
            self._say(line)

    def _set_line_number(self, _machine: Machine, command: Command) -> None:
        if (number := command.words.get("N")) is not None:
            self.receiver.last_number = int(number)
        self.record.begin()

    def _emergency_stop(self, _machine: Machine, _command: Command) -> None:
        self._kill("", "M112 Shutdown")

    def _restart(self, _machine: Machine, command: Command) -> None:
        if "S" not in command.words:
            self._ask_again()

    def _emergency(self, number: int, choice: int) -> None:
        actions: dict[int, Callable[[], None]] = {
            108: self.machine.go_on,
            112: lambda: self._kill("", "M112 Shutdown"),
            410: self.machine.stop_motion,
            876: lambda: self.machine.answer(choice),
        }
        actions[number]()

    # -- the end

    def _heater(self, name: str, now_s: float) -> Heater:
        self._run_until(now_s)
        self.machine.advance_heaters()
        return {"hotend": self.machine.hotend, "bed": self.machine.heated_bed}[name]

    def _judge_heaters(self) -> None:
        machine = self.machine
        for heater in (machine.hotend, machine.heated_bed):
            if heater.needs_watching() or heater.sensor is Sensor.SHORT:
                heater.advance(machine.now_s)
            if heater.failure and not self.killed:
                self._kill_for_heat(heater.failure.error, heater.failure.screen)

    def _kill_for_heat(self, error: str, screen: str) -> None:
        self._say(f"Error:{error}")
        if self.options.runout_sensor and not all(self.machine.homed):
            # Such a build parks its nozzle first, and cannot before it knows where it is.
            self._say("echo:Home XYZ First")
            self.machine.act("notification Home XYZ First")
        self._kill("", screen)

    def _kill(self, error: str, screen: str = "") -> None:
        """Everything off; deaf until the next reset."""
        if self.killed:
            return
        if error:
            self._say(f"Error:{error}")
        if screen:
            self._say(f"echo:{screen}")
        self._say("Error:Printer halted. kill() called!")
        self.machine.act("poweroff")
        self.killed = True
        self.machine.stop_motion()
        self.machine.heaters_off()
        self.bed.interrupted("killed", self.machine.now_s)

    # -- the voice

    def _ok(self, tail: str = "") -> None:
        number = self._queue[0].number
        if not tail and self.options.advanced_ok:
            named = "" if number is None else f" N{number}"
            tail = f"{named} P{self.machine.planner.free} B{self.options.command_slots - len(self._queue)}"
        self._voice.ok(tail, self.machine.now_s, numbered=number is not None)
