"""`farm node limits`: what may be printed on each printer of a node.toml, by its profile and its owner's limits.toml."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from farm.config import NodeSettings, PrinterSection, load
from farm.errors import ConfigurationError, FarmError
from gcode.texts import Bilingual

if TYPE_CHECKING:
    from farm.node.checking import OwnerFile
    from gcode.limits import Limits, OwnerLimits, QuietHours
    from gcode.profile import PrinterProfile

_CANNOT_BE_USED: Final = 2
_TEMPERATURES: Final = (("nozzle", "max_nozzle_c"), ("bed", "max_bed_c"), ("chamber", "max_chamber_c"))
_CORRECT_IT: Final = Bilingual(
    "Correct the file; configs/limits.toml shows every key. Nothing starts on this node until then.",
    "Corrigez le fichier ; configs/limits.toml montre chaque clé. D'ici là, rien ne démarre sur ce nœud.",
)


def _owner_file(settings: NodeSettings, config: Path | None) -> "OwnerFile":
    from farm.node.checking import FILE_NAME, OwnerFile  # noqa: PLC0415 - only for this command

    beside = (Path() if config is None else config.parent) / FILE_NAME
    return OwnerFile(beside) if settings.limits is None else OwnerFile(settings.limits, required=True)


def _read(file: "OwnerFile", printers: list[str]) -> "OwnerLimits":
    from gcode.limits import LimitsError, limits_of_nobody, parse_limits  # noqa: PLC0415

    try:
        owner = parse_limits(file.content())
    except LimitsError as error:
        raise ConfigurationError(error.bilingual, next_step=_CORRECT_IT, code=error.code) from error
    wrong = limits_of_nobody(owner, printers)
    if wrong is not None:
        raise ConfigurationError(wrong.bilingual, next_step=_CORRECT_IT, code=wrong.code)
    return owner


def _times(quiet: "QuietHours") -> list[str]:
    def clock(seconds: float) -> str:
        return f"{int(seconds) // 3600:02}:{int(seconds) % 3600 // 60:02}"

    return [f"{clock(begin_s)}-{clock(end_s)}" for begin_s, end_s in quiet]


def _in_force(section: PrinterSection, profile: "PrinterProfile", limits: "Limits") -> dict[str, Any]:
    from gcode.limits import narrowed  # noqa: PLC0415 - only for this command

    tight = narrowed(profile, limits)
    by_both = {key: getattr(tight, key) for key in ("max_nozzle_c", "max_bed_c", "max_chamber_c", "volume")}
    by_owner = [key for key, value in by_both.items() if value != getattr(profile, key)]
    return {
        "printer": section.name,
        "profile": profile.id,
        **by_both,
        "volume": asdict(tight.volume),
        "max_print_h": limits.max_print_h,
        "max_file_bytes": limits.max_file_bytes,
        "forbidden_codes": sorted(tight.forbidden_codes),
        "accept_trusted": limits.accept_trusted,
        "quiet_hours": _times(section.quiet + limits.quiet_hours),
        "narrowed_by_owner": by_owner,
        "by_profile": {key: asdict(profile.volume) if key == "volume" else getattr(profile, key) for key in by_owner},
    }


def _box(box: dict[str, float]) -> str:
    return ", ".join(f"{axis.upper()} {box[f'min_{axis}']:g} to {box[f'max_{axis}']:g}" for axis in "xyz") + " mm"


def _lines(row: dict[str, Any]) -> list[str]:
    """What is in force for one printer, for people."""
    wider = row["by_profile"]
    lines = [f"{row['printer']} ({row['profile']})"]
    for thing, key in _TEMPERATURES:
        said = f" (limits.toml; the profile allows {wider[key]:g})" if key in wider else ""
        lines.append(f"  {thing} up to {row[key]:g} °C{said}" if row[key] else f"  {thing} not heated{said}")
    said = f" (limits.toml; the profile allows {_box(wider['volume'])})" if "volume" in wider else ""
    lines.append(f"  plastic within {_box(row['volume'])}{said}")
    if row["max_print_h"] is not None:
        lines.append(f"  prints of at most {row['max_print_h']:g} h")
    if row["max_file_bytes"] is not None:
        lines.append(f"  files of at most {row['max_file_bytes']} bytes")
    if row["forbidden_codes"]:
        lines.append(f"  never {', '.join(row['forbidden_codes'])}")
    accepted = "accepted once a person has released them" if row["accept_trusted"] else "not accepted"
    lines.append(f"  files that need trust: {accepted}")
    if row["quiet_hours"]:
        lines.append(f"  quiet {', '.join(row['quiet_hours'])}")
    return lines


def _found(config: Path | None) -> dict[str, Any]:
    from farm.node.parts import by_name, check_profile  # noqa: PLC0415 - only for this command
    from farm.profiles import all_profiles  # noqa: PLC0415

    settings = load(NodeSettings, config)
    sections = by_name(settings.printers)
    file = _owner_file(settings, config)
    owner = _read(file, list(sections))
    for section in sections.values():
        check_profile(section, settings.profiles_folder)
    profiles = all_profiles(settings.profiles_folder)
    rows = [_in_force(section, profiles[section.profile], owner.of(name)) for name, section in sections.items()]
    return {"file": str(file.path), "present": file.path is not None and file.path.exists(), "problem": None, "printers": rows}


def limits(
    config: Annotated[Path | None, typer.Option(help="node.toml; without it the defaults hold.")] = None,
    data: Annotated[Path | None, typer.Option(hidden=True)] = None,  # noqa: ARG001 - `farm node --data X limits` is no mistake
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text for people.")] = False,
) -> None:
    """Check limits.toml without a running agent: show what each printer may print, or what is wrong (exit code 2)."""
    from farm.commands.overview import say, say_json  # noqa: PLC0415 - only for this command

    try:
        found = _found(config)
    except FarmError as error:
        if not as_json:
            raise
        problem = {"code": error.code, "detail": error.detail, "next_step": error.next_step}
        say_json({"problem": problem, "printers": []})
        raise typer.Exit(_CANNOT_BE_USED) from error
    if as_json:
        say_json(found)
        return
    say(f"{found['file']}{'' if found['present'] else ': there is none, the profiles alone limit'}")
    for row in found["printers"]:
        for line in _lines(row):
            say(line)
    if not found["printers"]:
        say("No printers are listed: name the node.toml that lists them with --config.")
