"""Who is at the other end: the same machine as before, or another."""

from drivers.base import PrintEnd, Recovery
from drivers.marlin.events import JobEnded, Ready, Refused
from drivers.marlin.greeting import MAX_NAMINGS
from drivers.marlin.job import Phase
from drivers.virtual.options import FirmwareOptions
from drivers.virtual.wire import Wire
from gcode.texts import Told
from tests.unit.drivers.marlin.world import HEATED, RecordingFirmware, World, moves, printed

OTHER = FirmwareOptions(name="Somebody else's", uuid="11111111-0000-4000-8000-000000000000")


def _swap(world: World, options: FirmwareOptions) -> None:
    firmware = RecordingFirmware(options)
    firmware.settle(world.now_s)
    firmware.advance(world.now_s)
    _plug(world, firmware)


def _plug(world: World, firmware: RecordingFirmware) -> None:
    world.firmware = firmware
    world.wire = Wire(firmware, baud=0)


def test_another_machine_after_a_replug_never_gets_the_job() -> None:
    world = World().connected()
    world.print_lines([*HEATED, *moves(300)])
    world.run(lambda: len(printed(world.firmware.executed)) > 50, limit_s=600)
    world.unplug()
    _swap(world, OTHER)
    world.replug()
    ending = world.ended(limit_s=60)
    assert ending.end is PrintEnd.FAILED
    assert ending.fault is not None
    assert ending.fault.code == "other-machine"
    assert ending.fault.recovery is Recovery.BY_HAND
    assert ending.fault.meaning_fr
    assert isinstance(ending.fault.text, Told)
    assert (" instead of " in ending.fault.text, " au lieu de " in ending.fault.text.fr) == (True, True)
    world.pass_time(60)
    assert world.phase() is Phase.KILLED
    assert [text for text in world.firmware.executed if text != "M115"] == []


def test_another_machine_between_two_jobs_is_not_used_either() -> None:
    world = World().connected()
    world.unplug()
    _swap(world, OTHER)
    world.replug()
    world.run(lambda: bool(world.of(Refused)), limit_s=60)
    assert world.protocol.fault is not None
    assert world.protocol.fault.code == "other-machine"
    assert not world.of(JobEnded)


def test_the_right_machine_is_taken_back() -> None:
    world = World().connected()
    first = world.firmware
    world.unplug()
    _swap(world, OTHER)
    world.replug()
    world.run(lambda: bool(world.of(Refused)), limit_s=60)
    world.unplug()
    _plug(world, first)
    world.events.clear()
    world.replug()
    world.run(lambda: bool(world.of(Ready)), limit_s=60)
    assert world.protocol.fault is None


def test_a_new_firmware_version_is_the_same_machine() -> None:
    world = World(FirmwareOptions(flavour="marlin-2.1")).connected()
    world.unplug()
    _swap(world, FirmwareOptions(flavour="marlin-2.0"))
    world.events.clear()
    world.replug()
    world.run(lambda: bool(world.of(Ready)), limit_s=60)


def test_noise_in_its_name_makes_no_other_machine() -> None:
    world = World().connected()
    world.print_lines([*HEATED, *moves(300)])
    world.run(lambda: len(printed(world.firmware.executed)) > 50, limit_s=600)
    world.unplug()
    damaged = [b"UUID:10000000", b"UUID:20000000"]

    def damage(data: bytes) -> bytes:
        return data.replace(b"UUID:00000000", damaged.pop()) if damaged and b"UUID:00000000" in data else data

    world.to_host = damage
    world.replug()
    assert world.ended().end is PrintEnd.DONE
    assert not damaged
    assert printed(world.firmware.executed) == moves(300)


def test_noise_in_its_first_name_makes_no_other_machine_of_it_later() -> None:
    world = World()
    damaged = [b"MACHINE_TYPE:x"]

    def damage(data: bytes) -> bytes:
        return data.replace(b"MACHINE_TYPE:", damaged.pop(), 1) if damaged and b"MACHINE_TYPE:" in data else data

    world.to_host = damage
    world.connected()
    assert not damaged
    assert world.protocol.machine is not None
    assert not world.protocol.machine.startswith("x")
    world.print_lines([*HEATED, *moves(300)])
    world.run(lambda: len(printed(world.firmware.executed)) > 50, limit_s=600)
    world.unplug()
    world.pass_time(2)
    world.replug()
    assert world.ended().end is PrintEnd.DONE
    assert printed(world.firmware.executed) == moves(300)


def test_its_name_is_asked_no_more_than_twice_when_it_is_clear() -> None:
    world = World().connected()
    assert world.sent.count(b"M115") == 2


def test_a_firmware_with_another_name_each_time_is_driven_all_the_same() -> None:
    world = World()
    told = iter(range(1000))

    def rename(data: bytes) -> bytes:
        return data.replace(b"MACHINE_TYPE:", b"MACHINE_TYPE:%d" % next(told)) if b"MACHINE_TYPE:" in data else data

    world.to_host = rename
    world.connected()
    assert world.sent.count(b"M115") == MAX_NAMINGS
    world.print_lines([*HEATED, *moves(100)])
    world.unplug()
    world.replug()
    assert world.ended().end is PrintEnd.DONE
