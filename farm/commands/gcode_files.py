"""Files of G-code at the command line: opened whatever they are packed in, read by the fastest engine there is, with a bar."""

import io
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from farm.commands.gcode_bounds import PLAIN_BYTES, bounded
from farm.errors import InvalidError, NotFoundError, TooLargeError
from farm.language import spoken, system_words
from gcode.checks import Inspection
from gcode.containers import ContainerError, Limits, open_program
from gcode.containers.kinds import Kind
from gcode.profile import PrinterProfile
from gcode.texts import Bilingual, BilingualError, told

BAR_FROM_BYTES: Final = 5_000_000  # below it nobody waits long enough to look
_CHUNK_BYTES: Final = 1024 * 1024
Progress = Callable[[int], None]


class Engine(StrEnum):
    """What reads a file. All give the same facts; `auto` takes the fastest that is there."""

    AUTO = "auto"
    KERNEL = "kernel"
    NUMPY = "numpy"
    PYTHON = "python"


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """A program of a person: `stream` is its plain text and can seek; `thumbnails` are those of what it was packed in."""

    path: Path
    kind: Kind
    stream: BinaryIO
    size_bytes: int  # of the plain text
    thumbnails: tuple[Any, ...] = ()


def readable(path: Path) -> BinaryIO:
    """Open a file of a person; `-` is standard input. What cannot seek (a pipe) is copied first.

    Raises:
        NotFoundError: there is no such file.
        InvalidError: it cannot be read.

    """
    try:
        file = sys.stdin.buffer if str(path) == "-" else path.open("rb")
        return cast("BinaryIO", file if file.seekable() else _copied(file))
    except IsADirectoryError:
        raise InvalidError(
            Bilingual(f"{path} is a folder.", f"{path} est un dossier."),
            next_step=Bilingual("Name a file in it.", "Nommez un fichier qui s'y trouve."),
        ) from None
    except FileNotFoundError:
        raise NotFoundError(
            Bilingual(f"There is no file {path}.", f"Il n'y a pas de fichier {path}."),
            next_step=Bilingual("Check its name.", "Vérifiez son nom."),
        ) from None
    except OSError as error:
        raise InvalidError(
            Bilingual(f"{path} cannot be read: {error.strerror}.", f"{path} ne peut pas être lu : {system_words(error).fr}."),
            next_step=Bilingual("Check its rights.", "Vérifiez ses droits."),
        ) from error


def _copied(pipe: BinaryIO) -> BinaryIO:
    with pipe, ExitStack() as unless_whole:
        copy = unless_whole.enter_context(tempfile.TemporaryFile())
        while chunk := pipe.read(_CHUNK_BYTES):
            copy.write(chunk)
            if copy.tell() > PLAIN_BYTES:
                raise TooLargeError(
                    Bilingual("What comes through the pipe is larger than 1 GiB.", "Ce qui vient par le tube dépasse 1 Gio."),
                    next_step=Bilingual("Give the file itself.", "Donnez le fichier lui-même."),
                )
        copy.seek(0)
        unless_whole.pop_all()  # its reader closes it
    return cast("BinaryIO", copy)


def written(output: Path, pieces: Iterable[bytes], total_bytes: int) -> int:
    """Write a file for a person; what was there stays until the new one is whole. Returns its size, bytes.

    Raises:
        InvalidError: it cannot be written.

    """
    special = output.exists() and not output.is_file()  # /dev/stdout: never replaced
    fresh = output if special else output.with_name(f".{output.name}.new")
    size_bytes = 0
    try:
        with fresh.open("wb") as file, bar(total_bytes, output.name) as progress:
            for piece in pieces:
                size_bytes += file.write(piece)
                progress(size_bytes)
        if not special:
            fresh.replace(output.resolve() if output.is_symlink() else output)
    except OSError as error:
        raise InvalidError(
            Bilingual(
                f"{output} cannot be written: {error.strerror}.", f"{output} ne peut pas être écrit : {system_words(error).fr}."
            ),
            next_step=Bilingual("Choose another place.", "Choisissez un autre endroit."),
        ) from error
    finally:
        if not special:
            fresh.unlink(missing_ok=True)
    return size_bytes


@contextmanager
def opened(path: Path, *, plate: int | None = None) -> Iterator[OpenedFile]:
    """Open a program: what is packed is unpacked into a temporary file first. Whatever reads it is bounded.

    Raises:
        NotFoundError: there is no such file.
        InvalidError: it cannot be read, or is no program.
        TooLargeError: it takes more memory or time than a file may.

    """
    with ExitStack() as stack, gcode_errors(path):
        stack.enter_context(bounded(path.name))
        file = stack.enter_context(readable(path))
        size_bytes = file.seek(0, os.SEEK_END)
        file.seek(0)
        program = open_program(file, plate=plate, limits=Limits(expanded_bytes=PLAIN_BYTES))
        if program.kind is Kind.GCODE:
            file.seek(0)
            yield OpenedFile(path, program.kind, file, size_bytes)
            return
        plain = cast("BinaryIO", stack.enter_context(tempfile.TemporaryFile()))
        with bar(size_bytes, spoken(Bilingual(f"unpacking {path.name}", f"décompression de {path.name}"))) as progress:
            while chunk := program.stream.read(_CHUNK_BYTES):
                plain.write(chunk)
                progress(min(file.tell(), size_bytes))
        size_bytes = plain.tell()
        plain.seek(0)
        yield OpenedFile(path, program.kind, plain, size_bytes, program.thumbnails)


@contextmanager
def gcode_errors(path: Path) -> Iterator[None]:
    """Errors of `gcode` as those that reach a person."""
    try:
        yield
    except ContainerError as error:
        named = Bilingual(f"{path.name}: {error.bilingual.en}", f"{path.name} : {error.bilingual.fr}")
        raise InvalidError(named, next_step=error.next_step, code=error.code) from error
    except BilingualError as error:
        raise InvalidError(error.bilingual, next_step=error.next_step, code=error.code) from error


@contextmanager
def bar(total_bytes: int, label: str) -> Iterator[Progress]:
    """A bar on standard error while a big file is read; on a terminal only."""
    if total_bytes < BAR_FROM_BYTES or not sys.stderr.isatty():
        yield lambda _done_bytes: None
        return
    from rich.console import Console  # noqa: PLC0415 - 10 MB that only a person at a terminal needs
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn  # noqa: PLC0415
    from rich.progress import Progress as RichProgress  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with RichProgress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(label, total=total_bytes)
        yield lambda done_bytes: shown.update(task, completed=done_bytes)


class _Watched(io.RawIOBase):
    """A stream that tells how far it was read, for the engine that has no progress of its own."""

    def __init__(self, stream: BinaryIO, progress: Progress) -> None:
        self._stream = stream
        self._progress = progress

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        content = self._stream.read(size)
        self._progress(self._stream.tell())
        return content

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()


def inspected(file: OpenedFile, known: list[PrinterProfile], engine: Engine) -> tuple[Inspection, str]:
    """Facts and a report for each profile, with the name of the engine that found them.

    Raises:
        InvalidError: the engine that was asked for is not there.

    """
    with bar(file.size_bytes, file.path.name) as progress:
        if engine is not Engine.PYTHON:
            try:
                from gcode.scan import engine as scan  # noqa: PLC0415 - NumPy, which a node has not
                from gcode.scan import kernel  # noqa: PLC0415
            except ImportError as error:
                if engine is not Engine.AUTO:
                    raise InvalidError(
                        Bilingual("This engine needs NumPy.", "Ce moteur a besoin de NumPy."),
                        next_step=told("pip install 'essaim[daemon]'"),
                    ) from error
            else:
                if engine is Engine.KERNEL and not kernel.available():
                    raise InvalidError(
                        Bilingual("The compiled kernel is not there.", "Le noyau compilé n'est pas là."),
                        next_step=Bilingual(
                            "Install a C compiler, or use --engine numpy.",
                            "Installez un compilateur C, ou prenez --engine numpy.",
                        ),
                    )
                wanted = {Engine.KERNEL: True, Engine.NUMPY: False}.get(engine)
                found = scan.inspect(file.stream, known, kernel=wanted, progress=progress)
                return found, "kernel" if wanted or (wanted is None and kernel.available()) else "numpy"
        from gcode.checks import inspect  # noqa: PLC0415

        return inspect(cast("BinaryIO", _Watched(file.stream, progress)), known), "python"
