"""`farm revision`, `farm requester` and `farm audit`: drafts and recalls, who asks for parts, and who answers for what."""

from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer

from farm.commands.asking import Yes, make_sure
from farm.commands.audit_told import entry
from farm.commands.client import AsJson, FarmClient, on_daemon
from farm.commands.manage import recall
from farm.commands.speech import number_of, plural_fr, say, say_json
from farm.commands.vocabulary import REVISION_STATES, VERDICTS, word
from farm.commands.which import requester_of, revision_of, subject_of
from farm.errors import InvalidError, command_name
from farm.library_views import AuditView, RequesterView, RevisionView
from farm.views import DesignView, ProgramView
from gcode.texts import NOTHING, Bilingual

revision_app = typer.Typer(help="Revisions of designs: drafts, released ones, recalled ones.", no_args_is_help=True)
requester_app = typer.Typer(help="Who asks for parts, and of which revisions they take them.", no_args_is_help=True)

_NO_REQUESTERS: Final = Bilingual(
    "No requesters yet: every order is for whom its destination names.",
    "Aucun demandeur : chaque commande est pour qui sa destination nomme.",
)
_NO_REVISIONS: Final = Bilingual("No revisions.", "Aucune révision.")
_STRICT: Final = Bilingual("gets only what it has approved", "ne reçoit que ce qu'il a approuvé")
_FREE: Final = Bilingual("gets every released revision", "reçoit toute révision validée")

Revision = Annotated[str, typer.Argument(help="Id of the revision, such as visor-frame-r3, or its end: r3.")]
Requester = Annotated[str, typer.Argument(help="Its name, or its id or the beginning or end of that.")]
By = Annotated[str, typer.Option(help="Who does this.")]
Why = Annotated[str, typer.Option(help="Why.")]


# --- farm revision


@revision_app.command("list")
@on_daemon
def list_revisions(
    client: FarmClient,
    design: Annotated[str | None, typer.Option(help="Only those of this design, by its name or id.")] = None,
    as_json: AsJson = False,
) -> None:
    """All revisions, the newest of each design first: whether they are released, and how many programs print them."""
    rows = [row for row in _revisions(client) if design is None or design in {row["design"], row["design_id"]}]
    if as_json:
        say_json(rows)
        return
    for row in rows:
        say(_listed(row))
    if not rows:
        say(_NO_REVISIONS)


def _revisions(client: FarmClient) -> list[dict[str, Any]]:
    """For programs: each revision with the name of its design, its state, and the programs that print it."""
    programs = [ProgramView.model_validate(row) for row in client.get("/programs")]
    counted = Counter(view.revision for view in programs)
    usable = Counter(view.revision for view in programs if view.usable)
    designs = [DesignView.model_validate(row) for row in client.get("/designs")]
    return [
        {
            "id": key,
            "design": design.name,
            "design_id": design.id,
            "state": "recalled" if key in design.recalled else "draft" if key in design.drafts else "released",
            "programs": counted[key],
            "usable": usable[key],
        }
        for design in designs
        for key in design.revisions
    ]


def _listed(row: Mapping[str, Any]) -> Bilingual:
    key, state, programs = row["id"], word(REVISION_STATES, row["state"]), number_of(row["programs"], "program")
    design, usable, less = row["design"], row["usable"], NOTHING
    if usable < row["programs"]:
        less = Bilingual(f" ({usable} usable)", f" ({usable} {plural_fr(usable, 'utilisable')})")
    return Bilingual(
        f"{key}: {state.en}, {programs}{less.en}, design {design}", f"{key} : {state.fr}, {programs.fr}{less.fr}, modèle {design}"
    )


@revision_app.command("show")
@on_daemon
def show_revision(client: FarmClient, revision: Revision, as_json: AsJson = False) -> None:
    """One revision: its state, and its programs for each class of printers."""
    answer = client.get(f"/revisions/{revision_of(client, revision)}")
    if as_json:
        say_json(answer)
        return
    view = RevisionView.model_validate(answer)
    state, by = word(REVISION_STATES, view.state), _by(view.released_by if view.state == "released" else "")
    say(Bilingual(f"{view.id}: {state.en}{by.en}", f"{view.id} : {state.fr}{by.fr}"))
    for program in view.programs:
        say(_variant(program))
    if view.approved_by:
        people = number_of(len(view.approved_by), "requester")
        say(Bilingual(f"  approved by {people}", f"  approuvée par {people.fr}"))


def _by(name: str) -> Bilingual:
    return Bilingual(f" by {name}", f" par {name}") if name else NOTHING


def _variant(program: ProgramView) -> Bilingual:
    """One of the programs that print a revision."""
    short, verdict, unusable = program.sha256[:12], word(VERDICTS, program.verdict), NOTHING
    if not program.usable:
        unusable = Bilingual(f", not usable: {verdict.en}", f", inutilisable : {verdict.fr}")
    return Bilingual(
        f"  {short}: {program.parts} a print on {program.profile}, {program.material}{unusable.en}",
        f"  {short} : {program.parts} par impression pour {program.profile}, {program.material}{unusable.fr}",
    )


@revision_app.command("release")
@on_daemon
def release_revision(
    client: FarmClient,
    revision: Revision,
    by: By,
    reason: Why = "",
    as_json: AsJson = False,
) -> None:
    """Release a draft: it may be ordered and printed from now on."""
    answer = client.post(f"/revisions/{revision_of(client, revision)}/release", {"by": by, "reason": reason})
    if as_json:
        say_json(answer)
        return
    view = RevisionView.model_validate(answer)
    whom, command = _by(view.released_by), f"{command_name()} order"
    say(
        Bilingual(
            f"{view.id} is released{whom.en}: order it with {command}.",
            f"{view.id} est validée{whom.fr} : commandez-la avec {command}.",
        )
    )


revision_app.command("recall")(recall)


# --- farm requester


@requester_app.command("list")
@on_daemon
def list_requesters(client: FarmClient, as_json: AsJson = False) -> None:
    """All requesters with what they have approved."""
    answer = client.get("/requesters")
    if as_json:
        say_json(answer)
        return
    for row in answer:
        _say_requester(RequesterView.model_validate(row))
    if not answer:
        say(_NO_REQUESTERS)


def _say_requester(view: RequesterView) -> None:
    kept, orders = _STRICT if view.approves else _FREE, number_of(view.open_orders, "open order")
    say(Bilingual(f"{view.name} ({view.id}): {kept.en}, {orders}", f"{view.name} ({view.id}) : {kept.fr}, {orders.fr}"))
    for approval in view.approvals:
        note = Bilingual(f": {approval.note}", f" : {approval.note}") if approval.note else NOTHING
        say(
            Bilingual(
                f"  {approval.revision}, approved by {approval.approved_by}{note.en}",
                f"  {approval.revision}, approuvée par {approval.approved_by}{note.fr}",
            )
        )


@requester_app.command("add")
@on_daemon
def add_requester(
    client: FarmClient,
    name: Annotated[str, typer.Argument(help="Who asks for parts, such as a group of hospitals.")],
    approves: Annotated[bool, typer.Option("--approves", help="It gets only parts of revisions that it has approved.")] = False,
    by: By = "operator",
    as_json: AsJson = False,
) -> None:
    """Add a requester."""
    answer = client.post("/requesters", {"name": name, "approves": approves, "by": by})
    if as_json:
        say_json(answer)
        return
    _say_requester(RequesterView.model_validate(answer))


@requester_app.command("change")
@on_daemon
def change_requester(
    client: FarmClient,
    requester: Requester,
    name: Annotated[str | None, typer.Option(help="Another name.")] = None,
    approves: Annotated[bool | None, typer.Option("--approves/--takes-all", help="Whether it keeps approvals.")] = None,
    by: By = "operator",
    as_json: AsJson = False,
) -> None:
    """Rename a requester, or let it keep approvals or not: open orders of what it has not approved wait then."""
    wish = {key: value for key, value in (("name", name), ("approves", approves)) if value is not None}
    if not wish:
        raise InvalidError(
            Bilingual("Nothing was to be changed.", "Il n'y avait rien à changer."),
            next_step=Bilingual("Give --name, --approves or --takes-all.", "Donnez --name, --approves ou --takes-all."),
        )
    answer = client.patch(f"/requesters/{requester_of(client, requester)}", {**wish, "by": by})
    if as_json:
        say_json(answer)
        return
    _say_requester(RequesterView.model_validate(answer))


@requester_app.command("approve")
@on_daemon
def approve(
    client: FarmClient,
    requester: Requester,
    revision: Revision,
    by: Annotated[str, typer.Option(help="The person of the requester who says so.")],
    note: Annotated[str, typer.Option(help="Why, or under which condition.")] = "",
    as_json: AsJson = False,
) -> None:
    """Record that a requester takes parts of a revision."""
    answer = client.post(
        f"/requesters/{requester_of(client, requester)}/approvals",
        {"revision": revision_of(client, revision), "by": by, "note": note},
    )
    if as_json:
        say_json(answer)
        return
    _say_requester(RequesterView.model_validate(answer))


@requester_app.command("withdraw")
@on_daemon
def withdraw(
    client: FarmClient,
    requester: Requester,
    revision: Revision,
    by: By = "operator",
    reason: Why = "",
    as_json: AsJson = False,
) -> None:
    """Record that a requester takes no more parts of a revision: its open orders of it wait."""
    answer = client.post(
        f"/requesters/{requester_of(client, requester)}/approvals/{revision_of(client, revision)}/withdraw",
        {"by": by, "reason": reason},
    )
    if as_json:
        say_json(answer)
        return
    _say_requester(RequesterView.model_validate(answer))


@requester_app.command("remove")
@on_daemon
def remove_requester(
    client: FarmClient,
    requester: Requester,
    yes: Yes = False,
    by: By = "operator",
) -> None:
    """Forget a requester that has no open orders, and its approvals."""
    view = RequesterView.model_validate(client.get(f"/requesters/{requester_of(client, requester)}"))
    approvals = number_of(len(view.approvals), "approval")
    make_sure(Bilingual(f"Forget {view.name} and {approvals}?", f"Oublier {view.name} et {approvals.fr} ?"), yes=yes)
    client.delete(f"/requesters/{view.id}", by=by)
    say(Bilingual(f"{view.name} is forgotten.", f"{view.name} est oublié."))


# --- farm audit


@on_daemon
def audit(
    client: FarmClient,
    subject: Annotated[
        str | None, typer.Argument(help="A program, a revision or a requester, as other commands take them.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="How many entries.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Who released, approved, recalled or withdrew what, and why; newest first."""
    query: dict[str, str | int] = {"limit": limit, **({"subject": subject_of(client, subject)} if subject else {})}
    answer = client.get("/audit", **query)
    if as_json:
        say_json(answer)
        return
    for row in answer:
        say(entry(AuditView.model_validate(row)))
    if not answer:
        say(Bilingual("Nothing is recorded.", "Rien n'est noté."))


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(revision_app, name="revision")
    app.add_typer(requester_app, name="requester")
    app.command()(audit)
