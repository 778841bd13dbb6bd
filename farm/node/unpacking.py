"""The packed form of a program while it arrives: `<sha256>.gcode.<etag>.zst.part`, resumed by Range, then unpacked within its size.

The name has the farm's ETag, so that after a restart only the rest of the very same bytes is asked for.
"""

import os
import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from threading import Event
from typing import Final

from gcode.texts import Bilingual, Told, both, told

PACKING_OVERHEAD_BYTES: Final = 64 * 1024  # what packing may add to what does not pack at all
_MAX_WINDOW_BYTES: Final = 8 * 1024**2  # the farm uses 2 MiB
_CHUNK_BYTES: Final = 64 * 1024
_ETAG: Final = re.compile(r'"([0-9a-z-]{1,120})"')


class UnpackError(Exception):
    """The packed form is damaged, or more than it should be; `text` says which."""

    def __init__(self, text: Bilingual | Told) -> None:
        self.text = both(text)
        super().__init__(self.text.en)


def can_unpack() -> bool:
    """Whether zstandard is installed. It is loaded only when there is something to unpack: an agent has 50 MB."""
    return find_spec("zstandard") is not None


@dataclass(slots=True)
class PackedPart:
    """What has arrived of the packed form of one program. Blocking."""

    part: Path  # of the plain form
    path: Path
    etag: str
    whole: bool = False

    @classmethod
    def of(cls, part: Path) -> "PackedPart":
        """What lies beside the plain part; of several the newest is kept."""
        prefix, suffix = f"{part.name.removesuffix('.part')}.", ".zst.part"
        found = sorted(
            (path for path in part.parent.glob(f"{prefix}*{suffix}") if _ETAG.fullmatch(f'"{_name(path, prefix, suffix)}"')),
            key=lambda path: path.stat().st_mtime_ns,
        )
        for old in found[:-1]:
            old.unlink(missing_ok=True)
        if not found:
            return cls(part, part.with_name(f"{prefix}none{suffix}"), "")
        return cls(part, found[-1], f'"{_name(found[-1], prefix, suffix)}"')

    @property
    def have(self) -> int:
        """Bytes that have arrived and can be gone on with."""
        return self.path.stat().st_size if self.etag and self.path.exists() else 0

    def begin(self, etag: str) -> Path:
        """Begin anew with the form that has this ETag. One that cannot be a file name is fetched, but never resumed."""
        self.forget()
        match = _ETAG.fullmatch(etag)
        self.etag = etag if match else ""
        self.path = self.part.with_name(f"{self.part.name.removesuffix('.part')}.{match[1] if match else 'none'}.zst.part")
        return self.path

    def forget(self) -> None:
        """Throw away what has arrived."""
        self.path.unlink(missing_ok=True)
        self.etag, self.whole = "", False

    def unpack(self, target: Path, size_bytes: int, stop: Event) -> None:
        """Write the plain form to `target`, at most `size_bytes`, and throw the packed one away. `stop` ends it early.

        Raises:
            UnpackError: it cannot be unpacked, or is more than `size_bytes`.
            OSError: the disk.

        """
        import zstandard  # noqa: PLC0415 - see can_unpack

        unpacker = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW_BYTES)
        written = 0
        try:
            with self.path.open("rb") as packed, target.open("wb") as file, unpacker.stream_reader(packed, closefd=False) as reader:
                while not stop.is_set() and (chunk := reader.read(_CHUNK_BYTES)):
                    written += len(chunk)
                    if written > size_bytes:
                        raise UnpackError(
                            Bilingual(
                                f"it unpacks to more than {size_bytes} bytes", f"décompressé, il fait plus de {size_bytes} octets"
                            )
                        )
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
        except zstandard.ZstdError as error:
            raise UnpackError(told(str(error))) from error
        if written < size_bytes and not stop.is_set():
            raise UnpackError(
                Bilingual(
                    f"it unpacks to only {written} of {size_bytes} bytes",
                    f"décompressé, il ne fait que {written} octets sur {size_bytes}",
                )
            )
        if not stop.is_set():
            self.forget()


def _name(path: Path, prefix: str, suffix: str) -> str:
    return path.name.removeprefix(prefix).removesuffix(suffix)
