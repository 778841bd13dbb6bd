import pytest

from drivers.virtual.flavours import FLAVOURS, flavour_name
from drivers.virtual.options import FirmwareOptions
from tests.unit.drivers.virtual.console import Console, numbered


def console(flavour: str) -> Console:
    return Console(FirmwareOptions(flavour=flavour, name="Left"))


@pytest.mark.parametrize(
    ("flavour", "first"),
    [
        ("marlin-2.1", "FIRMWARE_NAME:Marlin bugfix-2.1.x ("),
        ("marlin-2.0", "FIRMWARE_NAME:Marlin 2.0.9.2 ("),
        ("marlin-1.1", "FIRMWARE_NAME:Marlin 1.1.9 (Github) "),
        ("prusa-mk3", "FIRMWARE_NAME:Prusa-Firmware 3.13.3 based on Marlin FIRMWARE_URL:"),
        ("reprapfirmware", "FIRMWARE_NAME: RepRapFirmware for Duet 2 WiFi/Ethernet FIRMWARE_VERSION: 3.4.6"),
        ("klipper", "ok FIRMWARE_VERSION:v0.12.0 FIRMWARE_NAME:Klipper"),
    ],
)
def test_m115(flavour: str, first: str) -> None:
    said = console(flavour).send("M115")
    assert said[0].startswith(first)
    assert sum(line.startswith("ok") for line in said) == 1
    assert flavour in {"reprapfirmware", "klipper"} or "MACHINE_TYPE:Left" in said[0]


@pytest.mark.parametrize("flavour", sorted(FLAVOURS))
def test_every_flavour_prints_the_same_part(flavour: str) -> None:
    """Only the dialect differs."""
    host = console(flavour)
    for line in ("M302 P1", "G28", "M83", "G1 X50 E5 F3000", "G1 Y50 E5", "M400"):
        host.send(line)
        host.wait(60.0)
    assert host.firmware.bed.net_mm == pytest.approx(10.0)


@pytest.mark.parametrize("flavour", sorted(FLAVOURS))
def test_every_flavour_tells_temperatures(flavour: str) -> None:
    said = "\n".join(console(flavour).send("M105"))
    assert "25.0" in said
    assert "B:25.0" in said
    assert said.count("ok") == 1


def test_old_marlin_does_not_report_by_itself() -> None:
    host = console("marlin-1.1")
    assert "Cap:AUTOREPORT_TEMP:0" in host.send("M115")
    assert host.send("M155 S1") == ['echo:Unknown command: "M155 S1"', "ok"]


@pytest.mark.parametrize(
    ("flavour", "silent"), [("marlin-2.1", True), ("marlin-2.0", False), ("marlin-1.1", False), ("prusa-mk3", False)]
)
def test_a_duplicate(flavour: str, silent: bool) -> None:
    host = console(flavour)
    host.run("M110 N0", numbered(1, "G90"), numbered(2, "G90"))
    said = host.send(numbered(2, "G90"))
    assert said == ([] if silent else ["Error:Line Number is not Last Line Number+1, Last Line: 2", "Resend: 3", "ok"])


def test_prusa_tells_its_display_and_its_fans() -> None:
    host = console("prusa-mk3")
    assert host.send("M117 hello") == ["LCD status changed", "ok"]
    assert host.send("M9999") == ["Unknown M code: M9999", "ok"]
    assert host.send("M105") == ["ok T:25.0 /0.0 B:25.0 /0.0 T0:25.0 /0.0 @:0 B@:0 P:0.0 A:25.0"]


class TestRepetier:
    def heard(self, host: Console, *lines: str) -> list[str]:
        return [line.rstrip("\r") for line in host.send(*lines)]

    def test_oks_carry_numbers_and_come_first(self) -> None:
        host = console("repetier")
        assert self.heard(host, "M110 N0") == ["ok 0"]
        assert self.heard(host, numbered(1, "M115"))[0] == "ok 1"
        assert self.heard(host, numbered(2, "M105")) == ["ok 2", "T:25.00 /0 B:25.00 /0 B@:0 @:0"]

    def test_asks_again_in_its_own_words(self) -> None:
        host = console("repetier")
        self.heard(host, "M110 N0")
        self.heard(host, numbered(1, "G90"))
        assert self.heard(host, numbered(5, "G90")) == ["Error:expected line 2 got 5", "Resend:2", "ok"]
        assert self.heard(host, "N2 G90*1") == ["Error:Wrong checksum", "Resend:2", "ok"]
        assert self.heard(host, "N2 G90") == ["Error:Missing checksum", "Resend:2", "ok"]
        assert self.heard(host, numbered(1, "G90")) == ["skip 1", "ok 1"]

    def test_waits_aloud_while_it_has_nothing_to_do(self) -> None:
        host = console("repetier")
        said = []
        for _ in range(10):
            said += host.wait(0.5)
        assert [line.rstrip("\r") for line in said] == ["wait"] * 5
        host.send("G4 S20")
        quiet = []
        for _ in range(10):
            quiet += host.wait(1.0)
        assert "wait\r" not in quiet

    def test_lines_end_in_carriage_returns(self) -> None:
        assert console("repetier").send("M105")[0].endswith("\r")


def test_klipper_takes_any_number_and_no_checksum() -> None:
    host = console("klipper")
    assert host.send("N77 M105*1") == ["ok B:25.0 /0.0 T0:25.0 /0.0"]
    assert host.send("N5 G90") == ["ok"]
    assert host.send("M155 S1") == ['// Unknown command:"M155"', "ok"]


def test_reprapfirmware_is_never_busy() -> None:
    host = console("reprapfirmware")
    host.send("G4 S20")
    assert host.wait(19.0) == []
    assert host.wait(2.0) == ["ok"]
    assert host.send("M155 S1") == ["Warning: M155: Command is not supported", "ok"]


def test_an_unknown_flavour_is_named() -> None:
    with pytest.raises(ValueError, match="repetier"):
        flavour_name("smoothie")
