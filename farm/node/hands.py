"""Carries out on the printers what the core has decided, and passes on what the drivers say."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from drivers.base import Answering, Capability, Driver, DriverEvent, JobTrace, Recorded
from drivers.errors import Bilingual, DriverError, FirmwareError, PrinterBusyError, TransferError
from farm.log import get_logger
from farm.node.core import Act, ActKind, StartJob, TraceJob
from farm.node.core.refusals import ANSWER_THERE, Refusal
from farm.node.core.state import UNSEEN
from gcode.texts import Told

_log = get_logger(__name__)
_FIRST_RETRY_S: Final = 1.0  # real time: cables and networks
_LAST_RETRY_S: Final = 30.0
_ACT_TIMEOUT_S: Final = 60.0  # a pause waits for the moves that the machine has planned
_CLOSE_TIMEOUT_S: Final = 10.0
# after these nothing is printing: drivers.base.Driver.start, and both built-in drivers for a fault before the first line
_NOT_BEGUN: Final = (PrinterBusyError, TransferError, FirmwareError)


def in_words(error: DriverError) -> Refusal:
    """What a driver says, in both languages, under its stable code."""
    return Refusal(error.code, error.bilingual.en, error.bilingual.fr)


def _in_log(error: DriverError) -> dict[str, Told]:
    detail = Told(error.code, error.detail, error.detail_fr)
    return {"detail": detail, "next_step": Told(error.code, error.next_step, error.next_step_fr)}


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
        what = f"{type(error).__name__}: {error}"
        detail = Bilingual(f"The driver failed: {what}.", f"Le pilote a échoué : {what}.")
        raise DriverBugError(detail, next_step=Bilingual("Report this bug.", "Signalez ce défaut.")) from error


@dataclass(frozen=True, slots=True)
class Answers:
    """Where results go. All are called on the loop."""

    on_event: Callable[[str, DriverEvent], None]
    on_trouble: Callable[[str, Refusal | None], None]


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
        self._closed = False

    def connect(self) -> None:
        """Begin to connect, in the background; not any more after `close`."""
        if self._closed:
            return
        self._task = asyncio.create_task(self._stay_connecting(), name=f"connect-{self.printer}")

    async def close(self) -> None:
        """Let go of the printer. A driver that does not end is left behind."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await _guarded(self.driver.close())
        except (DriverError, TimeoutError) as error:
            detail = in_words(error) if isinstance(error, DriverError) else str(error)
            _log.warning("printer.close-failed", printer=self.printer, detail=detail)

    async def _stay_connecting(self) -> None:
        """Drivers reconnect by themselves once `connect` was called; asking again renews the reason that people see."""
        trouble: Refusal | None = None
        retry_s = _FIRST_RETRY_S
        while True:
            try:
                await _guarded(self.driver.connect())
            except DriverError as error:
                if trouble != str(error):
                    trouble = in_words(error)
                    _log.warning("printer.unreachable", printer=self.printer, **_in_log(error))
                    self._answers.on_trouble(self.printer, trouble)
                await asyncio.sleep(retry_s)
                retry_s = min(retry_s * 2, _LAST_RETRY_S)
                if self.driver.status.state in UNSEEN:
                    continue
            _log.info("printer.connected", printer=self.printer, recovered=trouble is not None)
            self._answers.on_trouble(self.printer, None)
            return

    async def start(self, program: Path, start: StartJob) -> tuple[Refusal, bool] | None:
        """Print. None: it has begun; otherwise (why not, whether it is certain that nothing began)."""
        try:
            await _guarded(self.driver.start(program, start.job))
        except _NOT_BEGUN as error:
            return in_words(error), True
        except DriverError as error:
            return in_words(error), False
        return None

    async def trace(self, asked: TraceJob, program: Path | None = None, bookmark: str | None = None) -> JobTrace | None:
        """Ask the machine about a job of an earlier process, with its file and its newest bookmark; None: it did not answer."""
        try:
            trace: JobTrace = await _guarded(self.driver.trace(asked.job, program=program, bookmark=bookmark))
        except DriverError as error:
            _log.info("job.untraced", job=asked.job, detail=in_words(error))
            return None
        return trace

    async def act(self, act: Act) -> Refusal | None:
        """Carry out a person's command; return what kept it, or None."""
        if act.kind is ActKind.ANSWER and not isinstance(self.driver, Answering):
            return ANSWER_THERE
        try:
            async with asyncio.timeout(_ACT_TIMEOUT_S):
                await _guarded(self._asked(act))
        except DriverError as error:
            return in_words(error)
        except TimeoutError:
            return Refusal(
                "printer-does-not-answer",
                f"The printer did not answer within {_ACT_TIMEOUT_S:.0f} s.",
                f"L'imprimante n'a pas répondu en {_ACT_TIMEOUT_S:.0f} s.",
            )
        return None

    async def _asked(self, act: Act) -> None:
        driver: Any = self.driver
        match act.kind:
            case ActKind.PAUSE:
                await driver.pause(act.job or "")
            case ActKind.RESUME:
                await driver.resume(act.job or "")
            case ActKind.CANCEL:
                await driver.cancel(act.job or "")
            case ActKind.EMERGENCY_STOP:
                await driver.emergency_stop()
            case ActKind.ANSWER:
                await driver.answer(act.prompt, act.choice)

    def transcript(self) -> list[str]:
        """What was said on the wire lately; empty when the driver keeps no record, or cannot give it."""
        if Capability.TRANSCRIPT not in self.driver.info.capabilities or not isinstance(self.driver, Recorded):
            return []
        try:
            return self.driver.transcript()
        except Exception as error:  # noqa: BLE001 - a driver of others: what only helps to find a fault must not become one
            _log.warning("transcript.failed", printer=self.printer, detail=f"{type(error).__name__}: {error}")
            return []
