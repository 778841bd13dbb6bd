import logging
from dataclasses import replace

import pytest

from drivers.octoprint.address import OctoPrintAddress
from drivers.octoprint.client import Login
from drivers.octoprint.push import PushError, open_push
from tests.integration.bus import until
from tests.unit.drivers.octoprint.fake import FakeOctoPrint, fake_octoprint

LOGIN = Login("farm", "SESSIONSECRET")


async def test_it_logs_in_slows_down_subscribes_and_listens(fake: FakeOctoPrint, address: OctoPrintAddress) -> None:
    async with open_push(address, LOGIN) as (push, history):
        assert history["state"]["text"] == "Operational"

        def kinds() -> list[str]:
            return [asked[1] for asked in fake.asked if asked[0] == "SOCKET"]

        await until(lambda: len(kinds()) >= 3)
        assert kinds() == ["throttle", "subscribe", "auth"]  # this way round the full state is sent once only
        fake.push({"event": {"type": "PrintDone"}})
        fake.push({"unknown": 1})
        messages = push.messages()
        assert await anext(messages) == {"event": {"type": "PrintDone"}}
        assert await anext(messages) == {"unknown": 1}
    await until(lambda: fake.sockets == [])


async def test_the_session_is_not_logged(fake: FakeOctoPrint, address: OctoPrintAddress, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with open_push(address, LOGIN):
        pass
    assert "SESSIONSECRET" not in caplog.text


async def test_a_login_that_is_not_accepted_is_noticed_by_silence(
    fake: FakeOctoPrint, address: OctoPrintAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivers.octoprint.push.OPEN_TIMEOUT_S", 0.3)
    fake.accepts_login = False
    with pytest.raises(PushError, match="silent"):
        async with open_push(address, LOGIN):
            pytest.fail("a socket without a login is no socket")


async def test_a_proxy_without_websockets(fake: FakeOctoPrint, address: OctoPrintAddress) -> None:
    fake.has_socket = False
    with pytest.raises(PushError) as caught:
        async with open_push(address, LOGIN):
            pytest.fail("there is no socket")
    assert "websockets" in caught.value.next_step


async def test_redirections_are_not_followed(fake: FakeOctoPrint, address: OctoPrintAddress) -> None:
    async with fake_octoprint() as elsewhere:
        target = b"ws://127.0.0.1:%d/sockjs/websocket" % elsewhere.port
        fake.raw = b"HTTP/1.1 302 Found\r\nLocation: " + target + b"\r\nContent-Length: 0\r\n\r\n"
        with pytest.raises(PushError):
            async with open_push(address, LOGIN):
                pytest.fail("it was sent elsewhere")
        assert elsewhere.asked == []


async def test_nobody_listens(fake: FakeOctoPrint, address: OctoPrintAddress) -> None:
    await fake.close()
    with pytest.raises(PushError):
        async with open_push(address, LOGIN):
            pytest.fail("nobody is there")


async def test_messages_end_when_octoprint_wants_a_new_login(fake: FakeOctoPrint, address: OctoPrintAddress) -> None:
    async with open_push(address, LOGIN) as (push, _):
        fake.push({"reauthRequired": {"reason": "stale"}})
        fake.push({"event": {"type": "PrintDone"}})
        assert [message async for message in push.messages()] == []


async def test_messages_end_when_octoprint_dies(fake: FakeOctoPrint, address: OctoPrintAddress) -> None:
    async with open_push(address, LOGIN) as (push, _):
        await fake.close()
        assert [message async for message in push.messages()] == []


async def test_nonsense_is_skipped_not_fatal(fake: FakeOctoPrint, address: OctoPrintAddress) -> None:
    async with open_push(address, LOGIN) as (push, _):
        for text in (b"{", b"[1]", b"null", b"[" * 100_000):
            for writer, protocol in fake._protocols.items():
                protocol.send_text(text)
                fake._flush(writer)
        fake.push({"last": 1})
        messages = [await anext(push.messages()) for _ in range(5)]
        assert messages == [{}, {}, {}, {}, {"last": 1}]


async def test_messages_without_end_are_refused(
    fake: FakeOctoPrint, address: OctoPrintAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivers.octoprint.push.MAX_MESSAGE_BYTES", 10_000)
    async with open_push(address, LOGIN) as (push, _):
        fake.push({"event": "x" * 20_000})
        assert [message async for message in push.messages()] == []


async def test_terminal_lines_are_asked_for_and_given_up_again(fake: FakeOctoPrint, address: OctoPrintAddress) -> None:
    async with open_push(address, LOGIN) as (push, _):
        await push.listen(logs=True)
        await push.listen(logs=False)
        await until(lambda: len([kind for kind, _, _ in fake.asked if kind == "SOCKET"]) >= 7)
    asked = [message for kind, _, message in fake.asked if kind == "SOCKET"]
    throttles = [message["throttle"] for message in asked if "throttle" in message]
    logs = [message["subscribe"]["state"]["logs"] for message in asked if "subscribe" in message]
    assert throttles[1] < throttles[0] == throttles[2]
    assert [bool(pattern) for pattern in logs] == [False, True, False]
    assert all(message["subscribe"]["plugins"] == ["action_command_prompt"] for message in asked if "subscribe" in message)


async def test_a_closed_socket_listens_to_nothing(fake: FakeOctoPrint, address: OctoPrintAddress) -> None:
    async with open_push(address, LOGIN) as (push, _):
        await fake.close()
        assert [message async for message in push.messages()] == []
        await push.listen(logs=True)


async def test_it_connects_where_octoprint_answered_whatever_the_name_says(fake: FakeOctoPrint, address: OctoPrintAddress) -> None:
    elsewhere = replace(address, authority=f"no-such-host.invalid:{fake.port}")
    async with open_push(elsewhere, LOGIN, host="127.0.0.1") as (_, history):
        assert history["state"]["text"] == "Operational"


async def test_a_prefix_is_before_the_socket_too(fake: FakeOctoPrint, address: OctoPrintAddress) -> None:
    async with open_push(replace(address, prefix="/octo"), LOGIN):
        pass
    assert any(asked[0] == "SOCKET" for asked in fake.asked)


async def test_errors_speak_both_languages(fake: FakeOctoPrint, address: OctoPrintAddress) -> None:
    fake.has_socket = False
    with pytest.raises(PushError) as caught:
        async with open_push(address, LOGIN):
            pytest.fail("there is no socket")
    assert caught.value.detail != caught.value.detail_fr
    assert "proxy" in caught.value.next_step_fr
