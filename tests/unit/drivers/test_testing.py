from pathlib import Path

import pytest

from drivers.base import Driver, DriverEvent, JobTrace, PrintEnd, PrintEnded, PrinterState, Prompt
from drivers.errors import Bilingual, PrinterBusyError, UnreachableError
from drivers.testing import Script, ScriptedDriver, from_url

GONE = UnreachableError("gone", next_step=".")


async def test_a_scripted_printer_prints_pauses_and_ends() -> None:
    events: list[DriverEvent] = []
    driver: Driver = ScriptedDriver(events.append)
    assert isinstance(driver, ScriptedDriver)
    await driver.connect()
    await driver.start(Path("x"), "job-1")
    with pytest.raises(PrinterBusyError):
        await driver.start(Path("x"), "job-2")
    await driver.pause("job-1")
    paused = driver.status.state
    await driver.resume("job-1")
    await driver.cancel("job-1")
    assert [event.end for event in events if isinstance(event, PrintEnded)] == [PrintEnd.CANCELLED]
    await driver.emergency_stop()
    assert (paused, driver.status.state) == (PrinterState.PAUSED, PrinterState.FAULT)
    await driver.close()
    assert driver.closed


async def test_it_fails_as_the_script_says() -> None:
    script = Script(connect_errors=[GONE], start_error=GONE, act_error=GONE, trace_errors=[GONE])
    driver = ScriptedDriver(lambda _event: None, script=script)
    for call in (driver.connect(), driver.start(Path("x"), "j"), driver.pause("j"), driver.emergency_stop(), driver.trace("j")):
        with pytest.raises(UnreachableError):
            await call
    await driver.connect()
    assert driver.status.state is PrinterState.IDLE


async def test_it_answers_about_old_jobs() -> None:
    driver = from_url("scripted://", lambda _event: None)  # type: ignore[arg-type]  # the address is not looked at
    assert await driver.trace("job-1") == JobTrace(running=False)
    driver.script.trace = JobTrace(running=True)
    await driver.trace("job-1")
    assert driver.status.job == "job-1"


async def test_a_question_of_the_driver_is_in_both_languages() -> None:
    driver = ScriptedDriver(lambda _event: None)
    go, stop = Bilingual("Go on", "Continuer"), Bilingual("Stop", "Arrêter")
    ours = driver.asks(Bilingual("Is it dry?", "Est-ce sec ?"), go, stop)
    assert ours == Prompt("prompt-1", "Is it dry?", ("Go on", "Stop"), "Est-ce sec ?", ("Continuer", "Arrêter"))
    assert driver.asks("PETG?", "Yes", "No") == Prompt("prompt-2", "PETG?", ("Yes", "No")), "a machine speaks as it does"
    assert driver.asks("PETG?", "M600", stop).choices_fr == ("M600", "Arrêter")
