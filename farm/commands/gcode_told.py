"""What `farm gcode facts` and `check` tell. Without the command line's library: it loads longer than a frame is read."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from farm.commands.gcode_files import Engine, OpenedFile, inspected, opened
from farm.commands.gcode_profiles import profile_named
from farm.commands.speech import decimal, duration, plain, say, say_json
from farm.language import speaks_french, spoken
from gcode.checks import CheckReport, Finding, Verdict
from gcode.facts import GcodeFacts
from gcode.profile import Box, PrinterProfile
from gcode.reader import Defect
from gcode.texts import Bilingual

TRUSTED_ONLY: Final = 3  # exit codes; 1 is an error, 2 a wrong command line or configuration, as for every command
REJECTED: Final = 4
_SHOWN_HITS: Final = 3
_SHOWN_FEATURES: Final = 12
_FILE: Final = Bilingual("file", "fichier")
_MADE_BY: Final = Bilingual("made by", "fait par")
_TIME: Final = Bilingual("time", "durée")
_BEFORE: Final = Bilingual("before", "avant")
_FILAMENT: Final = Bilingual("filament", "filament")
_NOTE: Final = Bilingual("", "")
_LAYERS: Final = Bilingual("layers", "couches")
_PLASTIC: Final = Bilingual("plastic", "matière")
_TRAVEL: Final = Bilingual("travel", "trajets")
_HEAT: Final = Bilingual("heat", "chauffe")
_TOOLS: Final = Bilingual("tools", "outils")
_PAUSES: Final = Bilingual("pauses", "pauses")
_PICTURES: Final = Bilingual("pictures", "images")
_UNREADABLE: Final = Bilingual("unreadable", "illisible")


def both(english: str, french: str) -> str:
    """The one of the two that a person at this terminal reads."""
    return spoken(Bilingual(english, french))


def amount(count: int) -> str:
    """A large number in groups of three digits."""
    return both(f"{count:,}", f"{count:,}".replace(",", " "))


def octets(count: int) -> str:
    """A size."""
    return both(f"{amount(count)} byte{'' if count == 1 else 's'}", f"{amount(count)} octet{'' if count < 2 else 's'}")


def span(seconds: float) -> str:
    """A time span."""
    told = duration(seconds)
    return both(told, told.fr)


def figure(value: float, form: str = "g") -> str:
    """A figure that is no whole number."""
    told = decimal(value, form)
    return both(told, told.fr)


def headed(name: object, *texts: str) -> str:
    """What is told of something under its name."""
    return both(f"{name}: {'; '.join(texts)}", f"{name} : {' ; '.join(texts)}")


def tell_facts(
    file: Path, profile: str | None, engine: Engine, plate: int | None, *, folder: Path | None = None, as_json: bool
) -> None:
    """What a file will do. Raises as `opened`, `profile_named` and `inspected` do."""
    known = [profile_named(profile or "generic-300", folder)]
    with opened(file, plate=plate) as program:
        found, used = inspected(program, known, engine)
    if as_json:
        from gcode.report import facts_json  # noqa: PLC0415 - only here

        say_json({"file": file.name, "kind": program.kind.value, "engine": used, **facts_json(found.facts)})
        return
    assumed_mm = known[0].filament_mm if profile is None else None
    for label, text in _fact_rows(program, found.facts, assumed_mm):
        say(f"{spoken(label):<12}{text}")
    if found.facts.features:
        say("")
        for line in _feature_lines(found.facts):
            say(line)


def _fact_rows(program: OpenedFile, found: GcodeFacts, assumed_mm: float | None) -> Iterator[tuple[Bilingual, str]]:
    packed = "" if program.kind == "gcode" else both(f" in {program.kind}", f" en {program.kind}")
    size = f"{octets(found.size_bytes)}{packed}, {both(*_counted(found.lines, 'line', 'ligne'))}"
    yield _FILE, headed(program.path.name, size)
    slicer = plain(found.slicer or both("an unknown slicer", "un trancheur inconnu"))
    model = plain(found.printer_model or "")
    yield _MADE_BY, slicer + (both(f", for {model}", f", pour {model}") if model else "")
    yield _TIME, _with_claim(span(found.time_s), found.claimed_time_s, span)
    heating, homing = span(found.heating_s), span(found.homing_s)
    yield (
        _BEFORE,
        both(f"{heating} of heating, {homing} of homing and probing", f"{heating} de chauffe, {homing} d'origine et de palpage"),
    )
    grams = f"{_metres(found.filament_mm)}, {figure(found.filament_cm3, '.1f')} cm3, {figure(found.filament_g, '.1f')} g"
    yield _FILAMENT, _with_claim(grams, found.claimed_filament_mm, _metres)
    if assumed_mm is not None:
        yield (
            _NOTE,
            both(
                f"as filament of {figure(assumed_mm)} mm, which was assumed: no profile was given (--profile ID)",
                f"pour un filament de {figure(assumed_mm)} mm, supposé : aucun profil n'a été donné (--profile ID)",
            ),
        )
    if found.layers:
        usual, first = f"{figure(found.layer_height_mm or 0)} mm", f"{figure(found.first_layer_height_mm or 0)} mm"
        yield _LAYERS, both(f"{found.layers} of {usual}, the first {first}", f"{found.layers} de {usual}, la première {first}")
    yield _PLASTIC, _extent(found.extruding)
    yield _TRAVEL, _extent(found.travel)
    yield _HEAT, ", ".join(_heat(found))
    if len(found.tools) > 1:
        yield _TOOLS, ", ".join(headed(f"T{tool.tool}", _metres(tool.filament_mm)) for tool in found.tool_table)
    if found.unreadable:
        unread = both(*_counted(found.unreadable, "line", "ligne"))
        yield _UNREADABLE, both(f"{unread}; gcode check --profile ID shows them", f"{unread} ; gcode check --profile ID les montre")
    if found.pauses:
        stops = both(*_counted(found.pauses, "stop", "arrêt"))
        yield _PAUSES, both(f"{stops} that wait for a person", f"{stops} en attente d'une personne")
    if found.thumbnails:
        yield _PICTURES, ", ".join(f"{one.width_px} x {one.height_px} {one.format}" for one in found.thumbnails)


def _counted(count: int, thing: str, thing_fr: str) -> Bilingual:
    return Bilingual(f"{amount(count)} {thing}{'' if count == 1 else 's'}", f"{amount(count)} {thing_fr}{'' if count < 2 else 's'}")


def _metres(length_mm: float) -> str:
    return f"{figure(round(length_mm / 1000, 2) + 0.0, '.2f')} m"  # no -0.00 for what was drawn back


def _heat(found: GcodeFacts) -> Iterator[str]:
    yield both(f"nozzle {figure(found.max_nozzle_c)} C", f"buse {figure(found.max_nozzle_c)} C")
    yield both(f"bed {figure(found.max_bed_c)} C", f"plateau {figure(found.max_bed_c)} C")
    if found.max_chamber_c:
        yield both(f"chamber {figure(found.max_chamber_c)} C", f"enceinte {figure(found.max_chamber_c)} C")


def _with_claim(own: str, claimed: float | None, told: Callable[[float], str]) -> str:
    return own if claimed is None else f"{own} ({both('the slicer says', 'selon le trancheur :')} {told(claimed)})"


def _extent(box: Box | None) -> str:
    if box is None:
        return both("none", "aucun")
    axes = ((box.min_x, box.max_x), (box.min_y, box.max_y), (box.min_z, box.max_z))
    to = both("to", "à")
    return (
        "  ".join(f"{name} {figure(low, '.2f')} {to} {figure(high, '.2f')}" for name, (low, high) in zip("XYZ", axes, strict=True))
        + " mm"
    )


def _feature_lines(found: GcodeFacts) -> Iterator[str]:
    yield f"{both('lines of', 'lignes de'):<28}{spoken(_TIME):>12}{spoken(_FILAMENT):>12}"
    for feature in found.features[:_SHOWN_FEATURES]:
        yield f"{plain(feature.name)[:26]:<28}{span(feature.time_s):>12}{_metres(feature.filament_mm):>12}"
    hidden = len(found.features) - _SHOWN_FEATURES
    if hidden > 0:
        yield both(f"and {hidden} more (--json has them)", f"et {hidden} autres (--json les donne)")


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
    Verdict.PASS: Bilingual("passes", "passe"),
    Verdict.TRUSTED_ONLY: Bilingual("only when somebody answers for it", "seulement si quelqu'un en répond"),
    Verdict.REJECT: Bilingual("rejected", "refusé"),
}
_KINDS_OF_UNREAD: Final = frozenset(defect.value for defect in Defect)  # the explanation says them in words
_MARKS: Final = {"reject": "x", "trust": "?", "warn": "!"}


def _report_lines(report: CheckReport, *, short: bool, first: bool) -> Iterator[str]:
    french = speaks_french()
    if not first and not short:
        yield ""
    yield headed(report.profile, spoken(_VERDICTS[report.verdict]))
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
    for hit in finding.hits[:_SHOWN_HITS]:
        place = headed(both(f"line {hit.line}", f"ligne {hit.line}"), plain(hit.text)) if hit.line else ""
        detail = "" if hit.detail in {hit.text, *_KINDS_OF_UNREAD} else plain(hit.detail)
        told = "  ".join(part for part in (place, detail) if part)
        if told:
            yield f"      {told}"
    yield f"    -> {rule.fix_fr if french else rule.fix_en}"
