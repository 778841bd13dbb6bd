from pathlib import Path

import pytest

from drivers.base import Capability, DriverEvent, JobTrace, PrintEnd, PrintEnded, PrinterState
from drivers.errors import AddressError, PrinterBusyError
from drivers.manual import ACCEPTED, OFFERED, ManualPrinter
from drivers.registry import open_driver

FILE = Path("frame.gcode")


class Maker:
    """A printer by hand and what it said."""

    def __init__(self, accepted: str | None = None) -> None:
        self.events: list[DriverEvent] = []
        self.printer = ManualPrinter(self.events.append, name="anna", accepted=accepted)

    def now(self) -> tuple[PrinterState, str | None, str | None]:
        status = self.printer.status
        return status.state, status.job, status.note

    @property
    def ends(self) -> list[PrintEnded]:
        return [event for event in self.events if isinstance(event, PrintEnded)]


@pytest.fixture
async def maker() -> Maker:
    made = Maker()
    assert made.now() == (PrinterState.OFFLINE, None, None)
    await made.printer.connect()
    assert made.now() == (PrinterState.IDLE, None, None)
    return made


async def test_a_job_is_offered_accepted_and_reported(maker: Maker) -> None:
    await maker.printer.start(FILE, "job-1")
    assert maker.now() == (PrinterState.PREPARING, "job-1", OFFERED)
    assert maker.printer.accept("job-1")
    assert maker.now() == (PrinterState.PRINTING, "job-1", ACCEPTED)
    assert maker.printer.accepted
    assert maker.printer.report_done("job-1")
    assert [(end.job, end.end) for end in maker.ends] == [("job-1", PrintEnd.DONE)]
    assert maker.now() == (PrinterState.IDLE, None, None)


async def test_one_batch_at_a_time(maker: Maker) -> None:
    await maker.printer.start(FILE, "job-1")
    with pytest.raises(PrinterBusyError):
        await maker.printer.start(FILE, "job-2")
    assert maker.printer.job == "job-1"


async def test_what_names_another_job_changes_nothing(maker: Maker) -> None:
    await maker.printer.start(FILE, "job-1")
    before = list(maker.events)
    assert not maker.printer.accept("job-2")
    assert not maker.printer.report_done("job-2")
    assert not maker.printer.give_up("job-2")
    await maker.printer.cancel("job-2")
    assert maker.events == before


async def test_giving_up_is_a_persons_decision(maker: Maker) -> None:
    await maker.printer.start(FILE, "job-1")
    assert maker.printer.give_up("job-1")
    assert [(end.end, end.by_person) for end in maker.ends] == [(PrintEnd.CANCELLED, True)]


@pytest.mark.parametrize("how", ["cancel", "emergency_stop"])
async def test_an_offer_can_be_taken_back(maker: Maker, how: str) -> None:
    await maker.printer.start(FILE, "job-1")
    await (maker.printer.cancel("job-1") if how == "cancel" else maker.printer.emergency_stop())
    assert [(end.end, end.by_person) for end in maker.ends] == [(PrintEnd.CANCELLED, False)]
    assert maker.printer.job is None


async def test_a_stop_without_a_job_and_pauses_do_nothing(maker: Maker) -> None:
    before = list(maker.events)
    await maker.printer.emergency_stop()
    await maker.printer.pause("job-1")
    await maker.printer.resume("job-1")
    await maker.printer.connect()
    assert maker.events == before


@pytest.mark.parametrize(("accepted", "state"), [(None, PrinterState.PREPARING), ("job-1", PrinterState.PRINTING)])
async def test_after_a_restart_the_person_still_has_the_job(accepted: str | None, state: PrinterState) -> None:
    maker = Maker(accepted)
    await maker.printer.connect()
    trace = await maker.printer.trace("job-1")
    assert (trace.running, trace.end) == (True, None)
    assert maker.now()[:2] == (state, "job-1")
    assert maker.printer.report_done("job-1")
    await maker.printer.close()
    assert maker.now() == (PrinterState.OFFLINE, None, None)


def test_the_registry_makes_it() -> None:
    driver = open_driver("manual://?printer=anna", lambda _event: None)
    assert isinstance(driver, ManualPrinter)
    assert driver.name == "anna"
    assert Capability.PROVES_IDLE in driver.info.capabilities


@pytest.mark.parametrize("url", ["manual://host", "manual:///path", "manual://?baud=1", "manual://?printer=a&printer=b"])
def test_a_wrong_url_is_a_clear_error(url: str) -> None:
    with pytest.raises(AddressError, match="is no manual printer"):
        open_driver(url, lambda _event: None)


async def test_nothing_is_offered_before_anybody_is_connected() -> None:
    printer = ManualPrinter(lambda _event: None)
    with pytest.raises(PrinterBusyError) as refused:
        await printer.start(Path("frame.gcode"), "job-1")
    assert refused.value.detail_fr == "Personne n'est connecté."


async def test_what_became_of_a_job_is_remembered_for_a_while() -> None:
    printer = ManualPrinter(lambda _event: None)
    await printer.connect()
    await printer.start(Path("frame.gcode"), "job-1")
    assert printer.report_done("job-1")
    assert await printer.trace("job-1") == JobTrace(running=False, end=PrintEnd.DONE)
    assert printer.job is None, "it is not offered again"


async def test_a_trace_of_the_job_that_the_person_prints_changes_nothing(maker: Maker) -> None:
    await maker.printer.start(FILE, "job-1")
    maker.printer.accept("job-1")
    before = list(maker.events)
    assert (await maker.printer.trace("job-1")).running
    assert maker.now() == (PrinterState.PRINTING, "job-1", ACCEPTED)
    assert maker.events == before


async def test_what_is_said_after_close_is_heard_by_nobody(maker: Maker) -> None:
    """The ledger is closed by then: the person is not told that it counts, and says it again to the next process."""
    await maker.printer.start(FILE, "job-1")
    maker.printer.accept("job-1")
    await maker.printer.close()
    before = list(maker.events)
    assert not maker.printer.report_done("job-1")
    assert not maker.printer.accept("job-1")
    assert maker.events == before
