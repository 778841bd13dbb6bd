import asyncio
import base64
import hashlib
import http.server
import os
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog.testing

from farm.errors import TooLargeError
from farm.node.fetch import DamagedError, Source
from farm.node.files import Programs
from gcode.texts import told
from tests.unit.farm.node.fake_farm import until

BODY = os.urandom(200_000)


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Farm:
    """What the HTTP server of the test has and how it behaves."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.requests: list[tuple[str, str | None]] = []
        self.break_off_after: int | None = None
        self.status = 0
        self.ranges = True
        self.authorizations: set[str | None] = set()

    def add(self, content: bytes) -> str:
        self.files[sha(content)] = content
        return sha(content)


class Handler(http.server.BaseHTTPRequestHandler):
    farm: Farm

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.farm.requests.append((self.path, wanted))
        self.farm.authorizations.add(self.headers.get("Authorization"))
        name = self.path.split("/")[-2]
        content = self.farm.files.get(name)
        if self.farm.status or content is None:
            self.send_error(self.farm.status or 404)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.farm.ranges else 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        end = len(content) if self.farm.break_off_after is None else start + self.farm.break_off_after
        self.wfile.write(content[start:end])

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
    yield Source(f"http://127.0.0.1:{server.server_port}/farm/", "node-1", "secret")
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farm.node.files._FIRST_RETRY_S", 0.02)


class Cache:
    def __init__(self, folder: Path, source: Source, max_bytes: int = 1_000_000) -> None:
        self.changes = 0
        self.folder = folder / "programs"
        self.programs = Programs(self.folder, source, max_bytes=max_bytes, on_change=self.changed)

    def changed(self) -> None:
        self.changes += 1

    async def have(self, *shas: str) -> None:
        await until(lambda: set(shas) <= self.programs.present)

    def names(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()}


@pytest.fixture
async def cache(tmp_path: Path, source: Source) -> AsyncIterator[Cache]:
    made = Cache(tmp_path, source)
    yield made
    await made.programs.close()


async def test_a_program_is_fetched_verified_and_told(cache: Cache, farm: Farm) -> None:
    one = farm.add(BODY)
    cache.programs.want({one: len(BODY)})
    await cache.have(one)
    path = cache.programs.take(one)
    assert path is not None
    assert path.read_bytes() == BODY
    assert cache.changes == 1
    assert cache.names() == {f"{one}.gcode"}
    assert farm.requests == [(f"/farm/api/v1/programs/{one}/file", None)]
    assert farm.authorizations == {"Basic " + base64.b64encode(b"node-1:secret").decode()}


async def test_a_broken_transfer_is_resumed_where_it_broke(cache: Cache, farm: Farm) -> None:
    one = farm.add(BODY)
    farm.break_off_after = 70_000
    cache.programs.want({one: len(BODY)})
    await cache.have(one)
    assert [wanted for _, wanted in farm.requests] == [None, "bytes=70000-", "bytes=140000-"]
    assert cache.programs.path(one).read_bytes() == BODY


async def test_a_transfer_goes_on_after_a_restart(tmp_path: Path, source: Source, farm: Farm) -> None:
    one = farm.add(BODY)
    folder = tmp_path / "programs"
    folder.mkdir()
    (folder / f"{one}.gcode.part").write_bytes(BODY[:150_000])
    cache = Cache(tmp_path, source)
    cache.programs.want({one: len(BODY)})
    await cache.have(one)
    assert [wanted for _, wanted in farm.requests] == ["bytes=150000-"]
    await cache.programs.close()


async def test_a_server_without_ranges_sends_all_of_it_again(cache: Cache, farm: Farm) -> None:
    one = farm.add(BODY)
    cache.folder.mkdir()
    (cache.folder / f"{one}.gcode.part").write_bytes(b"x" * 1000)
    farm.ranges = False
    cache.programs.want({one: len(BODY)})
    await cache.have(one)
    assert cache.programs.path(one).read_bytes() == BODY


@pytest.mark.parametrize("rubbish", [b"x" * 1000, b"x" * len(BODY), b"x" * (len(BODY) + 5)])
async def test_a_part_that_is_no_part_of_it_is_thrown_away(cache: Cache, farm: Farm, rubbish: bytes) -> None:
    one = farm.add(BODY)
    cache.folder.mkdir()
    (cache.folder / f"{one}.gcode.part").write_bytes(rubbish)
    cache.programs.want({one: len(BODY)})
    await cache.have(one)
    assert cache.programs.path(one).read_bytes() == BODY


async def test_a_wrong_hash_is_never_present(cache: Cache, farm: Farm) -> None:
    one = sha(b"what was promised")
    farm.files[one] = b"something else..."
    with structlog.testing.capture_logs() as logs:
        cache.programs.want({one: 17})
        await until(lambda: len(farm.requests) >= 3)
    assert cache.programs.present == frozenset()
    assert cache.programs.problems[one].code == "program-damaged"
    assert [line["event"] for line in logs].count("program.missing") == 1, "once, not at every attempt"
    farm.files[one] = b"what was promised"
    await cache.have(one)
    assert cache.programs.problems == {}


async def test_after_a_damaged_one_the_plain_form_is_asked_for(cache: Cache, farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    """The farm's packed form may be what is damaged: it would be sent for ever."""
    asked = []

    def damaged(*_: object, plain: bool) -> None:
        asked.append(plain)
        if not plain:
            raise DamagedError(told("It arrived damaged."), next_step=told("Again."))

    monkeypatch.setattr("farm.node.files.fetch", damaged)
    one = farm.add(BODY)
    cache.programs.want({one: len(BODY)})
    await until(lambda: one in cache.programs.present)
    assert asked == [False, True]


async def test_more_than_promised_is_refused(cache: Cache, farm: Farm) -> None:
    one = farm.add(BODY)
    cache.programs.want({one: 1000})
    await until(lambda: one in cache.programs.problems)
    assert isinstance(cache.programs.problems[one], TooLargeError)
    assert cache.programs.path(one).with_name(f"{one}.gcode.part").stat().st_size == 0


@pytest.mark.parametrize(("status", "code"), [(404, "not-found"), (401, "not-allowed"), (500, "unreachable"), (416, "unreachable")])
async def test_a_refusal_is_told_and_asked_again(cache: Cache, farm: Farm, status: int, code: str) -> None:
    one = farm.add(BODY)
    farm.status = status
    cache.programs.want({one: len(BODY)})
    await until(lambda: one in cache.programs.problems)
    assert cache.programs.problems[one].code == code
    farm.status = 0
    await cache.have(one)


async def test_a_farm_that_does_not_answer(tmp_path: Path) -> None:
    cache = Cache(tmp_path, Source("http://127.0.0.1:9", "node-1", "secret"))
    cache.programs.want({"a" * 64: 5})
    await until(lambda: cache.programs.problems)
    assert cache.programs.problems["a" * 64].code == "unreachable"
    await cache.programs.close()


async def test_a_wrong_address_is_told(tmp_path: Path) -> None:
    cache = Cache(tmp_path, Source("ftp://farm", "node-1", "secret"))
    cache.programs.want({"a" * 64: 5})
    await until(lambda: cache.programs.problems)
    assert cache.programs.problems["a" * 64].code == "configuration"
    await cache.programs.close()


async def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, source: Source, farm: Farm) -> None:
    (tmp_path / "programs").touch()
    cache = Cache(tmp_path, source)
    cache.programs.want({farm.add(BODY): len(BODY)})
    await until(lambda: cache.programs.problems)
    assert next(iter(cache.programs.problems.values())).code == "cache-disk"
    await cache.programs.close()


async def test_a_file_from_before_is_verified_once_and_not_fetched(cache: Cache, farm: Farm) -> None:
    one = farm.add(BODY)
    cache.folder.mkdir()
    cache.programs.path(one).write_bytes(BODY)
    cache.programs.want({one: len(BODY)})
    await cache.have(one)
    assert farm.requests == []


async def test_a_file_that_rotted_is_fetched_again(cache: Cache, farm: Farm) -> None:
    one = farm.add(BODY)
    cache.folder.mkdir()
    cache.programs.path(one).write_bytes(b"y" + BODY[1:])
    cache.programs.want({one: len(BODY)})
    await cache.have(one)
    assert cache.programs.path(one).read_bytes() == BODY


async def test_a_file_that_somebody_deleted_is_noticed_and_fetched_again(cache: Cache, farm: Farm) -> None:
    one = farm.add(BODY)
    cache.programs.want({one: len(BODY)})
    await cache.have(one)
    cache.programs.path(one).unlink()
    assert cache.programs.take(one) is None
    assert one not in cache.programs.present
    await cache.have(one)
    assert cache.programs.take(one) is not None


async def test_the_least_recently_used_gives_way_and_never_what_is_needed(tmp_path: Path, source: Source, farm: Farm) -> None:
    cache = Cache(tmp_path, source, max_bytes=350)
    contents = [bytes([number]) * 100 for number in range(4)]
    first, second, third, fourth = (farm.add(content) for content in contents)
    cache.programs.want({first: 100, second: 100, third: 100})
    await cache.have(first, second, third)
    for age, one in enumerate((second, third, first)):
        os.utime(cache.programs.path(one), (age, age))
    cache.programs.want({fourth: 100}, keep=[second])
    await cache.have(fourth)
    await until(lambda: third not in cache.programs.present)
    assert cache.names() == {f"{one}.gcode" for one in (first, second, fourth)}, "second is older, but a job is printing it"
    cache.programs.want({first: 100, second: 100, third: 100, fourth: 100})
    await until(lambda: third in cache.programs.problems)
    assert "Raise [cache] max_bytes" in cache.programs.problems[third].next_step
    assert cache.programs.present == {first, second, fourth}
    cache.programs.want({third: 100}, keep=[first])
    await cache.have(third)
    await cache.programs.close()


async def test_a_start_does_not_touch_the_file_that_another_printer_prints(cache: Cache, farm: Farm) -> None:
    """A driver that sees its file written anew fails the job."""
    one = farm.add(BODY)
    cache.programs.want({one: len(BODY)})
    await cache.have(one)
    path = cache.programs.path(one)
    os.utime(path, (1, 1))
    assert cache.programs.take(one) == path
    assert path.stat().st_mtime_ns == 1_000_000_000
    assert path.stat().st_atime > 1, "the one that is used last goes last"


async def test_what_is_wanted_no_more_is_not_fetched_further(cache: Cache, farm: Farm) -> None:
    one = farm.add(BODY)
    farm.status = 500
    cache.programs.want({one: len(BODY)})
    await until(lambda: cache.programs.problems)
    cache.programs.want({})
    await until(lambda: not cache.programs._transfers)
    asked = len(farm.requests)
    farm.status = 0
    await asyncio.sleep(0.1)
    assert len(farm.requests) == asked
    assert cache.programs.problems == {}


async def test_wanted_again_while_it_is_being_given_up(cache: Cache, farm: Farm) -> None:
    """Two threads must never write one file."""
    one = farm.add(BODY)
    for _ in range(20):
        cache.programs.want({one: len(BODY)})
        await asyncio.sleep(0.001)
        cache.programs.want({})
    cache.programs.want({one: len(BODY)})
    await cache.have(one)
    assert cache.programs.path(one).read_bytes() == BODY


async def test_the_password_is_not_shown(source: Source) -> None:
    assert "secret" not in repr(source)


async def test_every_program_is_fetched_at_once_the_most_urgent_first(cache: Cache, farm: Farm) -> None:
    shas = [farm.add(os.urandom(1000)) for _ in range(6)]
    cache.programs.want(dict.fromkeys(shas, 1000))
    await cache.have(*shas)
    asked = [path.split("/")[-2] for path, _ in farm.requests]
    assert sorted(asked) == sorted(shas), "each once"
    assert set(asked[:2]) <= set(shas[:3]), "two at a time, in order"


async def test_transfers_side_by_side_do_not_go_over_the_limit_together(tmp_path: Path, source: Source, farm: Farm) -> None:
    cache = Cache(tmp_path, source, max_bytes=300_000)
    first, second = farm.add(BODY), farm.add(BODY[:150_000])
    cache.programs.want({first: len(BODY), second: 150_000})
    await cache.have(first)
    await until(lambda: second in cache.programs.problems)
    assert isinstance(cache.programs.problems[second], TooLargeError)
    assert sum(path.stat().st_size for path in cache.folder.iterdir()) <= 300_000
    cache.programs.want({second: 150_000})
    await cache.have(second)
    assert cache.names() == {f"{second}.gcode"}, "what nobody needs any more gave way"
    await cache.programs.close()


async def test_a_program_leaves_the_disk_room_for_the_ledger(
    tmp_path: Path, source: Source, farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = farm.add(BODY)
    free = len(BODY) + 999
    monkeypatch.setattr("farm.node.files.free_bytes", lambda _folder: free)
    programs = Programs(tmp_path / "programs", source, max_bytes=10**9, on_change=lambda: None, reserve_bytes=1000)
    programs.want({one: len(BODY)})
    await until(lambda: one in programs.problems)
    assert programs.problems[one].code == "cache-disk"
    assert farm.requests == []
    free += 1
    await until(lambda: one in programs.present)
    await programs.close()


async def test_on_a_short_disk_what_nobody_needs_gives_way(
    tmp_path: Path, source: Source, farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = Cache(tmp_path, source)
    old, needed, new = farm.add(BODY), farm.add(BODY[:1000]), farm.add(BODY[:90_000])
    cache.programs.want({old: len(BODY), needed: 1000})
    await cache.have(old, needed)
    monkeypatch.setattr("farm.node.files.free_bytes", lambda _folder: 0)
    cache.programs.want({new: 90_000, needed: 1000})
    await cache.have(new)
    assert cache.names() == {f"{needed}.gcode", f"{new}.gcode"}
    assert cache.programs.present == {needed, new}
    await cache.programs.close()
