"""The checks: one promise of `drivers.base` each. A check makes its driver, makes the machine do something, and looks."""

import asyncio
from inspect import iscoroutinefunction
from typing import Any, Final

from drivers.base import CAPABILITY_PROTOCOLS, Capability, PrintEnd, PrinterState
from drivers.conformance.bench import Ability, Bench
from drivers.conformance.recorder import BUSY, BrokenError, expect
from drivers.conformance.tools import (
    JOB,
    MOMENT_S,
    DoesNotApplyError,
    bilingual,
    check,
    closed,
    connected,
    ended,
    made,
    printing,
    promised,
)
from drivers.errors import DriverError, PrinterBusyError

OTHER_JOB: Final = "job-conformance-2"
UNKNOWN_JOB: Final = "job-conformance-of-nobody"
CLOSE_S: Final = 10.0  # `Driver.close`
_GONE: Final = frozenset({PrinterState.OFFLINE, PrinterState.CONNECTING})
_MAX_TRANSCRIPT_LINES: Final = 4_000
_MAX_CONSOLE_LINES: Final = 200
_CALLABLE_WITHOUT: Final = frozenset({Capability.PROMPTS, Capability.TRANSCRIPT})  # these harm nobody where they are not promised


# --- contact


@check()
async def a_new_driver_does_nothing(bench: Bench) -> None:
    """Making a driver does no I/O and tells nothing; closing one that was never connected, twice, does no harm."""
    async with made(bench) as (driver, recorder):
        expect(driver.status.state is PrinterState.OFFLINE, f"a new driver is {driver.status.state}")
        expect(driver.info.name, "no name")
        await asyncio.sleep(MOMENT_S)
        expect(recorder.events == [], f"a new driver tells {recorder.events}")
        await driver.close()


@check()
async def it_connects_and_lets_go(bench: Bench) -> None:
    """`connect` finds the machine idle, twice is once, and `close` ends everything in 10 s."""
    async with connected(bench) as (driver, recorder):
        await driver.connect()
        expect(driver.status.state is PrinterState.IDLE, f"after a second connect it is {driver.status.state}")
        expect(driver.status.job is None, "an idle machine has no job")
        took_s = await closed(driver, recorder)
        expect(took_s <= CLOSE_S, f"close took {took_s:.1f} s")


@check(Ability.VANISH)
async def a_machine_that_is_not_there_is_told(bench: Bench) -> None:
    """`connect` to nothing raises a typed error in both languages without a secret; the driver then finds the machine itself."""
    await bench.vanish()
    async with made(bench) as (driver, recorder):
        try:
            await driver.connect()
        except DriverError as error:
            bilingual(error)
            expect(type(error) is not DriverError, "an error without a type of its own")
            said = f"{error} {error.bilingual.fr}"
            expect(not any(secret in said for secret in bench.secrets), "the error shows a secret of the printer's URL")
        else:
            raise BrokenError("connect found a machine that is not there")
        expect(driver.status.state in _GONE, f"without a machine it is {driver.status.state}")
        await bench.come_back()
        await recorder.until(lambda: driver.status.state is PrinterState.IDLE, "the machine that came back", bench.patience_s)


@check(Ability.VANISH)
async def a_lost_machine_is_found_again(bench: Bench) -> None:
    """A machine that goes away while idle is offline, and idle again when it is back, without anybody's help."""
    async with connected(bench) as (driver, recorder):
        await bench.vanish()
        await recorder.until(lambda: driver.status.state in _GONE, "the loss", bench.patience_s)
        try:
            await driver.start(bench.brief, JOB)
        except DriverError as error:
            bilingual(error)
        else:
            raise BrokenError("a job was started on a machine that is not there")
        await bench.come_back()
        await recorder.until(lambda: driver.status.state is PrinterState.IDLE, "the machine that came back", bench.patience_s)
        expect(recorder.ends == [], "a job that never began has ended")


# --- jobs


@check(Ability.FINISH)
async def a_job_is_printed_to_its_end(bench: Bench) -> None:
    """A started job is told to be done, once; then the machine is idle, and `trace` does not say that it runs."""
    async with printing(bench, bench.brief) as (driver, recorder):
        await bench.finish()
        await ended(bench, recorder, PrintEnd.DONE)
        await recorder.until(lambda: driver.status.state is PrinterState.IDLE, "an idle machine", bench.patience_s)
        trace = await driver.trace(JOB)
        expect(not trace.running, "trace says that a job runs whose end was told")
        expect(trace.end in {None, PrintEnd.DONE}, f"trace says {trace.end} of a job that was done")


@check(Ability.FINISH)
async def one_job_after_the_other(bench: Bench) -> None:
    """After a job the next one can be started by the same driver; each end names its job."""
    async with printing(bench, bench.brief) as (driver, recorder):
        await bench.finish()
        await ended(bench, recorder, PrintEnd.DONE)
        await recorder.until(lambda: driver.status.state is PrinterState.IDLE, "an idle machine", bench.patience_s)
        await driver.start(bench.brief, OTHER_JOB)
        await bench.finish()
        await recorder.until(lambda: len(recorder.ends) == 2, "the end of the second job", bench.patience_s)
        expect([end.job for end in recorder.ends] == [JOB, OTHER_JOB], f"the ends are of {[end.job for end in recorder.ends]}")


@check(Ability.FAIL)
async def a_fault_of_the_machine_fails_the_job(bench: Bench) -> None:
    """A job under which the machine breaks down is told as failed, with a record of the fault in both languages."""
    async with printing(bench) as (_, recorder):
        await bench.fail()
        await ended(bench, recorder, PrintEnd.FAILED)
        (end,) = recorder.ends
        expect(not end.by_person, "a fault is no person's doing")
        expect(end.fault is not None or end.detail, "nobody is told why it failed")
        if (fault := end.fault) is not None:
            expect(fault.code and fault.meaning_en != fault.meaning_fr, f"the fault {fault.code!r} has no French meaning")
            expect(fault.action_en and fault.action_fr, f"the fault {fault.code!r} says nobody what to do")


@check()
async def a_busy_machine_is_left_alone(bench: Bench) -> None:
    """`start` while a job runs raises PrinterBusyError; the first job goes on, and nothing is told of the second."""
    async with printing(bench) as (driver, recorder):
        try:
            await driver.start(bench.lasting, OTHER_JOB)
        except PrinterBusyError as error:
            bilingual(error)
        else:
            raise BrokenError("a second job was started")
        await asyncio.sleep(MOMENT_S)
        expect(driver.status.job == JOB, f"the job is {driver.status.job} now")
        expect(recorder.ends == [], f"ends were told: {recorder.ends}")


@check(Ability.FOREIGN)
async def what_others_print_is_left_alone(bench: Bench) -> None:
    """A print that is not ours is FOREIGN; `start` raises PrinterBusyError, and nothing is told to have ended."""
    async with connected(bench) as (driver, recorder):
        await bench.print_something_else()
        await recorder.until(lambda: driver.status.state is PrinterState.FOREIGN, "a foreign print", bench.patience_s)
        try:
            await driver.start(bench.brief, JOB)
        except PrinterBusyError as error:
            bilingual(error)
        else:
            raise BrokenError("a job was started beside a foreign print")
        expect(recorder.ends == [], f"ends were told: {recorder.ends}")


@check(Ability.READ_FILE)
async def a_missing_file_is_no_print(bench: Bench) -> None:
    """`start` with a file that is not there raises a typed error; nothing is printing, and the machine can be used."""
    async with connected(bench) as (driver, recorder):
        try:
            await driver.start(bench.brief.with_name("no-such-file.gcode"), JOB)
        except DriverError as error:
            bilingual(error)
        else:
            raise BrokenError("a file that is not there was started")
        await recorder.until(lambda: driver.status.state is PrinterState.IDLE, "an idle machine", bench.patience_s)
        expect(recorder.ends == [], "a job that never began has ended")
        await driver.start(bench.lasting, OTHER_JOB)


# --- acts


@check()
async def acts_on_nothing_do_nothing(bench: Bench) -> None:
    """Pause, resume and cancel of a job that does not run change nothing, on an idle machine and beside another job."""
    async with connected(bench) as (driver, recorder):
        for act in (driver.pause, driver.resume, driver.cancel):
            await act(UNKNOWN_JOB)
        expect(driver.status.state is PrinterState.IDLE, f"the machine is {driver.status.state}")
        await driver.start(bench.lasting, JOB)
        for act in (driver.resume, driver.pause, driver.cancel):
            await act(UNKNOWN_JOB)
        await driver.resume(JOB)  # it is not paused
        await asyncio.sleep(MOMENT_S)
        expect(driver.status.job == JOB, f"the job is {driver.status.job}")
        expect(recorder.ends == [], f"ends were told: {recorder.ends}")
        expect(PrinterState.PAUSED not in {status.state for status in recorder.statuses}, "another job's pause held this one")


@check()
async def a_cancelled_job_ends_as_such(bench: Bench) -> None:
    """CANCEL: the job ends CANCELLED, not by a person at the machine; a second cancel does nothing."""
    async with printing(bench) as (driver, recorder):
        promised(driver, Capability.CANCEL)
        await driver.cancel(JOB)
        await ended(bench, recorder, PrintEnd.CANCELLED)
        expect(not recorder.ends[0].by_person, "our own cancel is told as a person's")
        await driver.cancel(JOB)
        await recorder.until(lambda: driver.status.state is PrinterState.IDLE, "an idle machine", bench.patience_s)


@check(Ability.CANCEL)
async def a_person_cancels_at_the_machine(bench: Bench) -> None:
    """A job that a person stops at the machine ends CANCELLED, by a person."""
    async with printing(bench) as (_, recorder):
        await bench.cancel_at_machine()
        await ended(bench, recorder, PrintEnd.CANCELLED)
        expect(recorder.ends[0].by_person, "nobody is told that it was a person")


@check()
async def a_paused_job_goes_on(bench: Bench) -> None:
    """PAUSE: the job is PAUSED until `resume`, and then it prints; twice is once."""
    async with printing(bench) as (driver, recorder):
        promised(driver, Capability.PAUSE)
        await recorder.until(lambda: driver.status.state is PrinterState.PRINTING, "a print", bench.patience_s)
        for _ in range(2):
            await driver.pause(JOB)
            await recorder.until(lambda: driver.status.state is PrinterState.PAUSED, "a pause", bench.patience_s)
        expect(driver.status.job == JOB, "a paused job is a job")
        for _ in range(2):
            await driver.resume(JOB)
            await recorder.until(lambda: driver.status.state is PrinterState.PRINTING, "a print that goes on", bench.patience_s)
        expect(recorder.ends == [], f"ends were told: {recorder.ends}")


@check()
async def an_emergency_stop_ends_the_job(bench: Bench) -> None:
    """EMERGENCY_STOP: the job is over, told once and never as done."""
    async with printing(bench) as (driver, recorder):
        promised(driver, Capability.EMERGENCY_STOP)
        await driver.emergency_stop()
        await ended(bench, recorder, PrintEnd.FAILED, PrintEnd.CANCELLED, PrintEnd.INTERRUPTED)
        expect(driver.status.state not in BUSY - {PrinterState.ATTENTION}, f"the machine is {driver.status.state}")


# --- after us


@check()
async def nobody_knows_a_job_that_never_was(bench: Bench) -> None:
    """`trace` of an unknown job says that it does not run; good is never guessed from idle."""
    async with connected(bench) as (driver, recorder):
        trace = await driver.trace(UNKNOWN_JOB, program=bench.brief, bookmark="of another program")
        if trace.running:
            raise DoesNotApplyError("whoever has the job is a person, who knows of jobs that we have forgotten")
        expect(trace.end is not PrintEnd.DONE, "a job that never was is told as done")
        expect(recorder.ends == [], f"ends were told: {recorder.ends}")


@check()
async def a_job_that_runs_is_traced(bench: Bench) -> None:
    """`trace` of the job that runs says so, and changes nothing."""
    async with printing(bench) as (driver, recorder):
        trace = await driver.trace(JOB)
        expect(trace.running, "trace does not know the job that runs")
        await asyncio.sleep(MOMENT_S)
        expect(driver.status.job == JOB, f"the job is {driver.status.job}")
        expect(recorder.ends == [], f"ends were told: {recorder.ends}")


@check()
async def closing_in_a_print_keeps_the_promise(bench: Bench) -> None:
    """`close` in a print takes at most 10 s. Without SURVIVES_AGENT the job ends INTERRUPTED; with it nothing is told to end."""
    async with printing(bench) as (driver, recorder):
        survives = Capability.SURVIVES_AGENT in driver.info.capabilities
        took_s = await closed(driver, recorder)
        expect(took_s <= CLOSE_S, f"close took {took_s:.1f} s")
        expected = [] if survives else [PrintEnd.INTERRUPTED]
        expect([end.end for end in recorder.ends] == expected, f"told at close: {recorder.ends}")


@check(Ability.FINISH)
async def a_print_survives_its_agent(bench: Bench) -> None:
    """SURVIVES_AGENT: another driver finds the job running by `trace`, and tells its end."""
    async with printing(bench) as (driver, recorder):
        promised(driver, Capability.SURVIVES_AGENT)
        await closed(driver, recorder)
    async with made(bench) as (driver, recorder):
        await driver.connect()
        trace = await driver.trace(JOB, program=bench.lasting)
        expect(trace.running, f"the job does not run any more: {trace}")
        expect(driver.status.job == JOB, f"after trace the job is {driver.status.job}")
        await bench.finish()
        await ended(bench, recorder, PrintEnd.DONE)


@check(Ability.VANISH)
async def closing_without_a_machine_keeps_the_promise(bench: Bench) -> None:
    """`close` in a print whose machine is gone takes 10 s at most. Without SURVIVES_AGENT the job has one end, not DONE."""
    async with printing(bench) as (driver, recorder):
        survives = Capability.SURVIVES_AGENT in driver.info.capabilities
        await bench.vanish()
        await asyncio.sleep(MOMENT_S)
        took_s = await closed(driver, recorder)
        expect(took_s <= CLOSE_S, f"close took {took_s:.1f} s")
        kinds = [end.end for end in recorder.ends]
        lost = kinds in ([PrintEnd.INTERRUPTED], [PrintEnd.FAILED]) or (survives and kinds == [])
        expect(lost, f"told at close: {recorder.ends}")


@check(Ability.VANISH, Ability.FINISH)
async def a_machine_lost_in_a_print_has_one_end(bench: Bench) -> None:
    """A machine that vanishes in the middle of a job and comes back: whatever became of the job is told once."""
    async with printing(bench) as (driver, recorder):
        await bench.vanish()
        await recorder.until(
            lambda: recorder.ends or any(status.state in _GONE for status in recorder.statuses[-1:]), "the loss", bench.patience_s
        )
        await bench.come_back()
        await recorder.until(lambda: driver.status.state not in _GONE, "the machine that came back", bench.patience_s)
        if not recorder.ends:
            await bench.finish()
        await ended(bench, recorder, *PrintEnd)


# --- what some can do besides


@check()
async def what_is_promised_can_be_called(bench: Bench) -> None:
    """Every declared capability has its method; one that is not declared does nothing, or a typed error says that it cannot."""
    async with connected(bench) as (driver, _):
        for capability, (name, _protocol) in CAPABILITY_PROTOCOLS.items():
            method: Any = getattr(driver, name, None)
            declared = capability in driver.info.capabilities
            expect(method is not None or not declared, f"{capability} is declared, but there is no method {name}")
            if method is None:
                continue
            expect(callable(method), f"{name} cannot be called")
            if capability is not Capability.TRANSCRIPT:
                expect(iscoroutinefunction(method), f"{name} is not async")
            if not declared and capability not in _CALLABLE_WITHOUT:
                await _refuses(method, capability)


async def _refuses(method: Any, capability: Capability) -> None:
    arguments: dict[Capability, tuple[tuple[Any, ...], dict[str, Any]]] = {
        Capability.CONSOLE: (("M115",), {}),
        Capability.POWER: ((), {"on": True}),
    }
    positional, named = arguments.get(capability, ((), {}))
    try:
        await method(*positional, **named)
    except DriverError as error:
        bilingual(error)
    else:
        raise BrokenError(f"{capability} is not declared, and was done all the same")


@check(Ability.ASK)
async def a_question_is_answered_by_its_id(bench: Bench) -> None:
    """PROMPTS: what the machine asks is in the status; an answer to another question does nothing, the right one takes it away."""
    async with printing(bench) as (driver, recorder):
        promised(driver, Capability.PROMPTS)
        answering: Any = driver
        await recorder.until(lambda: driver.status.state is PrinterState.PRINTING, "a print", bench.patience_s)
        await bench.ask()
        await recorder.until(lambda: driver.status.prompt is not None, "a question", bench.patience_s)
        asked = driver.status.prompt
        assert asked is not None
        expect(asked.id and asked.text, "a question without id or text")
        expect(len(asked.choices_fr) in {0, len(asked.choices)}, "not as many choices in French")
        await answering.answer(f"{asked.id}-of-before", 0)
        expect(driver.status.prompt == asked, "an answer to another question took this one away")
        await answering.answer(asked.id, 0)
        await recorder.until(lambda: driver.status.prompt != asked, "the end of the question", bench.patience_s)
        await answering.answer(asked.id, 0)  # a second click
        later = driver.status.prompt
        expect(later is None or later.id != asked.id, "the next question has the id of the last one")


@check()
async def the_wire_is_recorded_within_bounds(bench: Bench) -> None:
    """TRANSCRIPT: what was said, oldest first, at most 4,000 lines, without secrets."""
    async with connected(bench) as (driver, _):
        promised(driver, Capability.TRANSCRIPT)
        recorded: Any = driver
        lines = recorded.transcript()
        expect(isinstance(lines, list) and all(isinstance(line, str) for line in lines), "a transcript is a list of lines")
        expect(len(lines) <= _MAX_TRANSCRIPT_LINES, f"{len(lines)} lines")
        shown = any(secret in line for secret in bench.secrets for line in lines)
        expect(not shown, "the transcript shows a secret of the printer's URL")


@check()
async def the_console_is_for_idle_machines(bench: Bench) -> None:
    """CONSOLE: a line is answered while the machine is idle, and refused while it prints."""
    async with connected(bench) as (driver, _):
        promised(driver, Capability.CONSOLE)
        console: Any = driver
        said = await console.console("M115")
        expect(isinstance(said, list) and len(said) <= _MAX_CONSOLE_LINES, "what was said is a list of at most 200 lines")
        await driver.start(bench.lasting, JOB)
        try:
            await console.console("M115")
        except PrinterBusyError as error:
            bilingual(error)
        else:
            raise BrokenError("a line was sent into a print")
