"""Orders with their attempts, nodes that go, revisions that are recalled: as typed."""

import json

import pytest

from farm.bus.messages import PromptNote
from farm.commands.manage import find_node
from farm.errors import ConflictError, FarmError, InvalidError, NotFoundError
from farm.request_bodies import OrderRequest
from farm.views import StockView
from scheduler.model import JobOutcome
from tests.unit.api.serving import GCODE, add_visor
from tests.unit.farm.commands.conftest import Farm


@pytest.fixture
def order(farm: Farm) -> str:
    """An order whose first attempt failed, whose second was collected."""

    async def make() -> str:
        await add_visor(farm.control, GCODE)
        placed = await farm.control.place_order(OrderRequest(design="visor-frame", quantity=9, destination="CHU"))
        failed = farm.control.finish("prn-1", JobOutcome.FAILED)
        farm.control.job_rows[failed.id] = failed.model_copy(update={"detail": "Heating failed", "written_off": True})
        farm.control._clear("prn-1")
        farm.control._recount(placed.id)
        farm.control._allocate()
        return placed.id

    made: str = farm.server.call(make)
    farm.server.call(farm.control.finish, "prn-1")
    assert farm.run("collect", "prn-1").exit_code == 0
    return made


def test_orders_are_listed(farm: Farm, order: str) -> None:
    assert farm.run("orders", "list").stdout == f"{order}: 2 of 9 x visor-frame-r1 for CHU, open\n"
    assert [row["id"] for row in farm.json("orders", "list")] == [order]


def test_without_orders_the_list_says_so(farm: Farm) -> None:
    assert farm.run("orders", "list").stdout == "No orders yet.\n"


def test_an_order_is_shown_with_every_attempt_the_first_one_first(farm: Farm, order: str) -> None:
    lines = farm.run("orders", "show", order).stdout.splitlines()
    assert lines[0].startswith(f"{order}: 2 of 9 x visor-frame-r1; ")
    assert "1. " in lines[1]
    assert "Atelier 1: failed after 0 s (Heating failed); not expected any more" in lines[1]
    assert "2 good, 0 scrap, by operator" in lines[2]
    assert "running; 2 parts expected" in lines[3]
    shown = farm.json("orders", "show", order)
    assert [job["outcome"] for job in shown["jobs"]] == [None, "printed", "failed"]
    error = farm.run("orders", "show", "order-0000000000000000").exception
    assert isinstance(error, FarmError)
    assert error.code == "not-found"


def test_an_order_is_changed(farm: Farm, order: str) -> None:
    shown = farm.run("orders", "change", order, "--quantity", "5", "--priority", "-3").stdout
    assert shown == f"{order}: 2 of 5 x visor-frame-r1, priority -3, open\n"
    assert farm.json("orders", "change", order, "--priority", "7")["quantity"] == 5, "what is not said stays"
    shown = farm.run("orders", "change", order, "--quantity", "1").stdout
    assert shown == f"{order}: 2 of 2 x visor-frame-r1, priority 7, met (1 were asked for, and 2 are good already)\n"
    error = farm.run("orders", "change", order, "--quantity", "9").exception
    assert isinstance(error, FarmError)
    assert error.code == "conflict"
    assert isinstance(farm.run("orders", "change", order).exception, InvalidError)


def test_an_order_is_cancelled_after_a_question(farm: Farm, order: str) -> None:
    asked = farm.run("orders", "cancel", order)
    assert asked.exit_code == 1
    assert f"Cancel {order} (2 of 9 x visor-frame-r1)? What is printing goes on and becomes stock." in asked.output
    assert farm.control.order_rows[order].state == "open"
    assert farm.run("orders", "cancel", order, "--yes").stdout == f"{order} is cancelled: nothing more is started for it.\n"
    assert farm.control.order_rows[order].state == "cancelled"
    assert farm.json("orders", "cancel", order, "--yes")["state"] == "cancelled"
    error = farm.run("orders", "cancel", "order-0000000000000000", "--yes").exception
    assert isinstance(error, FarmError)
    assert error.code == "not-found"


def test_orders_of_a_recalled_revision_are_marked(farm: Farm, order: str) -> None:
    assert farm.run("recall", "visor-frame-r1", "--yes").exit_code == 0
    assert farm.run("orders", "list").stdout.endswith(", open, recalled\n")
    assert "  Its revision was recalled: tell who has its parts" in farm.run("orders", "show", order).stdout
    status = farm.run("status").stdout
    assert "visor-frame-r1 (recalled)" in status


def test_rejected_messages_of_a_node_are_counted_where_it_is_listed(farm: Farm) -> None:
    row = farm.control.add_node("nod-2", name="garage")
    farm.control.node_rows["nod-2"] = row.model_copy(update={"rejected": {"too-large": 2, "bad-json": 1, "late": 0}})
    shown = farm.run("nodes", "list").stdout
    assert "nod-2: garage, connected, 0 printers, 3 messages rejected (bad-json 1, too-large 2)\n" in shown
    assert shown.count("rejected") == 1
    assert "- Node garage: 3 messages rejected (bad-json 1, too-large 2)." in farm.run("status").stdout


def test_the_node_of_people_is_called_as_on_the_page(farm: Farm) -> None:
    farm.control.add_node("people", name="People")
    assert "people: People, connected, 0 printers\n" in farm.run("nodes", "list").stdout
    assert "people : Les mains, connecté, 0 imprimante\n" in farm.run("nodes", "list", locale="fr_FR.UTF-8").stdout


def test_nodes_are_listed_with_what_they_still_have_to_tell(farm: Farm) -> None:
    row = farm.control.add_node("nod-2", name="garage")
    farm.control.node_rows["nod-2"] = row.model_copy(update={"told": False, "online": False, "silent_s": None})
    lines = farm.run("nodes", "list").stdout.splitlines()
    assert lines == [
        "nod-2: garage, not heard yet, 0 printers, has not told everything yet",
        "nod-1: nod-1, connected, 1 printer",
    ]
    assert len(farm.json("nodes", "list")) == 2


def test_a_node_is_removed_after_a_question(farm: Farm) -> None:
    farm.control.add_node("nod-2", name="garage")
    assert farm.run("nodes", "remove", "Garage").exit_code == 1  # nobody answered
    assert "nod-2" in farm.control.node_rows
    removed = farm.run("nodes", "remove", "Garage", "--yes")
    assert removed.stdout == "garage is removed. What it was to print is made by others once its lease has ended.\n"
    error = farm.run("nodes", "remove", "nod-1", "--yes").exception
    assert isinstance(error, FarmError)
    assert error.code == "last-node"
    assert farm.run("nodes", "remove", "nod-1", "--yes", "--last").exit_code == 0
    assert farm.control.node_rows == {}


def test_what_lies_on_its_beds_is_said_before(farm: Farm, order: str) -> None:
    farm.control.add_node("nod-2")
    asked = farm.run("nodes", "remove", "nod-1")
    assert "On 1 bed of it something lies" in asked.output


def test_a_node_is_found_by_id_or_by_a_name_that_one_alone_has(farm: Farm) -> None:
    rows = [farm.control.add_node("nod-2", name="Twin"), farm.control.add_node("nod-3", name="twin")]
    assert find_node(rows, "nod-3") == rows[1]
    with pytest.raises(ConflictError, match="2 nodes are called Twin"):
        find_node(rows, "Twin")
    with pytest.raises(NotFoundError):
        find_node(rows, "other")


def test_a_recall_says_what_it_found(farm: Farm, order: str) -> None:
    farm.control.stock_rows["visor-frame-r1"] = StockView(revision="visor-frame-r1", parts=4)
    assert farm.run("recall", "visor-frame-r1").exit_code == 1
    assert farm.control.recalled == set()
    told = farm.run("recall", "visor-frame-r1", "--yes").stdout
    assert "visor-frame-r1 is recalled" in told
    assert "prints on Atelier 1: cancel it" in told
    assert "4 parts in stock: set aside" in told
    assert order in told
    assert farm.control.recalled == {"visor-frame-r1"}
    assert json.loads(farm.run("recall", "visor-frame-r1", "--yes", "--json").stdout)["stock_set_aside"] == 4
    error = farm.run("recall", "visor-frame-r9", "--yes").exception
    assert isinstance(error, NotFoundError)
    assert error.next_step == "Did you mean visor-frame-r1? `farm revision list` names them."


def test_a_recall_and_an_order_tell_printers_of_one_name_apart_by_their_nodes(farm: Farm, order: str) -> None:
    farm.control.add_node("nod-2", name="garage")
    farm.control.add_printer("prn-2", "atelier 1", node="nod-2")
    assert "  Atelier 1 (nod-1): running; " in farm.run("orders", "show", order).stdout
    assert "prints on Atelier 1 (nod-1): cancel it" in farm.run("recall", "visor-frame-r1", "--yes").stdout


def test_a_recall_names_a_printer_that_the_farm_has_forgotten_by_its_id(farm: Farm, order: str) -> None:
    farm.control.printer_rows.clear()
    assert "prints on prn-1: cancel it" in farm.run("recall", "visor-frame-r1", "--yes").stdout


@pytest.mark.parametrize("part", [slice(-4, None), slice(4, 9), slice(0, 9)])
def test_an_order_is_named_by_the_end_or_the_beginning_of_its_id(farm: Farm, order: str, part: slice) -> None:
    short = order[part]
    assert farm.run("orders", "show", short).stdout.startswith(f"{order}: 2 of 9 x visor-frame-r1; ")
    assert farm.run("orders", "change", short, "--priority", "5").stdout.startswith(f"{order}: 2 of 9 x visor-frame-r1, priority 5")
    assert f"Cancel {order} (" in farm.run("orders", "cancel", short).output
    assert farm.run("orders", "cancel", short, "--yes").stdout.startswith(f"{order} is cancelled")
    assert farm.control.order_rows[order].state == "cancelled"


def test_a_revision_is_recalled_by_the_end_of_its_id_and_the_question_says_the_whole(farm: Farm, order: str) -> None:
    assert "Recall visor-frame-r1? " in farm.run("recall", "r1").output
    assert farm.control.recalled == set()
    assert farm.run("recall", "r1", "--yes").exit_code == 0
    assert farm.control.recalled == {"visor-frame-r1"}


def test_a_french_terminal_sees_orders_in_french(farm: Farm, order: str) -> None:
    assert farm.french("orders", "list") == f"{order} : 2 sur 9 x visor-frame-r1 pour CHU, ouverte\n"
    lines = farm.french("orders", "show", order).splitlines()
    assert lines[0].startswith(f"{order} : 2 sur 9 x visor-frame-r1 ; ")
    assert lines[0].endswith(" en cours ; ouverte")
    assert lines[1].endswith("Atelier 1 : l'impression a échoué après 0 s (Heating failed) ; on ne l'attend plus")
    assert lines[2].endswith("Atelier 1 : l'impression est finie après 0 s ; 2 bonnes, 0 au rebut, par operator")
    assert lines[3].endswith("Atelier 1 : en cours ; 2 pièces attendues")
    changed = farm.french("orders", "change", order, "--quantity", "1")
    assert changed == f"{order} : 2 sur 2 x visor-frame-r1, priorité 0, honorée (1 demandée, et 2 déjà bonnes)\n"
    asked = farm.run("orders", "cancel", order, locale="fr_FR.UTF-8")
    assert asked.exit_code == 1
    assert f"Annuler {order} (2 sur 2 x visor-frame-r1) ? Ce qui imprime continue et va au stock." in asked.output


def test_a_french_terminal_sees_a_cancelled_order_and_none_in_french(farm: Farm, order: str) -> None:
    assert farm.french("orders", "cancel", order, "--yes") == f"{order} est annulée : plus rien n'est lancé pour elle.\n"
    farm.control.order_rows.clear()
    assert farm.french("orders", "list") == "Aucune commande.\n"


def test_a_french_terminal_sees_nodes_in_french(farm: Farm) -> None:
    row = farm.control.add_node("nod-2", name="garage")
    unheard = {"told": False, "online": False, "silent_s": None, "rejected": {"late": 1}}
    farm.control.node_rows["nod-2"] = row.model_copy(update=unheard)
    assert farm.french("nodes", "list").splitlines() == [
        "nod-2 : garage, aucune nouvelle, 0 imprimante, n'a pas encore tout raconté, 1 message rejeté (late 1)",
        "nod-1 : nod-1, connecté, 1 imprimante",
    ]
    removed = farm.french("nodes", "remove", "garage", "--yes")
    assert removed == "garage est retiré. Ce qu'il devait imprimer est fait par d'autres une fois son bail terminé.\n"
    error = farm.run("nodes", "remove", "garage").exception
    assert isinstance(error, NotFoundError)
    assert error.bilingual.fr == "Il n'y a pas de nœud garage. `farm nodes list` les nomme."


def test_a_french_terminal_sees_a_recall_in_french(farm: Farm, order: str) -> None:
    farm.control.stock_rows["visor-frame-r1"] = StockView(revision="visor-frame-r1", parts=4)
    lines = farm.french("recall", "visor-frame-r1", "--yes").splitlines()
    assert lines[0].startswith("visor-frame-r1 est rappelée : ")
    assert lines[0].endswith("plus rien n'en est lancé.")
    assert lines[1].endswith(" imprime sur Atelier 1 : annulez-la sur la page, ou laissez-la finir et mettez ses pièces de côté.")
    assert lines[2] == "  4 pièces en stock : de côté, pour aucune commande."
    assert lines[3] == f"  1 commande ouverte de cette révision : {order}. Commandez plutôt la nouvelle."
    assert lines[4] == "Prévenez qui en a déjà des pièces : `farm orders list` nomme les destinations."
    assert farm.french("orders", "list").endswith(", ouverte, rappelée\n")
    assert "  Sa révision a été rappelée : prévenez qui en a les pièces" in farm.french("orders", "show", order)


@pytest.mark.parametrize("command", ["orders list", "orders show {order}", "nodes list", "answer prn-1"])
def test_what_programs_read_is_the_same_in_every_language(farm: Farm, order: str, command: str) -> None:
    prompt = PromptNote(id="prompt-1", text="Ready?")
    farm.server.call(farm.control.change_printer, "prn-1", prompt=prompt)
    words = [*command.format(order=order).split(), "--json"]
    assert farm.french(*words) == farm.run(*words).stdout
    assert json.loads(farm.french(*words))
