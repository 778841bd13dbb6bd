"""What a G-code file will do, as values: time, filament, layers, bounds, temperatures.

Two engines find the same facts: the interpreter, line by line in plain Python (it is the oracle, and what a node checks with), and
the scan, in columns (NumPy and a compiled kernel; the daemon's). docs/gcode.md says what each field means and how it is found.
"""

from dataclasses import dataclass
from typing import Final

from gcode.profile import Box

MAX_LAYERS: Final = 20_000  # 4 m of 0.2 mm layers
MAX_FEATURES: Final = 64


@dataclass(frozen=True, slots=True)
class LayerFacts:
    """One layer: the height of its plastic above the bed, its own thickness, where it begins in the file, and what it takes."""

    z_mm: float
    height_mm: float  # to the layer below
    offset: int  # bytes from the beginning of the file to the line that begins it
    line: int  # of that line, from 1
    time_s: float
    filament_mm: float


@dataclass(frozen=True, slots=True)
class ToolFacts:
    """What one extruder does."""

    tool: int
    filament_mm: float
    filament_cm3: float
    filament_g: float
    max_nozzle_c: float


@dataclass(frozen=True, slots=True)
class FeatureFacts:
    """A kind of line as the slicer marks it (`;TYPE:External perimeter`). The name is untrusted text."""

    name: str
    time_s: float
    filament_mm: float


@dataclass(frozen=True, slots=True)
class ThumbnailFacts:
    """A picture that the slicer put into comments; what it claims, `gcode.thumbnails` decodes it."""

    format: str  # "png", "jpg", "qoi"
    width_px: int
    height_px: int
    offset: int  # bytes to its first line of base64
    size_bytes: int  # of the decoded picture, as claimed


@dataclass(frozen=True, slots=True)
class ExtruderMode:
    """How the E words of moves in the plane fit their mode: absolute ones that fall and relative ones that rise are the wrong mode.

    Counted over G0 to G3 with X or Y, and E: `absolute_falls` have an E below the one before, `relative_rises` an E above it.
    """

    absolute: int = 0
    absolute_falls: int = 0
    relative: int = 0
    relative_rises: int = 0


@dataclass(frozen=True, slots=True)
class GcodeFacts:
    """What a file does. Lengths in mm, temperatures in degrees C, times in s, fans from 0 to 1.

    `time_s` is motion and dwell; heating, homing and probing are allowances apart. `extruding` and `travel` are in machine
    coordinates; `extruding` is None when nothing is extruded along a path. `filament_mm` is what stays in the print, without the
    flow factor of M221, as slicers count it. `claimed_*` is what the slicer wrote into comments (untrusted), None when it wrote
    nothing.
    """

    size_bytes: int
    lines: int
    commands: int
    time_s: float
    filament_mm: float
    filament_g: float
    layers: int
    first_layer_height_mm: float | None
    layer_height_mm: float | None
    extruding: Box | None
    travel: Box | None
    max_nozzle_c: float
    max_bed_c: float
    tools: tuple[int, ...]
    slicer: str | None
    claimed_time_s: float | None
    claimed_filament_mm: float | None
    claimed_filament_g: float | None
    printer_model: str | None
    homes: bool
    heaters_off_at_end: bool
    unreadable: int = 0  # lines that are neither command nor comment
    filament_cm3: float = 0.0
    heating_s: float = 0.0
    homing_s: float = 0.0  # homing and probing
    max_chamber_c: float = 0.0
    max_fan: float = 0.0
    layer_table: tuple[LayerFacts, ...] = ()  # at most MAX_LAYERS; `layers` goes on counting
    tool_table: tuple[ToolFacts, ...] = ()
    features: tuple[FeatureFacts, ...] = ()  # in the order of their first line, at most MAX_FEATURES
    thumbnails: tuple[ThumbnailFacts, ...] = ()
    flavour: str | None = None  # one of `gcode.profile.FLAVOURS`, or "ultigcode"; None: the file does not say
    claimed_nozzle_mm: float | None = None
    claimed_material: str | None = None
    extruder_mode: ExtruderMode = ExtruderMode()
    arcs: int = 0
    pauses: int = 0  # M0, M1, M25, M226, M600, M601: a person has to come
    objects: int = 0  # named parts (M486 T, EXCLUDE_OBJECT_DEFINE), 0 when the file names none
    last_extrusion_line: int = 0  # 0: none
    last_command_line: int = 0
    flow_percent: tuple[float, float] = (100.0, 100.0)  # least and most of M221
