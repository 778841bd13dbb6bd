"""Fetches one program over HTTP: resumed where it broke off, limited to its promised size, believed only when its hash is right.

A farm sends it packed with zstd to a node that can unpack it (farm.node.unpacking); a farm that does not sends it as it is.

`http.client` instead of requests: a session with its pools costs 3 MB of the agent's 50, and one GET needs none of it.
"""

import base64
import errno
import hashlib
import http.client
import os
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Final
from urllib.parse import urlsplit

from farm.bus.transport import tls_context
from farm.errors import ConfigurationError, FarmError, NotAllowedError, NotFoundError, TooLargeError, UnreachableError
from farm.language import system_words
from farm.node.unpacking import PACKING_OVERHEAD_BYTES, PackedPart, UnpackError, can_unpack
from gcode.texts import NOTHING, Bilingual

_CHUNK_BYTES: Final = 64 * 1024
_SOCKET_TIMEOUT_S: Final = 10.0  # between two chunks; also the longest that an ending agent waits for this thread
_WHOLE_TIMEOUT_S: Final = 3600.0  # of one attempt; what has arrived is kept for the next
_LATER: Final = Bilingual("It is asked for again later.", "Il sera redemandé plus tard.")
_GOES_ON: Final = Bilingual("It goes on from there.", "Il reprendra de là.")
_ANEW: Final = Bilingual("It is fetched again from the beginning.", "Il est téléchargé de nouveau depuis le début.")
_DISK: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO})  # never said by a socket


class DamagedError(FarmError):
    """A file has not the hash that it is named by; it was thrown away."""

    code = "program-damaged"


@dataclass(frozen=True, slots=True)
class Source:
    """The farm's HTTP address and who we are there."""

    url: str
    node: str
    password: str = field(repr=False)
    ca_file: Path | None = None
    timeout_s: float = _SOCKET_TIMEOUT_S

    def connect(self) -> tuple[http.client.HTTPConnection, str]:
        """A connection that is not opened yet, and the path of the farm on that host.

        Raises:
            ConfigurationError: the URL or the CA file is wrong.

        """
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ConfigurationError(
                Bilingual(f"{self.url!r} is not the address of a farm.", f"{self.url!r} n'est pas l'adresse d'une ferme."),
                next_step=Bilingual(
                    "Join again with its http(s):// address.", "Rejoignez-la de nouveau avec son adresse en http(s)://."
                ),
            )
        if parts.scheme == "http":
            plain = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=self.timeout_s)
            return plain, parts.path.rstrip("/")
        context: ssl.SSLContext = tls_context(self.ca_file)
        secure = http.client.HTTPSConnection(parts.hostname, parts.port or 443, timeout=self.timeout_s, context=context)
        return secure, parts.path.rstrip("/")

    @property
    def authorization(self) -> str:
        """The value of the HTTP header."""
        return "Basic " + base64.b64encode(f"{self.node}:{self.password}".encode()).decode()


def hash_of(path: Path, stop: Event) -> str:
    """The SHA-256 of a file, in hex; "" when stopped."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1024 * 1024):
            if stop.is_set():
                return ""
            digest.update(chunk)
    return digest.hexdigest()


def _refusal(status: int, sha256: str) -> FarmError:
    if status in {401, 403}:
        return NotAllowedError(
            Bilingual("The farm refuses this node's password.", "La ferme refuse le mot de passe de ce nœud."),
            next_step=Bilingual("Join again with a new code.", "Rejoignez-la de nouveau avec un nouveau code."),
        )
    program = sha256[:12]
    if status == 404:
        says = Bilingual(f"The farm has no program {program}.", f"La ferme n'a pas le programme {program}.")
        return NotFoundError(says, next_step=_LATER)
    says = Bilingual(
        f"The farm answered {status} for program {program}.", f"La ferme a répondu {status} pour le programme {program}."
    )
    return UnreachableError(says, next_step=_LATER)


def _broke_off(english: str, french: str) -> UnreachableError:
    says = Bilingual(f"The transfer broke off after {english}.", f"Le téléchargement s'est interrompu après {french}.")
    return UnreachableError(says, next_step=_GOES_ON)


def _damaged(sha256: str, why: Bilingual = NOTHING) -> DamagedError:
    more, more_fr = (f": {why.en}", f" : {why.fr}") if why.en else ("", "")
    program = sha256[:12]
    says = Bilingual(f"Program {program} arrived damaged{more}.", f"Le programme {program} est arrivé abîmé{more_fr}.")
    return DamagedError(says, next_step=_ANEW)


def _accepted_offset(response: http.client.HTTPResponse, asked: int, sha256: str) -> int:
    """Where the body belongs in the file. A server that ignores Range sends all of it again."""
    if response.status == 200:
        return 0
    if response.status == 206 and (response.getheader("Content-Range") or "").startswith(f"bytes {asked}-"):
        return asked
    raise _refusal(response.status, sha256)


def _receive(response: http.client.HTTPResponse, part: Path, offset: int, most_bytes: int, stop: Event) -> None:
    deadline_s = time.monotonic() + _WHOLE_TIMEOUT_S
    with part.open("r+b" if offset else "wb") as file:
        file.truncate(offset)
        file.seek(offset)
        while not stop.is_set() and time.monotonic() < deadline_s and (chunk := response.read1(_CHUNK_BYTES)):
            offset += len(chunk)
            if offset > most_bytes:
                file.truncate(0)
                raise TooLargeError(
                    Bilingual(
                        f"The farm sent more than the {most_bytes} bytes of the program.",
                        f"La ferme a envoyé plus que les {most_bytes} octets du programme.",
                    ),
                    next_step=Bilingual("Report this.", "Signalez-le."),
                )
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())


@dataclass(frozen=True, slots=True)
class _Order:
    """What is fetched, and where it goes."""

    source: Source
    sha256: str
    size_bytes: int
    part: Path
    stop: Event
    plain: bool = False

    def get(self, headers: dict[str, str], take: Callable[[http.client.HTTPResponse], None]) -> None:
        """Ask for the program and let `take` have the answer."""
        connection, root = self.source.connect()
        try:
            path = f"{root}/api/v1/programs/{self.sha256}/file"
            connection.request("GET", path, headers={"Authorization": self.source.authorization, **headers})
            with connection.getresponse() as response:
                take(response)
        finally:
            connection.close()


def _ask_plain(order: _Order, have: int) -> None:
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"

    def take(response: http.client.HTTPResponse) -> None:
        _receive(response, order.part, _accepted_offset(response, have, order.sha256), order.size_bytes, order.stop)

    order.get(headers, take)


def _ask_packed(order: _Order, packed: PackedPart) -> None:
    """Fetch the packed form, or its rest; a farm that answers with the plain form is believed, too."""
    have = packed.have
    headers = {"Accept-Encoding": "zstd, identity;q=0.5"}
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": packed.etag}

    def take(response: http.client.HTTPResponse) -> None:
        if response.status == 416 and (response.getheader("Content-Range") or "") == f"bytes */{have}":
            packed.whole = True
            return
        if response.getheader("Content-Encoding", "identity") != "zstd":
            if response.status in {200, 206, 416}:  # an answer about the file; of any other what has arrived is not the fault
                packed.forget()
            _receive(response, order.part, _accepted_offset(response, 0, order.sha256), order.size_bytes, order.stop)
            return
        offset = _accepted_offset(response, have, order.sha256)
        path = packed.begin(response.getheader("ETag") or "") if offset == 0 else packed.path
        most_bytes = order.size_bytes + PACKING_OVERHEAD_BYTES
        length = response.length  # of this body; None: the farm does not say
        _receive(response, path, offset, most_bytes, order.stop)
        packed.whole = length is None or path.stat().st_size == offset + length

    order.get(headers, take)


def _ask(order: _Order) -> None:
    packed = PackedPart.of(order.part)
    have = order.part.stat().st_size if order.part.exists() else 0
    if not packed.have and have == order.size_bytes and have:
        return
    if order.plain or not can_unpack() or (have and not packed.have):
        _ask_plain(order, have if have <= order.size_bytes else 0)
        return
    _ask_packed(order, packed)
    if packed.whole and not order.stop.is_set():
        _unpack(order, packed)
    elif packed.have and not order.stop.is_set():
        raise _broke_off(f"{packed.have} packed bytes", f"{packed.have} octets compressés")


def _unpack(order: _Order, packed: PackedPart) -> None:
    try:
        packed.unpack(order.part, order.size_bytes, order.stop)
    except UnpackError as error:
        packed.forget()
        order.part.unlink(missing_ok=True)
        raise _damaged(order.sha256, error.text) from error


def fetch(source: Source, sha256: str, size_bytes: int, target: Path, stop: Event, *, plain: bool = False) -> None:
    """Have the program `sha256` at `target`, whole and verified. What arrived before a failure stays beside it, in `.part` files.

    Blocking. `stop` ends it early, without `target`. `plain`: do not ask for the packed form, which was damaged the last time.

    Raises:
        UnreachableError: no answer, or it broke off; asking again resumes.
        NotFoundError, NotAllowedError: the farm refuses.
        DamagedError: the content has another hash; it is gone.
        TooLargeError: more than `size_bytes`.
        ConfigurationError: wrong address or CA file.
        OSError: the disk.

    """
    part = target.with_name(target.name + ".part")
    try:
        _ask(_Order(source, sha256, size_bytes, part, stop, plain))
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, OSError) and (error.filename is not None or error.errno in _DISK):
            raise
        why, why_fr = str(error) or type(error).__name__, system_words(error).fr
        raise UnreachableError(
            Bilingual(f"The farm at {source.url} does not answer ({why}).", f"La ferme sur {source.url} ne répond pas ({why_fr})."),
            next_step=Bilingual("It is asked again.", "Elle sera de nouveau interrogée."),
        ) from error
    if stop.is_set():
        return
    if (have := part.stat().st_size if part.exists() else 0) < size_bytes:
        raise _broke_off(f"{have} of {size_bytes} bytes", f"{have} octets sur {size_bytes}")
    if hash_of(part, stop) != sha256:
        if stop.is_set():
            return
        part.unlink()
        raise _damaged(sha256)
    part.rename(target)
