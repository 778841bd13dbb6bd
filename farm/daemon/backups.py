"""Copies the database now and then, while the farm works."""

from collections.abc import Callable
from typing import Final, Protocol

from farm.clock import Clock
from farm.daemon.alarms import Alarms
from farm.errors import FarmError
from farm.log import get_logger
from farm.store.backup import Backup
from gcode.texts import Bilingual, both

_log = get_logger(__name__)
_LEAST_REAL_S: Final = 60.0  # a fast clock does not make SD cards last longer
ALARM: Final = "backup-failed"
_LOOK: Final = Bilingual("Look at the folder of the backups.", "Regardez le dossier des sauvegardes et la place sur son disque.")


class Copies(Protocol):
    """What is needed of `farm.store.writer.Store`."""

    async def backup(self) -> Backup:
        """Copy the database. Raises FarmError."""
        ...

    async def backup_is_due(self) -> bool:
        """Whether anything was written since the newest copy."""
        ...


class BackupKeeper:
    """Makes a copy every `every_s` seconds of farm time, if there is anything new; tells of it when that fails."""

    def __init__(self, store: Copies, alarms: Alarms, clock: Clock, every_s: float, touch: Callable[[], None]) -> None:
        self._store = store
        self._alarms = alarms
        self._clock = clock
        self._every_s = every_s
        self._touch = touch

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await self._clock.sleep(self._every_s, at_least_real_s=_LEAST_REAL_S)
            await self.look()

    async def look(self) -> None:
        """Make a copy if one is due."""
        try:
            if await self._store.backup_is_due():
                made = await self._store.backup()
                _log.info("backup.made", file=made.path.name, size_bytes=made.size_bytes)
        except (FarmError, OSError) as error:
            self._failed(error)
        else:
            if self._alarms.end(ALARM):
                _log.info("backup.recovered")
                self._touch()

    def _failed(self, error: FarmError | OSError) -> None:
        detail, step = both(str(error)), _LOOK
        if isinstance(error, FarmError):
            detail, step = Bilingual(error.detail, error.detail_fr), Bilingual(error.next_step, error.next_step_fr)
        text = Bilingual(f"No backup could be made: {detail.en}", f"Aucune sauvegarde n'a pu être faite : {detail.fr}")
        if self._alarms.begin(ALARM, text, step, self._clock.wall_s()):
            _log.warning("backup.failed", detail=detail.en)
            self._touch()
