"""The library of programs: G-code files by SHA-256, in two levels of folders so that none grows too large."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from farm.control_errors import other_hash
from farm.errors import NotFoundError
from farm.store.packed import packed_path
from gcode.texts import Bilingual

_CHUNK_BYTES: Final = 1024**2


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal; reads it in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


class Library:
    """Files below `folder`, and pictures beside them. Blocking: the daemon calls it in a thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.incoming = folder / "incoming"
        self.checked = folder / "checked"  # what inspections found (farm.daemon.found)

    def open(self) -> None:
        """Make the folders and remove what an earlier process left behind: uploads, and packed forms that were not finished."""
        self.incoming.mkdir(parents=True, exist_ok=True)
        for leftover in (*self.incoming.iterdir(), *self._folder.glob("??/*.part")):
            leftover.unlink(missing_ok=True)

    def path(self, sha256: str) -> Path:
        """Where the file with this hash is or would be."""
        return self._folder / sha256[:2] / f"{sha256}.gcode"

    def existing(self, sha256: str) -> Path:
        """The file with this hash.

        Raises:
            NotFoundError: the library has no such file.

        """
        path = self.path(sha256)
        if not path.is_file():
            raise NotFoundError(
                Bilingual(f"The library has no program {sha256}.", f"La bibliothèque n'a pas de programme {sha256}."),
                next_step=Bilingual("Upload it: farm program add FILE.", "Envoyez-le : farm program add FILE."),
            )
        return path

    def picture(self, sha256: str, name: str) -> Path:
        """Where a picture of a program is or would be: "preview" or "thumbnail"."""
        return self._folder / sha256[:2] / f"{sha256}.{name}.png"

    def existing_picture(self, sha256: str, name: str) -> Path:
        """A picture of a program.

        Raises:
            NotFoundError: there is none.

        """
        path = self.picture(sha256, name)
        if not path.is_file():
            raise NotFoundError(
                Bilingual(f"There is no {name} of this program.", f"Il n'y a pas d'image de ce programme ({name})."),
                next_step=Bilingual(
                    "Its G-code has none, or is not drawn yet.", "Son G-code n'en a pas, ou elle n'est pas encore dessinée."
                ),
            )
        return path

    def keep_picture(self, sha256: str, name: str, content: bytes) -> None:
        """Keep a picture of a program: whole or not at all. It can be drawn again, so that nobody waits for the disk."""
        target = self.picture(sha256, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        part = self.incoming / f"{sha256}.{name}.part"
        try:
            part.write_bytes(content)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)

    def remove(self, sha256: str, pictures: Iterable[str]) -> None:
        """Remove a program's file, its packed form and the `pictures`; what is missing is no error.

        Raises:
            OSError: the disk refuses.

        """
        path = self.path(sha256)
        for gone in (path, packed_path(path), *(self.picture(sha256, name) for name in pictures)):
            gone.unlink(missing_ok=True)

    def take(self, upload: Path, promised_sha256: str | None = None) -> str:
        """Move the complete file `upload` into the library and return its hash; the same content twice is one file.

        The file is on the disk (fsync) before this returns. `upload` is gone afterwards, also after an error.

        Raises:
            InvalidError: the content has not the promised hash.

        """
        try:
            sha256 = promised_hash(upload, promised_sha256)
            target = self.path(sha256)
            if not target.is_file():
                target.parent.mkdir(parents=True, exist_ok=True)
                with upload.open("rb") as stream:
                    os.fsync(stream.fileno())
                upload.replace(target)
                _sync_folder(target.parent)
            return sha256
        finally:
            upload.unlink(missing_ok=True)


def promised_hash(upload: Path, promised_sha256: str | None) -> str:
    """The hash of an upload. InvalidError: it is not the promised one; None: nothing was promised."""
    sha256 = sha256_of(upload)
    if promised_sha256 not in {None, sha256}:
        raise other_hash(sha256, promised_sha256)
    return sha256


def _sync_folder(folder: Path) -> None:
    """Make a rename durable: without this a power cut may forget the name of a file whose content is safe."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
