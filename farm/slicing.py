"""Runs a slicer on a stranger's model: in a process group of its own with limits on time, memory and output, never through a shell.

What it may be given and what its answers mean is in `gcode.slicers`.
"""

import asyncio
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from farm.process import Child
from farm.threads import finished
from gcode.profile import PrinterProfile
from gcode.slicers import (
    EXECUTABLES,
    ModelKind,
    SliceOptions,
    SlicerLimitError,
    SlicerLog,
    SlicerMessage,
    SlicerMissingError,
    SlicerRefusedError,
    model_kind,
    plain_3mf,
    plain_stl,
    prusaslicer_arguments,
    prusaslicer_settings,
)
from gcode.texts import Bilingual

_WATCH_S: Final = 0.2
_DEATH_S: Final = 5.0  # the kernel takes a killed group down at once; a machine that swaps is slower
_NICENESS: Final = 10
_SUBJECTS: Final = {
    "time": Bilingual("time", "temps"),
    "memory": Bilingual("memory", "mémoire"),
    "output": Bilingual("room for the program", "place pour le programme"),
}

# Between fork and the slicer, as in farm.process: a preexec_fn in a program with threads may deadlock.
_LIMITER: Final = """\
import os, resource, signal, sys
for number in (signal.SIGXFSZ, signal.SIGPIPE):
    signal.signal(number, signal.SIG_DFL)  # Python ignores them, and what is ignored stays so
for name, value in zip(("RLIMIT_CPU", "RLIMIT_AS", "RLIMIT_FSIZE", "RLIMIT_CORE"), sys.argv[2:6]):
    hard = resource.getrlimit(getattr(resource, name))[1]
    value = int(value) if hard == resource.RLIM_INFINITY else min(int(value), hard)
    resource.setrlimit(getattr(resource, name), (value, value))
os.nice(int(sys.argv[1]))
try:
    os.execv(sys.argv[6], sys.argv[6:])
except OSError as error:
    sys.exit(f"{sys.argv[6]}: {error.strerror}")
"""


@dataclass(frozen=True, slots=True)
class SliceLimits:
    """What a run may take: seconds of real time (its CPU time may be four times that), bytes of address space, bytes written."""

    time_s: float = 600.0
    memory_bytes: int = 2 * 1024**3
    output_bytes: int = 256 * 1024**2


_USUAL: Final = SliceOptions()
_MODEST: Final = SliceLimits()


@dataclass(frozen=True, slots=True)
class Sliced:
    """A program that came of it, and what the slicer had to say."""

    path: Path
    size_bytes: int
    messages: tuple[SlicerMessage, ...]
    took_s: float


def find_slicer(configured: str | Path | None = None) -> Path:
    """The slicer's executable: `configured`, or the first of EXECUTABLES in PATH.

    Raises:
        SlicerMissingError: there is none.

    """
    wanted = EXECUTABLES if configured is None else (str(configured),)
    found = next((path for name in wanted if (path := shutil.which(name))), None)
    if found is None:
        raise SlicerMissingError(
            Bilingual(
                f"No slicer is installed ({', '.join(wanted)}): `apt install prusa-slicer`, or give its path.",
                f"Aucun trancheur n'est installé ({', '.join(wanted)}) : `apt install prusa-slicer`, ou donnez son chemin.",
            )
        )
    return Path(found).resolve()


async def slice_model(  # noqa: PLR0913 - the last four are for tests and for who watches
    path: Path,
    profile: PrinterProfile,
    output: Path,
    options: SliceOptions = _USUAL,
    *,
    limits: SliceLimits = _MODEST,
    slicer: str | Path | None = None,
    on_progress: Callable[[int, str], None] | None = None,
) -> Sliced:
    """Slice an STL or 3MF for a profile; `output` is written only when all went well. Cancel the task to end it early.

    Args:
        path: the model, known by its content.
        profile: the class of printers.
        output: where the program goes; a file that is there is replaced.
        options: layer height, material and the like.
        limits: what the run may take.
        slicer: the executable; None looks in PATH.
        on_progress: gets percent and the slicer's name of the step, in the loop.

    Raises:
        ModelError: no STL or 3MF, or larger than the limit.
        SettingsError: the options do not go with the profile.
        SlicerMissingError: no slicer here.
        SlicerRefusedError: it made no program; `messages` say why.
        SlicerLimitError: it took too long, too much memory or too much room.
        OSError: the model cannot be read, or the program not be written.

    """
    executable = find_slicer(slicer)
    settings = prusaslicer_settings(profile, options)
    with TemporaryDirectory(prefix="farm-slicing-") as name:
        folder = Path(name)
        model = await finished(partial(_prepare, path, folder, settings))
        arguments = prusaslicer_arguments(model, "out.gcode", "settings.ini", str(folder / "data"), options)
        run = _Run(folder, limits, on_progress)
        began_s = time.monotonic()
        code = await run.through([str(executable), *arguments])
        took_s = time.monotonic() - began_s
        result = folder / "out.gcode"
        run.judge(code, result)
        size_bytes = await finished(partial(_deliver, result, output))
    return Sliced(output, size_bytes, tuple(run.log.messages), took_s)


def _prepare(path: Path, folder: Path, settings: str) -> str:
    """Put the model and its settings into the folder; gives the model's name there, which is ours and no option."""
    (folder / "data").mkdir()
    (folder / "settings.ini").write_text(settings, "utf-8")
    with path.open("rb") as stream:
        kind = model_kind(stream)
        target = folder / f"model.{kind.value}"
        with target.open("wb") as copy:
            (plain_3mf if kind is ModelKind.THREE_MF else plain_stl)(stream, copy)
    return target.name


def _deliver(result: Path, output: Path) -> int:
    """Move the program to where it belongs, whole or not at all."""
    size_bytes = result.stat().st_size
    beside = output.with_name(f".{output.name}.{os.getpid()}.part")
    try:
        shutil.copyfile(result, beside)
        beside.replace(output)
    finally:
        beside.unlink(missing_ok=True)
    return size_bytes


class _Run:
    """One run of the slicer, from its start until its whole process group is gone."""

    def __init__(self, folder: Path, limits: SliceLimits, on_progress: Callable[[int, str], None] | None) -> None:
        self.log = SlicerLog()
        self._folder = folder
        self._limits = limits
        self._on_progress = on_progress
        self._over: str | None = None

    async def through(self, command: Sequence[str]) -> int:
        """Start it, listen and watch until it ends or is ended; gives its code."""
        child = await self._start(command)
        watching = asyncio.create_task(self._watch(child.pid))
        try:
            async with asyncio.timeout(self._limits.time_s):
                await child.wait()
        except TimeoutError:
            self._over = "time"
        finally:
            _kill_group(child.pid)
            watching.cancel()
            await asyncio.shield(_gone(child))
            await asyncio.gather(watching, return_exceptions=True)
        return await child.wait()

    async def _start(self, command: Sequence[str]) -> Child:
        limits = self._limits
        numbers = (int(limits.time_s * 4) + 1, limits.memory_bytes, limits.output_bytes, 0)
        limiter = [sys.executable, "-IS", "-c", _LIMITER, str(_NICENESS), *(str(number) for number in numbers), *command]
        environment = {"PATH": os.defpath, "HOME": str(self._folder), "TMPDIR": str(self._folder), "LC_ALL": "C"}
        return await Child.start(limiter, environment=environment, inherit=False, folder=self._folder, on_line=self._listen)

    def _listen(self, line: str) -> None:
        before = self.log.percent
        self.log.take(line)
        if self._on_progress is not None and self.log.percent != before:
            self._on_progress(self.log.percent, self.log.step)

    async def _watch(self, pid: int) -> None:
        """RLIMIT_FSIZE holds for each file; this holds for all of them together."""
        while True:
            await asyncio.sleep(_WATCH_S)
            if await asyncio.to_thread(_written_bytes, self._folder) > self._limits.output_bytes:
                self._over = "output"
                _kill_group(pid)
                return

    def judge(self, code: int, result: Path) -> None:
        """Raise what the end of the run means, unless it is good."""
        messages = self.log.messages
        limit = self._over or _limit_of(code, messages)
        if limit is not None:
            subject = _SUBJECTS[limit]
            raise SlicerLimitError(
                limit,
                Bilingual(
                    f"The slicer was ended because it took too much {subject.en}: simplify the model, or choose thicker layers.",
                    f"Le trancheur a été arrêté, trop gourmand en {subject.fr} : simplifiez le modèle ou épaississez les couches.",
                ),
                messages,
            )
        if code != 0 or not result.is_file() or not result.stat().st_size:
            why = self.log.why
            raise SlicerRefusedError(
                Bilingual(f"The slicer made no program. {why.en}", f"Le trancheur n'a pas fait de programme. {why.fr}"), messages
            )


def _limit_of(code: int, messages: Sequence[SlicerMessage]) -> str | None:
    """Which limit of the kernel ended it, if any."""
    if code == -signal.SIGXCPU:
        return "time"
    if code == -signal.SIGXFSZ:
        return "output"
    return "memory" if any(message.id == "no-memory" for message in messages) else None


def _written_bytes(folder: Path) -> int:
    """What the slicer wrote; the model and its settings are ours."""
    total = 0
    for path in folder.rglob("*"):
        if not path.name.startswith(("model.", "settings.")):
            with suppress(OSError):  # it was renamed this very moment
                total += path.stat().st_size
    return total


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


async def _gone(child: Child) -> None:
    """Wait until the process is reaped and none of its group runs."""
    await child.wait()
    deadline_s = time.monotonic() + _DEATH_S
    while time.monotonic() < deadline_s:
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return
        await asyncio.sleep(0.02)
