"""A readable trace of what was done and seen, on standard error and in a file beside the logs of the farm."""

import sys
import threading
import time
from pathlib import Path


class Trace:
    """Lines with the real seconds since the beginning. Safe to use from several threads."""

    def __init__(self, path: Path, *, loud: bool = True) -> None:
        self.path = path
        self._loud = loud
        self._began_s = time.monotonic()
        self._lock = threading.Lock()
        self._file = path.open("a", encoding="utf-8")

    def say(self, text: str, *, aloud: bool = False) -> None:
        """Write a line to the file, and to standard error when it is for people who watch."""
        line = f"{time.monotonic() - self._began_s:8.2f}  {text}"
        with self._lock:
            if self._file.closed:
                return
            self._file.write(line + "\n")
            self._file.flush()
            if aloud and self._loud:
                sys.stderr.write(line + "\n")
                sys.stderr.flush()

    def close(self) -> None:
        """Close the file; what is said afterwards is lost."""
        with self._lock:
            self._file.close()
