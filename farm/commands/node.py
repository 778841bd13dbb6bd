"""`farm node` and `farm node join`: the agent beside one or more printers; and its page for people without a browser."""

import json
import os
import socket
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from farm.commands.asking import Yes, make_sure
from farm.commands.node_limits import limits
from farm.commands.speech import number_of, say
from farm.commands.vocabulary import BED_STATES, OUTCOMES, PRINTER_STATES, word
from farm.config import NodeSettings, load
from farm.errors import ConflictError, as_typed, command_name
from farm.language import spoken
from gcode.texts import NOTHING, Bilingual, Told

if TYPE_CHECKING:
    from farm.node.page.client import PageClient

_NO_PRINTERS = Bilingual(
    "It has no printers yet: list them in a node.toml (configs/node.toml shows how) and name that with --config.",
    "Il n'a pas encore d'imprimantes : indiquez-les dans un node.toml (configs/node.toml montre comment), et nommez-le avec "
    "--config.",
)
_WAITS_FR, _WAIT_FR = "attend d'être dit", "attendent d'être dits"
_DISK_FULL = Bilingual(
    "The disk is full or nearly full: nothing new starts. Free some space.",
    "Le disque est plein ou presque : rien de nouveau n'est lancé. Libérez de la place.",
)
_NO_TRANSCRIPTS = Bilingual(
    "None yet: one is kept when a printer that records its wire fails.",
    "Aucune transcription pour l'instant : une est gardée quand échoue une imprimante qui note ses échanges.",
)
node_app = typer.Typer(help="Run the agent beside your printers, or join a farm first.", invoke_without_command=True)

_Config = Annotated[Path | None, typer.Option(help="node.toml; without it the defaults hold.")]
_Data = Annotated[Path | None, typer.Option(help="Data folder, instead of the configuration's.")]
_AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text for people.")]


@node_app.callback()
def run(context: typer.Context, config: _Config = None, data: _Data = None) -> None:
    """Run the agent: print what the farm allocates, also while the farm cannot be reached."""
    if context.invoked_subcommand is not None:  # `farm node --config X status` means what `farm node status --config X` means
        given = {name: str(path) for name, path in (("config", config), ("data", data)) if path is not None}
        context.default_map = {context.invoked_subcommand: given}
        return
    options = [f"--{name}={path}" for name, path in (("config", config), ("data", data)) if path is not None]
    from farm.node.memory import LEAN  # noqa: PLC0415

    # The same process becomes the agent: what only the command line needs would be a fifth of the agent's memory.
    os.execv(sys.executable, [sys.executable, *LEAN, "-m", "farm.node", *options])  # noqa: S606 - no shell


@node_app.command()
def join(
    url: Annotated[str, typer.Argument(help="The farm's address, such as https://farm.local:8080")],
    code: Annotated[str, typer.Argument(help="The code of your invitation, such as BCDF-GHJK")],
    config: _Config = None,
    data: _Data = None,
    name: Annotated[str, typer.Option(help="How people call this node; the host name if left out.")] = "",
    again: Annotated[bool, typer.Option("--again", help="Replace the identity that the data folder has.")] = False,
) -> None:
    """Join a farm with the code of an invitation. Writes who this node is into the data folder."""
    from farm.node.join import join as join_farm  # noqa: PLC0415

    settings = load(NodeSettings, config)
    folder = data or settings.data
    identity = join_farm(url, code, folder, name or settings.name or socket.gethostname(), again=again)
    options = "".join(f" --{option} {path}" for option, path in (("config", config), ("data", data)) if path is not None)
    command = f"{command_name()} node{options}"
    say(
        Bilingual(
            f"This is now node {identity.node} of {identity.farm_url}. Start it with: {command}",
            f"Ce nœud est maintenant {identity.node}, de la ferme {identity.farm_url}. Lancez-le avec : {command}",
        )
    )
    if not settings.printers:
        say(_NO_PRINTERS)


def _page(config: Path | None, data: Path | None) -> "PageClient":
    from farm.node.page.client import PageClient  # noqa: PLC0415

    settings = load(NodeSettings, config)
    return PageClient(settings if data is None else settings.model_copy(update={"data": data}))


def _say_json(value: object) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))


@node_app.command()
def page(config: _Config = None, data: _Data = None, as_json: _AsJson = False) -> None:
    """Show the address of this node's own page, with its token if it needs one: whoever has it may collect and stop printers."""
    urls = _page(config, data).urls()
    if as_json:
        _say_json({"urls": urls})
        return
    for url in urls:
        typer.echo(url)


def about(seconds: float) -> Told:
    """A time span for people, in one figure: about 40 s, about 12 min, about 12 h, about 3 d."""
    for unit, unit_fr, unit_s, from_s in (("d", "j", 86_400, 172_800), ("h", "h", 3_600, 5_400), ("min", "min", 60, 90)):
        if seconds >= from_s:
            return Told("span", f"about {seconds / unit_s:.0f} {unit}", f"environ {seconds / unit_s:.0f} {unit_fr}")
    return Told("span", f"about {seconds:.0f} s", f"environ {seconds:.0f} s")


def _contact(farm: dict[str, Any]) -> Bilingual:
    age_s = farm["contact_age_s"]
    if age_s is None:
        return Bilingual(
            "no contact with the farm since the agent started", "aucun contact avec la ferme depuis le démarrage de l'agent"
        )
    age = about(age_s)
    if farm["by_person"]:
        return Bilingual(f'somebody here said "go on" {age} ago', f"quelqu'un ici a dit « continuer » il y a {age.fr}")
    return Bilingual(f"last contact with the farm {age} ago", f"dernier contact avec la ferme il y a {age.fr}")


def _untold(count: int) -> Bilingual:
    if not count:
        return Bilingual("Everything is told.", "Tout lui est dit.")
    events = number_of(count, "event")
    return Bilingual(
        f"{events} {'waits' if count == 1 else 'wait'} to be told to the farm, safe on this computer.",
        f"{events.fr} {_WAITS_FR if count == 1 else _WAIT_FR} à la ferme, en sûreté sur cet ordinateur.",
    )


def _next(farm: dict[str, Any]) -> Bilingual:
    """What still starts here, and what a person may do about it."""
    waiting = farm["waiting"]
    if not waiting:
        return Bilingual(
            "Nothing waits to be started: what comes next is for the farm to give.",
            "Rien n'attend d'être lancé : c'est à la ferme de donner la suite.",
        )
    jobs, may = number_of(waiting, "job"), "peut" if waiting == 1 else "peuvent"
    if farm["goes_on_s"]:
        span = about(farm["goes_on_s"])
        return Bilingual(
            f"{jobs} may still start, also without the farm for {span} more.",
            f"{jobs.fr} {may} encore démarrer, même sans la ferme pendant {span.fr}.",
        )
    return Bilingual(
        f"{jobs} may still start, but not before the farm is back. If the parts are needed all the same: farm node go-on",
        f"{jobs.fr} {may} encore démarrer, mais pas avant le retour de la ferme. Si les pièces sont utiles quand même : "
        "farm node go-on",
    )


def _on_the_bed(printer: dict[str, Any]) -> Bilingual:
    occupation = printer["occupation"]
    if occupation is None:
        return NOTHING
    job = occupation["job"]
    if job is not None:
        parts, outcome = number_of(job["parts"], "part"), occupation["outcome"]
        if outcome is None:
            return Bilingual(f", {job['job']} ({parts})", f", {job['job']} ({parts.fr})")
        came = word(OUTCOMES, outcome)
        return Bilingual(
            f", {job['job']} ({parts}, {came.en}: collect it)", f", {job['job']} ({parts.fr} ; elle {came.fr} : à collecter)"
        )
    if printer["state"] == "foreign":
        return Bilingual(", somebody else's print", ", l'impression de quelqu'un d'autre")
    command = f"`{command_name()} node clear-bed {printer['id']}`"
    return Bilingual(f", look at it, clear it and say so ({command})", f" ; regardez-le, videz-le et dites-le ({command})")


def _row(printer: dict[str, Any]) -> Bilingual:
    progress = "" if printer["progress"] is None or printer["occupation"] is None else printer["progress"]
    en, fr = ("", "") if progress == "" else (f" {progress:.0%}", f" {progress * 100:.0f} %")
    why = Bilingual(f" {printer['reason']['en']}", f" {printer['reason']['fr']}") if printer["reason"] else NOTHING
    if printer.get("prompt"):  # an older agent does not say
        asks, command = printer["prompt"], f"{command_name()} node answer {printer['id']}"
        asks_fr = asks.get("text_fr") or asks["text"]
        why = Bilingual(f"{why.en} It asks: {asks['text']} ({command})", f"{why.fr} Elle demande : {asks_fr} ({command})")
    state, bed, there = word(PRINTER_STATES, printer["state"]), word(BED_STATES, printer["bed"]), _on_the_bed(printer)
    return Bilingual(
        f"{printer['name']}: {state.en}{en}, bed {bed.en}{there.en}.{why.en}",
        f"{printer['name']} : {state.fr}{fr}, plateau {bed.fr}{there.fr}.{why.fr}",
    )


def _refusals(printer: dict[str, Any]) -> list[Bilingual]:
    """What this node does not print on a printer; an older agent does not say."""
    return [
        Bilingual(
            f"  It will not print {one['program'][:12]}: {one['reason']['en']}",
            f"  Elle n'imprimera pas {one['program'][:12]} : {one['reason']['fr']}",
        )
        for one in printer.get("refusals", [])
    ]


@node_app.command()
def status(config: _Config = None, data: _Data = None, as_json: _AsJson = False) -> None:
    """Show the printers of this node and its contact with the farm, also when the farm cannot be reached."""
    state = _page(config, data).state()
    if as_json:
        _say_json(state)
        return
    farm, disk = state["farm"], state["disk"]
    contact, untold = _contact(farm), _untold(farm["untold"])
    say(Bilingual(f"{state['name']}: {contact.en}. {untold.en}", f"{state['name']} : {contact.fr}. {untold.fr}"))
    say(as_typed(spoken(_next(farm))))
    if disk["nearly_full"] or not disk["writable"]:
        say(_DISK_FULL)
    if state.get("limits_trouble"):  # an older agent does not say
        why = state["limits_trouble"]
        say(
            Bilingual(
                f"Nothing new starts on any printer. {why['en']}",
                f"Rien de nouveau n'est lancé, sur aucune imprimante. {why['fr']}",
            )
        )
    for printer in state["printers"]:
        say(_row(printer))
        for line in _refusals(printer):
            say(line)


def _printer_of(client: "PageClient", wanted: str) -> dict[str, Any]:
    """How a printer of this node stands, by its name or id. Raises as `farm.commands.which.meant`."""
    from farm.commands.which import PRINTER_HERE, meant  # noqa: PLC0415 - the agent needs none of it

    printers: dict[str, dict[str, Any]] = {one["id"]: one for one in client.state()["printers"]}
    return printers[meant(PRINTER_HERE, wanted, {key: str(one["name"]) for key, one in printers.items()})]


@node_app.command()
def collect(
    printer: Annotated[str, typer.Argument(help="The printer's name or id")],
    good: Annotated[int, typer.Option(min=0, help="How many parts are good.")],
    job: Annotated[str, typer.Option(help="The job that is meant; what lies on the bed if left out.")] = "",
    config: _Config = None,
    data: _Data = None,
    as_json: _AsJson = False,
) -> None:
    """Take the parts of an ended job off a bed of this node: what is not good is scrap."""
    client = _page(config, data)
    chosen = _printer_of(client, printer)
    occupation = chosen["occupation"]
    reference = occupation["job"] if occupation else None
    if reference is None or (job and job != reference["job"]):
        raise ConflictError(
            Bilingual(f"No such job is on the bed of {printer}.", f"Cette impression n'est pas sur le plateau de {printer}."),
            next_step=Bilingual("Look at `farm node status`.", "Regardez `farm node status`."),
        )
    body = {"printer": chosen["id"], "job": reference["job"], "good": good, "scrap": max(0, reference["parts"] - good)}
    client.post("collect", body)
    if as_json:
        _say_json(body)
    else:
        job, scrap = reference["job"], body["scrap"]
        say(Bilingual(f"Collected {job}: {good} good, {scrap} scrap.", f"Collecté {job}. Bonnes : {good}, rebuts : {scrap}."))


@node_app.command("clear-bed")
def clear_bed(
    printer: Annotated[str, typer.Argument(help="The printer's name or id")],
    config: _Config = None,
    data: _Data = None,
    as_json: _AsJson = False,
) -> None:
    """Say that a bed of this node is clear, whatever was on it; no parts are counted."""
    client = _page(config, data)
    chosen = _printer_of(client, printer)
    if chosen["occupation"] is None:
        raise ConflictError(
            Bilingual(f"Nothing is on the bed of {printer}.", f"Il n'y a rien sur le plateau de {printer}."),
            next_step=Bilingual("There is nothing to clear.", "Il n'y a rien à libérer."),
        )
    body = {"printer": chosen["id"], "occupation": chosen["occupation"]["id"]}
    client.post("clear", {**body, "by": "farm node clear-bed"})
    if as_json:
        _say_json(body)
    else:
        name = chosen["name"]
        say(Bilingual(f"{name}: noted that the bed is clear.", f"{name} : noté que le plateau est libre."))


@node_app.command()
def answer(
    printer: Annotated[str, typer.Argument(help="The printer's name or id")],
    choice: Annotated[str, typer.Argument(help="The number or the words of a choice; what is asked is shown if left out.")] = "",
    config: _Config = None,
    data: _Data = None,
    as_json: _AsJson = False,
) -> None:
    """Show what a printer of this node asks; with CHOICE, answer it, also when the farm cannot be reached."""
    from farm.bus.messages import PromptNote  # noqa: PLC0415 - only for this command
    from farm.commands.answer import asked, chosen, show  # noqa: PLC0415
    from farm.commands.questions import choices_of  # noqa: PLC0415

    client = _page(config, data)
    shown = _printer_of(client, printer)
    prompt = asked(shown["name"], shown.get("prompt") and PromptNote.model_validate(shown["prompt"]))
    if not choice:
        show(shown["name"], prompt, as_json=as_json)
        return
    body = {"printer": shown["id"], "prompt": prompt.id, "choice": chosen(prompt, choice)}
    client.post("answer", body)
    if as_json:
        _say_json(body)
    else:
        name, words = shown["name"], spoken(choices_of(prompt)[body["choice"]])
        say(Bilingual(f"{name}: answered {words!r}.", f"{name} : répondu {words!r}."))


@node_app.command()
def transcripts(
    name: Annotated[str, typer.Argument(help="One of the names that are listed, to read it.")] = "",
    config: _Config = None,
    data: _Data = None,
    as_json: _AsJson = False,
) -> None:
    """List what was recorded on the wire of printers that failed; with NAME, print one."""
    from farm.node import transcripts as kept  # noqa: PLC0415 - only for this command

    settings = load(NodeSettings, config)
    folder = data or settings.data
    if name:
        text = kept.read(folder, name)
        typer.echo(json.dumps({"name": name, "lines": text.splitlines()}, ensure_ascii=False) if as_json else text, nl=as_json)
        return
    found = kept.listed(folder)
    if as_json:
        _say_json([asdict(one) for one in found])
        return
    for one in found:
        size = max(1, one.size_bytes // 1024)
        say(Bilingual(f"{one.name}  {size} kB", f"{one.name}  {size} ko"))
    if not found:
        say(_NO_TRANSCRIPTS)


_GO_ON_ALL_THE_SAME = Bilingual(
    "It may make parts too many: the farm may have given this work to others. Go on?",
    "Il peut se faire des pièces en trop : la ferme a peut-être donné ce travail à d'autres. Continuer ?",
)


@node_app.command("go-on")
def go_on(
    yes: Yes = False,
    config: _Config = None,
    data: _Data = None,
    as_json: _AsJson = False,
) -> None:
    """Have this node go on without the farm for one autonomy more. It may make parts too many."""
    client = _page(config, data)
    make_sure(_GO_ON_ALL_THE_SAME, yes=yes)
    farm = client.post("go-on", {"sure": True, "by": "farm node go-on"})["farm"]
    if as_json:
        _say_json({"goes_on_s": farm["goes_on_s"], "jobs": farm["waiting"]})
    else:
        span, jobs = about(farm["goes_on_s"] or 0.0), number_of(farm["waiting"], "job")
        may = "peut" if farm["waiting"] < 2 else "peuvent"
        say(
            Bilingual(
                f"The printers go on for {span}: {jobs} may start.",
                f"Les imprimantes continuent pendant {span.fr} : {jobs.fr} {may} démarrer.",
            )
        )


node_app.command()(limits)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(node_app, name="node")
