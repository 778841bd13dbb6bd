"""Keeps a loop of the daemon going: what nobody foresaw is logged, shown to people, and tried again after a while.

A loop that ended unnoticed would leave a farm that answers, looks healthy and does nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from farm.clock import Clock
from farm.daemon.alarms import Alarms
from farm.log import get_logger
from gcode.texts import Bilingual, Told

_log = get_logger(__name__)
_FIRST_REAL_S: Final = 0.5
_LONGEST_REAL_S: Final = 10.0  # people wait that long for an answer, not longer
_STEP: Final = Bilingual(
    "Report this with the daemon's log; it is tried again by itself. Restart the daemon when it lasts.",
    "Signalez-le avec le journal du démon ; il réessaie tout seul. Redémarrez le démon si cela dure.",
)
_NAMES_FR: Final = {"scheduler": "La planification", "publisher": "La publication"}


class Guard:
    """One loop, by name. `trouble` says in one line what is wrong with it; empty when nothing is."""

    def __init__(self, name: str, alarms: Alarms, clock: Clock, touch: Callable[[], None]) -> None:
        self.trouble = ""
        self._code = f"{name}-failed"
        self._name = name
        self._alarms = alarms
        self._clock = clock
        self._touch = touch
        self._failures = 0

    async def run(self, step: Callable[[], Awaitable[None]]) -> None:
        """Call `step` again and again until cancelled; after a failure only when a while has passed."""
        while True:
            try:
                await step()
            except Exception as error:  # noqa: BLE001 - whatever it is, the farm must not stand still for good
                self.failed(error)
                await asyncio.sleep(min(_LONGEST_REAL_S, _FIRST_REAL_S * 2 ** min(self._failures - 1, 10)))

    def failed(self, error: BaseException) -> None:
        """Something unforeseen happened: logged with its trace once, and shown until `recovered`."""
        self._failures += 1
        self.trouble = Told(self._code, f"failing: {error!r}"[:300], f"en échec : {error!r}"[:300])
        name_fr = _NAMES_FR.get(self._name, self._name)
        text = Bilingual(f"The {self._name} fails: {error!r}."[:500], f"{name_fr} échoue : {error!r}."[:500])
        if self._alarms.begin(self._code, text, _STEP, self._clock.wall_s()):
            _log.error("loop.failed", loop=self._name, error=repr(error), exc_info=error)
            self._touch()

    def ended(self, error: BaseException | None) -> None:
        """The loop is no more, and nothing will start it again."""
        self.failed(error or RuntimeError("it ended"))
        self.trouble = Told(self._code, f"ended: {error!r}"[:300], f"arrêtée : {error!r}"[:300])

    def recovered(self) -> None:
        """A whole round went well."""
        self._failures = 0
        if self.trouble:
            self.trouble = ""
            self._alarms.end(self._code)
            _log.info("loop.recovered", loop=self._name)
            self._touch()
