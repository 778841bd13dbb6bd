"""Ids that leave a process: random, never reused (docs/protocol.md: ids made where things start)."""

import re
import secrets
from typing import Final

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u to misread
_LENGTH: Final = 16  # 80 bits: a farm that makes a billion ids has a 4e-7 chance of one collision
PATTERN: Final = re.compile(r"^[a-z]{1,12}-[0-9a-hjkmnp-tv-z]{16}$")


def new_id(kind: str) -> str:
    """Return a fresh id such as `job-7m2k0q9xv4d1c8tz`; `kind` is the noun it names."""
    return f"{kind}-{''.join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))}"


def is_id(text: str) -> bool:
    """Tell whether `text` has the form of an id of ours."""
    return PATTERN.match(text) is not None
