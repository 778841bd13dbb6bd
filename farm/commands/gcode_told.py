"""What `farm gcode facts` and `check` tell. Without the command line's library: it loads longer than a frame is read."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from farm.commands.gcode_files import Engine, OpenedFile, inspected, opened, profile_named
from farm.commands.speech import duration, number_of, plain, say, say_json
from farm.errors import InvalidError
from farm.language import speaks_french
from gcode.checks import CheckReport, Finding, Verdict
from gcode.facts import GcodeFacts
from gcode.profile import Box, PrinterProfile

TRUSTED_ONLY: Final = 3  # exit codes; 1 is an error, 2 a wrong command line or configuration, as for every command
REJECTED: Final = 4
_SHOWN_HITS: Final = 3
_SHOWN_FEATURES: Final = 12


def tell_facts(file: Path, profile: str | None, engine: Engine, plate: int | None, *, as_json: bool) -> None:
    """What a file will do. Raises as `opened`, `profile_named` and `inspected` do."""
    known = [profile_named(profile or "generic-300")]
    with opened(file, plate=plate) as program:
        found, used = inspected(program, known, engine)
    if as_json:
        from gcode.report import facts_json  # noqa: PLC0415 - only here

        say_json({"file": file.name, "kind": program.kind.value, "engine": used, **facts_json(found.facts)})
        return
    assumed_mm = known[0].filament_mm if profile is None else None
    for label, text in _fact_rows(program, found.facts, assumed_mm):
        say(f"{label:<12}{text}")
    if found.facts.features:
        say("")
        for line in _feature_lines(found.facts):
            say(line)


def _fact_rows(program: OpenedFile, found: GcodeFacts, assumed_mm: float | None) -> Iterator[tuple[str, str]]:
    packed = "" if program.kind == "gcode" else f" in {program.kind}"
    yield "file", f"{program.path.name}: {found.size_bytes:,} bytes{packed}, {found.lines:,} lines"
    yield (
        "made by",
        plain(found.slicer or "an unknown slicer") + (f", for {plain(found.printer_model)}" if found.printer_model else ""),
    )
    yield "time", _with_claim(duration(found.time_s), found.claimed_time_s, duration)
    yield "before", f"{duration(found.heating_s)} of heating, {duration(found.homing_s)} of homing and probing"
    grams = f"{found.filament_mm / 1000:.2f} m, {found.filament_cm3:.1f} cm3, {found.filament_g:.1f} g"
    yield "filament", _with_claim(grams, found.claimed_filament_mm, lambda length_mm: f"{length_mm / 1000:.2f} m")
    if assumed_mm is not None:
        yield "", f"as filament of {assumed_mm:g} mm, which was assumed: no profile was given (--profile ID)"
    if found.layers:
        yield "layers", f"{found.layers} of {found.layer_height_mm or 0:g} mm, the first {found.first_layer_height_mm or 0:g} mm"
    yield "plastic", _extent(found.extruding)
    yield "travel", _extent(found.travel)
    heat = [f"nozzle {found.max_nozzle_c:g} C", f"bed {found.max_bed_c:g} C"]
    yield "heat", ", ".join([*heat, *([f"chamber {found.max_chamber_c:g} C"] if found.max_chamber_c else [])])
    if len(found.tools) > 1:
        yield "tools", ", ".join(f"T{tool.tool}: {tool.filament_mm / 1000:.2f} m" for tool in found.tool_table)
    if found.pauses:
        yield "pauses", number_of(found.pauses, "stop") + " that wait for a person"
    if found.thumbnails:
        yield "pictures", ", ".join(f"{one.width_px} x {one.height_px} {one.format}" for one in found.thumbnails)


def _with_claim(own: str, claimed: float | None, told: Callable[[float], str]) -> str:
    return own if claimed is None else f"{own} (the slicer says {told(claimed)})"


def _extent(box: Box | None) -> str:
    if box is None:
        return "none"
    axes = ((box.min_x, box.max_x), (box.min_y, box.max_y), (box.min_z, box.max_z))
    return "  ".join(f"{name} {low:.2f} to {high:.2f}" for name, (low, high) in zip("XYZ", axes, strict=True)) + " mm"


def _feature_lines(found: GcodeFacts) -> Iterator[str]:
    yield f"{'lines of':<28}{'time':>12}{'filament':>12}"
    for feature in found.features[:_SHOWN_FEATURES]:
        yield f"{plain(feature.name)[:26]:<28}{duration(feature.time_s):>12}{feature.filament_mm / 1000:>10.2f} m"
    hidden = len(found.features) - _SHOWN_FEATURES
    if hidden > 0:
        yield f"and {hidden} more (--json has them)"


def named(names: Sequence[str] | None) -> list[PrinterProfile]:
    """The profiles of these names.

    Raises:
        NotFoundError: there is none of that name.
        InvalidError: a file is no profile, or no name is given.

    """
    if not names:
        raise InvalidError("Say for which printers.", next_step="--profile ID, or --all; farm gcode profiles lists them.")
    return [profile_named(name) for name in names]


def tell_check(file: Path, known: list[PrinterProfile], engine: Engine, plate: int | None, *, as_json: bool) -> int:
    """What is wrong with a file; gives the exit code of the best verdict. Raises as `opened` and `inspected` do."""
    with opened(file, plate=plate) as program:
        found, used = inspected(program, known, engine)
    if as_json:
        from gcode.report import report_json  # noqa: PLC0415 - only here

        say_json({"file": file.name, "engine": used, "reports": [report_json(report) for report in found.reports]})
    else:
        for number, report in enumerate(found.reports):
            for line in _report_lines(report, short=len(known) > 1, first=number == 0):
                say(line)
    codes = {Verdict.PASS: 0, Verdict.TRUSTED_ONLY: TRUSTED_ONLY, Verdict.REJECT: REJECTED}
    order = list(codes)
    return codes[min((report.verdict for report in found.reports), key=order.index)]


_VERDICTS: Final = {
    Verdict.PASS: ("passes", "passe"),
    Verdict.TRUSTED_ONLY: ("only when somebody answers for it", "seulement si quelqu'un en répond"),
    Verdict.REJECT: ("rejected", "refusé"),
}
_MARKS: Final = {"reject": "x", "trust": "?", "warn": "!"}


def _report_lines(report: CheckReport, *, short: bool, first: bool) -> Iterator[str]:
    french = speaks_french()
    if not first and not short:
        yield ""
    yield f"{report.profile}: {_VERDICTS[report.verdict][french]}"
    for finding in report.findings:
        if short and finding.severity == "warn":
            continue
        yield from _finding_lines(finding, short=short, french=french)


def _finding_lines(finding: Finding, *, short: bool, french: bool) -> Iterator[str]:
    rule = finding.rule
    times = "" if finding.count == 1 else f" ({finding.count}x)"
    yield f"  {_MARKS[rule.severity]} {rule.explanation_fr if french else rule.explanation_en}{times} [{rule.id}]"
    if short:
        return
    word = "ligne" if french else "line"
    for hit in finding.hits[:_SHOWN_HITS]:
        place = f"{word} {hit.line}: {plain(hit.text)}" if hit.line else ""
        told = "  ".join(part for part in (place, plain(hit.detail)) if part)
        if told:
            yield f"      {told}"
    yield f"    -> {rule.fix_fr if french else rule.fix_en}"
