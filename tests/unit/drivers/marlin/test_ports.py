"""Names of ports, on a /dev and a /sys of files; and waiting for a plug."""

import asyncio
from pathlib import Path

import pytest

from drivers.marlin import ports
from drivers.marlin.ports import SerialPort, Tree, advice, mark, port_of, scan, stable_name, until_plugged
from tests.patience import PATIENCE_S
from tests.unit.drivers.marlin.devices import CH340, CP2102, PRUSA, Adapter, Machine


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def _by_kernel_name(machine: Machine) -> dict[str, SerialPort]:
    return {Path(port.kernel_name).name: port for port in scan(machine.tree)}


def test_a_printer_is_known_by_its_usb_chip_and_comes_first(machine: Machine) -> None:
    machine.uart("ttyS0", "4")
    machine.plug("ttyUSB0", "1.2", CH340)
    first, second = scan(machine.tree)
    assert (first.chip, first.likely, first.description) == ("CH340", True, "USB Serial")
    assert (Path(second.device).name, second.chip, second.likely) == ("ttyS0", None, False)


def test_an_unknown_chip_is_listed_but_not_likely(machine: Machine) -> None:
    machine.plug("ttyACM0", "1.2", Adapter("dead", "Modem", "Maker", "77"))
    (port,) = scan(machine.tree)
    assert (port.chip, port.likely, port.description) == (None, False, "Maker Modem")


def test_a_chip_with_a_serial_number_goes_by_its_id(machine: Machine) -> None:
    machine.plug("ttyACM0", "1.2", PRUSA)
    (port,) = scan(machine.tree)
    assert port.device == str(machine.tree.by_id / PRUSA.id_name)
    assert port.url == f"marlin://{port.device}"
    assert port.serial_number == PRUSA.serial
    assert port.stable


def test_a_chip_without_a_serial_number_goes_by_its_socket(machine: Machine) -> None:
    machine.plug("ttyUSB0", "1.2", CH340)
    (port,) = scan(machine.tree)
    assert port.device == str(machine.tree.by_path / "pci-0000-usb-0:1.2:1.0-port0")


def test_two_ch340_are_told_apart_by_their_sockets_also_after_renumbering(machine: Machine) -> None:
    machine.plug("ttyUSB0", "1.2", CH340)
    machine.plug("ttyUSB1", "1.3", CH340)
    before = {name: port.device for name, port in _by_kernel_name(machine).items()}
    assert len(set(before.values())) == 2
    machine.unplug("ttyUSB0")
    machine.unplug("ttyUSB1")
    machine.plug("ttyUSB0", "1.3", CH340)
    machine.plug("ttyUSB1", "1.2", CH340)
    after = {name: port.device for name, port in _by_kernel_name(machine).items()}
    assert after == {"ttyUSB0": before["ttyUSB1"], "ttyUSB1": before["ttyUSB0"]}


def test_a_number_that_every_adapter_of_the_kind_has_is_none(machine: Machine) -> None:
    machine.plug("ttyUSB0", "1.2", CP2102)
    (port,) = scan(machine.tree)
    assert Path(port.device).parent == machine.tree.by_path


def test_two_clones_with_one_serial_number_go_by_their_sockets(machine: Machine) -> None:
    clone = Adapter("0403", "FT232R", "FTDI", "A50285BI", "usb-FTDI_A50285BI-if00")
    machine.plug("ttyUSB0", "1.2", clone)
    assert Path(scan(machine.tree)[0].device).parent == machine.tree.by_id
    machine.plug("ttyUSB1", "1.3", clone)
    assert {Path(port.device).parent for port in scan(machine.tree)} == {machine.tree.by_path}


def test_two_ports_of_one_board_keep_their_ids(machine: Machine) -> None:
    for number in (0, 1):
        row = Adapter("0483", "Board", "ST", "ABC", f"usb-ST_Board_ABC-if0{number * 2}")
        machine.plug(f"ttyACM{number}", f"1.2.{number}", row)
    assert {Path(port.device).name for port in scan(machine.tree)} == {"usb-ST_Board_ABC-if00", "usb-ST_Board_ABC-if02"}


def test_consoles_and_uarts_that_are_not_there_are_no_ports(machine: Machine) -> None:
    machine.console("tty1")
    machine.uart("ttyS3", "0")
    machine.uart("ttyAMA0", "32")
    assert [Path(port.device).name for port in scan(machine.tree)] == ["ttyAMA0"]
    assert not scan(machine.tree)[0].stable


def test_a_computer_without_ports(tmp_path: Path) -> None:
    assert scan(Tree(tmp_path / "dev", tmp_path / "sys")) == []


def test_what_a_device_calls_itself_is_one_short_printable_line(machine: Machine) -> None:
    machine.plug("ttyUSB0", "1.2", Adapter(product="Evil\x1b[2J\nname" + "x" * 200, serial="\x07" * 3))
    (port,) = scan(machine.tree)
    assert port.description.startswith("Evil?[2J?name")
    assert len(port.description) == ports.MAX_TEXT
    assert port.serial_number == "???"


def test_a_vendor_that_is_no_number_is_no_known_chip(machine: Machine) -> None:
    machine.plug("ttyUSB0", "1.2", Adapter("zzzz"))
    assert scan(machine.tree)[0].chip is None


def test_any_name_finds_the_port(machine: Machine) -> None:
    device = machine.plug("ttyUSB0", "1.2", CH340)
    port = scan(machine.tree)[0]
    assert set(port.names) == {str(device), port.device, str(machine.tree.by_id / CH340.id_name)}
    assert all(port_of(name, machine.tree) == port for name in port.names)
    assert port_of(str(machine.tree.dev / "ttyUSB7"), machine.tree) is None


def test_the_name_to_open_again(machine: Machine) -> None:
    device = machine.plug("ttyACM0", "1.2", PRUSA)
    by_path = str(machine.tree.by_path / "pci-0000-usb-0:1.2:1.0-port0")
    assert stable_name(str(device), machine.tree) == str(machine.tree.by_id / PRUSA.id_name)
    assert stable_name(by_path, machine.tree) == by_path, "a person chose the socket"
    assert stable_name("/dev/pts/999", machine.tree) == "/dev/pts/999"


def test_a_kernel_name_is_warned_of_with_the_url_to_use(machine: Machine) -> None:
    device = machine.plug("ttyACM0", "1.2", PRUSA)
    told = advice(str(device), machine.tree)
    assert told is not None
    stable = f"marlin://{machine.tree.by_id / PRUSA.id_name}"
    assert stable in told.en
    assert stable in told.fr
    assert told.en != told.fr


def test_a_shared_by_id_name_is_warned_of(machine: Machine) -> None:
    machine.plug("ttyUSB0", "1.2", CH340)
    told = advice(str(machine.tree.by_id / CH340.id_name), machine.tree)
    assert told is not None
    assert "any adapter of this kind" in told.en
    assert "by-path" in told.fr


def test_good_names_need_no_advice(machine: Machine) -> None:
    machine.plug("ttyACM0", "1.2", PRUSA)
    machine.uart("ttyAMA0", "32")
    for name in (machine.tree.by_id / PRUSA.id_name, machine.tree.by_path / "pci-0000-usb-0:1.2:1.0-port0", "/dev/pts/999"):
        assert advice(str(name), machine.tree) is None
    assert advice(str(machine.tree.dev / "ttyAMA0"), machine.tree) is None, "there is no better one"


def test_a_mark_changes_with_device_and_rights(tmp_path: Path) -> None:
    device = tmp_path / "tty"
    assert mark(str(device)) is None
    device.touch()
    first = mark(str(device))
    assert first is not None
    assert mark(str(device)) == first
    device.chmod(0o600)
    assert mark(str(device)) != first, "udev gives the rights after the name"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "LOOK_S", 0.02)


async def test_a_plug_ends_the_wait(tmp_path: Path, quick: None) -> None:
    link = tmp_path / "by-path"
    waiting = asyncio.create_task(until_plugged(str(link), None, 2 * PATIENCE_S))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    link.symlink_to("/dev/null")
    assert await asyncio.wait_for(waiting, PATIENCE_S)


async def test_what_was_there_all_the_time_does_not(tmp_path: Path, quick: None) -> None:
    assert not await until_plugged("/dev/null", mark("/dev/null"), 0.1)
    assert not await until_plugged(str(tmp_path / "none"), None, 0.1)


async def test_a_replug_under_another_number_ends_the_wait(tmp_path: Path, quick: None) -> None:
    link = tmp_path / "by-path"
    link.symlink_to("/dev/null")
    before = mark(str(link))
    link.unlink()
    waiting = asyncio.create_task(until_plugged(str(link), before, 2 * PATIENCE_S))
    await asyncio.sleep(0.1)
    link.symlink_to("/dev/zero")
    assert await asyncio.wait_for(waiting, PATIENCE_S)
    assert link.stat().st_rdev == Path("/dev/zero").stat().st_rdev
