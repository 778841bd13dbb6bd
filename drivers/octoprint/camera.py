"""A picture of the printer. OctoPrint takes it, or (`snapshot_url=`) a camera server on OctoPrint's own machine gives it.

`GET /downloads/camera/current` works with the permission WEBCAM and without SETTINGS_READ (measured with 1.11.8): OctoPrint asks
its camera itself, so that no URL out of its settings is ever fetched by us. What `snapshot_url=` names is fetched from the address
where OctoPrint answered, without our key, and handed on only when its first bytes are a picture's.
"""

from typing import Final

from drivers.base import Picture
from drivers.errors import AuthenticationError, Bilingual, DriverError, NotAPrinterError
from drivers.octoprint.address import Camera
from drivers.octoprint.client import AnswerError, Client, refusal
from drivers.octoprint.permissions import CAMERA, lacking
from drivers.octoprint.transport import Transport

MAX_PICTURE_BYTES: Final = 4 * 1024 * 1024
_MAGIC: Final = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png"}
_HEADERS: Final = {"Accept": "image/jpeg, image/png", "Accept-Encoding": "identity", "User-Agent": "essaim"}
_CAMERA_STEP: Final = Bilingual(
    "Look at the camera in OctoPrint (Settings > Webcam), or name its picture with snapshot_url= in the printer's URL.",
    "Regardez la caméra dans OctoPrint (Settings > Webcam), ou donnez son image par snapshot_url= dans l'URL de l'imprimante.",
)


def take_picture(client: Client) -> Picture:
    """Take a picture now. Blocks.

    Raises:
        UnreachableError: the camera does not answer.
        NotAPrinterError: there is none, or what it gives is no picture.
        AuthenticationError: the key's user may not see it.

    """
    camera = client.address.camera
    content = _from_beside(client, camera) if camera else _from_octoprint(client)
    for magic, media_type in _MAGIC.items():
        if content.startswith(magic):
            return Picture(content, media_type)
    detail = Bilingual("What the camera gives is no picture.", "Ce que donne la caméra n'est pas une image.")
    raise NotAPrinterError(detail, next_step=_CAMERA_STEP)


def _from_octoprint(client: Client) -> bytes:
    try:
        return client.read_camera(MAX_PICTURE_BYTES)
    except AuthenticationError:
        lacking(frozenset({CAMERA}), client.permissions)
        raise
    except AnswerError as error:  # 404: no camera; 500: OctoPrint cannot reach it
        raise _no_camera() from error


def _from_beside(client: Client, camera: Camera) -> bytes:
    if client.transport.peer is None:
        client.read_version()  # where OctoPrint is, there is its camera
    transport = Transport(camera.scheme, camera.authority, ca_file=client.address.ca_file, pinned=client.transport.peer)
    try:
        answer = transport.request("GET", camera.target, headers=_HEADERS, most_bytes=MAX_PICTURE_BYTES)
    finally:
        transport.close()
    if answer.status == 200:
        return answer.body
    error = refusal(answer.status, b"")
    raise _no_camera() if isinstance(error, AnswerError | AuthenticationError) else error


def _no_camera() -> DriverError:
    detail = Bilingual("OctoPrint has no camera, or it does not answer.", "OctoPrint n'a pas de caméra, ou elle ne répond pas.")
    return NotAPrinterError(detail, next_step=_CAMERA_STEP)
