"""Changes that people ask of orders, as actions on a draft: a refused one raises before it changes anything."""

from dataclasses import replace
from typing import Final

from farm.daemon.requesters import find_requester
from farm.errors import ConflictError, InvalidError, NotFoundError
from farm.ids import new_id
from farm.views import OrderChange, OrderRequest
from scheduler.draft import Draft
from scheduler.eligibility import is_approved
from scheduler.model import Design, Farm, Order, Requester, Revision

_UPLOAD_STEP: Final = "Upload its G-code first: farm program add FILE --design NAME --revision ID --profile PROFILE."


def find_order(farm: Farm, key: str) -> Order:
    """An order. NotFoundError."""
    order = farm.orders.get(key)
    if order is None:
        raise NotFoundError(f"There is no order {key}.", next_step="`farm status` lists the orders.")
    return order


def find_design(farm: Farm, name: str) -> Design | None:
    """A design by id or name; letter case and blanks around it do not matter."""
    if name in farm.designs:
        return farm.designs[name]
    wanted = name.strip().casefold()
    return next((design for design in farm.designs.values() if design.name.casefold() == wanted), None)


def choose_revision(farm: Farm, request: OrderRequest) -> Revision:
    """The revision that an order means: the named one, or the newest released one of its design that its requester takes.

    Raises:
        NotFoundError: no such design, revision or requester.
        ConflictError: there is none, or the named one is a draft, recalled or not approved.
        InvalidError: neither design nor revision is named.

    """
    requester = find_requester(farm, request.requester) if request.requester is not None else None
    design = find_design(farm, request.design) if request.design is not None else None
    if request.design is not None and design is None:
        known = ", ".join(sorted(item.name for item in farm.designs.values())[:10]) or "none yet"
        raise NotFoundError(f"There is no design {request.design!r}.", next_step=f"Known designs: {known}. {_UPLOAD_STEP}")
    if request.revision is not None:
        return _named_revision(farm, request.revision, design, requester)
    if design is None:
        raise InvalidError("An order names a design or a revision.", next_step="Give one of them.")
    usable = [item for item in farm.revisions.values() if item.design == design.id and not item.recalled]
    if not usable:
        raise ConflictError(f"Every revision of {design.name!r} was recalled.", next_step="Upload a new revision.")
    released = [item for item in usable if not item.draft]
    if not released:
        drafts = ", ".join(sorted(item.id for item in usable)[:10])
        raise ConflictError(
            f"Every revision of {design.name!r} is a draft: {drafts}.",
            next_step="Release one: farm revision release.",
            code="revision-draft",
        )
    taken = [item for item in released if requester is None or is_approved(farm, requester.id, item.id)]
    if not taken:
        assert requester is not None
        raise _not_approved(farm, requester, design.name)
    return max(taken, key=lambda item: (item.created_at_s, item.id))


def _not_approved(farm: Farm, requester: Requester, what: str) -> ConflictError:
    approved = sorted(item.revision for item in farm.approvals.values() if item.requester == requester.id)
    known = ", ".join(approved[:10]) or "none yet"
    return ConflictError(
        f"{requester.name} has not approved {what}. It has approved: {known}.",
        next_step="Order one of those, or record its approval: farm requester approve.",
        code="not-approved",
    )


def _named_revision(farm: Farm, key: str, design: Design | None, requester: Requester | None) -> Revision:
    revision = farm.revisions.get(key)
    if revision is None or (design is not None and revision.design != design.id):
        raise NotFoundError(f"There is no revision {key!r}.", next_step=_UPLOAD_STEP)
    if revision.recalled:
        raise ConflictError(f"Revision {key} was recalled.", next_step="Order the newest revision of its design.")
    if revision.draft:
        raise ConflictError(
            f"Revision {key} is a draft.", next_step=f"Release it first: farm revision release {key}.", code="revision-draft"
        )
    if requester is not None and not is_approved(farm, requester.id, key):
        raise _not_approved(farm, requester, key)
    return revision


def place(draft: Draft, request: OrderRequest, now_s: float) -> str:
    """Make an order; returns its id. NotFoundError, ConflictError: no program prints it."""
    revision = choose_revision(draft.farm, request)
    if not any(program.revision == revision.id for program in draft.farm.programs.values()):
        raise ConflictError(f"No program prints revision {revision.id}.", next_step=_UPLOAD_STEP, code="no-program")
    order = Order(
        id=new_id("order"),
        revision=revision.id,
        quantity=request.quantity,
        priority=request.priority,
        destination=request.destination,
        requester=find_requester(draft.farm, request.requester).id if request.requester is not None else "",
        created_at_s=now_s,
    )
    draft.put(order)
    return order.id


def change(draft: Draft, key: str, wish: OrderChange, now_s: float) -> None:
    """Change an open order. Fewer than are good already makes it met."""
    order = find_order(draft.farm, key)
    if not order.open:
        raise ConflictError(f"Order {key} is met or cancelled.", next_step="Place a new order.")
    quantity = max(order.good, 1, wish.quantity) if wish.quantity is not None else order.quantity
    changed = replace(order, quantity=quantity, priority=order.priority if wish.priority is None else wish.priority)
    draft.put(changed if changed.open else replace(changed, met_at_s=now_s))
    if changed.priority != order.priority:
        for node in sorted(
            {item.node for item in draft.farm.allocations.values() if item.order == key and item.jobs > item.started}
        ):
            draft.raise_version(node)  # the desired state shows the priority


def cancel(draft: Draft, key: str) -> None:
    """Take an order back; a second time changes nothing. ConflictError: it is met."""
    order = find_order(draft.farm, key)
    if order.cancelled:
        return
    if not order.open:
        raise ConflictError(f"Order {key} is met already.", next_step="Nothing is left to cancel.")
    draft.put(replace(order, cancelled=True))
