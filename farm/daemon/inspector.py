"""The process that reads a stranger's file: `python -m farm.daemon.inspector`, what to do on standard input.

It opens whatever container the file is, writes the cleaned plain G-code beside it, finds facts and verdicts for all profiles in one
pass, and draws pictures. What a file may do to a reader stays here: memory, time and files are limited, and what goes back is JSON
and PNG in frames (`kind`, length, content), never a pickle. `farm.daemon.inspection` is the other end.
"""

import errno
import hashlib
import io
import json
import math
import os
import pickle
import resource
import struct
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

if TYPE_CHECKING:
    from gcode.checks import CheckReport, Inspection
    from gcode.containers import OpenedProgram
    from gcode.facts import GcodeFacts
    from gcode.profile import PrinterProfile

HEAD: Final = struct.Struct(">cI")
_PROGRESS_EVERY_S: Final = 0.1
_PIECE_BYTES: Final = 1024**2
_WIDTH_PX: Final = 960
_HEIGHT_PX: Final = 720
_THUMBNAIL_PX: Final = 320
_LARGEST: Final = 1e12
_LAST_CPU_S: Final = 5
_MAX_FACTS_BYTES: Final = 512 * 1024  # 20,000 layers are more: then the table of layers is left out
_MAX_REPORT_BYTES: Final = 64 * 1024


class Kind(Enum):
    """What a frame holds."""

    PROGRESS = b"p"  # JSON: {"step", "done", "of"}
    RESULT = b"r"  # JSON: `farm.daemon.inspection.Checked`
    PREVIEW = b"d"  # PNG
    THUMBNAIL = b"t"  # PNG
    PROBLEM = b"x"  # JSON: PROBLEM_FIELDS


PROBLEM_FIELDS: Final = ("code", "detail", "detail_fr", "next_step", "next_step_fr")
NO_MEMORY: Final = 12  # exit codes
NO_ROOM: Final = 28
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


@dataclass(frozen=True, slots=True)
class Task:
    """What to do. `profiles`: the first one is the file's own; its motion limits count where the file names none.

    `memory_bytes` bounds the data of the process (RLIMIT_DATA), `plain_bytes` what it may write, `cpu_s` its CPU time.
    """

    source: Path
    plain: Path
    profiles: "tuple[PrinterProfile, ...]"
    density_g_cm3: float
    memory_bytes: int
    plain_bytes: int
    cpu_s: int
    niceness: int

    @property
    def changed(self) -> Path:
        """Where the plain file is made anew, with the start and end code of its profile."""
        return self.plain.with_name(f"{self.plain.name}.house")


class Speaker:
    """Writes frames to the parent."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._said_s = 0.0

    def say(self, kind: Kind, content: bytes) -> None:
        """One frame."""
        self._stream.write(HEAD.pack(kind.value, len(content)) + content)
        self._stream.flush()

    def progress(self, step: str, of_bytes: int) -> Callable[[int], None]:
        """What a reader calls with the bytes that it has read so far; some of it is told."""

        def tell(done_bytes: int) -> None:
            if (now_s := time.monotonic()) - self._said_s >= _PROGRESS_EVERY_S:
                self._said_s = now_s
                self.say(Kind.PROGRESS, json.dumps({"step": step, "done": done_bytes, "of": of_bytes}).encode())

        self._said_s = 0.0
        tell(0)
        return tell


def bounded(task: Task) -> None:
    """Give this process its limits; they cannot be raised again."""
    os.nice(task.niceness)
    for limit, value in (
        (resource.RLIMIT_DATA, task.memory_bytes),
        (resource.RLIMIT_FSIZE, task.plain_bytes),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (value, value))
    resource.setrlimit(resource.RLIMIT_CPU, (task.cpu_s, task.cpu_s + _LAST_CPU_S))  # SIGXCPU says why; SIGKILL would not


def plain_copy(task: Task, progress: Callable[[int], None]) -> "tuple[str, OpenedProgram]":
    """Write the cleaned plain G-code of `task.source` to `task.plain`; return its SHA-256, and what the source says of itself.

    Raises:
        ContainerError: it is no program, is damaged, or unpacks to more than it may.
        HouseBlocksError: its profile's start and end code cannot take the place of its own.

    """
    from gcode.containers import Limits, open_program  # noqa: PLC0415 - so that the parent, which imports this module, stays small
    from gcode.transforms import cleaned  # noqa: PLC0415

    digest = hashlib.sha256()
    with task.source.open("rb") as source, task.plain.open("wb") as plain:
        opened = open_program(source, limits=Limits(expanded_bytes=task.plain_bytes))
        for piece in cleaned(opened.stream):
            digest.update(piece)
            plain.write(piece)
            progress(source.tell())
    if task.profiles and task.profiles[0].house_blocks:
        digest = _with_house_blocks(task)
    return digest.hexdigest(), opened


def _with_house_blocks(task: Task) -> "hashlib._Hash":
    """Put the start and end code of the file's profile into the plain file. HouseBlocksError: that would change what is printed."""
    from gcode.house import plan_house_blocks  # noqa: PLC0415

    changed = task.changed
    digest = hashlib.sha256()
    try:
        with task.plain.open("rb") as plain, changed.open("wb") as file:
            for piece in plan_house_blocks(plain, task.profiles[0]).apply(plain):
                digest.update(piece)
                file.write(piece)
        changed.replace(task.plain)
    finally:
        changed.unlink(missing_ok=True)
    return digest


def inspection_of(task: Task, claims: Mapping[str, str], progress: Callable[[int], None]) -> "Inspection":
    """Facts and verdicts of the plain file: the one place that says with which engine."""
    from gcode.scan.engine import inspect  # noqa: PLC0415 - so that the parent, which imports this module, stays small

    with task.plain.open("rb") as stream:
        return inspect(stream, task.profiles, density_g_cm3=task.density_g_cm3, claims=claims, progress=progress)


def trust_of(report: "CheckReport") -> str:
    """What a person must answer for: rules that need trust, and how often each is broken, as words."""
    return " ".join(sorted(f"{found.rule.id}={found.count}" for found in report.findings if found.severity == "trust"))


def report_row(report: "CheckReport") -> dict[str, Any]:
    """A report as it is stored; the hits of one that is too large are left out."""
    from gcode.report import report_json  # noqa: PLC0415 - as above

    row = {**report_json(report), "trust": trust_of(report)}
    if len(json.dumps(row)) > _MAX_REPORT_BYTES:
        row["findings"] = [{**found, "hits": []} for found in row["findings"]]
    return row


def finite(value: Any) -> Any:
    """The same without NaN and infinity, which JSON does not know: None stands there. A file may name any number."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    return [finite(item) for item in value] if isinstance(value, list | tuple) else value


def facts_of(facts: "GcodeFacts") -> dict[str, Any]:
    """The facts as JSON; the table of layers is left out when there are too many."""
    from gcode.report import facts_json  # noqa: PLC0415 - as above

    told: dict[str, Any] = finite(facts_json(facts))
    if len(json.dumps(told)) > _MAX_FACTS_BYTES:
        told["layer_table"] = []
    return told


def _figure(value: float) -> float:
    return max(-_LARGEST, min(_LARGEST, value)) if not math.isnan(value) else 0.0


def summary_of(facts: "GcodeFacts") -> dict[str, Any]:
    """The figures that the farm reckons with."""
    box = facts.extruding
    return {
        "size_bytes": facts.size_bytes,
        "time_s": _figure(facts.time_s),
        "filament_mm": _figure(facts.filament_mm),
        "filament_g": _figure(facts.filament_g),
        "layers": facts.layers,
        "width_mm": _figure(box.max_x) if box is not None else 0.0,
        "depth_mm": _figure(box.max_y) if box is not None else 0.0,
        "height_mm": _figure(box.max_z) if box is not None else 0.0,
    }


def work(task: Task, speaker: Speaker) -> None:
    """Do the task, and tell what was found."""
    size_bytes = task.source.stat().st_size
    sha256, opened = plain_copy(task, speaker.progress("opening", size_bytes))
    found = inspection_of(task, opened.claims, speaker.progress("checking", task.plain.stat().st_size))
    result = {
        "sha256": sha256,
        "kind": opened.kind.value,
        "summary": summary_of(found.facts),
        "facts": facts_of(found.facts),
        "reports": [report_row(report) for report in found.reports],
    }
    speaker.say(Kind.RESULT, json.dumps(result).encode())
    draw(task, speaker)


def draw(task: Task, speaker: Speaker) -> None:
    """Pictures: our own of the whole part, and the slicer's, decoded and made anew. A file without them is as good."""
    from gcode.preview import preview_png  # noqa: PLC0415 - as above
    from gcode.texts import BilingualError  # noqa: PLC0415

    speaker.progress("drawing", task.plain.stat().st_size)
    try:
        with task.plain.open("rb") as stream:
            preview = preview_png(stream, view="isometric", profile=task.profiles[0], width_px=_WIDTH_PX, height_px=_HEIGHT_PX)
        speaker.say(Kind.PREVIEW, preview)
        with task.source.open("rb") as source:
            speaker.say(Kind.THUMBNAIL, thumbnail_of(source, preview))
    except (BilingualError, MemoryError):
        return


def thumbnail_of(source: BinaryIO, preview: bytes) -> bytes:
    """The slicer's best picture as a small PNG, or ours. ContainerError: the file is damaged."""
    from PIL import Image  # noqa: PLC0415 - as above

    from gcode.thumbnails import best, thumbnails  # noqa: PLC0415

    picture = best(thumbnails(source), max_side_px=_THUMBNAIL_PX)
    if picture is not None and picture.format == "png":
        return picture.data
    with Image.open(io.BytesIO(preview if picture is None else picture.data)) as image:
        image.thumbnail((_THUMBNAIL_PX, _THUMBNAIL_PX))
        made = io.BytesIO()
        image.save(made, "PNG")
    return made.getvalue()


def main(arguments: Sequence[str] = ()) -> int:
    """Be the process."""
    del arguments
    task: Task = pickle.load(sys.stdin.buffer)  # noqa: S301 - it comes from our own parent
    bounded(task)
    speaker = Speaker(sys.stdout.buffer)
    from gcode.texts import BilingualError  # noqa: PLC0415

    try:
        work(task, speaker)
    except BilingualError as error:
        texts = (error.code, *error.bilingual, *error.next_step)
        speaker.say(Kind.PROBLEM, json.dumps(dict(zip(PROBLEM_FIELDS, texts, strict=True))).encode())
    except MemoryError:
        return NO_MEMORY
    except OSError as error:
        if error.errno in _NO_ROOM:
            return NO_ROOM
        raise
    return 0


if __name__ == "__main__":
    sys.exit(main())
