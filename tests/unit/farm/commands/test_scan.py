import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from drivers.discovery import mdns
from drivers.discovery.mdns import DiscoveryError, FoundOctoPrint
from drivers.marlin import ports
from drivers.marlin.holders import Holder
from drivers.marlin.ports import SerialPort
from farm.cli import build
from farm.commands import neighbours
from farm.commands.client import FarmClient, ProblemError
from farm.commands.neighbours import Agent
from farm.commands.owned import OwnPrinters
from farm.config import PrinterSection
from tests.patience import PATIENCE_S
from tests.unit.farm.commands.conftest import Farm

PRUSA = SerialPort(
    "/dev/serial/by-id/usb-Prusa", "/dev/ttyACM0", "Original Prusa", "Prusa", True, "CZ1", ("/dev/serial/by-id/usb-Prusa",)
)
LOOSE = SerialPort("/dev/ttyUSB0", "/dev/ttyUSB0", "USB Serial", "CH340", True)
UART = SerialPort("/dev/ttyS0", "/dev/ttyS0", "ttyS0", None, False)
UUID = "7ea12e85-4a49-4a29-b7a1-9d9d0c2b5a11"
OCTOPI = FoundOctoPrint("Printer A", UUID, "1.11.8", "octopi.local", ("192.168.1.7",), 80, "", guarded=True)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FARM_URL", "http://127.0.0.1:9")  # nobody is there
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setattr(neighbours, "running", lambda _own: [])
    monkeypatch.setattr(neighbours, "holder_of", lambda _device, _proc: None)


def _others(monkeypatch: pytest.MonkeyPatch, *agents: Agent, holder: Holder | None = None) -> None:
    monkeypatch.setattr(neighbours, "running", lambda _own: list(agents))
    monkeypatch.setattr(neighbours, "holder_of", lambda _device, _proc: holder)


def _agent(url: str, pid: int = 7, node: str = "Chez Anna") -> Agent:
    return Agent(pid, node, OwnPrinters([PrinterSection(name="Ender", url=url, profile="generic-210")]))


def _scan(
    monkeypatch: pytest.MonkeyPatch,
    found: list[SerialPort],
    *options: str,
    octoprints: Sequence[FoundOctoPrint] | DiscoveryError = (),
) -> Result:
    def find(_seconds: float) -> list[FoundOctoPrint]:
        if isinstance(octoprints, DiscoveryError):
            raise octoprints
        return list(octoprints)

    monkeypatch.setattr(ports, "scan", lambda: found)
    monkeypatch.setattr(mdns, "find_octoprints", find)
    result = CliRunner().invoke(build(), ["printers", "scan", *options])
    assert result.exit_code == 0, result.output
    return result


def test_ports_are_listed_with_the_url_to_use(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = _scan(monkeypatch, [PRUSA, UART]).stdout.splitlines()
    assert lines[0] == "marlin:///dev/serial/by-id/usb-Prusa"
    assert "looks like a printer" in lines[1]
    assert "may change" not in lines[1]
    assert lines[2] == "marlin:///dev/ttyS0"
    assert "probably no printer" in lines[3]
    assert "farm printers probe URL" in lines[4]


def test_a_port_without_a_stable_name_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "may change with the next plug" in _scan(monkeypatch, [LOOSE]).stdout


def test_octoprints_are_listed_with_version_and_uuid(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = _scan(monkeypatch, [], octoprints=[OCTOPI]).stdout.splitlines()
    assert lines[0] == "octoprint+http://192.168.1.7"
    for text in ("OctoPrint 1.11.8", '"Printer A"', "octopi.local", UUID, "asks for a user name"):
        assert text in lines[1]


def test_without_anything_the_next_step_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Plug the printer's USB cable in" in _scan(monkeypatch, []).stdout
    assert "None of them looks like a printer" in _scan(monkeypatch, [UART]).stdout


def test_the_way_to_a_key_of_an_octoprint_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = _scan(monkeypatch, [], octoprints=[OCTOPI]).stdout.splitlines()[-1]
    assert "farm printers add URL" in alone
    assert "one click" in alone
    assert "farm printers probe URL" not in alone, "it would need a key first"
    both = _scan(monkeypatch, [PRUSA], octoprints=[OCTOPI]).stdout.splitlines()[-1]
    assert "farm printers probe URL" in both
    assert "one click" in both
    assert "one click" not in _scan(monkeypatch, [PRUSA]).stdout


def test_json_is_one_object_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    result = _scan(monkeypatch, [PRUSA, UART], "--json", octoprints=[OCTOPI])
    prusa, uart, octopi = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["url"] for row in (prusa, uart)] == ["marlin:///dev/serial/by-id/usb-Prusa", "marlin:///dev/ttyS0"]
    assert (prusa["kind"], prusa["likely"], prusa["stable"], prusa["ours"]) == ("serial", True, True, None)
    assert (octopi["kind"], octopi["uuid"], octopi["version"], octopi["guarded"]) == ("octoprint", UUID, "1.11.8", True)
    assert _scan(monkeypatch, [], "--json").stdout == ""


def test_what_is_ours_already_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "other.toml"
    config.write_text(
        f'[[printers]]\nname = "Ender"\nurl = "{PRUSA.url}?baud=115200"\nprofile = "generic-210"\n'
        '[[printers]]\nname = "Octo"\nurl = "octoprint+http://octopi.local?key_file=/k"\nprofile = "generic-210"\n'
    )
    lines = _scan(monkeypatch, [PRUSA], "--config", str(config), octoprints=[OCTOPI]).stdout.splitlines()
    assert lines[1].endswith("ours already: Ender")
    assert lines[3].endswith("ours already: Octo")
    assert lines[4] == "What looks like a printer is ours already."
    config.rename(tmp_path / "node.toml")
    assert json.loads(_scan(monkeypatch, [PRUSA], "--json").stdout)["ours"] == "Ender", "the usual place"


def test_without_zeroconf_the_serial_ports_are_listed_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = DiscoveryError("zeroconf is missing.", next_step="Install it.")
    result = _scan(monkeypatch, [PRUSA], octoprints=missing)
    assert PRUSA.url in result.stdout
    assert "farm: zeroconf is missing. Install it." in result.stderr


def test_zero_seconds_ask_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    result = _scan(monkeypatch, [PRUSA], "--seconds", "0", octoprints=DiscoveryError("asked", next_step=""))
    assert "asked" not in result.output


# --- beside other programs of this computer


def test_a_printer_of_another_agent_is_enrolled_already(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its stable name, whether its agent holds the port now or not: nobody adds it a second time."""
    for holder in (Holder(7, "python"), None):
        _others(monkeypatch, _agent(f"{PRUSA.url}?baud=115200"), holder=holder)
        lines = _scan(monkeypatch, [PRUSA]).stdout.splitlines()
        assert lines[1].endswith(" - already enrolled at node Chez Anna: Ender (another agent on this computer)")
        assert lines[2] == "What looks like a printer is ours, enrolled by another agent, or in use by another program."
        row = json.loads(_scan(monkeypatch, [PRUSA], "--json").stdout)
        assert (row["ours"], row["enrolled"]) == (None, {"node": "Chez Anna", "printer": "Ender"})
        assert row["in_use"] == (None if holder is None else {"pid": 7, "name": "python"})


def test_a_port_that_an_agent_holds_under_another_name_is_its(monkeypatch: pytest.MonkeyPatch) -> None:
    _others(monkeypatch, _agent("marlin:///dev/ttyUSB9"), holder=Holder(7, "python"))
    assert (
        _scan(monkeypatch, [PRUSA]).stdout.splitlines()[1].endswith("enrolled at node Chez Anna (another agent on this computer)")
    )
    _others(monkeypatch, Agent(7, "", OwnPrinters()), holder=Holder(7, "python"))
    assert _scan(monkeypatch, [PRUSA]).stdout.splitlines()[1].endswith(" - already enrolled by another agent on this computer")


def test_a_port_that_another_program_holds_is_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    _others(monkeypatch, _agent("marlin:///dev/ttyUSB9"), holder=Holder(12, "octoprint"))
    lines = _scan(monkeypatch, [PRUSA, LOOSE]).stdout.splitlines()
    assert lines[1].endswith(" - in use by another program: octoprint (process 12)")
    assert "add it to this node" not in lines[-1]
    _others(monkeypatch, holder=Holder(0, ""))
    assert _scan(monkeypatch, [PRUSA]).stdout.splitlines()[1].endswith(" - in use by another program")


def test_what_is_ours_is_ours_whoever_holds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "node.toml").write_text(f'[[printers]]\nname = "Ada"\nurl = "{PRUSA.url}"\nprofile = "generic-210"\n')
    _others(monkeypatch, _agent(PRUSA.url), holder=Holder(7, "python"))
    lines = _scan(monkeypatch, [PRUSA]).stdout.splitlines()
    assert lines[1].endswith(" - ours already: Ada")
    assert lines[2] == "What looks like a printer is ours already."


def test_an_octoprint_of_another_agent_is_enrolled_already(monkeypatch: pytest.MonkeyPatch) -> None:
    _others(monkeypatch, _agent("octoprint+http://192.168.1.7?key_file=/k"))
    lines = _scan(monkeypatch, [], octoprints=[OCTOPI]).stdout.splitlines()
    assert lines[1].endswith(" - already enrolled at node Chez Anna: Ender (another agent on this computer)")
    row = json.loads(_scan(monkeypatch, [], "--json", octoprints=[OCTOPI]).stdout)
    assert (row["enrolled"]["node"], row["in_use"]) == ("Chez Anna", None)


def test_beside_a_free_printer_the_way_to_add_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    _others(monkeypatch, _agent(PRUSA.url))
    assert "add it to this node" in _scan(monkeypatch, [PRUSA, LOOSE]).stdout.splitlines()[-1]


# --- beside the list of the farm


@pytest.fixture
def in_farm(farm: Farm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Farm:
    """A farm whose daemon answers, and a node.toml with the Prusa."""
    monkeypatch.setenv("FARM_URL", farm.url)
    monkeypatch.setattr("farm.commands.client.GLANCE_TIMEOUT_S", (PATIENCE_S, PATIENCE_S))  # a crowded machine takes longer
    farm.control.add_node("nod-7", name="Chez Anna")
    (tmp_path / "node.toml").write_text(f'[[printers]]\nname = "Ender"\nurl = "{PRUSA.url}"\nprofile = "generic-210"\n')
    return farm


def test_without_a_daemon_it_says_that_it_did_not_compare(monkeypatch: pytest.MonkeyPatch) -> None:
    result = _scan(monkeypatch, [PRUSA])
    assert "farm: not compared with the printers of the farm. No daemon answers at http://127.0.0.1:9." in result.stderr
    row = json.loads(_scan(monkeypatch, [PRUSA], "--json").stdout)
    assert (row["compared"], row["farm"], row["farm_alike"]) == (False, None, [])


def test_what_has_become_of_ours_is_told(in_farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    in_farm.control.add_printer("prn-9", "ender", node="nod-7")
    result = _scan(monkeypatch, [PRUSA])
    assert result.stdout.splitlines()[1].endswith("ours already: Ender (in the farm: prn-9 on Chez Anna, idle)")
    assert result.stderr == ""
    row = json.loads(_scan(monkeypatch, [PRUSA], "--json").stdout)
    assert (row["compared"], row["farm"]["id"], row["farm_alike"]) == (True, "prn-9", [])
    monkeypatch.setenv("LC_ALL", "fr_FR.UTF-8")
    line = _scan(monkeypatch, [PRUSA]).stdout.splitlines()[1]
    assert line.endswith("déjà à nous : Ender (dans la ferme : prn-9 sur Chez Anna, au repos)")


def test_ours_that_the_farm_does_not_know_needs_its_node(in_farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "the farm does not know it yet: start its node anew" in _scan(monkeypatch, [PRUSA]).stdout


def test_two_of_one_name_are_both_named(in_farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    in_farm.control.add_printer("prn-8", "Ender", node="nod-7")
    in_farm.control.add_printer("prn-9", "Ender", node="nod-7")
    assert "(in the farm one of Ender (prn-8) on Chez Anna, Ender (prn-9) on Chez Anna)" in _scan(monkeypatch, [PRUSA]).stdout


def test_an_octoprint_with_the_name_of_another_nodes_is_perhaps_the_same(in_farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    in_farm.control.add_printer("prn-9", "printer a", node="nod-7", driver="octoprint")
    in_farm.control.add_printer("prn-8", "Printer A", node="nod-7")
    lines = _scan(monkeypatch, [UART], octoprints=[OCTOPI]).stdout.splitlines()
    assert lines[3].endswith("perhaps the farm's already: printer a (prn-9) on Chez Anna")
    assert "perhaps" not in lines[1]


def test_what_has_become_of_a_printer_of_another_agent_is_told(in_farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two with its name the one of that agent's node."""
    in_farm.control.add_node("nod-8", name="Ailleurs")
    in_farm.control.add_printer("prn-8", "ender", node="nod-8")
    in_farm.control.add_printer("prn-9", "ender", node="nod-7")
    _others(monkeypatch, _agent(LOOSE.url))
    line = _scan(monkeypatch, [LOOSE]).stdout.splitlines()[1]
    assert line.endswith(": Ender (another agent on this computer) (in the farm: prn-9 on Chez Anna, idle)")
    _others(monkeypatch, _agent(LOOSE.url, node="Nulle part"))
    assert _scan(monkeypatch, [LOOSE]).stdout.splitlines()[1].endswith(": Ender (another agent on this computer)")


def test_a_daemon_that_refuses_is_said_too(in_farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_self: FarmClient, _path: str) -> None:
        raise ProblemError({"detail": "Not for you.", "next_step": "Ask for the right."}, 403)

    monkeypatch.setattr(FarmClient, "glance", refused)
    result = _scan(monkeypatch, [PRUSA])
    assert "not compared with the printers of the farm. Not for you. Ask for the right." in result.stderr
    assert result.stdout.splitlines()[1].endswith("ours already: Ender")


# --- in French --------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def french(monkeypatch: pytest.MonkeyPatch, elsewhere: None) -> None:
    monkeypatch.setenv("LC_ALL", "fr_FR.UTF-8")


def test_what_was_found_is_told_in_french(monkeypatch: pytest.MonkeyPatch, french: None) -> None:
    result = _scan(monkeypatch, [LOOSE, UART], octoprints=[OCTOPI])
    lines = result.stdout.splitlines()
    assert lines[1] == (
        "    /dev/ttyUSB0  USB Serial  (CH340, ressemble à une imprimante ; il n'a pas d'autre nom, et celui-ci peut changer au "
        "prochain branchement)"
    )
    assert lines[3] == "    /dev/ttyS0  ttyS0  (sans doute pas une imprimante)"
    assert lines[5].endswith("(son proxy demande un nom et un mot de passe : prenez une adresse qui l'évite)")
    assert lines[6].startswith("Regardez-en un : farm printers probe URL - ajoutez-le à ce nœud : farm printers add URL --name NOM")
    assert lines[6].endswith("(cela demande une clé à OctoPrint : un clic sur sa page ; probe a besoin de la clé)")
    assert "farm: pas de comparaison avec les imprimantes de la ferme." in result.stderr
    assert "Aucun ne ressemble à une imprimante." in _scan(monkeypatch, [UART]).stdout
    assert "Branchez le câble USB" in _scan(monkeypatch, []).stdout


def test_what_is_ours_is_told_in_french(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, french: None) -> None:
    (tmp_path / "node.toml").write_text(
        '[[printers]]\nname = "Ada"\nurl = "marlin:///dev/ttyUSB0"\nprofile = "generic-210"\nmaterial = "PLA"\n'
    )
    lines = _scan(monkeypatch, [LOOSE]).stdout.splitlines()
    assert lines[1].endswith(" - déjà à nous : Ada")
    assert lines[2] == "Tout ce qui ressemble à une imprimante est déjà à nous."


def test_what_others_have_is_told_in_french(monkeypatch: pytest.MonkeyPatch, french: None) -> None:
    _others(monkeypatch, _agent(LOOSE.url))
    lines = _scan(monkeypatch, [LOOSE]).stdout.splitlines()
    assert lines[1].endswith(" - déjà inscrite au nœud Chez Anna : Ender (un autre agent de cet ordinateur)")
    assert (
        lines[2]
        == "Tout ce qui ressemble à une imprimante est à nous, inscrit par un autre agent ou utilisé par un autre programme."
    )
    _others(monkeypatch, holder=Holder(12, "octoprint"))
    assert (
        _scan(monkeypatch, [LOOSE]).stdout.splitlines()[1].endswith(" - utilisé par un autre programme : octoprint (processus 12)")
    )
