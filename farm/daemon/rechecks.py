"""Looks again at programs that were checked in another way: by an older rule set, or for other revisions of the profiles.

After an upgrade, in the background, one at a time and giving way to everything else. Until its turn a program counts as it was
judged. One that is judged worse is not allocated any more, and people are told; one that is judged better is.
"""

import asyncio
from dataclasses import dataclass, replace
from typing import Final

from farm.daemon import audit
from farm.daemon.engine import Engine
from farm.daemon.inspection import Checked
from farm.daemon.programs import Programs, judged, remember_findings
from farm.daemon.releases import find_program, without_release
from farm.daemon.sayings import alarm_view
from farm.errors import FarmError, StoreFullError
from farm.log import get_logger
from farm.views import AlarmView
from gcode.texts import Bilingual
from scheduler.draft import Draft
from scheduler.model import Farm, Program, Verdict

_log = get_logger(__name__)
NICENESS: Final = 19
_FIRST_WAIT_REAL_S: Final = 5.0  # nodes come back first
_BETWEEN_REAL_S: Final = 0.5
_RETRY_REAL_S: Final = 60.0  # the disk is full, or this daemon only watches
_NAMED: Final = 5
_STRICTNESS: Final = (Verdict.PASS, Verdict.TRUSTED_ONLY, Verdict.REJECT)


@dataclass(frozen=True, slots=True)
class Waits:
    """Real seconds: before the first look, between two, after one that failed."""

    first_s: float = _FIRST_WAIT_REAL_S
    between_s: float = _BETWEEN_REAL_S
    retry_s: float = _RETRY_REAL_S


def due(farm: Farm, way: str) -> list[Program]:
    """Programs that were checked in another way: those of open orders first, then the newest."""
    wanted = {order.revision for order in farm.orders.values() if order.open}
    old = [program for program in farm.programs.values() if program.checked != way]
    return sorted(old, key=lambda program: (program.revision not in wanted, -program.created_at_s, program.sha256))


def apply(draft: Draft, sha256: str, checked: Checked, way: str, now_s: float) -> None:
    """Take a new verdict: a release stays when the program needs trust for the same things as before.

    Raises:
        NotFoundError: the program was removed.

    """
    before = find_program(draft.farm, sha256)
    after = judged(before, checked, way)
    if before.released_by and not (after.verdict is Verdict.TRUSTED_ONLY and after.trust == before.released_for):
        after = without_release(after)
    if after.usable:
        after = replace(after, worse_since_s=None)
    elif before.usable:
        after = replace(after, worse_since_s=now_s)
    draft.put(after)
    remember_findings(draft, sha256, checked)
    if after.verdict is not before.verdict or after.released_by != before.released_by:
        kind = "worse" if _STRICTNESS.index(after.verdict) > _STRICTNESS.index(before.verdict) else "better"
        what = kind if after.verdict is not before.verdict else "released for something else"
        detail = f"{before.verdict} -> {after.verdict} ({what}); {way}; {after.trust}"
        audit.note(draft, audit.FARM, "program.checked-again", sha256, now_s, reason=before.released_by, detail=detail)


def worse_alarm(farm: Farm) -> AlarmView | None:
    """Programs that a stricter check took out of use, and for which nobody has answered yet."""
    found = [program for program in farm.programs.values() if program.worse_since_s is not None]
    if not found:
        return None
    names = ", ".join(sorted(program.name or program.sha256[:12] for program in found)[:_NAMED])
    more, more_fr = ("", "") if len(found) <= _NAMED else (f" and {len(found) - _NAMED} more", f" et {len(found) - _NAMED} autres")
    return alarm_view(
        "programs-worse",
        Bilingual(
            f"A stricter check took programs out of use: {names}{more}. Nothing new of them is printed.",
            f"Une vérification plus stricte a mis des programmes hors service : {names}{more_fr}. "
            "Rien de nouveau n'en est imprimé.",
        ),
        Bilingual(
            "`farm program show` says what is wrong: release what needs trust, replace what is rejected.",
            "`farm program show` dit ce qui ne va pas : validez ce qui demande confiance, remplacez ce qui est rejeté.",
        ),
        min(program.worse_since_s or 0.0 for program in found),
    )


class Rechecker:
    """Works through what is due, then rests: what is uploaded later is checked in the present way."""

    def __init__(self, engine: Engine, programs: Programs, waits: Waits | None = None) -> None:
        self._engine = engine
        self._programs = programs
        self._waits = waits or Waits()
        self._failed: set[str] = set()

    async def run(self) -> None:
        """Work until cancelled."""
        wait_s = self._waits.first_s
        while True:
            await asyncio.sleep(wait_s)
            wait_s = await self.step()

    async def step(self) -> float:
        """Look at the next one; return the real seconds until the next step."""
        world, way = self._engine.world, self._programs.way
        waiting = [program for program in due(world.durable, way) if program.sha256 not in self._failed]
        if not waiting or world.fenced or self._engine.full:
            return self._waits.retry_s
        program = waiting[0]
        try:
            checked = await self._programs.look_again(program, niceness=NICENESS)
            await self._engine.ask(lambda draft: apply(draft, program.sha256, checked, way, self._engine.clock.wall_s()))
        except (StoreFullError, OSError) as error:
            _log.warning("program.not-checked-again", program=program.sha256, detail=str(error))
            return self._waits.retry_s
        except FarmError as error:
            self._failed.add(program.sha256)  # until the next start: its verdict stays what it was
            _log.warning("program.not-checked-again", program=program.sha256, detail=error.detail)
            return self._waits.between_s
        after = world.durable.programs.get(program.sha256, program)  # removed in the same moment: as it was
        _log.info("program.checked-again", program=program.sha256, verdict=str(after.verdict), usable=after.usable)
        return self._waits.between_s
