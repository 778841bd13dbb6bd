from drivers.virtual.options import FirmwareOptions
from drivers.virtual.texts import banner, endstops, identity, settings

EVERYTHING = FirmwareOptions(
    emergency_parser=True, host_actions=True, runout_sensor=True, quoted_strings=True, area_report=True, bed_levelling=True
)


def test_banner_begins_with_start_and_ends_with_the_settings() -> None:
    lines = banner(FirmwareOptions())
    assert lines[0] == "start"
    assert lines[-len(settings(FirmwareOptions())) :] == settings(FirmwareOptions())


def test_host_actions_speak_in_the_banner() -> None:
    lines = banner(FirmwareOptions(host_actions=True))
    assert lines[-1] == "//action:prompt_end"
    assert "//action:notification Hardcoded Default Settings Loaded" in lines


def test_default_build_announces_no_extras() -> None:
    lines = identity(FirmwareOptions())
    assert len(lines) == 36
    for name in ("EMERGENCY_PARSER", "HOST_ACTION_COMMANDS", "PROMPT_SUPPORT", "RUNOUT", "AUTOREPORT_POS", "AUTOLEVEL"):
        assert f"Cap:{name}:0" in lines
    assert "Cap:AUTOREPORT_TEMP:1" in lines


def test_a_build_announces_what_it_has() -> None:
    lines = identity(EVERYTHING)
    for name in ("EMERGENCY_PARSER", "HOST_ACTION_COMMANDS", "PROMPT_SUPPORT", "RUNOUT", "AUTOLEVEL", "QUOTED_STRINGS"):
        assert f"Cap:{name}:1" in lines
    assert lines[-1].startswith("area:{full:{min:{x:0.00,y:0.00,z:0.00},max:{x:210.00,")


def test_name_and_uuid_tell_machines_apart() -> None:
    first = identity(FirmwareOptions(name="Left", uuid="u-1"))[0]
    assert first.startswith("FIRMWARE_NAME:Marlin")
    assert "MACHINE_TYPE:Left " in first
    assert first.endswith("UUID:u-1")


def test_runout_sensor_shows_in_settings_and_endstops() -> None:
    assert "echo:  M412 S1 ; Sensor ON" in settings(EVERYTHING)
    assert endstops(EVERYTHING)[-1] == "filament: TRIGGERED"
    assert "filament: TRIGGERED" not in endstops(FirmwareOptions())
