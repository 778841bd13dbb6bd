import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from drivers.base import Picture
from drivers.errors import AuthenticationError, DriverError, NotAPrinterError, UnreachableError
from drivers.octoprint.address import OctoPrintAddress, parse_address
from drivers.octoprint.camera import MAX_PICTURE_BYTES, take_picture
from drivers.octoprint.client import Client
from tests.unit.drivers.octoprint.fake import KEY, FakeOctoPrint

JPEG = b"\xff\xd8\xff\xe0" + b"x" * 5000
PNG = b"\x89PNG\r\n\x1a\n" + b"x" * 50
CURRENT = ("GET", "/downloads/camera/current")

Act = Callable[[], Awaitable[Picture]]


@pytest.fixture
async def client(address: OctoPrintAddress, fake: FakeOctoPrint) -> AsyncIterator[Client]:
    fake.permissions.append("WEBCAM")
    client = Client(address)
    await asyncio.to_thread(client.probe)
    yield client
    client.close()


async def refused(client: Client) -> DriverError:
    with pytest.raises(DriverError) as caught:
        await asyncio.to_thread(take_picture, client)
    assert caught.value.detail != caught.value.detail_fr
    return caught.value


@pytest.mark.parametrize(("content", "media_type"), [(JPEG, "image/jpeg"), (PNG, "image/png")])
async def test_octoprint_hands_its_cameras_picture_on(fake: FakeOctoPrint, client: Client, content: bytes, media_type: str) -> None:
    fake.answers[CURRENT] = (200, content)
    assert await asyncio.to_thread(take_picture, client) == Picture(content, media_type)


@pytest.mark.parametrize("content", [b"", b"<svg onload=alert(1)>", b"GIF89a", b"\xff\xd8", b"<html>Login</html>"])
async def test_what_is_no_picture_is_not_handed_on(fake: FakeOctoPrint, client: Client, content: bytes) -> None:
    fake.answers[CURRENT] = (200, content)
    assert isinstance(await refused(client), NotAPrinterError)


async def test_a_picture_of_over_four_megabytes_is_none(fake: FakeOctoPrint, client: Client) -> None:
    fake.answers[CURRENT] = (200, JPEG + b"x" * MAX_PICTURE_BYTES)
    assert isinstance(await refused(client), NotAPrinterError)


@pytest.mark.parametrize("status", [404, 500])
async def test_no_camera(fake: FakeOctoPrint, client: Client, status: int) -> None:
    """Measured with 1.11.8: 500 also when the camera that it knows does not answer it."""
    fake.answers[CURRENT] = (status, b"<html>500: Internal Server Error</html>")
    error = await refused(client)
    assert isinstance(error, NotAPrinterError)
    assert "snapshot_url=" in error.next_step_fr


async def test_a_user_who_may_not_see_it_is_told_the_permission(fake: FakeOctoPrint, client: Client) -> None:
    fake.answers[CURRENT] = (403, b"<html>403: Forbidden</html>")
    client.permissions -= {"WEBCAM"}
    error = await refused(client)
    assert isinstance(error, AuthenticationError)
    assert "WEBCAM" in error.detail


# --- a camera server beside OctoPrint ---------------------------------------------------------------------------------------------


@asynccontextmanager
async def beside(fake: FakeOctoPrint, folder: Path, option: str, host: str = "127.0.0.1") -> AsyncIterator[Client]:
    (folder / "k").write_text(KEY)
    client = Client(parse_address(urlsplit(f"octoprint+http://{host}:{fake.port}?key_file={folder}/k&snapshot_url={option}")))
    await asyncio.to_thread(client.probe)
    try:
        yield client
    finally:
        client.close()


async def test_a_path_on_octoprints_own_host(fake: FakeOctoPrint, tmp_path: Path) -> None:
    fake.answers["GET", "/webcam/"] = (200, JPEG)
    async with beside(fake, tmp_path, "/webcam/%3Faction=snapshot") as client:
        assert (await asyncio.to_thread(take_picture, client)).content == JPEG
    assert b"GET /webcam/?action=snapshot HTTP/1.1" in fake.heads[-1]
    assert KEY.encode() not in fake.heads[-1]  # the camera server is somebody else: it does not get our key


async def test_another_port_of_the_same_host_is_reached_where_octoprint_answered(fake: FakeOctoPrint, tmp_path: Path) -> None:
    camera = FakeOctoPrint()
    camera.answers["GET", "/snap.png"] = (200, PNG)
    await camera.listen()
    try:
        async with beside(fake, tmp_path, f"http://localhost:{camera.port}/snap.png", "localhost") as client:
            assert (await asyncio.to_thread(take_picture, client)).media_type == "image/png"
    finally:
        await camera.close()


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((302, b""), NotAPrinterError),
        ((404, b""), NotAPrinterError),
        ((401, b""), NotAPrinterError),
        ((502, b""), UnreachableError),
        ((200, b"--boundary\r\nContent-Type: image/jpeg\r\n\r\n"), NotAPrinterError),  # a stream, not a picture
    ],
)
async def test_a_camera_that_gives_no_picture(
    fake: FakeOctoPrint, tmp_path: Path, answer: tuple[int, bytes], kind: type[DriverError]
) -> None:
    fake.answers["GET", "/webcam"] = answer
    async with beside(fake, tmp_path, "/webcam") as client:
        assert type(await refused(client)) is kind
