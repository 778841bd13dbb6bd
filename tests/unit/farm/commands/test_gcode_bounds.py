"""What a stranger's file may take of this process, and that it gets it back."""

import gzip
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from farm.commands import gcode_bounds, gcode_files, gcode_read
from farm.commands.gcode_bounds import bounded
from farm.daemon import inspection
from farm.errors import InvalidError, TooLargeError
from gcode.frame import make_frame
from gcode.profile import bundled_profiles
from gcode.texts import told
from tests.patience import PATIENCE_S
from tests.unit.farm.commands.test_gcode_read import failed, run

MEBIBYTE = 1024**2
ROOT = Path(__file__).parents[4]


def test_the_bounds_are_those_of_the_daemon() -> None:
    ours = (gcode_bounds.MEMORY_BYTES, gcode_bounds.CPU_S, gcode_bounds.PLAIN_BYTES)
    assert ours == (inspection.MEMORY_BYTES, inspection.TIMEOUT_S, inspection.PLAIN_BYTES)


def test_what_needs_too_much_memory_is_told_and_the_process_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gcode_bounds, "MEMORY_BYTES", 16 * MEBIBYTE)
    with pytest.raises(TooLargeError, match=r"x\.gcode needs more memory .*16 MiB") as caught, bounded("x.gcode"):
        bytearray(64 * MEBIBYTE)
    assert caught.value.code == "gcode-memory"
    assert "16 Mio" in caught.value.detail_fr
    assert len(bytearray(64 * MEBIBYTE)) == 64 * MEBIBYTE, "and has its memory again"


def test_what_takes_too_much_time_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gcode_bounds, "CPU_S", 1)

    def read_for_ever() -> None:
        with bounded("x.gcode"):
            while True:
                zlib.crc32(b"G1 X1\n" * 100)

    with pytest.raises(TooLargeError) as caught:
        read_for_ever()
    assert caught.value.code == "gcode-time"
    assert caught.value.next_step_fr != caught.value.next_step


@pytest.mark.parametrize("which", [resource.RLIMIT_DATA, resource.RLIMIT_CPU])
def test_the_limits_are_as_before(which: int) -> None:
    before, handler = resource.getrlimit(which), signal.getsignal(signal.SIGXCPU)
    with bounded("x.gcode"):
        inside = resource.getrlimit(which)
        assert inside[0] != resource.RLIM_INFINITY
        assert inside[1] == before[1], "only the soft one: the hard one could not be raised again"
    assert resource.getrlimit(which) == before
    assert signal.getsignal(signal.SIGXCPU) is handler


def test_other_errors_pass() -> None:
    with pytest.raises(InvalidError, match="no program"), bounded("x.gcode"):
        raise InvalidError(told("no program"), next_step=told(""))


def test_a_thread_has_the_limit_of_memory_alone() -> None:
    seen: list[int] = []

    def work() -> None:
        with bounded("x.gcode"):
            seen.append(resource.getrlimit(resource.RLIMIT_DATA)[0])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(PATIENCE_S)
    assert seen[0] != resource.RLIM_INFINITY


# --- at the command line


@pytest.fixture(scope="module")
def frame(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("frames") / "frame.gcode"
    path.write_bytes(make_frame(bundled_profiles()["generic-210"]))
    return path


WORDS = {
    "facts": [],
    "check": ["-p", "generic-210"],
    "preview": ["-o", "x.png"],
    "thumbnail": ["-o", "x.png"],
    "clean": ["-o", "x.gcode"],
    "resume": ["-p", "creality-ender3-v2", "--layer", "3", "--part-is-good", "--motors-held", "-o", "x.gcode"],
}


@pytest.mark.parametrize("command", WORDS)
def test_every_command_that_reads_is_bounded(command: str, frame: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def crossed(name: str) -> Iterator[None]:
        yield
        raise TooLargeError(told(f"{name} is too much."), next_step=told(""))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(gcode_files, "bounded", crossed)
    monkeypatch.setattr(gcode_read, "bounded", crossed)
    assert failed(command, frame, *WORDS[command]).detail == "frame.gcode is too much."


# A process of its own: what is missing of memory while a module is loaded leaves it half loaded for every test that follows, and
# one that has had much memory before needs none. The first picture loads all.
PICTURES = """
import sys
from farm import cli
from farm.commands import gcode_bounds

def draw(width, picture):
    sys.argv = ["farm", "gcode", "preview", "--width", width, "-o", picture, sys.argv[-1]]
    try:
        cli.main()
    except SystemExit as ended:
        return ended.code or 0

first = draw("64", "small.png")
gcode_bounds.MEMORY_BYTES = 0
print(first, draw("2000", "x.png"))
"""


def test_a_picture_that_needs_too_much_memory_is_not_written(frame: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        [sys.executable, "-c", PICTURES, str(frame)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_S,
    )
    assert ended.stdout.splitlines()[-1] == "0 1"
    assert "needs more memory than a file may take" in ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["small.png"]


def test_a_bomb_is_an_error_and_not_a_full_disk(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.gcode.gz"
    with gzip.open(bomb, "wb", compresslevel=9) as file:
        file.write(b"G28\n")
        for _ in range(60):
            file.write(b"\n" * MEBIBYTE)
    assert bomb.stat().st_size < MEBIBYTE
    assert failed("facts", bomb).code == "ratio"


def test_a_whole_file_is_read_as_before(frame: Path) -> None:
    assert json.loads(run("facts", frame, "--json").stdout)["layers"] > 10
