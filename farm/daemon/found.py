"""What inspections found, kept on disk beside the library: the same bytes are not inspected twice, also after a restart.

An answer holds for one upload, one purpose (profile and material) and one way of checking (rule set, revisions of all profiles).
The newest are kept; what cannot be read is forgotten. Blocking: the daemon calls it in a thread.
"""

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from farm.daemon.inspection import Checked
from gcode.profile import PrinterProfile
from gcode.rules import RULE_SET_VERSION

MAX_FILES: Final = 1_000
MAX_BYTES: Final = 64 * 1024**2
_FORMAT: Final = 1  # of these files


def way_of_checking(profiles: Iterable[PrinterProfile]) -> str:
    """What a verdict depends on beside the file: another one is another `Program.checked`, and everything is checked again."""
    named = " ".join(sorted(f"{profile.id}@{profile.revision}" for profile in profiles))
    return f"{RULE_SET_VERSION}-{hashlib.sha256(named.encode()).hexdigest()[:16]}"


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True)

    format: int
    purpose: str
    way: str
    checked: Checked


class FoundBefore:
    """Answers below `folder`, one file for each upload."""

    def __init__(self, folder: Path, *, max_files: int = MAX_FILES, max_bytes: int = MAX_BYTES) -> None:
        self._folder = folder
        self._max_files = max_files
        self._max_bytes = max_bytes

    def get(self, uploaded_sha256: str, purpose: str, way: str) -> Checked | None:
        """What was found in that upload, None when nobody remembers."""
        path = self._path(uploaded_sha256)
        try:
            entry = _Entry.model_validate_json(path.read_bytes())
        except (OSError, ValidationError):
            return None
        return entry.checked if (entry.format, entry.purpose, entry.way) == (_FORMAT, purpose, way) else None

    def put(self, uploaded_sha256: str, purpose: str, way: str, checked: Checked) -> None:
        """Remember what was found; a full disk is no reason to fail, it is only found again then."""
        content = _Entry(format=_FORMAT, purpose=purpose, way=way, checked=checked).model_dump_json().encode()
        path = self._path(uploaded_sha256)
        part = path.with_suffix(".part")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            part.write_bytes(content)
            part.replace(path)
            self._prune()
        except OSError:
            with suppress(OSError):
                part.unlink(missing_ok=True)

    def _path(self, uploaded_sha256: str) -> Path:
        return self._folder / f"{uploaded_sha256}.json"

    def _prune(self) -> None:
        stats = sorted(((path.stat(), path) for path in self._folder.iterdir()), key=lambda pair: -pair[0].st_mtime_ns)
        total = 0
        for number, (stat, path) in enumerate(stats, 1):
            total += stat.st_size
            if number > self._max_files or total > self._max_bytes:
                path.unlink(missing_ok=True)
