"""A program on its way from a real daemon to a real agent: packed with zstd, cut in the middle, gone on with, and the very same."""

import hashlib
import random
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from farm.bus.broker import find_mosquitto
from farm.commands.local_farm import Child, LocalFarm
from farm.node.join import IDENTITY
from tests.integration.real import require
from tests.integration.small_program import small_program
from tests.patience import PATIENCE_S
from tests.virtual_printers import VirtualPrinters

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("packed")]

_CUT_AFTER_BYTES = 150_000
_COMMENTS = 40_000


class Between:
    """A relay to a port of this machine that counts, and cuts the first answers that carry a packed program."""

    def __init__(self, port: int, cuts: int) -> None:
        self._target = port
        self.cuts_left = cuts
        self.requests: list[str] = []
        self.packed_bytes = 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in self._threads:
            thread.join(PATIENCE_S)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                inner, _ = self._listening.accept()
                self._threads.append(threading.Thread(target=self._relay, args=(inner,)))
                self._threads[-1].start()

    def _relay(self, inner: socket.socket) -> None:
        with inner, suppress(OSError), socket.create_connection(("127.0.0.1", self._target)) as outer:
            back = threading.Thread(target=self._answers, args=(outer, inner))
            back.start()
            with suppress(OSError):
                while piece := inner.recv(65536):
                    self.requests.append(piece.decode("latin-1"))
                    outer.sendall(piece)
            with suppress(OSError):
                outer.shutdown(socket.SHUT_RDWR)
            back.join(PATIENCE_S)

    def _answers(self, outer: socket.socket, inner: socket.socket) -> None:
        packed, carried = False, 0
        with suppress(OSError):
            while piece := outer.recv(16384):
                packed = packed or b"content-encoding: zstd" in piece.lower()
                if packed:
                    carried += len(piece)
                    self.packed_bytes += len(piece)
                inner.sendall(piece)
                if packed and self.cuts_left and carried > _CUT_AFTER_BYTES:
                    self.cuts_left -= 1
                    break
        with suppress(OSError):
            inner.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[LocalFarm]:
    require("mosquitto", find_mosquitto() is not None)
    with LocalFarm(tmp_path, speed=20.0, broker="mosquitto", farm={"report_every_s": 20.0}) as local:
        yield local


def large_program() -> bytes:
    """A real one, with 1.5 MB of comments that pack about as well as moves do."""
    chance = random.Random(5)
    comments = "".join(f"; {chance.randrange(10**9)} {chance.randrange(10**9)} here\n" for _ in range(_COMMENTS))
    return small_program() + comments.encode()


def test_a_cut_transfer_goes_on_with_the_packed_form_and_arrives_whole(farm: LocalFarm, tmp_path: Path) -> None:
    content = large_program()
    farm.start_daemon()
    between = Between(farm.port, cuts=2)
    try:
        with VirtualPrinters(tmp_path, count=1, speed=20.0) as printers:
            _lead_through(between.port, farm, farm.add_node("workshop", printers.sections()))
            program = farm.add_program(
                content, design="square", revision="square-1", profile="generic-210", parts=1, material="PLA"
            )
            farm.post("/orders", {"design": "square", "quantity": 1})
            arrived = tmp_path / "node-workshop" / "programs" / f"{program['sha256']}.gcode"
            farm.wait_until(lambda: _cleared(farm) and arrived.is_file(), what="the program on the node", timeout_s=120)
            assert arrived.read_bytes() == content
            assert program["sha256"] == hashlib.sha256(content).hexdigest()
            assert [path.name for path in arrived.parent.iterdir()] == [arrived.name]
            for child in farm.nodes.values():
                child.end()
    finally:
        between.close()
    asked = [request for request in between.requests if f"{program['sha256']}/file" in request]
    assert asked, [request[:200] for request in between.requests]
    assert between.cuts_left == 0
    assert len(asked) == 3
    assert "range:" not in asked[0].lower()
    assert all("if-range:" in request.lower() for request in asked[1:])
    assert between.packed_bytes < len(content) * 0.6


def _lead_through(port: int, farm: LocalFarm, agent: Child) -> None:
    """Have the agent fetch programs through the relay: its identity names the farm's own address."""
    agent.end()
    identity = farm.folder / "node-workshop" / IDENTITY
    identity.write_text(identity.read_text().replace(farm.url, f"http://127.0.0.1:{port}"))
    agent.start()


def _cleared(farm: LocalFarm) -> bool:
    farm.be_the_hands()
    return True
