"""`farm gcode frame`, `slice`, `resume` and `clean`: programs that are made here."""

import asyncio
import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from threading import Timer
from typing import Annotated, Any, BinaryIO, Final

import typer

from farm.commands.gcode_files import bar, gcode_errors, opened, written
from farm.commands.gcode_profiles import profile_named
from farm.commands.gcode_read import File, Output, Plate, Profiles
from farm.commands.gcode_told import both, figure, headed, octets, span
from farm.commands.speech import say, say_json
from farm.errors import InvalidError
from farm.language import spoken, system_words
from gcode.frame import FrameError, FrameOption, design_from, fitted, frame_options, frame_stl, make_frame, plate_from
from gcode.frame.errors import between
from gcode.profile import PrinterProfile
from gcode.scan.engine import read_facts
from gcode.texts import NOTHING, Bilingual, BilingualError

_TAKEN_OUT: Final = {
    "secrets": Bilingual("secrets", "secrets"),
    "thumbnails": Bilingual("thumbnails", "images"),
    "start-lines": Bilingual("start lines", "lignes du début"),
    "end-lines": Bilingual("end lines", "lignes de la fin"),
}
_PATIENCE_S: Final = 1.0
_LOOKING: Final = Bilingual(
    "Drawing the frames and looking for room on the bed; a few seconds more...",
    "Dessin des visières et recherche de place sur le plateau ; encore quelques secondes...",
)
_FLAGS: Final = {option.field: f"--{option.name}" for option in frame_options()}
_FIELD: Final = re.compile(rf"\b(?:{'|'.join(field for field in _FLAGS if '_' in field)})\b")
Profile = Annotated[str, typer.Option("--profile", "-p", help="A profile's id (farm gcode profiles) or a .toml file.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON for programs.")]


def _parameter(option: FrameOption) -> inspect.Parameter:
    """One figure of a frame as an option of the command line."""
    names = ", ".join(option.choices)
    choices = Bilingual(f": {names}", f" : {names}") if names else NOTHING
    usual = "" if option.default in {None, ""} else f" [{option.default}]"
    text = f"{spoken(option.meaning)}{spoken(choices)}{spoken(_bounds(option))}{usual}"
    flag = f"--{option.name}/--no-{option.name}" if option.kind is bool else f"--{option.name}"
    hint = Annotated[option.kind | None, typer.Option(flag, help=text, show_default=False)]  # type: ignore[name-defined] # a type made here
    return inspect.Parameter(option.field, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=hint)


def _bounds(option: FrameOption) -> Bilingual:
    if option.low is None:
        return NOTHING
    unit = f" {option.unit}" if option.unit else ""
    return Bilingual(f", {option.low:g} to {option.high:g}{unit}", f", de {option.low:g} à {option.high:g}{unit}")


@contextmanager
def figures_as_typed() -> Iterator[None]:
    """Errors of figures name the options that a person types, and what the one to change may be."""
    try:
        yield
    except FrameError as error:
        said = Bilingual(*(_with_options(text, error.parameter) for text in error.bilingual))
        raise InvalidError(said, next_step=_allowed(said, error.parameter), code=error.code) from error


def _with_options(text: str, parameter: str) -> str:
    """`head_width_mm` becomes `--head-width`. A field that is a plain word (`count`) is one only where the sentence is about it."""
    if text.startswith(f"{parameter} ") and parameter in _FLAGS:
        text = _FLAGS[parameter] + text.removeprefix(parameter)
    return _FIELD.sub(lambda found: _FLAGS[found[0]], text)


def _allowed(said: Bilingual, parameter: str) -> Bilingual:
    """The range of the option to change, where the error does not tell it."""
    option = next((option for option in frame_options() if option.field == parameter), None)
    if option is None or option.low is None or option.high is None:
        return NOTHING
    allowed, flag = between(option.low, option.high, option.unit), _FLAGS[parameter]
    if allowed.en in said.en:
        return NOTHING
    return Bilingual(f"{flag} may be {allowed.en}.", f"{flag} : {allowed.fr}.")


@contextmanager
def _word_of_patience(*, told: bool) -> Iterator[None]:
    """Say that it goes on when it takes longer than a person waits without a word."""
    timer = Timer(_PATIENCE_S, say, (_LOOKING,), {"err": True})
    timer.daemon = True
    if told:
        timer.start()
    try:
        yield
    finally:
        timer.cancel()
        if told:
            timer.join()  # a word that is being said ends before the result


def _frame(profile: str, output: Path, *, folder: Path | None = None, as_json: bool = False, **options: Any) -> None:
    known = profile_named(profile, folder)
    with gcode_errors(output), figures_as_typed(), _word_of_patience(told=not as_json):
        design, plate = design_from(known, **options), plate_from(**options)
        wanted_mm = design.head_depth_mm
        if options.get("head_depth_mm") is None:
            design = fitted(known, design, plate)
        solid = output.suffix.lower() == ".stl"
        if output.suffix.lower() in {".png", ".svg", ".jpg"}:
            raise InvalidError(
                Bilingual(
                    f"{output.name}: a frame is a program or a solid.",
                    f"{output.name} : ce sera un programme ou un solide.",
                ),
                next_step=Bilingual("Name it .gcode or .stl.", "Nommez-le .gcode ou .stl."),
            )
        content = frame_stl(design, plate, known) if solid else make_frame(known, design, plate)
    written(output, [content], len(content))
    if design.head_depth_mm != wanted_mm:
        depth = f"--head-depth {design.head_depth_mm:g}"
        fit = both(
            f"The arms are shorter so that {plate.count} fit:", f"Les branches sont plus courtes pour en loger {plate.count} :"
        )
        say(f"{fit} {depth}", err=True)
    if solid:
        say(headed(output, f"{octets(len(content))}, STL"))
        return
    _tell_program(output, BytesIO(content), known, as_json=as_json)


def _tell_program(output: Path, program: BinaryIO, known: PrinterProfile, *, as_json: bool) -> None:
    if not output.is_file():
        return  # a pipe: nothing but the program goes through it
    facts = read_facts(program, known)
    if as_json:
        from gcode.report import facts_json  # noqa: PLC0415 - only here

        say_json({"file": str(output), "profile": known.id, **facts_json(facts)})
        return
    layers, grams = f"{facts.layers} {both('layers', 'couches')}", f"{figure(facts.filament_g, '.1f')} g"
    size = f"{layers}, {grams}, {span(facts.time_s)}, {octets(facts.size_bytes)}"
    say(headed(output, f"{both('for', 'pour')} {known.name}, {size}"))


def frame_command() -> Callable[..., None]:
    """The command `frame`, with an option for each figure that `gcode.frame` knows."""

    def frame(**options: Any) -> None:
        """Make visor frames: a program for a printer (.gcode), or a solid (.stl). The same figures give the same bytes."""
        _frame(options.pop("profile"), options.pop("output"), **options)

    fixed = [
        inspect.Parameter("profile", inspect.Parameter.KEYWORD_ONLY, annotation=Profile),
        inspect.Parameter("output", inspect.Parameter.KEYWORD_ONLY, annotation=Output),
        inspect.Parameter("folder", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Profiles),
        inspect.Parameter("as_json", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=AsJson),
    ]
    parameters = [*fixed, *(_parameter(option) for option in frame_options())]
    frame.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # what typer reads
    frame.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return frame


def clean(
    file: File,
    output: Output,
    profile: Annotated[str | None, typer.Option("--profile", "-p", help="Its house start and end code goes in, if any.")] = None,
    thumbnails: Annotated[bool, typer.Option("--without-thumbnails", help="Leave the slicer's pictures out.")] = False,
    plate: Plate = None,
    folder: Profiles = None,
) -> None:
    """Take secrets out of a program (keys of print servers in the slicer's comments), as the farm does with every upload."""
    from gcode.transforms import cleaned  # noqa: PLC0415 - only here

    known = None if profile is None else profile_named(profile, folder)
    with opened(file, plate=plate) as program, gcode_errors(file):
        pieces = cleaned(program.stream, known, thumbnails=thumbnails)
        size_bytes = written(output, pieces, program.size_bytes)
    done = ", ".join(f"{spoken(_TAKEN_OUT[kind])} ({count})" for kind, count in pieces.summary().items())
    what = both(f"taken out: {done}", f"enlevé : {done}") if done else both("nothing had to go", "rien n'était à enlever")
    say(headed(output, octets(size_bytes), what))


@contextmanager
def _percent(label: str) -> Iterator[Callable[[int, str], None]]:
    with bar(10_000_000, label) as progress:
        yield lambda percent, _step: progress(percent * 100_000)


def slice_(  # noqa: PLR0913, PLR0917 - options of a command
    model: Annotated[Path, typer.Argument(help="An STL or 3MF.")],
    profile: Profile,
    output: Output,
    material: Annotated[str, typer.Option("--material", help="PLA, PETG...")] = "PLA",
    layer_height: Annotated[float, typer.Option("--layer-height", help="mm.")] = 0.2,
    copies: Annotated[int, typer.Option("--count", min=1, help="How many on the bed.")] = 1,
    infill: Annotated[int, typer.Option("--infill", min=0, max=100, help="Percent.")] = 15,
    walls: Annotated[int, typer.Option("--walls", min=1)] = 3,
    supports: Annotated[bool, typer.Option("--supports/--no-supports")] = False,
    brim: Annotated[float, typer.Option("--brim", min=0, help="mm.")] = 0.0,
    slicer: Annotated[Path | None, typer.Option("--slicer", help="Where PrusaSlicer is, if not in PATH.")] = None,
    folder: Profiles = None,
    as_json: AsJson = False,
) -> None:
    """Turn a model into a program with the PrusaSlicer that is installed here."""
    from farm.slicing import slice_model  # noqa: PLC0415 - only here
    from gcode.slicers import SliceOptions  # noqa: PLC0415

    known = profile_named(profile, folder)
    options = SliceOptions(material, layer_height, copies, infill, walls, supports, brim)
    with gcode_errors(model), _percent(model.name) as progress:
        try:
            made = asyncio.run(slice_model(model, known, output, options, slicer=slicer, on_progress=progress))
        except OSError as error:
            raise InvalidError(
                Bilingual(
                    f"{error.filename or model}: {error.strerror}.", f"{error.filename or model} : {system_words(error).fr}."
                ),
                next_step=Bilingual("Check names and rights.", "Vérifiez noms et droits."),
            ) from error
    for message in made.messages:
        say(message.text, err=True)
    with output.open("rb") as program:
        _tell_program(output, program, known, as_json=as_json)


_CONFIRM: Final = Bilingual(
    "Say it with --part-is-good and --motors-held, and with --nozzle-z if the printer was switched off.",
    "Dites-le par --part-is-good et --motors-held, et par --nozzle-z si l'imprimante a été éteinte.",
)


@contextmanager
def _confirmations(kind: type[BilingualError]) -> Iterator[None]:
    """Name the options by which a person confirms what an error of this kind misses."""
    try:
        yield
    except kind as error:
        raise InvalidError(error.bilingual, next_step=_CONFIRM, code=error.code) from error


def resume(  # noqa: PLR0913, PLR0917 - options of a command
    file: File,
    layer: Annotated[int, typer.Option("--layer", min=2, help="The first layer to print, from 1.")],
    profile: Profile,
    output: Output,
    confirmed: Annotated[
        bool, typer.Option("--part-is-good", help="You stand there: the part sticks, and the layer below is whole.")
    ] = False,
    motors_held: Annotated[
        bool, typer.Option("--motors-held", help="And the motors had current all the time: nothing can have moved.")
    ] = False,
    nozzle_z: Annotated[
        float | None, typer.Option("--nozzle-z", help="mm: where the nozzle stands, if the printer was switched off or reset.")
    ] = None,
    plate: Plate = None,
    folder: Profiles = None,
) -> None:
    """Make a program that takes a broken print up again at a layer. Who stands at the printer answers for two things."""
    from gcode.resume import ResumeNotConfirmedError  # noqa: PLC0415 - only here
    from gcode.resume import resume as resumed  # noqa: PLC0415

    known = profile_named(profile, folder)
    with opened(file, plate=plate) as program, gcode_errors(file), _confirmations(ResumeNotConfirmedError):
        pieces = resumed(program.stream, layer, known, confirmed=confirmed, motors_held=motors_held, nozzle_z_mm=nozzle_z)
        size_bytes = written(output, pieces, program.size_bytes)
    say(headed(output, f"{both(f'from layer {layer}', f'à partir de la couche {layer}')}, {octets(size_bytes)}"))
