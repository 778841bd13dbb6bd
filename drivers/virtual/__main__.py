"""`python -m drivers.virtual`: virtual printers in a process of their own, so that they outlive the agent that prints on them."""

import argparse
import json
import os
import select
import signal
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any, Final
from urllib.parse import urlsplit

from drivers.errors import AddressError
from drivers.virtual.control import describe_faults, obey, snapshot
from drivers.virtual.port import VirtualPort
from drivers.virtual.printer import VirtualSettings, make_port, read_settings, setting_names

STATE_PERIOD_S: Final = 0.2
LONGEST_LINE_BYTES: Final = 4096
MOST_PRINTERS: Final = 128

_EPILOG: Final = """\
One JSON command a line on standard input, one answer a line on standard output:
  {"printer": 1, "snapshot": true}      the truth: parts, millimetres, executed lines and their SHA-256
  {"printer": 1, "executed": true}      the newest executed numbered commands
  {"printer": 1, "remove_parts": true}  a hand clears the bed
  {"printer": 1, "fault": NAME, ...}    break it; times are the firmware's

Faults:
"""


class _Stop(Exception):  # noqa: N818 - not an error: somebody asked us to end
    """SIGTERM or SIGINT."""


def _arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m drivers.virtual",
        description="Virtual Marlin printers, each on a pty of its own.",
        epilog=f"{_EPILOG}{describe_faults()}\n\nSettings:\n{textwrap.fill(', '.join(setting_names()), 100)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--speed", type=float, default=60.0, help="firmware seconds per real second")
    parser.add_argument("--bed", type=float, default=210.0, metavar="MM", help="side of the bed")
    parser.add_argument("--count", type=int, default=1, help=f"how many printers (at most {MOST_PRINTERS})")
    parser.add_argument("--link", type=Path, metavar="PATH", help="make symbolic links PATH-1, PATH-2, ... to the ptys")
    parser.add_argument("--state", type=Path, metavar="FILE.json", help="keep the truth about all printers in this file")
    parser.add_argument("--set", default="", metavar="KEY=VALUE&...", help="more settings, as in the query of a virtual:// URL")
    parser.add_argument("--end-with-stdin", action="store_true", help="end when standard input ends")
    return parser.parse_args(words)


def _settings(chosen: argparse.Namespace, number: int) -> VirtualSettings:
    more = f"&{chosen.set}" if chosen.set else ""
    settings = read_settings(
        urlsplit(f"virtual://?speed={chosen.speed}&bed={chosen.bed}&seed={number}&name=Virtual-{number}{more}")
    )
    # Each printer is somebody: hosts tell machines apart by this.
    return replace(settings, firmware=replace(settings.firmware, uuid=f"00000000-0000-4000-8000-{number:012d}"))


def _open_ports(chosen: argparse.Namespace, ports: list[VirtualPort]) -> None:
    for number in range(1, min(max(1, chosen.count), MOST_PRINTERS) + 1):
        link = chosen.link.with_name(f"{chosen.link.name}-{number}") if chosen.link else None
        ports.append(make_port(_settings(chosen, number), link=link))
        _tell({"printer": number, "path": ports[-1].path, "link": str(link) if link else None})


def _tell(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def _obey(ports: list[VirtualPort], line: bytes) -> None:
    """One control command: `{"printer": 1, "fault": "reset"}`. The answer is one line, too."""
    try:
        order = json.loads(line[:LONGEST_LINE_BYTES])
        number = int(order["printer"])
        if not 1 <= number <= len(ports):
            raise ValueError(f"there is no printer {number}")
        _tell({"printer": number, **obey(ports[number - 1], order)})
    except (ValueError, KeyError, TypeError) as error:
        _tell({"error": f"{type(error).__name__}: {error}"})


class _StateFile:
    """Written only when it changes, and replaced in one step: a reader never sees half of it."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._last: list[dict[str, Any]] = []

    def keep(self, ports: list[VirtualPort]) -> None:
        if self._path is None:
            return
        printers = [{"path": port.path, **port.call(snapshot)} for port in ports]
        known = [printer | {"now_s": 0.0} for printer in printers]  # that time passes is no news
        if known != self._last:
            fresh = self._path.with_name(f".{self._path.name}.new")
            fresh.write_text(json.dumps({"printers": printers}))
            fresh.replace(self._path)
            self._last = known


def _serve(ports: list[VirtualPort], state: _StateFile, *, end_with_stdin: bool) -> None:
    listening = True
    next_state_s = 0.0
    buffered = b""
    while True:
        if time.monotonic() >= next_state_s:
            state.keep(ports)
            next_state_s = time.monotonic() + STATE_PERIOD_S
        ready = select.select([sys.stdin.fileno()] if listening else [], [], [], STATE_PERIOD_S)[0]
        if not ready:
            continue
        chunk = os.read(sys.stdin.fileno(), LONGEST_LINE_BYTES)
        if not chunk:
            listening = False
            if end_with_stdin:
                return
        *lines, buffered = (buffered + chunk).split(b"\n")
        for line in lines:
            _obey(ports, line)
        buffered = buffered[-LONGEST_LINE_BYTES:]
        next_state_s = 0.0 if lines else next_state_s


def _on_signal(_number: int, _frame: FrameType | None) -> None:
    raise _Stop


def main(words: list[str] | None = None) -> int:
    """Run until SIGTERM, SIGINT or (if asked) the end of standard input. Returns the exit code."""
    chosen = _arguments(sys.argv[1:] if words is None else words)
    ports: list[VirtualPort] = []
    state = _StateFile(chosen.state)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _on_signal)
    try:
        _open_ports(chosen, ports)
        _serve(ports, state, end_with_stdin=chosen.end_with_stdin)
    except _Stop:
        pass
    except AddressError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        if ports:
            state.keep(ports)
        for port in ports:
            port.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
