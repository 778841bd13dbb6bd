"""One daemon a data folder: a lock that the kernel drops when its process dies, however it dies."""

import fcntl
import os
from pathlib import Path
from typing import Final

from farm.errors import ConfigurationError

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
                f"The data folder {folder} cannot be used: {error.strerror}.",
                next_step="Give this user the right to write there, or name another with `data` in farm.toml or --data.",
                code="data-folder",
            ) from error
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.read(self._handle, 20).decode("ascii", "replace").strip()
            os.close(self._handle)
            raise ConfigurationError(
                f"Another daemon uses the data folder {folder} (process {owner or 'unknown'}).",
                next_step="Stop it first, or give this one another folder with --data.",
                code="data-folder-in-use",
            ) from error
        os.ftruncate(self._handle, 0)
        os.write(self._handle, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Let another daemon use the folder."""
        os.close(self._handle)
