"""`farm node limits`: what may be printed on each printer of a node.toml, by its profile and its owner's limits.toml."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from farm.commands.speech import decimal, say, say_json
from farm.config import NodeSettings, PrinterSection, load
from farm.errors import ConfigurationError, FarmError
from gcode.texts import NOTHING, Bilingual, both

if TYPE_CHECKING:
    from farm.node.checking import OwnerFile
    from gcode.limits import Limits, OwnerLimits, QuietHours
    from gcode.profile import PrinterProfile

_CANNOT_BE_USED: Final = 2
_TEMPERATURES: Final = (
    (Bilingual("nozzle", "buse"), "max_nozzle_c"),
    (Bilingual("bed", "plateau"), "max_bed_c"),
    (Bilingual("chamber", "enceinte"), "max_chamber_c"),
)
_NO_FILE: Final = Bilingual(": there is none, the profiles alone limit", " : il n'y en a pas, seuls les profils limitent")
_TRUSTED: Final = Bilingual(
    "  files that need trust: accepted once a person has released them",
    "  fichiers dont quelqu'un doit répondre : acceptés dès qu'une personne les a validés",
)
_NOT_TRUSTED: Final = Bilingual("  files that need trust: not accepted", "  fichiers dont quelqu'un doit répondre : pas acceptés")
_NO_PRINTERS: Final = Bilingual(
    "No printers are listed: name the node.toml that lists them with --config.",
    "Aucune imprimante n'est indiquée : nommez avec --config le node.toml où elles sont.",
)
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


def _box(box: dict[str, float]) -> Bilingual:
    def said(to: str) -> str:
        return ", ".join(f"{axis.upper()} {box[f'min_{axis}']:g} {to} {box[f'max_{axis}']:g}" for axis in "xyz") + " mm"

    return Bilingual(said("to"), said("à"))


def _by_profile(figure: Bilingual) -> Bilingual:
    return Bilingual(f" (limits.toml; the profile allows {figure.en})", f" (limits.toml ; le profil permet {figure.fr})")


def _heat_lines(row: dict[str, Any]) -> Iterator[Bilingual]:
    wider = row["by_profile"]
    for thing, key in _TEMPERATURES:
        said = _by_profile(both(f"{wider[key]:g}")) if key in wider else NOTHING
        if row[key]:
            limit = f"{row[key]:g} °C"
            yield Bilingual(f"  {thing.en} up to {limit}{said.en}", f"  {thing.fr} jusqu'à {limit}{said.fr}")
        else:
            yield Bilingual(f"  {thing.en} not heated{said.en}", f"  {thing.fr} sans chauffage{said.fr}")


def _lines(row: dict[str, Any]) -> Iterator[str | Bilingual]:
    """What is in force for one printer, for people."""
    wider = row["by_profile"]
    yield f"{row['printer']} ({row['profile']})"
    yield from _heat_lines(row)
    box, said = _box(row["volume"]), _by_profile(_box(wider["volume"])) if "volume" in wider else NOTHING
    yield Bilingual(f"  plastic within {box.en}{said.en}", f"  plastique dans {box.fr}{said.fr}")
    if row["max_print_h"] is not None:
        yield Bilingual(
            f"  prints of at most {row['max_print_h']:g} h", f"  impressions de {decimal(row['max_print_h']).fr} h au plus"
        )
    if row["max_file_bytes"] is not None:
        most = row["max_file_bytes"]
        yield Bilingual(f"  files of at most {most} bytes", f"  fichiers de {most} octets au plus")
    if row["forbidden_codes"]:
        codes = ", ".join(row["forbidden_codes"])
        yield Bilingual(f"  never {codes}", f"  jamais {codes}")
    yield _TRUSTED if row["accept_trusted"] else _NOT_TRUSTED
    if row["quiet_hours"]:
        hours = ", ".join(row["quiet_hours"])
        yield Bilingual(f"  quiet {hours}", f"  silence {hours}")


def _found(config: Path | None) -> dict[str, Any]:
    from farm.node.parts import by_name, with_profile  # noqa: PLC0415 - only for this command
    from farm.profiles import all_profiles  # noqa: PLC0415

    settings = load(NodeSettings, config)
    folder = settings.profiles_folder
    sections = by_name(with_profile(section, folder) for section in settings.printers)
    file = _owner_file(settings, config)
    owner = _read(file, list(sections))
    profiles = all_profiles(folder)
    rows = [_in_force(section, profiles[section.profile], owner.of(name)) for name, section in sections.items()]
    return {"file": str(file.path), "present": file.path is not None and file.path.exists(), "problem": None, "printers": rows}


def limits(
    config: Annotated[Path | None, typer.Option(help="node.toml; without it the defaults hold.")] = None,
    data: Annotated[Path | None, typer.Option(hidden=True)] = None,  # noqa: ARG001 - `farm node --data X limits` is no mistake
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text for people.")] = False,
) -> None:
    """Check limits.toml without a running agent: show what each printer may print, or what is wrong (exit code 2)."""
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
    missing = NOTHING if found["present"] else _NO_FILE
    say(Bilingual(f"{found['file']}{missing.en}", f"{found['file']}{missing.fr}"))
    for row in found["printers"]:
        for line in _lines(row):
            say(line)
    if not found["printers"]:
        say(_NO_PRINTERS)
