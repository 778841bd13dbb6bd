"""The client against a fake OctoPrint: above all what a real one does not show on demand."""

import asyncio
import hashlib
import socket
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from drivers.base import Temperature
from drivers.errors import AuthenticationError, DriverError, NotAPrinterError, TransferError, UnreachableError
from drivers.octoprint import transport
from drivers.octoprint.address import OctoPrintAddress, parse_address
from drivers.octoprint.client import AnswerError, Client
from drivers.octoprint.reading import Phase, PrintRecord
from tests.unit.drivers.octoprint.fake import KEY, FakeOctoPrint


@pytest.fixture
async def client(address: OctoPrintAddress) -> AsyncIterator[Client]:
    client = Client(address)
    await asyncio.to_thread(client.probe)
    yield client
    client.close()


async def probe(address: OctoPrintAddress) -> DriverError:
    client = Client(address)
    with pytest.raises(DriverError) as caught:
        await asyncio.to_thread(client.probe)
    client.close()
    assert KEY not in str(caught.value)
    assert KEY not in repr(caught.value.__cause__)
    return caught.value


async def test_probe_tells_the_version_and_asks_for_no_session(fake: FakeOctoPrint, address: OctoPrintAddress) -> None:
    client = Client(address)
    assert await asyncio.to_thread(client.probe) == "1.11.8"
    assert [asked[:2] for asked in fake.asked] == [("GET", "/api/version"), ("GET", "/api/currentuser")]
    client.close()


async def test_a_path_before_the_api_is_kept(fake: FakeOctoPrint, tmp_path: Path) -> None:
    fake.answers["GET", "/octo/print/api/job"] = (200, {"state": "Operational"})
    (tmp_path / "k").write_text(KEY)
    client = Client(parse_address(urlsplit(f"octoprint+http://127.0.0.1:{fake.port}/octo/print?key_file={tmp_path}/k")))
    reading = await asyncio.to_thread(client.read_job)
    assert reading.phase is Phase.OPERATIONAL
    client.close()


async def test_a_wrong_key(fake: FakeOctoPrint, address: OctoPrintAddress) -> None:
    address.key_file.write_text("ANOTHERKEYANOTHERKEY")
    assert isinstance(await probe(address), AuthenticationError)
    client = Client(address)
    with pytest.raises(AuthenticationError):  # a POST gets 400 "CSRF validation failed" instead of 403
        await asyncio.to_thread(client.passive_login)
    client.close()


async def test_missing_permissions_are_named(fake: FakeOctoPrint, address: OctoPrintAddress) -> None:
    fake.answers["GET", "/api/currentuser"] = (200, {"permissions": ["STATUS", "PRINT", "CONTROL", "CONNECTION"]})
    error = await probe(address)
    assert isinstance(error, AuthenticationError)
    assert "FILES_DELETE, FILES_LIST, FILES_SELECT, FILES_UPLOAD" in error.detail


async def test_an_administrator_may_everything(fake: FakeOctoPrint, address: OctoPrintAddress) -> None:
    fake.answers["GET", "/api/currentuser"] = (200, {"permissions": ["ADMIN"]})
    client = Client(address)
    assert await asyncio.to_thread(client.probe)
    client.close()


@pytest.mark.parametrize(
    ("raw", "kind", "says"),
    [
        (b"Not found", UnreachableError, "still starting"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", NotAPrinterError, "HTTP"),
        (b"", UnreachableError, "reached"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}", UnreachableError, "reached"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc", NotAPrinterError, "compressed"),
    ],
)
async def test_answers_that_are_none(
    fake: FakeOctoPrint, address: OctoPrintAddress, raw: bytes, kind: type[DriverError], says: str
) -> None:
    fake.raw = raw
    error = await probe(address)
    assert type(error) is kind
    assert says in error.detail


@pytest.mark.parametrize(
    ("status", "content", "kind"),
    [
        (200, b"<html>Welcome to your router</html>", NotAPrinterError),
        (200, b"[" * 100_000, NotAPrinterError),
        (200, [1], NotAPrinterError),
        (200, {"server": "3.0", "text": "PrusaLink"}, NotAPrinterError),
        (200, {"text": "OctoPrint"}, NotAPrinterError),
        (200, b" " * 3_000_000, NotAPrinterError),
        (302, b"", NotAPrinterError),
        (404, b"", NotAPrinterError),
        (500, {"error": "boom"}, NotAPrinterError),
        (401, b"", AuthenticationError),
        (502, b"", UnreachableError),
        (503, b"<html>haproxy</html>", UnreachableError),
    ],
)
async def test_things_that_are_not_octoprint(
    fake: FakeOctoPrint, address: OctoPrintAddress, status: int, content: Any, kind: type[DriverError]
) -> None:
    fake.answers["GET", "/api/version"] = (status, content)
    error = await probe(address)
    assert type(error) is kind
    assert error.next_step


async def test_nobody_listens(fake: FakeOctoPrint, address: OctoPrintAddress) -> None:
    await fake.close()
    assert isinstance(await probe(address), UnreachableError)


async def test_a_black_hole_does_not_hold_us(
    fake: FakeOctoPrint, address: OctoPrintAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Client._send, "__kwdefaults__", {**(Client._send.__kwdefaults__ or {}), "timeout_s": (0.2, 0.2)})
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"octoprint+http://127.0.0.1:{silent.getsockname()[1]}?key_file={address.key_file}"
        error = await probe(parse_address(urlsplit(url)))
    assert isinstance(error, UnreachableError)
    assert "in time" in error.detail


async def test_an_answer_that_never_ends_is_given_up(fake: FakeOctoPrint, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "ANSWER_DEADLINE_S", -20.0)
    with pytest.raises(UnreachableError, match="in time"):
        await asyncio.to_thread(client.read_job)


async def test_the_environment_sends_us_nowhere_else(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert (await asyncio.to_thread(client.read_job)).phase is Phase.OPERATIONAL


async def test_an_unknown_user_is_no_login(fake: FakeOctoPrint, client: Client) -> None:
    fake.answers["POST", "/api/login"] = (200, {"name": None, "session": "x"})
    with pytest.raises(AuthenticationError):
        await asyncio.to_thread(client.passive_login)


async def test_temperatures_of_a_printer_that_is_not_connected(fake: FakeOctoPrint, client: Client) -> None:
    assert await asyncio.to_thread(client.read_temperatures) == (Temperature(20.0, 0.0), Temperature(21.0, 60.0))
    fake.answers["GET", "/api/printer"] = (409, {"error": "Printer is not operational"})
    assert await asyncio.to_thread(client.read_temperatures) == (None, None)
    fake.answers["GET", "/api/printer"] = (500, {"error": "x"})
    with pytest.raises(AnswerError):
        await asyncio.to_thread(client.read_temperatures)


async def test_a_file_in_a_missing_folder_is_a_missing_file(fake: FakeOctoPrint, client: Client) -> None:
    """OctoPrint 1.11.8 answers 500 to that."""
    fake.answers["GET", "/api/files/local/farm/job-1.gcode"] = (500, {"error": "internal"})
    fake.answers["GET", "/api/files/local/farm"] = (404, {"error": "not found"})
    assert await asyncio.to_thread(client.read_record, "farm/job-1.gcode") is None
    fake.answers["GET", "/api/files/local/farm"] = (200, {"children": []})
    with pytest.raises(AnswerError, match="500"):
        await asyncio.to_thread(client.read_record, "farm/job-1.gcode")


# --- uploads -------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program.gcode"
    path.write_bytes(b"G28\nG1 X10\n" * 1000)
    return path


async def refused(client: Client, program: Path) -> TransferError:
    with pytest.raises(TransferError) as caught:
        await asyncio.to_thread(client.upload_program, program, "job-1")
    return caught.value


async def test_an_upload_arrives_whole_and_is_not_printed(fake: FakeOctoPrint, client: Client, program: Path) -> None:
    await asyncio.to_thread(client.upload_program, program, "job-1")
    stored = fake.files["farm/job-1.gcode"]
    assert stored["hash"] == hashlib.sha1(program.read_bytes()).hexdigest()
    assert stored["fields"] == {"path": "farm", "print": "false", "select": "false", "userdata": '{"job": "job-1"}'}
    assert await asyncio.to_thread(client.read_record, "farm/job-1.gcode") == PrintRecord()


async def test_a_large_upload_costs_little_memory(fake: FakeOctoPrint, client: Client, tmp_path: Path) -> None:
    size = 12 * 1024 * 1024
    program = tmp_path / "large.gcode"
    with program.open("wb") as file:
        file.truncate(size)
    received = 0

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal received
        await reader.readuntil(b"\r\n\r\n")
        while received < size and (piece := await reader.read(65_536)):
            received += len(piece)
        writer.write(b"HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(swallow, "127.0.0.1", 0)
    other = Client(parse_address(urlsplit(f"octoprint+http://127.0.0.1:{server.sockets[0].getsockname()[1]}?key_file=k")))
    other.free_bytes = lambda: None  # type: ignore[method-assign]  # only the upload itself is of interest
    tracemalloc.start()
    try:
        await refused(other, program)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        server.close()
        other.close()
    assert received >= size
    assert peak < 4 * 1024 * 1024


@pytest.mark.parametrize(
    ("status", "content", "says"),
    [
        (409, {"error": "in use"}, "Wait until"),
        (415, {"error": "no such type"}, "Enable G-code"),
        (400, b"", "maxSize"),
        (500, {"error": "[Errno 28] No space left on device"}, "free disk space"),
    ],
)
async def test_refused_uploads(fake: FakeOctoPrint, client: Client, program: Path, status: int, content: Any, says: str) -> None:
    fake.answers["POST", "/api/files/local"] = (status, content)
    error = await refused(client, program)
    assert says in error.next_step
    assert fake.count("DELETE", "/api/files/local/farm/job-1.gcode") == 1


async def test_a_half_file_is_deleted(fake: FakeOctoPrint, client: Client, program: Path) -> None:
    """A full disk leaves a truncated file with a valid hash of its own: somebody could print that."""

    def store_half(body: bytes) -> tuple[int, Any]:
        fake.files["farm/job-1.gcode"] = {"path": "farm/job-1.gcode", "size": 10, "hash": hashlib.sha1(b"x").hexdigest()}
        return 201, {"files": {"local": {"path": "farm/job-1.gcode"}}}

    fake.answers["POST", "/api/files/local"] = store_half
    assert "another content" in (await refused(client, program)).detail
    assert fake.files == {}


async def test_a_changed_byte_is_noticed(fake: FakeOctoPrint, client: Client, program: Path) -> None:
    fake.answers["POST", "/api/files/local"] = lambda body: fake._store(body.replace(b"X10", b"X99", 1))
    assert "another content" in (await refused(client, program)).detail
    assert fake.files == {}


async def test_a_file_stored_elsewhere_is_not_printed(fake: FakeOctoPrint, client: Client, program: Path) -> None:
    fake.answers["POST", "/api/files/local"] = (201, {"files": {"local": {"path": "farm/job_1.gcode"}}})
    assert "elsewhere" in (await refused(client, program)).detail


async def test_nothing_is_sent_to_a_full_disk(fake: FakeOctoPrint, client: Client, program: Path) -> None:
    fake.free = 15_000
    assert "disk" in (await refused(client, program)).detail
    assert fake.count("POST", "/api/files/local") == 0


async def test_an_unknown_free_space_does_not_stop_us(fake: FakeOctoPrint, client: Client, program: Path) -> None:
    fake.answers["GET", "/api/files/local"] = (500, {"error": "x"})
    await asyncio.to_thread(client.upload_program, program, "job-1")
    assert "farm/job-1.gcode" in fake.files


async def test_empty_missing_and_huge_programs(fake: FakeOctoPrint, client: Client, tmp_path: Path) -> None:
    (tmp_path / "empty.gcode").touch()
    assert "empty" in (await refused(client, tmp_path / "empty.gcode")).detail
    assert "No such file" in (await refused(client, tmp_path / "none.gcode")).detail
    with (tmp_path / "huge.gcode").open("wb") as file:
        file.truncate(65 * 1024 * 1024)
    assert "64 MB" in (await refused(client, tmp_path / "huge.gcode")).detail
    assert fake.count("POST", "/api/files/local") == 0


async def test_a_closed_client_gives_up_its_upload(client: Client, program: Path) -> None:
    client.close()
    assert "given up" in (await refused(client, program)).detail


async def test_contact_lost_in_an_upload(fake: FakeOctoPrint, client: Client, program: Path) -> None:
    def die(body: bytes) -> tuple[int, Any]:
        fake.raw = b""
        raise ConnectionResetError

    fake.answers["POST", "/api/files/local"] = die
    error = await refused(client, program)
    assert isinstance(error.__cause__, UnreachableError)


async def test_octoprint_hangs_up_in_the_middle_of_an_upload(fake: FakeOctoPrint, client: Client, program: Path) -> None:
    """It does that when a file is over its limit; its answer that says so can be lost on the way."""

    def hang_up(_body: bytes) -> tuple[int, Any]:
        raise ConnectionResetError

    fake.answers["POST", "/api/files/local"] = hang_up
    error = await refused(client, program)
    assert "hung up" in error.detail
    assert "maxSize" in error.next_step_fr


@pytest.mark.parametrize(
    "answer", [(404, {}), (403, {}), (500, {"error": "x"}), (200, b"<html>"), (200, {"isPSUOn": "yes"}), (200, {})]
)
async def test_a_plugin_that_fails_costs_no_printer(fake: FakeOctoPrint, client: Client, answer: tuple[int, Any]) -> None:
    fake.answers["GET", "/api/plugin/psucontrol"] = fake.answers["GET", "/api/plugin/action_command_prompt"] = answer
    assert await asyncio.to_thread(client.read_power) is None
    assert await asyncio.to_thread(client.read_question) is None


async def test_old_files_go_and_the_newest_stay(fake: FakeOctoPrint, client: Client) -> None:
    for number in range(5):
        path = f"farm/job-{number}.gcode"
        fake.files[path] = {"path": path, "date": 9000 - 1000 * number}
    fake.files["farm/notes.txt"] = {"path": "farm/notes.txt", "date": 1}
    await asyncio.to_thread(client.tidy, 2)
    assert set(fake.files) == {"farm/job-0.gcode", "farm/job-1.gcode", "farm/notes.txt"}


async def test_a_file_that_another_agent_has_just_uploaded_stays(fake: FakeOctoPrint, client: Client) -> None:
    for number in range(5):
        fake.files[f"farm/job-{number}.gcode"] = {"path": f"farm/job-{number}.gcode", "date": 100 - number}
    fake.files["farm/job-4.gcode"]["prints"] = {"success": 1, "failure": 0}
    await asyncio.to_thread(client.tidy, 2)
    assert set(fake.files) == {f"farm/job-{number}.gcode" for number in range(4)}


async def test_a_hash_that_comes_a_moment_later_is_waited_for(fake: FakeOctoPrint, client: Client, program: Path) -> None:
    hashes = iter([None, hashlib.sha1(program.read_bytes()).hexdigest()])

    def information(_body: bytes) -> tuple[int, Any]:
        return 200, {"size": program.stat().st_size, "hash": next(hashes)}

    fake.answers["GET", "/api/files/local/farm/job-1.gcode"] = information
    await asyncio.to_thread(client.upload_program, program, "job-1")


@pytest.mark.parametrize("children", [None, "x", [None, 5, {"path": None}, {"path": "../../etc/x.gcode"}], {"a": 1}])
async def test_tidying_survives_nonsense(fake: FakeOctoPrint, client: Client, children: Any) -> None:
    fake.answers["GET", "/api/files/local/farm"] = (200, {"children": children})
    await asyncio.to_thread(client.tidy, 0)
    assert not [asked for asked in fake.asked if asked[0] == "DELETE"]


async def test_deleting(fake: FakeOctoPrint, client: Client) -> None:
    fake.files["farm/a.gcode"] = {"path": "farm/a.gcode"}
    assert await asyncio.to_thread(client.remove_file, "farm/a.gcode")
    assert await asyncio.to_thread(client.remove_file, "farm/a.gcode")  # 404: it is gone
    fake.files["farm/b.gcode"] = {"path": "farm/b.gcode"}
    fake.path, fake.state = "farm/b.gcode", "Printing"
    assert not await asyncio.to_thread(client.remove_file, "farm/b.gcode")
    fake.answers["DELETE", "/api/files/local/farm/b.gcode"] = (500, {"error": "x"})
    with pytest.raises(AnswerError):
        await asyncio.to_thread(client.remove_file, "farm/b.gcode")
