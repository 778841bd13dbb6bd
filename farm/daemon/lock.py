"""One daemon a data folder: a lock that the kernel drops when its process dies, however it dies."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from farm.errors import ConfigurationError
from farm.language import system_words
from gcode.texts import Bilingual

FILE_NAME: Final = "daemon.lock"


class DataLock:
    """The lock on a data folder. The folder is made if it is missing."""

    def __init__(self, folder: Path) -> None:
        """Take the lock.

        Raises:
            ConfigurationError: the folder cannot be made or written, or another daemon uses it.

        """
        path = folder / FILE_NAME
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise ConfigurationError(
                Bilingual(
                    f"The data folder {folder} cannot be used: {error.strerror}.",
                    f"Le dossier des données {folder} ne peut pas servir : {system_words(error).fr}.",
                ),
                next_step=Bilingual(
                    "Give this user the right to write there, or name another with `data` in farm.toml or --data.",
                    "Donnez à cet utilisateur le droit d'y écrire, ou nommez-en un autre avec `data` dans farm.toml ou --data.",
                ),
                code="data-folder",
            ) from error
        _take(self._handle, folder)
        with suppress(OSError):  # a full disk: who holds the lock is then not named
            os.ftruncate(self._handle, 0)
            os.write(self._handle, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Let another daemon use the folder."""
        os.close(self._handle)


def check_unused(folder: Path) -> None:
    """Find out that another daemon uses a data folder, without taking its lock or making the folder.

    Raises:
        ConfigurationError: it does.

    """
    try:
        handle = os.open(folder / FILE_NAME, os.O_RDWR)
    except OSError:
        return  # nobody was here, or who takes the lock is told why that cannot be
    _take(handle, folder)
    os.close(handle)


def _take(handle: int, folder: Path) -> None:
    """Lock an open file; closes it when another process has the lock."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        owner = os.read(handle, 20).decode("ascii", "replace").strip()
        os.close(handle)
        raise ConfigurationError(
            Bilingual(
                f"Another daemon uses the data folder {folder} (process {owner or 'unknown'}).",
                f"Un autre démon se sert du dossier des données {folder} (processus {owner or 'inconnu'}).",
            ),
            next_step=Bilingual(
                "Stop it first, or give this one another folder with --data.",
                "Arrêtez-le d'abord, ou donnez à celui-ci un autre dossier avec --data.",
            ),
            code="data-folder-in-use",
        ) from error
