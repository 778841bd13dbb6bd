"""Which profiles `farm gcode` knows: bundled ones, a file, a folder that is named, and that of a configuration."""

from pathlib import Path

import pytest

import configs
from farm.commands import owned
from farm.commands.gcode_profiles import NODE_PLACES, every_profile, profile_named, profiles_named
from farm.config import DaemonSettings, load
from farm.errors import ConfigurationError, InvalidError, NotFoundError
from farm.profiles import all_profiles
from gcode.profile import bundled_ids
from tests.unit.farm.commands.test_gcode_read import run

SOURCE = (Path(configs.__file__).parent / "printers" / "generic-210.toml").read_text("utf-8")


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("FARM_CONFIG", "FARM_PROFILES_FOLDER", "NODE_PROFILES_FOLDER"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "own"
    path.mkdir()
    (path / "atelier.toml").write_text(SOURCE.replace('id = "generic-210"', 'id = "atelier"'), "utf-8")
    return path


def test_a_folder_that_is_named(folder: Path) -> None:
    assert profile_named("atelier", folder).id == "atelier"
    assert [one.id for one in every_profile(folder)] == sorted([*bundled_ids(), "atelier"])


def test_without_a_folder_it_is_unknown_and_with_one_it_is_among_those_that_are_named(folder: Path) -> None:
    with pytest.raises(NotFoundError) as caught:
        profile_named("atelier")
    assert "atelier" not in caught.value.next_step
    with pytest.raises(NotFoundError) as caught:
        profile_named("nobody", folder)
    assert "atelier" in caught.value.next_step
    assert "atelier" in caught.value.next_step_fr


def test_the_configuration_of_the_daemon_is_read_as_the_daemon_reads_it(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "farm.toml"
    config.write_text(f'profiles_folder = "{folder}"\n', "utf-8")
    monkeypatch.setenv("FARM_CONFIG", str(config))
    assert [one.id for one in every_profile()] == list(all_profiles(load(DaemonSettings, config).profiles_folder))
    assert profile_named("atelier").id == "atelier"
    config.write_text("profiles_folders = 1\n", "utf-8")
    with pytest.raises(ConfigurationError, match="profiles_folders"):
        profile_named("atelier")
    assert profile_named("generic-210").id == "generic-210", "a bundled one needs no configuration"


@pytest.mark.parametrize("variable", ["FARM_PROFILES_FOLDER", "NODE_PROFILES_FOLDER"])
def test_the_environment_alone(folder: Path, variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, str(folder))
    assert profile_named("atelier").id == "atelier"


def test_that_of_a_node_where_there_is_no_farm(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "node.toml").write_text(f'profiles_folder = "{folder}"\n', "utf-8")
    assert profile_named("atelier").id == "atelier"
    assert NODE_PLACES == owned.USUAL


def test_an_own_name_wins_over_the_end_of_a_bundled_one(folder: Path) -> None:
    (folder / "ender3.toml").write_text(SOURCE.replace('id = "generic-210"', 'id = "ender3"'), "utf-8")
    assert profile_named("ender3", folder).id == "ender3"
    assert profile_named("ender3").id == "creality-ender3"


def test_what_is_no_folder_or_holds_no_profile(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no folder") as caught:
        every_profile(tmp_path / "none")
    assert caught.value.exit_code == 2
    (folder / "bad.toml").write_text("id = 1\n", "utf-8")
    with pytest.raises(ConfigurationError, match=r"bad\.toml"):
        profile_named("atelier", folder)


def test_no_name_at_all() -> None:
    with pytest.raises(InvalidError, match="which printers"):
        profiles_named([])


def test_every_command_takes_the_folder(folder: Path, tmp_path: Path) -> None:
    program, more = tmp_path / "frame.gcode", ("-p", "atelier", "--profiles", folder)
    assert run("frame", *more, "-o", program).exit_code == 0
    assert run("check", program, *more).stdout == "atelier: passes\n"
    assert run("facts", program, *more).exit_code == 0
    assert run("preview", program, *more, "-o", tmp_path / "x.png", "--width", 200).exit_code == 0
    assert run("clean", program, *more, "-o", tmp_path / "clean.gcode").exit_code == 0
    assert "\natelier " in run("profiles", "--profiles", folder).stdout
    assert "atelier: passes" in run("check", program, "--all", "--profiles", folder).stdout
