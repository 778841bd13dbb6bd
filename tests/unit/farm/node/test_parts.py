from dataclasses import replace
from pathlib import Path

import pytest

from farm.bus.client import BusClient, Callbacks
from farm.config import NodeSettings, PrinterSection
from farm.errors import ConfigurationError
from farm.node.files import Programs
from farm.node.parts import Parts, by_name, check_setup
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


async def test_the_usual_parts(tmp_path: Path) -> None:
    bus = Parts().bus(IDENTITY, Callbacks(lambda _message: None))
    assert isinstance(bus, BusClient)
    assert not bus.connected
    await bus.close()
    programs = Parts().programs_of(NodeSettings(data=tmp_path), IDENTITY, tmp_path / "programs", lambda: None)
    assert isinstance(programs, Programs)
    await programs.close()
