"""People's orders: what is chosen, what is refused, what it costs a node."""

from dataclasses import replace

import pytest

from farm.daemon.orders import cancel, change, choose_revision, find_design, find_order, place
from farm.errors import ConflictError, FarmError, InvalidError, NotFoundError
from farm.request_bodies import OrderChange, OrderRequest
from scheduler.draft import Draft
from scheduler.model import Approval, Design, Farm, Requester, Revision, approval_key
from tests.unit.scheduler.farms import NOW_S, allocation, farm, order, program

DESIGN = Design("d1", "Visor Frame", 0.0)


def world(**tables: object) -> Farm:
    defaults: dict[str, object] = {"designs": [DESIGN], "orders": [order(quantity=10)]}
    return farm(**{**defaults, **tables})


@pytest.mark.parametrize("name", ["Visor Frame", "visor frame", "  VISOR FRAME ", "d1"])
def test_a_design_is_found_by_id_or_by_name_as_people_write_it(name: str) -> None:
    assert find_design(world(), name) == DESIGN


def test_an_order_for_a_design_means_its_newest_revision_that_was_not_recalled() -> None:
    revisions = [Revision("r1", "d1", 1.0), Revision("r2", "d1", 2.0), Revision("r3", "d1", 3.0, recalled=True)]
    assert choose_revision(world(revisions=revisions), OrderRequest(design="visor frame", quantity=1)).id == "r2"


def test_a_revision_may_be_named() -> None:
    assert choose_revision(world(), OrderRequest(revision="r1", quantity=1)).id == "r1"
    assert choose_revision(world(), OrderRequest(design="d1", revision="r1", quantity=1)).id == "r1"


@pytest.mark.parametrize(
    ("request_", "error", "french"),
    [
        (OrderRequest(design="toy", quantity=1), NotFoundError, "Il n'y a pas de modèle 'toy'. Modèles connus : Visor Frame. Env"),
        (OrderRequest(revision="r9", quantity=1), NotFoundError, "Il n'y a pas de révision 'r9'. Envoyez d'abord son G-code"),
        (OrderRequest(quantity=1), InvalidError, "Une commande nomme un modèle ou une révision. Donnez l'un des deux."),
    ],
)
def test_what_is_not_there_is_said_with_what_is(request_: OrderRequest, error: type[FarmError], french: str) -> None:
    with pytest.raises(error) as refused:
        choose_revision(world(), request_)
    assert refused.value.bilingual.fr.startswith(french)


def test_a_revision_of_another_design_is_not_found() -> None:
    both = world(designs=[DESIGN, Design("d2", "toy", 0.0)])
    with pytest.raises(NotFoundError):
        choose_revision(both, OrderRequest(design="toy", revision="r1", quantity=1))


@pytest.mark.parametrize("request_", [OrderRequest(design="d1", quantity=1), OrderRequest(revision="r1", quantity=1)])
def test_recalled_revisions_cannot_be_ordered(request_: OrderRequest) -> None:
    with pytest.raises(ConflictError):
        choose_revision(world(revisions=[Revision("r1", "d1", 0.0, recalled=True)]), request_)


def test_an_order_is_placed_with_what_was_asked() -> None:
    draft = Draft(world())
    key = place(draft, OrderRequest(design="d1", quantity=500, priority=3, destination="Palaiseau"), NOW_S)
    made = draft.farm.orders[key]
    assert (made.revision, made.quantity, made.priority, made.destination, made.created_at_s) == ("r1", 500, 3, "Palaiseau", NOW_S)


def test_what_nothing_prints_cannot_be_ordered() -> None:
    draft = Draft(world(programs=[program(revision="r9")]))
    with pytest.raises(ConflictError) as refused:
        place(draft, OrderRequest(design="d1", quantity=1), NOW_S)
    assert refused.value.code == "no-program"
    assert draft.changes == []


@pytest.mark.parametrize(("wished", "good", "quantity"), [(20, 0, 20), (3, 0, 3), (2, 5, 5)])
def test_a_quantity_changes_but_good_parts_are_never_taken_away(wished: int, good: int, quantity: int) -> None:
    draft = Draft(world(orders=[order(quantity=10, good=good)]))
    change(draft, "o1", OrderChange(quantity=wished), NOW_S)
    after = draft.farm.orders["o1"]
    assert (after.quantity, after.good) == (quantity, good)
    assert (after.met_at_s is not None) == (good >= quantity)


def test_a_new_priority_is_told_to_the_nodes_that_work_for_it() -> None:
    held = [
        allocation(),
        allocation("a2", node="n2", printer="p2", order="o2"),
        allocation("a3", node="n3", printer="p3", started=4),
    ]
    draft = Draft(world(allocations=held))
    change(draft, "o1", OrderChange(priority=5), NOW_S)
    assert draft.farm.orders["o1"].priority == 5
    assert {key: record.version for key, record in draft.farm.node_records.items()} == {"n1": 8, "n2": 7, "n3": 7}


@pytest.mark.parametrize("closed", [order(good=12), order(cancelled=True)])
def test_closed_orders_are_not_changed(closed: object) -> None:
    with pytest.raises(ConflictError):
        change(Draft(world(orders=[closed])), "o1", OrderChange(quantity=20), NOW_S)


def test_cancelling_twice_is_cancelling_once() -> None:
    draft = Draft(world())
    cancel(draft, "o1")
    after = Draft(draft.farm)
    cancel(after, "o1")
    assert draft.farm.orders["o1"].cancelled
    assert after.changes == []


def test_a_met_order_cannot_be_cancelled() -> None:
    with pytest.raises(ConflictError):
        cancel(Draft(world(orders=[replace(order(), good=12)])), "o1")


def test_an_unknown_order_is_not_found() -> None:
    with pytest.raises(NotFoundError):
        find_order(world(), "o9")


# --- drafts and requesters --------------------------------------------------------------------------------------------------------

HOSPITALS = Requester("q1", "Hospitals", approves=True, created_at_s=0.0)


def approved(*revisions: str) -> list[Approval]:
    return [Approval(approval_key("q1", key), "q1", key, "Dr. House", 0.0) for key in revisions]


def wards(*approvals: Approval, **fields: object) -> Farm:
    revisions = [Revision("r1", "d1", 1.0), Revision("r2", "d1", 2.0), Revision("r3", "d1", 3.0, draft=True)]
    return world(**{"revisions": revisions, "approvals": list(approvals), "requesters": [HOSPITALS], **fields})


def test_a_design_means_its_newest_released_revision() -> None:
    assert choose_revision(wards(), OrderRequest(design="visor frame", quantity=1)).id == "r2"


def test_a_draft_is_not_ordered() -> None:
    with pytest.raises(ConflictError) as refused:
        choose_revision(wards(), OrderRequest(revision="r3", quantity=1))
    assert refused.value.code == "revision-draft"
    only = wards(revisions=[Revision("r3", "d1", 3.0, draft=True)])
    with pytest.raises(ConflictError, match="r3") as refused:
        choose_revision(only, OrderRequest(design="visor frame", quantity=1))
    assert refused.value.code == "revision-draft"


def test_a_requester_gets_the_newest_revision_that_it_has_approved() -> None:
    request = OrderRequest(design="visor frame", quantity=1, requester="hospitals")
    assert choose_revision(wards(*approved("r1")), request).id == "r1"
    assert choose_revision(wards(*approved("r1", "r2")), request).id == "r2"


@pytest.mark.parametrize("what", [{"design": "visor frame"}, {"revision": "r2"}])
def test_what_it_has_not_approved_is_refused_with_what_it_has(what: dict[str, str]) -> None:
    request = OrderRequest.model_validate({**what, "quantity": 1, "requester": "q1"})
    with pytest.raises(ConflictError, match="none yet") as refused:
        choose_revision(wards(), request)
    assert refused.value.code == "not-approved"
    if "revision" in what:
        with pytest.raises(ConflictError, match="r1"):
            choose_revision(wards(*approved("r1")), request)


def test_an_unknown_requester_is_told_and_a_known_one_is_on_the_order() -> None:
    with pytest.raises(NotFoundError):
        choose_revision(wards(), OrderRequest(design="visor frame", quantity=1, requester="firemen"))
    draft = Draft(wards(*approved("r1"), programs=[program()]))
    key = place(draft, OrderRequest(design="visor frame", quantity=1, requester="Hospitals"), 5.0)
    assert (draft.farm.orders[key].requester, draft.farm.orders[key].revision) == ("q1", "r1")
