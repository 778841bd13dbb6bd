"""The last minutes on the wire of a printer that failed, for whoever has to find out why: text files in the node's data folder.

Written when a job ended badly or a machine went to FAULT, by drivers that keep such a record (`drivers.base.Recorded`), and never
on a disk that is short of room: these help people, nothing depends on them.
"""

import asyncio
import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from drivers.base import Fault, PrinterState
from farm.bus.messages import JobEnded
from farm.errors import NotFoundError
from farm.log import get_logger
from farm.node.ballast import free_bytes
from farm.node.core import NodeState, Step
from gcode.texts import Bilingual, Told, both
from scheduler.model import JobOutcome

FOLDER: Final = "transcripts"
MAX_BYTES: Final = 262_144
MAX_OF_A_PRINTER: Final = 8
MAX_FILES: Final = 64
_BAD_FR: Final = {JobOutcome.FAILED: "a échoué", JobOutcome.INTERRUPTED: "a été interrompue"}
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,64}-\d{8}T\d{6}Z\.txt")
_GAP_S: Final = 10.0  # real time: one trouble is told in several steps (the job fails, then the machine shows its fault)
_FREE_SOME: Final = Told("disk-full", "Free some space on this computer.", "Libérez de la place sur cet ordinateur.")
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Occasion:
    """Why a transcript is written now: of which printer, and what happened, in a line."""

    printer: str
    what: Bilingual


@dataclass(frozen=True, slots=True)
class Kept:
    """One transcript that is here."""

    name: str
    printer: str
    size_bytes: int


def occasions(before: NodeState, step: Step) -> list[Occasion]:
    """What of a step calls for a transcript: a job that failed or was interrupted, a machine that does not go on."""
    found = {
        fact.printer: Occasion(fact.printer, _of_a_job(fact))
        for fact in step.facts
        if isinstance(fact, JobEnded) and fact.outcome in _BAD_FR
    }
    if before.printers is not step.state.printers:
        for key, printer in step.state.printers.items():
            known, fault = before.printers.get(key), printer.status.fault
            if printer.status.state is PrinterState.FAULT and known is not None and known.status.state is not PrinterState.FAULT:
                found.setdefault(key, Occasion(key, _of_a_fault(fault)))
    return list(found.values())


def _of_a_job(fact: JobEnded) -> Bilingual:
    job, detail_fr = fact.reference.job, fact.detail_fr or fact.detail
    return Bilingual(f"job {job} {fact.outcome}: {fact.detail}", f"impression {job}, qui {_BAD_FR[fact.outcome]} : {detail_fr}")


def _of_a_fault(fault: Fault | None) -> Bilingual:
    if fault is None:
        return Bilingual("fault", "panne")
    said = both(fault.text)
    return Bilingual(f"fault {fault.code}: {said.en}", f"panne {fault.code} : {said.fr}")


class Transcripts:
    """Writes them for one agent. `of` is asked for what a printer's driver has recorded, on the loop; the disk is for `thread`."""

    def __init__(self, data: Path, thread: ThreadPoolExecutor, of: Callable[[str], list[str]], *, reserve_bytes: int) -> None:
        self._folder = data / FOLDER
        self._thread = thread
        self._of = of
        self._reserve_bytes = reserve_bytes + MAX_BYTES
        self._written_s: dict[str, float] = {}

    def after(self, before: NodeState, step: Step, at_s: float) -> None:
        """Keep what a step calls for. `at_s` is wall time, for people."""
        now_s = asyncio.get_running_loop().time()
        for occasion in occasions(before, step):
            if now_s - self._written_s.get(occasion.printer, -_GAP_S) < _GAP_S or not (lines := self._of(occasion.printer)):
                continue
            self._written_s[occasion.printer] = now_s
            if step.state.nearly_full or not step.state.writable:
                _log.warning("transcript.not-kept", printer=occasion.printer, next_step=_FREE_SOME)
                continue
            self._thread.submit(self._write, file_name(occasion.printer, at_s), _head(step.state, occasion), lines)

    def _write(self, name: str, head: list[str], lines: list[str]) -> None:
        kept = write(self._folder, name, composed(head, lines), reserve_bytes=self._reserve_bytes)
        if kept:
            command = f"farm node transcripts {name}"
            _log.info("transcript.kept", name=name, next_step=Told("", f"Look at it: {command}", f"Lisez-la : {command}"))
        else:
            _log.warning("transcript.not-kept", name=name, next_step=_FREE_SOME)


def _head(state: NodeState, occasion: Occasion) -> list[str]:
    printer = state.printers.get(occasion.printer)
    name = occasion.printer if printer is None else f"{printer.setup.name} ({occasion.printer}, {printer.setup.driver})"
    firmware = "unknown" if printer is None or printer.status.firmware is None else printer.status.firmware
    return [f"printer {name}", f"firmware {firmware}", *occasion.what]


def file_name(printer: str, at_s: float) -> str:
    """Printer and moment, in UTC."""
    return f"{printer}-{datetime.fromtimestamp(at_s, UTC):%Y%m%dT%H%M%SZ}.txt"


def composed(head: Sequence[str], lines: Sequence[str]) -> bytes:
    """Head and lines as a file of at most MAX_BYTES: the newest lines stay."""
    first = "".join(f"# {_plain(line)}\n" for line in head).encode()
    room, kept = MAX_BYTES - len(first), []
    for line in reversed(lines):
        encoded = f"{_plain(line)}\n".encode()
        room -= len(encoded)
        if room < 0:
            break
        kept.append(encoded)
    return first + b"".join(reversed(kept))


def _plain(line: str) -> str:
    """What a machine said may hold anything, but is shown on a terminal: a sign in the place of what that would obey."""
    return "".join(character if character.isprintable() else "\ufffd" for character in line)


def write(folder: Path, name: str, content: bytes, *, reserve_bytes: int) -> bool:
    """Keep a transcript and let the oldest go; False when `reserve_bytes` would not stay free, or it cannot be written."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        free = free_bytes(folder)
        if free is None or free < reserve_bytes + len(content):
            return False
        path = folder / name
        path.touch(mode=0o600)
        path.write_bytes(content)
        _let_go(_oldest_first(folder))
    except OSError:
        with suppress(OSError):
            (folder / name).unlink(missing_ok=True)  # half of one says nothing, and takes room
        return False
    return True


def _printer_of(name: str) -> str:
    return name.rpartition("-")[0]


def _oldest_first(folder: Path) -> list[Path]:
    with suppress(OSError):
        return sorted((path for path in folder.iterdir() if _NAME.fullmatch(path.name)), key=lambda path: path.stat().st_mtime_ns)
    return []


def _let_go(oldest_first: list[Path]) -> None:
    kept: dict[str, int] = {}
    for number, path in enumerate(reversed(oldest_first)):
        printer = _printer_of(path.name)
        kept[printer] = kept.get(printer, 0) + 1
        if number >= MAX_FILES or kept[printer] > MAX_OF_A_PRINTER:
            path.unlink(missing_ok=True)


def listed(data: Path) -> list[Kept]:
    """The transcripts in this data folder, newest first."""
    files: Iterable[Path] = reversed(_oldest_first(data / FOLDER))
    return [Kept(path.name, _printer_of(path.name), path.stat().st_size) for path in files]


def read(data: Path, name: str) -> str:
    """One transcript. NotFoundError: there is none of this name."""
    path = data / FOLDER / name
    if _NAME.fullmatch(name) is None or not path.is_file():
        raise NotFoundError(
            Bilingual(f"There is no transcript {name!r}.", f"Il n'y a pas de transcription {name!r}."),
            next_step=Bilingual(
                "`farm node transcripts` names those that are here.", "`farm node transcripts` nomme celles qui sont ici."
            ),
        )
    return path.read_text("utf-8", "replace")
