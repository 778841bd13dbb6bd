"""The checks of two things at once: a job that is cancelled, stopped, abandoned or let go of before `start` has returned.

What must hold however they meet: a job has one answer. Either `start` raises, and then nothing of it prints or will print and no
end is told; or it returns, and then the job runs until its one end.
"""

import asyncio
from contextlib import suppress
from typing import Final

from drivers.base import Capability, Driver, PrintEnd, PrinterState
from drivers.conformance.bench import Bench
from drivers.conformance.checks import CLOSE_S, OTHER_JOB
from drivers.conformance.recorder import BrokenError, Recorder, expect
from drivers.conformance.tools import JOB, MOMENT_S, bilingual, check, closed, connected, made, promised
from drivers.errors import DriverError, FirmwareError, PrinterBusyError, TransferError

_CERTAIN: Final = (PrinterBusyError, TransferError, FirmwareError)  # `Driver.start`: nothing is printing
_STOPPED: Final = (PrintEnd.FAILED, PrintEnd.CANCELLED, PrintEnd.INTERRUPTED)


async def _under_way(bench: Bench, driver: Driver, recorder: Recorder, job: str, *, at_once: bool) -> "asyncio.Task[None]":
    """A start that has just been called, or (not `at_once`) has got so far that the status names the job."""
    starting = asyncio.ensure_future(driver.start(bench.lasting, job))
    await asyncio.sleep(0)
    if not at_once:
        await recorder.until(lambda: starting.done() or driver.status.job == job, "a start under way", bench.patience_s)
    return starting


async def _begun(starting: "asyncio.Task[None]") -> bool:
    """Whether `start` returned; an error has to be one that promises that nothing prints."""
    try:
        await starting
    except _CERTAIN as error:
        bilingual(error)
        return False
    except DriverError as error:
        raise BrokenError(f"start leaves open whether it prints: {type(error).__name__}") from error
    return True


async def _one_answer(bench: Bench, recorder: Recorder, job: str, *, begun: bool, kinds: tuple[PrintEnd, ...]) -> None:
    """`start` raised and no end is told, or it returned and there is one end. Either way the job is over."""
    await recorder.until(lambda: recorder.status.job is None and (not begun or _of(recorder, job)), "its end", bench.patience_s)
    await asyncio.sleep(MOMENT_S)
    ends = _of(recorder, job)
    expect(recorder.status.job is None, f"the machine has job {recorder.status.job} again")
    if not begun:
        expect(ends == [], f"start raised, and an end was told as well: {ends}")
    else:
        expect(len(ends) == 1, f"{len(ends)} ends of one job: {ends}")
        expect(ends[0] in kinds, f"the job ended {ends[0]}, not {' or '.join(kinds)}")


def _of(recorder: Recorder, job: str) -> list[PrintEnd]:
    return [end.end for end in recorder.ends if end.job == job]


@check()
async def two_starts_at_once_are_one_print(bench: Bench) -> None:
    """Of two jobs started in one moment one begins; the other raises PrinterBusyError, and nothing is told of it."""
    async with connected(bench) as (driver, recorder):
        jobs = (JOB, OTHER_JOB)
        results = await asyncio.gather(*(driver.start(bench.lasting, job) for job in jobs), return_exceptions=True)
        begun = [job for job, result in zip(jobs, results, strict=True) if result is None]
        refused = [result for result in results if result is not None]
        expect(len(begun) == 1, f"{len(begun)} of two jobs began: {results}")
        expect(isinstance(refused[0], PrinterBusyError), f"the other raised {refused[0]!r}")
        await asyncio.sleep(MOMENT_S)
        expect(driver.status.job == begun[0], f"the job is {driver.status.job}, and {begun[0]} began")
        expect(recorder.ends == [], f"ends were told: {recorder.ends}")


@check()
async def a_cancel_during_the_start_holds(bench: Bench) -> None:
    """CANCEL: a job that is cancelled while it starts does not print on: `start` raises and tells no end, or it ends CANCELLED."""
    async with connected(bench) as (driver, recorder):
        promised(driver, Capability.CANCEL)
        for job, at_once in ((JOB, True), (OTHER_JOB, False)):
            starting = await _under_way(bench, driver, recorder, job, at_once=at_once)
            await driver.cancel(job)
            begun = await _begun(starting)
            await _one_answer(bench, recorder, job, begun=begun, kinds=(PrintEnd.CANCELLED,))
            await recorder.until(lambda: driver.status.state is PrinterState.IDLE, "an idle machine", bench.patience_s)


@check()
async def an_emergency_stop_during_the_start_holds(bench: Bench) -> None:
    """EMERGENCY_STOP: a job whose start is under way does not print after it, and has one answer."""
    async with connected(bench) as (driver, recorder):
        promised(driver, Capability.EMERGENCY_STOP)
        starting = await _under_way(bench, driver, recorder, JOB, at_once=True)
        await driver.emergency_stop()
        begun = await _begun(starting)
        await _one_answer(bench, recorder, JOB, begun=begun, kinds=_STOPPED)


@check()
async def an_abandoned_start_leaves_nothing_unfollowed(bench: Bench) -> None:
    """Who waits for `start` is cancelled: the job goes on under the driver's eyes, or is over; it has one end at most."""
    async with connected(bench) as (driver, recorder):
        promised(driver, Capability.CANCEL)
        starting = await _under_way(bench, driver, recorder, JOB, at_once=False)
        starting.cancel()
        with suppress(asyncio.CancelledError):
            await starting
        settled = {PrinterState.PRINTING, PrinterState.IDLE, PrinterState.FOREIGN}
        returned = not starting.cancelled()
        await recorder.until(lambda: returned or driver.status.state in settled, "a print, or none", bench.patience_s)
        expect(driver.status.state is not PrinterState.FOREIGN, "it prints, and the driver does not know it any more")
        began = driver.status.job == JOB
        await driver.cancel(JOB)
        await recorder.until(lambda: driver.status.state is PrinterState.IDLE, "an idle machine", bench.patience_s)
        await asyncio.sleep(MOMENT_S)
        expect(len(recorder.ends) == 1 if began else len(recorder.ends) < 2, f"ends were told: {recorder.ends}")


# --- letting go


@check()
async def closing_during_a_start_ends_it(bench: Bench) -> None:
    """`close` while a start is under way takes 10 s at most, and `start` comes back. Without SURVIVES_AGENT it has one answer."""
    async with connected(bench) as (driver, recorder):
        survives = Capability.SURVIVES_AGENT in driver.info.capabilities
        starting = await _under_way(bench, driver, recorder, JOB, at_once=False)
        took_s = await closed(driver, recorder)
        expect(took_s <= CLOSE_S, f"close took {took_s:.1f} s")
        await asyncio.wait({starting}, timeout=bench.patience_s)
        expect(starting.done(), "the start of a printer that was let go does not come back")
        error = None if starting.cancelled() else starting.exception()
        expect(not starting.cancelled(), "start was cancelled by close: an error says that it was let go")
        expect(error is None or isinstance(error, DriverError), f"start raised {error!r}")
        expected = [PrintEnd.INTERRUPTED] if error is None and not survives else []
        expect(_of(recorder, JOB) == expected, f"start {'returned' if error is None else 'raised'}, told at close: {recorder.ends}")


@check()
async def closing_while_connecting_ends_it(bench: Bench) -> None:
    """`close` while `connect` waits: that returns or raises a typed error, and nothing is told or held from then on."""
    async with made(bench) as (driver, recorder):
        connecting = asyncio.ensure_future(driver.connect())
        await asyncio.sleep(0)
        await closed(driver, recorder)
        await asyncio.wait({connecting}, timeout=bench.patience_s)
        expect(connecting.done(), "the connect of a printer that was let go does not come back")
        expect(not connecting.cancelled(), "connect was cancelled by close: an error says that it was let go")
        error = connecting.exception()
        expect(error is None or isinstance(error, DriverError), f"connect raised {error!r}")
        await driver.close()
