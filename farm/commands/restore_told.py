"""What a person is told before a backup is put in the place of the farm's database."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from farm.commands.speech import duration
from gcode.texts import NOTHING, Bilingual

if TYPE_CHECKING:
    from farm.daemon.restore import Census, Restoration

_MAX_NAMES: Final = 10
_ORDERS_AND_PROGRAMS: Final = (
    Bilingual(
        "- orders that were placed since are gone: their parts become stock; place them again, and they take that first;",
        "- les commandes passées depuis sont perdues : leurs pièces vont au stock ; repassez-les, elles le prennent d'abord ;",
    ),
    Bilingual(
        "- orders that were cancelled or changed since are as they were then: look through them;",
        "- les commandes annulées ou changées depuis sont comme alors : passez-les en revue ;",
    ),
    Bilingual(
        "- programs that were added since must be added again; open invitations are void;",
        "- les programmes ajoutés depuis sont à ajouter de nouveau ; les invitations ouvertes sont nulles ;",
    ),
)
_REMOVED_AGAIN: Final = Bilingual(
    "- nodes that were removed, revisions recalled, releases and approvals withdrawn since must be so again.",
    "- nœuds retirés, révisions rappelées, validations et approbations retirées depuis : tout cela est à refaire.",
)
_REMOVED_STAY: Final = Bilingual(
    "- nodes removed, revisions recalled, releases and approvals withdrawn since stay so (from the present database).",
    "- nœuds retirés, révisions rappelées, validations et approbations retirées depuis le restent (d'après la base actuelle).",
)
_COUNTED: Final = (
    (Bilingual("open orders", "commandes ouvertes"), "open_orders"),
    (Bilingual("orders", "commandes"), "orders"),
    (Bilingual("jobs", "impressions"), "jobs"),
    (Bilingual("good parts collected", "bonnes pièces collectées"), "good_parts"),
)


def what_will_happen(restoration: "Restoration", now_s: float) -> Iterator[Bilingual]:
    """What a person should know before saying yes."""
    then, now = restoration.then, restoration.now
    made = datetime.fromtimestamp(restoration.made_at_s, UTC).strftime("%Y-%m-%d %H:%M UTC")
    age, nodes = duration(max(0.0, now_s - restoration.made_at_s)), named(then.nodes.values())
    yield Bilingual(f"The backup was made {age} ago ({made}).", f"La sauvegarde a été faite il y a {age.fr} ({made}).")
    yield from _compared(then, now)
    yield Bilingual(
        f"These nodes tell again what they did since, whenever they are heard: {nodes.en}.",
        f"Ces nœuds racontent de nouveau ce qu'ils ont fait depuis, dès qu'on les entend : {nodes.fr}.",
    )
    yield Bilingual("What they cannot tell:", "Ce qu'ils ne peuvent pas raconter :")
    joined = [] if now is None else sorted(name for key, name in now.nodes.items() if key not in then.nodes)
    if now is None:
        yield Bilingual(
            "- nodes that joined since must join again;",
            "- les nœuds qui ont rejoint la ferme depuis doivent la rejoindre de nouveau ;",
        )
    elif joined:
        names = named(joined)
        yield Bilingual(
            f"- these nodes joined since, and must join again: {names.en};",
            f"- ces nœuds ont rejoint la ferme depuis, et doivent la rejoindre de nouveau : {names.fr} ;",
        )
    yield from _ORDERS_AND_PROGRAMS
    yield _REMOVED_AGAIN if now is None else _REMOVED_STAY


def _compared(then: "Census", now: "Census | None") -> Iterator[Bilingual]:
    if now is None:
        yield Bilingual(
            "There is no database here now, or it cannot be read.", "Il n'y a pas de base ici, ou elle ne peut pas être lue."
        )
    for title, name in _COUNTED:
        there, here = getattr(then, name), NOTHING
        if now is not None:
            here = Bilingual(f", {getattr(now, name)} now", f", {getattr(now, name)} maintenant")
        yield Bilingual(f"  {title.en}: {there} in the backup{here.en}", f"  {title.fr} : {there} dans la sauvegarde{here.fr}")


def named(names: Iterable[str]) -> Bilingual:
    """Names for a sentence: the first ones in the order of the alphabet, and how many more there are."""
    listed = sorted(names)
    if not listed:
        return Bilingual("none", "aucun")
    shown, more = ", ".join(listed[:_MAX_NAMES]), len(listed) - _MAX_NAMES
    return Bilingual(f"{shown} and {more} more", f"{shown} et {more} de plus") if more > 0 else Bilingual(shown, shown)
