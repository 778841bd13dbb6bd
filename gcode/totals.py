"""The last step of both engines: what was counted, together with what the events said, becomes facts."""

from dataclasses import dataclass
from math import pi

from gcode.events import EventReader
from gcode.facts import ExtruderMode, GcodeFacts, ToolFacts
from gcode.layers import FeatureTable, LayerTable, first_height_mm, typical_height_mm
from gcode.profile import Box


@dataclass(frozen=True, slots=True)
class Totals:
    """What an engine counts itself. Lengths in mm; `filament_mm` by tool is what stays in the print."""

    size_bytes: int
    lines: int
    commands: int
    time_s: float
    filament_mm: dict[int, float]
    layers: LayerTable
    features: FeatureTable
    extruding: Box | None
    travel: Box | None
    extruder_mode: ExtruderMode
    arcs: int
    last_extrusion_line: int
    last_command_line: int


def _tools(totals: Totals, events: EventReader) -> tuple[ToolFacts, ...]:
    area_mm2 = pi * events.survey.filament_mm**2 / 4
    rows = []
    for tool in sorted(totals.filament_mm):
        filament_mm = totals.filament_mm[tool]
        filament_cm3 = filament_mm * area_mm2 / 1000
        nozzle_c = events.max_nozzle_c.get(tool, 0.0)
        rows.append(ToolFacts(tool, filament_mm, filament_cm3, filament_cm3 * events.survey.density_g_cm3, nozzle_c))
    return tuple(rows)


def _claimed_filament_mm(events: EventReader) -> float | None:
    """In mm, also where the slicer names a volume only."""
    claims = events.claims
    if claims.filament_mm is not None or claims.filament_mm3 is None:
        return claims.filament_mm
    return claims.filament_mm3 / (pi * events.survey.filament_mm**2 / 4)


def facts_of(totals: Totals, events: EventReader) -> GcodeFacts:
    """The facts of a whole file."""
    claims, machine = events.claims, events.machine
    tools, rows = _tools(totals, events), totals.layers.facts()
    return GcodeFacts(
        size_bytes=totals.size_bytes,
        lines=totals.lines,
        commands=totals.commands,
        time_s=totals.time_s,
        filament_mm=sum(tool.filament_mm for tool in tools),
        filament_g=sum(tool.filament_g for tool in tools),
        layers=totals.layers.count,
        first_layer_height_mm=first_height_mm(rows),
        layer_height_mm=typical_height_mm(rows),
        extruding=totals.extruding,
        travel=totals.travel,
        max_nozzle_c=max(events.max_nozzle_c.values(), default=0.0),
        max_bed_c=events.max_bed_c,
        tools=tuple(tool.tool for tool in tools),
        slicer=claims.slicer,
        claimed_time_s=claims.time_s,
        claimed_filament_mm=_claimed_filament_mm(events),
        claimed_filament_g=claims.filament_g,
        printer_model=claims.printer_model,
        homes=machine.homed,
        heaters_off_at_end=not (machine.bed_c or machine.chamber_c or any(machine.nozzle_c.values())),
        unreadable=events.unreadable,
        filament_cm3=sum(tool.filament_cm3 for tool in tools),
        heating_s=events.heating_s,
        homing_s=events.homing_s,
        max_chamber_c=events.max_chamber_c,
        max_fan=events.max_fan,
        layer_table=rows,
        tool_table=tools,
        features=totals.features.facts(),
        thumbnails=tuple(events.thumbnails),
        flavour=events.survey.claimed_flavour or claims.flavour or events.flavour_seen,
        claimed_nozzle_mm=claims.nozzle_mm,
        claimed_material=claims.material,
        extruder_mode=totals.extruder_mode,
        arcs=totals.arcs,
        pauses=events.pauses,
        objects=events.objects,
        last_extrusion_line=totals.last_extrusion_line,
        last_command_line=totals.last_command_line,
        flow_percent=events.flow_percent,
    )
