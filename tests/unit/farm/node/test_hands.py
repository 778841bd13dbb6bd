import asyncio
from pathlib import Path
from typing import Any

import pytest
import structlog.testing

from drivers.base import DriverEvent, DriverInfo, JobTrace, PrintEnd, PrinterState, StatusChanged
from drivers.errors import Bilingual, FirmwareError, PrinterBusyError, TransferError, UnreachableError
from drivers.testing import Script, ScriptedDriver
from farm.node import hands as module
from farm.node.core import Act, ActKind, StartJob, TraceJob
from farm.node.core.refusals import ANSWER_THERE, Refusal
from farm.node.hands import Answers, Hand
from tests.unit.farm.node.bench import FAULT
from tests.unit.farm.node.fake_farm import until

GONE = UnreachableError("It went away.", next_step="Look.")
START = StartJob("printer-a", "job-1", "a" * 64)


class Told:
    """A hand, and what it passed on."""

    def __init__(self) -> None:
        self.script = Script()
        self.events: list[DriverEvent] = []
        self.troubles: list[Refusal | None] = []
        self.hand = Hand("printer-a", self.make, Answers(self.on_event, lambda _printer, trouble: self.troubles.append(trouble)))

    def make(self, listener: Any) -> ScriptedDriver:
        self.driver = ScriptedDriver(listener, script=self.script)
        return self.driver

    def on_event(self, printer: str, event: DriverEvent) -> None:
        assert printer == "printer-a"
        self.events.append(event)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    monkeypatch.setattr(module, "_FIRST_RETRY_S", 0.01)
    return Told()


async def test_it_connects_and_passes_events_on(told: Told) -> None:
    told.hand.connect()
    await until(lambda: told.troubles == [None])
    assert told.events == [StatusChanged(told.driver.status)]
    await told.hand.close()
    assert told.driver.closed


async def test_it_tries_again_and_logs_each_reason_once(told: Told) -> None:
    other = PrinterBusyError("It heats.", next_step="Wait.")
    told.script.connect_errors = [GONE, GONE, other]
    with structlog.testing.capture_logs() as logs:
        told.hand.connect()
        await until(lambda: told.troubles[-1:] == [None])
    assert told.troubles == [str(GONE), str(other), None]
    assert [trouble.code for trouble in told.troubles if trouble is not None] == ["printer-unreachable", "printer-busy"]
    assert [line["event"] for line in logs] == ["printer.unreachable", "printer.unreachable", "printer.connected"]
    await told.hand.close()


async def test_a_driver_that_found_its_machine_by_itself_is_not_asked_again(told: Told) -> None:
    told.script.connect_errors = [GONE] * 100
    told.hand.connect()
    await until(lambda: told.troubles)
    told.driver.becomes(PrinterState.IDLE)
    await until(lambda: told.troubles[-1] is None)
    await told.hand.close()


async def test_closing_ends_the_attempts_and_does_not_wait_for_ever(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang() -> None:
        await asyncio.sleep(1000)

    monkeypatch.setattr(module, "_CLOSE_TIMEOUT_S", 0.02)
    monkeypatch.setattr(told.driver, "close", hang)
    told.script.connect_errors = [GONE] * 1000
    told.hand.connect()
    await until(lambda: told.troubles)
    await told.hand.close()
    calls = len(told.driver.calls)
    await asyncio.sleep(0.05)
    assert len(told.driver.calls) == calls


@pytest.mark.parametrize(
    ("error", "certain"),
    [
        (PrinterBusyError("busy", next_step="."), True),
        (TransferError("lost", next_step="."), True),
        (FirmwareError(FAULT, next_step="."), True),
        (GONE, False),
        (RuntimeError("a bug"), False),
    ],
)
async def test_what_is_certain_after_a_start_that_failed(told: Told, error: Exception, certain: bool) -> None:
    told.script.start_error = error
    answer = await told.hand.start(Path("frame.gcode"), START)
    assert answer is not None
    assert answer[1] is certain


async def test_a_start_that_began(told: Told) -> None:
    await told.driver.connect()
    assert await told.hand.start(Path("frame.gcode"), START) is None
    assert told.driver.calls[-1] == ("start", Path("frame.gcode"), "job-1")


async def test_a_machine_that_does_not_answer_a_question(told: Told) -> None:
    told.script.trace_errors = [GONE]
    told.script.trace = JobTrace(running=False, end=PrintEnd.DONE)
    asked = TraceJob("printer-a", "job-1")
    assert await told.hand.trace(asked) is None
    assert await told.hand.trace(asked, Path("frame.gcode"), "line 7") == JobTrace(running=False, end=PrintEnd.DONE)
    assert told.driver.traced == [("job-1", None, None), ("job-1", Path("frame.gcode"), "line 7")]


@pytest.mark.parametrize(
    ("kind", "call"),
    [
        (ActKind.PAUSE, ("pause", "job-1")),
        (ActKind.RESUME, ("resume", "job-1")),
        (ActKind.CANCEL, ("cancel", "job-1")),
        (ActKind.EMERGENCY_STOP, ("emergency-stop",)),
        (ActKind.ANSWER, ("answer", "prompt-1", 2)),
    ],
)
async def test_every_command_has_its_method(told: Told, kind: ActKind, call: tuple[Any, ...]) -> None:
    act = Act("printer-a", "command-1", kind, "job-1", prompt="prompt-1", choice=2)
    assert await told.hand.act(act) is None
    assert told.driver.calls == [call]
    told.script.act_error = PrinterBusyError(Bilingual("It heats.", "Elle chauffe."), next_step=Bilingual("Wait.", "Attendez."))
    refused = await told.hand.act(act)
    assert refused is not None
    assert (refused.code, str(refused), refused.fr) == ("printer-busy", "It heats. Wait.", "Elle chauffe. Attendez.")


async def test_a_driver_without_the_method_is_not_asked_to_answer(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    class Deaf:
        """A driver of others."""

    monkeypatch.setattr(told.hand, "driver", Deaf())
    assert await told.hand.act(Act("printer-a", "command-1", ActKind.ANSWER, prompt="p")) is ANSWER_THERE


async def test_a_bug_of_a_driver_is_told_in_both_languages(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_job: str) -> None:
        raise KeyError("x")

    monkeypatch.setattr(told.driver, "pause", broken)
    refused = await told.hand.act(Act("printer-a", "command-1", ActKind.PAUSE, "job-1"))
    assert refused is not None
    assert (refused.code, refused.fr) == ("driver-bug", "Le pilote a échoué : KeyError: 'x'. Signalez ce défaut.")


async def test_a_transcript_is_asked_for_where_there_is_one(told: Told) -> None:
    told.script.transcript = ["1 > G28"]
    assert told.hand.transcript() == ["1 > G28"]
    told.driver.info = DriverInfo("scripted", frozenset())
    assert told.hand.transcript() == [], "what is not promised is not asked for"


async def test_a_command_that_hangs_ends(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(_job: str) -> None:
        await asyncio.sleep(1000)

    monkeypatch.setattr(module, "_ACT_TIMEOUT_S", 0.02)
    monkeypatch.setattr(told.driver, "pause", hang)
    answer = await told.hand.act(Act("printer-a", "command-1", ActKind.PAUSE, "job-1"))
    assert answer == "The printer did not answer within 0 s."


async def test_what_was_let_go_of_is_not_connected_any_more(told: Told) -> None:
    """A printer that is added in the moment in which the agent ends."""
    await told.hand.close()
    told.hand.connect()
    await asyncio.sleep(0.02)
    assert ("connect",) not in told.driver.calls
