"""What an OctoPrint may have besides printing: questions, a console, a camera, mains. And what its threads and errors are like."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from drivers.base import CAPABILITY_PROTOCOLS, Capability, PrinterState
from drivers.errors import AuthenticationError, DriverError, PrinterBusyError, UnreachableError
from drivers.registry import open_driver
from tests.patience import PATIENCE_S
from tests.unit.drivers.octoprint.test_printer import PATH, Bench, bench

__all__ = ["bench"]

ANSWERED = {"/api/plugin/action_command_prompt", "/api/printer/command"}
ASKS = "PLUGIN_ACTION_COMMAND_PROMPT_INTERACT"


async def session_with(bench: Bench, *permissions: str) -> None:
    """A new session, in which the key's user has these permissions too."""
    bench.fake.permissions += permissions
    logins = bench.fake.count("POST", "/api/login")
    bench.fake.push({"reauthRequired": {"reason": "stale"}})
    await bench.until(lambda: bench.fake.count("POST", "/api/login") > logins and bench.fake.sockets)
    await bench.until(lambda: bench.driver.status.state is PrinterState.IDLE)


def test_a_url_may_promise_a_camera_and_mains(tmp_path: Path) -> None:
    driver = open_driver(f"octoprint+http://h?key_file={tmp_path}/k&snapshot_url=/webcam&power=psucontrol", lambda _event: None)
    assert {Capability.SNAPSHOT, Capability.POWER} <= driver.info.capabilities
    assert Capability.CONSOLE not in driver.info.capabilities


async def test_capabilities_are_what_was_found(bench: Bench) -> None:
    assert not {Capability.PROMPTS, Capability.CONSOLE, Capability.SNAPSHOT, Capability.POWER} & bench.driver.info.capabilities
    await session_with(bench, ASKS, "MONITOR_TERMINAL", "WEBCAM")
    assert {Capability.PROMPTS, Capability.CONSOLE, Capability.SNAPSHOT} <= bench.driver.info.capabilities
    for capability in bench.driver.info.capabilities & CAPABILITY_PROTOCOLS.keys():
        assert hasattr(bench.driver, CAPABILITY_PROTOCOLS[capability][0])


@pytest.mark.parametrize("choices", [("Continue",), ()])
async def test_two_clicks_on_one_question_do_not_answer_the_next_one(bench: Bench, choices: tuple[str, ...]) -> None:
    """OctoPrint's command names no question, and the printer asks the next one as soon as it has the first answer."""
    await session_with(bench, ASKS)
    bench.fake.ask("Load filament", *choices)
    await bench.until(lambda: bench.driver.status.prompt)
    asked = bench.driver.status.prompt
    assert asked is not None
    await asyncio.gather(bench.driver.answer(asked.id, 0), bench.driver.answer(asked.id, 0))
    answers = [path for method, path, _ in bench.fake.asked if method == "POST" and path in ANSWERED]
    assert len(answers) == 1


async def test_a_question_is_answered_once_by_its_id(bench: Bench) -> None:
    await session_with(bench, ASKS)
    bench.fake.ask("Filament out?", "Continue", "Stop")
    await bench.until(lambda: bench.driver.status.prompt)
    prompt = bench.driver.status.prompt
    assert prompt is not None
    await bench.driver.answer("another", 0)
    await bench.driver.answer(prompt.id, 1)
    await bench.driver.answer(prompt.id, 1)
    answers = [asked[2] for asked in bench.fake.asked if asked[:2] == ("POST", "/api/plugin/action_command_prompt")]
    assert answers == [{"command": "select", "choice": 1}]
    assert bench.driver.status.prompt is None
    assert bench.driver.status.state is PrinterState.IDLE


async def test_a_question_that_somebody_else_answered_is_no_error(bench: Bench) -> None:
    await session_with(bench, ASKS)
    bench.fake.ask("Filament out?", "Continue")
    await bench.until(lambda: bench.driver.status.prompt)
    bench.fake.question = None  # 409 "No active prompt"
    prompt = bench.driver.status.prompt
    assert prompt is not None
    await bench.driver.answer(prompt.id, 0)
    assert bench.driver.status.prompt is None


async def test_a_question_without_choices_is_answered_to_the_firmware(bench: Bench) -> None:
    """OctoPrint itself takes no answer to it (measured: 400)."""
    bench.fake.ask("Press the knob")
    await bench.until(lambda: bench.driver.status.prompt)
    prompt = bench.driver.status.prompt
    assert prompt is not None
    await bench.driver.answer(prompt.id, 0)
    assert ("POST", "/api/printer/command", {"commands": ["M876 S0"]}) in bench.fake.asked


async def test_who_may_not_answer_is_told_the_permission(bench: Bench) -> None:
    bench.fake.ask("Filament out?", "Continue")
    await bench.until(lambda: bench.driver.status.prompt)
    prompt = bench.driver.status.prompt
    assert prompt is not None
    with pytest.raises(AuthenticationError, match=ASKS):
        await bench.driver.answer(prompt.id, 0)
    assert bench.driver.status.prompt == prompt


async def test_nothing_starts_while_the_printer_asks(bench: Bench) -> None:
    bench.fake.ask("Filament out?", "Continue")
    await bench.until(lambda: bench.driver.status.prompt)
    with pytest.raises(PrinterBusyError, match="Filament out") as caught:
        await bench.start()
    assert "demande" in caught.value.detail_fr
    assert bench.fake.count("POST", "/api/files/local") == 0


def listens(bench: Bench) -> list[bool]:
    """What was asked for, one after the other: the printer's lines or not."""
    return [bool(asked[2]["subscribe"]["state"]["logs"]) for asked in bench.fake.asked if asked[1] == "subscribe"]


async def test_the_console_gives_back_what_the_machine_said(bench: Bench) -> None:
    await session_with(bench, "MONITOR_TERMINAL")
    bench.fake.log = ["Recv: FIRMWARE_NAME:Marlin", "Recv: ok"]
    bench.fake.push({"current": bench.fake.current() | {"logs": ["Recv: T:20"]}})
    task = asyncio.create_task(bench.driver.console("M115"))
    await bench.until(lambda: listens(bench)[-1])
    bench.fake.push({"current": bench.fake.current() | {"logs": ["Recv: wait"]}})
    assert await task == ["FIRMWARE_NAME:Marlin", "ok"]
    await bench.until(
        lambda: [asked for asked in bench.fake.asked if asked[1] == "subscribe"][-1][2]["subscribe"]["state"]["logs"] is False
    )


async def test_the_console_is_closed_to_who_cannot_see_the_answer(bench: Bench) -> None:
    with pytest.raises(AuthenticationError, match="MONITOR_TERMINAL"):
        await bench.driver.console("M115")
    assert bench.fake.count("POST", "/api/printer/command") == 0


async def test_the_console_sends_nothing_into_a_print(bench: Bench) -> None:
    await session_with(bench, "MONITOR_TERMINAL")
    await bench.start()
    with pytest.raises(PrinterBusyError):
        await bench.driver.console("G28")
    bench.fake.event("PrintDone", path=PATH, origin="local")
    await bench.end()
    bench.fake.state, bench.fake.path = "Printing", "own.gcode"
    with pytest.raises(PrinterBusyError, match=r"own\.gcode"):
        await bench.driver.console("G28")
    assert bench.fake.count("POST", "/api/printer/command") == 0


async def test_a_start_waits_until_a_line_of_the_console_is_answered(bench: Bench) -> None:
    """The line was checked against an idle machine: it must not come into a print that began since."""
    await session_with(bench, "MONITOR_TERMINAL")
    bench.fake.log = ["Recv: ok"]
    talking = asyncio.create_task(bench.driver.console("G28"))
    await bench.until(lambda: True in listens(bench))
    starting = asyncio.create_task(bench.start())
    await asyncio.gather(talking, starting)
    posts = [path for method, path, _ in bench.fake.asked if method == "POST"]
    assert posts.index("/api/printer/command") < posts.index("/api/files/local")


async def test_a_line_is_refused_while_a_start_is_on_its_way(bench: Bench) -> None:
    await session_with(bench, "MONITOR_TERMINAL")
    starting = asyncio.create_task(bench.start())
    await asyncio.sleep(0)
    with pytest.raises(PrinterBusyError):
        await bench.driver.console("G28")
    await starting
    assert bench.fake.count("POST", "/api/printer/command") == 0


async def test_without_a_socket_the_console_says_so(bench: Bench) -> None:
    bench.fake.has_socket = False
    await session_with_no_socket(bench)
    with pytest.raises(UnreachableError) as caught:
        await bench.driver.console("M115")
    assert caught.value.detail != caught.value.detail_fr


async def session_with_no_socket(bench: Bench) -> None:
    bench.fake.permissions.append("MONITOR_TERMINAL")
    logins = bench.fake.count("POST", "/api/login")
    bench.fake.push({"reauthRequired": {"reason": "stale"}})
    await bench.until(lambda: bench.fake.count("POST", "/api/login") > logins)
    await bench.until(lambda: "proxy" in (bench.driver.status.note or ""))


async def test_a_picture(bench: Bench) -> None:
    bench.fake.answers["GET", "/downloads/camera/current"] = (200, b"\xff\xd8\xff\xe0 and so on")
    assert (await bench.driver.snapshot()).media_type == "image/jpeg"


MAINS = "PLUGIN_PSUCONTROL_CONTROL"


async def powered(bench: Bench, *, on: bool) -> None:
    bench.fake.power = on
    await session_with(bench, MAINS)


async def test_mains_are_switched_off_when_it_is_idle_and_cool(bench: Bench) -> None:
    await powered(bench, on=True)
    assert Capability.POWER in bench.driver.info.capabilities
    await bench.driver.power(on=False)
    assert bench.fake.power is False


@pytest.mark.parametrize("tool", [{"actual": 50.1, "target": 0}, {"actual": 20, "target": 210}, None])
async def test_mains_stay_on_while_the_nozzle_is_hot_or_nobody_knows(bench: Bench, tool: Any) -> None:
    await powered(bench, on=True)
    bench.fake.answers["GET", "/api/printer"] = (200, {"temperature": {"tool0": tool}})
    with pytest.raises(PrinterBusyError, match="hot") as caught:
        await bench.driver.power(on=False)
    assert caught.value.detail != caught.value.detail_fr
    assert bench.fake.power is True


async def test_a_start_waits_until_the_mains_are_switched(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """They were found cold and idle: nothing may begin between that and the switch."""
    await powered(bench, on=True)
    client, real, checked = bench.driver._client, bench.driver._client.read_temperatures, threading.Event()

    def slow() -> Any:
        checked.set()
        for _ in range(50):
            if not bench.fake.count("POST", "/api/files/local"):
                threading.Event().wait(0.01)
        return real()

    monkeypatch.setattr(client, "read_temperatures", slow)
    switching = asyncio.create_task(bench.driver.power(on=False))
    await bench.until(checked.is_set)
    starting = asyncio.create_task(bench.start())
    await asyncio.gather(switching, starting)
    switched = next(place for place, asked in enumerate(bench.fake.asked) if asked[2] == {"command": "turnPSUOff"})
    assert switched < bench.fake.asked.index(next(asked for asked in bench.fake.asked if asked[1] == "/api/files/local"))


@pytest.mark.parametrize("path", [PATH, "own.gcode"])
async def test_mains_stay_on_in_a_print(bench: Bench, path: str) -> None:
    await powered(bench, on=True)
    bench.fake.state, bench.fake.path = "Printing", path
    with pytest.raises(PrinterBusyError, match="prints"):
        await bench.driver.power(on=False)
    assert bench.fake.power is True


async def test_mains_go_off_after_a_fault_however_hot_it_is(bench: Bench) -> None:
    """After a thermal fault that is what should be done; OctoPrint is disconnected and knows no temperatures."""
    await powered(bench, on=True)
    bench.fake.answers["GET", "/api/printer/error"] = (200, {"reason": "firmware", "error": "Thermal Runaway"})
    bench.fake.state = "Offline after error"
    await bench.driver.power(on=False)
    assert bench.fake.power is False


async def test_mains_on_brings_the_printer_up(bench: Bench) -> None:
    await powered(bench, on=False)
    bench.fake.event("Disconnecting")
    bench.fake.state = "Offline"
    bench.fake.event("PrinterStateChanged", state_string="Offline")
    await bench.until(lambda: bench.driver.status.state is PrinterState.OFFLINE)
    await bench.driver.power(on=True)
    assert bench.fake.power is True
    await bench.until(lambda: bench.driver.status.state is PrinterState.IDLE)


async def test_mains_that_do_not_obey_are_named(bench: Bench) -> None:
    await powered(bench, on=True)
    bench.fake._psu = lambda content: (200, {"isPSUOn": True}) if "get" in content.get("command", "get") else (204, None)  # type: ignore[method-assign]  # a plug that is stuck
    with pytest.raises(UnreachableError, match="did not obey"):
        await bench.driver.power(on=False)


async def test_who_may_not_switch_is_told_the_permission(bench: Bench) -> None:
    with pytest.raises(AuthenticationError, match=MAINS):
        await bench.driver.power(on=True)


async def test_an_emergency_stop_waits_for_no_other_request(bench: Bench) -> None:
    """Two requests that get no answer hold this printer's threads; the stop has one of its own."""
    release = threading.Event()
    stuck = [asyncio.create_task(bench.driver._watch.call(release.wait, 20)) for _ in range(4)]
    await asyncio.sleep(0.05)
    try:
        async with asyncio.timeout(PATIENCE_S):
            await bench.driver.emergency_stop()
    finally:
        release.set()
        await asyncio.gather(*stuck)
    assert ("POST", "/api/printer/command", {"commands": ["M112"]}) in bench.fake.asked


async def test_errors_that_a_person_meets_speak_both_languages(bench: Bench) -> None:
    bench.fake.starts_print = False
    errors = []
    for job, program in (("../x", bench.program), ("job-1", bench.program), ("job-2", bench.program.with_name("none"))):
        with pytest.raises(DriverError) as caught:
            await bench.driver.start(program, job)
        errors.append(caught.value)
    bench.fake.state = "Offline"
    with pytest.raises(DriverError) as caught:
        await bench.driver.emergency_stop()
    for error in (*errors, caught.value):
        assert error.detail != error.detail_fr
        assert error.next_step != error.next_step_fr


def threads_of_their_own() -> set[threading.Thread]:
    """All but those that printers share: how many of these there are is limited, and when one more is made is chance."""
    return {thread for thread in threading.enumerate() if not thread.name.startswith(("octoprint", "asyncio"))}


async def test_it_passes_through_many_sessions_without_leaving_anything(bench: Bench) -> None:
    before = threads_of_their_own()
    for _ in range(10):
        await session_with(bench)
    assert threads_of_their_own() <= before
    assert len(bench.fake.sockets) == 1
