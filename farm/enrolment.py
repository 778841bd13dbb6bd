"""How a maker's computer becomes a node: a code is made, told to one person, shown once, and turned into a password of its own.

A code is 34.6 bits, works once and for 30 minutes, and the whole daemon answers 10 attempts a minute: guessing one of 500 codes in
that time succeeds with 6e-6 (facts of the project, computed). Unknown, used and expired codes get one answer.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from farm.errors import InvalidError, NotAllowedError, NotFoundError
from farm.ids import new_id
from farm.keys import hash_password, hash_token, new_code, new_secret, read_code
from gcode.texts import Bilingual
from scheduler.draft import Draft
from scheduler.model import Invite, NodeRecord

LIFE_S: Final = 1800.0
ATTEMPTS: Final = 10
ATTEMPTS_EVERY_S: Final = 60.0  # real seconds: who guesses has no fast clock
MAX_INVITES: Final = 500
_KEPT_S: Final = 7 * 86_400.0  # a used or expired code is remembered for people who ask what became of it


class Attempts:
    """At most 10 attempts a minute, over everybody: a code is guessed from many addresses at once."""

    def __init__(self, monotonic_s: Callable[[], float]) -> None:
        self._now_s = monotonic_s
        self._times: deque[float] = deque(maxlen=ATTEMPTS)

    def count(self) -> None:
        """Count one attempt.

        Raises:
            NotAllowedError: there were ten within the last minute ("throttled").

        """
        now_s = self._now_s()
        if len(self._times) == ATTEMPTS and now_s - self._times[0] < ATTEMPTS_EVERY_S:
            raise NotAllowedError(
                Bilingual("Too many codes were tried.", "Trop de codes ont été essayés."),
                next_step=Bilingual("Wait a minute, then try again.", "Attendez une minute, puis réessayez."),
                code="throttled",
            )
        self._times.append(now_s)


@dataclass(frozen=True, slots=True)
class NewNode:
    """A node that has just joined, and the only time that its password is known here."""

    record: NodeRecord
    password: str


def life_s(factor: float) -> float:
    """How long a code lives, in farm time that runs `factor` times as fast as real time: never less than 30 real minutes.

    A fast clock does not make the person type faster who was told the code.
    """
    return LIFE_S * max(1.0, factor)


def invite(draft: Draft, name: str, now_s: float, lives_s: float = LIFE_S) -> tuple[str, Invite]:
    """Make a code for one maker; returns the code itself, of which only the hash is kept. It lives `lives_s` of farm time.

    Raises:
        NotAllowedError: 500 codes wait already.

    """
    for old in list(draft.farm.invites.values()):
        if old.expires_at_s + _KEPT_S < now_s:
            draft.forget(Invite, old.id)
    waiting = sum(1 for old in draft.farm.invites.values() if old.claimed_by is None and old.expires_at_s >= now_s)
    if waiting >= MAX_INVITES:
        raise NotAllowedError(
            Bilingual(f"{MAX_INVITES} invitations wait already.", f"{MAX_INVITES} invitations attendent déjà."),
            next_step=Bilingual("Wait until some expire.", "Attendez que certaines expirent."),
            code="throttled",
        )
    code = new_code()
    made = Invite(id=new_id("invite"), code_hash=hash_token(code), name=name, expires_at_s=now_s + lives_s)
    draft.put(made)
    return code, made


def claim(draft: Draft, typed: str, name: str, now_s: float) -> NewNode:
    """Redeem a code: the invite is used up and the node exists, in one transaction.

    Raises:
        NotFoundError: unknown, used or expired; the answer does not tell which.

    """
    found = _find(draft, typed, now_s)
    if found is None:
        raise NotFoundError(
            Bilingual("This code does not work.", "Ce code ne marche pas."),
            next_step=Bilingual("Ask the farm for a new invitation.", "Demandez une nouvelle invitation à la ferme."),
            code="unknown-code",
        )
    fresh = new_node(new_id("node"), name, now_s)
    draft.put(fresh.record)
    draft.put(replace(found, claimed_by=fresh.record.id))
    return fresh


def _find(draft: Draft, typed: str, now_s: float) -> Invite | None:
    try:
        wanted = hash_token(read_code(typed).code)
    except InvalidError:
        return None
    found = next((item for item in draft.farm.invites.values() if item.code_hash == wanted), None)
    return found if found is not None and found.claimed_by is None and now_s <= found.expires_at_s else None


def new_node(key: str, name: str, now_s: float, password: str | None = None) -> NewNode:
    """A node that may log in; without `password` it gets a random one."""
    secret = password or new_secret()
    return NewNode(NodeRecord(id=key, name=name, joined_at_s=now_s, password_hash=hash_password(secret)), secret)
