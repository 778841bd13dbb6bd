"""`virtual://`: a printer made of software in this process, driven by the ordinary Marlin driver through a real pty.

The Marlin driver gets a path and a baud rate like any other; nothing in it knows that the machine is virtual.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, parse_qsl, urlsplit

from drivers.base import Capability, Driver, DriverInfo, EventListener, JobTrace, PrinterStatus
from drivers.errors import AddressError, Bilingual, UnreachableError
from drivers.virtual.bed import PartRule
from drivers.virtual.faults import NOISE_KINDS, Faults
from drivers.virtual.firmware import Firmware
from drivers.virtual.flavours import flavour_name
from drivers.virtual.folder import PORT, HeldFolder, remove_leftovers
from drivers.virtual.options import FirmwareOptions
from drivers.virtual.port import VirtualPort
from gcode.texts import BilingualError

if TYPE_CHECKING:
    from drivers.marlin.printer import MarlinPrinter

FASTEST: Final = 1000.0
INFO: Final = DriverInfo(
    "virtual",
    frozenset(
        {
            Capability.PAUSE,
            Capability.CANCEL,
            Capability.EMERGENCY_STOP,
            Capability.TEMPERATURES,
            Capability.PROMPTS,
            Capability.CONSOLE,
            Capability.TRANSCRIPT,
        }
    ),
)


@dataclass(frozen=True, slots=True)
class VirtualSettings:
    """What a `virtual://` URL asks for. `speed` is firmware seconds per real second."""

    speed: float = 60.0
    seed: int = 0
    reset_on_open: bool = False
    strict_baud: int = 0  # a host at another speed gets and gives garbage; 0: any will do
    firmware: FirmwareOptions = field(default_factory=FirmwareOptions)
    rule: PartRule = field(default_factory=PartRule)
    faults: Faults = field(default_factory=Faults)


def _number(low: float, high: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise BilingualError(Bilingual("it must be a number", "il faut un nombre")) from None
        if not low <= value <= high:
            raise BilingualError(Bilingual(f"it must be between {low:g} and {high:g}", f"il faut entre {low:g} et {high:g}"))
        return value

    return read


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise BilingualError(Bilingual("it must be a whole number", "il faut un nombre entier")) from None


def _switch(text: str) -> bool:
    if text not in {"0", "1"}:
        raise BilingualError(Bilingual("it must be 0 or 1", "il faut 0 ou 1"))
    return text == "1"


def _milliseconds(text: str) -> float:
    return _number(0, 1000)(text) / 1000.0


def _between(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        value = _whole(text)
        if not low <= value <= high:
            raise BilingualError(Bilingual(f"it must be between {low} and {high}", f"il faut entre {low} et {high}"))
        return value

    return read


def _noise_kind(text: str) -> str:
    if text not in NOISE_KINDS:
        known = ", ".join(NOISE_KINDS)
        raise BilingualError(Bilingual(f"it must be one of {known}", f"il faut l'un de ceux-ci : {known}"))
    return text


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
    "runout_sensor": ("firmware", "runout_sensor", _switch),
    "pause_holds_timer": ("firmware", "pause_holds_timer", _switch),
    "position_reports": ("firmware", "position_reports", _switch),
    "bed_levelling": ("firmware", "bed_levelling", _switch),
    "sd_slot": ("firmware", "sd_slot", _switch),
    "flavour": ("firmware", "flavour", flavour_name),
    "uart_baud": ("firmware", "uart_baud", _between(0, 4_000_000)),
    "latency_ms": ("firmware", "latency_s", _milliseconds),
    "rx_buffer": ("firmware", "rx_buffer", _between(16, 65_536)),
    "command_slots": ("firmware", "command_slots", _between(1, 64)),
    "planned_moves": ("firmware", "planned_moves", _between(2, 256)),
    "strict_baud": ("", "strict_baud", _between(0, 4_000_000)),
    "expected_mm": ("rule", "expected_mm", _number(0, 1e7)),
    "minimum_mm": ("rule", "minimum_mm", _number(0, 1e7)),
    "noise_in": ("faults", "noise_in", _number(0, 1)),
    "noise_out": ("faults", "noise_out", _number(0, 1)),
    "noise_kind": ("faults", "noise_kind", _noise_kind),
    "lose_oks": ("faults", "lose_oks", _between(0, 1_000_000)),
    "double_oks": ("faults", "double_oks", _between(0, 1_000_000)),
    "late_oks": ("faults", "late_oks", _between(0, 1_000_000)),
    "late_ok": ("faults", "late_ok_s", _number(0, 86_400)),
    "corrupt_oks": ("faults", "corrupt_oks", _between(0, 1_000_000)),
    "corrupt_resends": ("faults", "corrupt_resends", _between(0, 1_000_000)),
    "misnumber_resends": ("faults", "misnumber_resends", _between(0, 1_000_000)),
    "silent_lines": ("faults", "silent_lines", _between(0, 1_000_000)),
    "long_heat": ("faults", "long_heat_s", _number(0, 86_400)),
    "kill_in_heat": ("faults", "kill_in_heat", _switch),
}


def setting_names() -> list[str]:
    """What the query of a `virtual://` URL may say."""
    return sorted(_KEYS)


def read_settings(parts: SplitResult) -> VirtualSettings:
    """The settings of a `virtual://` URL, all of them in its query.

    Raises:
        AddressError: an unknown key or a bad value; the message names it.

    """
    chosen: dict[str, dict[str, object]] = {"": {}, "firmware": {}, "rule": {}, "faults": {}}
    for key, text in parse_qsl(parts.query, keep_blank_values=True):
        if key not in _KEYS:
            known = ", ".join(sorted(_KEYS))
            raise AddressError(
                Bilingual(f"A virtual printer has no setting {key!r}.", f"Une imprimante virtuelle n'a pas de réglage {key!r}."),
                next_step=Bilingual(f"There are: {known}.", f"Il y a : {known}."),
            )
        part, name, read = _KEYS[key]
        try:
            chosen[part][name] = read(text)
        except BilingualError as error:
            raise AddressError(
                Bilingual(
                    f"The setting {key}={text} of the virtual printer is wrong: {error.bilingual.en}.",
                    f"Le réglage {key}={text} de l'imprimante virtuelle est faux : {error.bilingual.fr}.",
                ),
                next_step=Bilingual(
                    "Correct it; example: virtual://?speed=60&bed=210",
                    "Corrigez-le ; exemple : virtual://?speed=60&bed=210",
                ),
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
    firmware.faults = settings.faults.copy()
    return VirtualPort(
        firmware,
        speed=settings.speed,
        link=link,
        reset_on_open=settings.reset_on_open,
        strict_baud=settings.strict_baud,
        name=settings.firmware.name,
    )


class VirtualPrinter:
    """A `Driver`: the pty with its firmware, and the Marlin driver on its other end. It lives from `connect` to `close`."""

    def __init__(self, settings: VirtualSettings, listener: EventListener) -> None:
        self.info = INFO
        self.port: VirtualPort | None = None
        self._settings = settings
        self._listener = listener
        self._marlin: MarlinPrinter | None = None
        self._folder: HeldFolder | None = None
        self._closings = 0

    @property
    def status(self) -> PrinterStatus:
        """The newest status that the Marlin driver sees."""
        return self._marlin.status if self._marlin else PrinterStatus()

    @property
    def _driver(self) -> "MarlinPrinter":
        if self._marlin is None:
            raise _switched_off()
        return self._marlin

    async def connect(self) -> None:
        """Switch the printer on and connect the Marlin driver to its port."""
        closings = self._closings
        if self._marlin is None:
            await asyncio.to_thread(remove_leftovers, PORT)
        if closings != self._closings:
            raise _switched_off()  # meanwhile: nobody would switch it off again
        if self._marlin is None:
            # Imported when needed: the driver brings pyserial.
            from drivers.marlin.printer import from_url as marlin_from_url  # noqa: PLC0415

            # A link that outlives replugging, as /dev/serial/by-id does for hardware.
            folder = HeldFolder(PORT)
            link = folder.path / "printer"
            try:
                self.port = make_port(self._settings, link=link)
            except BaseException:
                folder.close()  # the next attempt makes another one
                raise
            self._folder = folder
            self._marlin = marlin_from_url(
                # its seconds are shorter than ours, and so would be the time after which M85 stops it
                urlsplit(f"marlin://{link}?baud={self._settings.strict_baud or 115_200}&deadman_s=0"),
                self._listener,
            )
            self.info = replace(INFO, capabilities=self._marlin.info.capabilities)
        await self._marlin.connect()

    async def close(self) -> None:
        """Let go of the port, a print made safe first, and switch the printer off: the plastic on its bed is gone with it."""
        self._closings += 1
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

    async def answer(self, prompt: str, choice: int) -> None:
        """Answer a question of the firmware."""
        await self._driver.answer(prompt, choice)

    async def console(self, line: str) -> list[str]:
        """Send one line; what the firmware said to it."""
        return await self._driver.console(line)

    def transcript(self) -> list[str]:
        """The last minutes on the pty; nothing while it is switched off."""
        return self._marlin.transcript() if self._marlin else []


def _switched_off() -> UnreachableError:
    return UnreachableError(
        Bilingual("The virtual printer is switched off.", "L'imprimante virtuelle est éteinte."),
        next_step=Bilingual("Connect it first.", "Connectez-la d'abord."),
    )


def from_url(parts: SplitResult, listener: EventListener) -> Driver:
    """The driver for `virtual://?speed=60&bed=210`; see `read_settings` for what else the query may say. Does no I/O.

    Raises:
        AddressError: an unknown key or a bad value.

    """
    return VirtualPrinter(read_settings(parts), listener)
