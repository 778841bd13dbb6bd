"""Brokers of an operator's own: mosquittos as configs/mosquitto/README.md says, with the users that the farm writes."""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from string import Template
from typing import Final

from farm.addresses import free_port
from farm.bus.broker import find_mosquitto
from farm.bus.messages import MAX_PACKET_BYTES
from farm.process import bound_to_us
from tests.integration.real import require

_CONFIGS: Final = Path(__file__).parents[2] / "configs" / "mosquitto"
_LOOK_S: Final = 0.1


class OwnMosquitto:
    """One of them. Without persistence: whenever it is started it knows nothing."""

    def __init__(self, folder: Path, users_file: Path, max_packet_bytes: int = MAX_PACKET_BYTES) -> None:
        folder.mkdir()
        self.port = free_port()
        self.url = f"mqtt://127.0.0.1:{self.port}"
        self.log = folder / "log"
        self._configuration = folder / "mosquitto.conf"
        self._process: subprocess.Popen[bytes] | None = None
        values = {
            "password_file": users_file,
            "acl_file": _CONFIGS / "acl",
            "max_packet_bytes": max_packet_bytes,
            "port": self.port,
            "extra": "user root" if os.geteuid() == 0 else "",
        }
        self._configuration.write_text(Template((_CONFIGS / "mosquitto.conf").read_text()).substitute(values))

    def start(self) -> None:
        program = find_mosquitto()
        require("mosquitto", program is not None)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(bound_to_us([str(program), "-c", str(self._configuration)]), stdout=log, stderr=log)

    def signal(self, number: int) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """Kill -9."""
        self.signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()


@contextlib.contextmanager
def own_mosquittos(
    folder: Path, count: int, *, max_packet_bytes: int = MAX_PACKET_BYTES
) -> Iterator[tuple[list[OwnMosquitto], Path]]:
    """Start them, and have them read the users again whenever the farm has written them, as a systemd path unit would."""
    users_file = folder / "broker.users"
    users_file.touch(mode=0o600)
    brokers = [OwnMosquitto(folder / f"broker-{number}", users_file, max_packet_bytes) for number in range(1, count + 1)]
    ended = threading.Event()
    seen = users_file.stat().st_mtime_ns  # now, and not when the thread gets its turn
    watching = threading.Thread(target=_watch, args=(users_file, seen, brokers, ended), daemon=True)
    for broker in brokers:
        broker.start()
    watching.start()
    try:
        yield brokers, users_file
    finally:
        ended.set()
        watching.join()
        for broker in brokers:
            broker.kill()


def _watch(users_file: Path, seen: int, brokers: Sequence[OwnMosquitto], ended: threading.Event) -> None:
    while not ended.wait(_LOOK_S):
        if (now := users_file.stat().st_mtime_ns) != seen:
            seen = now
            for broker in brokers:
                broker.signal(signal.SIGHUP)
