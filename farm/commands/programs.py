"""`farm program`: G-code files of the farm: added with progress, shown with what was found in them, released by somebody."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Final

import typer

from farm.commands.asking import Yes, make_sure
from farm.commands.client import AsJson, FarmClient, ProblemError, on_daemon
from farm.commands.speech import decimal, duration, number_of, say, say_json
from farm.commands.vocabulary import SEVERITIES, VERDICTS, word
from farm.commands.which import program_of
from farm.errors import ConfigurationError, InvalidError, command_name
from farm.language import spoken, system_words
from farm.library_views import FindingView, ProgramDetail, ReportView
from farm.views import ProgramView, UploadView
from gcode.texts import NOTHING, Bilingual
from scheduler.model import Verdict

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

program_app = typer.Typer(help="G-code files of the farm.", no_args_is_help=True)

BIG_BYTES: Final = 5 * 1024**2  # from here on the way and the check are shown
_LOOK_FIRST_S: Final = 0.1
_LOOK_MOST_S: Final = 1.0
_LOOK_GROWTH: Final = 1.5
_MOST_HITS: Final = 3
_SENDING: Final = Bilingual("sending", "envoi")
_STEPS: Final = {
    "waiting": Bilingual("waiting for its turn", "attend son tour"),
    "opening": Bilingual("opening", "ouverture"),
    "checking": Bilingual("checking", "vérification"),
    "drawing": Bilingual("drawing", "dessin"),
    "saving": Bilingual("saving", "enregistrement"),
}
_NOT_CHECKED: Final = Bilingual(
    "  Not checked by this version yet: it counts as it was judged before.",
    "  Pas encore vérifié par cette version : il compte comme il a été jugé avant.",
)
_NO_PROGRAMS: Final = Bilingual("No programs yet.", "Aucun programme.")
_REJECTED_LATER: Final = Bilingual(
    "    rejected by a later check: nothing more of it is printed; upload a corrected file",
    "    refusé par une vérification plus récente : rien de plus n'en est imprimé ; envoyez un fichier corrigé",
)

Program = Annotated[str, typer.Argument(help="Its SHA-256, or the beginning or end of it.")]
By = Annotated[str, typer.Option(help="The person who answers for it.")]
Why = Annotated[str, typer.Option(help="Why.")]


# --- farm program add


@program_app.command("add")
@on_daemon
def add_program(  # noqa: PLR0913, PLR0917 - one parameter for each option
    client: FarmClient,
    file: Annotated[Path, typer.Argument(help="G-code of a slicer; also .gz, .zst, .bgcode, .ufp, .gcode.3mf.")],
    design: Annotated[str, typer.Option(help="What it prints, such as visor-frame.")],
    revision: Annotated[str, typer.Option(help="Which revision, such as visor-frame-r3.")],
    profile: Annotated[str, typer.Option(help="The class of printers it was sliced for, such as generic-210 or ender3.")],
    parts: Annotated[int, typer.Option(min=1, max=1_000, help="Parts that one print yields.")] = 1,
    material: Annotated[str, typer.Option(help="Filament it needs.")] = "PLA",
    name: Annotated[str, typer.Option(help="How people call it; the file's name if left out.")] = "",
    draft: Annotated[bool, typer.Option("--draft", help="A new revision is not released by this upload.")] = False,
    by: Annotated[str, typer.Option(help="Who uploads it, and so releases a new revision.")] = "operator",
    as_json: AsJson = False,
) -> None:
    """Add a G-code file; the farm checks it first. The same file again changes nothing."""
    fields = {"design": design, "revision": revision, "profile": profile, "parts": str(parts), "material": material}
    fields |= {"name": name or file.name, "draft": str(draft).lower(), "by": by}
    try:
        with file.open("rb") as stream:
            size_bytes = file.stat().st_size
            if file.is_file() and not size_bytes:
                raise _empty(file)
            with _bar(size_bytes, shown=size_bytes >= BIG_BYTES and not as_json) as bar:
                answer = client.upload("/programs", fields, file.name, bar.watched(stream), background=True)
                sha256 = _ended(client, answer, bar)
            view = client.get(f"/programs/{sha256}")
    except OSError as error:
        raise ConfigurationError(
            Bilingual(f"{file} cannot be read: {error.strerror}.", f"{file} ne peut pas être lu : {system_words(error).fr}."),
            next_step=Bilingual("Check the path.", "Vérifiez le chemin."),
        ) from error
    if as_json:
        say_json(view)
        return
    found = ProgramDetail.model_validate(view)
    line, grams = _line(found), f", {found.filament_g:.0f} g"
    say(Bilingual(line.en + grams, line.fr + grams))
    _say_standing(found)


def _empty(file: Path) -> InvalidError:
    return InvalidError(
        Bilingual(f"{file} is empty.", f"{file} est vide."),
        next_step=Bilingual(
            "Export it once more from the slicer and send the new file.",
            "Exportez-le encore une fois depuis le trancheur et envoyez le nouveau fichier.",
        ),
        code="empty",
    )


def _ended(client: FarmClient, answer: dict[str, Any], bar: "_Bar") -> str:
    """Wait until the farm has checked what it was sent; return the program's hash. ProblemError: it was refused."""
    if "state" not in answer:
        return str(answer["sha256"])  # a daemon that knows no background
    view, wait_s = UploadView.model_validate(answer), _LOOK_FIRST_S
    while view.program is None and view.problem is None:
        bar.step(view)
        time.sleep(wait_s)
        wait_s = min(_LOOK_MOST_S, wait_s * _LOOK_GROWTH)
        view = UploadView.model_validate(client.get(f"/uploads/{view.id}"))
    if view.problem is not None:
        bar.close()
        for finding in view.problem.get("findings", ()):
            _say_finding(FindingView.model_validate(finding))
        raise ProblemError(view.problem, 422)
    return str(view.program)


class _Bar:
    """Shows how far a big file is, on standard error; nothing for a small one."""

    def __init__(self, progress: "Progress | None", size_bytes: int) -> None:
        self._progress = progress
        self._size_bytes = size_bytes
        self._task: TaskID | None = None
        if progress is not None:
            self._task = progress.add_task(spoken(_SENDING), total=size_bytes)

    def watched(self, stream: BinaryIO) -> BinaryIO:
        """The same file, whose reading is shown."""
        if self._progress is None or self._task is None:
            return stream
        watched: Any = self._progress.wrap_file(stream, total=self._size_bytes, task_id=self._task)
        return _WithDescriptor(watched, stream.fileno())  # type: ignore[return-value] # it reads, which is all that is asked of it

    def step(self, view: UploadView) -> None:
        """What the farm does with it now."""
        if self._progress is not None and self._task is not None:
            described = spoken(word(_STEPS, view.state))
            self._progress.update(self._task, description=described, completed=view.done, total=view.of or None)

    def close(self) -> None:
        """Leave the line to others."""
        if self._progress is not None:
            self._progress.stop()


class _WithDescriptor:
    """A watched file with the descriptor of the real one, by which its size is found out."""

    def __init__(self, watched: BinaryIO, descriptor: int) -> None:
        self._watched = watched
        self._descriptor = descriptor

    def fileno(self) -> int:
        """The real file's."""
        return self._descriptor

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        return self._watched.read(size)


@contextmanager
def _bar(size_bytes: int, *, shown: bool) -> Iterator[_Bar]:
    if not shown:
        yield _Bar(None, size_bytes)
        return
    from rich.console import Console  # noqa: PLC0415 - only for people
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(console=Console(stderr=True), transient=True) as progress:
        yield _Bar(progress, size_bytes)


# --- farm program list, show


@program_app.command("list")
@on_daemon
def list_programs(client: FarmClient, as_json: AsJson = False) -> None:
    """List the G-code files of the farm."""
    answer = client.get("/programs")
    if as_json:
        say_json(answer)
        return
    if not answer:
        say(_NO_PROGRAMS)
        return
    designs = client.get("/designs")
    drafts = {key for design in designs for key in design.get("drafts", ())}
    names = {design["id"]: design["name"] for design in designs}  # people ordered by the name that they gave
    for row in answer:
        view = ProgramView.model_validate(row)
        line, design = _line(view), names.get(view.design, view.design)
        draft = Bilingual(", draft", ", brouillon") if view.revision in drafts else NOTHING
        say(Bilingual(f"{line.en}, {view.name}, design {design}{draft.en}", f"{line.fr}, {view.name}, modèle {design}{draft.fr}"))
        _say_standing(view)


@program_app.command()
@on_daemon
def show(
    client: FarmClient,
    program: Program,
    every: Annotated[bool, typer.Option("--all", help="What every profile says of it, not its own alone.")] = False,
    as_json: AsJson = False,
) -> None:
    """One program: what it does, its verdict, and every finding with its lines and what helps."""
    answer = client.get(f"/programs/{program_of(client, program)}")
    if as_json:
        say_json(answer)
        return
    view = ProgramDetail.model_validate(answer)
    _say_what(view)
    for report in view.reports if every else view.reports[:1]:
        _say_report(report)
    if not every:
        _say_verdicts(view.reports[1:])
    _say_standing(view, warnings=False)
    if not view.checked:
        say(_NOT_CHECKED)


def _say_what(view: ProgramDetail) -> None:
    parts, time_span, layers = number_of(view.parts, "part"), duration(view.estimated_s), number_of(view.layers, "layer")
    size = f"{view.size_bytes:,}"
    say(f"{view.sha256}  {view.name}")
    say(
        Bilingual(
            f"  {parts} of {view.revision} on {view.profile}, {view.material}, nozzle {view.nozzle_mm:g} mm",
            f"  {parts.fr} de {view.revision} pour {view.profile}, {view.material}, buse {decimal(view.nozzle_mm).fr} mm",
        )
    )
    say(
        Bilingual(
            f"  {time_span}, {view.filament_g:.1f} g, {layers}, {size} bytes",
            f"  {time_span.fr}, {decimal(view.filament_g, '.1f').fr} g, {layers.fr}, {size.replace(',', ' ')} octets",
        )
    )


def _say_report(report: ReportView) -> None:
    verdict, revision = word(VERDICTS, report.verdict), report.profile_revision or "-"
    say(
        Bilingual(
            f"  {report.profile}: {verdict.en} (rules {report.rule_set}, revision {revision})",
            f"  {report.profile} : {verdict.fr} (règles {report.rule_set}, révision {revision})",
        )
    )
    for finding in report.findings:
        _say_finding(finding, indent="    ")


def _say_verdicts(reports: Iterable[ReportView]) -> None:
    """What other profiles say of it, in short: one line for each verdict."""
    profiles: dict[Verdict, list[str]] = {}
    for report in reports:
        profiles.setdefault(report.verdict, []).append(report.profile)
    for verdict in (Verdict.PASS, Verdict.TRUSTED_ONLY, Verdict.REJECT):
        if verdict in profiles:
            said, named = word(VERDICTS, verdict), ", ".join(profiles[verdict])
            say(Bilingual(f"  {said.en} on {named}", f"  {said.fr} pour {named}"))


def _say_finding(finding: FindingView, indent: str = "") -> None:
    severity, explanation = word(SEVERITIES, finding.severity), finding.explanation
    named = f"{finding.rule}{f', {finding.count} x' if finding.count > 1 else ''}"
    say(
        Bilingual(
            f"{indent}{severity.en} {named}: {explanation.en}",
            f"{indent}{severity.fr} {named} : {explanation.fr}",
        )
    )
    for hit in finding.hits[:_MOST_HITS]:
        if hit.line:
            detail = "" if hit.detail in {"", hit.text, finding.rule} else f"  ({hit.detail})"
            text = f"{hit.text}{detail}"
            say(Bilingual(f"{indent}  line {hit.line}: {text}", f"{indent}  ligne {hit.line} : {text}"))
        elif hit.detail:
            say(f"{indent}  {hit.detail}")
    say(Bilingual(f"{indent}  -> {finding.fix.en}", f"{indent}  -> {finding.fix.fr}"))


# --- farm program release, withdraw, remove


@program_app.command()
@on_daemon
def release(
    client: FarmClient,
    program: Program,
    by: By,
    reason: Why,
    as_json: AsJson = False,
) -> None:
    """Answer for a program that needs trust: it may be given to printers then. The audit keeps who, what for and why."""
    answer = client.post(f"/programs/{program_of(client, program)}/release", {"by": by, "reason": reason})
    if as_json:
        say_json(answer)
        return
    view = ProgramView.model_validate(answer)
    short, trust = view.sha256[:12], ", ".join(view.trust)
    say(
        Bilingual(
            f"{short}: {view.released_by} answers for {trust}. It may be printed.",
            f"{short} : {view.released_by} répond de {trust}. Il peut être imprimé.",
        )
    )


@program_app.command()
@on_daemon
def withdraw(
    client: FarmClient,
    program: Program,
    by: By = "operator",
    reason: Why = "",
    as_json: AsJson = False,
) -> None:
    """Take a release back: nothing more of the program is started; what prints goes on."""
    answer = client.post(f"/programs/{program_of(client, program)}/withdraw", {"by": by, "reason": reason})
    if as_json:
        say_json(answer)
        return
    short = answer["sha256"][:12]
    say(
        Bilingual(
            f"{short}: nobody answers for it any more; nothing new of it is started.",
            f"{short} : plus personne n'en répond ; rien de plus n'en est lancé.",
        )
    )


@program_app.command()
@on_daemon
def remove(
    client: FarmClient,
    program: Program,
    yes: Yes = False,
    by: Annotated[str, typer.Option(help="Who removes it.")] = "operator",
    reason: Why = "",
) -> None:
    """Forget a file that was uploaded by mistake, while nothing was printed of it. Upload it again, rightly."""
    view = ProgramView.model_validate(client.get(f"/programs/{program_of(client, program)}"))
    if (lost := _orders_without(client, view)) is not None:
        say(lost, err=True)
    question = Bilingual(
        f"Remove {view.name} ({view.parts} x {view.revision} on {view.profile}) from the farm? Its file goes too.",
        f"Supprimer {view.name} ({view.parts} x {view.revision} pour {view.profile}) de la ferme ? Son fichier disparaît aussi.",
    )
    make_sure(question, yes=yes)
    client.delete(f"/programs/{view.sha256}", by=by, reason=reason)
    short = view.sha256[:12]
    say(Bilingual(f"{short} is removed.", f"{short} est supprimé."))


def _orders_without(client: FarmClient, view: ProgramView) -> Bilingual | None:
    """What becomes of the open orders of its revision, as the page tells it (api/static/removal.js); None: nothing changes."""
    if any(row["revision"] == view.revision and row["sha256"] != view.sha256 for row in client.get("/programs")):
        return None
    orders = client.get("/orders")
    count = sum(row["revision"] == view.revision and row["state"] == "open" for row in orders)
    if not count:
        return None
    counted = number_of(count, "open order")
    wait, wait_fr = ("waits", "attend") if count == 1 else ("wait", "attendent")
    return Bilingual(
        f"{view.revision} stays, without any program. {counted} {wait} until another program prints it.",
        f"{view.revision} reste, sans aucun programme. {counted.fr} {wait_fr} qu'un autre programme l'imprime.",
    )


# --- in words


def _say_standing(view: ProgramView, *, warnings: bool = True) -> None:
    """What people should know of a program beside what it prints."""
    if view.verdict is Verdict.REJECT:
        say(_REJECTED_LATER)
    elif view.verdict is Verdict.TRUSTED_ONLY:
        _say_trust(view)
    for warning in view.warnings if warnings else ():
        if warning.code not in view.trust:
            say(Bilingual(f"    warning: {warning.en}", f"    attention : {warning.fr}"))


def _say_trust(view: ProgramView) -> None:
    trust = ", ".join(view.trust)
    if view.usable:
        say(
            Bilingual(
                f"    released by {view.released_by} ({trust}): {view.release_reason}",
                f"    validé par {view.released_by} ({trust}) : {view.release_reason}",
            )
        )
        return
    command = f"    {command_name()} program release {view.sha256[:12]}"
    say(Bilingual(f"    needs somebody who answers for {trust}:", f"    attend quelqu'un qui réponde de {trust} :"))
    say(Bilingual(f"{command} --by NAME --reason WHY", f"{command} --by NOM --reason RAISON"))


def _line(view: ProgramView) -> Bilingual:
    short, printed, time_span = view.sha256[:12], f"{view.parts} x {view.revision}", duration(view.estimated_s)
    return Bilingual(
        f"{short}: {printed} on {view.profile}, {time_span}", f"{short} : {printed} pour {view.profile}, {time_span.fr}"
    )


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(program_app, name="program")
