"""The bytes of a serial port: pyserial opens and configures it, then the event loop moves the bytes.

Why not pyserial's own reads: one line and its answer cost 33 us this way, and 234 us with a thread in between (measured).
"""

import asyncio
import contextlib
import errno
import grp
import os
import stat
import termios
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from drivers.errors import (
    AddressError,
    Bilingual,
    BusyPortError,
    DriverError,
    NotAPrinterError,
    PortPermissionError,
    UnreachableError,
)
from drivers.marlin import ports
from drivers.marlin.holders import Holder, holder_of
from drivers.system_words import system_words

if TYPE_CHECKING:
    from serial import Serial

READ_BYTES: Final = 65_536
MAX_UNSENT_BYTES: Final = 65_536  # we send line by line: more means that nobody reads
_VMIN: Final = 6
_UNSAID: Final = Bilingual("the system does not say why", "le système ne dit pas pourquoi")
_FULL: Final = Bilingual("the port takes no bytes any more", "le port ne prend plus rien")
_HUNG_UP: Final = Bilingual("the port hung up", "le port a raccroché")
_PULLED: Final = Bilingual("unplugged, or switched off", "câble débranché ou imprimante éteinte")


def open_port(device: str, baud: int) -> "Serial":
    """Open and configure. Blocks: call it from a thread.

    DTR stays as pyserial leaves it (raised) and HUPCL is cleared: closing no longer lowers it, so that the next open does not
    reset the board. The first open after plugging in may.

    Raises:
        DriverError: typed, with the next step.

    """
    from serial import Serial, SerialException  # noqa: PLC0415 - loaded by an agent that has a serial printer

    try:
        _must_be_terminal(device)
        port = Serial(device, baud, timeout=0, write_timeout=0, exclusive=True)
    except (SerialException, OSError, ValueError, termios.error) as error:
        raise explain(error, device, baud) from error
    try:
        keep_on_close(port.fileno())
    except termios.error as error:
        port.close()
        raise explain(error, device, baud) from error
    return port


def _must_be_terminal(device: str) -> None:
    mode = Path(device).stat().st_mode
    if not stat.S_ISCHR(mode):
        raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))


def keep_on_close(descriptor: int) -> None:
    """No hang-up when the port is closed, and a read of nothing means that it is gone. pyserial undoes that at a new speed."""
    attributes = termios.tcgetattr(descriptor)
    attributes[2] &= ~termios.HUPCL
    attributes[_VMIN][termios.VMIN] = 1  # so that a read of nothing means hang-up, and of no data EAGAIN
    termios.tcsetattr(descriptor, termios.TCSANOW, attributes)


def explain(error: Exception, device: str, baud: int) -> DriverError:
    """The typed error for what the system said when `device` was opened."""
    number = getattr(error, "errno", None) or (error.args[0] if error.args and isinstance(error.args[0], int) else None)
    if isinstance(error, ValueError) and not isinstance(error, OSError):
        return AddressError(
            Bilingual(f"{device} cannot run at {baud} baud.", f"{device} ne peut pas aller à {baud} bauds."),
            next_step=Bilingual("Leave ?baud= out: the speed is looked for.", "Enlevez ?baud= : la vitesse est alors cherchée."),
        )
    if number in {errno.EACCES, errno.EPERM}:
        told = Bilingual(f"You may not open {device}.", f"Vous n'avez pas le droit d'ouvrir {device}.")
        return PortPermissionError(told, next_step=_join_group(device))
    if number in {errno.EAGAIN, errno.EBUSY}:
        return _busy(device)
    if number in {errno.ENOENT, errno.ENXIO, errno.ENODEV, errno.EIO, errno.ENOTDIR}:
        told = Bilingual(f"There is no printer at {device}.", f"Il n'y a pas d'imprimante sur {device}.")
        return UnreachableError(told, next_step=_which_ports())
    if number in {errno.ENOTTY, errno.EISDIR, errno.EINVAL} or isinstance(error, termios.error):
        return _no_port(device)
    return _unsettled(error, number, device)


def _busy(device: str) -> DriverError:
    by = (holder_of(device) or Holder(0, "")).text
    return BusyPortError(
        Bilingual(f"{device} is in use by {by.en}.", f"{device} est utilisé par {by.fr}."),
        next_step=Bilingual(
            "Close that program; a port has room for one at a time.", "Fermez ce programme ; un port n'a de place que pour un seul."
        ),
    )


def _no_port(device: str) -> DriverError:
    told = Bilingual(f"{device} is not a serial port.", f"{device} n'est pas un port série.")
    return NotAPrinterError(told, next_step=_which_ports())


def _unsettled(error: Exception, number: int | None, device: str) -> DriverError:
    if "configure port" in str(error):  # pyserial drops the errno of tcgetattr here
        return _no_port(device)
    reason = system_words(OSError(number, os.strerror(number))) if number else _UNSAID
    return UnreachableError(
        Bilingual(f"{device} cannot be opened: {reason.en}.", f"{device} ne peut pas être ouvert : {reason.fr}."),
        next_step=Bilingual("Plug the printer in again and check the cable.", "Rebranchez l'imprimante et vérifiez le câble."),
    )


def _join_group(device: str) -> Bilingual:
    try:
        group = grp.getgrgid(Path(device).stat().st_gid).gr_name
    except (OSError, KeyError):
        group = "dialout"
    command = f"`sudo usermod -aG {group} $USER`"
    return Bilingual(
        f"It belongs to the group {group}: run {command}, then log out and in again.",
        f"Il appartient au groupe {group} : lancez {command}, puis déconnectez-vous et reconnectez-vous.",
    )


def _which_ports() -> Bilingual:
    names = ", ".join(port.device for port in ports.scan()[:8])
    if not names:
        return Bilingual(
            "This computer has no serial port now: plug the printer's USB cable in and switch it on.",
            "Cet ordinateur n'a pas de port série pour l'instant : branchez le câble USB de l'imprimante et allumez-la.",
        )
    return Bilingual(f"Ports there are: {names}.", f"Les ports présents : {names}.")


def _why_gone(error: OSError) -> Bilingual:
    """What an error of an open port means: EIO is no word of a disk here."""
    return _PULLED if error.errno in {errno.EIO, errno.ENXIO, errno.ENODEV} else system_words(error)


class Link:
    """An open port on the event loop. `received` gets bytes; `lost` is told once, with the reason, when the port is gone."""

    def __init__(self, port: "Serial", received: Callable[[bytes], None], lost: Callable[[Bilingual], None]) -> None:
        self._port = port
        self._descriptor: int = port.fileno()
        self._received = received
        self._lost = lost
        self._unsent = bytearray()
        self._loop = asyncio.get_running_loop()
        self._open = True
        self._waiting = False  # for the port to take more
        self._loop.add_reader(self._descriptor, self._readable)

    def write(self, data: bytes) -> None:
        """Send `data`, now or as soon as the port takes it."""
        if not self._open:
            return
        if not self._unsent:
            sent = self._at_once(data)
            if sent == len(data):
                return
            data = data[sent:]
        self._unsent += data
        if len(self._unsent) > MAX_UNSENT_BYTES:
            self._fail(_FULL)
        elif not self._waiting:
            self._writable()

    def _at_once(self, data: bytes) -> int:
        """Give the port what it takes; how many bytes."""
        try:
            return os.write(self._descriptor, data) if data else 0
        except OSError:
            return 0  # full or gone: the long way tells

    def _writable(self) -> None:
        try:
            sent = os.write(self._descriptor, self._unsent)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._fail(_why_gone(error))
            return
        del self._unsent[:sent]
        if bool(self._unsent) is not self._waiting:
            self._wait_for_room(bool(self._unsent))

    def _wait_for_room(self, waiting: bool) -> None:
        self._waiting = waiting
        if waiting:
            self._loop.add_writer(self._descriptor, self._writable)
        else:
            self._loop.remove_writer(self._descriptor)

    def _readable(self) -> None:
        try:
            data = os.read(self._descriptor, READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._fail(_why_gone(error))
            return
        if data:
            self._received(data)
        else:
            self._fail(_HUNG_UP)

    def _fail(self, reason: Bilingual) -> None:
        if self._open:
            self._detach()
            self._lost(reason)

    def _detach(self) -> None:
        self._open = False
        self._loop.remove_reader(self._descriptor)
        self._loop.remove_writer(self._descriptor)

    def detach(self) -> "Serial":
        """Stop listening and hand the port back; closing it may block (unsent bytes), so do that in a thread."""
        if self._open:
            self._detach()
        return self._port


def close_port(port: "Serial") -> None:
    """Close, dropping bytes that the device never took. Blocks."""
    with contextlib.suppress(OSError, termios.error):  # the device is gone: nothing to drop
        termios.tcflush(port.fileno(), termios.TCOFLUSH)
    port.close()
