"""`farm printers add`: tries a printer and writes it into node.toml, whose comments and order stay as they are."""

import asyncio
import json
import os
import tomllib
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import urlsplit

import typer

from drivers.errors import Bilingual
from farm.commands.device import check_url, errors_as_json, shown_url
from farm.commands.owned import USUAL, OwnPrinters, configuration
from farm.commands.probe import look, warn
from farm.commands.speech import say
from farm.commands.vocabulary import PRINTER_STATES, word
from farm.config import NodeSettings, PrinterSection, load, no_toml
from farm.errors import ConfigurationError, ConflictError, InvalidError, NotFoundError, as_typed, command_name
from farm.language import spoken, system_words

if TYPE_CHECKING:
    from farm.commands.probe import Findings

_ESCAPES: Final = {"\\": "\\\\", '"': '\\"', "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}


_WAITING: Final = Bilingual(
    "Waiting for that, for five minutes at most; Ctrl-C ends it, and nothing is changed.",
    "En attente, cinq minutes au plus ; Ctrl-C y met fin, et rien n'est changé.",
)


def toml_text(text: str) -> str:
    """A basic TOML string."""
    signs = (_ESCAPES.get(sign, sign if sign.isprintable() else f"\\U{ord(sign):08x}") for sign in text)
    return f'"{"".join(signs)}"'


def table_of(printer: PrinterSection) -> str:
    """The `[[printers]]` table of a printer: what has no default of its own, and the loaded material."""
    rows = {"name": printer.name, "url": printer.url, "profile": printer.profile, "material": printer.material}
    lines = [f"{key} = {toml_text(value)}" for key, value in rows.items()]
    if printer.nozzle_mm != PrinterSection.model_fields["nozzle_mm"].default:
        lines.append(f"nozzle_mm = {printer.nozzle_mm}")
    return "\n".join(["[[printers]]", *lines, ""])


def add_to(path: Path, printer: PrinterSection) -> None:
    """Write `printer` at the end of the file `path`, which is made when there is none: whole or not at all.

    Raises:
        ConfigurationError: what is there, or would be there then, is not right; nothing was changed.
        InvalidError: the file cannot be written.

    """
    try:
        before = path.read_text("utf-8") if path.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            Bilingual(f"{path} cannot be read.", f"{path} ne peut pas être lu."),
            next_step=Bilingual(
                "Check who may read it, and that it is text.", "Vérifiez qui peut le lire, et que c'est bien du texte."
            ),
        ) from error
    gap = "" if not before or before.endswith("\n\n") else "\n" if before.endswith("\n") else "\n\n"
    _check_appendable(before, path)
    _replace(path, before + gap + table_of(printer), printer)


def _check_appendable(before: str, path: Path) -> None:
    """`printers = [...]` in one piece cannot be followed by a table."""
    try:
        content = tomllib.loads(before)
    except tomllib.TOMLDecodeError as error:
        raise no_toml(path, error) from error
    if "printers" in content and "[[printers]]" not in before.replace(" ", ""):
        raise ConfigurationError(
            Bilingual(f"{path} lists its printers in one array.", f"{path} donne ses imprimantes dans un seul tableau."),
            next_step=Bilingual(
                "Write each as a table [[printers]], as configs/node.toml shows.",
                "Écrivez chacune comme une table [[printers]], comme le montre configs/node.toml.",
            ),
        )


def _replace(path: Path, content: str, printer: PrinterSection) -> None:
    target = Path(os.path.realpath(path))  # a link stays a link
    try:
        with NamedTemporaryFile("w", encoding="utf-8", dir=target.parent, prefix=".node-", suffix=".toml", delete=False) as file:
            draft = Path(file.name)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise InvalidError(
            Bilingual(f"{path} cannot be written: {error.strerror}.", f"{path} ne peut pas être écrit : {system_words(error).fr}."),
            next_step=Bilingual("Check who may write in its folder.", "Vérifiez qui peut écrire dans son dossier."),
        ) from error
    try:
        if printer not in load(NodeSettings, draft).printers:
            raise ConfigurationError(
                Bilingual(f"{path} would not hold the printer.", f"{path} ne contiendrait pas l'imprimante."),
                next_step=Bilingual(
                    "Add it by hand, as configs/node.toml shows.", "Ajoutez-la à la main, comme le montre configs/node.toml."
                ),
            )
        draft.chmod(target.stat().st_mode & 0o777 if target.exists() else 0o644)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def add(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    url: Annotated[str, typer.Argument(metavar="PRINTER_URL", help="As `farm printers scan` shows it.")],
    name: Annotated[str, typer.Option(help="How people call it; unique on this node.")],
    profile: Annotated[str, typer.Option(help="Its class of printers, such as generic-210.")],
    material: Annotated[str, typer.Option(help="What is loaded.")] = "PLA",
    nozzle_mm: Annotated[float, typer.Option(help="The nozzle's diameter.")] = 0.4,
    config: Annotated[Path | None, typer.Option(help="node.toml to write to; made when there is none.")] = None,
    key_file: Annotated[Path | None, typer.Option(help="OctoPrint: where its key is, or shall be.")] = None,
    user: Annotated[str | None, typer.Option(help="OctoPrint: only this user may allow the key, which is then theirs.")] = None,
    no_probe: Annotated[bool, typer.Option("--no-probe", help="Write it without connecting to the printer.")] = False,
    json_output: Annotated[bool, typer.Option("--json", help="One line of JSON on standard output, also for an error.")] = False,
) -> None:
    """Try a printer, and write it into node.toml. For an OctoPrint without a key file, its owner is asked for a key first."""
    path = configuration(config) or USUAL[0]
    with errors_as_json(url, wanted=json_output):
        profile = check_new(path, url, name, profile)
        section(url, name, profile, material, nozzle_mm)
        check_writable(path)
        url = key_of(url, name, path, key_file, user, remarks=no_probe)
        if no_probe:
            check_url(url)
        found = None if no_probe else asyncio.run(look(url))
        printer = section(found.use or url if found else url, name, profile, material, nozzle_mm)
        add_to(path, printer)
    _tell(printer, path, found, json_output=json_output)


def section(url: str, name: str, profile: str, material: str, nozzle_mm: float) -> PrinterSection:
    """The printer as node.toml has it.

    Raises:
        InvalidError: a value is out of range.

    """
    try:
        return PrinterSection(name=name, url=url, profile=profile, material=material, nozzle_mm=nozzle_mm)
    except ValueError as error:
        wrong = ", ".join(str(problem["loc"][0]) for problem in getattr(error, "errors", list)())
        raise InvalidError(
            Bilingual(f"Out of range: {wrong}.", f"Hors limites : {wrong}."),
            next_step=Bilingual(
                "configs/node.toml shows what each may be.", "Regardez dans configs/node.toml les valeurs possibles de chacun."
            ),
        ) from error


def check_new(path: Path, url: str, name: str, profile: str) -> str:
    """Make sure that neither name nor printer is there already, before anybody is asked for anything; give the profile's whole id.

    The end of a bundled one (`ender3`) is enough, as for `farm gcode`.

    Raises:
        ConflictError: one of them is.
        NotFoundError: there is no such profile.
        ConfigurationError: the file, or a profile of its profiles_folder, is wrong.

    """
    from farm.profiles import all_profiles, profile_id  # noqa: PLC0415 - only here

    profiles = all_profiles(load(NodeSettings, path).profiles_folder if path.exists() else None)
    whole = profile_id(NotFoundError, profile, profiles)
    own = OwnPrinters.read(path) if path.exists() else OwnPrinters()
    if own.named(name):
        raise ConflictError(
            Bilingual(f"{path} has a printer {name} already.", f"{path} a déjà une imprimante {name}."),
            next_step=Bilingual("Choose another name.", "Choisissez un autre nom."),
        )
    if (other := own.same_as(url)) is not None:
        raise ConflictError(
            Bilingual(f"This printer is in {path} already, as {other}.", f"Cette imprimante est déjà dans {path} : {other}."),
            next_step=Bilingual("One printer has one name.", "Une imprimante a un seul nom."),
        )
    return whole


def check_writable(path: Path) -> None:
    """Make sure that node.toml can be written, before anybody is asked for anything.

    Raises:
        ConfigurationError: its folder is not there, or this user may not write in it.

    """
    folder = path.resolve().parent
    if not folder.is_dir():
        raise ConfigurationError(
            Bilingual(f"There is no folder {folder}.", f"Il n'y a pas de dossier {folder}."),
            next_step=Bilingual(
                "Make it, or name another file with --config.", "Créez-le, ou nommez un autre fichier avec --config."
            ),
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigurationError(
            Bilingual(f"You may not write in {folder}.", f"Vous n'avez pas le droit d'écrire dans {folder}."),
            next_step=Bilingual(
                "Run this as the user of the node, or name another file with --config.",
                "Lancez ceci sous l'utilisateur du nœud, ou nommez un autre fichier avec --config.",
            ),
        )


def key_of(url: str, name: str, config: Path, key_file: Path | None, user: str | None, *, remarks: bool = True) -> str:
    """The URL with its key file; OctoPrint is asked for a key when that file is not there yet. Another kind's URL as it is.

    `remarks`: say what is wrong with the permissions of the user; a probe says that too.

    Raises:
        DriverError: no key was given; nothing was changed.

    """
    if not urlsplit(url).scheme.startswith("octoprint+"):
        return url
    from drivers.octoprint.address import with_key_file  # noqa: PLC0415
    from drivers.octoprint.enrol import enrol  # noqa: PLC0415

    if "key_file=" in urlsplit(url).query and key_file is None:
        return url
    file = (key_file or config.parent / f"{_file_name(name)}.key").absolute()
    if file.exists():
        return with_key_file(url, file)

    def tell(text: Bilingual) -> None:
        say(f"farm: {spoken(text)}", err=True)
        say(f"farm: {spoken(_WAITING)}", err=True)

    enrolment = enrol(url, file, user=user, tell=tell)
    allowed = Bilingual(
        f"farm: {enrolment.user} allowed it; the key is in {enrolment.key_file}",
        f"farm: {enrolment.user} l'a permis ; la clé est dans {enrolment.key_file}",
    )
    say(allowed, err=True)
    for remark in enrolment.remarks if remarks else ():
        warn(remark)
    return enrolment.url


def _file_name(name: str) -> str:
    return "".join(sign if sign.isascii() and sign.isalnum() else "-" for sign in name.lower()).strip("-") or "printer"


def _tell(printer: PrinterSection, path: Path, found: "Findings | None", *, json_output: bool) -> None:
    command = f"{command_name()} node --config {path}"
    next_step = Bilingual(
        f"Restart the node, so that it knows: {command}", f"Redémarrez le nœud, pour qu'il la connaisse : {command}"
    )
    if json_output:
        record: dict[str, Any] = {**printer.model_dump(include={"name", "profile", "material"}), "config": str(path)}
        record |= {"url": shown_url(printer.url), "probe": found.record() if found else None, "next_step": next_step._asdict()}
        typer.echo(json.dumps(record, ensure_ascii=False))
        return
    if found is not None:
        firmware, state = found.status.firmware or found.kind, word(PRINTER_STATES, found.status.state)
        say(Bilingual(f"{firmware}: {state.en}.", f"{firmware} : {state.fr}."))
        for warning in found.warnings:
            warn(warning)
    say(Bilingual(f"{printer.name} is in {path} now.", f"{printer.name} est maintenant dans {path}."))
    say(as_typed(spoken(next_step)))
