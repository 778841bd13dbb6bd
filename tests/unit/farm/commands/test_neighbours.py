"""Agents of Essaim on this computer, in a /proc that is made up."""

import platform
from pathlib import Path

import pytest

from drivers.discovery.mdns import FoundOctoPrint
from drivers.marlin.holders import Holder
from drivers.marlin.ports import SerialPort
from farm.commands import neighbours
from farm.commands.neighbours import MAX_AGENTS, Neighbours, Place, enrolled_text, in_use_text, running
from gcode.texts import NOTHING

PORT = SerialPort("/dev/serial/by-id/usb-A", "/dev/ttyUSB0", "A", "CH340", True, "1", ("/dev/serial/by-id/usb-A",))
OCTOPI = FoundOctoPrint("A", None, None, "octopi.local", ("192.168.1.7",), 80, "", guarded=False)
TOML = """name = "Atelier"
[[printers]]
name = "Ender"
url = "marlin:///dev/serial/by-id/usb-A?baud=115200"
profile = "generic-210"
[[printers]]
name = "Octo"
url = "octoprint+http://octopi.local"
profile = "generic-210"
"""


class Computer:
    """Its processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.proc = folder / "proc"
        self.proc.mkdir()
        (self.proc / "self").mkdir()

    def runs(self, pid: int, *words: str) -> None:
        process = self.proc / str(pid)
        process.mkdir()
        (process / "cmdline").write_bytes(b"".join(word.encode() + b"\0" for word in words))
        (process / "cwd").symlink_to(self.folder)

    def agent(self, pid: int, *options: str) -> None:
        self.runs(pid, "/usr/bin/python3", "-X", "x", "-m", "farm.node", *options)

    def node_toml(self, text: str, name: str = "node.toml") -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def places(self, own: Path | None = None, holder: Holder | None = None) -> tuple[Place | None, Place | None]:
        """Where the port and the OctoPrint are enrolled."""
        others = Neighbours(running(own, self.proc), self.proc)
        return others.at_port(PORT, holder), others.at_octoprint(OCTOPI)


@pytest.fixture
def computer(tmp_path: Path) -> Computer:
    return Computer(tmp_path)


@pytest.mark.parametrize("style", ["--config={}", "--config {}", "--config=node.toml", "--data=/x --config node.toml"])
def test_an_agent_tells_by_its_node_toml_what_it_has(computer: Computer, style: str) -> None:
    path = computer.node_toml(TOML)
    computer.agent(7, *style.format(path).split())
    computer.runs(8, "/usr/bin/python3", "-m", "http.server")
    assert computer.places() == (Place("Atelier", "Ender"), Place("Atelier", "Octo"))


def test_our_own_agent_is_no_other(computer: Computer) -> None:
    path = computer.node_toml(TOML)
    computer.agent(7, f"--config={path}")
    assert running(path, computer.proc) == []
    assert computer.places(own=path) == (None, None)
    assert computer.places(own=computer.node_toml("", "other.toml"))[0] == Place("Atelier", "Ender")
    assert computer.places(own=computer.folder / "none.toml")[0] == Place("Atelier", "Ender")


def test_a_node_without_a_name_is_called_like_its_computer(computer: Computer) -> None:
    computer.node_toml(TOML.partition("\n")[2])
    computer.agent(7, "--config=node.toml")
    assert computer.places()[0] == Place(platform.node(), "Ender")


@pytest.mark.parametrize(
    "text", [None, "no TOML", "printers = 3", 'printers = [3, {name = ""}]', "name = 3\nprinters = {}", "\xff\x00"]
)
def test_what_cannot_be_read_has_no_printers_but_holds_what_it_holds(computer: Computer, text: str | None) -> None:
    if text is not None:
        computer.node_toml(text)
    computer.agent(7, "--config=node.toml")
    assert computer.places() == (None, None)
    place, _ = computer.places(holder=Holder(7, "python"))
    assert place is not None
    assert place.printer == ""
    assert computer.places(holder=Holder(8, "python")) == (None, None)


def test_a_wrong_printer_hides_no_other(computer: Computer) -> None:
    computer.node_toml(TOML + "[[printers]]\nname = 3\n")
    computer.agent(7, "--config=node.toml")
    assert computer.places()[0] == Place("Atelier", "Ender")


@pytest.mark.parametrize("words", [[], ["--config"], ["--data=/x"]])
def test_an_agent_without_a_configuration(computer: Computer, words: list[str]) -> None:
    computer.agent(7, *words)
    (agent,) = running(None, computer.proc)
    assert (agent.pid, agent.node) == (7, "")


def test_of_very_many_agents_only_so_many_are_looked_at(computer: Computer) -> None:
    for pid in range(1, MAX_AGENTS + 3):
        computer.agent(pid)
    assert len(running(None, computer.proc)) == MAX_AGENTS


def test_the_holder_is_asked_of_the_kernels_name(computer: Computer, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, Path]] = []

    def holder_of(device: str, proc: Path) -> Holder:
        asked.append((device, proc))
        return Holder(12, "octoprint")

    monkeypatch.setattr(neighbours, "holder_of", holder_of)
    assert Neighbours([], computer.proc).holder(PORT) == Holder(12, "octoprint")
    assert asked == [("/dev/ttyUSB0", computer.proc)]


def test_this_computers_own_processes_can_be_read() -> None:
    assert isinstance(Neighbours.look(None), Neighbours)


def test_sentences() -> None:
    assert in_use_text(None) == NOTHING
    assert in_use_text(Holder(12, "octoprint")).fr == " - utilisé par un autre programme : octoprint (processus 12)"
    assert enrolled_text(Place("", "")).fr == " - déjà inscrite par un autre agent de cet ordinateur"
