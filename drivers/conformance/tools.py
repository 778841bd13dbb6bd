"""What the checks are made of: the list of them, drivers that are made, connected and printing, and what is waited for."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from drivers.base import Capability, Driver, PrintEnd, PrinterState
from drivers.conformance.bench import Ability, Bench
from drivers.conformance.recorder import BUSY, Recorder, expect
from drivers.errors import DriverError

JOB: Final = "job-conformance-1"
MOMENT_S: Final = 0.1  # in which something that must not be told would be told


class DoesNotApplyError(Exception):
    """This kind of printer does not promise what the check is about; the message says what."""


CheckFunction = Callable[[Bench], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Check:
    """One promise. `needs`: what the bench must be able to do."""

    name: str
    promise: str
    needs: frozenset[Ability]
    function: CheckFunction

    def __str__(self) -> str:
        return self.name


CHECKS: list[Check] = []


def check(*needs: Ability) -> Callable[[CheckFunction], CheckFunction]:
    """Add a function to the checks."""

    def add(function: CheckFunction) -> CheckFunction:
        CHECKS.append(Check(function.__name__, (function.__doc__ or "").strip(), frozenset(needs), function))
        return function

    return add


async def conforms(one: Check, bench: Bench) -> str | None:
    """Do a check and close the bench. None: the promise is kept; otherwise why it does not apply.

    Raises:
        BrokenError: the promise is broken.

    """
    try:
        if missing := one.needs - bench.abilities:
            return f"the bench cannot make the machine {', '.join(sorted(missing))}"
        await one.function(bench)
    except DoesNotApplyError as error:
        return str(error)
    finally:
        await bench.close()
    return None


@asynccontextmanager
async def made(bench: Bench) -> AsyncIterator[tuple[Driver, Recorder]]:
    """A driver that is not connected yet; closed and judged at the end."""
    recorder = Recorder()
    driver = recorder.driver = bench.make(recorder)
    try:
        yield driver, recorder
    finally:
        await closed(driver, recorder)
    await asyncio.sleep(MOMENT_S)
    recorder.judge(bench.secrets)


async def closed(driver: Driver, recorder: Recorder) -> float:
    """Close a driver; return how long that took, in seconds."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    await driver.close()
    recorder.closed = True
    return loop.time() - began_s


@asynccontextmanager
async def connected(bench: Bench) -> AsyncIterator[tuple[Driver, Recorder]]:
    """A driver that has found its machine idle."""
    async with made(bench) as (driver, recorder):
        await driver.connect()
        await recorder.until(lambda: driver.status.state is PrinterState.IDLE, "an idle machine", bench.patience_s)
        yield driver, recorder


@asynccontextmanager
async def printing(bench: Bench, program: Path | None = None) -> AsyncIterator[tuple[Driver, Recorder]]:
    """A driver in the middle of a job."""
    async with connected(bench) as (driver, recorder):
        await driver.start(program or bench.lasting, JOB)
        expect(driver.status.job == JOB, f"after start the status has job {driver.status.job}")
        expect(driver.status.state in BUSY, f"after start the machine is {driver.status.state}")
        yield driver, recorder


async def ended(bench: Bench, recorder: Recorder, *expected: PrintEnd) -> None:
    """Wait for the end of the job, and see that it is told once."""
    await recorder.until(lambda: recorder.ends, "the end of the job", bench.patience_s)
    await asyncio.sleep(MOMENT_S)
    expect(len(recorder.ends) == 1, f"{len(recorder.ends)} ends of one job")
    (end,) = recorder.ends
    expect(end.job == JOB, f"the end is of {end.job}")
    expect(end.end in expected, f"the job ended {end.end} ({end.detail}), not {' or '.join(expected)}")
    expect(recorder.status.job is None, f"after its end the status still has job {recorder.status.job}")


def promised(driver: Driver, capability: Capability) -> None:
    """Leave the check when the driver does not promise this."""
    if capability not in driver.info.capabilities:
        raise DoesNotApplyError(f"no {capability}")


def bilingual(error: DriverError) -> None:
    """An error says what is wrong and what to do, in both languages."""
    expect(error.detail and error.next_step, f"{type(error).__name__} without detail or next step")
    both = error.detail != error.detail_fr and error.next_step != error.next_step_fr
    expect(both, f"{type(error).__name__} says the same in English and French: {error}")
