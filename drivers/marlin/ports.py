"""Which serial ports look like printers. Reads /sys and /dev; blocks for some milliseconds."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

BY_ID: Final = Path("/dev/serial/by-id")
BY_PATH: Final = Path("/dev/serial/by-path")

# USB vendor (and product) ids of what printers' boards carry; public assignments of the USB-IF and the pid.codes registry
KNOWN_VENDORS: Final[dict[int, str]] = {
    0x1A86: "CH340",
    0x0403: "FTDI",
    0x10C4: "CP210x",
    0x2341: "Arduino",
    0x2A03: "Arduino",
    0x1B4F: "SparkFun",
    0x0483: "STM32",
    0x1EAF: "STM32 (Maple)",
    0x2C99: "Prusa",
    0x27B1: "UltiMachine",
    0x16C0: "Teensy or V-USB",
    0x1D50: "OpenMoko (open hardware boards)",
    0x2E8A: "RP2040",
    0x067B: "PL2303",
}


@dataclass(frozen=True, slots=True)
class SerialPort:
    """A port. `device` is the name to use: the most stable there is."""

    device: str
    kernel_name: str
    description: str
    chip: str | None
    likely: bool

    @property
    def url(self) -> str:
        """The printer URL for this port."""
        return f"marlin://{self.device}"


def _links(folder: Path) -> dict[str, list[str]]:
    """Real device -> the links of `folder` that lead to it."""
    found: dict[str, list[str]] = {}
    try:
        for link in sorted(folder.iterdir()):
            found.setdefault(str(link.resolve()), []).append(str(link))
    except OSError:
        return found  # no such folder: no USB serial port
    return found


def stable_name(device: str, serial_number: str | None) -> str:
    """The name that survives a replug: by-id, or by-path for a chip without a serial number (two CH340 share one by-id name)."""
    by_id, by_path = _links(BY_ID).get(device, []), _links(BY_PATH).get(device, [])
    names = [*by_id, *by_path] if serial_number else [*by_path, *by_id]
    return names[0] if names else device


def scan() -> list[SerialPort]:
    """All serial ports, those that look like printers first."""
    from serial.tools import list_ports  # noqa: PLC0415 - an agent without a serial printer never loads it

    ports = []
    for port in list_ports.comports():
        chip = KNOWN_VENDORS.get(port.vid) if port.vid is not None else None
        description = port.description if port.description not in {None, "n/a"} else port.name
        name = stable_name(port.device, port.serial_number)
        ports.append(SerialPort(name, port.device, description or port.device, chip, chip is not None))
    return sorted(ports, key=lambda port: (not port.likely, port.device))
