"""Has a file read in a process of its own, `farm.daemon.inspector`, and takes what it found.

Minutes of CPU must not slow the daemon's loop down, and what a file of a stranger may do to its reader stays in that process: its
memory, CPU, time and what it writes are limited, it has nothing of our environment, it dies with us, and what it says is JSON and
PNG of limited size, checked here before anything believes it.
"""

import asyncio
import os
import pickle
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from farm.bus.messages import Sha256
from farm.daemon.inspector import HEAD, NO_MEMORY, NO_ROOM, Kind, Task
from farm.process import bound_to_us
from gcode.profile import PrinterProfile
from scheduler.model import Verdict

TIMEOUT_S: Final = 900.0
# Of data. A file of 67 MB is checked within 96 MiB and drawn within 320 (measured; within 256 it is not drawn).
MEMORY_BYTES: Final = 384 * 1024**2
PLAIN_BYTES: Final = 1024**3  # of plain G-code: days of printing
_NICENESS: Final = 10
_MAX_FRAME_BYTES: Final = {
    Kind.PROGRESS: 1_000,
    Kind.RESULT: 4 * 1024**2,
    Kind.PREVIEW: 4 * 1024**2,
    Kind.THUMBNAIL: 4 * 1024**2,
    Kind.PROBLEM: 8_000,
}
_KEPT_ENVIRONMENT: Final = ("PATH", "LANG", "LC_ALL", "TMPDIR")
_ONE_THREAD: Final = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class InspectionError(Exception):
    """The process died or did not end: the file, or this machine, is at fault."""


class NoRoomError(InspectionError):
    """The disk is full."""


class UnreadableError(Exception):
    """It is no program that can be read: `problem` has code, detail, next_step, and both in French."""

    def __init__(self, problem: "Problem") -> None:
        super().__init__(problem.detail)
        self.problem = problem


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


_Figure = Field(ge=0, le=1e12, allow_inf_nan=False)


class Summary(_Told):
    """The figures that the farm reckons with: bytes, s, mm, g."""

    size_bytes: int = Field(ge=0, le=2**40)
    time_s: float = _Figure
    filament_mm: float = Field(allow_inf_nan=False)
    filament_g: float = Field(allow_inf_nan=False)
    layers: int = Field(ge=0, le=2**31 - 1)
    width_mm: float = Field(allow_inf_nan=False)
    depth_mm: float = Field(allow_inf_nan=False)
    height_mm: float = Field(allow_inf_nan=False)


class ProfileReport(_Told):
    """The verdict for one profile. `trust` is what a person must answer for; `findings` are shown as they are."""

    profile: str = Field(max_length=64)
    profile_revision: str = Field(max_length=64)
    rule_set: int
    verdict: Verdict
    trust: str = Field(max_length=4_000)
    findings: list[dict[str, Any]] = Field(max_length=500)


class Checked(_Told):
    """What was found in a file: of its plain G-code the SHA-256, facts, and reports in the order of the profiles.

    `kind` is what the upload was packed as: "gcode", "gzip", "zstd", "bgcode", "ufp" or "3mf".
    """

    sha256: Sha256
    kind: str = Field(max_length=20)
    summary: Summary
    facts: dict[str, Any]
    reports: list[ProfileReport] = Field(min_length=1, max_length=200)

    def summary_fields(self) -> dict[str, Any]:
        """The figures as fields of `scheduler.model.Program`."""
        fields = self.summary.model_dump()
        fields["estimated_s"] = fields.pop("time_s")
        return fields


class Problem(_Told):
    """Why a file cannot be read."""

    code: str = Field(max_length=80)
    detail: str = Field(max_length=1_000)
    detail_fr: str = Field(max_length=1_000)
    next_step: str = Field(max_length=1_000)
    next_step_fr: str = Field(max_length=1_000)


class Progress(_Told):
    """How far the reader is: bytes `done` `of` all, of this step ("opening", "checking", "drawing")."""

    step: str = Field(max_length=20)
    done: int = Field(ge=0)
    of: int = Field(ge=0)


@dataclass(slots=True)
class Found:
    """What the process said."""

    checked: Checked | None = None
    pictures: dict[Kind, bytes] = field(default_factory=dict)


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the process may take: real seconds, bytes of memory and of plain G-code; how much it gives way to others."""

    timeout_s: float = TIMEOUT_S
    memory_bytes: int = MEMORY_BYTES
    plain_bytes: int = PLAIN_BYTES
    niceness: int = _NICENESS


DEFAULT_BOUNDS: Final = Bounds()


async def inspect_apart(
    source: Path,
    plain: Path,
    profiles: Sequence[PrinterProfile],
    *,
    density_g_cm3: float,
    bounds: Bounds = DEFAULT_BOUNDS,
    on_progress: OnProgress = lambda _progress: None,
) -> Found:
    """Inspect `source` for `profiles` (the first is its own) and write its cleaned plain G-code to `plain`.

    Pictures come last: a file that cannot be drawn within the bounds is a good one without them.

    Raises:
        InspectionError: no result within the bounds, or none at all; NoRoomError: the disk is full.
        UnreadableError: the file is no program.

    """
    task = Task(
        source=source,
        plain=plain,
        profiles=tuple(profiles),
        density_g_cm3=density_g_cm3,
        memory_bytes=bounds.memory_bytes,
        plain_bytes=bounds.plain_bytes,
        cpu_s=max(1, int(bounds.timeout_s)),
        niceness=bounds.niceness,
    )
    found = Found()
    child = await asyncio.create_subprocess_exec(
        *bound_to_us([sys.executable, "-m", "farm.daemon.inspector"]),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=_environment(),
    )
    try:
        async with asyncio.timeout(bounds.timeout_s):
            await _talk(child, task, found, on_progress)
            await child.wait()
    except TimeoutError:
        if found.checked is None:
            raise InspectionError(f"no result after {bounds.timeout_s:g} s") from None
    finally:
        if child.returncode is None:
            child.kill()
        await child.communicate()  # what was not read would keep its pipe open
        await asyncio.to_thread(task.changed.unlink, missing_ok=True)  # who is killed removes nothing
    if found.checked is None and child.returncode == NO_ROOM:
        raise NoRoomError("the disk is full")
    if found.checked is None:
        raise InspectionError(_why(child.returncode))
    return found


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
    path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
    return {**kept, **_ONE_THREAD, "PYTHONPATH": path, "PYTHONUTF8": "1"}


async def _talk(child: asyncio.subprocess.Process, task: Task, found: Found, on_progress: OnProgress) -> None:
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(pickle.dumps(task))
    child.stdin.close()
    while (frame := await _frame(child.stdout)) is not None:
        kind, content = frame
        try:
            if kind is Kind.PROGRESS:
                on_progress(Progress.model_validate_json(content))
            elif kind is Kind.RESULT:
                found.checked = Checked.model_validate_json(content)
            elif kind is Kind.PROBLEM:
                raise UnreadableError(Problem.model_validate_json(content))
            else:
                found.pictures[kind] = content
        except ValidationError as error:
            raise InspectionError(f"its answer cannot be read ({error.error_count()} errors)") from error


async def _frame(stream: asyncio.StreamReader) -> tuple[Kind, bytes] | None:
    try:
        kind_code, size_bytes = HEAD.unpack(await stream.readexactly(HEAD.size))
        kind = Kind(kind_code)
        if size_bytes > _MAX_FRAME_BYTES[kind]:
            raise InspectionError(f"its answer is too large ({size_bytes} bytes)")
        return kind, await stream.readexactly(size_bytes)
    except asyncio.IncompleteReadError:
        return None
    except ValueError as error:
        raise InspectionError("its answer cannot be read") from error


def _why(code: int | None) -> str:
    if code == NO_MEMORY:
        return "it needs more memory than a file may take"
    if code == -signal.SIGXCPU:
        return "it takes more time than a file may take"
    return f"the process ended with code {code}" if code else "the process gave no result"
