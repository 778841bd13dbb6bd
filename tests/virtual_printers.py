"""Virtual printers in a process of their own: they outlive a killed agent, and count what really stands on their beds."""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Self

from farm.config import PrinterSection
from farm.process import bound_to_us
from tests.patience import PATIENCE_S

_START_TIMEOUT_S = 60.0


class VirtualPrinters:
    """`count` virtual printers at `folder/virtual-1` ... ; a context manager.

    `settings` are more of them, as in the query of a virtual:// URL: `minimum_mm=38.5` tells whole parts from others.
    """

    def __init__(self, folder: Path, *, count: int, speed: float, bed_mm: int = 210, settings: str = "") -> None:
        self.folder = folder
        self.count = count
        self._command = [sys.executable, "-m", "drivers.virtual", "--count", str(count), "--speed", str(speed)]
        self._command += ["--bed", str(bed_mm), "--link", str(folder / "virtual"), "--set", settings]
        self._turn = threading.Lock()
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(bound_to_us(self._command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        deadline_s = time.monotonic() + _START_TIMEOUT_S
        while not all(self.path(number).exists() for number in range(1, self.count + 1)):
            assert time.monotonic() < deadline_s, "the virtual printers did not start"
            time.sleep(0.05)
        for _ in range(self.count):
            self._answer()  # where they are
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.terminate()
        self._process.wait(PATIENCE_S)
        self._process.stdin.close()
        self._process.stdout.close()

    def path(self, number: int) -> Path:
        """The serial port of printer `number`, from 1."""
        return self.folder / f"virtual-{number}"

    def sections(self, profile: str = "generic-210") -> list[PrinterSection]:
        """Configuration of a node that has all of them, through the ordinary Marlin driver."""
        numbers = range(1, self.count + 1)
        return [
            PrinterSection(name=f"virtual {number}", url=f"marlin://{self.path(number)}?deadman_s=0", profile=profile)
            for number in numbers
        ]

    def control(self, printer: int, **command: object) -> None:
        """Tell the firmware of one printer to break, or its hand to take parts off; done when this returns."""
        self.ask(printer, **command)

    def ask(self, printer: int, **command: object) -> dict[str, Any]:
        """Like `control`, and return what it answers: `snapshot=True` asks for the truth at this moment. From any thread."""
        assert self._process is not None
        assert self._process.stdin is not None
        with self._turn:
            self._process.stdin.write(json.dumps({"printer": printer, **command}) + "\n")
            self._process.stdin.flush()
            answer = self._answer()
        assert "error" not in answer, answer["error"]
        return answer

    def _answer(self) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def truth(self) -> list[dict[str, Any]]:
        """What each printer really did: parts finished, collisions with parts that still stood on the bed, millimetres extruded.

        Asked of the firmwares themselves: a file that they write now and then is old on a crowded machine.
        """
        return [self.ask(number, snapshot=True) for number in range(1, self.count + 1)]
