"""Who asks for parts, and of which revisions they take them: people's changes, as actions on a draft."""

from dataclasses import replace
from typing import Final

from farm.control_errors import missing, no_approval, requester_in_use
from farm.daemon import audit
from farm.daemon.releases import find_revision
from farm.errors import ConflictError, InvalidError
from farm.ids import new_id
from farm.library_views import (
    ApprovalRequest,
    ApprovalView,
    RequesterChange,
    RequesterRequest,
    RequesterView,
    SignedRequest,
)
from gcode.texts import Bilingual
from scheduler.draft import Draft
from scheduler.model import Approval, Farm, Requester, approval_key

MAX_REQUESTERS: Final = 2_000
MAX_APPROVALS: Final = 500  # of one requester


def find_requester(farm: Farm, name: str) -> Requester:
    """A requester by id or name; letter case and blanks around it do not matter. NotFoundError."""
    if name in farm.requesters:
        return farm.requesters[name]
    wanted = name.strip().casefold()
    for requester in farm.requesters.values():
        if requester.name.casefold() == wanted:
            return requester
    raise missing("requester", name.strip())


def _require_free(farm: Farm, name: str, *, but: str = "") -> None:
    wanted = name.strip().casefold()
    if not wanted:
        raise InvalidError(
            Bilingual("A requester needs a name.", "Un demandeur a besoin d'un nom."),
            next_step=Bilingual("Give it one.", "Donnez-lui-en un."),
        )
    if any(known.name.casefold() == wanted and known.id != but for known in farm.requesters.values()):
        raise ConflictError(
            Bilingual(f"There is a requester {name.strip()!r} already.", f"Il y a déjà un demandeur {name.strip()!r}."),
            next_step=Bilingual("Take another name.", "Prenez un autre nom."),
            code="name-taken",
        )


def add(draft: Draft, request: RequesterRequest, now_s: float) -> str:
    """Add a requester; returns its id. ConflictError: the name is taken, or there are too many."""
    _require_free(draft.farm, request.name)
    if len(draft.farm.requesters) >= MAX_REQUESTERS:
        raise ConflictError(
            Bilingual(f"There are {MAX_REQUESTERS} requesters.", f"Il y a {MAX_REQUESTERS} demandeurs."),
            next_step=Bilingual("Remove some that order nothing.", "Retirez-en qui ne commandent rien."),
            code="too-many",
        )
    made = Requester(new_id("requester"), request.name.strip(), request.approves, now_s)
    draft.put(made)
    audit.note(draft, request.by, "requester.add", made.id, now_s, detail=made.name)
    return made.id


def change(draft: Draft, key: str, request: RequesterChange, now_s: float) -> str:
    """Rename a requester, or let it keep approvals or not; returns its id. NotFoundError; ConflictError: the name is taken."""
    before = find_requester(draft.farm, key)
    if request.name is not None:
        _require_free(draft.farm, request.name, but=before.id)
    name = before.name if request.name is None else request.name.strip()
    approves = before.approves if request.approves is None else request.approves
    after = replace(before, name=name, approves=approves)
    if after != before:
        draft.put(after)
        words = "keeps approvals" if approves else "keeps no approvals"
        named = name if name == before.name else f"{before.name} -> {name}"
        audit.note(draft, request.by, "requester.change", before.id, now_s, detail=f"{named}: {words}")
    return before.id


def remove(draft: Draft, key: str, by: str, now_s: float) -> None:
    """Forget a requester and its approvals. NotFoundError; ConflictError: an order of it is open."""
    requester = find_requester(draft.farm, key)
    if any(order.open and order.requester == requester.id for order in draft.farm.orders.values()):
        raise requester_in_use(requester.name)
    for approval in [item for item in draft.farm.approvals.values() if item.requester == requester.id]:
        draft.forget(Approval, approval.id)
    draft.forget(Requester, requester.id)
    audit.note(draft, by, "requester.remove", requester.id, now_s, detail=requester.name)


def approve(draft: Draft, key: str, request: ApprovalRequest, now_s: float) -> str:
    """A requester takes parts of a revision; returns the requester's id. A second time changes nothing.

    Raises:
        NotFoundError: no such requester or revision.
        ConflictError: the revision was recalled, or there are too many approvals.

    """
    requester, revision = find_requester(draft.farm, key), find_revision(draft.farm, request.revision)
    if revision.recalled:
        raise ConflictError(
            Bilingual(f"Revision {revision.id} was recalled.", f"La révision {revision.id} a été rappelée."),
            next_step=Bilingual("Approve the one that follows it.", "Approuvez celle qui la suit."),
            code="recalled",
        )
    approval = approval_key(requester.id, revision.id)
    if approval in draft.farm.approvals:
        return requester.id
    if sum(1 for item in draft.farm.approvals.values() if item.requester == requester.id) >= MAX_APPROVALS:
        raise ConflictError(
            Bilingual(
                f"{requester.name} has approved {MAX_APPROVALS} revisions.",
                f"{requester.name} a approuvé {MAX_APPROVALS} révisions.",
            ),
            next_step=Bilingual("Withdraw some old ones.", "Retirez-en d'anciennes."),
            code="too-many",
        )
    draft.put(Approval(approval, requester.id, revision.id, request.by, now_s, request.note))
    audit.note(draft, request.by, "approval.add", requester.id, now_s, reason=request.note, detail=revision.id)
    return requester.id


def withdraw(draft: Draft, key: str, revision: str, request: SignedRequest, now_s: float) -> str:
    """A requester takes no more parts of a revision: open orders of it wait. Returns its id. NotFoundError: not approved."""
    requester = find_requester(draft.farm, key)
    approval = approval_key(requester.id, revision)
    if approval not in draft.farm.approvals:
        raise no_approval(requester.name, revision)
    draft.forget(Approval, approval)
    audit.note(draft, request.by, "approval.withdraw", requester.id, now_s, reason=request.reason, detail=revision)
    return requester.id


def requester_view(farm: Farm, requester: Requester) -> RequesterView:
    """One requester with what it has approved, newest first."""
    mine = [item for item in farm.approvals.values() if item.requester == requester.id]
    return RequesterView(
        id=requester.id,
        name=requester.name,
        approves=requester.approves,
        approvals=[
            ApprovalView(revision=item.revision, approved_by=item.approved_by, approved_at=item.approved_at_s, note=item.note)
            for item in sorted(mine, key=lambda item: (-item.approved_at_s, item.revision))
        ],
        open_orders=sum(1 for order in farm.orders.values() if order.open and order.requester == requester.id),
        created_at=requester.created_at_s,
    )


def requester_views(farm: Farm) -> list[RequesterView]:
    """All, by name."""
    return [
        requester_view(farm, item) for item in sorted(farm.requesters.values(), key=lambda item: (item.name.casefold(), item.id))
    ]
