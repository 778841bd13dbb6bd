"""`farm gcode facts`, `check`, `preview`, `thumbnail` and `profiles`: reading what is there."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from farm.commands.gcode_bounds import bounded
from farm.commands.gcode_files import Engine, gcode_errors, opened, readable, written
from farm.commands.gcode_profiles import every_profile, profile_named, profiles_named
from farm.commands.gcode_told import both, figure, headed, octets, tell_check, tell_facts
from farm.commands.speech import say, say_json
from farm.errors import InvalidError, NotFoundError
from farm.language import speaks_french
from gcode.profile import PrinterProfile
from gcode.texts import Bilingual

File = Annotated[Path, typer.Argument(help="A program: G-code, .bgcode, .ufp, .gcode.3mf, or one of them in gzip or zstd.")]
ProfileName = Annotated[str | None, typer.Option("--profile", "-p", help="A profile's id (farm gcode profiles) or a .toml file.")]
ProfileNames = Annotated[list[str] | None, typer.Option("--profile", "-p", help="A profile; repeat for more.")]
Profiles = Annotated[
    Path | None,
    typer.Option("--profiles", help="A folder of profiles of your own; else profiles_folder of farm.toml or node.toml."),
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON for programs; docs/gcode.md names the fields.")]
EngineChoice = Annotated[Engine, typer.Option("--engine", help="What reads the file; all give the same facts.")]
Plate = Annotated[int | None, typer.Option("--plate", min=1, help="Which plate of a .gcode.3mf that has several.")]
Output = Annotated[Path, typer.Option("--output", "-o", help="The file to write.")]


def facts(
    file: File,
    profile: ProfileName = None,
    engine: EngineChoice = Engine.AUTO,
    plate: Plate = None,
    folder: Profiles = None,
    as_json: AsJson = False,
) -> None:
    """What a file will do: time, filament, layers, extent, temperatures.

    The profile gives the limits of motion that the file does not name.
    """
    tell_facts(file, profile, engine, plate, folder=folder, as_json=as_json)


def check(  # noqa: PLR0913, PLR0917 - options of a command
    file: File,
    profile: ProfileNames = None,
    every: Annotated[bool, typer.Option("--all", help="Check for every profile that is known.")] = False,
    engine: EngineChoice = Engine.AUTO,
    plate: Plate = None,
    folder: Profiles = None,
    as_json: AsJson = False,
) -> None:
    """What is wrong with a file on a class of printers.

    Exit code 0: it passes; 3: only when somebody answers for it; 4: rejected. With several profiles the best verdict counts: 0
    means that it may be printed somewhere. 1: an error, such as a file that is no program; 2: a wrong command line or
    configuration.
    """
    known = every_profile(folder) if every else profiles_named(profile, folder)
    code = tell_check(file, known, engine, plate, as_json=as_json)
    if code:
        raise typer.Exit(code)


def profiles(folder: Profiles = None, as_json: AsJson = False) -> None:
    """The classes of printers that are known: bed, temperatures, nozzle, materials."""
    known = every_profile(folder)
    if as_json:
        say_json([_profile_record(one) for one in known])
        return
    heads = both("name", "nom"), both("bed mm", "plateau mm"), both("nozzle", "buse"), both("max C", "C max")
    say("{:<26}{:<34}{:<18}{:<9}{:<11}{}".format("id", *heads, both("materials", "matières")))
    for one in known:
        volume = one.volume
        size = " x ".join(
            f"{high - low:g}" for low, high in ((volume.min_x, volume.max_x), (volume.min_y, volume.max_y), (0, volume.max_z))
        )
        heat = f"{one.max_nozzle_c:g} / {one.max_bed_c:g}"
        say(f"{one.id:<26}{one.name[:32]:<34}{size:<18}{figure(one.nozzle_mm):<9}{heat:<11}{', '.join(one.materials)}")


def _profile_record(one: PrinterProfile) -> dict[str, Any]:
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
    folder: Profiles = None,
) -> None:
    """A picture of a layer or of the whole part, coloured by what its lines are for: .png or .svg."""
    from gcode.preview import preview_png, preview_svg  # noqa: PLC0415 - Pillow and NumPy

    wanted = output.suffix.lower()
    if wanted not in {".png", ".svg"}:
        raise InvalidError(
            Bilingual(f"{output.name}: pictures are .png or .svg.", f"{output.name} : les images sont en .png ou .svg."),
            next_step=Bilingual("Name the file so: -o frame.png", "Nommez le fichier ainsi : -o frame.png"),
        )
    known = None if profile is None else profile_named(profile, folder)
    language = "fr" if speaks_french() else "en"
    seen = view or (View.ISOMETRIC if layer is None else View.TOP)
    with opened(file, plate=plate) as program, gcode_errors(file):
        if wanted == ".svg":
            picture = preview_svg(program.stream, layer=layer, profile=known, width_px=width, language=language)
        else:
            size = {"width_px": width, "height_px": width * 3 // 4}
            picture = preview_png(program.stream, layer=layer, view=seen.value, profile=known, dark=dark, language=language, **size)
    written(output, [picture], len(picture))
    say(headed(output, octets(len(picture))))


def thumbnail(file: File, output: Output) -> None:
    """The largest picture that the slicer put into the file, as .png or .jpg."""
    from gcode.thumbnails import best, thumbnails, why_none  # noqa: PLC0415 - Pillow

    with gcode_errors(file), bounded(file.name), readable(file) as stream:
        found = thumbnails(stream)
        picture = best(found)
    if picture is None:
        dropped = why_none(found)
        raise NotFoundError(
            Bilingual(f"{file.name} has no picture inside.", f"{file.name} ne contient pas d'image.")
            if dropped is None
            else Bilingual(
                f"The picture in {file.name} cannot be used: {dropped.reason}.",
                f"L'image que contient {file.name} est inutilisable : {dropped.reason_fr}.",
            ),
            next_step=Bilingual(
                f"Make one: farm gcode preview {file} -o {output}", f"Faites-en une : farm gcode preview {file} -o {output}"
            ),
        )
    wanted = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg"}.get(output.suffix.lower())
    if wanted != picture.format:
        suffix = {"png": ".png", "jpeg": ".jpg"}[picture.format]
        name = output.with_suffix(suffix)
        raise InvalidError(
            Bilingual(f"The picture is {picture.format}.", f"L'image est en {picture.format}."),
            next_step=Bilingual(f"Name the file so: -o {name}", f"Nommez le fichier ainsi : -o {name}"),
        )
    written(output, [picture.data], len(picture.data))
    say(headed(output, f"{picture.width_px} x {picture.height_px}, {octets(len(picture.data))}"))
