import json

import typer
from typer.testing import CliRunner, Result

from farm.commands import set_aside
from farm.errors import ConflictError, FarmError
from farm.views import SetAsideView
from tests.unit.farm.commands.conftest import Farm


def add(farm: Farm, key: str, content: str = "{}") -> None:
    farm.control.set_aside_rows[key] = SetAsideView(
        id=key, node="n", node_name="garage", epoch="e", number=7, reason="odd", content=content, created_at=1_700_000_000.0
    )


def run(farm: Farm, *arguments: str, locale: str = "C.UTF-8") -> Result:
    app = typer.Typer()
    set_aside.register(app)
    return CliRunner().invoke(app, list(arguments), env={"FARM_URL": farm.url, "LC_ALL": locale})


def test_nothing_is_said_to_be_nothing(farm: Farm) -> None:
    assert run(farm).stdout == "No fact is set aside.\n"


def test_they_are_shown_with_node_number_reason_and_content(farm: Farm) -> None:
    add(farm, "f1", '{"kind": "\x1b[31modd"}')
    lines = run(farm).stdout.splitlines()
    assert lines[0].startswith("f1  2023-11-1")
    assert lines[0].endswith("garage, fact 7: odd")
    assert "\x1b" not in lines[1]
    assert '"kind"' in lines[1]
    assert "set-aside --seen" in lines[2]
    (row,) = json.loads(run(farm, "--json").stdout)
    assert row["id"] == "f1"


def test_what_was_looked_at_is_taken_off(farm: Farm) -> None:
    for key in ("f1", "f2", "f3"):
        add(farm, key)
    run(farm, "--seen", "f1", "--seen", "f3")
    assert sorted(farm.control.set_aside_rows) == ["f2"]
    error = run(farm, "--seen", "f1").exception
    assert isinstance(error, FarmError)
    assert error.code == "not-found"


def test_the_end_of_an_id_is_enough_and_one_beyond_the_list_is_asked_for(farm: Farm) -> None:
    keys = ("fact-0000000000001abc", "fact-0000000000002abc")
    for key in keys:
        add(farm, key)
    assert isinstance(run(farm, "--seen", "abc").exception, FarmError), "too short: the farm is asked for it as it is"
    error = run(farm, "--seen", "00000000").exception
    assert isinstance(error, ConflictError)
    assert sorted(farm.control.set_aside_rows) == sorted(keys)
    run(farm, "--seen", "1abc")
    assert sorted(farm.control.set_aside_rows) == [keys[1]]


def test_a_french_terminal_is_told_in_french(farm: Farm) -> None:
    assert run(farm, locale="fr_FR.UTF-8").stdout == "Aucun fait n'est mis de côté.\n"
    add(farm, "f1")
    lines = run(farm, locale="fr_FR.UTF-8").stdout.splitlines()
    assert lines[0].endswith("garage, fait 7 : odd"), "what an older farm does not say in French"
    farm.control.set_aside_rows["f1"] = farm.control.set_aside_rows["f1"].model_copy(update={"reason_fr": "bizarre"})
    assert run(farm, locale="fr_FR.UTF-8").stdout.splitlines()[0].endswith("garage, fait 7 : bizarre")
    assert lines[2] == "Quand vous avez compté à la main ce dont ils parlaient : farm set-aside --seen ID"
