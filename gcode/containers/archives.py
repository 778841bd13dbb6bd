"""Zip archives that hold a program: `.ufp` (Ultimaker) and `.gcode.3mf` (Bambu). Nothing in one is ever written to a disk."""

import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from typing import BinaryIO, Final

from gcode.containers.errors import ContainerError
from gcode.containers.kinds import Kind
from gcode.containers.limits import Limits
from gcode.containers.pictures import RawThumbnail
from gcode.containers.streams import CHUNK_BYTES

MAX_ENTRIES: Final = 2_000
MAX_DIRECTORY_BYTES: Final = 1024**2  # of the archive's own table, which is read whole
MAX_PICTURE_BYTES: Final = 2 * 1024**2
MAX_METADATA_BYTES: Final = 256 * 1024
MAX_CLAIMS: Final = 200
MAX_PLATES: Final = 100

_UFP_PROGRAM: Final = "3D/model.gcode"
_UFP_PICTURE: Final = "Metadata/thumbnail.png"
_PLATE: Final = re.compile(r"Metadata/plate_(\d{1,3})\.gcode")
_MODEL: Final = re.compile(r"3D/[^/]{1,80}\.model")
_PLATES_TABLE: Final = "Metadata/slice_info.config"
_STRANGE_NAME: Final = re.compile(r"[\x00-\x1f\x7f\\]|(^|/)\.\.(/|$)|^[A-Za-z]:")
_METHODS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_ENCRYPTED: Final = 1
# What zipfile and zlib raise for archives that are not what they say.
_FAILURES: Final = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
    struct.error,
    OSError,
)


class _Frugal:
    """A file that refuses large reads: zipfile reads the archive's table in one, as long as the archive claims it to be."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        piece = self._stream.read(min(size, MAX_DIRECTORY_BYTES + 1) if size >= 0 else MAX_DIRECTORY_BYTES + 1)
        if len(piece) > MAX_DIRECTORY_BYTES:
            raise ContainerError("zip-directory", limit_bytes=MAX_DIRECTORY_BYTES)
        return piece

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def seekable(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Found:
    """The program inside an archive, not opened yet."""

    kind: Kind
    entry: zipfile.ZipInfo
    picture: str = ""
    plate: int = 0


def _damaged(error: Exception) -> ContainerError:
    reason = str(error) or type(error).__name__
    return ContainerError("checksum" if "CRC" in reason else "damaged", kind="zip", reason=reason[:200])


class Archive:
    """One archive, its table read and judged.

    Raises:
        ContainerError: damaged, over a limit, with strange names.

    """

    def __init__(self, stream: BinaryIO) -> None:
        try:
            self._zip = zipfile.ZipFile(_Frugal(stream))
        except ContainerError:
            raise
        except _FAILURES as error:
            raise _damaged(error) from error
        entries = self._zip.infolist()
        if len(entries) > MAX_ENTRIES:
            raise ContainerError("zip-entries", count=len(entries), limit=MAX_ENTRIES)
        self._entries: dict[str, zipfile.ZipInfo] = {}
        for entry in entries:
            name = entry.filename.removeprefix("/")  # Ultimaker's archives may have names from a root
            if _STRANGE_NAME.search(name):
                raise ContainerError("zip-names", name=ascii(name[:80]))
            if name in self._entries:
                raise ContainerError("zip-twice", name=ascii(name[:80]))
            self._entries[name] = entry

    @property
    def kind(self) -> Kind:
        """What the archive is."""
        if _UFP_PROGRAM in self._entries:
            return Kind.UFP
        if self._plates():
            return Kind.GCODE_3MF
        return Kind.MODEL_3MF if any(_MODEL.fullmatch(name) for name in self._entries) else Kind.ZIP

    def _plates(self) -> dict[int, zipfile.ZipInfo]:
        matches = ((_PLATE.fullmatch(name), entry) for name, entry in self._entries.items())
        return {int(match[1]): entry for match, entry in sorted(matches, key=lambda pair: pair[1].filename) if match}

    def program(self, plate: int | None) -> Found:
        """The program: of a `.gcode.3mf` that of `plate`, or of its only plate.

        Raises:
            ContainerError: which of several plates was not said, or it is not there.

        """
        if self.kind is Kind.UFP:
            return Found(Kind.UFP, self._entries[_UFP_PROGRAM], _UFP_PICTURE)
        plates = self._plates()
        if plate is None and len(plates) > 1:
            raise ContainerError("plates", plates=", ".join(map(str, sorted(plates))))
        number = next(iter(plates)) if plate is None else plate
        if number not in plates:
            raise ContainerError("no-plate", plate=number, plates=", ".join(map(str, sorted(plates))))
        return Found(Kind.GCODE_3MF, plates[number], f"Metadata/plate_{number}.png", number)

    def text(self, found: Found, limits: Limits) -> Iterator[bytes]:
        """The program in pieces; its checksum is compared at the end.

        Raises:
            ContainerError: encrypted, damaged, packed in an unusual way, or larger than the limit by its own word.

        """
        self._check(found.entry)
        if found.entry.file_size > limits.expanded_bytes:
            raise ContainerError("too-large", limit_bytes=limits.expanded_bytes)
        return self._pieces(found.entry)

    def _check(self, entry: zipfile.ZipInfo) -> None:
        if entry.flag_bits & _ENCRYPTED:
            raise ContainerError("zip-encrypted")
        if entry.compress_type not in _METHODS:
            raise ContainerError("zip-method", method=entry.compress_type)

    def _pieces(self, entry: zipfile.ZipInfo) -> Iterator[bytes]:
        try:
            with self._zip.open(entry) as stream:
                while piece := stream.read(CHUNK_BYTES):
                    yield piece
        except ContainerError:
            raise
        except _FAILURES as error:
            raise _damaged(error) from error

    def _small(self, name: str, most_bytes: int) -> bytes:
        """An entry beside the program; b"" when it is missing, too large or unreadable: that is no reason to refuse the program."""
        entry = self._entries.get(name)
        if entry is None or entry.file_size > most_bytes:
            return b""
        content = b""
        try:
            self._check(entry)
            for piece in self._pieces(entry):
                content += piece
                if len(content) > most_bytes:
                    return b""
        except ContainerError:
            return b""
        return content

    def pictures(self, found: Found) -> tuple[RawThumbnail, ...]:
        """The picture of the plate, if it has one."""
        data = self._small(found.picture, MAX_PICTURE_BYTES)
        return (RawThumbnail("png", 0, 0, data),) if data else ()

    def claims(self, found: Found) -> dict[str, str]:
        """What Bambu Studio says of this plate: `prediction` (s), `weight` (g), `filament_1_type`..."""
        if found.kind is not Kind.GCODE_3MF:
            return {}
        table = self._small(_PLATES_TABLE, MAX_METADATA_BYTES).decode("utf-8", "replace")
        for plate in table.split("<plate>", MAX_PLATES)[1:]:
            claims = _plate_claims(plate.partition("</plate>")[0])
            if claims.get("index") == str(found.plate):
                return claims
        return {}


_METADATA: Final = re.compile(r'<metadata\s+key="([^"<>]{1,80})"\s+value="([^"<>]{0,400})"')
_FILAMENT: Final = re.compile(r"<filament\s+([^<>]{1,800})/>")
_ATTRIBUTE: Final = re.compile(r'([a-z_]{1,40})="([^"<>]{0,200})"')


def _plate_claims(plate: str) -> dict[str, str]:
    """Two kinds of element by pattern instead of an XML parser: no entity is ever expanded."""
    claims = {key: unescape(value) for key, value in _METADATA.findall(plate)[:MAX_CLAIMS]}
    for element in _FILAMENT.findall(plate)[:16]:
        attributes = dict(_ATTRIBUTE.findall(element))
        number = attributes.pop("id", "")
        claims |= {f"filament_{number}_{key}": unescape(value) for key, value in attributes.items()}
    return dict(list(claims.items())[:MAX_CLAIMS])
