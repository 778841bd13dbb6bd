from farm.cli import build
from farm.commands.printers import printers
from farm.errors import FarmError
from tests.unit.farm.commands.conftest import Farm


def test_the_commands_for_printers() -> None:
    build("printers")
    build("printers")  # twice in one process, as tests do
    names = [command.name or getattr(command.callback, "__name__", "") for command in printers.registered_commands]
    assert sorted(names) == ["add", "console", "probe", "remove", "scan"]


def test_a_printer_that_is_gone_is_forgotten(farm: Farm) -> None:
    refused = farm.run("printers", "remove", "Atelier 1", "--yes").exception
    assert isinstance(refused, FarmError)
    assert refused.code == "printer-in-use"
    farm.control.change_printer("prn-1", online=False)
    assert farm.run("printers", "remove", "Atelier 1").exit_code == 1  # nobody answered
    asked = farm.run("printers", "remove", "Atelier 1", locale="fr_FR.UTF-8").stderr
    assert "Oublier Atelier 1 (prn-1) ? Ce qu'elle porte n'est plus attendu." in asked
    assert farm.run("printers", "remove", "atelier 1", "--yes").stdout == (
        "Atelier 1 is forgotten. If its node reports it again, it is back.\n"
    )
    assert farm.control.printers() == []
