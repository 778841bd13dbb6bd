"""The users of a broker, as mosquitto's password file holds them."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from farm.errors import InvalidError
from farm.keys import hash_password, is_password_hash, write_private
from gcode.texts import Bilingual

MAX_USERS: Final = 10_000  # measured up to here: 16 MB, reload within 21 ms
_USERNAME: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


def hashed(credentials: Mapping[str, str], *, daemon: str) -> dict[str, str]:
    """User name -> hash, from passwords or their hashes. Blocking: a hash takes 0.4 ms.

    Raises:
        InvalidError: a name that could mean more than itself in a broker's files, or that of the `daemon`.

    """
    return {
        checked(name, daemon=daemon): value if is_password_hash(value) else hash_password(value)
        for name, value in credentials.items()
    }


def checked(username: str, *, daemon: str) -> str:
    """The name, if a node may have it. InvalidError."""
    if username == daemon or not _USERNAME.fullmatch(username):
        raise InvalidError(
            Bilingual(
                f"{username!r} cannot be a user of the broker.", f"{username!r} ne peut pas être un utilisateur du courtier."
            ),
            next_step=Bilingual(
                "Use letters, digits, dot, dash and underscore.", "Utilisez des lettres, chiffres, points, tirets et soulignés."
            ),
        )
    return username


def write_users(path: Path, users: Mapping[str, str]) -> None:
    """Replace the file whole, unless it holds just these; only this user may read it. OSError."""
    write_private(path, "".join(f"{name}:{stored}\n" for name, stored in sorted(users.items())))


def read_users(path: Path) -> dict[str, str]:
    """User name -> hash, as the file has them; empty when it cannot be read."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    return {name: stored for name, _, stored in (line.partition(":") for line in lines) if name and stored}
