"""Changes that people ask of orders, as actions on a draft: a refused one raises before it changes anything."""

from dataclasses import replace
from typing import Final

from farm.daemon.requesters import find_requester
from farm.errors import ConflictError, InvalidError, NotFoundError
from farm.ids import new_id
from farm.views import OrderChange, OrderRequest
from gcode.texts import Bilingual
from scheduler.draft import Draft
from scheduler.eligibility import is_approved
from scheduler.model import Design, Farm, Order, Requester, Revision

_UPLOAD_STEP: Final = Bilingual(
    "Upload its G-code first: farm program add FILE --design NAME --revision ID --profile PROFILE.",
    "Envoyez d'abord son G-code : farm program add FILE --design NAME --revision ID --profile PROFILE.",
)


def find_order(farm: Farm, key: str) -> Order:
    """An order. NotFoundError."""
    order = farm.orders.get(key)
    if order is None:
        raise NotFoundError(
            Bilingual(f"There is no order {key}.", f"Il n'y a pas de commande {key}."),
            next_step=Bilingual("`farm status` lists the orders.", "`farm status` donne la liste des commandes."),
        )
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
        raise _no_design(farm, request.design)
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


def _no_design(farm: Farm, name: str) -> NotFoundError:
    known = ", ".join(sorted(item.name for item in farm.designs.values())[:10])
    return NotFoundError(
        Bilingual(f"There is no design {name!r}.", f"Il n'y a pas de modèle {name!r}."),
        next_step=Bilingual(
            f"Known designs: {known or 'none yet'}. {_UPLOAD_STEP.en}",
            f"Modèles connus : {known or 'aucun'}. {_UPLOAD_STEP.fr}",
        ),
    )


def _not_approved(farm: Farm, requester: Requester, what: str) -> ConflictError:
    approved = sorted(item.revision for item in farm.approvals.values() if item.requester == requester.id)
    known = ", ".join(approved[:10])
    return ConflictError(
        Bilingual(
            f"{requester.name} has not approved {what}. It has approved: {known or 'none yet'}.",
            f"{requester.name} n'a pas approuvé {what}. Révisions approuvées : {known or 'aucune'}.",
        ),
        next_step=Bilingual(
            "Order one of those, or record its approval: farm requester approve.",
            "Commandez l'une d'elles, ou notez son approbation : farm requester approve.",
        ),
        code="not-approved",
    )


def _named_revision(farm: Farm, key: str, design: Design | None, requester: Requester | None) -> Revision:
    revision = farm.revisions.get(key)
    if revision is None or (design is not None and revision.design != design.id):
        unknown = Bilingual(f"There is no revision {key!r}.", f"Il n'y a pas de révision {key!r}.")
        raise NotFoundError(unknown, next_step=_UPLOAD_STEP)
    if revision.recalled:
        raise ConflictError(
            Bilingual(f"Revision {key} was recalled.", f"La révision {key} a été rappelée."),
            next_step=Bilingual("Order the newest revision of its design.", "Commandez la révision la plus récente de son modèle."),
        )
    if revision.draft:
        raise ConflictError(
            Bilingual(f"Revision {key} is a draft.", f"La révision {key} est un brouillon."),
            next_step=Bilingual(
                f"Release it first: farm revision release {key}.", f"Validez-la d'abord : farm revision release {key}."
            ),
            code="revision-draft",
        )
    if requester is not None and not is_approved(farm, requester.id, key):
        raise _not_approved(farm, requester, key)
    return revision


def place(draft: Draft, request: OrderRequest, now_s: float) -> str:
    """Make an order; returns its id. NotFoundError, ConflictError: no program prints it."""
    revision = choose_revision(draft.farm, request)
    if not any(program.revision == revision.id for program in draft.farm.programs.values()):
        raise ConflictError(
            Bilingual(f"No program prints revision {revision.id}.", f"Aucun programme n'imprime la révision {revision.id}."),
            next_step=_UPLOAD_STEP,
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
