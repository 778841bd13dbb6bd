"""Keeps watching one OctoPrint: session after session, by its live socket and by slow questions, until it is closed.

A session is: probe, passive login, socket, look, then events. It ends when the socket closes or nothing answers any more; the next
one begins after a jittered wait. Where no socket can be had, the questions are asked more often. Every session begins by looking:
what happened while we were away is known by its effects.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from drivers.base import PrintEnded
from drivers.errors import AddressError, AuthenticationError, DriverError, UnreachableError
from drivers.octoprint.client import AnswerError, Client
from drivers.octoprint.machine import Doubt, Effect, Machine
from drivers.octoprint.publisher import Publisher
from drivers.octoprint.push import Push, PushError, open_push
from drivers.octoprint.reading import APART, Phase, PrintRecord, Reading, reading_of_push

_T = TypeVar("_T")
_JITTER: Final = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class Timing:
    """How long things may take, seconds. Tests shorten them."""

    poll_s: float = 30.0  # questions beside a live socket: they find what events did not tell
    poll_alone_s: float = 5.0  # questions without a socket
    poll_busy_s: float = 1.0  # while the printer is being connected
    push_wait_s: float = 10.0  # until a socket is tried again where there was none; doubled with every failure
    push_retry_s: float = 300.0  # at most
    first_wait_s: float = 1.0  # doubled with every failure
    longest_wait_s: float = 60.0
    refused_wait_s: float = 300.0  # a wrong key does not get right by itself
    printer_connect_s: float = 30.0  # OctoPrint tries several baud rates
    printer_retry_s: float = 300.0
    printer_stuck_s: float = 120.0  # longer than OctoPrint takes to try every baud rate
    settle_s: float = 3.0  # OctoPrint's own verdict (PrintFailed, the print record) arrives within this time of its cause
    record_s: float = 1.5  # OctoPrint writes a file's print record in a thread, just after the event
    proof_s: float = 30.0  # from the start command until it provably prints
    blind_proof_s: float = 120.0  # the same while OctoPrint does not answer
    stall_s: float = 900.0  # heating a large bed in a cold room takes over ten minutes without a line sent


class Watch:
    """The background work of one driver, and the only way to its client."""

    def __init__(self, client: Client, publisher: Publisher, timing: Timing) -> None:
        self.machine = Machine(stall_s=timing.stall_s)
        self.version: str | None = None
        self._client = client
        self._publisher = publisher
        self._timing = timing
        self._pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="octoprint")  # one upload, one question
        self._news = asyncio.Event()
        self._wake = asyncio.Event()  # look or try again at once
        self._first: asyncio.Future[None] | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._settling = False
        self._push: Push | None = None
        self._push_wait_s = timing.push_wait_s
        self._connect_at_s = 0.0
        self._connect_wait_s = 0.0
        self._connecting_s: float | None = None
        self._session_s = 0.0

    # --- life ---------------------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Begin watching; return when the printer is there, raise what kept the first attempt from it. Goes on either way."""
        if self._first is None or self._first.done():
            self._first = asyncio.get_running_loop().create_future()
            self._first.add_done_callback(lambda first: first.cancelled() or first.exception())  # read, if nobody waits
            self._session_s = self.now_s()
            self._wake.set()
        if self._supervisor is None:
            self._supervisor = asyncio.create_task(self._supervise())
            self.publish()
        await asyncio.shield(self._first)

    async def close(self) -> None:
        """End everything in the background."""
        tasks = [task for task in (self._supervisor, *self._tasks) if task]
        for task in tasks:
            task.cancel()
        self._client.close()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._first:
            self._first.cancel()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._publisher.close()

    async def call(self, function: Callable[..., _T], *arguments: Any) -> _T:
        """Run a blocking method of the client in a thread of ours."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)

    def spawn(self, coroutine: Any) -> None:
        """Run a coroutine in the background until `close`; its `DriverError` is dropped, for the next look tells more."""
        task: asyncio.Task[None] = asyncio.create_task(_quietly(coroutine))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def now_s(self) -> float:
        """The clock of the machine's times."""
        return asyncio.get_running_loop().time()

    def publish(self) -> None:
        """Tell the listener what changed, and wake who waits for news."""
        self._publisher.offer(self.machine.status(self.now_s()))
        self._news.set()

    async def wait_news(self, timeout_s: float) -> None:
        """Wait until something was published, at most `timeout_s`."""
        self._news.clear()
        await _wait(self._news, timeout_s)

    # --- looking ------------------------------------------------------------------------------------------------------------------

    async def look(self) -> Reading:
        """Ask OctoPrint what it does now, believe it and publish it."""
        for _ in range(3):
            events = self.machine.events
            reading = await self._read()
            if events == self.machine.events:  # else the answer may be older than an event that came meanwhile
                break
        self.machine.online, self.machine.note = True, None
        self._take(self.machine.take_reading(reading, self.now_s()))
        return reading

    async def _read(self) -> Reading:
        reading = await self.call(self._client.read_job)
        if self._push is None and reading.phase not in APART:
            nozzle, bed = await self.call(self._client.read_temperatures)
            reading = replace(reading, nozzle=nozzle, bed=bed)
        if reading.phase is Phase.FAILED and self.machine.fault is None:
            reason, text = await self.call(self._client.read_error)
            self.machine.take_error(reason, text or reading.error or "")
        return reading

    def _take(self, effect: Effect) -> None:
        if isinstance(effect, PrintEnded):
            self._publisher.ended(effect)
        elif isinstance(effect, Doubt) and not self._settling:
            self._settling = True
            self.spawn(self._settle())
        self.publish()

    async def _settle(self) -> None:
        try:
            await asyncio.sleep(self._timing.settle_s)
            await self.judge()
        finally:
            self._settling = False

    async def judge(self) -> None:
        """Find out whether the open job has ended, and how; say so if it has."""
        job = self.machine.job
        if job is None:
            return
        reading = await self.call(self._client.read_job)
        record = await self.call(self._client.read_record, job.path)
        if record == PrintRecord():
            await asyncio.sleep(self._timing.record_s)
            reading = await self.call(self._client.read_job)
            record = await self.call(self._client.read_record, job.path)
        if self.machine.job is job:
            self._take(self.machine.judge(reading, record, self.now_s()))

    # --- sessions -----------------------------------------------------------------------------------------------------------------

    async def _supervise(self) -> None:
        failures = 0
        while True:
            try:
                await self._session()
                failures = 0
                wait_s = self._timing.first_wait_s
            except DriverError as error:
                failures += 1
                self._lost(error)
                wait_s = self._wait_after(error, failures)
            except Exception as error:  # noqa: BLE001 - an answer that nobody foresaw must not cost the farm a printer until a restart
                failures += 1
                self._lost(DriverError(f"The driver failed: {error!r:.200}.", next_step="Report this as a bug."))
                wait_s = self._timing.longest_wait_s
            self._wake.clear()
            await _wait(self._wake, wait_s * _JITTER.uniform(0.5, 1.0))

    def _wait_after(self, error: DriverError, failures: int) -> float:
        if isinstance(error, AuthenticationError | AddressError):
            return self._timing.refused_wait_s
        return min(self._timing.first_wait_s * 2.0 ** min(failures - 1, 16), self._timing.longest_wait_s)

    def _lost(self, error: DriverError) -> None:
        self.machine.online, self.machine.note = False, str(error)
        if self._first and not self._first.done():
            self._first.set_exception(error)
        self.publish()

    async def _session(self) -> None:
        self._session_s = self.now_s()
        self.version = await self.call(self._client.probe)
        self.machine.server = f"OctoPrint {self.version}"
        login = await self.call(self._client.passive_login)
        self.machine.user = login.name
        try:
            async with open_push(self._client.address, login) as (push, history):
                self._push = push
                self.machine.take_current(reading_of_push(history), history.get("temps"), self.now_s())
                self._push_wait_s = self._timing.push_wait_s
                await self._attend(self._receive(push), self._timing.poll_s)
        except PushError:
            self._push = None
            wait_s, self._push_wait_s = self._push_wait_s, min(self._push_wait_s * 2, self._timing.push_retry_s)
            await self._attend(asyncio.sleep(wait_s), self._timing.poll_alone_s)
        finally:
            self._push = None

    async def _attend(self, live: Any, poll_s: float) -> None:
        tasks = [asyncio.create_task(live), asyncio.create_task(self._poll(poll_s))]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            task.result()

    async def _receive(self, push: Push) -> None:
        async for message in push.messages():
            if isinstance(event := message.get("event"), dict):
                self._take(self.machine.take_event(str(event.get("type")), event.get("payload"), self.now_s()))
                if self.machine.reading.phase in APART:
                    self._wake.set()
            elif isinstance(current := message.get("current"), dict):
                if self.machine.take_current(reading_of_push(current), current.get("temps"), self.now_s()):
                    self._wake.set()
                self.publish()

    async def _poll(self, every_s: float) -> None:
        failures = 0
        while True:
            self._wake.clear()
            try:
                await self.look()
            except (UnreachableError, AnswerError):
                failures += 1
                if failures > 1 or not self.machine.online:  # one answer may fail: OctoPrint is busy, or the Wi-Fi
                    raise
            else:
                failures = 0
                await self._bring_printer_up()
                self._answer_first()
            busy = failures or self.machine.reading.phase in {*APART, Phase.CONNECTING}
            await _wait(self._wake, min(every_s, self._timing.poll_busy_s if busy else every_s))

    def _answer_first(self) -> None:
        if self._first is None or self._first.done():
            return
        if self.machine.fault or self.machine.reading.phase not in {*APART, Phase.CONNECTING}:
            self._first.set_result(None)
        elif self.now_s() - self._session_s > self._timing.printer_connect_s:
            said = self.machine.reading.error or "no answer on its serial port"
            self._first.set_exception(
                UnreachableError(
                    f"OctoPrint answers, but its printer does not: {said}.",
                    next_step="Switch the printer on and check its USB cable; then press Connect in OctoPrint.",
                )
            )

    async def _bring_printer_up(self) -> None:
        machine, now_s = self.machine, self.now_s()
        if machine.reading.phase is Phase.CONNECTING:
            await self._unstick(now_s)
            return
        self._connecting_s = None
        if machine.reading.phase not in APART:
            self._connect_at_s = self._connect_wait_s = 0.0
            return
        # never by itself after a firmware error or an emergency stop: a person looks first
        if machine.fault or machine.kept_apart or machine.job or now_s < self._connect_at_s:
            return
        self._connect_wait_s = min(max(self._connect_wait_s * 2, self._timing.printer_connect_s), self._timing.printer_retry_s)
        self._connect_at_s = now_s + self._connect_wait_s
        try:
            await self.call(self._client.connect)
        except AnswerError:
            return  # no such port at the moment: the printer is off or unplugged

    async def _unstick(self, now_s: float) -> None:
        # 1.11.8 stays "Opening serial connection" for ever when its port was not there, also after the port is back; to connect is
        # then answered 204 and nothing happens (measured): only Disconnect frees it
        if self._connecting_s is None:
            self._connecting_s = now_s
        if now_s - self._connecting_s < self._timing.printer_stuck_s:
            return
        self._connecting_s = None
        self.machine.expect_disconnect(now_s)
        with contextlib.suppress(AnswerError):
            await self.call(self._client.disconnect)


async def _wait(event: asyncio.Event, timeout_s: float) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return


async def _quietly(coroutine: Any) -> None:
    try:
        await coroutine
    except DriverError:
        return
