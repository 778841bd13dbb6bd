"""`virtual://`: a printer made of software in this process, driven by the ordinary Marlin driver through a real pty.

The Marlin driver gets a path and a baud rate like any other; nothing in it knows that the machine is virtual.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, parse_qsl, urlsplit

from drivers.base import Capability, Driver, DriverInfo, EventListener, JobTrace, PrinterStatus
from drivers.errors import AddressError, UnreachableError
from drivers.virtual.bed import PartRule
from drivers.virtual.faults import Faults
from drivers.virtual.firmware import Firmware
from drivers.virtual.folder import PortFolder, remove_leftovers
from drivers.virtual.options import FirmwareOptions
from drivers.virtual.port import VirtualPort

FASTEST: Final = 1000.0
INFO: Final = DriverInfo(
    "virtual", frozenset({Capability.PAUSE, Capability.CANCEL, Capability.EMERGENCY_STOP, Capability.TEMPERATURES})
)


@dataclass(frozen=True, slots=True)
class VirtualSettings:
    """What a `virtual://` URL asks for. `speed` is firmware seconds per real second."""

    speed: float = 60.0
    seed: int = 0
    reset_on_open: bool = False
    firmware: FirmwareOptions = field(default_factory=FirmwareOptions)
    rule: PartRule = field(default_factory=PartRule)
    faults: Faults = field(default_factory=Faults)


def _number(low: float, high: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise ValueError("it must be a number") from None
        if not low <= value <= high:
            raise ValueError(f"it must be between {low:g} and {high:g}")
        return value

    return read


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError("it must be a whole number") from None


def _switch(text: str) -> bool:
    if text not in {"0", "1"}:
        raise ValueError("it must be 0 or 1")
    return text == "1"


# query key -> (part of the settings, its field, how to read it)
_KEYS: Final[dict[str, tuple[str, str, Callable[[str], object]]]] = {
    "speed": ("", "speed", _number(0.1, FASTEST)),
    "seed": ("", "seed", _whole),
    "reset_on_open": ("", "reset_on_open", _switch),
    "name": ("firmware", "name", lambda text: text[:32]),
    "bed": ("firmware", "bed_mm", _number(50, 2000)),
    "boot": ("firmware", "boot_s", _number(0, 60)),
    "emergency_parser": ("firmware", "emergency_parser", _switch),
    "advanced_ok": ("firmware", "advanced_ok", _switch),
    "host_actions": ("firmware", "host_actions", _switch),
    "expected_mm": ("rule", "expected_mm", _number(0, 1e7)),
    "minimum_mm": ("rule", "minimum_mm", _number(0, 1e7)),
    "noise_in": ("faults", "noise_in", _number(0, 1)),
    "noise_out": ("faults", "noise_out", _number(0, 1)),
}


def read_settings(parts: SplitResult) -> VirtualSettings:
    """The settings of a `virtual://` URL, all of them in its query.

    Raises:
        AddressError: an unknown key or a bad value; the message names it.

    """
    chosen: dict[str, dict[str, object]] = {"": {}, "firmware": {}, "rule": {}, "faults": {}}
    for key, text in parse_qsl(parts.query, keep_blank_values=True):
        if key not in _KEYS:
            known = ", ".join(sorted(_KEYS))
            raise AddressError(f"A virtual printer has no setting {key!r}.", next_step=f"There are: {known}.")
        part, name, read = _KEYS[key]
        try:
            chosen[part][name] = read(text)
        except ValueError as error:
            raise AddressError(
                f"The setting {key}={text} of the virtual printer is wrong: {error}.",
                next_step="Correct it; example: virtual://?speed=60&bed=210",
            ) from error
    plain = VirtualSettings()
    return replace(
        plain,
        **chosen[""],  # type: ignore[arg-type]  # the readers of _KEYS give each field its type
        firmware=replace(plain.firmware, **chosen["firmware"]),  # type: ignore[arg-type]  # likewise
        rule=replace(plain.rule, **chosen["rule"]),  # type: ignore[arg-type]  # likewise
        faults=replace(plain.faults, **chosen["faults"]),  # type: ignore[arg-type]  # likewise
    )


def make_port(settings: VirtualSettings, *, link: Path | None = None) -> VirtualPort:
    """A virtual printer on a new pty, switched on."""
    firmware = Firmware(settings.firmware, rule=settings.rule, seed=settings.seed)
    firmware.faults = replace(settings.faults)
    return VirtualPort(firmware, speed=settings.speed, link=link, reset_on_open=settings.reset_on_open, name=settings.firmware.name)


class VirtualPrinter:
    """A `Driver`: the pty with its firmware, and the Marlin driver on its other end. It lives from `connect` to `close`."""

    def __init__(self, settings: VirtualSettings, listener: EventListener) -> None:
        self.info = INFO
        self.port: VirtualPort | None = None
        self._settings = settings
        self._listener = listener
        self._marlin: Driver | None = None
        self._folder: PortFolder | None = None

    @property
    def status(self) -> PrinterStatus:
        """The newest status that the Marlin driver sees."""
        return self._marlin.status if self._marlin else PrinterStatus()

    @property
    def _driver(self) -> Driver:
        if self._marlin is None:
            raise UnreachableError("The virtual printer is switched off.", next_step="Connect it first.")
        return self._marlin

    async def connect(self) -> None:
        """Switch the printer on and connect the Marlin driver to its port."""
        if self._marlin is None:
            await asyncio.to_thread(remove_leftovers)
        if self._marlin is None:
            # Imported when needed: the driver brings pyserial.
            from drivers.marlin.printer import from_url as marlin_from_url  # noqa: PLC0415

            # A link that outlives replugging, as /dev/serial/by-id does for hardware.
            self._folder = PortFolder()
            link = self._folder.path / "printer"
            self.port = make_port(self._settings, link=link)
            self._marlin = marlin_from_url(urlsplit(f"marlin://{link}?baud=115200"), self._listener)
            self.info = replace(INFO, capabilities=self._marlin.info.capabilities)
        await self._marlin.connect()

    async def close(self) -> None:
        """Let go of the port, a print made safe first, and switch the printer off: the plastic on its bed is gone with it."""
        marlin, self._marlin = self._marlin, None
        port, self.port = self.port, None
        folder, self._folder = self._folder, None
        try:
            if marlin:
                await marlin.close()
        finally:
            if port:
                port.close()
            if folder:
                folder.close()

    async def start(self, program: Path, job: str) -> None:
        """Print a file: see `drivers.base.Driver`."""
        await self._driver.start(program, job)

    async def pause(self, job: str) -> None:
        """Hold `job`."""
        await self._driver.pause(job)

    async def resume(self, job: str) -> None:
        """Go on with `job`."""
        await self._driver.resume(job)

    async def cancel(self, job: str) -> None:
        """End `job` and make the machine safe."""
        await self._driver.cancel(job)

    async def emergency_stop(self) -> None:
        """Stop heat and motion at once."""
        await self._driver.emergency_stop()

    async def trace(self, job: str, *, program: Path | None = None, bookmark: str | None = None) -> JobTrace:
        """What became of a job of an earlier process: this machine was born with this process, so it cannot have run it."""
        return await self._driver.trace(job, program=program, bookmark=bookmark)


def from_url(parts: SplitResult, listener: EventListener) -> Driver:
    """The driver for `virtual://?speed=60&bed=210`; see `read_settings` for what else the query may say. Does no I/O.

    Raises:
        AddressError: an unknown key or a bad value.

    """
    return VirtualPrinter(read_settings(parts), listener)
