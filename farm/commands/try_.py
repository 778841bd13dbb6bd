"""`farm try PRINTER_URL FILE.gcode`: prints one file on one printer, without daemon or broker, to see whether it works."""

import asyncio
import json
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from drivers.base import Fault, PrintEnd, PrintEnded
from farm.commands.device import errors_as_json, fault_record, shown_url
from farm.commands.speech import decimal, say
from farm.commands.trial import CTRL_C, Display, Trial
from farm.commands.vocabulary import word
from farm.errors import InvalidError, NotFoundError
from farm.language import spoken, system_words
from gcode.texts import NOTHING, Bilingual, Told, both

if TYPE_CHECKING:
    from gcode.checks import Finding

CHUNK_BYTES: Final = 1024 * 1024
_COMMAND: Final = re.compile(rb"(?m)^[ \t]*(?:N\d+[ \t]*)?[GMT]\d", re.IGNORECASE)
_UNCHECKED: Final = Bilingual(
    "the file is not checked against a printer; --profile generic-210 (or another profile) does that.",
    "le fichier n'est pas vérifié pour une imprimante ; --profile generic-210 (ou un autre profil) le fait.",
)
_WARNING: Final = Bilingual("warning:", "attention :")
# In French it is said of an impression: "elle a échoué".
_ENDS: Final = {
    "done": Bilingual("done", "est finie"),
    "failed": Bilingual("failed", "a échoué"),
    "cancelled": Bilingual("cancelled", "a été annulée"),
    "interrupted": Bilingual("interrupted", "a été interrompue"),
}
_SLICE: Final = Bilingual(
    "Slice the model to plain G-code for this printer and give that file.",
    "Tranchez le modèle en G-code simple pour cette imprimante et donnez ce fichier.",
)


def check_file(file: Path) -> None:
    """Make sure that `file` can be G-code at all, before a printer is touched.

    Raises:
        NotFoundError: there is no such file.
        InvalidError: it is a folder, empty, binary, or holds no command.

    """
    if not file.exists():
        raise NotFoundError(
            Bilingual(f"There is no file {file}.", f"Il n'y a pas de fichier {file}."),
            next_step=Bilingual("Check the name.", "Vérifiez le nom."),
        )
    if not file.is_file():
        raise InvalidError(
            Bilingual(f"{file} is no file.", f"{file} n'est pas un fichier."),
            next_step=Bilingual("Give the path of one G-code file.", "Donnez le chemin d'un fichier G-code."),
        )
    found = False
    tail = b""
    try:
        with file.open("rb") as content:
            while chunk := content.read(CHUNK_BYTES):
                if b"\0" in chunk:
                    raise InvalidError(
                        Bilingual(
                            f"{file} is a binary file, not plain G-code.",
                            f"{file} est un fichier binaire, pas du G-code simple.",
                        ),
                        next_step=_SLICE,
                    )
                found = found or _COMMAND.search(tail + chunk) is not None
                tail = chunk[chunk.rfind(b"\n") + 1 :][-64:]
    except OSError as error:
        raise InvalidError(
            Bilingual(f"{file} cannot be read: {error.strerror}.", f"{file} ne peut pas être lu : {system_words(error).fr}."),
            next_step=Bilingual("Check who may read it.", "Vérifiez qui peut le lire."),
        ) from error
    if not found:
        empty = file.stat().st_size == 0
        raise InvalidError(
            Bilingual(
                f"{file} {'is empty' if empty else 'holds no G-code command'}.",
                f"{file} {'est vide' if empty else 'ne contient aucune commande G-code'}.",
            ),
            next_step=_SLICE,
        )


def check_against(file: Path, profile_id: str) -> list[str]:
    """Make sure that `file` keeps the rules of a class of printers; return what is doubtful but allowed, a line each.

    Raises:
        NotFoundError: there is no such profile; the farm's own ones are known as to `farm gcode`.
        InvalidError: a rule is broken; the message has the first places.

    """
    from farm.commands.gcode_profiles import profile_named  # noqa: PLC0415 - only with --profile
    from gcode.checks import inspect  # noqa: PLC0415
    from gcode.rules import Severity  # noqa: PLC0415

    profile = profile_named(profile_id)
    with file.open("rb") as content:
        (report,) = inspect(content, (profile,)).reports
    if report.printable:
        fixes = (Bilingual(finding.rule.fix_en, finding.rule.fix_fr) for finding in report.findings)
        return [f"{spoken(_place(finding))} {spoken(fix)}" for finding, fix in zip(report.findings, fixes, strict=True)]
    broken = [finding for finding in report.findings if finding.severity is Severity.REJECT]
    places = [_place(finding) for finding in broken[:3]]
    raise InvalidError(
        Bilingual(
            f"{file} must not be printed on {profile_id}: {' '.join(place.en for place in places)}",
            f"{file} ne doit pas être imprimé sur {profile_id} : {' '.join(place.fr for place in places)}",
        ),
        next_step=Bilingual(broken[0].rule.fix_en, broken[0].rule.fix_fr),
    )


def _place(finding: "Finding") -> Bilingual:
    line, rule = finding.hits[0].line, finding.rule
    if not line:
        return Bilingual(rule.explanation_en, rule.explanation_fr)
    return Bilingual(
        f"{rule.explanation_en.removesuffix('.')} (line {line}).", f"{rule.explanation_fr.removesuffix('.')} (ligne {line})."
    )


async def _run(url: str, file: Path, transcript: Path | None) -> tuple[str, PrintEnded]:
    with Display() as display:
        trial = Trial(url, file, display, transcript)
        return trial.job, await trial.run()


def _tell(ended: PrintEnded) -> None:
    if ended.end is PrintEnd.DONE:
        return
    end, detail, fault = word(_ENDS, ended.end), both(ended.detail), ended.fault
    if detail.en == "Cancelled.":  # and no more of it is known
        say(Bilingual("farm: the print was cancelled.", "farm: l'impression a été annulée."), err=True)
    else:
        say(
            Bilingual(f"farm: the print ended as {end.en}: {detail.en}", f"farm: l'impression {end.fr} : {detail.fr}"),
            err=True,
        )
    if fault is not None and fault.action_en not in detail.en:
        said = _said_of(fault, detail)
        say(Bilingual(f"farm: {said.en}{fault.action_en}", f"farm: {said.fr}{fault.action_fr}"), err=True)


def _said_of(fault: Fault, detail: Bilingual) -> Bilingual:
    """The machine's own line; words of ours only where the end does not hold them."""
    said = both(fault.text)
    if isinstance(fault.text, Told):
        return NOTHING if said.en.rstrip(".") in detail.en else Bilingual(f"{said.en}. ", f"{said.fr}. ")
    return Bilingual(f"the printer said {said.en!r}. ", f"l'imprimante a dit {said.fr!r}. ") if said.en else NOTHING


def _warn(file: Path, profile: str | None) -> None:
    if profile is None:
        typer.echo(f"farm: {spoken(_UNCHECKED)}", err=True)
        return
    for warning in check_against(file, profile):
        typer.echo(f"farm: {spoken(_WARNING)} {warning}", err=True)


def record(job: str, ended: PrintEnded, seconds: float, url: str) -> dict[str, Any]:
    """The end of a print for programs; `printer` without what may name a key."""
    return {
        "job": job,
        "end": ended.end.value,
        "seconds": seconds,
        "printer": shown_url(url),
        "detail": ended.detail,
        "by_person": ended.by_person,
        "fault": fault_record(ended.fault) if ended.fault is not None else None,
    }


def try_print(
    url: Annotated[str, typer.Argument(metavar="PRINTER_URL", help="Such as marlin:///dev/ttyUSB0?baud=115200 or virtual://")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Plain G-code.")],
    json_output: Annotated[bool, typer.Option("--json", help="End with one line of JSON on standard output.")] = False,
    transcript: Annotated[Path | None, typer.Option(help="At the end write what was said on the wire into this file.")] = None,
    profile: Annotated[
        str | None, typer.Option(help="Check FILE first against this class of printers, such as generic-210.")
    ] = None,
) -> None:
    """Print FILE on one printer, without daemon or broker; what the machine asks is asked here.

    Ctrl-C cancels the print and makes the machine safe.
    """
    with errors_as_json(url, wanted=json_output):
        check_file(file)
        _warn(file, profile)
        began_s = time.monotonic()
        job, ended = asyncio.run(_run(url, file, transcript))
    seconds = round(time.monotonic() - began_s, 1)
    _tell(ended)
    if json_output:
        typer.echo(json.dumps(record(job, ended, seconds, url), ensure_ascii=False))
    elif ended.end is PrintEnd.DONE:
        say(Bilingual(f"Done in {seconds:g} s.", f"Terminé en {decimal(seconds).fr} s."))
    sys.stdout.flush()
    if ended.end is not PrintEnd.DONE:
        raise typer.Exit(CTRL_C if ended.end is PrintEnd.CANCELLED and not ended.by_person else 1)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("try")(try_print)
