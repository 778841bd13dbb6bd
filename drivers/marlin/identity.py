"""Who is at the other end: what M115 answers, and how long we wait for it. Pure."""

import re
from dataclasses import dataclass, field
from typing import Final

from drivers.marlin import quirks, replies
from drivers.marlin.quirks import Quirk
from drivers.marlin.replies import Kind, Reply

GREETING_S: Final = 1.0  # a board that resets when its port opens says `start` first; its boot loader must not hear us before
ASK_S: Final = 1.5  # between two M115
IDENTIFY_S: Final = 10.0
OFFLINE_ASK_S: Final = 5.0
STILL_BUSY_S: Final = 5.0  # a busy firmware says so every 2 s
MAX_QUEUED_ASKS: Final = 2  # more would fill its four slots, and an emergency stop would not be seen
ASK: Final = b"\nM115\n"
_TYPE: Final = re.compile(r"MACHINE_TYPE:(.*?)(?=\s+[A-Z][A-Z_]{3,}:|$)")
_UUID: Final = re.compile(r"UUID:([0-9A-Za-z-]{8,40})")
MAX_MACHINE: Final = 100
MAX_CAPABILITIES: Final = 64  # Marlin tells some 25


@dataclass(slots=True)
class Identity:
    """What is known of the machine. `firmware` is None until it has told; `until_s` None when the time to tell is over."""

    until_s: float | None = None
    firmware: str | None = None
    machine: str = ""  # its kind and UUID; many boards share the UUID of their maker
    capabilities: dict[str, bool] = field(default_factory=dict)
    extruders: int = 1
    heard_noise: bool = False
    busy_until_s: float = 0.0
    asks: int = 0  # since it was last not busy

    @property
    def quirk(self) -> Quirk:
        """What this kind of firmware does differently."""
        return quirks.of(self.firmware)

    @property
    def reports(self) -> bool:
        """Whether it tells temperatures by itself (M155)."""
        return self.capabilities.get("AUTOREPORT_TEMP", False)

    @property
    def hears_at_once(self) -> bool:
        """Whether M108, M112 and M876 act when they arrive, whatever it waits in (EMERGENCY_PARSER)."""
        return self.capabilities.get("EMERGENCY_PARSER", False)

    @property
    def has_card(self) -> bool:
        """Whether it can print from an SD card of its own."""
        return self.capabilities.get("SDCARD", False)

    @property
    def has_chamber(self) -> bool:
        """Whether it heats its chamber (M141)."""
        return any(self.capabilities.get(name, False) for name in ("CHAMBER_TEMPERATURE", "HEATED_CHAMBER"))

    def learn(self, reply: Reply, now_s: float) -> bool:
        """Take a line; True when the machine has said all of it."""
        if reply.kind is Kind.FIRMWARE or (reply.kind is Kind.OK and "FIRMWARE_NAME:" in reply.text):  # Klipper says it in its ok
            self.firmware = replies.firmware_name(reply.text)
            self.extruders = replies.extruders(reply.text)
            self.machine = _machine(reply.text)
            return reply.kind is Kind.OK
        if reply.kind is Kind.CAPABILITY and len(self.capabilities) < MAX_CAPABILITIES:
            self.capabilities[reply.text] = bool(reply.number)
        elif reply.kind is Kind.OK and self.firmware is not None:
            return True
        elif reply.kind in {Kind.BUSY, Kind.HEATING, Kind.USER_WAIT} and self.until_s is not None:
            self.until_s = now_s + IDENTIFY_S  # it is a printer, in the middle of something long
            self.busy_until_s = now_s + STILL_BUSY_S
        else:
            self.heard_noise = True
        return False

    def overdue(self, now_s: float) -> bool:
        """Whether the time is over; True once."""
        if self.until_s is None or now_s < self.until_s:
            return False
        self.until_s = None
        return True

    def may_ask(self, now_s: float) -> bool:
        """Whether M115 may be sent now: a busy machine keeps it in its queue."""
        if now_s >= self.busy_until_s:
            self.asks = 0
        self.asks += 1
        return self.asks <= MAX_QUEUED_ASKS

    @property
    def ask_again_s(self) -> float:
        """Seconds to the next M115."""
        return ASK_S if self.until_s is not None else OFFLINE_ASK_S

    def setup(self) -> list[bytes]:
        """Commands for reports and busy messages, after which the machine is ready."""
        lines = [b"M155 S1"] if self.reports else []
        return [*lines, b"M113 S2", b"M105", *([b"M27"] if self.has_card else [])]


def _machine(text: str) -> str:
    """Kind and UUID out of the answer to M115; not the firmware's version, which an update changes."""
    found = [match.group(1).strip() for match in (_TYPE.search(text), _UUID.search(text)) if match]
    told = " ".join(found) or replies.firmware_name(text)
    return "".join(character if " " <= character <= "~" and character not in '"\\' else "?" for character in told)[:MAX_MACHINE]
