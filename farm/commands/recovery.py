"""`farm backup`, `farm restore`, `farm take-over` and `farm healing`: what an operator does when the daemon's memory is lost."""

import os
import shlex
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from farm.commands.asking import Yes, make_sure
from farm.commands.client import AsJson, AuthorityFile, FarmClient, TokenFile, Url, farm_client, on_daemon
from farm.commands.overview import alarm_text
from farm.commands.restore_told import named, what_will_happen
from farm.commands.speech import number_of, plural_fr, say, say_json
from farm.config import DaemonSettings, load
from farm.errors import ConfigurationError, command_name
from farm.views import BackupView, FarmView, HealedView, HealingView
from gcode.texts import NOTHING, Bilingual

if TYPE_CHECKING:
    from farm.daemon.restore import Census, Restoration

_LOOK_EVERY_S: Final = 2.0
_TAKE_OVER: Final = Bilingual(
    "Take over? Any other daemon of this farm stops acting as soon as a node tells it.",
    "Prendre la main ? Tout autre démon de cette ferme cesse d'agir dès qu'un nœud le lui dit.",
)
_NEEDLESS: Final = Bilingual(
    "This daemon acts already, and has heard of no other: a take-over is needless, and has every node tell everything again. "
    "Take over all the same?",
    "Ce démon agit déjà et n'a entendu parler d'aucun autre : prendre la main est inutile, et fait tout raconter de nouveau à "
    "chaque nœud. Prendre la main quand même ?",
)
_WHY: Final = {
    "restored": Bilingual("after a restore", "après une restauration"),
    "put-back": Bilingual("after a database was put back by hand", "après la remise d'une base à la main"),
    "taken-over": Bilingual("after a take-over", "après une prise de main"),
}
_NAME_ANOTHER: Final = Bilingual("Name another file.", "Nommez un autre fichier.")
_NOTHING_TO_HEAL: Final = Bilingual("There is nothing to heal.", "Il n'y a rien à guérir.")
Config = Annotated[Path | None, typer.Option(help="farm.toml; without it FARM_CONFIG, or the defaults.")]
Data = Annotated[Path | None, typer.Option(help="Data folder, instead of the configuration's.")]


def _settings(config: Path | None, data: Path | None) -> DaemonSettings:
    if config is not None:
        os.environ["FARM_CONFIG"] = str(config.resolve())  # also for who looks for the daemon
    if data is not None:
        os.environ["FARM_DATA"] = str(data.resolve())
    named = os.environ.get("FARM_CONFIG")
    return load(DaemonSettings, Path(named) if named else None)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    from farm.daemon.lock import DataLock  # noqa: PLC0415 - the daemon's packages are loaded by who needs them

    try:
        lock = DataLock(folder)
    except ConfigurationError as error:
        if error.code != "data-folder-in-use":
            raise
        raise ConfigurationError(
            Bilingual(error.detail, error.detail_fr),
            next_step=Bilingual(
                "Stop that daemon first: a database is not replaced under its feet.",
                "Arrêtez d'abord ce démon : on ne remplace pas sa base sous ses pieds.",
            ),
            code=error.code,
        ) from error
    try:
        yield
    finally:
        lock.release()


# --- farm backup


def backup(  # noqa: PLR0913, PLR0917 - one parameter for each option
    to: Annotated[Path | None, typer.Option(help="Write the copy to this file as well; it must not exist.")] = None,
    list_them: Annotated[bool, typer.Option("--list", help="List the copies that are kept; make none.")] = False,
    config: Config = None,
    data: Data = None,
    url: Url = None,
    token_file: TokenFile = None,
    ca_file: AuthorityFile = None,
    as_json: AsJson = False,
) -> None:
    """Copy the farm's database, while the daemon runs or not."""
    settings = _settings(config, data)
    if to is not None:
        _check_new(to)
    with _unused(settings, url) as unused:
        views = _directly(settings, to, list_them=list_them) if unused else None
    if views is None:
        with farm_client(url, token_file, ca_file) as client:
            views = _by_daemon(client, to, list_them=list_them)
    if as_json:
        say_json([view.model_dump() for view in views] if list_them else views[0].model_dump())
        return
    for view in views:
        made = datetime.fromtimestamp(view.made_at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        line, size = f"{view.path}  {made}", view.size_bytes // 1024
        say(Bilingual(f"{line}, {size} KiB", f"{line}, {size} Kio"))
    if to is not None:
        say(Bilingual(f"Copied to {to}.", f"Copiée dans {to}."))
    if list_them and not views:
        say(Bilingual("There are no backups yet.", "Il n'y a pas encore de sauvegarde."))


def _check_new(file: Path) -> None:
    """See that a copy can go there, before one is made. ConfigurationError."""
    if file.exists():
        raise ConfigurationError(
            Bilingual(f"{file} exists already: nothing was copied.", f"{file} existe déjà : rien n'a été copié."),
            next_step=_NAME_ANOTHER,
        )
    if not file.parent.is_dir():
        raise ConfigurationError(
            Bilingual(
                f"There is no folder {file.parent}: nothing was copied.",
                f"Il n'y a pas de dossier {file.parent} : rien n'a été copié.",
            ),
            next_step=Bilingual("Make it, or name another file.", "Créez-le, ou nommez un autre fichier."),
        )


@contextmanager
def _unused(settings: DaemonSettings, url: str | None) -> Iterator[bool]:
    """Hold the lock of the data folder if there is a database in it that no daemon uses; tell whether that is so."""
    from farm.store.writer import FILE_NAME  # noqa: PLC0415 - as above

    if url is not None or not (settings.data / FILE_NAME).exists():
        yield False
        return
    lock = None
    try:
        from farm.daemon.lock import DataLock  # noqa: PLC0415 - as above

        lock = DataLock(settings.data)
    except ConfigurationError as error:
        if error.code != "data-folder-in-use":
            raise
    try:
        yield lock is not None
    finally:
        if lock is not None:
            lock.release()


def _directly(settings: DaemonSettings, to: Path | None, *, list_them: bool) -> list[BackupView]:
    from farm.daemon.presenter import backup_view  # noqa: PLC0415 - as above
    from farm.store.backup import FOLDER, Backups, copy_database  # noqa: PLC0415
    from farm.store.writer import FILE_NAME  # noqa: PLC0415

    backups = Backups(settings.backup.folder or settings.data / FOLDER, settings.backup.keep)
    if list_them:
        return [backup_view(made) for made in backups.list()]
    made = backups.make(settings.data / FILE_NAME)
    if to is not None:
        copy_database(made.path, to)
    return [backup_view(made)]


def _by_daemon(client: FarmClient, to: Path | None, *, list_them: bool) -> list[BackupView]:
    if list_them:
        return [BackupView.model_validate(row) for row in client.get("/backups")]
    view = BackupView.model_validate(client.post("/backups"))
    if to is not None:
        client.download(f"/backups/{view.name}/file", to)
    return [view]


# --- farm restore


def restore(
    file: Annotated[Path, typer.Argument(help="A backup: `farm backup --list` names those that are kept.")],
    config: Config = None,
    data: Data = None,
    new: Annotated[bool, typer.Option("--new", help="There is no farm here yet: this is a new machine.")] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Put a backup in the place of the farm's database. The daemon must not run; nodes tell again what they did since."""
    from farm.daemon.restore import Restoration  # noqa: PLC0415 - as above

    named = any((config, data, os.environ.get("FARM_CONFIG"), os.environ.get("FARM_DATA")))
    settings = _settings(config, data)
    if not new:
        _check_there(settings.data, named=named)
    with _locked(settings.data), Restoration(file, settings.data, settings.clock.clock().wall_s()) as restoration:
        if not as_json:
            for line in what_will_happen(restoration, time.time()):
                say(line)
        elif not yes:
            raise ConfigurationError(
                Bilingual("With --json nobody can be asked.", "Avec --json on ne peut demander à personne."),
                next_step=Bilingual("Give --yes as well.", "Donnez aussi --yes."),
            )
        make_sure(Bilingual("Restore this backup?", "Restaurer cette sauvegarde ?"), yes=yes)
        for _ in restoration.steps():
            pass
        done = _told_afterwards(restoration)
    if as_json:
        say_json(done)
        return
    _say_restored(done, _as_given(config, data))


def _say_restored(done: Mapping[str, Any], where: str) -> None:
    from farm.daemon.restore import KEPT_ASIDE  # noqa: PLC0415 - as above

    generation, aside, forgotten, kept = done["generation"], done["aside"], done["forgotten"], NOTHING
    if aside:
        kept = Bilingual(f" The database that was here is kept: {aside}.", f" La base qui était ici est gardée : {aside}.")
    say(
        Bilingual(f"Restored, in generation {generation}.{kept.en}", f"Restaurée, dans la génération {generation}.{kept.fr}"),
    )
    if forgotten:
        say(
            Bilingual(
                f"Of the databases that restores have put aside the newest {KEPT_ASIDE} are kept; {forgotten} older removed.",
                f"Des bases que les restaurations ont mises de côté, les {KEPT_ASIDE} plus récentes sont gardées ; "
                f"{forgotten} plus {plural_fr(forgotten, 'ancienne')} {plural_fr(forgotten, 'effacée')}.",
            )
        )
    serve, heal = f"{command_name()} serve{where}", f"{command_name()} healing --watch{where}"
    say(Bilingual(f"Start the daemon again: {serve}", f"Relancez le démon : {serve}"))
    say(Bilingual(f"Then see it heal: {heal}", f"Puis regardez-le guérir : {heal}"))


def _check_there(folder: Path, *, named: bool) -> None:
    """See that there is a farm to restore: whoever stands in the wrong folder must not be told that it went well."""
    from farm.store.writer import FILE_NAME  # noqa: PLC0415 - as above

    if (folder / FILE_NAME).exists() or (named and folder.is_dir()):
        return
    raise ConfigurationError(
        Bilingual(
            f"There is no farm in {folder.resolve()}: nothing was restored.",
            f"Il n'y a pas de ferme dans {folder.resolve()} : rien n'a été restauré.",
        ),
        next_step=Bilingual(
            "Name its folder with --data, or its farm.toml with --config. On a new machine add --new.",
            "Nommez son dossier avec --data, ou son farm.toml avec --config. Sur une nouvelle machine, ajoutez --new.",
        ),
        code="no-farm-here",
    )


def _as_given(config: Path | None, data: Path | None) -> str:
    """The options that say which farm, to be repeated in a command."""
    options = (("--config", config), ("--data", data))
    return "".join(f" {option} {shlex.quote(str(path))}" for option, path in options if path is not None)


def _told_afterwards(restoration: "Restoration") -> dict[str, Any]:
    def counted(census: "Census | None") -> dict[str, Any] | None:
        return None if census is None else {key: asdict(census)[key] for key in ("open_orders", "orders", "jobs", "good_parts")}

    return {
        "generation": restoration.generation,
        "backup": str(restoration.backup),
        "made_at": restoration.made_at_s,
        "aside": str(restoration.aside) if restoration.aside is not None else None,
        "forgotten": restoration.forgotten,
        "then": counted(restoration.then),
        "now": counted(restoration.now),
        "nodes": sorted(restoration.then.nodes.values()),
    }


# --- farm take-over, farm healing


@on_daemon
def take_over(
    client: FarmClient,
    yes: Yes = False,
    config: Config = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Let this daemon act from now on, above every other one that the nodes have heard of."""
    _settings(config, data)
    farm = FarmView.model_validate(client.get("/farm"))
    for alarm in farm.alarms:
        if alarm.code == "fenced" and not as_json:
            say(alarm_text(alarm))
    make_sure(_TAKE_OVER if farm.fence is not None else _NEEDLESS, yes=yes)
    answer = client.post("/farm/take-over")
    if as_json:
        say_json(answer)
        return
    generation, command = answer["generation"], f"{command_name()} healing --watch{_as_given(config, data)}"
    say(Bilingual(f"This daemon acts in generation {generation}.", f"Ce démon agit dans la génération {generation}."))
    say(
        Bilingual(
            f"See the nodes tell again what they did: {command}",
            f"Regardez les nœuds raconter de nouveau ce qu'ils ont fait : {command}",
        )
    )


@on_daemon
def healing(  # noqa: PLR0913, PLR0917 - one parameter for each option
    client: FarmClient,
    watch: Annotated[bool, typer.Option("--watch", help="Go on until it is over.")] = False,
    done: Annotated[bool, typer.Option("--done", help="Wait no longer for nodes that are gone.")] = False,
    yes: Yes = False,
    config: Config = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Show how far the farm has healed after a restore or a take-over; when it has, how that ended."""
    _settings(config, data)
    farm = _look(client)
    was_healing = farm.healing is not None
    if done:
        farm = _end_healing(client, farm, yes=yes)
    _show_healing(farm, was_healing=was_healing, as_json=as_json)
    while watch and farm.healing is not None:
        time.sleep(_LOOK_EVERY_S)
        before, farm = farm, _look(client)
        if farm.healing != before.healing:
            _show_healing(farm, was_healing=True, as_json=as_json)


def _look(client: FarmClient) -> FarmView:
    return FarmView.model_validate(client.get("/farm"))


def _end_healing(client: FarmClient, farm: FarmView, *, yes: bool) -> FarmView:
    """Wait no longer for who is missing; when nobody is waited for, the notice of the last healing was read."""
    if farm.healing is not None:
        missing = named(farm.healing.missing)
        question = Bilingual(
            f"Wait no longer for {missing.en}? Whatever they tell later counts all the same.",
            f"Ne plus attendre {missing.fr} ? Ce qu'ils raconteront plus tard comptera quand même.",
        )
        make_sure(question, yes=yes)
    client.post("/farm/healing/done")
    return _look(client)


def _nodes_fr(view: HealedView | HealingView) -> str:
    return f"{number_of(view.told, 'node').fr} sur {view.nodes}"


def _how_it_ended(view: HealedView) -> Bilingual:
    missing, names = NOTHING, named(view.missing)
    if view.missing:
        missing = Bilingual(f"; not waited for: {names.en}", f" ; plus attendus : {names.fr}")
    nodes, parts = number_of(view.nodes, "node"), number_of(view.found, "part")
    return Bilingual(
        f"{view.told} of {nodes}, {parts} found again{missing.en}",
        f"{_nodes_fr(view)}, {parts.fr} {plural_fr(view.found, 'retrouvée')}{missing.fr}",
    )


def _how_far(view: HealingView) -> Bilingual:
    missing, names = NOTHING, named(view.missing)
    if view.missing:
        missing = Bilingual(f" Not yet: {names.en}.", f" Pas encore entendus : {names.fr}.")
    nodes, parts = number_of(view.nodes, "node"), number_of(view.found, "part")
    told_fr = f"{_nodes_fr(view)} {'ont' if view.told > 1 else 'a'} raconté de nouveau ce qui s'est passé depuis"
    return Bilingual(
        f"{view.told} of {nodes} have told again what happened since; {parts} found.{missing.en}",
        f"{told_fr} ; {parts.fr} {plural_fr(view.found, 'retrouvée')}.{missing.fr}",
    )


def _how_it_was(last: HealedView, *, was_healing: bool) -> Bilingual:
    how, why = _how_it_ended(last), _WHY[last.why]
    if was_healing:
        return Bilingual(f"Done: {how.en}.", f"C'est fait : {how.fr}.")
    ended = datetime.fromtimestamp(last.ended, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return Bilingual(
        f"{_NOTHING_TO_HEAL.en} Last time ({why.en}, ended {ended}): {how.en}.",
        f"{_NOTHING_TO_HEAL.fr} La dernière fois ({why.fr}, fini le {ended}) : {how.fr}.",
    )


def _show_healing(farm: FarmView, *, was_healing: bool, as_json: bool) -> None:
    view, last = farm.healing, farm.healed
    if as_json:
        shown = view or last
        say_json(None if shown is None else shown.model_dump())
    elif view is not None:
        say(_how_far(view))
    else:
        say(_NOTHING_TO_HEAL if last is None else _how_it_was(last, was_healing=was_healing))
    sys.stdout.flush()


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(backup)
    app.command()(restore)
    app.command("take-over")(take_over)
    app.command()(healing)
