"""What the farm knows, asked with little patience."""

from typing import Any

import pytest

from farm.commands.client import FarmClient, Target
from farm.commands.fleet import Fleet
from farm.errors import UnreachableError
from tests.unit.farm.commands.conftest import Farm


def test_printers_by_name_and_kind(farm: Farm) -> None:
    farm.control.add_printer("prn-2", "Atelier 2", driver="octoprint")
    with FarmClient(Target(farm.url)) as client:
        fleet = Fleet.ask(client)
    assert fleet.unknown is None
    assert [one.id for one in fleet.called("ATELIER 1", "marlin")] == ["prn-1"]
    assert not fleet.called("Atelier 2", "marlin")
    (printer,) = fleet.called("Atelier 2", "octoprint")
    assert fleet.record(printer) == {"id": "prn-2", "name": "Atelier 2", "node": "nod-1", "state": "idle"}


def test_a_printer_whose_node_is_away_is_offline(farm: Farm) -> None:
    farm.control.add_printer("prn-3", "Loin", online=False)
    with FarmClient(Target(farm.url)) as client:
        fleet = Fleet.ask(client)
    (printer,) = fleet.called("Loin", "marlin")
    assert fleet.record(printer)["state"] == "offline"


def test_without_an_answer_it_says_why() -> None:
    with FarmClient(Target("http://127.0.0.1:9")) as client:
        fleet = Fleet.ask(client)
    assert isinstance(fleet.unknown, UnreachableError)
    assert (fleet.printers, fleet.nodes) == ((), ())


def test_an_answer_of_another_version_is_none(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    def older(_self: FarmClient, _path: str) -> Any:
        return {"printers": "none"}

    monkeypatch.setattr(FarmClient, "glance", older)
    with FarmClient(Target(farm.url)) as client:
        error = Fleet.ask(client).unknown
    assert error is not None
    assert "another version" in error.detail
    assert error.bilingual.fr == "Ce démon est d'une autre version. Mettez les deux à la même version."
