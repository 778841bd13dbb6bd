"""Drivers that break a promise only when two things meet, and the check that sees it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from drivers.base import PrintEnd, PrinterState, StatusChanged
from drivers.conformance import CHECKS, BrokenError, conforms
from drivers.conformance.races import _STOPPED
from drivers.errors import Bilingual, DriverError, PrinterBusyError, TransferError
from drivers.testing import ScriptedDriver
from tests.unit.drivers.benches import ScriptedBench
from tests.unit.drivers.conformance.test_checks import Bench, _folder

NO = Bilingual("It was cancelled.", "Elle a été annulée.")
STEP = Bilingual("Start another one.", "Lancez-en un autre.")


class Slow(ScriptedDriver):
    """A start that takes a moment, and asks nobody what happened meanwhile."""

    async def start(self, program: Path, job: str) -> None:
        if self._status.state is not PrinterState.IDLE:
            raise PrinterBusyError(Bilingual("It prints.", "Elle imprime."), next_step=STEP)
        await asyncio.sleep(0.02)
        self.becomes(PrinterState.PRINTING, job=job)


class GivesTwoAnswers(ScriptedDriver):
    async def start(self, program: Path, job: str) -> None:
        await super().start(program, job)
        await asyncio.sleep(0.02)
        if self._status.job is None:
            raise TransferError(NO, next_step=STEP)


class LeavesItOpen(GivesTwoAnswers):
    async def start(self, program: Path, job: str) -> None:
        try:
            await super().start(program, job)
        except TransferError:
            raise DriverError(NO, next_step=STEP) from None


class ForgetsAbandonedJobs(ScriptedDriver):
    async def start(self, program: Path, job: str) -> None:
        self.becomes(PrinterState.PREPARING, job=job)
        try:
            await asyncio.sleep(60)
        finally:
            self.becomes(PrinterState.FOREIGN, job=None)


class WaitsForEver(ScriptedDriver):
    async def start(self, program: Path, job: str) -> None:
        await super().start(program, job)
        await asyncio.sleep(60)


class TellsNoEnd(ScriptedDriver):
    async def emergency_stop(self) -> None:
        self.becomes(PrinterState.FAULT, job=None)


class ConnectsAfterClose(ScriptedDriver):
    async def connect(self) -> None:
        await asyncio.sleep(0.02)
        self._listener(StatusChanged(self._status))


class CancelsWhoConnects(ScriptedDriver):
    async def connect(self) -> None:
        await asyncio.sleep(0.02)
        raise asyncio.CancelledError


BROKEN = [
    (Slow, "two_starts_at_once_are_one_print", "2 of two jobs began"),
    (Slow, "a_cancel_during_the_start_holds", "in vain for its end"),
    (GivesTwoAnswers, "a_cancel_during_the_start_holds", "an end was told as well"),
    (LeavesItOpen, "a_cancel_during_the_start_holds", "leaves open whether it prints"),
    (Slow, "an_emergency_stop_during_the_start_holds", "in vain for its end"),
    (TellsNoEnd, "an_emergency_stop_during_the_start_holds", "in vain for its end"),
    (ForgetsAbandonedJobs, "an_abandoned_start_leaves_nothing_unfollowed", "does not know it any more"),
    (WaitsForEver, "closing_during_a_start_ends_it", "does not come back"),
    (ConnectsAfterClose, "closing_while_connecting_ends_it", "told after close"),
    (CancelsWhoConnects, "closing_while_connecting_ends_it", "was cancelled by close"),
]


@pytest.mark.parametrize(("kind", "name", "said"), BROKEN, ids=lambda value: getattr(value, "__name__", ""))
async def test_a_broken_promise_is_seen(kind: type[Any], name: str, said: str, tmp_path: Path) -> None:
    check = next(check for check in CHECKS if check.name == name)
    assert await conforms(check, ScriptedBench(_folder(tmp_path, "whole"))) is None, "the whole driver keeps it"
    with pytest.raises(BrokenError, match=said):
        await conforms(check, Bench(_folder(tmp_path, "broken"), kind))


def test_what_was_stopped_is_not_done() -> None:
    assert PrintEnd.DONE not in _STOPPED


async def test_an_abandoned_start_that_goes_on_is_no_breach(tmp_path: Path) -> None:
    """As with OctoPrint: the print goes on under the eyes of the driver, and is cancelled as any other."""

    class GoesOn(ScriptedDriver):
        async def start(self, program: Path, job: str) -> None:
            self.becomes(PrinterState.PREPARING, job=job)
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                asyncio.get_running_loop().call_later(0.02, self.becomes, PrinterState.PRINTING)
                raise

    check = next(check for check in CHECKS if check.name == "an_abandoned_start_leaves_nothing_unfollowed")
    assert await conforms(check, Bench(_folder(tmp_path, "bench"), GoesOn)) is None
