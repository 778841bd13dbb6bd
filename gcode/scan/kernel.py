"""The compiled kernel: a `Parser` and a `Planning` in C (kernel.c, kernel_planner.c), called through ctypes where they are built.

It is optional: where it is not built, or does not fit this code, the scan runs on NumPy. `engine_name` says which it is and
`missing_because` why. A wheel for a platform has the library beside this file; in a checkout `./farm.sh` builds it with
hatch_build.py.
"""

import ctypes
import hashlib
import math
import os
import platform
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gcode.arcs import PLANES
from gcode.facts import ExtruderMode
from gcode.kinematics import MotionLimits
from gcode.machine import Machine
from gcode.scan.columns import MODE_M, Columns, Events, Floats, Parsed, joined

ABI: Final = 3  # kernel.h: ABI
SWITCH: Final = "ESSAIM_KERNEL"  # "off" keeps the scan on NumPy
LIBRARY: Final = "_kernel.so"
_HERE: Final = Path(__file__).parent
_ROOM: Final = 32_768  # rows a call; an arc needs 720
_M_CODES: Final = 1024
_LEAST_LINES: Final = 4
_FLAVOURS: Final = {"klipper": 1, "reprapfirmware": 2}
_JUNCTIONS: Final = {"jerk": 0, "deviation": 1, "corner": 2}
_DOUBLE: Final = ctypes.c_double
_WHOLE: Final = ctypes.c_int64
_POINTER: Final = ctypes.c_void_p


class KernelError(RuntimeError):
    """The compiled kernel is not here or does not fit; the message says why."""


class _Motion(ctypes.Structure):
    _fields_ = (
        ("position", _DOUBLE * 3),
        ("shift", _DOUBLE * 3),
        *((name, _DOUBLE) for name in ("e", "e_word", "e_mm3", "speed_mm_s", "speed_factor", "unit_mm", "retracted_mm")),
        *((name, _DOUBLE) for name in ("draw_mm", "draw_mm_s", "give_mm", "give_mm_s")),
        *((name, _WHOLE) for name in ("relative", "relative_e", "asked_relative_e", "flavour", "tool", "drawn_back", "takes_arcs")),
    )


_COLUMNS: Final = ("line", "offset", "start", "end", "filament_mm", "speed_mm_s", "tool", "flags")
_EVENTS: Final = ("event_before", "event_line", "event_begin", "event_end", "event_text")
_RESULTS: Final = (
    *("rows", "events", "consumed", "lines", "moves", "last_move_line"),
    *("absolute", "absolute_falls", "relative", "relative_rises"),
)


_EVENT_FIELDS: Final = tuple(name.removeprefix("event_") for name in _EVENTS)


class _Sheet(ctypes.Structure):
    _fields_ = (
        *((name, _POINTER) for name in _COLUMNS),
        ("room", _WHOLE),
        *((name, _POINTER) for name in _EVENTS),
        ("event_room", _WHOLE),
        ("texts", _POINTER),
        ("mode_m", _POINTER),
        *((name, _WHOLE) for name in _RESULTS),
    )


class _Limits(ctypes.Structure):
    _fields_ = (
        *((name, _DOUBLE * 4) for name in ("speed", "acceleration", "jerk")),
        *((name, _DOUBLE) for name in ("print_acceleration", "travel_acceleration", "retract_acceleration")),
        *((name, _DOUBLE) for name in ("deviation", "corner", "cruise_ratio", "least_print", "least_travel", "path")),
        ("junction", _WHOLE),
    )


class _Batch(ctypes.Structure):
    _fields_ = (
        ("start", _POINTER * 3),
        ("end", _POINTER * 3),
        *((name, _POINTER) for name in ("filament_mm", "speed_mm_s", "which")),
        ("count", _WHOLE),
        ("limits", _POINTER),
        ("limits_count", _WHOLE),
        ("stop_before", _POINTER),
        ("stop_s", _POINTER),
        ("stops", _WHOLE),
        ("seconds", _POINTER),
        ("first", _WHOLE),
        ("room", _WHOLE),
    )


class Library:
    """The loaded library, seen to fit this code.

    Raises:
        KernelError: it is damaged, from another version, or cannot be loaded here.

    """

    def __init__(self, path: Path) -> None:
        _check_digest(path)
        try:
            library = ctypes.CDLL(str(path))
            abi, size = library.essaim_abi, library.essaim_size
            self.parse, self.plan, self.angles = library.essaim_parse, library.essaim_plan, library.essaim_angles
        except (OSError, AttributeError) as error:
            raise KernelError(f"{path} cannot be loaded: {error}") from error
        for function in (abi, size, self.plan):
            function.restype = _WHOLE
        if abi() != ABI:
            raise KernelError(f"{path} has version {abi()}, this code needs {ABI}")
        size.argtypes = (_WHOLE,)
        self.plan_bytes: int = size(4)
        self.text_bytes: int = size(5)
        for index, structure in enumerate((_Motion, _Sheet, _Limits, _Batch)):
            if size(index) != ctypes.sizeof(structure):
                raise KernelError(f"{path} lays out {structure.__name__} in {size(index)} bytes, not {ctypes.sizeof(structure)}")
        self.parse.argtypes = (_POINTER, _WHOLE, _WHOLE, _WHOLE, _POINTER, _POINTER)
        self.parse.restype = None
        self.plan.argtypes = (_POINTER, _POINTER)
        self.angles.argtypes = (_POINTER, _POINTER, _POINTER, _POINTER, _WHOLE)
        self.angles.restype = None
        self.takes_arcs = _same_angles(self)


def _check_digest(path: Path) -> None:
    """A damaged library must not be loaded: the loader believes what it reads, and ends the process."""
    try:
        wanted = path.with_suffix(".sha256").read_text("ascii").strip()
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except (OSError, UnicodeDecodeError) as error:
        raise KernelError(f"{path} cannot be read: {error}") from error
    if found != wanted:
        raise KernelError(f"{path} is damaged: its SHA-256 is not the one beside it")


def _same_angles(library: Library) -> bool:
    """Whether its sines are Python's, bit for bit: they are when both come from the same libm. Else Python draws the arcs."""
    angles = np.linspace(-4 * math.pi, 4 * math.pi, 511)
    sine, cosine, tangent = np.empty_like(angles), np.empty_like(angles), np.empty_like(angles)
    library.angles(angles.ctypes.data, sine.ctypes.data, cosine.ctypes.data, tangent.ctypes.data, len(angles))
    for index, angle in enumerate(angles.tolist()):
        mine = (math.sin(angle), math.cos(angle), math.atan2(math.sin(angle), math.cos(angle)))
        if mine != (float(sine[index]), float(cosine[index]), float(tangent[index])):
            return False
    return True


def places() -> tuple[Path, ...]:
    """Where the library may be: beside this file in a wheel, in the ignored folder `build` of a checkout."""
    return (_HERE / LIBRARY, _HERE.parents[1] / "build" / "kernel" / platform.machine() / LIBRARY)


@cache
def _load() -> Library | str:
    """The library, or why it is not used."""
    if os.environ.get(SWITCH) == "off":
        return f"{SWITCH} is off"
    path = next((place for place in places() if place.is_file()), None)
    if path is None:
        return "it is not built (./farm.sh builds it where there is a C compiler)"
    try:
        return Library(path)
    except KernelError as error:
        return str(error)


def available() -> bool:
    """Whether the compiled kernel is here and fits."""
    return isinstance(_load(), Library)


def engine_name() -> str:
    """What a scan runs on here: "kernel" or "numpy"."""
    return "kernel" if available() else "numpy"


def missing_because() -> str | None:
    """Why the kernel is not used; None when it is."""
    loaded = _load()
    return loaded if isinstance(loaded, str) else None


def loaded_library() -> Library:
    """The library.

    Raises:
        KernelError: it is not here or does not fit.

    """
    loaded = _load()
    if isinstance(loaded, str):
        raise KernelError(loaded)
    return loaded


def _address(array: NDArray[np.generic]) -> int:
    return int(array.ctypes.data)


class KernelParser:
    """`gcode.scan.columns.Parser` in C. The columns are views of its own buffers, which its next call overwrites.

    Raises:
        KernelError: the kernel is not here.

    """

    least_lines: Final = _LEAST_LINES

    def __init__(self, library: Library | None = None, *, room: int = _ROOM) -> None:
        self._library = library or loaded_library()
        whole, double, small = np.int64, np.float64, np.uint8
        self._columns = Columns(
            line=np.empty(room, whole),
            offset=np.empty(room, whole),
            start=np.empty((3, room), double),
            end=np.empty((3, room), double),
            filament_mm=np.empty(room, double),
            speed_mm_s=np.empty(room, double),
            tool=np.empty(room, small),
            flags=np.empty(room, small),
        )
        self._events = Events(*(np.empty(room, whole) for _ in _EVENTS))
        self._texts = np.zeros(self._library.text_bytes, small)
        self._mode_m = np.zeros(_M_CODES, small)
        self._mode_m[sorted(MODE_M)] = 1
        self._motion = _Motion()
        self._sheet = _Sheet(room=room, event_room=room, texts=_address(self._texts), mode_m=_address(self._mode_m))
        for name in _COLUMNS:
            setattr(self._sheet, name, _address(getattr(self._columns, name)))
        for name in _EVENTS:
            setattr(self._sheet, name, _address(getattr(self._events, name.removeprefix("event_"))))

    def parse(self, block: memoryview, machine: Machine, line: int, offset: int) -> Parsed:
        """Take whole lines from the front of `block` (contiguous bytes); see `gcode.scan.columns.Parser.parse`."""
        motion, sheet = self._motion, self._sheet
        _show(machine, motion, takes_arcs=self._library.takes_arcs)
        for name in _RESULTS:
            setattr(sheet, name, 0)
        text = np.frombuffer(block, np.uint8)
        self._library.parse(_address(text), len(text), line, offset, ctypes.byref(motion), ctypes.byref(sheet))
        _tell(motion, machine)
        return self._parsed(sheet)

    def _parsed(self, sheet: _Sheet) -> Parsed:
        rows, events, columns, lists = sheet.rows, sheet.events, self._columns, self._events
        return Parsed(
            Columns(
                line=columns.line[:rows],
                offset=columns.offset[:rows],
                start=columns.start[:, :rows],
                end=columns.end[:, :rows],
                filament_mm=columns.filament_mm[:rows],
                speed_mm_s=columns.speed_mm_s[:rows],
                tool=columns.tool[:rows],
                flags=columns.flags[:rows],
            ),
            Events(*(getattr(lists, name)[:events] for name in _EVENT_FIELDS)),
            consumed=sheet.consumed,
            lines=sheet.lines,
            moves=sheet.moves,
            last_move_line=sheet.last_move_line,
            mode=ExtruderMode(sheet.absolute, sheet.absolute_falls, sheet.relative, sheet.relative_rises),
        )


def _show(machine: Machine, motion: _Motion, *, takes_arcs: bool) -> None:
    motion.position[:] = machine.position
    motion.shift[:] = machine.shift
    motion.e = machine.e
    motion.e_word = machine.e_word
    motion.e_mm3 = machine.e_mm3.get(machine.tool, 0.0)
    motion.speed_mm_s = machine.speed_mm_s
    motion.speed_factor = machine.speed_factor
    motion.unit_mm = machine.unit_mm
    motion.retracted_mm = machine.retracted_mm.get(machine.tool, 0.0)
    retraction = machine.retraction
    motion.draw_mm, motion.draw_mm_s = retraction.length_mm, retraction.speed_mm_s
    motion.give_mm, motion.give_mm_s = retraction.length_mm + retraction.extra_mm, retraction.return_speed_mm_s
    motion.drawn_back = machine.tool in machine.drawn_back
    motion.relative = machine.relative
    motion.relative_e = machine.relative_e
    motion.asked_relative_e = machine.asked_relative_e
    motion.flavour = _FLAVOURS.get(machine.flavour or "", 0)
    motion.tool = machine.tool
    motion.takes_arcs = takes_arcs and machine.plane == PLANES["G17"]


def _tell(motion: _Motion, machine: Machine) -> None:
    machine.x, machine.y, machine.z = motion.position
    machine.e = motion.e
    machine.e_word = motion.e_word
    machine.speed_mm_s = motion.speed_mm_s
    machine.retracted_mm[machine.tool] = motion.retracted_mm
    if motion.drawn_back:
        machine.drawn_back.add(machine.tool)
    else:
        machine.drawn_back.discard(machine.tool)
    machine.relative = bool(motion.relative)
    machine.relative_e = bool(motion.relative_e)
    machine.asked_relative_e = bool(motion.asked_relative_e)


class KernelPlanning:
    """`gcode.scan.columns.Planning` in C: holds at most 1024 moves that wait for their followers.

    Raises:
        KernelError: the kernel is not here.

    """

    def __init__(self, library: Library | None = None) -> None:
        self._library = library or loaded_library()
        self._plan = (_DOUBLE * -(-self._library.plan_bytes // 8))()
        self._first = 0  # the number of the move that `_seconds` begins with
        self._settled = 0  # the number of the first move that is not
        self._seconds = np.zeros(0)
        self._limits: dict[MotionLimits, bytes] = {}

    def add(
        self, columns: Columns, limits: Sequence[MotionLimits], which: NDArray[np.int32], stops: Sequence[tuple[int, float]]
    ) -> None:
        """Take moves; see `gcode.scan.columns.Planning.add`."""
        count = len(columns)
        self._seconds = np.concatenate((self._seconds, np.zeros(count)))
        before = np.array([stop[0] for stop in stops], np.int64)
        dwell_s = np.array([stop[1] for stop in stops], np.float64)
        table = np.frombuffer(b"".join(map(self._packed, limits)), np.uint8)
        which = np.ascontiguousarray(which, np.int32)
        axes = [np.ascontiguousarray(axis, np.float64) for axis in (*columns.start, *columns.end)]
        filament_mm, speed_mm_s = (np.ascontiguousarray(values, np.float64) for values in (columns.filament_mm, columns.speed_mm_s))
        batch = _Batch(
            start=(_POINTER * 3)(*map(_address, axes[:3])),
            end=(_POINTER * 3)(*map(_address, axes[3:])),
            filament_mm=_address(filament_mm),
            speed_mm_s=_address(speed_mm_s),
            which=_address(which),
            count=count,
            limits=_address(table),
            limits_count=len(limits),
            stop_before=_address(before),
            stop_s=_address(dwell_s),
            stops=len(stops),
            seconds=_address(self._seconds),
            first=self._first,
            room=len(self._seconds),
        )
        self._settled = self._library.plan(ctypes.byref(self._plan), ctypes.byref(batch))
        if self._settled < 0:
            raise KernelError("the kernel refuses a batch of moves: its plan is damaged")

    def _packed(self, limits: MotionLimits) -> bytes:
        packed = self._limits.get(limits)
        if packed is None:
            if len(self._limits) >= _ROOM:
                self._limits.clear()
            packed = self._limits[limits] = bytes(_packed_limits(limits))
        return packed

    def take(self) -> Floats:
        """Seconds of the moves that are settled, in order. The last of all waits: a dwell may follow."""
        last = self._first + len(self._seconds) - 1
        return self._give(max(min(self._settled, last), self._first))

    def finish(self) -> Floats:
        """Come to a stop, and give the rest."""
        self.add(joined(()), (), np.zeros(0, np.int32), [(0, 0.0)])
        return self._give(self._first + len(self._seconds))

    def _give(self, end: int) -> Floats:
        count = end - self._first
        given, self._seconds = self._seconds[:count], self._seconds[count:]
        self._first = end
        return given


def _packed_limits(limits: MotionLimits) -> _Limits:
    return _Limits(
        speed=limits.speed_mm_s,
        acceleration=limits.acceleration_mm_s2,
        jerk=limits.jerk_mm_s,
        print_acceleration=limits.print_acceleration_mm_s2,
        travel_acceleration=limits.travel_acceleration_mm_s2,
        retract_acceleration=limits.retract_acceleration_mm_s2,
        deviation=limits.deviation_mm,
        corner=limits.corner_mm_s,
        cruise_ratio=limits.cruise_ratio,
        least_print=limits.least_print_mm_s,
        least_travel=limits.least_travel_mm_s,
        path=limits.path_mm_s,
        junction=_JUNCTIONS[limits.junction],
    )
