"""`farm node limits`: what is in force for each printer, or what is wrong with limits.toml."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from farm.commands.node import node_app
from farm.errors import ConfigurationError

NODE = """
[[printers]]
name = "Anna"
url = "virtual://"
profile = "generic-210"
quiet_hours = ["12:00-13:30"]
[[printers]]
name = "Berta"
url = "virtual://"
profile = "generic-210"
"""
LIMITS = """
max_bed_c = 50
quiet_hours = ["22:00-07:00"]
[printers.Anna]
max_nozzle_c = 200
max_print_h = 24
max_file_bytes = 1000
forbidden_codes = ["M600"]
volume = { max = [100, 100, 100] }
accept_trusted = true
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "node.toml"
    path.write_text(NODE)
    return path


def run(config: Path, *words: str) -> Result:
    return CliRunner().invoke(node_app, ["limits", "--config", str(config), *words])


def read(config: Path) -> dict[str, Any]:
    result = run(config, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.output)
    return found


def test_each_printer_has_its_profile_narrowed_by_the_owner(config: Path) -> None:
    (config.parent / "limits.toml").write_text(LIMITS)
    found = read(config)
    anna, berta = found["printers"]
    assert (found["problem"], found["present"], found["file"]) == (None, True, str(config.parent / "limits.toml"))
    assert (anna["printer"], anna["max_nozzle_c"], anna["max_bed_c"], anna["accept_trusted"]) == ("Anna", 200, 50, True)
    assert (anna["max_print_h"], anna["max_file_bytes"], anna["forbidden_codes"]) == (24, 1000, ["M600"])
    assert anna["quiet_hours"] == ["12:00-13:30", "22:00-07:00"]
    assert anna["narrowed_by_owner"] == ["max_nozzle_c", "max_bed_c", "volume"]
    assert anna["by_profile"]["max_nozzle_c"] == 260
    assert anna["volume"]["max_x"] == 100
    assert (berta["max_nozzle_c"], berta["narrowed_by_owner"]) == (260, ["max_bed_c"])


def test_people_read_what_the_owner_narrowed(config: Path) -> None:
    (config.parent / "limits.toml").write_text(LIMITS)
    said = run(config).output
    assert "Anna (generic-210)\n  nozzle up to 200 °C (limits.toml; the profile allows 260)\n" in said
    assert "Berta (generic-210)\n  nozzle up to 260 °C\n  bed up to 50 °C (limits.toml; " in said
    for words in ("X 0 to 100", "at most 24 h", "at most 1000 bytes", "never M600", "accepted once", "quiet 22:00-07:00"):
        assert words in said


def test_people_read_it_in_french_where_their_terminal_is(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "fr_FR.UTF-8")
    assert "limits.toml : il n'y en a pas, seuls les profils limitent" in run(config).output
    (config.parent / "limits.toml").write_text(LIMITS)
    said = run(config).output
    assert "Anna (generic-210)\n  buse jusqu'à 200 °C (limits.toml ; le profil permet 260)\n" in said
    for words in ("X 0 à 100", "de 24 h au plus", "de 1000 octets au plus", "jamais M600", "acceptés dès", "silence 22:00-07:00"):
        assert words in said
    for english in ("nozzle", "allows", "at most", "quiet"):
        assert english not in said


def test_without_a_file_the_profiles_alone_limit(config: Path) -> None:
    assert read(config)["present"] is False
    said = run(config).output
    assert "limits.toml: there is none, the profiles alone limit" in said
    assert "need trust: not accepted" in said
    config.write_text("")
    assert "No printers are listed" in run(config).output


@pytest.mark.parametrize(
    ("content", "named"),
    [('[printers."Ana"]\nmax_bed_c = 50\n', "Did you mean 'Anna'?"), ("max_bed_c = 'hot'\n", "max_bed_c"), ("nonsense", "TOML")],
)
def test_what_is_wrong_is_named_and_the_code_is_two(config: Path, content: str, named: str) -> None:
    (config.parent / "limits.toml").write_text(content)
    result = run(config)
    assert isinstance(result.exception, ConfigurationError)
    assert result.exception.exit_code == 2
    assert named in str(result.exception)
    told = run(config, "--json")
    assert told.exit_code == 2
    assert named in json.loads(told.output)["problem"]["detail"]
    assert json.loads(told.output)["problem"]["code"] == "limits-unreadable"


def test_a_file_that_node_toml_names_must_be_there(config: Path) -> None:
    config.write_text(f'limits = "{config.parent / "mine.toml"}"\n{NODE}')
    assert "No such file" in str(run(config).exception)
    (config.parent / "mine.toml").write_text("max_bed_c = 40\n")
    assert read(config)["printers"][0]["max_bed_c"] == 40


def test_the_end_of_a_profiles_id_is_enough(config: Path) -> None:
    config.write_text(NODE.replace("generic-210", "ender3", 1))
    assert [row["profile"] for row in read(config)["printers"]] == ["creality-ender3", "generic-210"]


def test_a_profile_that_does_not_exist_is_named(config: Path) -> None:
    config.write_text(NODE.replace("generic-210", "generic-211"))
    assert "generic-211" in str(run(config).exception)
