"""Profiles of a farm's own: a folder of files beside the bundled ones, and what is said of a wrong one."""

import os
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest

from farm.addresses import free_port
from farm.bus.broker import find_mosquitto
from farm.clock import Clock
from farm.commands.add_printer import check_new
from farm.config import BrokerSection, DaemonSettings, PrinterSection
from farm.daemon import Daemon
from farm.errors import ConfigurationError, InvalidError, NotFoundError
from farm.node.checking import ProcessCheck, Request
from farm.node.core import Checked
from farm.node.parts import known_profiles, with_profile
from farm.people.library import Library
from farm.people.node import PeopleNode
from farm.profiles import MAX_OWN_PROFILES, MAX_PROFILE_BYTES, all_profiles, own_profiles, profile_id, unknown_profile, whole_id
from farm.request_bodies import MakerRequest
from gcode.limits import Limits
from gcode.profile import bundled_ids, bundled_profiles
from gcode.rules import RULE_SET_VERSION
from gcode.texts import Bilingual
from tests.integration.real import require
from tests.unit.gcode.samples import SMALL

SOURCE = files("configs").joinpath("printers/generic-210.toml").read_text("utf-8")


def put(folder: Path, name: str, old: str = "", new: str = "") -> Path:
    """A copy of generic-210 as `<name>.toml`, with one change."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.toml"
    text = SOURCE.replace('id = "generic-210"', f'id = "{name}"')
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
    return path


def told(folder: Path | None) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as raised:
        all_profiles(folder)
    assert raised.value.next_step
    assert raised.value.next_step_fr not in {"", raised.value.next_step}
    assert raised.value.detail_fr not in {"", raised.value.detail}
    return raised.value


def test_the_bundled_ids_are_those_of_the_bundled_profiles() -> None:
    assert bundled_ids() == sorted(bundled_profiles())
    assert all_profiles(None) == bundled_profiles()
    assert own_profiles(None) == {}


def test_own_profiles_stand_among_the_others_in_order(tmp_path: Path) -> None:
    put(tmp_path, "atelier-7", "max_bed_c = 100", "max_bed_c = 70")
    put(tmp_path, "Zebra_2.0")
    (tmp_path / "notes.txt").write_text("not a profile")
    (tmp_path / ".atelier-8.toml").write_text("what an editor left")
    found = all_profiles(tmp_path)
    assert set(found) - set(bundled_profiles()) == {"atelier-7", "Zebra_2.0"}
    assert list(found) == sorted(found)
    assert found["atelier-7"].max_bed_c == 70
    assert found["generic-210"] == bundled_profiles()["generic-210"]


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert told(tmp_path / "absent").detail == f"profiles_folder: {tmp_path / 'absent'} cannot be read: No such file or directory."


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("max_bed_c = 100", "max_bedd_c = 100", "'max_bed_c' is missing"),
        ("bed_c = 60", "bed_c = 60\nbedd_c = 60", "heat.bedd_c is unknown"),
        ("nozzle_mm = 0.4", "nozzle_mm = 0", "nozzle_mm is 0"),
        ("[heat]", "[heat", "cannot be read"),
    ],
)
def test_a_wrong_file_is_named_with_its_key(tmp_path: Path, old: str, new: str, key: str) -> None:
    put(tmp_path, "good")
    path = put(tmp_path, "mine", old, new)
    said = told(tmp_path)
    assert said.detail.startswith(f"{path}: ")
    assert key in said.detail


def test_an_id_that_is_bundled_already_is_refused(tmp_path: Path) -> None:
    path = put(tmp_path, "prusa-mk3s")
    said = told(tmp_path)
    assert said.detail == f"{path}: the id prusa-mk3s is that of a profile of Essaim."
    assert "prusa-mk3s-own.toml" in said.next_step


def test_an_id_is_the_name_of_its_file_and_fits_a_message(tmp_path: Path) -> None:
    put(tmp_path, "mine", 'id = "mine"', 'id = "yours"')
    assert told(tmp_path).next_step == "Call the file yours.toml."
    (tmp_path / "mine.toml").unlink()
    put(tmp_path, "my printer")
    assert "'my printer' cannot be used" in told(tmp_path).detail


def test_a_huge_an_unreadable_and_too_many_files_are_told(tmp_path: Path) -> None:
    huge = put(tmp_path / "huge", "mine")
    huge.write_bytes(huge.read_bytes() + b"#" * MAX_PROFILE_BYTES)
    assert "larger than 64 kB" in told(huge.parent).detail
    (tmp_path / "unreadable").mkdir()
    os.mkfifo(tmp_path / "unreadable" / "pipe.toml")
    assert "is no file" in told(tmp_path / "unreadable").detail
    (tmp_path / "folder" / "mine.toml").mkdir(parents=True)
    assert "is no file" in told(tmp_path / "folder").detail
    (tmp_path / "many").mkdir()
    for number in range(MAX_OWN_PROFILES + 1):
        (tmp_path / "many" / f"{number}.toml").touch()
    assert f"has {MAX_OWN_PROFILES + 1} profiles" in told(tmp_path / "many").detail


def test_a_node_knows_them(tmp_path: Path) -> None:
    put(tmp_path, "atelier-7")
    section = PrinterSection(name="left", url="virtual://", profile="atelier-7")
    assert known_profiles(tmp_path) == sorted([*bundled_ids(), "atelier-7"])
    assert with_profile(section, tmp_path) == section
    with pytest.raises(ConfigurationError, match="Printer 'left': there is no profile 'atelier-7'"):
        with_profile(section)
    put(tmp_path, "broken", "[heat]", "[cold]")
    with pytest.raises(ConfigurationError, match=r"broken\.toml: the key 'heat' is missing"):
        with_profile(section, tmp_path)


def test_who_writes_the_end_of_a_bundled_id_means_that_one() -> None:
    known = bundled_ids()
    assert whole_id("generic-210", known) == "generic-210"
    assert whole_id("mk3s", known) == "prusa-mk3s"
    assert whole_id("prusa", known) is None
    assert whole_id("ender3", ["generic-210"]) is None, "not known here"
    assert whole_id("ender3", [*known, "ender3"]) == "ender3", "an own one of that name comes first"
    assert whole_id("7", [*known, "atelier-7"]) is None, "of an own one nobody but its farm knows where its id may be cut"


def test_every_bundled_profile_is_known_by_the_end_of_its_id() -> None:
    for key in bundled_ids():
        assert whole_id(key.partition("-")[2], bundled_ids()) == key


def test_an_end_that_several_have_is_told_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    twins = ["anet-a8", "tronxy-a8"]
    monkeypatch.setattr("farm.profiles.bundled_ids", lambda: twins)
    assert profile_id(NotFoundError, "anet-a8", twins) == "anet-a8"
    assert profile_id(NotFoundError, "a8", ["tronxy-a8"]) == "tronxy-a8", "the other one is not known here"
    with pytest.raises(NotFoundError) as refused:
        profile_id(NotFoundError, "a8", twins)
    assert str(refused.value) == "The profile 'a8' may be anet-a8, tronxy-a8. Give the whole id."
    assert refused.value.bilingual.fr == "Le profil 'a8' peut être anet-a8, tronxy-a8. Donnez l'id entier."
    told = unknown_profile(ConfigurationError, "a8", twins, printer="left")
    assert told.detail == "Printer 'left': the profile 'a8' may be anet-a8, tronxy-a8."
    assert told.detail_fr == "Imprimante 'left' : le profil 'a8' peut être anet-a8, tronxy-a8."


def test_a_mistyped_profile_is_answered_with_the_nearest() -> None:
    error = unknown_profile(NotFoundError, "ender4", bundled_ids(), printer="left")
    assert error.detail == "Printer 'left': there is no profile 'ender4'."
    assert error.detail_fr == "Imprimante 'left' : il n'y a pas de profil 'ender4'."
    assert error.next_step.startswith("Did you mean ender3? Known profiles: anycubic-i3-mega, ")
    assert error.next_step_fr.startswith("Vouliez-vous dire ender3 ? Profils connus : anycubic-i3-mega, ")


def test_that_there_is_no_such_profile_is_one_error_of_any_kind() -> None:
    more = Bilingual("Or put it back.", "Ou remettez-le.")
    error = unknown_profile(NotFoundError, "mk9", ["b", "a"], more=more)
    assert (type(error), error.code) == (NotFoundError, "unknown-profile")
    assert str(error) == "There is no profile 'mk9'. Known profiles: a, b. Or put it back."
    assert error.bilingual.fr == "Il n'y a pas de profil 'mk9'. Profils connus : a, b. Ou remettez-le."
    assert unknown_profile(InvalidError, "x", ["a"]).next_step == "Known profiles: a."


def test_a_printer_with_one_may_be_added(tmp_path: Path) -> None:
    put(tmp_path / "own", "atelier-7")
    path = tmp_path / "node.toml"
    path.write_text(f'profiles_folder = "{tmp_path / "own"}"\n')
    check_new(path, "virtual://", "left", "atelier-7")
    with pytest.raises(NotFoundError, match=r"There is no profile 'atelier-8'\. Did you mean atelier-7\? Known profiles: "):
        check_new(path, "virtual://", "left", "atelier-8")
    with pytest.raises(NotFoundError):
        check_new(tmp_path / "absent.toml", "virtual://", "left", "atelier-7")


async def test_a_node_judges_by_them(tmp_path: Path) -> None:
    put(tmp_path / "own", "atelier-7", "max_nozzle_c = 260", "max_nozzle_c = 206")
    program = tmp_path / "program.gcode"
    program.write_text(SMALL.replace("S200", "S210"))
    asked = Request(program, "a" * 64, "atelier-7", Limits())
    check = ProcessCheck(tmp_path / "checks", profiles_folder=tmp_path / "own")
    refused = (await check(asked)).refused
    assert refused is not None
    assert "210 > 206" in refused.en
    assert (await check(replace(asked, profile="generic-210"))) == Checked(rule_set=RULE_SET_VERSION)
    without = (await ProcessCheck(tmp_path / "checks")(asked)).refused
    assert without is not None
    assert "could not be checked" in without.en


@pytest.mark.real
async def test_a_daemon_and_its_people_know_them(tmp_path: Path) -> None:
    require("mosquitto", find_mosquitto() is not None)
    put(tmp_path / "own", "atelier-7")
    broker = BrokerSection(kind="mosquitto", port=free_port())
    async with Daemon(DaemonSettings(data=tmp_path / "data", profiles_folder=tmp_path / "own", broker=broker), Clock()) as daemon:
        assert {view.id for view in daemon.control.profiles()} == {*bundled_ids(), "atelier-7"}
        library = Library(daemon.control.program_file, profiles_folder=tmp_path / "own")
        people = PeopleNode(tmp_path / "people", daemon.people_identity(), Clock(), autonomy_s=86_400, library=library)
        try:
            await people.start()
            assert (await people.add_maker(MakerRequest(name="Anna", profile="atelier-7"))).profile == "atelier-7"
            with pytest.raises(InvalidError, match="There is no profile 'atelier-8'"):
                await people.add_maker(MakerRequest(name="Bert", profile="atelier-8"))
        finally:
            await people.close()


async def test_a_daemon_with_a_wrong_one_does_not_start_and_leaves_nothing(tmp_path: Path) -> None:
    put(tmp_path / "own", "mine", "[heat]", "[cold]")
    settings = DaemonSettings(data=tmp_path / "data", profiles_folder=tmp_path / "own")
    with pytest.raises(ConfigurationError, match=r"mine\.toml: the key 'heat' is missing"):
        async with Daemon(settings, Clock()):
            pass
    assert not (tmp_path / "data").exists()
