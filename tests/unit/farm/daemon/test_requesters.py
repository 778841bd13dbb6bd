"""Requesters and their approvals: named once, bounded, recorded."""

from typing import Any

import pytest

from farm.daemon import requesters
from farm.daemon.requesters import add, approve, change, find_requester, remove, requester_view, requester_views, withdraw
from farm.errors import ConflictError, InvalidError, NotFoundError
from farm.library_views import ApprovalRequest, RequesterChange, RequesterRequest, SignedRequest
from scheduler.draft import Draft
from scheduler.model import Farm, Order, Requester, Revision, approval_key

HOSPITALS = Requester("requester-1", "Hospitals of Lyon", approves=True, created_at_s=1.0)
YES = ApprovalRequest(revision="r1", by="Dr. House", note="closed top")


def draft_with(*requesters_: Requester, **tables: Any) -> Draft:
    known = requesters_ or (HOSPITALS,)
    revisions = {"r1": Revision("r1", "d1", 0.0), "r0": Revision("r0", "d1", 0.0, recalled=True)}
    return Draft(Farm(1, 0.0, requesters={item.id: item for item in known}, revisions=revisions, **tables))


def actions(draft: Draft) -> list[tuple[str, str, str, str]]:
    return [(item.who, item.action, item.subject, item.detail) for item in draft.farm.audit.values()]


def test_a_requester_is_found_by_id_and_by_name() -> None:
    farm = draft_with().farm
    for name in ("requester-1", "Hospitals of Lyon", "  hospitals of LYON "):
        assert find_requester(farm, name) == HOSPITALS
    with pytest.raises(NotFoundError):
        find_requester(farm, "firemen")


def test_a_name_is_taken_once_whatever_its_letters() -> None:
    draft = draft_with()
    with pytest.raises(ConflictError) as refused:
        add(draft, RequesterRequest(name=" hospitals of lyon"), 2.0)
    assert refused.value.code == "name-taken"
    with pytest.raises(InvalidError):
        add(draft, RequesterRequest(name="   "), 2.0)
    key = add(draft, RequesterRequest(name=" Firemen ", by="Eve"), 2.0)
    assert draft.farm.requesters[key] == Requester(key, "Firemen", approves=False, created_at_s=2.0)
    assert actions(draft) == [("Eve", "requester.add", key, "Firemen")]
    with pytest.raises(ConflictError):
        change(draft, key, RequesterChange(name="Hospitals of Lyon"), 3.0)
    change(draft, key, RequesterChange(name="firemen"), 3.0)  # its own


def test_a_change_says_what_it_is_and_nothing_changed_is_no_entry() -> None:
    draft = draft_with()
    change(draft, "requester-1", RequesterChange(approves=True), 3.0)
    assert draft.changes == []
    change(draft, "requester-1", RequesterChange(approves=False, by="Eve"), 3.0)
    assert not draft.farm.requesters["requester-1"].approves
    assert actions(draft) == [("Eve", "requester.change", "requester-1", "Hospitals of Lyon: keeps no approvals")]
    change(draft, "requester-1", RequesterChange(name="Firemen", by="Eve"), 4.0)
    assert actions(draft)[-1] == ("Eve", "requester.change", "requester-1", "Hospitals of Lyon -> Firemen: keeps no approvals")


def test_there_is_an_end_to_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requesters, "MAX_REQUESTERS", 1)
    with pytest.raises(ConflictError):
        add(draft_with(), RequesterRequest(name="one too many"), 2.0)
    monkeypatch.setattr(requesters, "MAX_APPROVALS", 0)
    with pytest.raises(ConflictError):
        approve(draft_with(), "requester-1", YES, 2.0)


def test_an_approval_is_given_once_shown_and_taken_back() -> None:
    draft = draft_with()
    approve(draft, "hospitals of lyon", YES, 5.0)
    approve(draft, "requester-1", YES.model_copy(update={"by": "another"}), 6.0)
    view = requester_view(draft.farm, HOSPITALS)
    assert [(item.revision, item.approved_by, item.approved_at, item.note) for item in view.approvals] == [
        ("r1", "Dr. House", 5.0, "closed top")
    ]
    withdraw(draft, "requester-1", "r1", SignedRequest(by="Dr. House", reason="it broke"), 7.0)
    assert draft.farm.approvals == {}
    assert [action for _, action, _, _ in actions(draft)] == ["approval.add", "approval.withdraw"]
    with pytest.raises(NotFoundError):
        withdraw(draft, "requester-1", "r1", SignedRequest(), 8.0)


def test_what_is_not_there_or_recalled_is_not_approved() -> None:
    with pytest.raises(NotFoundError):
        approve(draft_with(), "requester-1", YES.model_copy(update={"revision": "r9"}), 5.0)
    with pytest.raises(ConflictError) as refused:
        approve(draft_with(), "requester-1", YES.model_copy(update={"revision": "r0"}), 5.0)
    assert refused.value.code == "recalled"
    assert refused.value.bilingual.fr == "La révision r0 a été rappelée. Approuvez celle qui la suit."


def test_a_requester_with_open_orders_stays_and_one_without_goes_with_its_approvals() -> None:
    order = Order("o1", "r1", 4, 0, "", 0.0, requester="requester-1")
    draft = draft_with(orders={"o1": order})
    approve(draft, "requester-1", YES, 5.0)
    assert requester_view(draft.farm, HOSPITALS).open_orders == 1
    with pytest.raises(ConflictError) as refused:
        remove(draft, "requester-1", "Eve", 6.0)
    assert refused.value.code == "requester-in-use"
    draft = draft_with()
    approve(draft, "requester-1", YES, 5.0)
    remove(draft, "Hospitals of Lyon", "Eve", 6.0)
    assert (draft.farm.requesters, draft.farm.approvals) == ({}, {})
    assert actions(draft)[-1] == ("Eve", "requester.remove", "requester-1", "Hospitals of Lyon")


def test_all_are_listed_by_name() -> None:
    others = (Requester("b", "zoo", approves=False, created_at_s=0.0), Requester("a", "Abbey", approves=False, created_at_s=9.0))
    assert [view.name for view in requester_views(draft_with(HOSPITALS, *others).farm)] == ["Abbey", "Hospitals of Lyon", "zoo"]


def test_the_key_of_an_approval_cannot_be_that_of_another() -> None:
    assert approval_key("a", "b-c") != approval_key("a-b", "c")
