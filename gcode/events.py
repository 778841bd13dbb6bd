"""Reads every line that is no plain move: comments, temperatures, fans, limits, stops, pauses, pictures. Both engines feed it.

A line goes through `Machine.apply` first where it touches the motion state; temperatures are obeyed here again, which does no harm.
"""

from collections.abc import Callable
from typing import Final

from gcode.claims import Claims, is_claim
from gcode.facts import ThumbnailFacts
from gcode.kinematics import LIMIT_CODES, MotionLimits, slower, with_command, with_velocity_limit
from gcode.machine import Machine, tool_number
from gcode.marks import LayerMark, PictureMark, feature_name, layer_mark, object_mark, picture_mark
from gcode.reader import Line, arguments, number_in
from gcode.survey import Survey

# What a line changed, as bits of what `EventReader.feed` returns.
LIMITS: Final = 1  # `EventReader.limits` are others now
STOP: Final = 2  # the machine comes to rest and waits `EventReader.dwell_s`
LAYER: Final = 4  # a layer begins with this line
FIRST_LAYER: Final = 8  # besides: what was laid before is start code, no layer
FEATURE: Final = 16  # `EventReader.feature` is another now

ROOM_C: Final = 20.0
_MAX_THUMBNAILS: Final = 64
_MAX_OBJECTS: Final = 10_000
_BED: Final = -1
_CHAMBER: Final = -2


class EventReader:
    """Keeps what lines say that are no moves. Temperatures in degrees C, fans 0 to 1, times in s."""

    def __init__(self, machine: Machine, survey: Survey) -> None:
        self.machine = machine
        self.survey = survey
        self.limits: MotionLimits = survey.limits
        self.claims = Claims()
        self.dwell_s = 0.0
        self.feature: str | None = None
        self.unreadable = 0
        self.max_nozzle_c: dict[int, float] = {}
        self.max_bed_c = 0.0
        self.max_chamber_c = 0.0
        self.max_fan = 0.0
        self.flow_percent = (100.0, 100.0)
        self.pauses = 0
        self.thumbnails: list[ThumbnailFacts] = []
        self.heating_s = 0.0
        self.homing_s = 0.0
        self.flavour_seen: str | None = None  # by words that only this firmware knows
        self._tool = machine.tool
        self._mark: LayerMark | None = None
        self._picture: PictureMark | None = None
        self._object_names: set[str] = set()
        self._object_marks: set[str] = set()
        self._object_count = 0
        self._reached_c: dict[int, float] = {}  # what each heater has reached, by tool, _BED or _CHAMBER

    @property
    def objects(self) -> int:
        """Named parts; a file may name them for the firmware and for plugins."""
        return max(len(self._object_names), len(self._object_marks), self._object_count)

    @property
    def awaits_picture(self) -> bool:
        """Whether the next line that is no plain move begins a picture, also a blank one."""
        return self._picture is not None

    def capped(self, limits: MotionLimits) -> MotionLimits:
        """The limits that a command of the file asks for, as far as the survey lets it."""
        ceiling = self.survey.ceiling
        return limits if ceiling is None else slower(limits, ceiling)

    def feed(self, line: Line) -> int:
        """Take one line; the bits say what changed."""
        if self._picture is not None:
            self._begin_picture(self._picture, line.offset)
        self.unreadable += line.defect is not None
        change = self.comment(line.comment) if line.comment else 0
        if line.code and line.defect is None:
            change |= self._command(line)
        return change

    def comment(self, comment: str) -> int:
        """Take a comment alone (behind a move)."""
        feature = feature_name(comment)
        if feature is not None:
            changed = feature != self.feature
            self.feature = feature
            return FEATURE if changed else 0
        mark = layer_mark(comment)
        if mark is not None:
            return self._layer(mark)
        if comment.startswith("thumbnail"):
            self._picture = picture_mark(comment)
        elif comment == "END_OF_HEADER":
            self._heat_before()
        elif (part := object_mark(comment)) is not None:
            _add(self._object_marks, part)
        else:
            self.claims.read(comment)
        return 0

    def _layer(self, mark: LayerMark) -> int:
        if self._mark is None or mark.rank > self._mark.rank:
            self._mark = mark
            return LAYER | FIRST_LAYER
        return LAYER if mark.kind == self._mark.kind else 0

    def _begin_picture(self, mark: PictureMark, offset: int) -> None:
        self._picture = None
        if len(self.thumbnails) < _MAX_THUMBNAILS:
            size_bytes = mark.text_length * 3 // 4
            self.thumbnails.append(ThumbnailFacts(mark.format, mark.width_px, mark.height_px, offset, size_bytes))

    def _command(self, line: Line) -> int:
        take = _TAKERS.get(line.code)
        if take is not None:
            return take(self, line)
        tool = tool_number(line.code)
        if tool is None:
            return 0
        changed = tool != self._tool
        self._tool = tool
        return self.stop() if changed else 0

    def stop(self, dwell_s: float = 0.0) -> int:
        """The machine rests and waits; heaters go on meanwhile."""
        self.dwell_s = dwell_s
        self._pass(dwell_s)
        return STOP

    def heated(self) -> None:
        """A target may have changed: a heater that is warmer cools at once."""
        machine = self.machine
        for heater, target_c in self._targets().items():
            self._reached_c[heater] = min(self._reached_c.get(heater, ROOM_C), max(target_c, ROOM_C))
        for tool, target_c in machine.nozzle_c.items():
            self.max_nozzle_c[tool] = max(self.max_nozzle_c.get(tool, 0.0), target_c)
        self.max_bed_c = max(self.max_bed_c, machine.bed_c)
        self.max_chamber_c = max(self.max_chamber_c, machine.chamber_c)

    def _targets(self) -> dict[int, float]:
        return {**self.machine.nozzle_c, _BED: self.machine.bed_c, _CHAMBER: self.machine.chamber_c}

    def _rate(self, heater: int) -> float:
        """Degrees a second; a chamber follows its bed."""
        return self.survey.heating_c_s if heater >= 0 else self.survey.bed_heating_c_s

    def _pass(self, seconds: float) -> None:
        if seconds <= 0:
            return
        for heater, target_c in self._targets().items():
            reached_c = self._reached_c.get(heater, ROOM_C)
            self._reached_c[heater] = max(reached_c, min(target_c, reached_c + seconds * self._rate(heater)))

    def wait_for(self, *heaters: int) -> None:
        """M109 and its like: the time until the heaters have reached their targets is an allowance, not motion."""
        targets = self._targets()
        missing = ((targets.get(heater, 0.0) - self._reached_c.get(heater, ROOM_C)) / self._rate(heater) for heater in heaters)
        seconds = max(0.0, *missing)
        self.heating_s += seconds
        self._pass(seconds)

    def wait_for_all(self) -> None:
        """M116."""
        self.wait_for(*self._targets())

    def wait_for_bed(self) -> None:
        """M190."""
        self.wait_for(_BED)

    def wait_for_chamber(self) -> None:
        """M191."""
        self.wait_for(_CHAMBER)

    def find_origin(self, seconds: float) -> int:
        """Homing and probing are an allowance."""
        self.homing_s += seconds
        self._pass(seconds)
        return self.stop()

    def _heat_before(self) -> None:
        """Griffin's firmware heats and homes before the file begins, as the header says."""
        if self.claims.flavour != "griffin":
            return
        self.machine.nozzle_c.update(self.claims.initial_nozzle_c)
        self.machine.bed_c = self.claims.initial_bed_c or self.machine.bed_c
        self.heated()
        self.find_origin(self.survey.homing_s)
        self.wait_for_all()

    def add_object(self, name: str) -> None:
        """A part has a name."""
        _add(self._object_names, name)

    def count_objects(self, count: float) -> None:
        """There are at least so many parts."""
        self._object_count = min(max(self._object_count, int(count)), _MAX_OBJECTS)


def _add(names: set[str], name: str) -> None:
    if len(names) < _MAX_OBJECTS:
        names.add(name)


_Take = Callable[[EventReader, Line], int]


def _limits(reader: EventReader, line: Line) -> int:
    before = reader.limits
    reader.limits = reader.capped(with_command(before, line.code, line.parameters, reader.survey.flavour))
    return LIMITS if reader.limits != before else 0


def _velocity_limit(reader: EventReader, line: Line) -> int:
    reader.flavour_seen = "klipper"
    reader.limits = reader.capped(with_velocity_limit(reader.limits, line.text))
    return LIMITS


def _heat(reader: EventReader, line: Line) -> int:
    reader.machine.apply(line)
    reader.heated()
    return 0


def _was_heated(reader: EventReader, _line: Line) -> int:
    reader.heated()
    return 0


def _heat_and_wait(reader: EventReader, line: Line) -> int:
    _heat(reader, line)
    if line.code == "M109":
        reader.wait_for(int(line.parameters.get("T", reader.machine.tool)))
    elif line.code == "M190":
        reader.wait_for_bed()
    else:
        reader.wait_for_chamber()
    return reader.stop()


def _wait_for_heat(reader: EventReader, _line: Line) -> int:
    reader.wait_for_all()
    return reader.stop()


def _home(reader: EventReader, _line: Line) -> int:
    return reader.find_origin(reader.survey.homing_s)


def _probe(reader: EventReader, line: Line) -> int:
    """G29, G80; of Marlin's unified levelling P3 and A only fill in and switch on what P1 has probed."""
    phase = line.parameters.get("P", 0.0 if "A" not in line.parameters else 3.0)
    return reader.stop() if 3 <= phase < 4 else reader.find_origin(reader.survey.probing_s)


def _dwell(reader: EventReader, line: Line) -> int:
    """G4: S seconds, or P milliseconds."""
    seconds = line.parameters.get("S", line.parameters.get("P", 0.0) / 1000)
    return reader.stop(max(seconds, 0.0))


def _rest(reader: EventReader, _line: Line) -> int:
    return reader.stop()


def _pause(reader: EventReader, _line: Line) -> int:
    reader.pauses += 1
    return reader.stop()


def _fan(reader: EventReader, line: Line) -> int:
    """M106 S0 to 255; RepRapFirmware's S is a part of 1 up to 1."""
    speed = line.parameters.get("S", 255.0)
    if reader.survey.flavour != "reprapfirmware" or speed > 1:
        speed /= 255
    reader.max_fan = max(reader.max_fan, min(speed, 1.0))
    return 0


def _klipper_fan(reader: EventReader, line: Line) -> int:
    reader.flavour_seen = "klipper"
    reader.max_fan = max(reader.max_fan, min(number_in(arguments(line.text), "SPEED") or 0.0, 1.0))
    return 0


def _flow(reader: EventReader, line: Line) -> int:
    percent = line.parameters.get("S", 100.0)
    least, most = reader.flow_percent
    reader.flow_percent = (min(least, percent), max(most, percent))
    return 0


def _objects(reader: EventReader, line: Line) -> int:
    """M486: T says how many parts there are, S which one begins (from 0; -1: none)."""
    reader.count_objects(line.parameters.get("T", line.parameters.get("S", -1.0) + 1))
    return 0


def _named_object(reader: EventReader, line: Line) -> int:
    reader.flavour_seen = "klipper"
    reader.add_object(arguments(line.text).get("NAME", ""))
    return 0


def _klipper_heat(reader: EventReader, _line: Line) -> int:
    reader.flavour_seen = "klipper"
    reader.heated()
    return 0


def _reprap(reader: EventReader, line: Line) -> int:
    reader.flavour_seen = "reprapfirmware"
    return _limits(reader, line) if line.code in LIMIT_CODES else _heat(reader, line)


_TAKERS: Final[dict[str, _Take]] = {
    **dict.fromkeys(("M201", "M203", "M204", "M205"), _limits),
    "SET_VELOCITY_LIMIT": _velocity_limit,
    **dict.fromkeys(("M104", "M140", "M141"), _heat),
    **dict.fromkeys(("M109", "M190", "M191"), _heat_and_wait),
    "G10": _was_heated,
    **dict.fromkeys(("M566", "M568"), _reprap),
    **dict.fromkeys(("SET_HEATER_TEMPERATURE", "TURN_OFF_HEATERS"), _klipper_heat),
    **dict.fromkeys(("M116", "TEMPERATURE_WAIT"), _wait_for_heat),
    "G28": _home,
    **dict.fromkeys(("G29", "G80", "BED_MESH_CALIBRATE"), _probe),
    "G4": _dwell,
    "M400": _rest,
    **dict.fromkeys(("M0", "M1", "M25", "M226", "M600", "M601", "PAUSE"), _pause),
    "M106": _fan,
    "SET_FAN_SPEED": _klipper_fan,
    "M221": _flow,
    "M486": _objects,
    "EXCLUDE_OBJECT_DEFINE": _named_object,
}


def says_nothing(line: Line) -> bool:
    """Whether `EventReader.feed` takes nothing from a line but that it is there: a scan only counts such lines."""
    return line.defect is None and line.code not in _TAKERS and tool_number(line.code) is None and not _is_heard(line.comment)


def _is_heard(comment: str) -> bool:
    if not comment:
        return False
    if comment.startswith("thumbnail") or comment == "END_OF_HEADER":
        return True
    if object_mark(comment) is not None:
        return True
    return feature_name(comment) is not None or layer_mark(comment) is not None or is_claim(comment)
