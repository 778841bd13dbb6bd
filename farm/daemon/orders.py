"""Changes that people ask of orders, as actions on a draft: a refused one raises before it changes anything."""

from dataclasses import replace

from farm.control_errors import UPLOAD, missing, no_design, no_revision_to_order, not_approved, recalled, revision_draft
from farm.daemon.requesters import find_requester
from farm.errors import ConflictError, InvalidError
from farm.ids import new_id
from farm.request_bodies import OrderChange, OrderRequest
from gcode.texts import Bilingual
from scheduler.draft import Draft
from scheduler.eligibility import is_approved
from scheduler.model import Design, Farm, Order, Requester, Revision


def find_order(farm: Farm, key: str) -> Order:
    """An order. NotFoundError."""
    order = farm.orders.get(key)
    if order is None:
        raise missing("order", key)
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
        raise no_design(request.design, (item.name for item in farm.designs.values()))
    if request.revision is not None:
        return _named_revision(farm, request.revision, design, requester)
    if design is None:
        raise InvalidError(
            Bilingual("An order names a design or a revision.", "Une commande nomme un modèle ou une révision."),
            next_step=Bilingual("Give one of them.", "Donnez l'un des deux."),
        )
    usable = [item for item in farm.revisions.values() if item.design == design.id and not item.recalled]
    if not usable:
        raise ConflictError(
            Bilingual(
                f"Every revision of {design.name!r} was recalled.", f"Toutes les révisions de {design.name!r} ont été rappelées."
            ),
            next_step=Bilingual("Upload a new revision.", "Envoyez une nouvelle révision."),
        )
    released = [item for item in usable if not item.draft]
    if not released:
        drafts = ", ".join(sorted(item.id for item in usable)[:10])
        raise ConflictError(
            Bilingual(
                f"Every revision of {design.name!r} is a draft: {drafts}.",
                f"Toutes les révisions de {design.name!r} sont des brouillons : {drafts}.",
            ),
            next_step=Bilingual("Release one: farm revision release.", "Validez-en une : farm revision release."),
            code="revision-draft",
        )
    taken = [item for item in released if requester is None or is_approved(farm, requester.id, item.id)]
    if not taken:
        assert requester is not None
        raise _not_approved(farm, requester, design.name)
    return max(taken, key=lambda item: (item.created_at_s, item.id))


def _not_approved(farm: Farm, requester: Requester, what: str) -> ConflictError:
    approved = (item.revision for item in farm.approvals.values() if item.requester == requester.id)
    return not_approved(requester.name, approved, what)


def _named_revision(farm: Farm, key: str, design: Design | None, requester: Requester | None) -> Revision:
    revision = farm.revisions.get(key)
    if revision is None or (design is not None and revision.design != design.id):
        raise no_revision_to_order(key)
    if revision.recalled:
        newest = Bilingual("Order the newest revision of its design.", "Commandez la révision la plus récente de son modèle.")
        raise ConflictError(recalled(key), next_step=newest)
    if revision.draft:
        raise revision_draft(key)
    if requester is not None and not is_approved(farm, requester.id, key):
        raise _not_approved(farm, requester, key)
    return revision


def place(draft: Draft, request: OrderRequest, now_s: float) -> str:
    """Make an order; returns its id. NotFoundError, ConflictError: no program prints it."""
    revision = choose_revision(draft.farm, request)
    if not any(program.revision == revision.id for program in draft.farm.programs.values()):
        raise ConflictError(
            Bilingual(f"No program prints revision {revision.id}.", f"Aucun programme n'imprime la révision {revision.id}."),
            next_step=UPLOAD,
            code="no-program",
        )
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
        raise ConflictError(
            Bilingual(f"Order {key} is met or cancelled.", f"La commande {key} est honorée ou annulée."),
            next_step=Bilingual("Place a new order.", "Passez une nouvelle commande."),
        )
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
        raise ConflictError(
            Bilingual(f"Order {key} is met already.", f"La commande {key} est déjà honorée."),
            next_step=Bilingual("Nothing is left to cancel.", "Il ne reste rien à annuler."),
        )
    draft.put(replace(order, cancelled=True))
