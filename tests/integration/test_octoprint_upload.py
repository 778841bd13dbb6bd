"""The row "upload" of the contract: what arrives is what was sent, and what does not arrive leaves nothing printable behind."""

import asyncio
import hashlib
import os
import threading
from pathlib import Path

import pytest
import requests

from drivers.base import PrintEnd, PrinterState
from drivers.errors import TransferError
from drivers.octoprint.client import AnswerError, Client
from drivers.octoprint.form import UploadForm
from drivers.octoprint.starting import KEEP_FILES
from farm.ids import new_id
from tests.integration.conftest import MAX_UPLOAD_BYTES
from tests.integration.octoprint_bench import LONG, Bench, connected, new_client, until
from tests.integration.octoprint_server import OctoPrintServer
from tests.integration.real import require

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("octoprint")]


def exists(server: OctoPrintServer, job: str) -> bool:
    try:
        server.get(f"/api/files/local/farm/{job}.gcode")
    except requests.HTTPError as error:
        assert error.response.status_code in {404, 500}  # noqa: PT017 - 500: not even its folder is there (1.11.8)
        return False
    return True


async def test_upload_of_a_large_file_arrives_whole(bench: Bench) -> None:
    content = b"G28\n" + b"; a comment that OctoPrint skips\n" * 300_000
    job = await bench.start(content)
    file = await asyncio.to_thread(bench.server.get, f"/api/files/local/farm/{job}.gcode")
    assert (file["size"], file["hash"]) == (len(content), hashlib.sha1(content).hexdigest())
    assert file["userdata"] == {"job": job}
    await bench.driver.cancel(job)


async def test_upload_over_the_file_in_use_is_refused_and_the_print_goes_on(bench: Bench) -> None:
    """409. The file is being printed: it must not be cleaned up either."""
    job = await bench.start()
    client = new_client(bench.server)
    with pytest.raises(TransferError, match="409"):
        await asyncio.to_thread(client.upload_program, bench.program(LONG + b"G28\n"), job)
    client.close()
    assert exists(bench.server, job)
    file = await asyncio.to_thread(bench.server.get, f"/api/files/local/farm/{job}.gcode")
    assert file["hash"] == hashlib.sha1(LONG).hexdigest()
    assert await bench.job_at_server() == ("Printing", f"farm/{job}.gcode")
    await bench.driver.cancel(job)
    await bench.ended(job, PrintEnd.CANCELLED)


def test_upload_with_a_wrong_extension_is_refused(octoprint_server: OctoPrintServer, tmp_path: Path) -> None:
    """415. The driver always sends `.gcode`; an OctoPrint that takes no such files answers like this to it."""
    client, job = new_client(octoprint_server), new_id("job")
    path = tmp_path / "program"
    path.write_bytes(b"G28\n")
    with path.open("rb") as file:
        form = UploadForm(file, 4, folder="farm", name=f"{job}.doc", job=job, stop=threading.Event())
        with pytest.raises(TransferError, match="415") as caught:
            client._deliver(form, job, 4)
    assert "G-code uploads" in caught.value.next_step
    client.close()


async def test_upload_over_the_limit_is_refused_and_named(octoprint_noisy: OctoPrintServer, tmp_path: Path) -> None:
    """400 with an empty body; OctoPrint may close the connection before it has read everything."""
    async with connected(octoprint_noisy, tmp_path) as bench:
        with pytest.raises(TransferError) as caught:
            await bench.start(b"G28\n" + b"; more than may be\n" * (MAX_UPLOAD_BYTES // 15))
        assert "maxSize" in caught.value.next_step, caught.value
        assert bench.driver.status.state is PrinterState.IDLE
        assert bench.driver.status.job is None
        assert not bench.listener.events[-1:] or not bench.listener.ends


def test_upload_onto_too_little_room_is_not_even_tried(octoprint_noisy: OctoPrintServer, tmp_path: Path) -> None:
    client = new_client(octoprint_noisy)
    free = client.free_bytes()
    assert free is not None
    with Filler(octoprint_noisy, leave_bytes=100_000), pytest.raises(TransferError, match="disk left"):
        client.upload_program(program(tmp_path, 300_000), new_id("job"))
    assert client.free_bytes() == free
    client.close()


def test_upload_onto_a_disk_that_fills_up_meanwhile_leaves_no_half_file(
    octoprint_noisy: OctoPrintServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """500, and what OctoPrint has stored is a truncated file that a person could print: it is gone afterwards."""
    client, job = new_client(octoprint_noisy), new_id("job")
    asked = Client._send
    answers: list[tuple[int, bool]] = []

    def sent(self: Client, method: str, path: str, **content: object) -> bytes:
        try:
            return asked(self, method, path, **content)  # type: ignore[arg-type]  # passed on as it came
        except AnswerError as error:
            if method == "POST":
                answers.append((error.status, exists(octoprint_noisy, job)))
            raise

    monkeypatch.setattr(Client, "_send", sent)
    monkeypatch.setattr(Client, "free_bytes", lambda _: 10**9)  # as it was when we asked
    with Filler(octoprint_noisy, leave_bytes=100_000), pytest.raises(TransferError, match="500") as caught:
        client.upload_program(program(tmp_path, 300_000), job)
    assert "disk" in caught.value.next_step
    assert answers == [(500, True)]  # the half file was there
    assert not exists(octoprint_noisy, job)
    client.close()


async def test_upload_clears_old_files_of_ours_away(bench: Bench) -> None:
    jobs = []
    for _ in range(5):
        bench.listener.events.clear()
        jobs.append(await bench.start(b"M220 S100000\nG4 P1\n"))
        await bench.end()
        await bench.state(PrinterState.IDLE)
    folder = await asyncio.to_thread(bench.server.get, "/api/files/local/farm")
    names = {entry["name"] for entry in folder["children"]}
    assert f"{jobs[-1]}.gcode" in names
    printed = {entry["name"] for entry in folder["children"] if entry.get("prints")}
    assert len(printed) <= KEEP_FILES + 1


async def test_upload_by_a_person_of_the_same_name_elsewhere_is_left_alone(bench: Bench) -> None:
    await bench.person(bench.server.upload, "frame.gcode", b"G28\n")
    job = await bench.start(b"M220 S100000\nG4 P1\n")
    await bench.end()
    await until(lambda: exists(bench.server, job))
    assert await asyncio.to_thread(bench.server.get, "/api/files/local/frame.gcode")
    await bench.person(bench.server.delete, "/api/files/local/frame.gcode")


def program(folder: Path, size_bytes: int) -> Path:
    path = folder / "program.gcode"
    path.write_bytes(b"G28\n" + b";" * (size_bytes - 5) + b"\n")
    return path


class Filler:
    """Fills the small disk of a server's uploads up to `leave_bytes`, and frees it again."""

    def __init__(self, server: OctoPrintServer, *, leave_bytes: int) -> None:
        uploads = server.folder / "uploads"
        require("root with mount", os.path.ismount(uploads))
        self._file = uploads / "timelapse.bin"
        self._leave_bytes = leave_bytes

    def __enter__(self) -> None:
        room = os.statvfs(self._file.parent)
        self._file.write_bytes(bytes(room.f_bavail * room.f_frsize - self._leave_bytes))

    def __exit__(self, *_: object) -> None:
        self._file.unlink()
