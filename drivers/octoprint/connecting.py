"""Brings the printer behind an OctoPrint up: presses Connect when that is ours to do, and switches its mains on if asked to.

Never by itself after a firmware error or an emergency stop, and not when a person has disconnected the printer or switched it off.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from drivers.octoprint.client import AnswerError, Client
from drivers.octoprint.machine import Machine
from drivers.octoprint.reading import APART, Phase
from drivers.octoprint.timing import Timing

Call = Callable[..., Awaitable[Any]]


class Connecting:
    """What is tried, and how seldom. `may_switch_on` once after the driver began: later, who switched it off meant it."""

    def __init__(self, client: Client, machine: Machine, timing: Timing, call: Call) -> None:
        self.may_switch_on = False
        self._client = client
        self._machine = machine
        self._timing = timing
        self._call = call
        self._try_at_s = 0.0
        self._wait_s = 0.0
        self._opening_since_s: float | None = None

    def at_once(self) -> None:
        """Try without a wait the next time: somebody wants the printer now."""
        self._try_at_s = self._wait_s = 0.0
        self._machine.kept_apart = False

    async def step(self, now_s: float) -> None:
        """Do what is to be done now, if anything. Called after every look.

        Raises:
            DriverError: OctoPrint does not answer, or refuses our key.

        """
        machine = self._machine
        if machine.reading.phase is Phase.CONNECTING:
            await self._unstick(now_s)
            return
        self._opening_since_s = None
        if machine.reading.phase not in APART:
            self._try_at_s = self._wait_s = 0.0
            self.may_switch_on, machine.is_off = False, False
            return
        if machine.fault or machine.kept_apart or machine.job or now_s < self._try_at_s:
            return
        self._wait_s = min(max(self._wait_s * 2, self._timing.printer_connect_s), self._timing.printer_retry_s)
        self._try_at_s = now_s + self._wait_s
        await self._switch_on()
        with suppress(AnswerError):  # no such port at the moment: the printer is off or unplugged
            await self._call(self._client.connect)

    async def _switch_on(self) -> None:
        if not self._client.address.switches_power:
            return
        is_on = await self._call(self._client.read_power)
        if is_on is False and self.may_switch_on:
            with suppress(AnswerError):  # a plugin that fails must not cost us the printer: the next look says that it is off
                await self._call(self._client.switch_power, True)
            is_on = await self._call(self._client.read_power)
        self._machine.is_off = is_on is False

    async def _unstick(self, now_s: float) -> None:
        # 1.11.8 stays "Opening serial connection" for ever when its port was not there, also after the port is back; to connect is
        # then answered 204 and nothing happens (measured): only Disconnect frees it
        if self._opening_since_s is None:
            self._opening_since_s = now_s
        if now_s - self._opening_since_s < self._timing.printer_stuck_s:
            return
        self._opening_since_s = None
        self._machine.expect_disconnect(now_s)
        with suppress(AnswerError):
            await self._call(self._client.disconnect)
