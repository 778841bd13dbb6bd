"""Backup, restore, take-over and healing, as typed."""

import asyncio
import json
import sqlite3
import stat
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from farm.commands import recovery
from farm.daemon.lock import DataLock
from farm.errors import ConfigurationError, ConflictError, FarmError, InvalidError, UnreachableError
from farm.store.repository import Put, SetMeta
from farm.store.writer import FILE_NAME, Store
from farm.views import FenceView, HealedView, HealingView
from scheduler.model import Durable, NodeRecord, Order
from tests.unit.farm.commands.conftest import Farm

HEALING = HealingView(why="restored", since=1.0, backup_at=0.5, nodes=3, told=1, missing=["garage", "left"], found=12)


def commit(folder: Path, *entities: Durable) -> None:
    """Write into a database that no daemon uses."""

    async def write() -> None:
        store = await Store.open(folder)
        try:
            await store.commit([SetMeta("generation", "3"), *(Put(entity) for entity in entities)])
        finally:
            await store.close()

    asyncio.run(write())


def run(*arguments: str, answer: str | None = None) -> Result:
    app = typer.Typer()
    recovery.register(app)
    return CliRunner().invoke(app, list(arguments), input=answer)


def order(key: str, good: int = 0) -> Order:
    return Order(key, "r1", 4, 0, "", 0.0, good=good)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder whose daemon does not run."""
    for name in ("FARM_URL", "FARM_TOKEN", "FARM_CA", "FARM_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "farm-data"
    monkeypatch.setenv("FARM_DATA", str(folder))
    commit(folder, order("o1", 1), NodeRecord("n1", "left bench", 0.0, "x"))
    return folder


# --- without a daemon


def test_a_backup_without_a_daemon_is_made_directly(data: Path, tmp_path: Path) -> None:
    made = json.loads(run("backup", "--json").stdout)
    assert Path(made["path"]).parent == data / "backups"
    shown = run("backup", "--to", str(tmp_path / "mine.sqlite3")).stdout
    assert f"Copied to {tmp_path / 'mine.sqlite3'}." in shown
    assert stat.S_IMODE((tmp_path / "mine.sqlite3").stat().st_mode) == 0o600
    assert len(json.loads(run("backup", "--list", "--json").stdout)) == 2
    assert made["path"] in run("backup", "--list").stdout
    refused = run("backup", "--to", str(tmp_path / "mine.sqlite3")).exception
    assert isinstance(refused, FarmError)
    assert "exists already: nothing was copied" in refused.detail
    nowhere = run("backup", "--to", str(tmp_path / "stick" / "mine.sqlite3")).exception
    assert isinstance(nowhere, FarmError)
    assert "There is no folder" in nowhere.detail
    assert len(json.loads(run("backup", "--list", "--json").stdout)) == 2, "what was refused made none"
    DataLock(data).release()  # nothing keeps the folder


def test_there_may_be_no_backups_yet(data: Path) -> None:
    assert run("backup", "--list").stdout == "There are no backups yet.\n"


def test_the_folder_and_the_number_of_copies_are_configured(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "farm.toml"
    config.write_text(f'data = "{data}"\n[backup]\nfolder = "{tmp_path / "stick"}"\nkeep = 1\n')
    monkeypatch.setenv("FARM_CONFIG", "")
    for _ in range(2):
        assert run("backup", "--config", str(config)).exit_code == 0
    assert len(list((tmp_path / "stick").iterdir())) == 1


def test_when_a_daemon_holds_the_folder_it_is_asked_and_not_disturbed(data: Path) -> None:
    lock = DataLock(data)
    try:
        error = run("backup", "--url", "http://127.0.0.1:9").exception
        assert isinstance(error, UnreachableError)
        error = run("restore", str(data / FILE_NAME), "--yes").exception
        assert isinstance(error, ConfigurationError)
        assert error.code == "data-folder-in-use"
        assert error.next_step.startswith("Stop that daemon first")
        assert "--data" not in error.next_step
    finally:
        lock.release()


def test_a_restore_says_what_will_happen_asks_and_does_it(data: Path) -> None:
    backup = json.loads(run("backup", "--json").stdout)["path"]
    commit(data, order("o1", 3), order("o2"), NodeRecord("n2", "garage", 0.0, "x"))

    left = run("restore", backup, "--data", str(data), answer="n\n")
    assert left.exit_code == 1
    assert "The backup was made" in left.stdout
    assert "orders: 1 in the backup, 2 now" in left.stdout
    assert "whenever they are heard: left bench." in left.stdout
    assert "must join again: garage" in left.stdout
    assert "their parts become stock" in left.stdout

    done = run("restore", backup, answer="y\n")
    assert done.exit_code == 0, done.output
    assert "Restored, in generation 4. The database that was here is kept: " in done.stdout
    assert "Start the daemon again: farm serve\nThen see it heal: farm healing --watch\n" in done.stdout
    assert "older removed" not in done.stdout
    assert (data / "generation").read_text() == "4\n"
    database = sqlite3.connect(data / FILE_NAME)
    assert database.execute("SELECT good FROM orders").fetchall() == [(1,)]
    database.close()


def test_a_restore_for_programs(data: Path) -> None:
    backup = json.loads(run("backup", "--json").stdout)["path"]
    error = run("restore", backup, "--json").exception
    assert isinstance(error, ConfigurationError)
    told = json.loads(run("restore", backup, "--json", "--yes").stdout)
    assert (told["generation"], told["then"]["orders"], told["nodes"]) == (4, 1, ["left bench"])
    assert Path(told["aside"]).exists()


def test_over_nothing_a_restore_says_so(data: Path, tmp_path: Path) -> None:
    backup = json.loads(run("backup", "--json").stdout)["path"]
    shown = run("restore", backup, "--data", str(tmp_path / "fresh"), "--yes", "--new").stdout
    assert "There is no database here now, or it cannot be read." in shown
    assert "nodes that joined since must join again" in shown
    assert "is kept" not in shown


def test_in_the_wrong_folder_a_restore_is_refused_and_makes_nothing(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = json.loads(run("backup", "--json").stdout)["path"]
    mistyped = run("restore", backup, "--data", str(tmp_path / "farm-dta"), "--yes").exception
    assert isinstance(mistyped, ConfigurationError)
    assert mistyped.code == "no-farm-here"
    assert "--new" in mistyped.next_step
    assert not (tmp_path / "farm-dta").exists()
    monkeypatch.delenv("FARM_DATA")
    (tmp_path / "elsewhere" / "farm-data").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "elsewhere")
    error = run("restore", backup, "--yes").exception
    assert isinstance(error, ConfigurationError)
    assert error.code == "no-farm-here", "an empty folder that nobody has named"


def test_a_database_that_is_lost_is_restored_into_its_folder(data: Path) -> None:
    backup = json.loads(run("backup", "--json").stdout)["path"]
    (data / FILE_NAME).unlink()
    assert run("restore", backup, "--yes").exit_code == 0


def test_the_next_steps_are_for_the_same_farm_and_as_this_person_types_them(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "my farm.toml"
    config.write_text(f'data = "{data}"\n')
    monkeypatch.setenv("FARM_COMMAND", "./farm.sh")
    monkeypatch.setenv("FARM_CONFIG", "")
    backup = json.loads(run("backup", "--json").stdout)["path"]
    shown = run("restore", backup, "--config", str(config), "--yes").stdout
    assert f"Start the daemon again: ./farm.sh serve --config '{config}'\n" in shown
    assert f"./farm.sh healing --watch --config '{config}'\n" in shown


def test_of_what_restores_put_aside_the_newest_three_stay(data: Path) -> None:
    backup = json.loads(run("backup", "--json").stdout)["path"]
    shown = [run("restore", backup, "--yes").stdout for _ in range(4)]
    assert [line for line in shown[2].splitlines() if "older removed" in line] == []
    assert "Of the databases that restores have put aside the newest 3 are kept; 1 older removed." in shown[3]
    assert len(list(data.glob("essaim-before-restore-*"))) == 3


def test_what_is_no_backup_is_refused(data: Path, tmp_path: Path) -> None:
    (tmp_path / "x.sqlite3").write_text("x" * 2_000)
    assert isinstance(run("restore", str(tmp_path / "x.sqlite3"), "--yes").exception, InvalidError)
    assert not (data / "generation").exists()


# --- with a daemon


def with_daemon(farm: Farm, *arguments: str) -> Result:
    app = typer.Typer()
    recovery.register(app)
    return CliRunner().invoke(app, list(arguments), env={"FARM_URL": farm.url})


def test_a_running_daemon_makes_the_backup_and_hands_it_over(farm: Farm, tmp_path: Path) -> None:
    target = tmp_path / "mine.sqlite3"
    made = with_daemon(farm, "backup", "--to", str(target), "--url", farm.url)
    assert made.exit_code == 0, made.output
    assert target.read_bytes() == b"SQLite format 3\0"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    again = with_daemon(farm, "backup", "--to", str(target)).exception
    assert isinstance(again, ConfigurationError)
    assert "exists already: nothing was copied" in again.detail
    assert len(json.loads(with_daemon(farm, "backup", "--list", "--json").stdout)) == 1, "nothing was made in vain"
    assert [path.name for path in tmp_path.glob("*.part")] == []


def test_a_take_over_says_why_asks_and_tells_the_generation(farm: Farm) -> None:
    farm.control.fence = FenceView(why="taken-over", node="garage", heard=6, known=1)
    assert with_daemon(farm, "take-over").exit_code == 1
    assert farm.control.fence is not None
    shown = with_daemon(farm, "take-over", "--yes").stdout
    assert "acts in generation 7" in shown
    assert shown.endswith("farm healing --watch\n")
    assert json.loads(with_daemon(farm, "take-over", "--yes", "--json").stdout) == {"generation": 8}


def test_a_needless_take_over_is_called_that(farm: Farm) -> None:
    asked = with_daemon(farm, "take-over")
    assert asked.exit_code == 1
    assert "a take-over is needless" in asked.output
    farm.control.fence = FenceView(why="taken-over", node="garage", heard=6, known=1)
    assert "needless" not in with_daemon(farm, "take-over").output


def test_the_commands_for_a_farm_that_was_named_name_it_too(farm: Farm, tmp_path: Path) -> None:
    shown = with_daemon(farm, "take-over", "--yes", "--data", str(tmp_path)).stdout
    assert shown.endswith(f"farm healing --watch --data {tmp_path}\n")
    assert with_daemon(farm, "healing", "--data", str(tmp_path)).exit_code == 0


def test_healing_is_shown_and_may_be_ended(farm: Farm) -> None:
    farm.control.healing = HEALING
    assert with_daemon(farm, "healing").stdout == (
        "1 of 3 nodes have told again what happened since; 12 parts found. Not yet: garage, left.\n"
    )
    assert json.loads(with_daemon(farm, "healing", "--json").stdout)["found"] == 12
    assert with_daemon(farm, "healing", "--done").exit_code == 1
    assert farm.control.healing is not None
    done = "1 of 3 nodes, 12 parts found again; not waited for: garage, left."
    assert with_daemon(farm, "healing", "--done", "--yes").stdout == f"Done: {done}\n"
    later = with_daemon(farm, "healing").stdout
    assert later.startswith("There is nothing to heal. Last time (after a restore, ended ")
    assert later.endswith(f"): {done}\n")
    assert json.loads(with_daemon(farm, "healing", "--json").stdout)["ended"] > 0


def test_without_any_healing_there_is_nothing_to_say(farm: Farm) -> None:
    assert with_daemon(farm, "healing").stdout == "There is nothing to heal.\n"
    assert with_daemon(farm, "healing", "--json").stdout == "null\n"


def test_healing_cannot_be_ended_by_a_daemon_that_only_watches(farm: Farm) -> None:
    farm.control.healing = HEALING
    farm.control.fence = FenceView(why="put-back", node="garage", heard=6, known=1)
    error = with_daemon(farm, "healing", "--done", "--yes").exception
    assert isinstance(error, FarmError)
    assert error.code == "fenced"
    assert not isinstance(error, ConflictError)


def test_healing_is_watched_until_it_is_over(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    farm.control.healing = HEALING
    views = [HEALING.model_copy(update={"told": 2, "missing": ["left"], "found": 14}), None]

    def one_more(_seconds: float) -> None:
        farm.control.healing = views.pop(0)
        if farm.control.healing is None:
            farm.control.healed = HealedView(why="restored", since=1.0, ended=9.0, nodes=3, told=3, missing=[], found=15)

    monkeypatch.setattr("farm.commands.recovery.time.sleep", one_more)
    assert with_daemon(farm, "healing", "--watch").stdout.splitlines() == [
        "1 of 3 nodes have told again what happened since; 12 parts found. Not yet: garage, left.",
        "2 of 3 nodes have told again what happened since; 14 parts found. Not yet: left.",
        "Done: 3 of 3 nodes, 15 parts found again.",
    ]


# --- in French


@pytest.fixture
def french(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "fr_FR.UTF-8")


@pytest.mark.usefixtures("french")
def test_a_french_terminal_is_told_of_backups_and_restores_in_french(data: Path, tmp_path: Path) -> None:
    assert run("backup", "--list").stdout == "Il n'y a pas encore de sauvegarde.\n"
    made, copied = run("backup", "--to", str(tmp_path / "mine.sqlite3")).stdout.splitlines()
    assert made.endswith(" Kio")
    assert copied == f"Copiée dans {tmp_path / 'mine.sqlite3'}."
    refused = run("backup", "--to", str(tmp_path / "mine.sqlite3")).exception
    assert isinstance(refused, ConfigurationError)
    assert refused.bilingual.fr == f"{tmp_path / 'mine.sqlite3'} existe déjà : rien n'a été copié. Nommez un autre fichier."

    left = run("restore", str(tmp_path / "mine.sqlite3"), answer="n\n")
    assert left.exit_code == 1
    assert "La sauvegarde a été faite il y a " in left.stdout
    assert "Restaurer cette sauvegarde ?" in left.output
    shown = [run("restore", str(tmp_path / "mine.sqlite3"), answer="o\n").stdout for _ in range(4)]
    assert "Restaurée, dans la génération 4. La base qui était ici est gardée : " in shown[0]
    assert shown[0].endswith("Relancez le démon : farm serve\nPuis regardez-le guérir : farm healing --watch\n")
    assert "les 3 plus récentes sont gardées ; 1 plus ancienne effacée." in shown[3]


@pytest.mark.usefixtures("french")
def test_what_a_restore_refuses_is_told_in_french(data: Path, tmp_path: Path) -> None:
    backup = json.loads(run("backup", "--json").stdout)["path"]
    nowhere = run("restore", backup, "--data", str(tmp_path / "none"), "--yes").exception
    assert isinstance(nowhere, ConfigurationError)
    assert nowhere.detail_fr == f"Il n'y a pas de ferme dans {tmp_path / 'none'} : rien n'a été restauré."
    lock = DataLock(data)
    try:
        used = run("restore", backup, "--data", str(data), "--yes").exception
    finally:
        lock.release()
    assert isinstance(used, ConfigurationError)
    assert used.next_step_fr == "Arrêtez d'abord ce démon : on ne remplace pas sa base sous ses pieds."


@pytest.mark.usefixtures("french")
def test_a_french_terminal_is_told_of_healing_and_take_overs_in_french(farm: Farm) -> None:
    assert with_daemon(farm, "healing").output == "Il n'y a rien à guérir.\n"
    farm.control.healing = HEALING
    assert with_daemon(farm, "healing").output == (
        "1 nœud sur 3 a raconté de nouveau ce qui s'est passé depuis ; 12 pièces retrouvées. Pas encore entendus : garage, left.\n"
    )
    assert "Ne plus attendre garage, left ? Ce qu'ils raconteront plus tard" in with_daemon(farm, "healing", "--done").output
    done = "1 nœud sur 3, 12 pièces retrouvées ; plus attendus : garage, left."
    assert with_daemon(farm, "healing", "--done", "--yes").output == f"C'est fait : {done}\n"
    later = with_daemon(farm, "healing").output
    assert later.startswith("Il n'y a rien à guérir. La dernière fois (après une restauration, fini le ")
    assert later.endswith(f") : {done}\n")
    assert "prendre la main est inutile" in with_daemon(farm, "take-over").output
    farm.control.fence = FenceView(why="taken-over", node="garage", heard=6, known=1)
    assert "Prendre la main ? Tout autre démon de cette ferme cesse d'agir" in with_daemon(farm, "take-over").output
    generation, watch = with_daemon(farm, "take-over", "--yes").stdout.splitlines()[-2:]
    assert generation == "Ce démon agit dans la génération 7."
    assert watch == "Regardez les nœuds raconter de nouveau ce qu'ils ont fait : farm healing --watch"
