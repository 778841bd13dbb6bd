"""A driver on a real OctoPrint, what it tells, and the programs to print: shared by the tests of the OctoPrint driver."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from drivers.base import PrintEnd, PrintEnded, PrinterState
from drivers.octoprint.address import parse_address
from drivers.octoprint.client import Client
from drivers.octoprint.printer import OctoPrintDriver
from drivers.octoprint.timing import Timing
from drivers.testing import Heard
from farm.addresses import free_port
from farm.ids import new_id
from tests.integration.octoprint_server import OctoPrintServer
from tests.patience import PATIENCE_S

# a move of 20 mm at 10 mm/s lasts two seconds on a real printer and 0.2 s on OctoPrint's virtual one
SHORT: Final = b"M220 S100000\nM140 S60\nM190 S60\nM109 S210\nG28\nG90\n" + b"".join(
    b"G1 X%d Y%d E1\n" % (number % 180, number % 150) for number in range(400)
)
LONG: Final = b"M220 S100\nM109 S210\nG90\n" + b"".join(b"G1 X%d Y10 E1 F600\n" % (10 + 20 * (i % 2)) for i in range(3000))
# two seconds, during which something can happen to it
SOME_SECONDS: Final = b"M220 S100\nG90\n" + b"".join(b"G1 X%d Y10 F600\n" % (10 + 20 * (i % 2)) for i in range(10))

QUICK: Final = Timing(poll_s=5.0, first_wait_s=0.3, longest_wait_s=1.0, refused_wait_s=1.0, poll_alone_s=0.5, push_wait_s=1.0)


class Listener(Heard):
    """Keeps what a driver tells."""

    @property
    def notes(self) -> set[str]:
        return {status.note for status in self.statuses if status.note}


async def until(what: Callable[[], object], timeout_s: float = 90.0) -> None:
    """Wait until `what` is true; pytest's time limit is the outer one."""
    async with asyncio.timeout(timeout_s):
        while not what():  # noqa: ASYNC110 - what is waited for is in another process as often as in this one
            await asyncio.sleep(0.02)


def new_client(server: OctoPrintServer, *, key_file: Path | None = None) -> Client:
    """The driver's client, its key read, outside of a driver. Close it."""
    url = f"octoprint+http://127.0.0.1:{server.port}?key_file={key_file or server.key_file}"
    client = Client(parse_address(urlsplit(url)))
    client.use_key(client.address.read_key())
    return client


class Bench:
    """One driver on one server; `url` when it is not reached directly."""

    def __init__(self, server: OctoPrintServer, folder: Path, *, timing: Timing = QUICK, url: str | None = None) -> None:
        self.server = server
        self.folder = folder
        self.timing = timing
        self.url = url or server.printer_url
        self.listener = Listener()
        self.driver = self.new_driver()

    def new_driver(self) -> OctoPrintDriver:
        return OctoPrintDriver(parse_address(urlsplit(self.url)), self.listener, self.timing)

    @property
    def has_push(self) -> bool:
        return self.driver._watch._push is not None

    def program(self, content: bytes) -> Path:
        path = self.folder / f"program-{len(content)}.gcode"
        path.write_bytes(content)
        return path

    async def start(self, content: bytes = LONG) -> str:
        job = new_id("job")
        await self.driver.start(self.program(content), job)
        return job

    async def person(self, action: Callable[..., object], *arguments: object) -> None:
        await asyncio.to_thread(action, *arguments)

    async def end(self, timeout_s: float = 90.0) -> PrintEnded:
        await until(lambda: self.listener.ends, timeout_s)
        assert len(self.listener.ends) == 1
        return self.listener.ends[0]

    async def ended(self, job: str, end: PrintEnd) -> PrintEnded:
        """Wait for the one end that was told, and check whose and which it is."""
        ended = await self.end()
        assert (ended.job, ended.end) == (job, end), ended
        return ended

    async def state(self, *states: PrinterState, timeout_s: float = 90.0) -> None:
        await until(lambda: self.driver.status.state in states, timeout_s)

    async def job_at_server(self) -> tuple[str, str | None]:
        """(state, path of the selected file) as a person's browser sees them."""
        answer = await asyncio.to_thread(self.server.get, "/api/job")
        return answer["state"], answer["job"]["file"]["path"]

    async def counted(self, job: str) -> dict[str, object]:
        """Its print record once there is one: OctoPrint writes it in a thread of its own, after it has told the end."""
        async with asyncio.timeout(PATIENCE_S):
            while not (record := await self.record(job)):  # noqa: ASYNC110 - it is in another process
                await asyncio.sleep(0.1)
        return record

    async def record(self, job: str) -> dict[str, object]:
        """OctoPrint's print record of the file of `job`; empty when it has none."""
        file = await asyncio.to_thread(self.server.get, f"/api/files/local/farm/{job}.gcode")
        prints: dict[str, object] = file.get("prints") or {}
        return prints


@contextlib.asynccontextmanager
async def connected(
    server: OctoPrintServer, folder: Path, *, timing: Timing = QUICK, url: str | None = None
) -> AsyncIterator[Bench]:
    """A bench whose server is ready and whose driver is connected; closed on leaving."""
    await asyncio.to_thread(server.make_ready)
    bench = Bench(server, folder, timing=timing, url=url)
    try:
        await bench.driver.connect()
        yield bench
    finally:
        await bench.driver.close()


class Cable:
    """The network between a driver and its OctoPrint: a relay on a port of its own that can be cut and mended."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = free_port()  # the same after each cut
        self.carried_bytes = 0  # both ways, without the headers of TCP and IP

    async def mend(self) -> None:
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", self.port)

    async def cut(self) -> None:
        if self._server is None:
            return
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            self._tasks.discard(task)
            return
        ends = {writer, far_writer}
        self._writers |= ends
        try:
            await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))
        finally:
            self._writers -= ends
            for end in ends:
                end.transport.abort()
            self._tasks.discard(task)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                self.carried_bytes += len(data)
                writer.write(data)
                await writer.drain()
        writer.transport.abort()


@contextlib.asynccontextmanager
async def cable(server: OctoPrintServer) -> AsyncIterator[Cable]:
    """A whole cable to `server`."""
    between = Cable(server.port)
    await between.mend()
    try:
        yield between
    finally:
        await between.cut()
