"""Carries out on the printers what the core has decided, and passes on what the drivers say."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from drivers.base import Driver, DriverEvent, JobTrace
from drivers.errors import DriverError, FirmwareError, PrinterBusyError, TransferError
from farm.log import get_logger
from farm.node.core import Act, ActKind, StartJob, TraceJob
from farm.node.core.state import UNSEEN

_log = get_logger(__name__)
_FIRST_RETRY_S: Final = 1.0  # real time: cables and networks
_LAST_RETRY_S: Final = 30.0
_ACT_TIMEOUT_S: Final = 60.0  # a pause waits for the moves that the machine has planned
_CLOSE_TIMEOUT_S: Final = 10.0
# after these nothing is printing: drivers.base.Driver.start, and both built-in drivers for a fault before the first line
_NOT_BEGUN: Final = (PrinterBusyError, TransferError, FirmwareError)


class DriverBugError(DriverError):
    """A driver raised what it must not raise."""

    code = "driver-bug"


async def _guarded(call: Coroutine[Any, Any, Any]) -> Any:
    """Await a driver's method; whatever a driver of others raises becomes a DriverError."""
    try:
        return await call
    except DriverError:
        raise
    except Exception as error:  # drivers may come from third parties: a bug in one must not end the other printers
        raise DriverBugError(f"The driver failed: {type(error).__name__}: {error}.", next_step="Report this bug.") from error


@dataclass(frozen=True, slots=True)
class Answers:
    """Where results go. All are called on the loop."""

    on_event: Callable[[str, DriverEvent], None]
    on_trouble: Callable[[str, str | None], None]


class Hand:
    """One printer's driver, kept connected.

    Args:
        printer: the printer's id.
        make: makes the driver for a listener.
        answers: where its events go.

    """

    def __init__(self, printer: str, make: Callable[[Callable[[DriverEvent], None]], Driver], answers: Answers) -> None:
        self.printer = printer
        self._answers = answers
        self.driver = make(lambda event: answers.on_event(printer, event))
        self._task: asyncio.Task[None] | None = None

    def connect(self) -> None:
        """Begin to connect, in the background."""
        self._task = asyncio.create_task(self._stay_connecting(), name=f"connect-{self.printer}")

    async def close(self) -> None:
        """Let go of the printer. A driver that does not end is left behind."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await _guarded(self.driver.close())
        except (DriverError, TimeoutError) as error:
            _log.warning("printer.close-failed", printer=self.printer, detail=str(error))

    async def _stay_connecting(self) -> None:
        """Drivers reconnect by themselves once `connect` was called; asking again renews the reason that people see."""
        trouble: str | None = None
        retry_s = _FIRST_RETRY_S
        while True:
            try:
                await _guarded(self.driver.connect())
            except DriverError as error:
                if trouble != str(error):
                    trouble = str(error)
                    _log.warning("printer.unreachable", printer=self.printer, detail=error.detail, next_step=error.next_step)
                    self._answers.on_trouble(self.printer, trouble)
                await asyncio.sleep(retry_s)
                retry_s = min(retry_s * 2, _LAST_RETRY_S)
                if self.driver.status.state in UNSEEN:
                    continue
            _log.info("printer.connected", printer=self.printer, recovered=trouble is not None)
            self._answers.on_trouble(self.printer, None)
            return

    async def start(self, program: Path, start: StartJob) -> tuple[str, bool] | None:
        """Print. None: it has begun; otherwise (why not, whether it is certain that nothing began)."""
        try:
            await _guarded(self.driver.start(program, start.job))
        except _NOT_BEGUN as error:
            return str(error), True
        except DriverError as error:
            return str(error), False
        return None

    async def trace(self, asked: TraceJob) -> JobTrace | None:
        """Ask the machine about a job of an earlier process; None: it did not answer."""
        try:
            trace: JobTrace = await _guarded(self.driver.trace(asked.job))
        except DriverError as error:
            _log.info("job.untraced", job=asked.job, detail=error.detail)
            return None
        return trace

    async def act(self, act: Act) -> str | None:
        """Carry out a person's command; return what kept it, or None."""
        job = act.job or ""
        try:
            async with asyncio.timeout(_ACT_TIMEOUT_S):
                match act.kind:
                    case ActKind.PAUSE:
                        await _guarded(self.driver.pause(job))
                    case ActKind.RESUME:
                        await _guarded(self.driver.resume(job))
                    case ActKind.CANCEL:
                        await _guarded(self.driver.cancel(job))
                    case ActKind.EMERGENCY_STOP:
                        await _guarded(self.driver.emergency_stop())
        except DriverError as error:
            return str(error)
        except TimeoutError:
            return f"The printer did not answer within {_ACT_TIMEOUT_S:.0f} s."
        return None
