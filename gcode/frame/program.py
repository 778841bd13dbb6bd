"""Programs of frames: the layers of a plate as G-code for a printer profile, with start and end code and a header that is true."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Final

from gcode.claims import time_claim
from gcode.facts import GcodeFacts
from gcode.frame.design import FrameDesign, default_design
from gcode.frame.edging import brim, skirt
from gcode.frame.errors import FrameError
from gcode.frame.geometry import Point, Polyline, distance
from gcode.frame.headband import LayerShape
from gcode.frame.materials import material_of
from gcode.frame.pen import Drawn, Pen, crosses, drawn
from gcode.frame.placing import Placement, placed
from gcode.frame.plate import Adhesion, Plate, Slice, check_height, slices, wants_brim
from gcode.frame.strokes import Track
from gcode.machine import Machine
from gcode.profile import Box, PrinterProfile
from gcode.reader import parse_line
from gcode.scan.engine import read_facts
from gcode.texts import Bilingual

SHORTEST_HEAD_DEPTH_MM: Final = 128  # what the smallest of our beds gets
_OUTER_SPEED_SHARE: Final = 0.7  # the visible line is drawn slower
_BRIDGE_SPEED_MM_S: Final = 20.0  # lines over a gap: slow and cold they sag least
_SHORTEST_LAYER_S: Final = 15.0  # a layer must set before the next one (PrusaSlicer's slowdown_below_layer_time)
_SLOWEST_MM_S: Final = 10.0
_NEAR_MM: Final = 1.5  # a shorter hop stays inside the wall
_PURGE_ROOM_MM: Final = 1.5  # half a purge line and some air


@dataclass(frozen=True, slots=True)
class Speeds:
    """In mm/s, of one layer."""

    outer: float
    inner: float


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Tracks of one kind, drawn one after another."""

    kind: str  # as PrusaSlicer marks it: every tool knows these words
    is_external: bool
    tracks: tuple[Drawn, ...]


@dataclass(frozen=True, slots=True)
class _Copy:
    """One frame's layer on the bed, ready to be written, with the loops that bound it."""

    stretches: tuple[_Stretch, ...]
    bounds: tuple[Polyline, Polyline]

    @property
    def start(self) -> Point:
        return self.stretches[0].tracks[0].start

    @property
    def path_mm(self) -> float:
        return sum(track.path_mm for stretch in self.stretches for track in stretch.tracks)


def filled(template: str, profile: PrinterProfile) -> list[str]:
    """Start or end code with the profile's temperatures."""
    text = template.replace("{nozzle_c}", f"{profile.nozzle_c:g}").replace("{bed_c}", f"{profile.bed_c:g}")
    return [line.strip() for line in text.splitlines() if line.strip()]


def purged(profile: PrinterProfile) -> tuple[tuple[Box, ...], Point]:
    """Where the start code lays plastic, which a frame must not touch, and where it leaves the nozzle."""
    machine, boxes, room = Machine(), [], _PURGE_ROOM_MM
    for text in filled(profile.start_gcode, profile):
        for move in machine.apply(parse_line(text.encode())):
            if move.extrudes:
                (x1, y1, z1), (x2, y2, z2) = move.start, move.end
                low_x, low_y, high_x, high_y = min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)
                boxes.append(Box(low_x - room, low_y - room, min(z1, z2), high_x + room, high_y + room, max(z1, z2)))
    return tuple(boxes), machine.position[:2]


class _Planner:
    """Turns the slices of a plate into lines of G-code."""

    def __init__(self, design: FrameDesign, plate: Plate, profile: PrinterProfile) -> None:
        check_height(design, plate, profile)
        self._design, self._plate, self._profile = design, plate, profile
        self._material = material_of(profile)
        purge_lines, nozzle_at = purged(profile)
        self._pen = Pen(profile, nozzle_at)
        self._copies: dict[tuple[int, int, float], _Copy] = {}
        self._fan = 0.0
        self._obstacles = (*profile.keep_out, *purge_lines)
        brim_mm = plate.brim_mm if wants_brim(design, plate) else 0.0
        self.placements = placed(design, profile, plate.count, self._obstacles, plate.clearance_mm, brim_mm)

    def body(self) -> Iterator[str]:
        """Every layer, from the bed up."""
        for layer, piece in enumerate(slices(self._design, self._plate)):
            self._layer(layer, piece)
            yield from self._pen.lines
            self._pen.lines.clear()

    def _layer(self, layer: int, piece: Slice) -> None:
        pen = self._pen
        pen.write(";LAYER_CHANGE", f";Z:{piece.z_mm:.3f}", f";HEIGHT:{piece.thickness_mm:g}", "G92 E0")
        self._cool(layer, piece)
        pen.layer(piece.z_mm)
        if layer == 0:
            self._edging(piece)
        numbers = list(range(len(self.placements)))
        # Back and forth: the next layer begins where this one ends.
        order = numbers[::-1] if layer % 2 else numbers
        copies = [self._copy(piece, number) for number in order]
        speeds = self._speeds(layer, piece, copies)
        started: list[Polyline] = []
        for number, copy in zip(order, copies, strict=True):
            self._mark_object("START", number)
            self._draw_copy(copy, speeds, started, standoffs=piece.standoffs)
            started += copy.bounds
            self._mark_object("END", number)
        if self._plate.count > 1 and _knows_m486(self._profile):
            pen.write("M486 S-1")

    def _cool(self, layer: int, piece: Slice) -> None:
        material = self._material
        fan = material.fan if layer >= material.fan_from_layer else 0.0
        if piece.bridges or piece.standoffs:
            fan = max(fan, material.bridge_fan)
        if fan != self._fan:
            self._pen.write(f"M106 S{fan * 255:.0f}" if fan else "M107")
            self._fan = fan

    def _edging(self, piece: Slice) -> None:
        profile, design = self._profile, self._design
        if wants_brim(design, self._plate):
            tracks = brim(design, self.placements, self._plate)
        elif self._plate.adhesion in {Adhesion.AUTO, Adhesion.SKIRT}:
            tracks = skirt(design, self.placements, profile, self._obstacles)
        else:
            tracks = []
        if self._plate.adhesion is Adhesion.SKIRT and not tracks:
            raise FrameError(
                Bilingual(
                    f"There is no room for a skirt on {profile.name}: take brim or none.",
                    f"Pas de place pour une jupe sur {profile.name} : prenez brim ou none.",
                ),
                parameter="adhesion",
                value="skirt",
            )
        if tracks:
            self._pen.write(";TYPE:Skirt/Brim", f";WIDTH:{design.line_width_mm:g}")
        for track in tracks:
            line = drawn(track, piece.thickness_mm, profile)
            near = distance(self._pen.at, line.start) < _NEAR_MM
            self._pen.travel(line.start, draw_back=not near)
            self._pen.draw(line, profile.first_layer_speed_mm_s)

    def _speeds(self, layer: int, piece: Slice, copies: Sequence[_Copy]) -> Speeds:
        """As fast as the profile and the hot end allow, but no layer faster than it sets."""
        if layer == 0:
            speed = self._profile.first_layer_speed_mm_s
            return Speeds(speed, speed)
        section_mm2 = self._design.line_width_mm * piece.thickness_mm
        inner = min(self._profile.print_speed_mm_s, self._material.max_flow_mm3_s / section_mm2)
        if piece.bridges or piece.standoffs:
            inner = min(inner, _BRIDGE_SPEED_MM_S)
            return Speeds(inner, inner)
        path_mm = sum(copy.path_mm for copy in copies)
        inner = min(inner, max(path_mm / _SHORTEST_LAYER_S, _SLOWEST_MM_S))
        return Speeds(inner * _OUTER_SPEED_SHARE, inner)

    def _copy(self, piece: Slice, number: int) -> _Copy:
        key = (id(piece.shape), number, piece.thickness_mm)
        if key not in self._copies:
            self._copies[key] = self._laid(piece, self.placements[number])
        found = self._copies[key]
        if not piece.bridges:
            return found
        stretches = tuple(_Stretch("Overhang perimeter", stretch.is_external, stretch.tracks) for stretch in found.stretches)
        return _Copy(stretches, found.bounds)

    def _laid(self, piece: Slice, placement: Placement) -> _Copy:
        shape: LayerShape = piece.shape
        stretches = []
        for way in shape.ways:
            kind = "External perimeter" if way.is_external else "Perimeter"
            tracks = tuple(drawn(_on_bed(track, placement), piece.thickness_mm, self._profile) for track in way.tracks)
            stretches.append(_Stretch("Support material interface" if piece.standoffs else kind, way.is_external, tracks))
        return _Copy(tuple(stretches), (placement.on_bed(shape.outline), placement.on_bed(shape.window_outline)))

    def _draw_copy(self, copy: _Copy, speeds: Speeds, started: list[Polyline], *, standoffs: bool) -> None:
        pen, kind = self._pen, ""
        lifted = crosses(pen.at, copy.start, started, self._design.wall_mm)
        pen.travel(copy.start, lifted=lifted)
        for stretch in copy.stretches:
            if stretch.kind != kind:
                kind = stretch.kind
                pen.write(f";TYPE:{kind}", f";WIDTH:{self._design.line_width_mm:g}")
            for track in stretch.tracks:
                self._step(track.start, copy, standoffs=standoffs)
                pen.draw(track, speeds.outer if stretch.is_external else speeds.inner)

    def _step(self, target: Point, copy: _Copy, *, standoffs: bool) -> None:
        """To the next track of the same frame: inside the band nothing is drawn back, whatever oozes lands where it belongs."""
        at = self._pen.at
        near = distance(at, target) < max(_NEAR_MM, 2 * self._design.line_width_mm, self._design.head_mm / 2)
        inside = near or (standoffs and not crosses(at, target, copy.bounds))
        self._pen.travel(target, draw_back=not inside)

    def _mark_object(self, edge: str, number: int) -> None:
        """One frame of several may be given up without the others: say which is which.

        Where the firmware has no such command, or may have been built without, in comments as PrusaSlicer writes them: OctoPrint's
        plugin Cancelobject reads them, and a printer says nothing of commands that it does not know.
        """
        if self._plate.count == 1:
            return
        if self._profile.flavour == "klipper":
            self._pen.write(f"EXCLUDE_OBJECT_{edge} NAME=frame_{number + 1}")
        elif not _knows_m486(self._profile):
            word = "printing" if edge == "START" else "stop printing"
            self._pen.write(f"; {word} object frame_{number + 1} id:{number} copy 0")
        elif edge == "START":
            self._pen.write(f"M486 S{number}")


def _knows_m486(profile: PrinterProfile) -> bool:
    """Marlin does where its makers built it with CANCEL_OBJECTS (https://marlinfw.org/docs/gcode/M486.html): off by default."""
    return profile.flavour == "reprapfirmware" or (profile.flavour == "marlin" and profile.cancels_objects)


def _object_definitions(profile: PrinterProfile, placements: Sequence[Placement]) -> list[str]:
    if len(placements) < 2:
        return []
    if _knows_m486(profile):
        return [f"M486 T{len(placements)}"]
    if profile.flavour == "klipper":
        return [
            f"EXCLUDE_OBJECT_DEFINE NAME=frame_{number + 1} CENTER={at.x:.1f},{at.y:.1f}" for number, at in enumerate(placements)
        ]
    return []


def _on_bed(track: Track, placement: Placement) -> Track:
    return [(*placement.point(x, y), width) for x, y, width in track]


def _griffin_header(profile: PrinterProfile, facts: GcodeFacts) -> list[str]:
    """What an Ultimaker's firmware reads before it takes a file (seen in genuine files of Cura 4.4); not tried on a machine."""
    assert facts.extruding is not None
    box = facts.extruding
    low, high = (box.min_x, box.min_y, box.min_z), (box.max_x, box.max_y, box.max_z)
    sizes = [f";PRINT.SIZE.MIN.{axis}:{value:g}" for axis, value in zip("XYZ", low, strict=True)]
    sizes += [f";PRINT.SIZE.MAX.{axis}:{value:g}" for axis, value in zip("XYZ", high, strict=True)]
    return [
        ";START_OF_HEADER",
        ";HEADER_VERSION:0.1",
        ";FLAVOR:Griffin",
        ";GENERATOR.NAME:Essaim frame",
        ";GENERATOR.VERSION:1",
        ";GENERATOR.BUILD_DATE:2026-11-22",
        f";TARGET_MACHINE.NAME:{profile.name}",
        f";EXTRUDER_TRAIN.0.INITIAL_TEMPERATURE:{profile.nozzle_c:g}",
        f";EXTRUDER_TRAIN.0.MATERIAL.VOLUME_USED:{facts.filament_cm3 * 1000:.0f}",
        f";EXTRUDER_TRAIN.0.NOZZLE.DIAMETER:{profile.nozzle_mm:g}",
        ";BUILD_PLATE.TYPE:glass",
        f";BUILD_PLATE.INITIAL_TEMPERATURE:{profile.bed_c:g}",
        f";PRINT.TIME:{facts.time_s:.0f}",
        ";PRINT.GROUPS:1",
        *sizes,
        ";END_OF_HEADER",
    ]


def _header(design: FrameDesign, plate: Plate, profile: PrinterProfile, facts: GcodeFacts) -> list[str]:
    return [
        *(_griffin_header(profile, facts) if profile.flavour == "griffin" else ()),
        "; generated by Essaim frame",
        f"; visor frame {design.width_mm:g} x {design.depth_mm:g} x {design.printed_height_mm:g} mm, holes {design.standard.id}",
        f"; {plate.parts} part{'s' if plate.parts > 1 else ''}: {plate.count} on the bed, {plate.stack} high",
        *([f"; revision = {design.revision}"] if design.revision else []),
        f"; printer_profile = {profile.id}",
        f"; estimated printing time (normal mode) = {time_claim(facts.time_s)}",
        f"; filament used [mm] = {facts.filament_mm:.2f}",
        f"; filament used [cm3] = {facts.filament_cm3:.2f}",
        f"; filament used [g] = {facts.filament_g:.2f}",
        f"; filament_type = {material_of(profile).name}",
        f"; nozzle_diameter = {profile.nozzle_mm:g}",
        f"; extrusion_width = {design.line_width_mm:g}",
        f"; layer_height = {design.layer_height_mm:g}",
    ]


def frame_lines(design: FrameDesign, profile: PrinterProfile, plate: Plate | None = None) -> Iterator[str]:
    """The lines of a program without the header that tells its time and filament.

    Raises:
        FrameError: it does not fit this bed, or its dimensions contradict each other.

    """
    planner = _Planner(design, plate or Plate(), profile)
    yield ";TYPE:Custom"
    yield from filled(profile.start_gcode, profile)
    yield from ("G21", "G90", "M83", "M107")
    yield from _object_definitions(profile, planner.placements)
    yield from planner.body()
    yield ";TYPE:Custom"
    yield from filled(profile.end_gcode, profile)


def fitted(profile: PrinterProfile, design: FrameDesign, plate: Plate) -> FrameDesign:
    """The design, with shorter arms where only so all frames of the plate fit the bed; the longest that do, to 2 mm.

    Raises:
        FrameError: they do not fit even with the shortest arms that are still usual.

    """
    try:
        _Planner(design, plate, profile)
    except FrameError as error:
        if error.parameter != "count":
            raise
        for head_depth_mm in range(int(design.head_depth_mm) // 2 * 2, SHORTEST_HEAD_DEPTH_MM - 1, -2):
            shorter = replace(design, head_depth_mm=float(head_depth_mm))
            with suppress(FrameError):
                _Planner(shorter, plate, profile)
                return shorter
        raise
    return design


def make_frame(profile: PrinterProfile, design: FrameDesign | None = None, plate: Plate | None = None) -> bytes:
    """A whole program for a plate of frames, with relative extrusion. The same input gives the same bytes.

    Without `design` the standard frame of the profile, without `plate` one frame in the middle of the bed.

    Raises:
        FrameError: it does not fit this bed, or its dimensions contradict each other; it names the parameter.

    """
    design, plate = design or default_design(profile), plate or Plate()
    body = "\n".join(frame_lines(design, profile, plate)) + "\n"
    facts = read_facts(BytesIO(body.encode()), profile)
    return ("\n".join(_header(design, plate, profile, facts)) + "\n" + body).encode()


def frame_gcode(design: FrameDesign, profile: PrinterProfile) -> bytes:
    """`make_frame` for one frame.

    Raises:
        FrameError: it does not fit this bed, or its dimensions contradict each other.

    """
    return make_frame(profile, design)


def frame_program(profile: PrinterProfile) -> bytes:
    """The program of the standard frame for a profile.

    Raises:
        FrameError: the bed is too small.

    """
    return make_frame(profile)
