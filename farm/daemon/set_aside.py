"""Facts that could not be understood: the stream went on without them, and people see them until somebody has looked."""

from typing import Final

from farm.daemon.alarms import Alarms
from farm.daemon.translate import why_unreadable
from farm.errors import NotFoundError
from farm.views import SetAsideView
from gcode.texts import Bilingual
from scheduler.draft import Draft
from scheduler.model import Farm, SetAside

CODE: Final = "fact.set-aside"
MOST: Final = 1_000  # in one answer
_STEP: Final = Bilingual(
    "Look at them: farm set-aside. Count by hand what they were about.",
    "Regardez-les : farm set-aside. Comptez à la main ce dont ils parlaient.",
)
_SHOWN: Final = 3  # names of nodes in the alarm


def listed(farm: Farm, limit: int, offset: int) -> list[SetAsideView]:
    """The newest first."""
    return [_view(farm, row) for row in _newest_first(farm)[offset : offset + min(limit, MOST)]]


def _view(farm: Farm, row: SetAside) -> SetAsideView:
    reason = why_unreadable(row.content, row.reason)
    return SetAsideView(
        id=row.id,
        node=row.node,
        node_name=_name(farm, row),
        epoch=row.epoch,
        number=row.seq,
        reason=reason.en,
        content=row.content,
        created_at=row.created_at_s,
        reason_fr=reason.fr,
    )


def looked_at(draft: Draft, key: str) -> None:
    """Somebody has looked at it. NotFoundError."""
    if key not in draft.farm.set_aside:
        raise NotFoundError(
            Bilingual(f"No fact {key} is set aside.", f"Aucun fait {key} n'est mis de côté."),
            next_step=Bilingual("`farm set-aside` lists them.", "`farm set-aside` en donne la liste."),
        )
    draft.forget(SetAside, key)


def show(alarms: Alarms, farm: Farm) -> None:
    """One alarm for all of them, as long as there are any."""
    rows = _newest_first(farm)
    if not rows:
        alarms.end(CODE)
        return
    alarms.hold(CODE, _text(len(rows), list(dict.fromkeys(_name(farm, row) for row in rows))), _STEP, rows[-1].created_at_s)


def _text(count: int, names: list[str]) -> Bilingual:
    listed = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
    of, du = (f"of node {listed}", f"du nœud {listed}") if len(names) == 1 else (f"of nodes {listed}", f"des nœuds {listed}")
    if count == 1:
        return Bilingual(
            f"1 fact {of} could not be understood; nothing else waits for it.",
            f"1 fait {du} n'a pas pu être compris ; rien d'autre ne l'attend.",
        )
    return Bilingual(
        f"{count} facts {of} could not be understood; nothing else waits for them.",
        f"{count} faits {du} n'ont pas pu être compris ; rien d'autre ne les attend.",
    )


def _newest_first(farm: Farm) -> list[SetAside]:
    return sorted(farm.set_aside.values(), key=lambda row: (-row.created_at_s, row.node, -row.seq))


def _name(farm: Farm, row: SetAside) -> str:
    record = farm.node_records.get(row.node)
    return record.name or record.id if record is not None else row.node
