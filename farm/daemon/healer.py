"""Raises the generation when a person takes over, and follows a farm until its nodes have told everything again."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, Protocol

from farm.clock import Clock
from farm.daemon.fence import fence_step, fence_text
from farm.daemon.generation import GenerationFile
from farm.daemon.healing import LAST, META, Healed, Healing, HealingWhy, found_again
from farm.daemon.sayings import alarm_view
from farm.daemon.world import World
from farm.errors import FarmError
from farm.log import get_logger
from farm.store.repository import Change, SetMeta
from farm.views import AlarmView, HealingView
from gcode.texts import Bilingual
from scheduler.draft import Draft

_log = get_logger(__name__)
_MAX_NAMES: Final = 5
_BEGUN: Final = {
    "restored": Bilingual("The farm was restored from a backup.", "La ferme a été restaurée depuis une sauvegarde."),
    "put-back": Bilingual(
        "The database is older than this folder: it was put back by hand, or a take-over was cut short.",
        "La base est plus ancienne que ce dossier : elle a été remise à la main, ou une prise de main a été interrompue.",
    ),
    "taken-over": Bilingual("This daemon took over.", "Ce démon a pris la main."),
}
CANNOT_COME_BACK: Final = (
    "Orders that were placed, changed or cancelled after the copy was made, and programs that were added, are not in it."
)
_CANNOT_COME_BACK_FR: Final = (
    "Les commandes passées, modifiées ou annulées après la copie, et les programmes ajoutés depuis, n'y sont pas."
)
LISTEN_REAL_S: Final = 2.0  # after a restore: what the broker retains is heard before we say anything


class Commits(Protocol):
    """What is needed of `farm.store.writer.Store`."""

    async def commit(self, changes: Sequence[Change]) -> None:
        """Write all or nothing. Raises StoreFullError."""
        ...


class Healer:
    """The engine's part for generations. `file` is None in tests that need none."""

    def __init__(self, world: World, store: Commits, clock: Clock, file: GenerationFile | None = None) -> None:
        self.file = file
        self._world = world
        self._store = store
        self._clock = clock
        self._asked: list[asyncio.Future[int]] = []
        self._finishing: list[asyncio.Future[None]] = []
        self._listening_since_s: float | None = None

    # --- taking over ---------------------------------------------------------------------------------------------------------

    def ask(self) -> "asyncio.Future[int]":
        """Ask for a take-over; the result is the new generation."""
        asked: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._asked.append(asked)
        return asked

    def ask_to_finish(self) -> "asyncio.Future[None]":
        """Ask not to wait any longer for nodes that have not told everything."""
        asked: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._finishing.append(asked)
        return asked

    def refuse(self, error: FarmError) -> None:
        """What was asked for is not done."""
        asked: list[asyncio.Future[Any]] = [*self._asked, *self._finishing]
        self._asked, self._finishing = [], []
        for one in asked:
            if not one.done():
                one.set_exception(error)

    async def take_over(self) -> bool:
        """Do what was asked for; tell whether the generation is another now. An error goes to who asked."""
        if not any(not one.done() for one in self._asked):
            self._asked.clear()
            return False
        try:
            generation = await self._raise()
        except FarmError as error:
            self.refuse(error)
            return False
        asked, self._asked = self._asked, []
        for one in asked:
            if not one.done():
                one.set_result(generation)
        return True

    async def _raise(self) -> int:
        world = self._world
        kept = await asyncio.to_thread(self.file.read) if self.file is not None else 0
        generation = max(world.generation, world.heard_generation, kept) + 1
        if self.file is not None:
            await asyncio.to_thread(self.file.raise_to, generation)
        before = world.healing
        why = before.why if before is not None else HealingWhy.TAKEN_OVER
        healing = Healing(
            why,
            self._clock.wall_s(),
            backup_at_s=before.backup_at_s if before is not None else None,
            told=True,  # a person has decided that it is ours
            found=before.found if before is not None else 0,
        )
        await self._store.commit([SetMeta("generation", str(generation)), SetMeta(META, healing.text())])
        _log.warning("daemon.took-over", generation=generation, before=world.generation)
        world.take_over(generation, healing, self._clock.boot_s())
        return generation

    # --- healing -------------------------------------------------------------------------------------------------------------

    def after(self, draft: Draft) -> Healing | None:
        """How far the farm has healed once this draft is committed."""
        healing = self._world.healing
        if healing is None:
            return None
        found = found_again(draft, self._world.untold)
        return replace(healing, found=healing.found + found) if found else healing

    async def step(self, *, connected: bool) -> bool:
        """Look whether we have listened for long enough, or are done; tell whether something has changed. FarmError: the disk."""
        healing = self._world.healing
        if healing is not None and not healing.told:
            if not self._has_listened(connected=connected):
                return False
            await self._keep(replace(healing, told=True))
            return True
        healed = self._world.healed
        if healing is None and self._finishing and healed is not None and healed.worries:
            await self._end(replace(healed, seen=True))
            return True
        if healing is None or (self._world.untold and not self._finishing):
            self._finished()
            return False
        over = self._over(healing)
        await self._end(over)
        log = _log.warning if over.worries else _log.info
        more = {"detail": CANNOT_COME_BACK} if over.worries else {}
        log("farm.healed", why=over.why.value, nodes=over.nodes, found=over.found, missing=list(over.missing), **more)
        return True

    def _over(self, healing: Healing) -> Healed:
        world = self._world
        names = {record.id: record.name or record.id for record in world.durable.node_records.values() if not record.revoked}
        missing = sorted(names[key] for key in world.untold)
        now_s = self._clock.wall_s()
        return Healed(healing.why, healing.since_s, now_s, len(names), tuple(missing), healing.found)

    async def _end(self, healed: Healed) -> None:
        try:
            await self._store.commit([SetMeta(META, ""), SetMeta(LAST, healed.text())])
        except FarmError as error:
            self.refuse(error)
            raise
        self._world.healing, self._world.healed = None, healed
        self._finished()

    def _finished(self) -> None:
        asked, self._finishing = self._finishing, []
        for one in asked:
            if not one.done():
                one.set_result(None)

    async def _keep(self, healing: Healing) -> None:
        await self._store.commit([SetMeta(META, healing.text())])
        self._world.healing = healing

    def _has_listened(self, *, connected: bool) -> bool:
        now_s = asyncio.get_running_loop().time()
        if not connected:
            self._listening_since_s = None
            return False
        if self._listening_since_s is None:
            self._listening_since_s = now_s
        return now_s - self._listening_since_s >= LISTEN_REAL_S


# --- what people are told --------------------------------------------------------------------------------------------------------


def fence_alarm(world: World, now_s: float) -> AlarmView | None:
    """The alarm of a daemon that only watches."""
    fence = world.fence
    if fence is None:
        return None
    record = world.durable.node_records.get(fence.node)
    name = record.name if record is not None and record.name else fence.node
    return alarm_view("fenced", fence_text(fence, name), fence_step(fence), now_s)


def healing_alarm(view: HealingView) -> AlarmView:
    """The alarm of a farm that heals: how far it is."""
    parts = "part" if view.found == 1 else "parts"
    begun, found_fr = _BEGUN[view.why], "pièce retrouvée" if view.found < 2 else "pièces retrouvées"
    text_fr = (
        f"{begun.fr} {view.told} nœuds sur {view.nodes} ont raconté de nouveau ce qui s'est passé depuis ; {view.found} {found_fr}."
    )
    text = f"{begun.en} {view.told} of {view.nodes} nodes have told again what happened since; {view.found} {parts} found."
    names = ", ".join(view.missing[:_MAX_NAMES]) + (", ..." if len(view.missing) > _MAX_NAMES else "")
    step = f"It heals by itself; not heard yet: {names or 'none'}. Start what is off. If one is gone for good: farm healing --done."
    step_fr = (
        f"La ferme guérit toute seule ; pas encore entendus : {names or 'aucun'}. Allumez ce qui est éteint. "
        "Si un nœud a disparu pour de bon : farm healing --done."
    )
    return alarm_view("restoring", Bilingual(text, text_fr), Bilingual(step, step_fr), view.since)


def put_back_alarm(healed: Healed | None) -> AlarmView | None:
    """The notice that stays after a database put back by hand has healed: what no node could tell."""
    if healed is None or not healed.worries:
        return None
    text = f"An older database was put back by hand. The nodes have told again what they did. {CANNOT_COME_BACK}"
    step = "Look through the orders, and place again what is missing. Then: farm healing --done."
    begun_fr = "Une base plus ancienne a été remise à la main. Les nœuds ont raconté de nouveau ce qu'ils ont fait."
    text_fr = f"{begun_fr} {_CANNOT_COME_BACK_FR}"
    step_fr = "Parcourez les commandes et passez de nouveau celles qui manquent. Puis : farm healing --done."
    return alarm_view("put-back", Bilingual(text, text_fr), Bilingual(step, step_fr), healed.ended_s)
