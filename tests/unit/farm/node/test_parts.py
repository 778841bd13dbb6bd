from dataclasses import replace
from pathlib import Path

import pytest

from farm.bus.client import BusClient, Callbacks
from farm.config import NodeSettings, PrinterSection
from farm.errors import ConfigurationError
from farm.node.checking import JUDGED_ELSEWHERE, ProcessCheck
from farm.node.files import Programs
from farm.node.parts import Parts, by_name, check_setup, known_profiles, with_profile
from gcode.limits import LimitsError
from gcode.profile import bundled_profiles
from tests.unit.farm.node.bench import setup
from tests.unit.farm.node.fake_farm import IDENTITY


def section(name: str) -> PrinterSection:
    return PrinterSection(name=name, url="manual://", profile="generic-210")


def test_printers_are_named() -> None:
    assert set(by_name([section("left"), section("right")])) == {"left", "right"}
    with pytest.raises(ConfigurationError, match="Two printers are called 'left'"):
        by_name([section("left"), section("left")])


def test_sections_of_others_win_over_the_settings(tmp_path: Path) -> None:
    settings = NodeSettings(data=tmp_path, printers=[section("left")])
    assert set(Parts().sections_of(settings)) == {"left"}
    assert set(Parts(sections={"maker-1": section("Anna")}).sections_of(settings)) == {"maker-1"}


@pytest.mark.parametrize(("field", "value"), [("profile", "my profile"), ("profile", ""), ("id", "a/b")])
def test_what_the_daemon_could_not_read_is_found_at_the_start(field: str, value: str) -> None:
    changed = replace(setup(), id=value) if field == "id" else replace(setup(), profile=value)
    with pytest.raises(ConfigurationError, match=field):
        check_setup(changed)
    check_setup(setup())


def test_the_known_profiles_are_the_bundled_ones() -> None:
    assert known_profiles() == sorted(bundled_profiles())


def test_the_end_of_a_bundled_profile_is_enough() -> None:
    assert with_profile(section("left")) == section("left")
    assert with_profile(section("left").model_copy(update={"profile": "210"})) == section("left")


def test_a_mistyped_profile_is_refused_and_the_nearest_is_named_first() -> None:
    with pytest.raises(ConfigurationError, match=r"'left': there is no profile 'prusa-mk3'\. Did you mean prusa-mk3s\? ") as raised:
        with_profile(section("left").model_copy(update={"profile": "prusa-mk3"}))
    for profile in bundled_profiles():
        assert profile in raised.value.next_step
    with pytest.raises(ConfigurationError, match=r"Known profiles: .*generic-210"):
        with_profile(section("left").model_copy(update={"profile": "zzz"}))


async def test_the_usual_parts(tmp_path: Path) -> None:
    bus = Parts().bus(IDENTITY, Callbacks(lambda _message: None))
    assert isinstance(bus, BusClient)
    assert not bus.connected
    await bus.close()
    programs = Parts().programs_of(NodeSettings(data=tmp_path), IDENTITY, tmp_path / "programs", lambda: None)
    assert isinstance(programs, Programs)
    await programs.close()


def test_limits_that_node_toml_names_must_be_there_and_others_may(tmp_path: Path) -> None:
    named = Parts().owner_of(NodeSettings(data=tmp_path, limits=tmp_path / "mine.toml"))
    with pytest.raises(LimitsError):
        named.content()
    assert Parts(limits=tmp_path / "limits.toml").owner_of(NodeSettings(data=tmp_path)).content() == b""
    assert Parts(limits=None).owner_of(NodeSettings(data=tmp_path)).path is None


def test_programs_are_judged_in_a_process_of_its_own_unless_somebody_else_did(tmp_path: Path) -> None:
    assert isinstance(Parts().check_of(tmp_path), ProcessCheck)
    assert Parts(check=JUDGED_ELSEWHERE).check_of(tmp_path) is JUDGED_ELSEWHERE
