"""Which serial ports there are, which look like printers, and by which name each is found again after a replug.

A port has a kernel name (/dev/ttyUSB0) that is given in the order of plugging in, and links of udev below /dev/serial that say what
it is (by-id) and where it is plugged in (by-path). Two adapters without a serial number, as CH340 are, share one by-id name.

Reads /sys and /dev, without pyserial; a scan blocks for some milliseconds, a look at one port for microseconds.
"""

import asyncio
import os
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from drivers.errors import Bilingual

LOOK_S: Final = 1.0  # between two looks at a port that is gone: a `stat`
MAX_PORTS: Final = 256
MAX_TEXT: Final = 80  # characters of what a device calls itself

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
# what a CP210x has when nobody programmed one, and zeros: many adapters have the same
_NO_NUMBER: Final = re.compile(r"0*1?")
_ABSENT_UART: Final = "0"  # `type` of a ttyS that the kernel reserved and that is not there
_USB_LEVELS: Final = 6  # folders between a tty and the USB device that carries it


@dataclass(frozen=True, slots=True)
class Tree:
    """Where the system shows its devices; another one in tests."""

    dev: Path = Path("/dev")
    sys: Path = Path("/sys")

    @property
    def by_id(self) -> Path:
        """Links by what the adapter says it is."""
        return self.dev / "serial" / "by-id"

    @property
    def by_path(self) -> Path:
        """Links by the socket that it is plugged into."""
        return self.dev / "serial" / "by-path"


SYSTEM: Final = Tree()


@dataclass(frozen=True, slots=True)
class SerialPort:
    """A port. `device` is the name to use: the most stable there is; `names` are all that lead to it, the kernel's with them."""

    device: str
    kernel_name: str
    description: str
    chip: str | None
    likely: bool
    serial_number: str | None = None
    names: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        """The printer URL for this port."""
        return f"marlin://{self.device}"

    @property
    def stable(self) -> bool:
        """Whether `device` is the same after a replug."""
        return self.device != self.kernel_name


def _links(folder: Path) -> dict[str, list[str]]:
    """Real device -> the links of `folder` that lead to it."""
    found: dict[str, list[str]] = {}
    try:
        for link in sorted(folder.iterdir())[:MAX_PORTS]:
            found.setdefault(os.path.realpath(link), []).append(str(link))
    except OSError:
        return found  # no such folder: no USB serial port
    return found


def _text(folder: Path, name: str) -> str:
    """What the file `name` of /sys holds, as one printable line; empty when there is none."""
    try:
        with (folder / name).open("rb") as file:
            content = file.read(256)
    except OSError:
        return ""
    text = content.decode("utf-8", "replace").strip()
    return "".join(sign if sign.isprintable() else "?" for sign in text)[:MAX_TEXT]


def _usb_device(tty: Path) -> Path | None:
    """The folder of the USB device that carries `tty` (a folder of /sys/class/tty)."""
    folder = Path(os.path.realpath(tty / "device"))
    for level in [folder, *folder.parents][:_USB_LEVELS]:
        if (level / "idVendor").exists():
            return level
    return None


def _port(tty: Path, tree: Tree) -> SerialPort | None:
    """The port behind a folder of /sys/class/tty, None for a console or a UART that is not there."""
    if not (tty / "device").exists() or _text(tty, "type") == _ABSENT_UART:
        return None
    kernel_name = str(tree.dev / tty.name)
    usb = _usb_device(tty)
    if usb is None:
        return SerialPort(kernel_name, kernel_name, tty.name, None, likely=False)
    vendor = _text(usb, "idVendor")
    chip = KNOWN_VENDORS.get(int(vendor, 16)) if re.fullmatch(r"[0-9a-fA-F]{4}", vendor) else None
    description = " ".join(text for text in (_text(usb, "manufacturer"), _text(usb, "product")) if text) or tty.name
    number = _text(usb, "serial") or None
    return SerialPort(kernel_name, kernel_name, description[:MAX_TEXT], chip, chip is not None, number)


def scan(tree: Tree = SYSTEM) -> list[SerialPort]:
    """All serial ports, those that look like printers first."""
    try:
        folders = sorted((tree.sys / "class" / "tty").iterdir())
    except OSError:
        return []
    found = [port for folder in folders if (port := _port(folder, tree)) is not None][:MAX_PORTS]
    named = _named(found, tree)
    return sorted(named, key=lambda port: (not port.likely, port.kernel_name))


def _named(found: Iterable[SerialPort], tree: Tree) -> list[SerialPort]:
    """Each port with the name to use and all its names."""
    ports = list(found)
    alike = Counter((port.description, port.serial_number) for port in ports)
    by_id, by_path = _links(tree.by_id), _links(tree.by_path)
    named = []
    for port in ports:
        real = os.path.realpath(port.kernel_name)
        ids, paths = by_id.get(real, []), by_path.get(real, [])
        # the ports of one composite device have one number and a by-id name each; of two devices that share one, only one has it
        shared = alike[port.description, port.serial_number] > 1 and _crossed(ports, port, by_id)
        trusted = port.serial_number is not None and not _NO_NUMBER.fullmatch(port.serial_number) and not shared
        names = [*ids, *paths] if trusted else [*paths, *ids]
        best = names[0] if names else port.kernel_name
        named.append(replace(port, device=best, names=(*names, port.kernel_name)))
    return named


def _crossed(ports: list[SerialPort], port: SerialPort, by_id: dict[str, list[str]]) -> bool:
    """Whether another port says to be the same and one of the two got no by-id name: udev gives one link to one of them only."""
    same = [other for other in ports if (other.description, other.serial_number) == (port.description, port.serial_number)]
    return any(not by_id.get(os.path.realpath(other.kernel_name)) for other in same)


def port_of(device: str, tree: Tree = SYSTEM) -> SerialPort | None:
    """The port that any of its names leads to; None when it is not there or no port (a pty)."""
    real = os.path.realpath(device)
    return next((port for port in scan(tree) if os.path.realpath(port.kernel_name) == real), None)


def stable_name(device: str, tree: Tree = SYSTEM) -> str:
    """The name under which to open `device` again after a replug.

    A link is kept as it is (a person has chosen it); a kernel name is replaced by the best link that leads to it.
    """
    if not _is_kernel_name(device, tree):
        return device
    port = port_of(device, tree)
    return port.device if port is not None else device


def _is_kernel_name(device: str, tree: Tree) -> bool:
    path = Path(device)
    return path.parent == tree.dev and not path.is_symlink()


def advice(device: str, tree: Tree = SYSTEM) -> Bilingual | None:
    """What to tell who uses a name that another printer may have after a replug; None when the name is good.

    A kernel name is given in the order of plugging in; a by-id name without a serial number is shared by all adapters of the kind.
    """
    port = port_of(device, tree)
    if port is None or not port.stable or device == port.device:
        return None
    if _is_kernel_name(device, tree):
        return Bilingual(
            f"{device} may be another printer after a restart. Use {port.url}",
            f"{device} peut désigner une autre imprimante après un redémarrage. Utilisez {port.url}",
        )
    if Path(device).parent == tree.by_id:  # the scan preferred another one: this one is ambiguous
        return Bilingual(
            f"{device} is what any adapter of this kind is called. Use {port.url}",
            f"{device} est le nom de tout adaptateur de ce modèle. Utilisez {port.url}",
        )
    return None


Mark = tuple[int, int, int, int]


def mark(device: str) -> Mark | None:
    """What changes when another device, or other rights, are behind the name `device`; None when nothing is."""
    try:
        status = os.stat(device)  # noqa: PTH116 - once a second for each port that is gone: no object for it
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_rdev, status.st_ctime_ns


async def until_plugged(device: str, before: Mark | None, timeout_s: float) -> bool:
    """Wait until something new is behind `device`, at most `timeout_s`; True when it is. `before` is its `mark` when it was tried.

    So a printer that is plugged in again is opened within LOOK_S, however long its driver would have waited.
    """
    loop = asyncio.get_running_loop()
    end_s = loop.time() + timeout_s
    while (left_s := end_s - loop.time()) > 0:
        await asyncio.sleep(min(LOOK_S, left_s))
        if (now := mark(device)) is not None and now != before:
            return True
    return False
