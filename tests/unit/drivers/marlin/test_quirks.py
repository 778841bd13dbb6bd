"""Kinds of firmware: each row by the name that its source shows, and a job printed where the virtual one has that dialect."""

import pytest

from drivers.base import PrintEnd
from drivers.marlin import quirks
from drivers.marlin.events import Ready, Refused
from drivers.virtual.options import FirmwareOptions
from tests.unit.drivers.marlin.world import HEATED, World, moves, printed


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("Marlin bugfix-2.1.x (Jan  7 2023 12:00:00)", "marlin-2"),
        ("Marlin 2.0.9.3 (Nov 10 2021)", "marlin-2"),
        ("Marlin 2.1.2.1", "marlin-2"),
        ("Marlin 1.1.9 (Github)", "marlin-1"),
        ("Marlin 1.1.0-RC8", "marlin-1"),
        ("Marlin V1; Sprinter/grbl mashup for gen6", "marlin"),
        ("Prusa-Firmware 3.14.1 based on Marlin", "prusa-mk3"),
        ("Prusa-Firmware-Buddy 6.5.3+12780", "prusa-buddy"),
        ("Repetier_0.92.9", "repetier"),
        ("RepRapFirmware for Duet 2 WiFi/Ethernet", "reprapfirmware"),
        (" RepRapFirmware for Duet 3 MB6HC", "reprapfirmware"),
        ("Klipper", "klipper"),
        ("Smoothieware", "unknown"),
        (None, "unknown"),
    ],
)
def test_a_firmware_is_known_by_its_name(name: str | None, code: str) -> None:
    assert quirks.of(name).code == code


def test_each_row_has_a_source_and_a_code_of_its_own() -> None:
    assert len({row.code for row in quirks.QUIRKS}) == len(quirks.QUIRKS)
    assert all(row.source for row in quirks.QUIRKS)


def test_what_is_not_known_is_careful() -> None:
    assert not quirks.UNKNOWN.wide
    assert not quirks.UNKNOWN.deadman


@pytest.mark.parametrize("flavour", ["marlin-2.1", "marlin-2.0", "marlin-1.1", "prusa-mk3", "repetier"])
def test_a_job_is_printed_whatever_the_dialect(flavour: str) -> None:
    world = World(FirmwareOptions(flavour=flavour)).connected()
    world.protocol.deadman_s = 300
    world.print_lines([*HEATED, "G1 Z0.3", *moves(200)])
    assert world.ended().end is PrintEnd.DONE
    assert printed(world.firmware.executed) == moves(200)
    has_switch = world.protocol.identity.quirk.deadman
    assert ("M85 S300" in world.firmware.executed) is has_switch
    assert world.protocol.channel.window.lines == (3 if world.protocol.identity.quirk.wide else 1)


def test_klipper_is_refused_in_both_languages_and_nothing_is_sent_to_it() -> None:
    world = World(FirmwareOptions(flavour="klipper"))
    world.protocol.opened(0.0)
    world.run(lambda: bool(world.of(Refused)), limit_s=60)
    (refused,) = world.of(Refused)
    assert "Klipper" in refused.why.en
    assert "Klipper" in refused.why.fr
    assert "octoprint+http" in refused.next_step.fr
    world.sent.clear()
    world.pass_time(60)
    assert not world.of(Ready)
    assert set(bytes(world.sent).split()) <= {b"M115"}
