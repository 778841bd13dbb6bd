"""Copies are made now and then, and a person hears when that fails."""

import asyncio
from pathlib import Path

import pytest

from farm.clock import Clock
from farm.daemon.alarms import Alarms
from farm.daemon.backups import ALARM, BackupKeeper
from farm.errors import FarmError, StoreFullError
from farm.store.backup import Backup
from gcode.texts import Bilingual


class Copies:
    """A store whose copies a test can hinder."""

    def __init__(self) -> None:
        self.due = True
        self.error: Exception | None = None
        self.made = 0

    async def backup(self) -> Backup:
        if self.error is not None:
            raise self.error
        self.made += 1
        return Backup(Path("copy"), 0.0, 10)

    async def backup_is_due(self) -> bool:
        return self.due


@pytest.fixture
def copies() -> Copies:
    return Copies()


def keeper(copies: Copies, alarms: Alarms, touched: list[int], every_s: float = 3_600.0) -> BackupKeeper:
    return BackupKeeper(copies, alarms, Clock(), every_s, lambda: touched.append(1))


async def test_a_copy_is_made_only_when_there_is_something_new(copies: Copies) -> None:
    keeping = keeper(copies, Alarms(), [])
    await keeping.look()
    copies.due = False
    await keeping.look()
    assert copies.made == 1


NO_ROOM = StoreFullError(Bilingual("No room.", "Pas de place."), next_step=Bilingual("Make some.", "Faites-en."))


@pytest.mark.parametrize(
    ("error", "why", "step"),
    [(NO_ROOM, "Pas de place.", "Faites-en."), (OSError(13, "Permission denied"), "[Errno 13] Permission denied", "Regardez")],
)
async def test_a_failure_is_told_until_a_copy_works_again(copies: Copies, error: Exception, why: str, step: str) -> None:
    alarms, touched = Alarms(), list[int]()
    keeping = keeper(copies, alarms, touched)
    copies.error = error
    await keeping.look()
    await keeping.look()
    (alarm,) = alarms.all()
    assert alarm.code == ALARM
    assert alarm.text_fr == f"Aucune sauvegarde n'a pu être faite : {why}"
    assert alarm.next_step_fr.startswith(step)
    assert (error.detail if isinstance(error, FarmError) else "Permission denied") in alarm.text
    assert touched == [1]
    copies.error = None
    await keeping.look()
    assert alarms.all() == []
    assert touched == [1, 1]


async def test_it_goes_on_for_as_long_as_the_daemon(copies: Copies, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farm.daemon.backups._LEAST_REAL_S", 0.0)
    running = asyncio.create_task(keeper(copies, Alarms(), [], every_s=0.001).run())
    while copies.made < 3:  # noqa: ASYNC110 - the keeper tells nobody of a copy
        await asyncio.sleep(0.001)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
