"""A multipart form with one file (RFC 7578), read as it arrives: the file goes straight to its place on the disk.

The framework's own form parser would write a file of 64 MiB twice. Fields may come before or after the file. Whatever goes wrong,
no file is left behind. Only a form that ends with its closing boundary is a whole one: a cut upload is told as such.
"""

import asyncio
import errno
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from api.problems import MalformedError, StalledError
from farm.errors import StoreFullError, TooLargeError
from farm.threads import made
from gcode.texts import Bilingual

FILE_FIELD: Final = "file"
MAX_FIELDS: Final = 16
MAX_FIELD_BYTES: Final = 4 * 1024
STALL_S: Final = 60.0
_WRITE_BYTES: Final = 256 * 1024  # is collected before a thread is asked to write it
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_AS_DOCUMENTED: Final = Bilingual(
    "Send multipart/form-data with the fields and one part named file; see docs/api.md.",
    "Envoyez du multipart/form-data avec les champs et une partie nommée file ; voyez docs/api.md.",
)
_AGAIN: Final = Bilingual(
    "Send the file again, over a better connection.", "Envoyez le fichier de nouveau, par une meilleure connexion."
)


def _malformed(detail: Bilingual, code: str = "malformed") -> MalformedError:
    return MalformedError(detail, next_step=_AS_DOCUMENTED, code=code)


@dataclass
class _Form:
    """Callbacks of the parser: collects fields, and what of the file is not written yet."""

    max_file_bytes: int
    fields: dict[str, str] = field(default_factory=dict)
    unwritten: bytearray = field(default_factory=bytearray)
    file_bytes: int = 0
    file_seen: bool = False
    complete: bool = False
    _header: bytearray = field(default_factory=bytearray)
    _value: bytearray = field(default_factory=bytearray)
    _headers: dict[str, bytes] = field(default_factory=dict)
    _name: str = ""
    _content: bytearray = field(default_factory=bytearray)

    def on_part_begin(self) -> None:
        self._headers, self._content, self._name = {}, bytearray(), ""

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def on_header_end(self) -> None:
        self._headers[self._header.decode("latin-1").lower()] = bytes(self._value)
        self._header, self._value = bytearray(), bytearray()

    def on_headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get("content-disposition", b""))
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        if not self._name:
            raise _malformed(Bilingual("A part of the form has no name.", "Une partie du formulaire n'a pas de nom."))
        if self._name in self.fields or (self._name == FILE_FIELD and self.file_seen):
            raise _malformed(Bilingual("The form has a field twice.", "Le formulaire a deux fois le même champ."))
        if len(self.fields) >= MAX_FIELDS:
            raise TooLargeError(
                Bilingual(f"The form has more than {MAX_FIELDS} fields.", f"Le formulaire a plus de {MAX_FIELDS} champs."),
                next_step=Bilingual("Send only the fields of docs/api.md.", "N'envoyez que les champs de docs/api.md."),
            )
        self.file_seen = self.file_seen or self._name == FILE_FIELD

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._name == FILE_FIELD:
            self.file_bytes += end - start
            self._check_file_size()
            self.unwritten += data[start:end]
            return
        self._content += data[start:end]
        if len(self._content) > MAX_FIELD_BYTES:
            raise TooLargeError(
                Bilingual(
                    f"A field of the form is larger than {MAX_FIELD_BYTES} bytes.",
                    f"Un champ du formulaire dépasse {MAX_FIELD_BYTES} octets.",
                ),
                next_step=Bilingual("Shorten it.", "Raccourcissez-le."),
            )

    def on_part_end(self) -> None:
        if self._name != FILE_FIELD:
            try:
                self.fields[self._name] = self._content.decode()
            except UnicodeDecodeError as error:
                raise _malformed(
                    Bilingual("A field of the form is not UTF-8.", "Un champ du formulaire n'est pas en UTF-8.")
                ) from error

    def on_end(self) -> None:
        self.complete = True

    def _check_file_size(self) -> None:
        if self.file_bytes > self.max_file_bytes:
            raise TooLargeError(
                Bilingual(
                    f"The file is larger than {self.max_file_bytes} bytes.",
                    f"Le fichier dépasse {self.max_file_bytes} octets.",
                ),
                next_step=Bilingual(
                    "Slice it into fewer parts, or raise max_upload_bytes under [http] in farm.toml.",
                    "Tranchez moins de pièces à la fois, ou élevez max_upload_bytes sous [http] dans farm.toml.",
                ),
            )


def _parser(content_type: str, form: _Form) -> MultipartParser:
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not boundary:
        raise _malformed(Bilingual("The body is not multipart/form-data.", "Le corps n'est pas du multipart/form-data."))
    return MultipartParser(
        boundary,
        {
            "on_part_begin": form.on_part_begin,
            "on_part_data": form.on_part_data,
            "on_part_end": form.on_part_end,
            "on_header_field": form.on_header_field,
            "on_header_value": form.on_header_value,
            "on_header_end": form.on_header_end,
            "on_headers_finished": form.on_headers_finished,
            "on_end": form.on_end,
        },
    )


async def _pieces(request: Request, stall_s: float) -> AsyncIterator[bytes]:
    stream = request.stream()
    while True:
        try:
            async with asyncio.timeout(stall_s):
                piece = await anext(stream, None)
        except TimeoutError as error:
            raise StalledError(
                Bilingual(f"Nothing came for {stall_s:.0f} s.", f"Rien n'est arrivé pendant {stall_s:.0f} s."), next_step=_AGAIN
            ) from error
        if piece is None:
            return
        yield piece


async def _write(file: IO[bytes], form: _Form) -> None:
    if form.unwritten:
        content, form.unwritten = bytes(form.unwritten), bytearray()
        await asyncio.to_thread(_write_all, file, content)


def _write_all(file: IO[bytes], content: bytes) -> None:
    """Write `content`. A file without a buffer takes what fits on a disk that gets full, and refuses only the rest."""
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]


def _new_file(folder: Path) -> tuple[int, Path]:
    descriptor, name = tempfile.mkstemp(".part", "upload-", folder)
    return descriptor, Path(name)


def _drop(file: tuple[int, Path]) -> None:
    descriptor, path = file
    os.close(descriptor)
    path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class _Room:
    """The disk of `folder`, on which `reserve_bytes` must be left for the database."""

    folder: Path
    reserve_bytes: int

    async def require(self, coming_bytes: int) -> None:
        """Raise StoreFullError unless `coming_bytes` more leave the reserve alone."""
        usage = await asyncio.to_thread(shutil.disk_usage, self.folder)
        if usage.free - coming_bytes < self.reserve_bytes:
            raise StoreFullError(
                _nearly_full(usage.free // 1024**2, self.reserve_bytes // 1024**2),
                next_step=Bilingual(
                    "Make room on it, then send the file again (upload_reserve_bytes under [http] in farm.toml).",
                    "Faites-y de la place, puis envoyez le fichier de nouveau (upload_reserve_bytes sous [http] dans farm.toml).",
                ),
                code="disk-nearly-full",
            )


def _nearly_full(free_mib: int, reserve_mib: int) -> Bilingual:
    return Bilingual(
        f"The disk of the farm is nearly full: {free_mib} MiB are free, and {reserve_mib} MiB are kept for its database.",
        f"Le disque de la ferme est presque plein : {free_mib} Mio sont libres, et {reserve_mib} Mio sont gardés pour sa base.",
    )


def _announced_bytes(request: Request) -> int:
    length = request.headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() else 0


async def _read(request: Request, file: IO[bytes], form: _Form, stall_s: float, room: _Room) -> None:
    await room.require(_announced_bytes(request))
    try:
        parser = _parser(request.headers.get("content-type", ""), form)
        async for piece in _pieces(request, stall_s):
            parser.write(piece)
            if len(form.unwritten) >= _WRITE_BYTES:
                await room.require(len(form.unwritten))
                await _write(file, form)
    except FormParserError as error:
        raise _malformed(Bilingual("The form cannot be read.", "Le formulaire ne peut pas être lu.")) from error
    except ClientDisconnect as error:
        lost = Bilingual("The connection was lost in the middle of the upload.", "La connexion a été perdue au milieu de l'envoi.")
        raise _malformed(lost, "truncated") from error
    except HTTPException as error:  # the whole body is over the limit
        raise TooLargeError(
            Bilingual("The form is too large.", "Le formulaire est trop grand."),
            next_step=Bilingual(
                "Send only the file and the fields of docs/api.md.", "N'envoyez que le fichier et les champs de docs/api.md."
            ),
        ) from error
    _require_whole(form)
    await _write(file, form)


def _require_whole(form: _Form) -> None:
    if not form.complete:
        cut = Bilingual(
            "The upload ends in the middle: its closing boundary is missing.", "L'envoi s'arrête au milieu : sa fin manque."
        )
        raise _malformed(cut, "truncated")
    if not form.file_seen or form.file_bytes == 0:
        empty = Bilingual("The form has no file, or an empty one.", "Le formulaire n'a pas de fichier, ou un fichier vide.")
        raise _malformed(empty, "no-file")


@asynccontextmanager
async def uploaded(
    request: Request, folder: Path, *, max_file_bytes: int, reserve_bytes: int = 0, stall_s: float = STALL_S
) -> AsyncIterator[tuple[Path, dict[str, str]]]:
    """Receive a form: the path of its complete file, a temporary one in `folder`, and its other fields.

    The file is removed at the end, unless somebody has moved it away.

    Raises:
        MalformedError: not a form, without a file, or cut (code `truncated`).
        TooLargeError: the file is larger than `max_file_bytes`, or a field or their number is out of all proportion.
        StalledError: nothing came for `stall_s` seconds.
        StoreFullError: the disk is full, or would have less than `reserve_bytes` left.

    """
    form = _Form(max_file_bytes)
    try:
        descriptor, path = await made(partial(_new_file, folder), _drop)
        try:
            with os.fdopen(descriptor, "wb", buffering=0) as file:
                await _read(request, file, form, stall_s, _Room(folder, reserve_bytes))
            yield path, form.fields
        finally:
            await asyncio.to_thread(path.unlink, missing_ok=True)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise StoreFullError(
            Bilingual("The disk of the farm is full.", "Le disque de la ferme est plein."),
            next_step=Bilingual(
                "Make room on it; nothing was kept of this upload.", "Faites-y de la place ; rien n'a été gardé de cet envoi."
            ),
        ) from error
