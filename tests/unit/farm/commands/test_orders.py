"""The commands that people type, against a real socket."""

from pathlib import Path

import pytest

from api.testing import MemoryControl
from farm.commands.orders import find_printer, share
from farm.commands.overview import plain
from farm.errors import ConflictError, FarmError, InvalidError, NotFoundError
from farm.views import AlarmView, OccupationView
from scheduler.model import BedState, JobOutcome, OccupationKind
from tests.unit.farm.commands.conftest import Farm

ADD = ("--design", "visor-frame", "--revision", "visor-frame-r1", "--profile", "generic-210", "--parts", "2")


@pytest.fixture
def visor(farm: Farm, tmp_path: Path) -> str:
    """A program that was added by the command line: its SHA-256."""
    path = tmp_path / "visor.gcode"
    path.write_bytes(b"G28\nG1 X1\n" * 20_000)
    view = farm.json("program", "add", str(path), *ADD)
    assert (view["parts"], view["name"], view["size_bytes"]) == (2, "visor.gcode", 200_000)
    return str(view["sha256"])


def test_an_order(farm: Farm, visor: str) -> None:
    result = farm.run("order", "visor-frame", "5", "--priority", "3", "--destination", "CHU")
    assert "5 x visor-frame-r1; 2 being made already" in result.stdout
    order = farm.control.orders()[0]
    assert (order.quantity, order.priority, order.destination) == (5, 3, "CHU")
    view = farm.json("order", "ignored", "1", "--revision", "visor-frame-r1")
    assert (view["revision"], view["quantity"]) == ("visor-frame-r1", 1)
    assert farm.run("order", "visor-frame", "0").exit_code == 2


def test_an_order_for_a_requester_that_keeps_approvals(farm: Farm, visor: str) -> None:
    farm.run("requester", "add", "Hospitals of Lyon", "--approves")
    refused = farm.run("order", "visor-frame", "5", "--requester", "Hospitals of Lyon").exception
    assert isinstance(refused, FarmError)
    assert refused.code == "not-approved"
    farm.run("requester", "approve", "Hospitals of Lyon", "visor-frame-r1", "--by", "Dr. House")
    view = farm.json("order", "visor-frame", "5", "--requester", "Hospitals of Lyon")
    assert view["requester_name"] == "Hospitals of Lyon"


def test_an_order_for_nothing_known(farm: Farm) -> None:
    error = farm.run("order", "nothing", "5").exception
    assert isinstance(error, FarmError)
    assert (error.code, error.exit_code) == ("not-found", 1)
    assert "farm program add" in error.next_step


def test_collecting_without_numbers_takes_all_for_good_and_says_so(farm: Farm, visor: str) -> None:
    farm.run("order", "visor-frame", "9")
    error = farm.run("collect", "prn-1").exception
    assert isinstance(error, ConflictError)  # it still prints
    farm.server.call(farm.control.finish, "prn-1")
    result = farm.run("collect", "atelier 1")
    assert result.stdout == "Atelier 1: 2 good, 0 scrap noted (all of them, because you gave no numbers).\n"
    assert farm.control.orders()[0].good == 2


@pytest.mark.parametrize("outcome", [JobOutcome.FAILED, JobOutcome.CANCELLED, JobOutcome.INTERRUPTED])
def test_nothing_is_assumed_of_a_print_that_did_not_end_well(farm: Farm, visor: str, outcome: JobOutcome) -> None:
    farm.run("order", "visor-frame", "9")
    farm.server.call(farm.control.finish, "prn-1", outcome)
    error = farm.run("collect", "prn-1").exception
    assert isinstance(error, ConflictError)
    assert str(outcome) in error.detail
    assert "--good 0 --scrap 2" in error.next_step
    assert farm.control.orders()[0].good == 0
    assert "1 good, 1 scrap noted.\n" in farm.run("collect", "prn-1", "--good", "1").stdout


def test_a_word_for_a_node_that_is_away_counts_later(farm: Farm, visor: str) -> None:
    farm.run("order", "visor-frame", "9")
    farm.server.call(farm.control.finish, "prn-1")
    farm.server.call(farm.control.change_printer, "prn-1", online=False)
    assert "this counts when the node is back" in farm.run("collect", "prn-1").stdout


def test_collecting_with_numbers(farm: Farm, visor: str) -> None:
    farm.run("order", "visor-frame", "9")
    farm.server.call(farm.control.finish, "prn-1")
    assert isinstance(farm.run("collect", "prn-1", "--good", "3").exception, InvalidError)
    view = farm.json("collect", "prn-1", "--good", "1", "--by", "Karim")
    assert (view["good"], view["scrap"]) == (1, 1)
    assert farm.control.orders()[0].scrap == 1
    assert [job.collected_by for job in farm.control.job_rows.values() if job.state == "collected"] == ["Karim"]


def test_a_bed_of_something_else_is_cleared_not_collected(farm: Farm) -> None:
    assert isinstance(farm.run("clear-bed", "prn-1").exception, ConflictError)
    on_bed = OccupationView(id="occ-1", kind=OccupationKind.FOREIGN)
    farm.server.call(farm.control.change_printer, "prn-1", bed=BedState.OCCUPIED, ready=False, occupation=on_bed)
    error = farm.run("collect", "prn-1").exception
    assert isinstance(error, ConflictError)
    assert "clear-bed" in error.next_step
    assert "noted that the bed is clear" in farm.run("clear-bed", "prn-1").stdout
    assert farm.control.printer("prn-1").bed is BedState.CLEAR


def test_an_invitation(farm: Farm) -> None:
    lines = farm.run("invite", "--name", "Élodie").stdout.splitlines()
    code = lines[0].removeprefix("Code: ")
    assert farm.control.invites == {code: "Élodie"}
    assert code in lines[1]
    assert farm.json("invite")["code"] in farm.control.invites


def test_the_status_shows_what_needs_a_hand(farm: Farm, visor: str) -> None:
    farm.run("order", "visor-frame", "9", "--destination", "CHU [bold]")
    farm.server.call(farm.control.finish, "prn-1")
    farm.control.alarm_rows.append(AlarmView(code="disk-low", text="Little room.", next_step="Make some.", since=1.0))
    text = farm.run("status").stdout
    assert "1 of 1 printer online, 9 parts owed" in text
    assert "! Little room. Make some." in text
    assert "> Atelier 1: 2 parts to collect: farm collect prn-1" in text
    assert "CHU [bold]" in text  # text of people is no markup
    assert farm.json("status")["name"] == "Essaim"


def test_an_empty_farm_has_a_status(farm: Farm) -> None:
    farm.control.printer_rows.clear()
    assert farm.run("status").stdout == "Essaim: 0 of 0 printers online, 0 parts owed\n"


def test_escape_sequences_of_a_printer_do_not_reach_the_terminal(farm: Farm) -> None:
    farm.server.call(farm.control.change_printer, "prn-1", name="\x1b]0;owned\x07\x1b[31mred", note="\x9b2J")
    text = farm.run("status").stdout
    assert "\x1b" not in text
    assert "\x07" not in text
    assert plain("a\x1b[2Jb\n\u202ec") == "a�[2Jb��c"


@pytest.mark.parametrize(
    ("good", "scrap", "expected"),
    [(None, None, (4, 0)), (3, None, (3, 1)), (None, 1, (3, 1)), (1, 1, (1, 1)), (0, None, (0, 4)), (4, 0, (4, 0))],
)
def test_what_is_not_said_follows(good: int | None, scrap: int | None, expected: tuple[int, int]) -> None:
    assert share(4, good, scrap) == expected


@pytest.mark.parametrize(("good", "scrap"), [(5, None), (None, 5), (3, 2), (-1, None)])
def test_more_than_there_are(good: int | None, scrap: int | None) -> None:
    with pytest.raises(InvalidError):
        share(4, good, scrap)


def test_printers_are_found_by_id_or_by_a_name_that_only_one_has(tmp_path: Path) -> None:
    control = MemoryControl(tmp_path)
    control.add_printer("prn-1", "Ender")
    control.add_printer("prn-2", "ender")
    control.add_printer("prn-3", "prn-1")
    farm = control.snapshot()
    assert find_printer(farm, "prn-1").name == "Ender"
    assert find_printer(farm, "PRN-1").id == "prn-3"
    with pytest.raises(ConflictError):
        find_printer(farm, "Ender")
    with pytest.raises(NotFoundError):
        find_printer(farm, "Prusa")


def test_a_french_terminal_is_told_of_orders_and_beds_in_french(farm: Farm, visor: str) -> None:
    ordered = farm.french("order", "visor-frame", "9")
    assert ordered.endswith(" : 9 x visor-frame-r1 ; 2 déjà en cours. Suivez-la avec : farm status\n")
    farm.server.call(farm.control.finish, "prn-1")
    assert "> Atelier 1 : 2 pièces à collecter : farm collect prn-1" in farm.french("status")
    collected = farm.french("collect", "prn-1")
    assert collected == "Atelier 1 : 2 bonnes, 0 au rebut, noté (toutes bonnes, car vous n'avez pas donné de nombres).\n"
    unknown = OccupationView(id="occ-1", kind=OccupationKind.UNKNOWN)
    farm.server.call(farm.control.change_printer, "prn-1", online=False, bed=BedState.UNKNOWN, occupation=unknown)
    cleared = farm.french("clear-bed", "prn-1")
    assert cleared == "Atelier 1 : noté que le plateau est libre. Son nœud est absent : cela compte quand le nœud est de retour.\n"
    code, typed = farm.french("invite").splitlines()
    assert code.startswith("Code : ")
    assert typed.startswith("Le maker tape, une fois : farm node join ")


def test_errors_of_a_hand_are_told_in_french(farm: Farm, visor: str) -> None:
    def refused(*arguments: str) -> str:
        error = farm.run(*arguments).exception
        assert isinstance(error, FarmError)
        return error.bilingual.fr

    assert refused("collect", "prn-9") == "Il n'y a pas d'imprimante prn-9. `farm status` les nomme."
    farm.run("order", "visor-frame", "9")
    assert refused("collect", "prn-1") == "Atelier 1 imprime encore. Attendez sa fin."
    farm.server.call(farm.control.finish, "prn-1", JobOutcome.CANCELLED)
    assert refused("collect", "prn-1") == (
        "L'impression sur Atelier 1 n'est pas allée à son terme : elle a été annulée. "
        "Dites combien de ses pièces sont utilisables, par exemple : farm collect prn-1 --good 0 --scrap 2"
    )
    assert refused("collect", "prn-1", "--good", "3") == "Il n'y a que 2 pièces sur le plateau. Comptez de nouveau."
