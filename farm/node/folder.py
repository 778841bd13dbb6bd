"""The data folder of an agent: one agent at a time, and a mark of when each printer was last seen.

The mark tells a restarted agent how long it was blind (protocol.md: over five minutes make a clear bed unknown). It is written
every half minute, so it must not reach the SD card: it lives in memory (`/dev/shm`), which lasts as long as the boot clock does.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from farm.errors import ConfigurationError
from farm.language import system_words
from gcode.texts import Bilingual

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - owner and name are checked in `read_seen`
_MAX_MARK_BYTES: Final = 65_536


def machine_id() -> str:
    """The id of this boot of the computer: boot clocks of another one cannot be compared with ours."""
    try:
        return _BOOT_ID.read_text("ascii").strip()
    except OSError:
        return ""


class DataFolder:
    """The folder of one agent, locked as long as it is open.

    Raises:
        ConfigurationError: it cannot be made or written, or another agent uses it.

    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock = self._take_lock()
        name = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:24]
        in_memory = _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK)
        self._mark = _MEMORY / f"essaim-{os.getuid()}-{name}" if in_memory else self.path / "seen.json"

    def _take_lock(self) -> int:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path / "agent.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigurationError(
                Bilingual(
                    f"The data folder {self.path} cannot be written: {error.strerror}.",
                    f"Impossible d'écrire dans le dossier de données {self.path} : {system_words(error).fr}.",
                ),
                next_step=Bilingual(
                    "Give the agent's user that folder, or set another one with `data` in node.toml.",
                    "Donnez ce dossier à l'utilisateur de l'agent, ou indiquez-en un autre avec `data` dans node.toml.",
                ),
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise ConfigurationError(
                Bilingual(
                    f"Another agent uses the data folder {self.path}.",
                    f"Un autre agent utilise le dossier de données {self.path}.",
                ),
                next_step=Bilingual(
                    "End that one first, or give this one a folder of its own.",
                    "Arrêtez d'abord celui-là, ou donnez à celui-ci un dossier à lui.",
                ),
                code="already-running",
            ) from error
        return descriptor

    def close(self) -> None:
        """Let another agent have the folder."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def read_seen(self, factor: float) -> dict[str, float]:
        """When each printer was last seen, on the boot clock; empty when that was in another boot, or cannot be known.

        `factor` is the clock's: times of another one mean nothing.
        """
        try:
            descriptor = os.open(self._mark, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return {}
        try:
            if os.fstat(descriptor).st_uid != os.getuid():
                return {}
            mark = json.loads(os.read(descriptor, _MAX_MARK_BYTES))
            if not machine_id() or mark["machine"] != machine_id() or mark["factor"] != factor:
                return {}
            return {str(printer): float(seen_s) for printer, seen_s in mark["seen"].items()}
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return {}
        finally:
            os.close(descriptor)

    def write_seen(self, seen: Mapping[str, float], factor: float) -> None:
        """Note when each printer was last seen; nothing: there is no mark, and the next start counts every printer as unseen.

        A mark that cannot be written only makes the next start more careful.
        """
        if not seen:
            with suppress(OSError):
                self._mark.unlink(missing_ok=True)
            return
        fresh = self._mark.with_name(f"{self._mark.name}.{os.getpid()}")
        content = json.dumps({"machine": machine_id(), "factor": factor, "seen": dict(seen)})
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(content)
            fresh.replace(self._mark)
