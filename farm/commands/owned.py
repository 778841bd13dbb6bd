"""Which printers this computer's node has already: those of its node.toml."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from drivers.discovery.mdns import FoundOctoPrint
from drivers.marlin.ports import SerialPort
from farm.config import NodeSettings, PrinterSection, load

USUAL: Final = (Path("node.toml"), Path("/etc/essaim/node.toml"))
_PORTS: Final = {"octoprint+http": 80, "octoprint+https": 443}


def configuration(config: Path | None) -> Path | None:
    """The node.toml that is meant: the one that was named, or the first of the usual places; None when there is none."""
    return config or next((path for path in USUAL if path.is_file()), None)


class OwnPrinters:
    """The printers of a node.toml."""

    def __init__(self, printers: Iterable[PrinterSection] = ()) -> None:
        self._printers = [(printer.name, _split(printer.url)) for printer in printers]

    @classmethod
    def read(cls, config: Path | None) -> "OwnPrinters":
        """Those of `config`, or of the usual place; none when there is no file.

        Raises:
            ConfigurationError: the file is wrong.

        """
        path = configuration(config)
        return cls(load(NodeSettings, path).printers if path is not None else ())

    def at_port(self, port: SerialPort) -> str | None:
        """The name of the printer on a serial port, by any of the port's names."""
        real = {os.path.realpath(port.kernel_name), *port.names, port.device}
        for name, parts in self._printers:
            if parts.scheme == "marlin" and {_device(parts), os.path.realpath(_device(parts))} & real:
                return name
        return None

    def at_octoprint(self, found: FoundOctoPrint) -> str | None:
        """The name of the printer behind an OctoPrint, by any of its addresses, its port and its path."""
        hosts = {found.host.casefold(), *found.addresses} - {""}
        for name, parts in self._printers:
            same = _place(parts) == (found.port, found.path) and (parts.hostname or "").casefold() in hosts
            if parts.scheme in _PORTS and same:
                return name
        return None

    def same_as(self, url: str) -> str | None:
        """The name of the printer that another URL reaches as well: the same port by another name, the same OctoPrint."""
        wanted = _key(_split(url))
        return next((name for name, parts in self._printers if wanted is not None and _key(parts) == wanted), None)

    def named(self, name: str) -> bool:
        """Whether a printer has this name."""
        return any(known.casefold() == name.casefold() for known, _ in self._printers)


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # read only when it is asked for
    except ValueError:
        return urlsplit("")  # its driver will say what is wrong
    return parts


def _device(parts: SplitResult) -> str:
    return unquote(parts.path)


def _place(parts: SplitResult) -> tuple[int, str]:
    return parts.port or _PORTS.get(parts.scheme, 0), parts.path.rstrip("/")


def _key(parts: SplitResult) -> tuple[object, ...] | None:
    """What makes a printer the same; a virtual printer is another one each time."""
    if parts.scheme == "marlin":
        return ("marlin", os.path.realpath(_device(parts)))
    if parts.scheme in _PORTS:
        return ("octoprint", (parts.hostname or "").casefold(), *_place(parts))
    return None if parts.scheme in {"virtual", "manual", ""} else (parts.geturl(),)
