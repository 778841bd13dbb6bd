"""A check that cannot fail proves nothing: drivers that break one promise each, and the check that sees it."""

import asyncio
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from drivers.base import (
    Bookmark,
    Capability,
    DriverInfo,
    EventListener,
    JobTrace,
    PrintEnd,
    PrintEnded,
    PrinterState,
    Prompt,
    StatusChanged,
)
from drivers.conformance import CHECKS, BrokenError, conforms
from drivers.errors import Bilingual, PrinterBusyError
from drivers.testing import CAPABILITIES, Script, ScriptedDriver
from tests.unit.drivers.benches import ScriptedBench


class TellsTwice(ScriptedDriver):
    def finishes(self, end: PrintEnd = PrintEnd.DONE, detail: str = "", **more: Any) -> None:
        self._tell(PrintEnded(self._status.job or "", end, detail))
        super().finishes(end, detail, **more)


class GuessesGood(ScriptedDriver):
    async def trace(self, job: str, **more: Any) -> JobTrace:
        return JobTrace(running=False, end=PrintEnd.DONE)


class StartsBesideAnother(ScriptedDriver):
    async def start(self, program: Path, job: str) -> None:
        self.becomes(PrinterState.PRINTING, job=job)


class SpeaksEnglishOnly(ScriptedDriver):
    async def start(self, program: Path, job: str) -> None:
        if self._status.job is not None:
            raise PrinterBusyError("It prints.", next_step="Wait.")
        await super().start(program, job)


class TalksAfterClose(ScriptedDriver):
    async def close(self) -> None:
        await super().close()
        asyncio.get_running_loop().call_later(0.02, self._listener, StatusChanged(self._status))


class TalksFromAThread(ScriptedDriver):
    async def connect(self) -> None:
        await super().connect()
        thread = threading.Thread(target=self._listener, args=(StatusChanged(self._status),))
        thread.start()
        await asyncio.to_thread(thread.join)


class LeavesTheJobOpen(ScriptedDriver):
    def __init__(self, listener: EventListener, *, script: Script | None = None) -> None:
        super().__init__(listener, capabilities=CAPABILITIES - {Capability.SURVIVES_AGENT}, script=script)

    async def close(self) -> None:
        self.closed = True


class SurvivesNothing(ScriptedDriver):
    async def close(self) -> None:
        if self._status.job is not None:
            self.finishes(PrintEnd.INTERRUPTED)
        await super().close()


class Jumps(ScriptedDriver):
    async def connect(self) -> None:
        await super().connect()
        self.becomes(PrinterState.PAUSED, job="job-of-nobody")
        self.becomes(PrinterState.IDLE, job=None)


class PausesWhatItWasNotAsked(ScriptedDriver):
    async def pause(self, job: str) -> None:
        self.becomes(PrinterState.PAUSED)


class ShowsItsKey(ScriptedDriver):
    async def connect(self) -> None:
        await super().connect()
        self.becomes(PrinterState.IDLE, note="http://printer/?key=hunter2hunter2")


class PromisesWhatItHasNot(ScriptedDriver):
    def __init__(self, listener: EventListener, *, script: Script | None = None) -> None:
        super().__init__(listener, script=script)
        self.info = DriverInfo("scripted", CAPABILITIES | {Capability.SNAPSHOT})


class DoesWhatItDoesNotPromise(ScriptedDriver):
    async def power(self, *, on: bool) -> None:
        """Off it goes."""


class AnswersEverything(ScriptedDriver):
    async def answer(self, prompt: str, choice: int) -> None:
        self.becomes(PrinterState.PRINTING, prompt=None)


class AsksHalfInFrench(ScriptedDriver):
    def asks(self, text: str | Bilingual, *choices: str | Bilingual) -> Prompt:
        asked = super().asks(text, *choices)
        self.becomes(PrinterState.ATTENTION, prompt=replace(asked, choices_fr=("Oui", *asked.choices)))
        return asked


class LongBookmarks(ScriptedDriver):
    async def start(self, program: Path, job: str) -> None:
        await super().start(program, job)
        self._tell(Bookmark(job, "x" * 513))


class IsItsOwnPerson(ScriptedDriver):
    async def cancel(self, job: str) -> None:
        if self._status.job == job:
            self.finishes(PrintEnd.CANCELLED, by_person=True)


class StopsNothing(ScriptedDriver):
    async def emergency_stop(self) -> None:
        """Nothing happens."""


class TakesForever(ScriptedDriver):
    async def close(self) -> None:
        await asyncio.sleep(0.2)
        await super().close()


class Bench(ScriptedBench):
    secrets: tuple[str, ...] = ("hunter2hunter2",)
    patience_s = 1.0

    def __init__(self, folder: Path, kind: type[Any]) -> None:
        super().__init__(folder)
        self.kind = kind

    def make(self, listener: EventListener) -> Any:
        left = self.drivers[-1].left if self.drivers else None
        script = Script(trace=None if left is None else JobTrace(running=True))
        self.drivers.append(self.kind(listener, script=script))
        return self.drivers[-1]


BROKEN = [
    (TellsTwice, "a_job_is_printed_to_its_end", "2 ends of one job"),
    (GuessesGood, "nobody_knows_a_job_that_never_was", "never was is told as done"),
    (StartsBesideAnother, "a_busy_machine_is_left_alone", "a second job was started"),
    (SpeaksEnglishOnly, "a_busy_machine_is_left_alone", "the same in English and French"),
    (TalksAfterClose, "it_connects_and_lets_go", "told after close"),
    (TalksFromAThread, "it_connects_and_lets_go", "another thread"),
    (LeavesTheJobOpen, "closing_in_a_print_keeps_the_promise", "told at close"),
    (SurvivesNothing, "closing_in_a_print_keeps_the_promise", "told at close"),
    (Jumps, "it_connects_and_lets_go", "paused cannot follow idle"),
    (PausesWhatItWasNotAsked, "acts_on_nothing_do_nothing", "paused"),
    (ShowsItsKey, "it_connects_and_lets_go", "a secret"),
    (PromisesWhatItHasNot, "what_is_promised_can_be_called", "snapshot is declared"),
    (DoesWhatItDoesNotPromise, "what_is_promised_can_be_called", "power is not declared"),
    (AnswersEverything, "a_question_is_answered_by_its_id", "took this one away"),
    (AsksHalfInFrench, "a_question_is_answered_by_its_id", "not as many choices in French"),
    (LongBookmarks, "a_job_that_runs_is_traced", "a bookmark of 513 characters"),
    (IsItsOwnPerson, "a_cancelled_job_ends_as_such", "told as a person's"),
    (StopsNothing, "an_emergency_stop_ends_the_job", "in vain for the end"),
]


@pytest.mark.parametrize(("kind", "name", "said"), BROKEN, ids=lambda value: getattr(value, "__name__", ""))
async def test_a_broken_promise_is_seen(kind: type[Any], name: str, said: str, tmp_path: Path) -> None:
    check = next(check for check in CHECKS if check.name == name)
    assert await conforms(check, ScriptedBench(_folder(tmp_path, "whole"))) is None, "the whole driver keeps it"
    with pytest.raises(BrokenError, match=said):
        await conforms(check, Bench(_folder(tmp_path, "broken"), kind))


async def test_a_slow_close_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivers.conformance.checks.CLOSE_S", 0.1)
    check = next(check for check in CHECKS if check.name == "it_connects_and_lets_go")
    with pytest.raises(BrokenError, match="close took"):
        await conforms(check, Bench(_folder(tmp_path, "broken"), TakesForever))


async def test_an_error_that_is_no_driver_error_goes_through(tmp_path: Path) -> None:
    class Crashes(ScriptedDriver):
        async def connect(self) -> None:
            raise RuntimeError("a bug")

    with pytest.raises(RuntimeError):
        await conforms(CHECKS[1], Bench(_folder(tmp_path, "broken"), Crashes))


def test_every_check_has_a_name_and_a_promise() -> None:
    assert len({check.name for check in CHECKS}) == len(CHECKS) >= 24
    assert all(len(check.promise.split()) > 6 for check in CHECKS)


def _folder(path: Path, name: str) -> Path:
    folder = path / name
    folder.mkdir()
    return folder
