"""`farm gcode facts`, `check`, `preview`, `thumbnail` and `profiles`: reading what is there."""

from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from farm.commands.gcode_files import Engine, OpenedFile, gcode_errors, inspected, opened, profile_named, readable, written
from farm.commands.overview import duration, number_of, plain, say, say_json
from farm.errors import InvalidError, NotFoundError
from farm.language import speaks_french
from gcode.checks import CheckReport, Finding, Verdict
from gcode.facts import GcodeFacts
from gcode.profile import Box, bundled_profiles

REJECTED: Final = 1
TRUSTED_ONLY: Final = 3
_SHOWN_HITS: Final = 3
_SHOWN_FEATURES: Final = 12

File = Annotated[Path, typer.Argument(help="A program: G-code, .bgcode, .ufp, .gcode.3mf, or one of them in gzip or zstd.")]
ProfileName = Annotated[str | None, typer.Option("--profile", "-p", help="A profile's id (farm gcode profiles) or a .toml file.")]
ProfileNames = Annotated[list[str] | None, typer.Option("--profile", "-p", help="A profile; repeat for more.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON for programs; docs/gcode.md names the fields.")]
EngineChoice = Annotated[Engine, typer.Option("--engine", help="What reads the file; all give the same facts.")]
Plate = Annotated[int | None, typer.Option("--plate", min=1, help="Which plate of a .gcode.3mf that has several.")]
Output = Annotated[Path, typer.Option("--output", "-o", help="The file to write.")]


def facts(
    file: File, profile: ProfileName = None, engine: EngineChoice = Engine.AUTO, plate: Plate = None, as_json: AsJson = False
) -> None:
    """What a file will do: time, filament, layers, extent, temperatures.

    The profile gives the limits of motion that the file does not name.
    """
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


def check(
    file: File,
    profile: ProfileNames = None,
    every: Annotated[bool, typer.Option("--all", help="Check for every bundled profile.")] = False,
    engine: EngineChoice = Engine.AUTO,
    plate: Plate = None,
    as_json: AsJson = False,
) -> None:
    """What is wrong with a file on a class of printers. Exit code 0: it passes; 3: only when somebody answers for it; 1: rejected.

    With several profiles the code tells the best verdict: 0 means that it may be printed somewhere.
    """
    known = list(bundled_profiles().values()) if every else [profile_named(name) for name in profile or []]
    if not known:
        raise InvalidError("Say for which printers.", next_step="--profile ID, or --all; farm gcode profiles lists them.")
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
    best = min((report.verdict for report in found.reports), key=order.index)
    if codes[best]:
        raise typer.Exit(codes[best])


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


def profiles(as_json: AsJson = False) -> None:
    """The classes of printers that are known: bed, temperatures, nozzle, materials."""
    known = bundled_profiles().values()
    if as_json:
        say_json([_profile_record(one.id) for one in known])
        return
    say(f"{'id':<26}{'name':<34}{'bed mm':<18}{'nozzle':<9}{'max C':<11}materials")
    for one in known:
        volume = one.volume
        size = " x ".join(
            f"{high - low:g}" for low, high in ((volume.min_x, volume.max_x), (volume.min_y, volume.max_y), (0, volume.max_z))
        )
        heat = f"{one.max_nozzle_c:g} / {one.max_bed_c:g}"
        say(f"{one.id:<26}{one.name[:32]:<34}{size:<18}{one.nozzle_mm:<9g}{heat:<11}{', '.join(one.materials)}")


def _profile_record(name: str) -> dict[str, Any]:
    one = bundled_profiles()[name]
    volume = one.volume
    return {
        "id": one.id,
        "name": one.name,
        "revision": one.revision,
        "flavour": one.flavour,
        "volume": {"min": [volume.min_x, volume.min_y, volume.min_z], "max": [volume.max_x, volume.max_y, volume.max_z]},
        "nozzle_mm": one.nozzle_mm,
        "filament_mm": one.filament_mm,
        "max_nozzle_c": one.max_nozzle_c,
        "max_bed_c": one.max_bed_c,
        "tools": one.tools,
        "materials": list(one.materials),
    }


class View(StrEnum):
    """From where a picture is taken."""

    TOP = "top"
    ISOMETRIC = "isometric"


def preview(  # noqa: PLR0913, PLR0917 - options of a command
    file: File,
    output: Output,
    layer: Annotated[int | None, typer.Option("--layer", min=1, help="One layer, from 1; without it the whole part.")] = None,
    profile: ProfileName = None,
    view: Annotated[View | None, typer.Option("--view", help="From above, or obliquely (.png; for a whole part).")] = None,
    width: Annotated[int, typer.Option("--width", min=64, max=2400, help="Pixels.")] = 960,
    dark: Annotated[bool, typer.Option("--dark", help="For dark pages (.png).")] = False,
    plate: Plate = None,
) -> None:
    """A picture of a layer or of the whole part, coloured by what its lines are for: .png or .svg."""
    from gcode.preview import preview_png, preview_svg  # noqa: PLC0415 - Pillow and NumPy

    wanted = output.suffix.lower()
    if wanted not in {".png", ".svg"}:
        raise InvalidError(f"{output.name}: pictures are .png or .svg.", next_step="Name the file so: -o frame.png")
    known = None if profile is None else profile_named(profile)
    language = "fr" if speaks_french() else "en"
    seen = view or (View.ISOMETRIC if layer is None else View.TOP)
    with opened(file, plate=plate) as program, gcode_errors(file):
        if wanted == ".svg":
            picture = preview_svg(program.stream, layer=layer, profile=known, width_px=width, language=language)
        else:
            size = {"width_px": width, "height_px": width * 3 // 4}
            picture = preview_png(program.stream, layer=layer, view=seen.value, profile=known, dark=dark, language=language, **size)
    written(output, [picture], len(picture))
    say(f"{output}: {len(picture):,} bytes")


def thumbnail(file: File, output: Output) -> None:
    """The largest picture that the slicer put into the file, as .png or .jpg."""
    from gcode.thumbnails import best, thumbnails  # noqa: PLC0415 - Pillow

    with gcode_errors(file), readable(file) as stream:
        picture = best(thumbnails(stream))
    if picture is None:
        raise NotFoundError(f"{file.name} has no picture inside.", next_step=f"Make one: farm gcode preview {file} -o {output}")
    wanted = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg"}.get(output.suffix.lower())
    if wanted != picture.format:
        suffix = {"png": ".png", "jpeg": ".jpg"}[picture.format]
        raise InvalidError(f"The picture is {picture.format}.", next_step=f"Name the file so: -o {output.with_suffix(suffix)}")
    written(output, [picture.data], len(picture.data))
    say(f"{output}: {picture.width_px} x {picture.height_px}, {len(picture.data):,} bytes")
