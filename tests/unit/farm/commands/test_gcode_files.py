"""Files of G-code at the command line: how they are opened, written and read."""

import gzip
import io
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from farm.commands import gcode_files
from farm.commands.gcode_files import BAR_FROM_BYTES, Engine, bar, gcode_errors, inspected, opened, readable, written
from farm.errors import InvalidError, NotFoundError, TooLargeError
from gcode.containers.kinds import Kind
from gcode.profile import bundled_profiles
from gcode.scan import kernel
from gcode.texts import Bilingual, BilingualError
from tests.unit.gcode.samples import SMALL

PROFILE = bundled_profiles()["generic-210"]


def saved(folder: Path, content: bytes, name: str = "part.gcode") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def through_a_pipe(folder: Path, content: bytes) -> Path:
    """A named pipe that somebody else writes into."""
    path = folder / "pipe"
    os.mkfifo(path)
    threading.Thread(target=path.write_bytes, args=(content,), daemon=True).start()
    return path


def test_a_file_is_opened_where_it_begins(tmp_path: Path) -> None:
    with readable(saved(tmp_path, b"G28\n")) as file:
        assert (file.tell(), file.read()) == (0, b"G28\n")


def test_a_pipe_can_be_read_again(tmp_path: Path) -> None:
    content = b"G28\n" * 500_000
    with readable(through_a_pipe(tmp_path, content)) as file:
        assert file.seekable()
        assert file.read() == content
        file.seek(4)
        assert file.read(3) == b"G28"


def test_standard_input_is_named_by_a_dash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"G28\n")))
    with readable(Path("-")) as file:
        assert file.read() == b"G28\n"


def test_a_pipe_without_end_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gcode_files, "PLAIN_BYTES", 1000)
    monkeypatch.setattr(gcode_files, "_CHUNK_BYTES", 100)
    with pytest.raises(TooLargeError, match="larger than"):
        readable(through_a_pipe(tmp_path, b"x" * 1100))
    (tmp_path / "pipe").unlink()
    with readable(through_a_pipe(tmp_path, b"x" * 1000)) as file:
        assert len(file.read()) == 1000


def test_a_pipe_that_breaks_leaves_no_file_open(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, _buffer: object) -> int:
            raise OSError(5, "Input/output error")

    copy = io.BytesIO()
    monkeypatch.setattr("tempfile.TemporaryFile", lambda: copy)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(Broken())))
    with pytest.raises(InvalidError, match="Input/output error"):
        readable(Path("-"))
    assert copy.closed


def test_what_cannot_be_opened_is_told_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidError, match="is a folder") as folder:
        readable(tmp_path)
    with pytest.raises(NotFoundError, match="no file") as missing:
        readable(tmp_path / "none.gcode")
    with pytest.raises(InvalidError, match="cannot be read") as loop:
        readable(link_to_itself(tmp_path))
    for caught in (folder, missing, loop):
        assert str(tmp_path) in caught.value.bilingual.fr
        assert caught.value.bilingual.fr != caught.value.bilingual.en


def link_to_itself(folder: Path) -> Path:
    path = folder / "loop"
    path.symlink_to(path)
    return path


# -- writing


def test_a_file_is_written_whole_with_its_size(tmp_path: Path) -> None:
    output = saved(tmp_path, b"old", "out.gcode")
    assert written(output, iter((b"G28\n", b"", b"G1 X1\n")), 10) == 10
    assert output.read_bytes() == b"G28\nG1 X1\n"
    assert list(tmp_path.iterdir()) == [output]


def breaking() -> Iterator[bytes]:
    yield b"G28\n"
    raise RuntimeError("the program could not be made")


def test_what_was_there_stays_when_the_new_one_is_not_whole(tmp_path: Path) -> None:
    output = saved(tmp_path, b"old", "out.gcode")
    with pytest.raises(RuntimeError):
        written(output, breaking(), 10)
    assert output.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [output]


def test_behind_a_link_the_file_is_changed_and_the_link_stays(tmp_path: Path) -> None:
    target = saved(tmp_path, b"old", "target.gcode")
    link = tmp_path / "link.gcode"
    link.symlink_to(target)
    written(link, [b"new"], 3)
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_a_place_where_nothing_can_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidError, match="cannot be written") as caught:
        written(tmp_path / "none" / "out.gcode", [b"new"], 3)
    assert "ne peut pas être écrit" in caught.value.bilingual.fr
    assert written(Path("/dev/null"), [b"new"], 3) == 3
    assert Path("/dev/null").is_char_device(), "a device is never replaced"


# -- opening


@pytest.mark.parametrize("packed", [False, True])
def test_what_is_packed_is_the_same_text(tmp_path: Path, packed: bool) -> None:
    content = SMALL.encode()
    path = saved(tmp_path, gzip.compress(content) if packed else content, "part.gcode.gz" if packed else "part.gcode")
    with opened(path) as file:
        assert (file.path, file.size_bytes) == (path, len(content))
        assert file.kind is (Kind.GZIP if packed else Kind.GCODE)
        assert file.stream.tell() == 0
        assert file.stream.read() == content
        file.stream.seek(0)
        assert file.stream.read(3) == content[:3]
        stream = file.stream
    assert stream.closed


def test_a_damaged_file_is_told_by_name(tmp_path: Path) -> None:
    path = saved(tmp_path, gzip.compress(SMALL.encode() * 50)[:-30], "half.gcode.gz")
    with pytest.raises(InvalidError, match=r"half\.gcode\.gz: ") as caught, opened(path) as file:
        file.stream.read()
    assert caught.value.bilingual.fr.startswith("half.gcode.gz")


def test_errors_of_gcode_keep_their_words_and_their_code(tmp_path: Path) -> None:
    with pytest.raises(InvalidError) as caught, gcode_errors(tmp_path):
        raise BilingualError(Bilingual("english", "français"))
    assert caught.value.bilingual == Bilingual("english", "français")
    assert caught.value.code == BilingualError.code


# -- reading


@pytest.mark.parametrize("engine", Engine)
def test_every_engine_gives_the_same_facts(tmp_path: Path, engine: Engine) -> None:
    if engine is Engine.KERNEL and not kernel.available():
        pytest.skip("no compiler here")
    with opened(saved(tmp_path, SMALL.encode())) as file:
        found, name = inspected(file, [PROFILE], engine)
        file.stream.seek(0)
        oracle, _ = inspected(file, [PROFILE], Engine.PYTHON)
    assert found.facts.filament_mm == pytest.approx(oracle.facts.filament_mm)
    assert found.facts.layers == oracle.facts.layers
    assert found.reports[0].verdict is oracle.reports[0].verdict
    fastest = "kernel" if kernel.available() else "numpy"
    assert name == (fastest if engine is Engine.AUTO else engine.value)


def test_without_the_kernel_numpy_reads_and_who_asks_for_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "available", lambda: False)
    with opened(saved(tmp_path, SMALL.encode())) as file:
        assert inspected(file, [PROFILE], Engine.AUTO)[1] == "numpy"
        file.stream.seek(0)
        with pytest.raises(InvalidError, match="kernel is not there"):
            inspected(file, [PROFILE], Engine.KERNEL)


def test_without_numpy_plain_python_reads_unless_another_engine_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gcode.scan", None)
    with opened(saved(tmp_path, SMALL.encode())) as file:
        assert inspected(file, [PROFILE], Engine.AUTO)[1] == "python"
        file.stream.seek(0)
        for engine in (Engine.NUMPY, Engine.KERNEL):
            with pytest.raises(InvalidError, match="needs NumPy"):
                inspected(file, [PROFILE], engine)


# -- the bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("total_bytes", "terminal", "shows"),
    [(BAR_FROM_BYTES, True, True), (BAR_FROM_BYTES - 1, True, False), (BAR_FROM_BYTES, False, False)],
)
def test_a_bar_is_for_big_files_on_a_terminal(
    total_bytes: int, terminal: bool, shows: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stderr", screen)
    with bar(total_bytes, "part.gcode") as progress:
        progress(total_bytes // 2)
    assert ("part.gcode" in screen.getvalue()) == shows


def test_the_python_engine_tells_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []

    class Bar:
        def __init__(self, *_: object) -> None: ...

        def __enter__(self) -> object:
            return told.append

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(gcode_files, "bar", Bar)
    content = SMALL.encode() * 400
    with opened(saved(tmp_path, content)) as file:
        inspected(file, [PROFILE], Engine.PYTHON)
    assert max(told) == len(content)
