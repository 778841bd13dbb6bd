"""`farm try PRINTER_URL FILE.gcode`: prints one file on one printer, without daemon or broker, to see whether it works."""

import asyncio
import json
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from drivers.base import PrintEnd, PrintEnded
from farm.commands.device import errors_as_json, fault_record, shown_url
from farm.commands.overview import plain
from farm.commands.trial import CTRL_C, Display, Trial
from farm.errors import InvalidError, NotFoundError

if TYPE_CHECKING:
    from gcode.checks import Finding

CHUNK_BYTES: Final = 1024 * 1024
_COMMAND: Final = re.compile(rb"(?m)^[ \t]*(?:N\d+[ \t]*)?[GMT]\d", re.IGNORECASE)
_UNCHECKED: Final = "farm: the file is not checked against a printer; --profile generic-210 (or another profile) does that."
_SLICE: Final = "Slice the model to plain G-code for this printer and give that file."


def check_file(file: Path) -> None:
    """Make sure that `file` can be G-code at all, before a printer is touched.

    Raises:
        NotFoundError: there is no such file.
        InvalidError: it is a folder, empty, binary, or holds no command.

    """
    if not file.exists():
        raise NotFoundError(f"There is no file {file}.", next_step="Check the name.")
    if not file.is_file():
        raise InvalidError(f"{file} is no file.", next_step="Give the path of one G-code file.")
    found = False
    tail = b""
    try:
        with file.open("rb") as content:
            while chunk := content.read(CHUNK_BYTES):
                if b"\0" in chunk:
                    raise InvalidError(f"{file} is a binary file, not plain G-code.", next_step=_SLICE)
                found = found or _COMMAND.search(tail + chunk) is not None
                tail = chunk[chunk.rfind(b"\n") + 1 :][-64:]
    except OSError as error:
        raise InvalidError(f"{file} cannot be read: {error.strerror}.", next_step="Check who may read it.") from error
    if not found:
        what = "is empty" if file.stat().st_size == 0 else "holds no G-code command"
        raise InvalidError(f"{file} {what}.", next_step=_SLICE)


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
        return [f"{_place(finding)} {finding.rule.fix_en}" for finding in report.findings]
    broken = [finding for finding in report.findings if finding.severity is Severity.REJECT]
    places = " ".join(_place(finding) for finding in broken[:3])
    raise InvalidError(f"{file} must not be printed on {profile_id}: {places}", next_step=broken[0].rule.fix_en)


def _place(finding: "Finding") -> str:
    first = finding.hits[0]
    text = finding.rule.explanation_en
    return f"{text.removesuffix('.')} (line {first.line})." if first.line else text


async def _run(url: str, file: Path, transcript: Path | None) -> tuple[str, PrintEnded]:
    with Display() as display:
        trial = Trial(url, file, display, transcript)
        return trial.job, await trial.run()


def _tell(ended: PrintEnded) -> None:
    if ended.end is PrintEnd.DONE:
        return
    typer.echo(plain(f"farm: the print ended as {ended.end.value}: {ended.detail}"), err=True)
    if ended.fault is not None:
        typer.echo(plain(f"farm: the printer said {ended.fault.text!r}. {ended.fault.action_en}"), err=True)


def _warn(file: Path, profile: str | None) -> None:
    if profile is None:
        typer.echo(_UNCHECKED, err=True)
        return
    for warning in check_against(file, profile):
        typer.echo(f"farm: warning: {warning}", err=True)


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
        typer.echo(f"Done in {seconds:g} s.")
    sys.stdout.flush()
    if ended.end is not PrintEnd.DONE:
        raise typer.Exit(CTRL_C if ended.end is PrintEnd.CANCELLED and not ended.by_person else 1)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("try")(try_print)
