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
from pathlib import Path
from typing import IO, Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from api.problems import MalformedError, StalledError
from farm.errors import StoreFullError, TooLargeError

FILE_FIELD: Final = "file"
MAX_FIELDS: Final = 16
MAX_FIELD_BYTES: Final = 4 * 1024
STALL_S: Final = 60.0
_WRITE_BYTES: Final = 256 * 1024  # is collected before a thread is asked to write it
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


def _malformed(detail: str, code: str = "malformed") -> MalformedError:
    return MalformedError(
        detail, next_step="Send multipart/form-data with the fields and one part named file; see docs/api.md.", code=code
    )


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
            raise _malformed("A part of the form has no name.")
        if self._name in self.fields or (self._name == FILE_FIELD and self.file_seen):
            raise _malformed("The form has a field twice.")
        if len(self.fields) >= MAX_FIELDS:
            raise TooLargeError(f"The form has more than {MAX_FIELDS} fields.", next_step="Send only the fields of docs/api.md.")
        self.file_seen = self.file_seen or self._name == FILE_FIELD

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._name == FILE_FIELD:
            self.file_bytes += end - start
            self._check_file_size()
            self.unwritten += data[start:end]
            return
        self._content += data[start:end]
        if len(self._content) > MAX_FIELD_BYTES:
            raise TooLargeError(f"A field of the form is larger than {MAX_FIELD_BYTES} bytes.", next_step="Shorten it.")

    def on_part_end(self) -> None:
        if self._name != FILE_FIELD:
            try:
                self.fields[self._name] = self._content.decode()
            except UnicodeDecodeError as error:
                raise _malformed("A field of the form is not UTF-8.") from error

    def on_end(self) -> None:
        self.complete = True

    def _check_file_size(self) -> None:
        if self.file_bytes > self.max_file_bytes:
            raise TooLargeError(
                f"The file is larger than {self.max_file_bytes} bytes.",
                next_step="Slice it into fewer parts, or raise max_upload_bytes under [http] in farm.toml.",
            )


def _parser(content_type: str, form: _Form) -> MultipartParser:
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not boundary:
        raise _malformed("The body is not multipart/form-data.")
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
                f"Nothing came for {stall_s:.0f} s.", next_step="Send the file again, over a better connection."
            ) from error
        if piece is None:
            return
        yield piece


async def _write(file: IO[bytes], form: _Form) -> None:
    if form.unwritten:
        content, form.unwritten = bytes(form.unwritten), bytearray()
        await asyncio.to_thread(file.write, content)


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
                f"The disk of the farm is nearly full: {usage.free // 1024**2} MiB are free, "
                f"and {self.reserve_bytes // 1024**2} MiB are kept for its database.",
                next_step="Make room on it, then send the file again (upload_reserve_bytes under [http] in farm.toml).",
                code="disk-nearly-full",
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
        raise _malformed("The form cannot be read.") from error
    except ClientDisconnect as error:
        raise _malformed("The connection was lost in the middle of the upload.", "truncated") from error
    except HTTPException as error:  # the whole body is over the limit
        raise TooLargeError("The form is too large.", next_step="Send only the file and the fields of docs/api.md.") from error
    if not form.complete:
        raise _malformed("The upload ends in the middle: its closing boundary is missing.", "truncated")
    if not form.file_seen or form.file_bytes == 0:
        raise _malformed("The form has no file, or an empty one.", "no-file")
    await _write(file, form)


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
        descriptor, name = await asyncio.to_thread(tempfile.mkstemp, ".part", "upload-", folder)
        path = Path(name)
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
            "The disk of the farm is full.", next_step="Make room on it; nothing was kept of this upload."
        ) from error
