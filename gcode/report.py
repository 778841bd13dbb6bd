"""Facts and reports as JSON. docs/gcode.md ("What the facts mean") has the names in tables, and a test compares them with these."""

from typing import Any

from gcode.checks import CheckReport, Finding, Hit
from gcode.facts import FeatureFacts, GcodeFacts, LayerFacts, ThumbnailFacts, ToolFacts
from gcode.profile import Box


def _box(box: Box | None) -> dict[str, list[float]] | None:
    if box is None:
        return None
    return {"min": [box.min_x, box.min_y, box.min_z], "max": [box.max_x, box.max_y, box.max_z]}


def _layer(layer: LayerFacts) -> dict[str, Any]:
    return {
        "z_mm": layer.z_mm,
        "height_mm": layer.height_mm,
        "line": layer.line,
        "offset": layer.offset,
        "time_s": layer.time_s,
        "filament_mm": layer.filament_mm,
    }


def _tool(tool: ToolFacts) -> dict[str, Any]:
    return {
        "tool": tool.tool,
        "filament_mm": tool.filament_mm,
        "filament_cm3": tool.filament_cm3,
        "filament_g": tool.filament_g,
        "max_nozzle_c": tool.max_nozzle_c,
    }


def _feature(feature: FeatureFacts) -> dict[str, Any]:
    return {"name": feature.name, "time_s": feature.time_s, "filament_mm": feature.filament_mm}


def _thumbnail(picture: ThumbnailFacts) -> dict[str, Any]:
    return {
        "format": picture.format,
        "width_px": picture.width_px,
        "height_px": picture.height_px,
        "offset": picture.offset,
        "size_bytes": picture.size_bytes,
    }


def facts_json(facts: GcodeFacts) -> dict[str, Any]:
    """All facts, with values that JSON knows. Texts of the slicer are untrusted."""
    return {**_figures(facts), **_evidence(facts), **_tables(facts)}


def _figures(facts: GcodeFacts) -> dict[str, Any]:
    return {
        "time_s": facts.time_s,
        "heating_s": facts.heating_s,
        "homing_s": facts.homing_s,
        "filament_mm": facts.filament_mm,
        "filament_cm3": facts.filament_cm3,
        "filament_g": facts.filament_g,
        "layers": facts.layers,
        "first_layer_height_mm": facts.first_layer_height_mm,
        "layer_height_mm": facts.layer_height_mm,
        "bbox_extruding_mm": _box(facts.extruding),
        "bbox_travel_mm": _box(facts.travel),
        "max_nozzle_c": facts.max_nozzle_c,
        "max_bed_c": facts.max_bed_c,
        "max_chamber_c": facts.max_chamber_c,
        "max_fan": facts.max_fan,
        "tools": list(facts.tools),
        "flow_percent": {"min": facts.flow_percent[0], "max": facts.flow_percent[1]},
    }


def _evidence(facts: GcodeFacts) -> dict[str, Any]:
    mode = facts.extruder_mode
    return {
        "slicer": facts.slicer,
        "flavour": facts.flavour,
        "printer_model": facts.printer_model,
        "claimed_time_s": facts.claimed_time_s,
        "claimed_filament_mm": facts.claimed_filament_mm,
        "claimed_filament_g": facts.claimed_filament_g,
        "claimed_nozzle_mm": facts.claimed_nozzle_mm,
        "claimed_material": facts.claimed_material,
        "homes": facts.homes,
        "heaters_off_at_end": facts.heaters_off_at_end,
        "arcs": facts.arcs,
        "pauses": facts.pauses,
        "objects": facts.objects,
        "size_bytes": facts.size_bytes,
        "lines": facts.lines,
        "commands": facts.commands,
        "unreadable": facts.unreadable,
        "last_extrusion_line": facts.last_extrusion_line,
        "last_command_line": facts.last_command_line,
        "extruder_mode": {
            "absolute": mode.absolute,
            "absolute_falls": mode.absolute_falls,
            "relative": mode.relative,
            "relative_rises": mode.relative_rises,
        },
    }


def _tables(facts: GcodeFacts) -> dict[str, Any]:
    return {
        "layer_table": [_layer(layer) for layer in facts.layer_table],
        "tool_table": [_tool(tool) for tool in facts.tool_table],
        "features": [_feature(feature) for feature in facts.features],
        "thumbnails": [_thumbnail(picture) for picture in facts.thumbnails],
    }


def _hit(hit: Hit) -> dict[str, Any]:
    return {
        "line": hit.line,
        "offset": hit.offset,
        "text": hit.text,
        "detail": hit.detail,
        "value": hit.value,
        "limit": hit.limit,
    }


def _finding(finding: Finding) -> dict[str, Any]:
    rule = finding.rule
    return {
        "rule": rule.id,
        "severity": rule.severity.value,
        "explanation": {"en": rule.explanation_en, "fr": rule.explanation_fr},
        "fix": {"en": rule.fix_en, "fr": rule.fix_fr},
        "count": finding.count,
        "hits": [_hit(hit) for hit in finding.hits],
    }


def report_json(report: CheckReport) -> dict[str, Any]:
    """What the rules say of a file on one profile. `text` and `detail` of a hit are untrusted."""
    return {
        "verdict": report.verdict.value,
        "profile": report.profile,
        "profile_revision": report.profile_revision,
        "rule_set": report.rule_set,
        "findings": [_finding(finding) for finding in report.findings],
    }
