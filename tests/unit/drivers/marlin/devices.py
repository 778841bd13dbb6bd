"""A /dev and a /sys of files, as the kernel and udev make them when USB serial adapters are plugged in."""

from dataclasses import dataclass
from pathlib import Path

from drivers.marlin.ports import Tree


@dataclass(frozen=True)
class Adapter:
    """What an adapter says of itself; without `serial` as a CH340."""

    vendor: str = "1a86"
    product: str = "USB Serial"
    maker: str = ""
    serial: str | None = None
    id_name: str = "usb-1a86_USB_Serial-if00-port0"


CH340 = Adapter()
PRUSA = Adapter("2c99", "Original Prusa i3 MK3", "Prusa Research", "CZPX1234X004XC56789", "usb-Prusa_MK3_CZPX1234X004XC56789-if00")
CP2102 = Adapter("10c4", "CP2102 USB to UART", "Silicon Labs", "0001", "usb-Silicon_Labs_CP2102_0001-if00-port0")


class Machine:
    """A computer with sockets; `plug` says which kernel name an adapter got."""

    def __init__(self, folder: Path) -> None:
        self.tree = Tree(folder / "dev", folder / "sys")
        for path in (self.tree.by_id, self.tree.by_path, self.tree.sys / "class" / "tty"):
            path.mkdir(parents=True)

    def plug(self, name: str, socket: str, adapter: Adapter = CH340, *, target: Path | None = None) -> Path:
        """Plug `adapter` into `socket`; `target` is a real terminal to put behind the kernel name. Returns the kernel name."""
        usb = self.tree.sys / "devices" / f"usb{socket}"
        interface = usb / "1-1:1.0" / name / "tty" / name
        interface.mkdir(parents=True)
        rows = {"idVendor": adapter.vendor, "product": adapter.product, "manufacturer": adapter.maker, "serial": adapter.serial}
        for key, value in rows.items():
            if value:
                (usb / key).write_text(f"{value}\n")
        (interface / "device").symlink_to(usb / "1-1:1.0" / name)
        (self.tree.sys / "class" / "tty" / name).symlink_to(interface)
        device = self.tree.dev / name
        device.symlink_to(target) if target else device.touch()
        self._link(self.tree.by_path / f"pci-0000-usb-0:{socket}:1.0-port0", device)
        self._link(self.tree.by_id / adapter.id_name, device)
        return device

    @staticmethod
    def _link(link: Path, device: Path) -> None:
        link.unlink(missing_ok=True)  # the newest adapter of a name gets it
        link.symlink_to(device)

    def unplug(self, name: str) -> None:
        """Pull the adapter that has this kernel name."""
        device = self.tree.dev / name
        for folder in (self.tree.by_id, self.tree.by_path):
            for link in folder.iterdir():
                if link.readlink() == device:
                    link.unlink()
        (self.tree.sys / "class" / "tty" / name).unlink()
        device.unlink()

    def uart(self, name: str, kind: str) -> None:
        """A port of the board itself; `kind` is the kernel's type number, 0 for one that is not there."""
        tty = self.tree.sys / "class" / "tty" / name
        (self.tree.sys / "devices" / "platform" / name).mkdir(parents=True)
        tty.mkdir()
        (tty / "device").symlink_to(self.tree.sys / "devices" / "platform" / name)
        (tty / "type").write_text(f"{kind}\n")
        (self.tree.dev / name).touch()

    def console(self, name: str) -> None:
        """A virtual terminal: no device behind it."""
        (self.tree.sys / "class" / "tty" / name).mkdir()
