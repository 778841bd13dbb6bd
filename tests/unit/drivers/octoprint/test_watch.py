"""Sessions: how they begin, what ends them, and what is done when there is no socket or no printer."""

import asyncio
import inspect
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest

from drivers.base import Capability, DriverEvent, PrintEnded, PrinterState, StatusChanged
from drivers.errors import AuthenticationError, NotAPrinterError, UnreachableError
from drivers.octoprint.address import OctoPrintAddress
from drivers.octoprint.client import Client
from drivers.octoprint.publisher import Publisher
from drivers.octoprint.reading import Phase, PrintRecord, Reading
from drivers.octoprint.watch import Timing, Watch
from tests.patience import PATIENCE_S
from tests.unit.drivers.octoprint.fake import KEY, FakeOctoPrint

QUICK = Timing(
    poll_s=0.2,
    poll_alone_s=0.05,
    poll_busy_s=0.02,
    push_wait_s=0.3,
    push_retry_s=0.6,
    first_wait_s=0.02,
    longest_wait_s=0.1,
    refused_wait_s=0.1,
    printer_connect_s=0.3,
    printer_retry_s=0.6,
    printer_stuck_s=0.4,
    settle_s=0.1,
    record_s=0.02,
    proof_s=0.5,
    blind_proof_s=0.5,
)


class Watched:
    """A watch and what it told."""

    def __init__(self, address: OctoPrintAddress) -> None:
        self.events: list[DriverEvent] = []
        self.watch = Watch(Client(address), Publisher(self.events.append), QUICK)

    @property
    def states(self) -> list[PrinterState]:
        return [event.status.state for event in self.events if isinstance(event, StatusChanged)]

    @property
    def state(self) -> PrinterState | None:
        return self.states[-1] if self.states else None

    async def until(self, what: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not what():  # noqa: ASYNC110 - the fake lives in the same loop and has no events for everything
                await asyncio.sleep(0.005)


@pytest.fixture
async def watched(address: OctoPrintAddress) -> AsyncIterator[Watched]:
    watched = Watched(address)
    yield watched
    await watched.watch.close()


async def test_a_session_opens_with_a_fresh_login_and_a_look(fake: FakeOctoPrint, watched: Watched) -> None:
    await watched.watch.open()
    assert watched.states == [PrinterState.CONNECTING, PrinterState.IDLE]
    assert watched.watch.version == "1.11.8"
    order = [asked[1] for asked in fake.asked]
    assert order.index("/api/login") < order.index("auth") < order.index("/api/job")


async def test_opening_again_is_harmless(fake: FakeOctoPrint, watched: Watched) -> None:
    await watched.watch.open()
    await watched.watch.open()
    assert fake.count("POST", "/api/login") == 1


async def test_a_lost_octoprint_is_told_once_and_found_again(fake: FakeOctoPrint, watched: Watched) -> None:
    await watched.watch.open()
    await fake.close()
    await watched.until(lambda: watched.state is PrinterState.OFFLINE)
    await asyncio.sleep(0.3)  # several attempts
    assert watched.states.count(PrinterState.OFFLINE) == 1
    await fake.listen()
    await watched.until(lambda: watched.state is PrinterState.IDLE)
    assert watched.states.count(PrinterState.OFFLINE) == 1


async def test_the_first_failure_is_raised_and_we_go_on(fake: FakeOctoPrint, watched: Watched) -> None:
    await fake.close()
    with pytest.raises(UnreachableError):
        await watched.watch.open()
    await fake.listen()
    await watched.until(lambda: watched.state is PrinterState.IDLE)
    await watched.watch.open()  # the old failure is not told again


async def test_a_starting_octoprint_is_waited_for(fake: FakeOctoPrint, watched: Watched) -> None:
    fake.raw = b"Not found"
    with pytest.raises(UnreachableError, match="still starting"):
        await watched.watch.open()
    fake.raw = None
    await watched.until(lambda: watched.state is PrinterState.IDLE)


async def test_a_wrong_key_is_told_and_a_new_one_is_taken(fake: FakeOctoPrint, address: OctoPrintAddress, watched: Watched) -> None:
    address.key_file.write_text("WRONGKEYWRONGKEY")
    with pytest.raises(AuthenticationError):
        await watched.watch.open()
    assert watched.state is PrinterState.OFFLINE
    address.key_file.write_text(KEY)
    await watched.until(lambda: watched.state is PrinterState.IDLE)


async def test_each_socket_gets_a_login_of_its_own(fake: FakeOctoPrint, watched: Watched) -> None:
    await watched.watch.open()
    fake.push({"reauthRequired": {"reason": "stale"}})
    await watched.until(lambda: fake.count("POST", "/api/login") == 2)
    await watched.until(lambda: fake.sockets)
    assert PrinterState.OFFLINE not in watched.states


async def test_without_a_socket_questions_do(fake: FakeOctoPrint, watched: Watched) -> None:
    fake.has_socket = False
    await watched.watch.open()
    assert watched.watch.machine.reading.nozzle is not None  # temperatures are asked for too
    fake.state, fake.path = "Printing", "own.gcode"
    await watched.until(lambda: watched.state is PrinterState.FOREIGN)
    fake.has_socket = True
    await watched.until(lambda: fake.sockets)


async def test_with_a_socket_temperatures_are_not_asked_for(fake: FakeOctoPrint, watched: Watched) -> None:
    await watched.watch.open()
    await asyncio.sleep(0.5)
    assert fake.count("GET", "/api/printer") == 0
    fake.push({"current": fake.current() | {"temps": [{"tool0": {"actual": 55.55, "target": 60}}]}})
    await watched.until(lambda: watched.watch.machine.status(0).nozzle is not None)


async def test_a_current_message_that_contradicts_makes_us_ask(fake: FakeOctoPrint, watched: Watched) -> None:
    await watched.watch.open()
    fake.state, fake.path = "Printing", "own.gcode"
    asked = fake.count("GET", "/api/job")
    fake.push({"current": fake.current()})
    await watched.until(lambda: watched.state is PrinterState.FOREIGN)
    assert fake.count("GET", "/api/job") > asked


async def test_one_failed_question_is_no_loss_two_are(fake: FakeOctoPrint, watched: Watched) -> None:
    await watched.watch.open()
    failures = 0

    def fail_once(_body: bytes) -> tuple[int, object]:
        nonlocal failures
        failures += 1
        return (500, {"error": "busy"}) if failures == 1 else (200, fake._job())

    fake.answers["GET", "/api/job"] = fail_once
    await watched.until(lambda: failures > 1)
    assert PrinterState.OFFLINE not in watched.states
    fake.answers["GET", "/api/job"] = (500, {"error": "busy"})
    await watched.until(lambda: watched.state is PrinterState.OFFLINE)
    del fake.answers["GET", "/api/job"]
    await watched.until(lambda: watched.state is PrinterState.IDLE)


async def test_an_answer_that_nobody_foresaw_costs_no_printer(
    fake: FakeOctoPrint, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumble(_client: Client) -> str:
        raise KeyError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr(Client, "probe", stumble)
        with pytest.raises(Exception, match="The driver failed: KeyError"):
            await watched.watch.open()
    await watched.until(lambda: watched.state is PrinterState.IDLE)


async def test_a_printer_that_is_off_is_connected_by_us(fake: FakeOctoPrint, watched: Watched) -> None:
    fake.state = "Offline"
    watched.watch._timing = replace(QUICK, printer_connect_s=PATIENCE_S)
    await watched.watch.open()
    assert ("POST", "/api/connection", {"command": "connect"}) in fake.asked
    assert watched.state is PrinterState.IDLE


@pytest.mark.parametrize("answer", [(204, None), (400, {"error": "no such port"})])
async def test_a_printer_that_stays_away_is_named_and_asked_seldom(
    fake: FakeOctoPrint, watched: Watched, answer: tuple[int, object]
) -> None:
    fake.state = "Offline"
    fake.answers["POST", "/api/connection"] = answer
    with pytest.raises(UnreachableError, match="its printer does not"):
        await watched.watch.open()
    assert watched.state is PrinterState.OFFLINE
    assert fake.count("POST", "/api/connection") <= 2
    fake.state = "Operational"
    await watched.until(lambda: watched.state is PrinterState.IDLE)


async def test_a_connection_stuck_in_opening_is_freed_and_tried_again(fake: FakeOctoPrint, watched: Watched) -> None:
    """1.11.8 stays so for ever after the port was missing once; "connect" is a no-op then."""

    def command(body: bytes) -> tuple[int, object]:
        if json.loads(body)["command"] == "disconnect":
            fake.event("Disconnecting")
            fake.state = "Offline"
        elif fake.state == "Offline":
            fake.state = "Operational"
        return 204, None

    fake.state = "Opening serial connection"
    fake.answers["POST", "/api/connection"] = command
    with pytest.raises(UnreachableError, match="its printer does not"):
        await watched.watch.open()
    await watched.until(lambda: watched.state is PrinterState.IDLE)
    assert not watched.watch.machine.kept_apart


async def test_after_a_firmware_error_nobody_but_a_person_connects(fake: FakeOctoPrint, watched: Watched) -> None:
    fake.state, fake.error = "Offline after error", "MAXTEMP triggered"
    fake.answers["GET", "/api/printer/error"] = (200, {"reason": "firmware", "error": "MAXTEMP triggered"})
    await watched.watch.open()
    assert watched.state is PrinterState.FAULT
    await asyncio.sleep(0.5)
    assert fake.count("POST", "/api/connection") == 0


async def test_what_is_no_octoprint_is_said(fake: FakeOctoPrint, watched: Watched) -> None:
    fake.answers["GET", "/api/version"] = (200, b"<html>a router</html>")
    with pytest.raises(NotAPrinterError):
        await watched.watch.open()


async def test_work_that_has_not_begun_ends_with_the_close(address: OctoPrintAddress) -> None:
    watched = Watched(address)
    work = watched.watch.judge()
    watched.watch.spawn(work)
    await watched.watch.close()
    assert inspect.getcoroutinestate(work) == inspect.CORO_CLOSED, "or Python says that nobody has awaited it"


async def test_close_ends_everything_at_once(fake: FakeOctoPrint, address: OctoPrintAddress) -> None:
    watched = Watched(address)
    await watched.watch.open()
    await watched.watch.close()
    told = len(watched.events)
    fake.event("PrintStarted", path="own.gcode", origin="local")
    await asyncio.sleep(0.1)
    assert len(watched.events) == told
    await watched.until(lambda: not fake.sockets)


# --- what is found out about an OctoPrint -----------------------------------------------------------------------------------------


async def test_what_the_keys_user_may_and_what_is_installed_is_learned(fake: FakeOctoPrint, address: OctoPrintAddress) -> None:
    fake.permissions += ["WEBCAM", "MONITOR_TERMINAL", "PLUGIN_PSUCONTROL_CONTROL"]
    learned: list[frozenset[Capability]] = []
    watch = Watch(Client(address), Publisher(lambda _event: None), QUICK, learned.append)
    await watch.open()
    assert learned[-1] == {Capability.SNAPSHOT, Capability.CONSOLE}  # the permission is there, PSU Control is not
    fake.power = True
    await watch.close()
    watch = Watch(Client(address), Publisher(lambda _event: None), QUICK, learned.append)
    await watch.open()
    assert Capability.POWER in learned[-1]
    await watch.close()


async def test_a_question_of_before_we_came_is_found(fake: FakeOctoPrint, watched: Watched) -> None:
    fake.permissions.append("PLUGIN_ACTION_COMMAND_PROMPT_INTERACT")
    fake.question = {"text": "Filament out?", "choices": ["Continue"]}
    await watched.watch.open()
    assert watched.state is PrinterState.ATTENTION
    fake.question = None
    fake.push({"plugin": {"plugin": "action_command_prompt", "data": {"action": "close"}}})
    await watched.until(lambda: watched.state is PrinterState.IDLE)


async def test_a_question_is_shown_without_the_right_to_answer_it(fake: FakeOctoPrint, watched: Watched) -> None:
    await watched.watch.open()
    fake.ask("Filament out?", "Continue")
    await watched.until(lambda: watched.state is PrinterState.ATTENTION)
    assert fake.count("GET", "/api/plugin/action_command_prompt") == 0


async def test_without_a_socket_questions_are_asked_for(fake: FakeOctoPrint, watched: Watched) -> None:
    fake.has_socket = False
    fake.permissions.append("PLUGIN_ACTION_COMMAND_PROMPT_INTERACT")
    await watched.watch.open()
    fake.question = {"text": "Filament out?", "choices": ["Continue"]}
    await watched.until(lambda: watched.state is PrinterState.ATTENTION)


async def test_messages_of_other_plugins_are_nothing(fake: FakeOctoPrint, watched: Watched) -> None:
    await watched.watch.open()
    ours = {"plugin": "action_command_prompt"}
    nonsense: list[Any] = [None, 5, {}, {"plugin": "other"}, ours, {**ours, "data": 5}]
    for told in nonsense:
        fake.push({"plugin": told})
    fake.event("PrintStarted", path="own.gcode", origin="local")
    await watched.until(lambda: watched.state is PrinterState.FOREIGN)
    assert PrinterState.ATTENTION not in watched.states


async def test_a_missing_socket_is_hinted_at(fake: FakeOctoPrint, watched: Watched) -> None:
    fake.has_socket = False
    await watched.watch.open()
    assert "proxy" in (watched.watch.machine.status(0).note or "")
    fake.has_socket = True
    await watched.until(lambda: watched.watch.machine.status(0).note is None)


# --- a key or its rights go -----------------------------------------------------------------------------------------------------


async def test_a_key_that_is_revoked_while_we_watch_parks_the_printer_until_there_is_another(
    fake: FakeOctoPrint, address: OctoPrintAddress, watched: Watched
) -> None:
    await watched.watch.open()
    fake.key = "ANOTHERKEYANOTHERKEY"
    await watched.until(lambda: watched.state is PrinterState.OFFLINE)
    assert "refuses our key" in str(watched.watch.machine.note)
    address.key_file.write_text("ANOTHERKEYANOTHERKEY")
    await watched.until(lambda: watched.state is PrinterState.IDLE)


async def test_rights_that_are_taken_away_are_named_after_the_first_refusal(fake: FakeOctoPrint, watched: Watched) -> None:
    """A refused command says nothing of what is missing: we ask."""
    await watched.watch.open()
    fake.permissions.remove("PRINT")
    fake.answers["POST", "/api/job"] = (403, {"error": "no"})
    with pytest.raises(AuthenticationError):
        await watched.watch.call(watched.watch._client.pause)
    await watched.until(lambda: watched.state is PrinterState.OFFLINE)
    assert "PRINT" in str(watched.watch.machine.note)
    fake.permissions.append("PRINT")
    await watched.until(lambda: watched.state is PrinterState.IDLE)


async def test_a_refusal_that_is_no_lack_of_rights_changes_nothing(fake: FakeOctoPrint, watched: Watched) -> None:
    await watched.watch.open()
    fake.answers["POST", "/api/job"] = (403, {"error": "a plugin said no"})
    with pytest.raises(AuthenticationError):
        await watched.watch.call(watched.watch._client.pause)
    asked = fake.count("GET", "/api/currentuser")
    await watched.until(lambda: fake.count("GET", "/api/currentuser") > asked)
    await asyncio.sleep(0.1)
    assert PrinterState.OFFLINE not in watched.states


async def test_a_job_that_runs_on_is_asked_after_sooner_than_a_mere_wrong_key(watched: Watched) -> None:
    error = AuthenticationError("x", next_step="y")
    assert watched.watch._wait_after(error, 1) == QUICK.refused_wait_s
    watched.watch._timing = replace(QUICK, refused_wait_s=300.0)
    watched.watch.machine.open("job-1", 0)
    assert watched.watch._wait_after(error, 1) == QUICK.longest_wait_s


async def test_each_session_has_a_fresh_login(fake: FakeOctoPrint, watched: Watched) -> None:
    """A session that is not used goes stale after a quarter of an hour; OctoPrint then says `reauthRequired`."""
    await watched.watch.open()
    fake.push({"reauthRequired": {"reason": "stale"}})
    await watched.until(lambda: fake.count("POST", "/api/login") == 2)
    await watched.until(lambda: len(fake.sockets) == 1)


async def test_an_idle_printer_costs_few_requests(fake: FakeOctoPrint, address: OctoPrintAddress) -> None:
    """One question in half a minute beside the socket; the bench measures bytes and time."""
    watch = Watch(Client(address), Publisher(lambda _event: None), replace(QUICK, poll_s=30.0))
    await watch.open()
    asked = 0
    while asked != len(fake.asked):
        asked = len(fake.asked)
        await asyncio.sleep(0.1)
    for _ in range(20):
        fake.push({"current": fake.current()})
    await asyncio.sleep(0.2)
    assert len(fake.asked) == asked
    await watch.close()


# --- two things at once -----------------------------------------------------------------------------------------------------------


async def test_an_answer_that_was_asked_for_earlier_does_not_replace_a_newer_one(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a socket no event tells that it is old."""
    answers = iter([(asyncio.Event(), Phase.OPERATIONAL), (asyncio.Event(), Phase.PRINTING)])
    gates: list[asyncio.Event] = []

    async def read() -> Reading:
        gate, phase = next(answers)
        gates.append(gate)
        await gate.wait()
        return Reading(phase, path="own.gcode")

    monkeypatch.setattr(watched.watch, "_read", read)
    older, newer = asyncio.create_task(watched.watch.look()), asyncio.create_task(watched.watch.look())
    await watched.until(lambda: len(gates) == 2)
    gates[1].set()
    await newer
    gates[0].set()
    assert (await older).phase is Phase.OPERATIONAL
    assert watched.watch.machine.reading.phase is Phase.PRINTING
    assert watched.state is PrinterState.FOREIGN


@pytest.mark.parametrize("has_socket", [True, False])
async def test_a_job_that_begins_while_it_is_judged_has_not_ended(
    fake: FakeOctoPrint, watched: Watched, monkeypatch: pytest.MonkeyPatch, has_socket: bool
) -> None:
    """OctoPrint was slow to begin: it is idle when it is asked, and prints before its record was read."""
    path = "farm/job-1.gcode"
    fake.has_socket = has_socket
    fake.files[path] = {"path": path}
    await watched.watch.open()
    loop, watch = asyncio.get_running_loop(), watched.watch
    client, real = watch._client, watch._client.read_record
    asked_for: list[PrintRecord | None] = []

    def begins_meanwhile(asked: str) -> PrintRecord | None:
        record = real(asked)
        asked_for.append(record)
        if len(asked_for) == 2:  # the last look before the verdict
            loop.call_soon_threadsafe(fake.tell_start, path)
            while watch.machine.reading.phase is not Phase.PRINTING:
                time.sleep(0.005)
        return record

    monkeypatch.setattr(client, "read_record", begins_meanwhile)
    watch.machine.open("job-1", watch.now_s(), started=True)
    async with asyncio.timeout(PATIENCE_S):
        await watch.judge()
    assert watch.machine.job is not None
    assert not [event for event in watched.events if isinstance(event, PrintEnded)]
    await watched.until(lambda: watched.state is PrinterState.PRINTING)


async def test_nothing_is_told_or_begun_after_close(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that was on its way when we let go: the agent's ledger is closed by then."""
    asked, answered = asyncio.Event(), asyncio.Event()

    async def read() -> Reading:
        asked.set()
        await answered.wait()
        return Reading(Phase.OPERATIONAL)

    await watched.watch.open()
    watched.watch.machine.open("job-1", watched.watch.now_s(), started=True)
    monkeypatch.setattr(watched.watch, "_read", read)
    looking = asyncio.create_task(watched.watch.look())
    await asked.wait()
    await watched.watch.close()
    told = len(watched.events)
    answered.set()
    await looking  # it doubts now whether the job goes on
    assert len(watched.events) == told
    assert not watched.watch._tasks


async def test_closing_while_it_connects_is_an_error_of_connect(fake: FakeOctoPrint, watched: Watched) -> None:
    """Not a cancellation: whoever waits was not cancelled."""
    fake.state = "Connecting"
    opening = asyncio.create_task(watched.watch.open())
    await watched.until(lambda: fake.count("POST", "/api/login"))
    await watched.watch.close()
    with pytest.raises(UnreachableError, match="closed"):
        await opening
    with pytest.raises(UnreachableError, match="closed"):
        await watched.watch.open()
