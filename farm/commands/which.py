"""Which of the farm's things a person means: its whole id, a name that one alone has, or the beginning or the end of its id."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from farm.commands.speech import number_of, plain
from farm.commands.vocabulary import PEOPLE
from farm.errors import ConflictError, NotFoundError
from gcode.texts import NOTHING, Bilingual, both

if TYPE_CHECKING:
    from farm.commands.client import FarmClient
    from farm.views import FarmView, PrinterView

_MOST_NAMED: Final = 5
_NEAR: Final = 0.85  # a character or two of a name are wrong; ids made by chance are never so near to each other

Things = Mapping[str, str]  # id -> name; empty: it has none


@dataclass(frozen=True)
class Kind:
    """A kind of things: its noun (of `number_of`), the same in French after "Il n'y a pas", and the command that lists them.

    `least`: characters of an id made by chance that stand for the whole. 0: ids are people's words (visor-frame-r3), of which the
    last ones do, whole: `r3`.
    """

    noun: str
    none_fr: str
    listed: str
    least: int = 4


ORDER: Final = Kind("order", "de commande", "farm orders list")
PRINTER: Final = Kind("printer", "d'imprimante", "farm status")
PRINTER_HERE: Final = Kind("printer", "d'imprimante", "farm node status")
NODE: Final = Kind("node", "de nœud", "farm nodes list")
PROGRAM: Final = Kind("program", "de programme", "farm program list", least=6)
REVISION: Final = Kind("revision", "de révision", "farm revision list", least=0)
REQUESTER: Final = Kind("requester", "de demandeur", "farm requester list")
FACT: Final = Kind("fact", "de fait", "farm set-aside")


def meant(kind: Kind, wanted: str, things: Things) -> str:
    """The id of what `wanted` means.

    Raises:
        NotFoundError: nothing is called or begins or ends so, or so little of an id is given that it may be a typing mistake.
        ConflictError: several are.

    """
    if wanted in things:
        return wanted
    called = [key for key, name in things.items() if name and name.casefold() == wanted.casefold()]
    found = called or [key for key in things if _fits(kind, key, wanted.casefold())]
    if not found:
        raise _unknown(kind, wanted, things)
    if not called and len(_own_part(found[0], wanted)) < kind.least:
        raise _too_short(kind, wanted)
    if len(found) > 1:
        raise _ambiguous(kind, wanted, found, named=bool(called))
    return found[0]


def if_known(kind: Kind, wanted: str, things: Things) -> str:
    """As `meant`, but what fits nothing is taken as it is: there may be more than is listed. ConflictError: several fit."""
    try:
        return meant(kind, wanted, things)
    except NotFoundError:
        return wanted


def _own_part(key: str, text: str) -> str:
    """`text` without the noun that all ids of a kind begin with: `7m2k` of `order-7m2k`."""
    head, dash, _ = key.partition("-")
    return text.casefold().removeprefix(head + dash) if dash else text


def _fits(kind: Kind, key: str, wanted: str) -> bool:
    if kind.least == 0:
        return bool(wanted) and key.casefold().endswith(f"-{wanted}")
    part, whole = _own_part(key, wanted), _own_part(key, key)
    return bool(part) and (whole.startswith(part) or whole.endswith(part))


def _unknown(kind: Kind, wanted: str, things: Things) -> NotFoundError:
    named, listed, near = plain(wanted), kind.listed, _nearest(wanted, things)
    return NotFoundError(
        Bilingual(f"There is no {kind.noun} {named}.", f"Il n'y a pas {kind.none_fr} {named}."),
        next_step=Bilingual(f"{near.en}`{listed}` names them.", f"{near.fr}`{listed}` les nomme."),
    )


def _nearest(wanted: str, things: Things) -> Bilingual:
    known = [plain(text) for thing in things.items() for text in thing if text]
    near = get_close_matches(plain(wanted), known, n=1, cutoff=_NEAR)
    return Bilingual(f"Did you mean {near[0]}? ", f"Vouliez-vous dire {near[0]} ? ") if near else NOTHING


def _too_short(kind: Kind, wanted: str) -> NotFoundError:
    named, least = plain(wanted), kind.least
    return NotFoundError(
        Bilingual(f"{named} is too short.", f"{named} est trop court."),
        next_step=Bilingual(
            f"Give at least {least} characters of the beginning or the end of its id.",
            f"Donnez au moins {least} caractères du début ou de la fin de son identifiant.",
        ),
        code="too-short",
    )


def _ambiguous(kind: Kind, wanted: str, found: Sequence[str], *, named: bool) -> ConflictError:
    text, counted = plain(wanted), number_of(len(found), kind.noun)
    ids, more = ", ".join(map(plain, found[:_MOST_NAMED])), len(found) - _MOST_NAMED
    rest = Bilingual(f" and {more} more", f" et {more} de plus") if more > 0 else NOTHING
    return ConflictError(
        Bilingual(f"{counted} are called {text}.", f"{counted.fr} s'appellent {text}.")
        if named
        else Bilingual(f"{counted} begin or end with {text}.", f"{counted.fr} commencent ou finissent par {text}."),
        next_step=Bilingual(f"Give more of its id: {ids}{rest.en}.", f"Donnez plus de son identifiant : {ids}{rest.fr}."),
        code="ambiguous",
    )


def printer_names(farm: "FarmView") -> dict[str, Bilingual]:
    """What people call each printer, by its id: its name; where several have it with its node, and on one node with its id."""
    nodes = {node.id: PEOPLE.get(node.id, both(node.name)) for node in farm.nodes}
    several = Counter(view.name.casefold() for view in farm.printers)
    twice = Counter((view.name.casefold(), view.node) for view in farm.printers)  # two makers may have one name

    def called(view: "PrinterView") -> Bilingual:
        node = nodes.get(view.node, both(view.node)) if twice[view.name.casefold(), view.node] == 1 else both(view.id)
        alone = several[view.name.casefold()] == 1
        return both(view.name) if alone else Bilingual(f"{view.name} ({node.en})", f"{view.name} ({node.fr})")

    return {view.id: called(view) for view in farm.printers}


# --- of a running farm


def order_of(client: "FarmClient", wanted: str) -> str:
    """The id of an order. Raises as `meant`."""
    return meant(ORDER, wanted, _listed(client, "/orders"))


def program_of(client: "FarmClient", wanted: str) -> str:
    """The SHA-256 of a program; its name is its file's, and stands for nothing. Raises as `meant`."""
    return meant(PROGRAM, wanted, dict.fromkeys(_hashes(client), ""))


def requester_of(client: "FarmClient", wanted: str) -> str:
    """The id of a requester, by its name too. Raises as `meant`."""
    return meant(REQUESTER, wanted, {row["id"]: row["name"] for row in client.get("/requesters")})


def revision_of(client: "FarmClient", wanted: str, design: str = "") -> str:
    """The id of a revision; what is not a whole one is looked for in `design` (id or name), if that is said. Raises as `meant`."""
    designs = client.get("/designs")
    revisions = {key: "" for row in designs for key in row["revisions"]}
    if wanted in revisions:
        return wanted
    own = {key: "" for row in designs if design in {row["id"], row["name"]} for key in row["revisions"]}
    return meant(REVISION, wanted, own or revisions)


def fact_of(client: "FarmClient", wanted: str) -> str:
    """The id of a fact that was set aside; one beyond those that are listed is taken as it is. ConflictError: several."""
    return if_known(FACT, wanted, _listed(client, "/set-aside", limit=1_000))


def subject_of(client: "FarmClient", wanted: str) -> str:
    """What the audit may be about: a program, revision or requester; one that is gone is taken as it is. ConflictError: several."""
    revisions = {key: "" for row in client.get("/designs") for key in row["revisions"]}
    requesters = {row["id"]: row["name"] for row in client.get("/requesters")}
    for kind, things in ((REVISION, revisions), (REQUESTER, requesters), (PROGRAM, dict.fromkeys(_hashes(client), ""))):
        found = if_known(kind, wanted, things)
        if found in things:
            return found
    return wanted


def _listed(client: "FarmClient", path: str, **query: int) -> Things:
    return {row["id"]: "" for row in client.get(path, **query)}


def _hashes(client: "FarmClient") -> list[str]:
    return [row["sha256"] for row in client.get("/programs")]
