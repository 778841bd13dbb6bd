"""The link over a real pty; and the typed error for each way in which a port cannot be opened."""

import asyncio
import errno
import os
import termios
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from serial import Serial, SerialException

from drivers.errors import (
    AddressError,
    Bilingual,
    BusyPortError,
    DriverError,
    NotAPrinterError,
    PortPermissionError,
    UnreachableError,
)
from drivers.marlin import link as link_module
from drivers.marlin import ports
from drivers.marlin.holders import Holder
from drivers.marlin.link import MAX_UNSENT_BYTES, Link, close_port, explain, open_port
from tests.patience import PATIENCE_S


class Pty:
    """Both ends of a pty; the test is the machine."""

    def __init__(self) -> None:
        self.master, slave = os.openpty()
        tty.setraw(slave)
        self.path = os.ttyname(slave)
        os.close(slave)
        os.set_blocking(self.master, False)

    async def read(self, count: int) -> bytes:
        """What the machine got, once it is as much as this; the kernel hands it over a moment after it was written."""
        read = bytearray()
        async with asyncio.timeout(PATIENCE_S):
            while len(read) < count:
                try:
                    read += os.read(self.master, 4096)
                except BlockingIOError:
                    await asyncio.sleep(0.001)
        return bytes(read)

    def close(self) -> None:
        if self.master >= 0:
            os.close(self.master)
            self.master = -1


@pytest.fixture
def pty() -> Iterator[Pty]:
    pty = Pty()
    yield pty
    pty.close()


@pytest.fixture
def port(pty: Pty) -> Iterator[Serial]:
    port = open_port(pty.path, 115_200)
    yield port
    close_port(port)


class Ear:
    """What a link told."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.reasons: list[Bilingual] = []

    def link(self, port: Serial) -> Link:
        return Link(port, self.data.extend, self.reasons.append)

    async def until(self, done: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not done():  # noqa: ASYNC110 - bytes come from the kernel
                await asyncio.sleep(0.01)


async def test_bytes_go_both_ways(pty: Pty, port: Serial) -> None:
    ear = Ear()
    link = ear.link(port)
    os.write(pty.master, b"start\n\xff\x00")
    await ear.until(lambda: len(ear.data) == 8)
    assert bytes(ear.data) == b"start\n\xff\x00"
    link.write(b"M115\n")
    assert await pty.read(5) == b"M115\n"
    link.detach()


async def test_a_full_port_is_written_as_it_empties(pty: Pty, port: Serial) -> None:
    ear = Ear()
    link = ear.link(port)
    data = os.urandom(60_000)
    link.write(data)
    assert await pty.read(len(data)) == data
    assert not ear.reasons
    link.detach()


async def test_a_port_that_takes_nothing_is_lost_and_not_memory(pty: Pty, port: Serial) -> None:
    ear = Ear()
    link = ear.link(port)
    for _ in range(20):
        link.write(b"x" * (MAX_UNSENT_BYTES // 4))
    assert len(ear.reasons) == 1
    assert ear.reasons == [("the port takes no bytes any more", "le port ne prend plus rien")]
    link.detach()


async def test_a_hang_up_is_told_once(pty: Pty, port: Serial) -> None:
    ear = Ear()
    link = ear.link(port)
    pty.close()
    await ear.until(lambda: bool(ear.reasons))
    link.write(b"M105\n")
    await asyncio.sleep(0.05)
    assert len(ear.reasons) == 1
    link.detach()


async def test_writing_to_a_port_that_is_gone_is_a_loss(pty: Pty, port: Serial) -> None:
    ear = Ear()
    link = ear.link(port)
    pty.close()
    link.write(b"M105\n")
    assert len(ear.reasons) == 1
    link.detach()


def test_the_port_is_raw_and_closing_it_does_not_hang_up(pty: Pty, port: Serial) -> None:
    attributes = termios.tcgetattr(port.fileno())
    assert not attributes[2] & termios.HUPCL
    assert not attributes[3] & (termios.ICANON | termios.ECHO)


def test_a_second_opener_is_told_who_holds_it(pty: Pty, port: Serial) -> None:
    with pytest.raises(BusyPortError, match="in use by another program"):
        open_port(pty.path, 115_200)


@pytest.mark.parametrize(
    ("holder", "en", "fr"),
    [
        (Holder(12, "octoprint"), "in use by octoprint (process 12).", "utilisé par octoprint (processus 12)."),
        (None, "in use by another program.", "utilisé par un autre programme."),
    ],
)
def test_who_holds_it_is_told_in_both_languages(monkeypatch: pytest.MonkeyPatch, holder: Holder | None, en: str, fr: str) -> None:
    monkeypatch.setattr(link_module, "holder_of", lambda _device: holder)
    said = explain(OSError(errno.EBUSY, "busy"), "/dev/ttyUSB0", 115_200)
    assert (said.detail, said.detail_fr) == (f"/dev/ttyUSB0 is {en}", f"/dev/ttyUSB0 est {fr}")


def test_a_port_that_does_not_exist_names_those_that_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "scan", lambda: [ports.SerialPort("/dev/ttyUSB5", "", "", None, False)])
    with pytest.raises(UnreachableError, match="/dev/ttyUSB5"):
        open_port("/dev/ttyUSB_none", 115_200)


def test_without_any_port_the_cable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "scan", list)
    with pytest.raises(UnreachableError, match="plug the printer's USB cable in"):
        open_port("/dev/ttyUSB_none", 115_200)


@pytest.mark.parametrize("kind", ["file", "folder", "null"])
def test_what_is_no_serial_port(tmp_path: Path, kind: str) -> None:
    path = {"file": tmp_path / "file", "folder": tmp_path, "null": Path("/dev/null")}[kind]
    if kind == "file":
        path.touch()
    with pytest.raises(NotAPrinterError, match="is not a serial port"):
        open_port(str(path), 115_200)


def test_permission_names_the_group(tmp_path: Path) -> None:
    device = tmp_path / "tty"
    device.touch()
    error = explain(PermissionError(errno.EACCES, "Permission denied"), str(device), 115_200)
    assert isinstance(error, PortPermissionError)
    assert "sudo usermod -aG" in error.next_step
    assert "$USER" in error.next_step


def test_permission_on_a_port_that_vanished_names_dialout() -> None:
    error = explain(PermissionError(errno.EACCES, "Permission denied"), "/dev/gone", 115_200)
    assert "dialout" in error.next_step


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ValueError("Invalid baud rate: 7"), AddressError),
        (SerialException(errno.EAGAIN, "Could not exclusively lock port"), BusyPortError),
        (OSError(errno.EBUSY, "busy"), BusyPortError),
        (OSError(errno.EIO, "I/O error"), UnreachableError),
        (OSError(errno.ENXIO, "no such device"), UnreachableError),
        (SerialException("Could not configure port: (25, 'x')"), NotAPrinterError),
        (termios.error(errno.ENOTTY, "Inappropriate ioctl for device"), NotAPrinterError),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), UnreachableError),
    ],
)
def test_every_error_is_typed_and_has_a_next_step(error: Exception, kind: type[DriverError]) -> None:
    explained = explain(error, "/dev/ttyUSB0", 115_200)
    assert type(explained) is kind
    assert explained.next_step.endswith(".")
    assert "/dev/ttyUSB0" in explained.detail
    assert "/dev/ttyUSB0" in explained.detail_fr
    assert (explained.detail, explained.next_step) != (explained.detail_fr, explained.next_step_fr)


@pytest.mark.parametrize(
    "error",
    [
        SerialException(errno.EMFILE, "could not open port /dev/x: [Errno 24] Too many open files: '/dev/x'"),
        SerialException("something: [Errno 99]"),
        ValueError("Invalid baud rate: 115200"),
    ],
)
def test_people_read_no_words_of_python(error: Exception) -> None:
    found = explain(error, "/dev/x", 115_200)
    assert "Errno" not in str(found)
    assert "Invalid" not in str(found)
    assert "/dev/x" in found.detail
    assert "?baud=115200" not in found.next_step, "that was just tried"
