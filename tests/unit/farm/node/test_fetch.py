"""Fetching a program packed with zstd: resumed where it broke off, and by a farm that changes its mind."""

import errno
import hashlib
import http.server
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Final

import pytest
import zstandard

from farm.errors import FarmError, TooLargeError, UnreachableError
from farm.node.fetch import DamagedError, Source, fetch

PROGRAM: Final = b"".join(b"G1 X%d Y%d E0.%d\n" % (i * 7919 % 200, i * 104729 % 190, i * 31 % 97) for i in range(20_000))
SHA256: Final = hashlib.sha256(PROGRAM).hexdigest()


def zstd(content: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(content)


@dataclass
class Farm:
    """What it has, how it behaves, and what it was asked."""

    packed: bytes = field(default_factory=lambda: zstd(PROGRAM))
    etag: str = f'"{SHA256}-zstd-1-1"'
    packs: bool = True
    cut_after: int | None = None
    status: int | None = None
    asked: list[tuple[str | None, str | None, str | None]] = field(default_factory=list)


class Handler(http.server.BaseHTTPRequestHandler):
    farm: Farm

    def do_GET(self) -> None:
        farm = self.farm
        accepted, wanted, if_range = (self.headers.get(name) for name in ("Accept-Encoding", "Range", "If-Range"))
        farm.asked.append((accepted, wanted, if_range))
        if farm.status is not None:
            self.send_error(farm.status)
            return
        packs = farm.packs and "zstd" in (accepted or "")
        content, etag = (farm.packed, farm.etag) if packs else (PROGRAM, f'"{SHA256}"')
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and if_range in {None, etag} else 0
        if start >= len(content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if packs:
            self.send_header("Content-Encoding", "zstd")
        self.send_header("ETag", etag)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start:] if farm.cut_after is None else content[start : start + farm.cut_after])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def farm() -> Farm:
    return Farm()


@pytest.fixture
def source(farm: Farm) -> Iterator[Source]:
    handler = type("BoundHandler", (Handler,), {"farm": farm})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield Source(f"http://127.0.0.1:{server.server_port}/", "node-1", "secret")
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / f"{SHA256}.gcode"


def get(source: Source, target: Path, size_bytes: int = len(PROGRAM)) -> None:
    fetch(source, SHA256, size_bytes, target, Event())


def whole(target: Path) -> bool:
    return target.read_bytes() == PROGRAM and [path.name for path in target.parent.iterdir()] == [target.name]


def test_it_comes_packed(source: Source, target: Path, farm: Farm) -> None:
    get(source, target)
    assert whole(target)
    assert farm.asked == [("zstd, identity;q=0.5", None, None)]
    assert len(farm.packed) * 2 < len(PROGRAM)


def test_a_cut_transfer_goes_on_with_the_packed_form(source: Source, target: Path, farm: Farm) -> None:
    farm.cut_after = len(farm.packed) // 2 + 1
    with pytest.raises(UnreachableError, match="broke off"):
        get(source, target)
    get(source, target)
    assert whole(target)
    assert [asked[1:] for asked in farm.asked] == [(None, None), (f"bytes={farm.cut_after}-", farm.etag)]


def test_a_form_that_was_made_anew_is_fetched_from_its_beginning(source: Source, target: Path, farm: Farm) -> None:
    farm.cut_after = 1000
    with pytest.raises(UnreachableError):
        get(source, target)
    farm.cut_after, farm.etag, farm.packed = None, '"other"', zstandard.ZstdCompressor(level=9).compress(PROGRAM)
    get(source, target)
    assert whole(target)


def test_a_farm_that_does_not_pack_any_more(source: Source, target: Path, farm: Farm) -> None:
    farm.cut_after = 1000
    with pytest.raises(UnreachableError):
        get(source, target)
    farm.packs = False
    with pytest.raises(UnreachableError):
        get(source, target)
    farm.cut_after = None
    get(source, target)
    assert whole(target)
    assert [asked[1] for asked in farm.asked] == [None, "bytes=1000-", "bytes=1000-"], "the last one of the plain form"
    assert farm.asked[-1][0] == "identity"


def test_all_of_it_arrived_before_the_agent_ended(source: Source, target: Path, farm: Farm) -> None:
    etag = farm.etag.strip('"')
    (target.parent / f"{SHA256}.gcode.{etag}.zst.part").write_bytes(farm.packed)
    get(source, target)
    assert whole(target)
    assert len(farm.asked) == 1


def test_more_than_all_of_it_is_fetched_again(source: Source, target: Path, farm: Farm) -> None:
    etag = farm.etag.strip('"')
    (target.parent / f"{SHA256}.gcode.{etag}.zst.part").write_bytes(farm.packed + b"x")
    for _ in range(3):
        try:
            get(source, target)
            break
        except FarmError:
            continue
    assert whole(target)


@pytest.mark.parametrize("packed", [b"no zstd at all", zstd(PROGRAM)[:-5], zstd(PROGRAM[:-1]), zstd(b"x" + PROGRAM[1:])])
def test_what_is_damaged_is_thrown_away(source: Source, target: Path, farm: Farm, packed: bytes) -> None:
    right, farm.packed = farm.packed, packed
    with pytest.raises(DamagedError):
        get(source, target)
    assert list(target.parent.iterdir()) == []
    farm.packed = right
    get(source, target)
    assert whole(target)


def test_a_bomb_is_not_more_than_the_program(source: Source, target: Path, farm: Farm) -> None:
    farm.packed = zstd(bytes(100_000_000))
    with pytest.raises(DamagedError, match="more than"):
        get(source, target)
    assert list(target.parent.iterdir()) == []


def test_more_packed_bytes_than_the_program_has_are_refused(source: Source, target: Path, farm: Farm) -> None:
    farm.packed = bytes(len(PROGRAM) + 100_000)
    with pytest.raises(TooLargeError):
        get(source, target)


def test_a_node_without_zstandard_asks_for_the_plain_form(
    source: Source, target: Path, farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("farm.node.fetch.can_unpack", lambda: False)
    get(source, target)
    assert whole(target)
    assert farm.asked == [("identity", None, None)]


@pytest.mark.parametrize("cut_after", [0, 1])
def test_a_transfer_that_is_cut_at_once_is_no_trouble_of_the_disk(source: Source, target: Path, farm: Farm, cut_after: int) -> None:
    farm.cut_after = cut_after
    for etag in (farm.etag, '"no/file name"'):
        farm.etag = etag
        with pytest.raises(UnreachableError, match="broke off"):
            get(source, target)
    farm.cut_after = None
    get(source, target)
    assert whole(target)


def test_what_has_arrived_outlives_a_farm_that_answers_something_else_for_a_while(source: Source, target: Path, farm: Farm) -> None:
    farm.cut_after = 1000
    with pytest.raises(UnreachableError):
        get(source, target)
    for status in (503, 401, 404):
        farm.status = status
        with pytest.raises(FarmError):
            get(source, target)
    farm.status = farm.cut_after = None
    get(source, target)
    assert whole(target)
    assert farm.asked[-1][1] == "bytes=1000-"


def test_the_plain_form_may_be_asked_for(source: Source, target: Path, farm: Farm) -> None:
    fetch(source, SHA256, len(PROGRAM), target, Event(), plain=True)
    assert whole(target)
    assert farm.asked == [("identity", None, None)]


def test_a_full_disk_is_not_called_a_farm_that_does_not_answer(
    source: Source, target: Path, farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("farm.node.fetch.os.fsync", full)
    with pytest.raises(OSError, match="No space") as raised:
        get(source, target)
    assert raised.value.errno == errno.ENOSPC
