"""The other senders of the serial bench, each run by the interpreter of its own environment: this file imports nothing of ours.

`echo` is the limit: a raw descriptor, read an ok, write the next line. `printcore` is printrun's, `octoprint` is OctoPrint's
`MachineCom` without its server. All of them print the same file of moves and are measured by the sink, not here.
"""

import logging
import os
import select
import sys
import time
import tty
from importlib import import_module
from pathlib import Path


def echo(port: str, file: Path) -> None:
    """The least that a sender must do in this language."""
    lines = [line + b"\n" for line in file.read_bytes().splitlines()]
    descriptor = os.open(port, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(descriptor)
    for line in lines:
        os.write(descriptor, line)
        os.read(descriptor, 4096)


def echo_waiting(port: str, file: Path) -> None:
    """The same behind a selector, as every program must do that has more than one thing to wait for."""
    lines = [line + b"\n" for line in file.read_bytes().splitlines()]
    descriptor = os.open(port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    tty.setraw(descriptor)
    poller = select.epoll()
    poller.register(descriptor, select.EPOLLIN)
    for line in lines:
        os.write(descriptor, line)
        poller.poll()
        os.read(descriptor, 4096)


def echo_many(ports: list[str], file: Path) -> None:
    """The same for many ports."""
    lines = [line + b"\n" for line in file.read_bytes().splitlines()]
    poller = select.epoll()
    feeds = {}
    for port in ports:
        descriptor = os.open(port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(descriptor)
        feeds[descriptor] = iter(lines)
        poller.register(descriptor, select.EPOLLIN)
        os.write(descriptor, next(feeds[descriptor]))
    while True:
        for descriptor, _ in poller.poll():
            os.read(descriptor, 4096)
            os.write(descriptor, next(feeds[descriptor]))


def printcore(port: str, file: Path) -> None:
    """printrun's, as its own command line uses it."""
    gcoder, module = import_module("printrun.gcoder"), import_module("printrun.printcore")
    logging.disable(logging.CRITICAL)
    core = module.printcore(port, 115200)
    while not core.online:
        time.sleep(0.05)
    core.startprint(gcoder.LightGCode([line.decode() for line in file.read_bytes().splitlines()]))
    while core.printing:
        time.sleep(0.05)


def octoprint(port: str, file: Path) -> None:
    """OctoPrint's comm layer with the settings of a new installation."""
    comm, plugin = import_module("octoprint.util.comm"), import_module("octoprint.plugin")
    chosen = import_module("octoprint.settings").settings(init=True, basedir=str(file.parent / "octoprint"))
    chosen.setBoolean(["serial", "disconnectOnErrors"], False)
    plugin.plugin_manager(init=True, plugin_folders=[], plugin_bases=[], plugin_entry_points=[])
    profiles = import_module("octoprint.printer.profile").PrinterProfileManager()
    machine = comm.MachineCom(port, 115200, comm.MachineComPrintCallback(), printerProfileManager=profiles)
    machine.start()
    while not machine.isOperational():
        time.sleep(0.05)
    machine.selectFile(str(file), False)
    machine.startPrint()
    while machine.isPrinting():
        time.sleep(0.05)


SENDERS = {"echo": echo, "echo-waiting": echo_waiting, "printcore": printcore, "octoprint": octoprint}

if __name__ == "__main__":
    name, moves, *ports = sys.argv[1:]
    if name == "echo-many":
        echo_many(ports, Path(moves))
    else:
        SENDERS[name](ports[0], Path(moves))
    time.sleep(60)  # whoever started us stops us when all is measured
