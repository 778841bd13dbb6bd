"""`farm backup`, `farm restore`, `farm take-over` and `farm healing`: what an operator does when the daemon's memory is lost."""

import os
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from farm.commands.asking import Yes, make_sure
from farm.commands.client import AsJson, AuthorityFile, FarmClient, TokenFile, Url, farm_client, on_daemon
from farm.commands.overview import duration, number_of, say, say_json
from farm.config import DaemonSettings, load
from farm.errors import ConfigurationError, command_name
from farm.views import BackupView, FarmView, HealedView

if TYPE_CHECKING:
    from farm.daemon.restore import Census, Restoration

_LOOK_EVERY_S: Final = 2.0
_MAX_NAMES: Final = 10
_TAKE_OVER: Final = "Take over? Any other daemon of this farm stops acting as soon as a node tells it."
_NEEDLESS: Final = (
    "This daemon acts already, and has heard of no other: a take-over is needless, and has every node tell everything again. "
    "Take over all the same?"
)
_WHY: Final = {
    "restored": "after a restore",
    "put-back": "after a database was put back by hand",
    "taken-over": "after a take-over",
}
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
        step = "Stop that daemon first: a database is not replaced under its feet."
        raise ConfigurationError(error.detail, next_step=step, code=error.code) from error
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
        say(f"{view.path}  {made}, {view.size_bytes // 1024} KiB")
    if to is not None:
        say(f"Copied to {to}.")
    if list_them and not views:
        say("There are no backups yet.")


def _check_new(file: Path) -> None:
    """See that a copy can go there, before one is made. ConfigurationError."""
    if file.exists():
        raise ConfigurationError(f"{file} exists already: nothing was copied.", next_step="Name another file.")
    if not file.parent.is_dir():
        raise ConfigurationError(
            f"There is no folder {file.parent}: nothing was copied.", next_step="Make it, or name another file."
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
            raise ConfigurationError("With --json nobody can be asked.", next_step="Give --yes as well.")
        make_sure("Restore this backup?", yes=yes)
        for _ in restoration.steps():
            pass
        done = _told_afterwards(restoration)
    if as_json:
        say_json(done)
        return
    aside = f" The database that was here is kept: {done['aside']}." if done["aside"] else ""
    say(f"Restored, in generation {done['generation']}.{aside}")
    if done["forgotten"]:
        from farm.daemon.restore import KEPT_ASIDE  # noqa: PLC0415 - as above

        say(f"Of the databases that restores have put aside the newest {KEPT_ASIDE} are kept; {done['forgotten']} older removed.")
    where = _as_given(config, data)
    say(f"Start the daemon again: {command_name()} serve{where}")
    say(f"Then see it heal: {command_name()} healing --watch{where}")


def _check_there(folder: Path, *, named: bool) -> None:
    """See that there is a farm to restore: whoever stands in the wrong folder must not be told that it went well."""
    from farm.store.writer import FILE_NAME  # noqa: PLC0415 - as above

    if (folder / FILE_NAME).exists() or (named and folder.is_dir()):
        return
    raise ConfigurationError(
        f"There is no farm in {folder.resolve()}: nothing was restored.",
        next_step="Name its folder with --data, or its farm.toml with --config. On a new machine add --new.",
        code="no-farm-here",
    )


def _as_given(config: Path | None, data: Path | None) -> str:
    """The options that say which farm, to be repeated in a command."""
    options = (("--config", config), ("--data", data))
    return "".join(f" {option} {shlex.quote(str(path))}" for option, path in options if path is not None)


def what_will_happen(restoration: "Restoration", now_s: float) -> Iterator[str]:
    """What a person should know before saying yes."""
    then, now = restoration.then, restoration.now
    made = datetime.fromtimestamp(restoration.made_at_s, UTC).strftime("%Y-%m-%d %H:%M UTC")
    yield f"The backup was made {duration(max(0.0, now_s - restoration.made_at_s))} ago ({made})."
    yield from _compared(then, now)
    yield f"These nodes tell again what they did since, whenever they are heard: {_named(then.nodes.values())}."
    yield "What they cannot tell:"
    joined = [] if now is None else sorted(name for key, name in now.nodes.items() if key not in then.nodes)
    if now is None:
        yield "- nodes that joined since must join again;"
    elif joined:
        yield f"- these nodes joined since, and must join again: {_named(joined)};"
    yield "- orders that were placed since are gone: their parts become stock; place them again, and they take that first;"
    yield "- orders that were cancelled or changed since are as they were then: look through them;"
    yield "- programs that were added since must be added again; open invitations are void;"
    if now is None:
        yield "- nodes that were removed, revisions recalled, releases and approvals withdrawn since must be so again."
    else:
        yield "- nodes removed, revisions recalled, releases and approvals withdrawn since stay so (from the present database)."


def _compared(then: "Census", now: "Census | None") -> Iterator[str]:
    rows = (("open orders", "open_orders"), ("orders", "orders"), ("jobs", "jobs"), ("good parts collected", "good_parts"))
    if now is None:
        yield "There is no database here now, or it cannot be read."
    for title, name in rows:
        there = getattr(then, name)
        yield f"  {title}: {there} in the backup" + (f", {getattr(now, name)} now" if now is not None else "")


def _named(names: Any) -> str:
    listed = sorted(names)
    more = f" and {len(listed) - _MAX_NAMES} more" if len(listed) > _MAX_NAMES else ""
    return ", ".join(listed[:_MAX_NAMES]) + more if listed else "none"


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
            say(alarm.text)
    make_sure(_TAKE_OVER if farm.fence is not None else _NEEDLESS, yes=yes)
    answer = client.post("/farm/take-over")
    if as_json:
        say_json(answer)
        return
    say(f"This daemon acts in generation {answer['generation']}.")
    say(f"See the nodes tell again what they did: {command_name()} healing --watch{_as_given(config, data)}")


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
        make_sure(f"Wait no longer for {_named(farm.healing.missing)}? Whatever they tell later counts all the same.", yes=yes)
    client.post("/farm/healing/done")
    return _look(client)


def _how_it_ended(view: HealedView) -> str:
    missing = f"; not waited for: {_named(view.missing)}" if view.missing else ""
    return f"{view.told} of {number_of(view.nodes, 'node')}, {number_of(view.found, 'part')} found again{missing}"


def _show_healing(farm: FarmView, *, was_healing: bool, as_json: bool) -> None:
    view, last = farm.healing, farm.healed
    if as_json:
        shown = view or last
        say_json(None if shown is None else shown.model_dump())
    elif view is None and last is None:
        say("There is nothing to heal.")
    elif view is None and last is not None:
        ended = datetime.fromtimestamp(last.ended, UTC).strftime("%Y-%m-%d %H:%M UTC")
        begun = f"{_WHY[last.why]}, ended {ended}"
        how = _how_it_ended(last)
        say(f"Done: {how}." if was_healing else f"There is nothing to heal. Last time ({begun}): {how}.")
    elif view is not None:
        missing = f" Not yet: {_named(view.missing)}." if view.missing else ""
        found = f"{number_of(view.found, 'part')} found"
        say(f"{view.told} of {number_of(view.nodes, 'node')} have told again what happened since; {found}.{missing}")
    sys.stdout.flush()


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(backup)
    app.command()(restore)
    app.command("take-over")(take_over)
    app.command()(healing)
