"""Judges of comments: what slicers and people leave there and should not."""

import re
from typing import Final

from gcode.judges.finding import Wrong

_SECRET: Final = re.compile(
    r"([a-z0-9_-]{0,40}(?:api[_-]?key|passw(?:or)?d|secret|access[_-]?token|printhost_user))\s*[=:]\s*(?!\"\"|''|none\b|false\b)[^\s;]",
    re.IGNORECASE,
)
_HINTS: Final = ("key", "pass", "secret", "token", "user")
_HOST: Final = re.compile(r"@[A-Za-z]|//\s*action\s*:|OCTO\d", re.IGNORECASE)


def secret(comment: str) -> Wrong | None:
    """A key or password with a value. Only its name is told on."""
    lower = comment.lower()
    if not any(hint in lower for hint in _HINTS):  # most comments: the expression costs ten times as much
        return None
    found = _SECRET.search(comment)
    return None if found is None else Wrong(found[1][:40])


def host_words(comment: str) -> Wrong | None:
    """What plugins of OctoPrint look for in comments."""
    found = _HOST.match(comment)
    return None if found is None else Wrong(comment[:40])
