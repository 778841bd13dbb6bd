"""A small farm in memory behind a real socket, and the command line that talks to it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from api.app import create_app
from api.testing import MemoryControl
from farm.commands import answer, library, manage, orders, printers, programs
from farm.config import DaemonSettings
from tests.unit.farm.commands.background import TOKEN, BackgroundServer


@dataclass
class Farm:
    """A farm and its command line."""

    control: MemoryControl
    url: str
    server: BackgroundServer

    def run(self, *arguments: str, locale: str = "C.UTF-8") -> Result:
        """Run `farm ARGUMENTS` against this farm."""
        app = typer.Typer()
        orders.register(app)
        programs.register(app)
        manage.register(app)
        library.register(app)
        printers.register(app)
        answer.register(app)
        return CliRunner().invoke(app, list(arguments), env={"FARM_URL": self.url, "COLUMNS": "160", "LC_ALL": locale})

    def french(self, *arguments: str) -> str:
        """What a person with a French terminal is shown."""
        result = self.run(*arguments, locale="fr_FR.UTF-8")
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, *arguments: str) -> Any:
        """Run a command with --json and read what it prints."""
        result = self.run(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)


@pytest.fixture
def no_settings_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FARM_URL", "FARM_TOKEN", "FARM_CA", "FARM_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FARM_DATA", str(tmp_path / "data"))


@pytest.fixture(autouse=True)
def commands_without_a_wrapper(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests, ./farm.sh or not."""
    monkeypatch.delenv("FARM_COMMAND", raising=False)


@pytest.fixture
def farm(tmp_path: Path, no_settings_of_this_machine: None) -> Iterator[Farm]:
    control = MemoryControl(tmp_path / "farm")
    control.add_printer("prn-1", "Atelier 1")
    app = create_app(control=control, settings=DaemonSettings(data=tmp_path / "data"), token=TOKEN)
    with BackgroundServer(app) as server:
        yield Farm(control, server.url, server)
