"""A host for tests: talks to a firmware without any port, and waits in the firmware's own time."""

from math import inf

from drivers.virtual.bed import PartRule
from drivers.virtual.firmware import Firmware
from drivers.virtual.options import FirmwareOptions
from drivers.virtual.receiver import checksum


def numbered(number: int, text: str) -> str:
    """A framed line as senders write it."""
    body = f"N{number} {text}"
    return f"{body}*{checksum(body.encode())}"


class Console:
    """A firmware whose banner was read, and a clock."""

    def __init__(self, options: FirmwareOptions | None = None, *, rule: PartRule | None = None, seed: int = 0) -> None:
        self.firmware = Firmware(options, rule=rule, seed=seed)
        self.now_s = 0.0
        self.firmware.advance(0.0)

    def send(self, *lines: str) -> list[str]:
        """Send lines in one breath; what is said at once."""
        self.firmware.feed("".join(f"{line}\n" for line in lines).encode("latin-1"), self.now_s)
        return self.heard()

    def heard(self) -> list[str]:
        return self.firmware.advance(self.now_s).decode("latin-1").split("\n")[:-1]

    def wait(self, seconds: float) -> list[str]:
        self.now_s += seconds
        return self.heard()

    def run(self, *lines: str, limit_s: float = 3600.0) -> list[str]:
        """Send lines one after the other, each after the ok of the one before; all that was said."""
        said: list[str] = []
        for line in lines:
            said += self.until_ok(self.send(line), limit_s)
        return said

    def until_ok(self, said: list[str], limit_s: float = 3600.0) -> list[str]:
        end_s = self.now_s + limit_s
        while not any(line.startswith("ok") for line in said):
            wake_s = self.firmware.next_wake_s()
            assert wake_s is not None, f"no ok will ever come: {said}"
            assert wake_s < end_s, f"no ok within {limit_s} s: {said[-5:]}"
            self.now_s = max(self.now_s, wake_s)
            said += self.heard()
        return said

    def settle(self) -> None:
        """Let all planned moves end."""
        while self.firmware.machine.planner.busy:
            self.now_s = max(self.now_s, self.firmware.machine.planner.next_end_s)
            assert self.now_s < inf
            self.firmware.settle(self.now_s)
