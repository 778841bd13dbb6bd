"""A multipart form with one file, read while it is sent: a 64 MB upload costs 64 kB of memory."""

import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from drivers.errors import Bilingual, TransferError

_CHUNK_BYTES: Final = 65_536
_LONGEST_S: Final = 1800.0  # 64 MB over the worst Wi-Fi that still works; a server that reads a byte a minute is given up
_AGAIN: Final = Bilingual("Start the job again.", "Relancez le travail.")


def count_commands(data: bytes) -> int:
    """How many lines there are no comments, roughly: fast, because it looks at up to 64 MB."""
    return max(0, data.count(b"\n") - data.count(b"\n;"))


def count_commands_of(program: Path) -> int:
    """The same for a file; 0 when it cannot be read."""
    try:
        with program.open("rb") as file:
            return sum(count_commands(chunk) for chunk in iter(lambda: file.read(_CHUNK_BYTES), b""))
    except OSError:
        return 0


class UploadForm:
    """What `POST /api/files/local` takes, as a readable body of known length. It is read once, front to back.

    `sha1` is that of the bytes sent, to be compared with the `hash` that OctoPrint computes of what it stored.
    """

    def __init__(self, file: BinaryIO, size_bytes: int, *, folder: str, name: str, job: str, stop: threading.Event) -> None:
        boundary = secrets.token_hex(16)
        self.content_type = f"multipart/form-data; boundary={boundary}"
        fields = {"path": folder, "print": "false", "select": "false", "userdata": json.dumps({"job": job})}
        rows = [f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n' for key, value in fields.items()]
        rows.append(
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        self._head = "".join(rows).encode()
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self._file = file
        self._left_bytes = size_bytes
        self.commands = 0  # lines sent so far that are no comments, roughly
        self._length = len(self._head) + size_bytes + len(self._tail)
        self._hash = hashlib.sha1(usedforsecurity=False)
        self._stop = stop
        self._deadline_s = time.monotonic() + _LONGEST_S

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[bytes]:
        while chunk := self.read():
            yield chunk

    @property
    def sha1(self) -> str:
        """Of the file's bytes sent so far, as hexadecimal digits."""
        return self._hash.hexdigest()

    def read(self, size: int = _CHUNK_BYTES) -> bytes:
        """The next bytes; empty at the end.

        Raises:
            TransferError: the file became shorter, `stop` was set, or it took over half an hour.

        """
        if self._stop.is_set() or time.monotonic() > self._deadline_s:
            raise TransferError(Bilingual("The upload was given up.", "L'envoi a été abandonné."), next_step=_AGAIN)
        if self._head:
            chunk, self._head = self._head, b""
            return chunk
        if self._left_bytes:
            return self._read_file(size)
        chunk, self._tail = self._tail, b""
        return chunk

    def _read_file(self, size: int) -> bytes:
        chunk = self._file.read(min(size if size > 0 else _CHUNK_BYTES, self._left_bytes))
        if not chunk:
            detail = Bilingual("The G-code file became shorter on the way.", "Le fichier G-code a raccourci pendant l'envoi.")
            raise TransferError(detail, next_step=_AGAIN)
        self._left_bytes -= len(chunk)
        self._hash.update(chunk)
        self.commands += count_commands(chunk)
        return chunk
