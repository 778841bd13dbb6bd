"""Keeps watching one OctoPrint: session after session, by its live socket and by slow questions, until it is closed.

A session is: probe, passive login, socket, look, then events. It ends when the socket closes or nothing answers any more; the next
one begins after a jittered wait. Where no socket can be had, the questions are asked more often. Every session begins by looking:
what happened while we were away is known by its effects.
"""

import asyncio
import random
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, TypeVar

from drivers.base import Capability, PrintEnd, PrintEnded
from drivers.errors import AddressError, AuthenticationError, Bilingual, DriverError, UnreachableError
from drivers.octoprint.client import AnswerError, Client
from drivers.octoprint.connecting import Connecting
from drivers.octoprint.job import Doubt, Effect, OpenJob, Unwanted
from drivers.octoprint.machine import Machine
from drivers.octoprint.permissions import QUESTIONS, capabilities_by, missing
from drivers.octoprint.publisher import Publisher
from drivers.octoprint.push import Push, PushError, open_push
from drivers.octoprint.reading import APART, Phase, PrintRecord, Reading, log_lines, question_of, reading_of_push, table_of
from drivers.octoprint.terminal import ANSWER_S, Conversation
from drivers.octoprint.timing import Timing
from drivers.octoprint.workers import Workers, closed
from gcode.texts import Told

__all__ = ["Timing", "Watch"]

_T = TypeVar("_T")
_JITTER: Final = random.SystemRandom()
_PROMPTS: Final = "action_command_prompt"  # OctoPrint's bundled plugin for questions of the printer
_FLUSH_S: Final = 2.0  # at most until a `current` message has carried away the log lines of before
_NO_SOCKET: Final = Bilingual("OctoPrint's live socket is not there.", "La connexion en direct avec OctoPrint manque.")
_NO_PRINTER_STEP: Final = Bilingual(
    "Switch the printer on and check its USB cable; then press Connect in OctoPrint.",
    "Allumez l'imprimante et vérifiez son câble USB, puis cliquez sur « Connect » dans OctoPrint.",
)


class Watch:
    """The background work of one driver, and the only way to its client."""

    def __init__(
        self, client: Client, publisher: Publisher, timing: Timing, learned: Callable[[frozenset[Capability]], None] | None = None
    ) -> None:
        self.machine = Machine(stall_s=timing.stall_s)
        self.version: str | None = None
        self.closed = False
        self._client = client
        self._publisher = publisher
        self._timing = timing
        self._learned = learned
        self._workers: Workers | None = None
        self._connecting = Connecting(client, self.machine, timing, self.call)
        self._is_suspicious = False  # something was refused: ask again what we may do
        self._conversation: Conversation | None = None
        self._news = asyncio.Event()
        self._wake = asyncio.Event()  # look or try again at once
        self._first: asyncio.Future[None] | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._settling = False
        self._asked = self._believed = 0  # looks that began, and the newest of them that was believed
        self._push: Push | None = None
        self._push_wait_s = timing.push_wait_s
        self._session_s = 0.0

    # --- life ---------------------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Begin watching; return when the printer is there, raise what kept the first attempt from it. Goes on either way."""
        if self.closed:
            raise closed()
        if self._first is None or self._first.done():
            self._first = asyncio.get_running_loop().create_future()
            self._first.add_done_callback(lambda first: first.cancelled() or first.exception())  # read, if nobody waits
            self._session_s = self.now_s()
            self._connecting.may_switch_on = True
            self._wake.set()
        if self._supervisor is None:
            self._supervisor = asyncio.create_task(self._supervise())
            self.publish()
        await asyncio.shield(self._first)

    async def close(self) -> None:
        """End everything in the background."""
        self.closed = True
        self._publisher.close()
        if self._first and not self._first.done():
            self._first.set_exception(closed())
        tasks = [task for task in (self._supervisor, *self._tasks) if task]
        for task in tasks:
            task.cancel()
        self._client.close()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._workers:
            self._workers.close()
        self._news.set()

    def _share(self) -> Workers:
        if self._workers is None:
            self._workers = Workers()
        return self._workers

    async def call(self, function: Callable[..., _T], *arguments: Any) -> _T:
        """Run a blocking method of the client in a thread."""
        try:
            return await self._share().run(function, *arguments)
        except AuthenticationError:
            self._is_suspicious = True
            self._wake.set()
            raise

    async def call_urgently(self, function: Callable[..., _T], *arguments: Any) -> _T:
        """The same, not waiting for anything."""
        return await self._share().run_urgently(function, *arguments)

    def spawn(self, coroutine: Any) -> None:
        """Run a coroutine in the background until `close`; its `DriverError` is dropped, for the next look tells more."""
        if self.closed:
            coroutine.close()
            return
        task: asyncio.Task[None] = asyncio.create_task(_quietly(coroutine))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _task: coroutine.close())  # nothing, unless `close` came before it began

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
            self._asked = asked = self._asked + 1
            reading = await self._read()
            if events == self.machine.events:  # else the answer may be older than an event that came meanwhile
                break
        if asked > self._believed:  # else somebody asked later and was answered sooner
            self._believed = asked
            self.machine.online, self.machine.note = True, None
            self._take(self.machine.take_reading(reading, self.now_s()))
        return reading

    async def _read(self) -> Reading:
        reading = await self.call(self._client.read_job)
        if self._push is None and reading.phase not in APART:
            nozzle, bed = await self.call(self._client.read_temperatures)
            reading = replace(reading, nozzle=nozzle, bed=bed)
            await self._ask_for_question()
        if reading.phase is Phase.FAILED and self.machine.fault is None:
            reason, text, lines = await self.call(self._client.read_error)
            self.machine.take_error(reason, text or reading.error or "", lines)
        return reading

    def _take(self, effect: Effect) -> None:
        if isinstance(effect, PrintEnded):
            self._publisher.ended(effect)
        elif isinstance(effect, Doubt) and not self._settling:
            self._settling = True
            self.spawn(self._settle())
        elif isinstance(effect, Unwanted):
            self.spawn(self._withdraw(effect.job))
        self.publish()

    async def _withdraw(self, job: OpenJob) -> None:
        """Cancel a job that was cancelled before it was seen printing."""
        if not job.unwanted or self.machine.job is not job:
            return
        job.unwanted, job.cancel_asked = False, True
        try:
            await self.call(self._client.cancel)
        except DriverError:
            job.unwanted = True  # the next look tries again

    def tell_unbegun(self, job: str, why: DriverError) -> None:
        """A job whose start was abandoned did not begin, and never will."""
        self._publisher.ended(PrintEnded(job, PrintEnd.INTERRUPTED, Told(why.code, why.detail, why.detail_fr)))

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
        for _ in range(3):
            events, believed = self.machine.events, self._believed
            reading, record = await self._remembered(job)
            if self.machine.job is not job:
                return
            seen_since = self._believed > believed and self.machine.reading.active_with(job.path)
            if events == self.machine.events and not seen_since:  # else it may just have begun: the answers are older than that
                self._take(self.machine.judge(reading, record, self.now_s()))
                return

    async def _remembered(self, job: OpenJob) -> tuple[Reading, PrintRecord | None]:
        reading = await self.call(self._client.read_job)
        record = await self.call(self._client.read_record, job.path)
        if record == PrintRecord():
            await asyncio.sleep(self._timing.record_s)
            reading = await self.call(self._client.read_job)
            record = await self.call(self._client.read_record, job.path)
        return reading, record

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
                said = Bilingual(f"The driver failed: {error!r:.200}.", f"Le pilote a échoué : {error!r:.200}.")
                self._lost(DriverError(said, next_step=Bilingual("Report this as a bug.", "Signalez cette erreur.")))
                wait_s = self._timing.longest_wait_s
            self._wake.clear()
            await _wait(self._wake, wait_s * _JITTER.uniform(0.5, 1.0))

    def _wait_after(self, error: DriverError, failures: int) -> float:
        if isinstance(error, AuthenticationError | AddressError):
            # a key does not get right by itself, but a job that runs on has an end that somebody wants to know
            return self._timing.longest_wait_s if self.machine.job else self._timing.refused_wait_s
        return min(self._timing.first_wait_s * 2.0 ** min(failures - 1, 16), self._timing.longest_wait_s)

    def _lost(self, error: DriverError) -> None:
        self.machine.online, self.machine.note = False, error.bilingual
        if self._first and not self._first.done():
            self._first.set_exception(error)
        self.publish()

    async def _session(self) -> None:
        self._session_s = self.now_s()
        self.version = await self.call(self._client.probe)
        self.machine.server = f"OctoPrint {self.version}"
        login = await self.call(self._client.passive_login)
        self.machine.user, self._is_suspicious = login.name, False
        await self._learn()
        await self._ask_for_question()
        transport = self._client.transport
        context = await self.call(transport.context)
        try:
            async with open_push(self._client.address, login, host=transport.peer, context=context) as (push, history):
                self._push, self.machine.hint = push, None
                self.machine.take_current(reading_of_push(history), history.get("temps"), self.now_s())
                self._push_wait_s = self._timing.push_wait_s
                await self._attend(self._receive(push), self._timing.poll_s)
        except PushError as error:
            self._push, self.machine.hint = None, error.bilingual
            wait_s, self._push_wait_s = self._push_wait_s, min(self._push_wait_s * 2, self._timing.push_retry_s)
            await self._attend(asyncio.sleep(wait_s), self._timing.poll_alone_s)
        finally:
            self._push = None

    async def _learn(self) -> None:
        """Find out what this OctoPrint can do beyond printing: its plugins, and what the key's user may use of them."""
        client = self._client
        found = capabilities_by(client.permissions)
        if Capability.POWER in found and await self.call(client.read_power) is None:
            found -= {Capability.POWER}
        if client.address.camera:
            found |= {Capability.SNAPSHOT}
        if self._learned:
            self._learned(found)

    async def _ask_for_question(self) -> None:
        """Events tell of questions and of their ends; those of a time when we were away only the plugin itself does."""
        may_ask = not missing(frozenset({QUESTIONS}), self._client.permissions)
        question = await self.call(self._client.read_question) if may_ask else None
        self.machine.take_question(question, secrets.token_hex(4))

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
                if self._conversation:
                    self._conversation.hear(log_lines(current.get("logs")))
            elif table_of(told := message.get("plugin")).get("plugin") == _PROMPTS:
                self._take_question(table_of(table_of(told).get("data")))

    def _take_question(self, told: Mapping[str, Any]) -> None:
        question = question_of(told) if told.get("action") == "show" else None
        self.machine.take_question(question, secrets.token_hex(4))
        self.publish()

    async def converse(self, line: str) -> list[str]:
        """Send one line of G-code and return what the printer said to it.

        Raises:
            UnreachableError: no live socket: its answer cannot be seen.
            DriverError: OctoPrint does not take it.

        """
        push = self._push
        if push is None:
            raise UnreachableError(_NO_SOCKET, next_step=Bilingual("Wait a minute.", "Patientez une minute."))
        self._conversation = conversation = Conversation(line)
        try:
            await push.listen(logs=True)
            await _wait(conversation.heard, _FLUSH_S)
            conversation.begin()
            await self.call(self._client.send_gcode, line)
            await _wait(conversation.done, ANSWER_S)
        finally:
            self._conversation = None
            await push.listen(logs=False)
        return conversation.said

    async def want_printer(self) -> None:
        """Somebody wants the printer connected: try at once, and wait until it is, at most as long as that may take."""
        self._connecting.at_once()
        self._wake.set()
        for _ in range(max(1, round(self._timing.printer_connect_s))):
            if self.machine.reading.phase not in {*APART, Phase.CONNECTING}:
                return
            await self.wait_news(1.0)

    async def _poll(self, every_s: float) -> None:
        failures = 0
        while True:
            self._wake.clear()
            try:
                await self._check_again()
                await self.look()
            except (UnreachableError, AnswerError):
                failures += 1
                if failures > 1 or not self.machine.online:  # one answer may fail: OctoPrint is busy, or the Wi-Fi
                    raise
            else:
                failures = 0
                await self._connecting.step(self.now_s())
                self._answer_first()
            busy = failures or self.machine.reading.phase in {*APART, Phase.CONNECTING}
            await _wait(self._wake, min(every_s, self._timing.poll_busy_s if busy else every_s))

    async def _check_again(self) -> None:
        if self._is_suspicious:
            self._is_suspicious = False
            await self.call(self._client.probe)

    def _answer_first(self) -> None:
        if self._first is None or self._first.done():
            return
        if self.machine.fault or self.machine.reading.phase not in {*APART, Phase.CONNECTING}:
            self._first.set_result(None)
        elif self.now_s() - self._session_s > self._timing.printer_connect_s:
            said = self.machine.reading.error
            detail = Bilingual(
                f"OctoPrint answers, but its printer does not: {said or 'no answer on its serial port'}.",
                f"OctoPrint répond, mais pas son imprimante : {said or 'pas de réponse sur le port série'}.",
            )
            self._first.set_exception(UnreachableError(detail, next_step=_NO_PRINTER_STEP))


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
